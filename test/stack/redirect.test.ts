// Proves that a redirect is followed as Linux follows it (net/ipv4/route.c __ip_do_redirect): once the new gateway's MAC is
// known, for 300 s, and only from the router that was asked.

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Bridge } from '../../src/link/bridge.ts';
import { createVethPair } from '../../src/link/veth.ts';
import type { NetNamespace } from '../../src/stack/netns.ts';
import { PingSocket } from '../../src/stack/ping-socket.ts';
import { ip, mac, Net } from './net.ts';

describe('a redirect', () => {
  let net: Net;
  let pod: NetNamespace;
  let socket: PingSocket;

  beforeEach(() => {
    net = new Net();
    const sw = net.host('sw');
    const bridge = new Bridge(net.world, { name: 'br0', mac: 0, macGiven: false, mtu: 1500, owner: 'sw' });
    sw.addDevice(bridge.dev);
    bridge.dev.setUp(true);
    const plug = (name: string, n: number, forward: string): NetNamespace => {
      const netns = net.host(name, { 'net.ipv4.ip_forward': forward });
      const [end, port] = createVethPair(
        net.world,
        { name: 'eth0', mac: mac(`02:00:00:00:00:0${n}`), mtu: 1500, owner: name },
        { name: `p${n}`, mac: mac(`02:00:00:00:01:0${n}`), mtu: 1500, owner: 'sw' },
      );
      const idev = netns.addDevice(end);
      sw.addDevice(port);
      expect(bridge.addPort(port)).toBe('ok');
      end.setUp(true);
      port.setUp(true);
      net.address(idev, `10.0.0.${n}/24`);
      net.record(end);
      return netns;
    };
    pod = plug('pod', 1, '0');
    const old = plug('old', 2, '1');
    plug('better', 3, '1');
    const dev = (n: NetNamespace) => n.inDevice(n.device('eth0')!);
    net.route(pod, '0.0.0.0/0', { gateway: '10.0.0.2', dev: dev(pod) });
    net.route(old, '10.9.0.0/16', { gateway: '10.0.0.3', dev: dev(old) });
    socket = new PingSocket(pod);
  });
  afterEach(() => {
    expect(net.close()).toBe(0);
  });

  /** First hops of the echo requests that the pod sends from here on. */
  function ping(): string[] {
    const from = net.frames.length;
    socket.send(ip('10.9.0.1'), 1, new Uint8Array(8), false);
    net.run(1);
    return net.frames
      .slice(from)
      .filter((f) => f.dev === 'pod/eth0' && f.direction === 'out' && f.bytes[23] === 1 && f.bytes[34] === 8)
      .map((f) => `${f.bytes[5]}`);
  }

  it('is followed once the gateway answered ARP, and for 300 s', () => {
    expect(ping()).toEqual(['2']);
    expect(net.seen('pod/eth0', 'in').filter((l) => l.startsWith('icmp 5/1'))).toHaveLength(1);
    // The first one only made the pod ask for 10.0.0.3.
    expect(net.seen('pod/eth0', 'out')).toContain('arp who-has 10.0.0.3 tell 10.0.0.1 broadcast');
    expect(ping()).toEqual(['2']);
    expect(net.seen('pod/eth0', 'in').filter((l) => l.startsWith('icmp 5/1'))).toHaveLength(2);
    expect(ping()).toEqual(['3']);
    net.run(295);
    expect(ping()).toEqual(['3']);
    net.run(5);
    expect(ping()).toEqual(['2']);
  });

  it('is refused by a host with accept_redirects 0', () => {
    for (const name of ['all', 'eth0']) pod.sysctl.set(`net.ipv4.conf.${name}.accept_redirects`, '0');
    expect([ping(), ping(), ping()]).toEqual([['2'], ['2'], ['2']]);
    expect(pod.pathExceptions.size).toBe(0);
  });
});
