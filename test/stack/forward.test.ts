// Proves that a router forwards, refuses and reports as Linux does (golden cases 07c, 09c, 09d).

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { framesInUse } from '../../src/link/frame.ts';
import type { InDevice } from '../../src/stack/in-device.ts';
import type { NetNamespace } from '../../src/stack/netns.ts';
import { livePathExceptions } from '../../src/stack/path-mtu.ts';
import { PathMtuDiscovery } from '../../src/stack/path-mtu-discovery.ts';
import { type EchoError, PingSocket } from '../../src/stack/ping-socket.ts';
import { UdpSocket } from '../../src/stack/udp-socket.ts';
import { ip, Net } from './net.ts';

describe('forwarding', () => {
  let net: Net;
  let pod: NetNamespace;
  let node: NetNamespace;
  let far: NetNamespace;
  let nodeIn: InDevice;
  let nodeOut: InDevice;

  beforeEach(() => {
    net = new Net();
    pod = net.host('pod');
    node = net.host('node', { 'net.ipv4.ip_forward': '1' });
    far = net.host('far');
    const [podDev, in_] = net.cable(
      { netns: pod, address: '10.1.0.2/24', mac: '02:00:00:00:00:02' },
      { netns: node, name: 'cni0', address: '10.1.0.1/24', mac: '02:00:00:00:00:01' },
    );
    const [out, farDev] = net.cable(
      { netns: node, address: '10.2.0.1/24', mac: '02:00:00:00:01:01', mtu: 1400 },
      { netns: far, address: '10.2.0.2/24', mac: '02:00:00:00:01:02', mtu: 1400 },
    );
    nodeIn = in_;
    nodeOut = out;
    net.route(pod, '0.0.0.0/0', { gateway: '10.1.0.1', dev: podDev });
    net.route(far, '0.0.0.0/0', { gateway: '10.2.0.1', dev: farDev });
  });
  afterEach(() => {
    expect(net.close()).toBe(0);
  });

  function ping(
    to: string,
    options: { ttl?: number; size?: number; mode?: PathMtuDiscovery; tos?: number } = {},
  ): { replies: number[]; errors: EchoError[]; sent: string | null } {
    const out = { replies: [] as number[], errors: [] as EchoError[], sent: null as string | null };
    const socket = new PingSocket(pod);
    socket.ttl = options.ttl ?? 0;
    socket.tos = options.tos ?? 0;
    socket.pathMtuDiscovery = options.mode ?? PathMtuDiscovery.WANT;
    socket.onReply = (r) => out.replies.push(r.ttl);
    socket.onError = (e) => out.errors.push(e);
    out.sent = socket.send(ip(to), 7, new Uint8Array(options.size ?? 56), false);
    net.run(1);
    return out;
  }

  it('takes one from the TTL and mends the checksum', () => {
    expect(ping('10.2.0.2').replies).toEqual([63]);
    expect(net.seen('far/eth0', 'in')[1]).toBe('icmp 8/0 10.1.0.2 > 10.2.0.2 ttl 63 len 84');
  });

  it('reports an expired TTL from the address nearest to the sender, quoting the packet as it came', () => {
    const { errors } = ping('10.2.0.2', { ttl: 1, tos: 0x10 });
    expect(errors.map((e) => [e.type, e.code, e.offender, e.sequence])).toEqual([[11, 0, ip('10.1.0.1'), 7]]);
    const error = net.frames.find((f) => f.dev === 'pod/eth0' && f.direction === 'in' && f.bytes[34] === 11)!.bytes;
    expect([error[15], error[22], error[42 + 8]]).toEqual([0xd0, 64, 1]);
    expect(error.length).toBe(14 + 20 + 8 + 84);
  });

  it('asks for fragmentation before the TTL is touched, 576 bytes at most, and the sender learns', () => {
    const first = ping('10.2.0.2', { size: 1472, mode: PathMtuDiscovery.DO });
    expect(first.errors.map((e) => [e.errno, e.info, e.offender])).toEqual([['EMSGSIZE', 1400, ip('10.1.0.1')]]);
    const error = net.frames.find((f) => f.dev === 'pod/eth0' && f.direction === 'in' && f.bytes[34] === 3)!.bytes;
    expect([error.length - 14, error[50]]).toEqual([576, 64]);
    expect(livePathExceptions(pod).map((e) => [e.destination, e.exception.mtu])).toEqual([[ip('10.2.0.2'), 1400]]);
    const again = ping('10.2.0.2', { size: 1472, mode: PathMtuDiscovery.DO });
    expect([again.sent, again.errors.map((e) => [e.origin, e.info])]).toEqual(['EMSGSIZE', [['local', 1400]]]);
    expect(ping('10.2.0.2', { size: 1472 }).replies).toEqual([63]);
    net.run(601);
    expect(livePathExceptions(pod)).toEqual([]);
  });

  it('cuts a packet without DF on the way', () => {
    const { replies } = ping('10.2.0.2', { size: 1472, mode: PathMtuDiscovery.DONT });
    expect(replies).toEqual([63]);
    expect(net.seen('node/eth0', 'out').filter((l) => l.includes('10.2.0.2 ttl 63'))).toEqual([
      'icmp 8/0 10.1.0.2 > 10.2.0.2 ttl 63 len 1396 frag 0+',
      'ip 10.1.0.2 > 10.2.0.2 ttl 63 frag 1376 len 124',
    ]);
  });

  it('answers no route, unreachable and prohibit with 3/0, 3/1 and 3/13, and blackhole not at all', () => {
    net.route(node, '10.201.0.0/24', { type: 'unreachable' });
    net.route(node, '10.202.0.0/24', { type: 'prohibit' });
    net.route(node, '10.203.0.0/24', { type: 'blackhole' });
    const answers = ['10.200.0.1', '10.201.0.1', '10.202.0.1', '10.203.0.1'].map((to) => {
      net.run(4);
      return ping(to).errors.map((e) => [e.type, e.code, e.offender]);
    });
    const gateway = ip('10.1.0.1');
    expect(answers).toEqual([[[3, 0, gateway]], [[3, 1, gateway]], [[3, 13, gateway]], []]);
    expect(net.reasons()).toEqual(['IP_INNOROUTES', 'IP_UNREACHABLE_ROUTE', 'IP_PROHIBIT', 'IP_BLACKHOLE']);
  });

  it('limits errors to one destination: six at once, then one a second; no route costs twice', () => {
    const burst = (to: string, count: number): number => {
      let errors = 0;
      const socket = new PingSocket(pod);
      socket.ttl = to === '10.2.0.2' ? 1 : 0;
      socket.onError = () => errors++;
      for (let i = 0; i < count; i++) socket.send(ip(to), i, new Uint8Array(8), false);
      net.run(0.5);
      return errors;
    };
    ping('10.2.0.2');
    expect(burst('10.2.0.2', 20)).toBe(6);
    net.run(0.6);
    expect(burst('10.2.0.2', 20)).toBe(1);
    net.run(60);
    expect(burst('10.200.0.1', 20)).toBe(2);
  });

  it('reports a silent next hop to the sender, from its own address on the way back', () => {
    const out = ping('10.2.0.77');
    net.run(3);
    expect(out.errors.map((e) => [e.type, e.code, e.offender])).toEqual([[3, 1, ip('10.1.0.1')]]);
  });

  it('does not forward while ip_forward is 0', () => {
    ping('10.2.0.2');
    node.sysctl.set('net.ipv4.ip_forward', '0');
    expect(ping('10.2.0.2').replies).toEqual([]);
    expect(net.reasons()).toEqual(['IP_FORWARDING_OFF']);
  });

  it('drops by reverse path: strictly when the way back is another device, loosely when there is none', () => {
    net.route(node, '172.16.0.0/24', { gateway: '10.2.0.2', dev: nodeOut });
    net.address(pod.inDevice(pod.device('eth0')!), '172.16.0.5/32');
    const spoof = (source: string): number => {
      const socket = new UdpSocket(pod);
      socket.bind(ip(source), 0);
      const before = net.drops.length;
      socket.sendTo(new Uint8Array(4), ip('10.2.0.2'), 9);
      net.run(0.1);
      return net.drops.slice(before).filter((d) => d.reason === 'IP_RPFILTER' && d.where === 'node').length;
    };
    expect(spoof('172.16.0.5')).toBe(0);
    node.sysctl.set('net.ipv4.conf.all.rp_filter', '1');
    expect(spoof('172.16.0.5')).toBe(1);
    node.sysctl.set('net.ipv4.conf.all.rp_filter', '2');
    expect(spoof('172.16.0.5')).toBe(0);
    net.address(pod.inDevice(pod.device('eth0')!), '192.168.9.9/32');
    expect(spoof('192.168.9.9')).toBe(1);
    expect(net.notes.some((n) => n.includes('rp_filter=2') && n.includes('no route back'))).toBe(true);
  });

  it('sends a redirect when a better first hop is on the same link', () => {
    const other = net.host('other', { 'net.ipv4.ip_forward': '1' });
    // A second router on the pod's subnet, reached over the same device of node.
    net.route(node, '10.77.0.0/24', { gateway: '10.1.0.2', dev: nodeIn });
    const socket = new PingSocket(pod);
    socket.send(ip('10.77.0.1'), 1, new Uint8Array(8), false);
    net.run(1);
    expect(net.seen('pod/eth0', 'in').filter((l) => l.startsWith('icmp 5/1'))).toEqual([
      'icmp 5/1 10.1.0.1 > 10.1.0.2 ttl 64 len 64',
    ]);
    expect(other.label).toBe('other');
  });

  it('ends a loop between two routers by the TTL', () => {
    const socket = new UdpSocket(pod);
    net.route(node, '10.99.0.0/24', { gateway: '10.2.0.2', dev: nodeOut });
    far.sysctl.set('net.ipv4.ip_forward', '1');
    const before = framesInUse();
    socket.sendTo(new Uint8Array(4), ip('10.99.0.1'), 9);
    net.run(2);
    expect(net.seen('node/eth0', 'out').filter((l) => l.includes('> 10.99.0.1')).length).toBe(32);
    expect(framesInUse()).toBe(before);
  });
});
