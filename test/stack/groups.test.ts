// Proves that broadcasts and datagrams to groups reach those on the sender's own host that Linux gives them to
// (net/ipv4/ip_output.c ip_mc_output), with a TTL of 1 for groups, and sockets bound to a device only its datagrams.

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { InDevice } from '../../src/stack/in-device.ts';
import type { NetNamespace } from '../../src/stack/netns.ts';
import { UdpSocket } from '../../src/stack/udp-socket.ts';
import { ip, Net } from './net.ts';

describe('one to many', () => {
  let net: Net;
  let a: NetNamespace;
  let b: NetNamespace;
  let devA: InDevice;
  let devB: InDevice;

  beforeEach(() => {
    net = new Net();
    a = net.host('a');
    b = net.host('b');
    [devA, devB] = net.cable(
      { netns: a, address: '10.0.0.1/24', mac: '02:00:00:00:00:01' },
      { netns: b, address: '10.0.0.2/24', mac: '02:00:00:00:00:02' },
    );
  });
  afterEach(() => {
    expect(net.close()).toBe(0);
  });

  function listener(netns: NetNamespace, device: InDevice | null = null): string[] {
    const got: string[] = [];
    const s = new UdpSocket(netns);
    s.device = device;
    expect(s.bind(0, 9)).toBe(null);
    s.onDatagram = (_at, length) => got.push(`${netns.label} ${length}`);
    return got;
  }

  it('a broadcast reaches the sender too, once', () => {
    const [own, other] = [listener(a), listener(b)];
    const s = new UdpSocket(a);
    expect(s.sendTo(new Uint8Array(5), ip('10.0.0.255'), 9)).toBe('EACCES');
    s.broadcast = true;
    expect(s.sendTo(new Uint8Array(5), ip('10.0.0.255'), 9)).toBe(null);
    expect(own).toEqual([]);
    net.run(1);
    expect([own, other]).toEqual([['a 5'], ['b 5']]);
    expect(net.reasons()).toEqual([]);
  });

  it('a group reaches the sender only where it joined, and goes out with TTL 1', () => {
    const [own, other] = [listener(a), listener(b)];
    const group = ip('239.1.1.1');
    net.route(a, '239.0.0.0/8', { dev: devA });
    b.igmp.join(devB, group);
    const s = new UdpSocket(a);
    s.sendTo(new Uint8Array(5), group, 9);
    net.run(1);
    expect([own, other]).toEqual([[], ['b 5']]);
    a.igmp.join(devA, group);
    s.sendTo(new Uint8Array(6), group, 9);
    net.run(1);
    expect([own, other]).toEqual([['a 6'], ['b 5', 'b 6']]);
    const sent = net.seen('a/eth0', 'out').filter((l) => l.startsWith('udp'));
    expect(sent.map((l) => /ttl \d+/.exec(l)?.[0])).toEqual(['ttl 1', 'ttl 1']);
  });

  it('a group that the host sends with its own address, reflected by a neighbour, is a martian', () => {
    const group = ip('239.1.1.1');
    net.route(b, '239.0.0.0/8', { dev: devB });
    b.addAddress(devB, { local: ip('10.0.0.1'), length: 24 });
    a.igmp.join(devA, group);
    const s = new UdpSocket(b);
    expect(s.bind(ip('10.0.0.1'), 0)).toBe(null);
    s.sendTo(new Uint8Array(5), group, 9);
    net.run(1);
    expect(net.reasons().filter((r) => r.startsWith('IP_MARTIAN'))).toEqual(['IP_MARTIAN_SOURCE']);
  });

  it('what waits for its time in a namespace that goes ends with it', () => {
    a.sysctl.set('net.ipv4.ip_forward', '1');
    a.sysctl.set('net.ipv4.conf.eth0.proxy_arp', '1');
    net.cable(
      { netns: a, name: 'eth1', address: '10.0.7.1/24', mac: '02:00:00:00:07:01' },
      { netns: net.host('c'), address: '10.0.7.2/24', mac: '02:00:00:00:07:02' },
    );
    net.route(b, '10.0.7.0/24', { dev: devB });
    new UdpSocket(b).sendTo(new Uint8Array(1), ip('10.0.7.2'), 9);
    listener(a);
    const s = new UdpSocket(a);
    s.broadcast = true;
    net.run(0.000_01);
    s.sendTo(new Uint8Array(5), ip('10.0.0.255'), 9);
    expect(a.proxyQueue).toBe(1);
    net.machine.deleteNamespace('a');
    net.run(5);
    expect(net.seen('a/eth0', 'out').filter((l) => l.includes('10.0.7.2 is-at'))).toEqual([]);
  });

  it('a socket bound to a device hears that device only', () => {
    const got = listener(b, b.loopback);
    const s = new UdpSocket(a);
    s.sendTo(new Uint8Array(5), ip('10.0.0.2'), 9);
    net.run(1);
    expect([got, net.reasons()]).toEqual([[], ['NO_SOCKET']]);
    const all = listener(a, devA);
    new UdpSocket(b).sendTo(new Uint8Array(7), ip('10.0.0.1'), 9);
    net.run(1);
    expect(all).toEqual(['a 7']);
  });
});
