// Proves that neighbours resolve, age, are verified and fail as Linux's do (golden cases 01, 13a, 13b, 09b).

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { InDevice } from '../../src/stack/in-device.ts';
import { Nud } from '../../src/stack/neighbour.ts';
import type { NetNamespace } from '../../src/stack/netns.ts';
import { PingSocket } from '../../src/stack/ping-socket.ts';
import { UdpSocket } from '../../src/stack/udp-socket.ts';
import { ip, mac, Net } from './net.ts';

describe('neighbours', () => {
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

  function ping(to: string): { replies: number; errors: string[] } {
    const result = { replies: 0, errors: [] as string[] };
    const socket = new PingSocket(a);
    socket.onReply = () => {
      result.replies++;
    };
    socket.onError = (e) => {
      result.errors.push(e.errno);
    };
    socket.send(ip(to), 1, new Uint8Array(56), false);
    return result;
  }

  it('asks once, sends what waited, and the answerer learns from the question', () => {
    const result = ping('10.0.0.2');
    net.run(1);
    expect(net.seen('a/eth0')).toEqual([
      'arp who-has 10.0.0.2 tell 10.0.0.1 broadcast',
      'arp 10.0.0.2 is-at 02:00:00:00:00:02 unicast',
      'icmp 8/0 10.0.0.1 > 10.0.0.2 ttl 64 len 84',
      'icmp 0/0 10.0.0.2 > 10.0.0.1 ttl 64 len 84',
    ]);
    expect(result.replies).toBe(1);
    expect(a.neighbours.lookup(devA, ip('10.0.0.2'))?.state).toBe(Nud.REACHABLE);
    expect(b.neighbours.lookup(devB, ip('10.0.0.1'))?.state).toBe(Nud.DELAY);
  });

  it('verifies a used stale entry with a unicast question 5 s later, and not the reachable one', () => {
    ping('10.0.0.2');
    net.run(10);
    const arps = net.frames.filter((f) => f.dev === 'b/eth0' && f.bytes[13] === 6);
    expect(arps.slice(2).map((f) => `${f.direction} ${f.time >= 5e9 && f.time <= 5.3e9}`)).toEqual([
      'out true',
      'in true',
    ]);
    expect(net.seen('b/eth0').slice(4)).toEqual([
      'arp who-has 10.0.0.1 tell 10.0.0.2 unicast',
      'arp 10.0.0.1 is-at 02:00:00:00:00:01 unicast',
    ]);
    expect(b.neighbours.lookup(devB, ip('10.0.0.1'))?.state).toBe(Nud.REACHABLE);
  });

  it('becomes stale after a reachable time between 15 and 45 s, silently', () => {
    ping('10.0.0.2');
    net.run(14);
    expect(a.neighbours.lookup(devA, ip('10.0.0.2'))?.state).toBe(Nud.REACHABLE);
    const before = net.frames.length;
    net.run(36);
    expect(a.neighbours.lookup(devA, ip('10.0.0.2'))?.state).toBe(Nud.STALE);
    expect(net.frames.length).toBe(before);
  });

  it('verifies an idle neighbour for ever when its reachable time is shorter than the delay before a probe', () => {
    expect(a.sysctl.set('net.ipv4.neigh.eth0.base_reachable_time_ms', '1000')).toBeNull();
    expect(a.sysctl.set('net.ipv4.neigh.eth0.delay_first_probe_time', '2')).toBeNull();
    ping('10.0.0.2');
    net.run(60);
    const asked = net.frames.filter((f) => f.dev === 'a/eth0' && f.direction === 'out' && f.bytes[13] === 6);
    // 0.5..1.5 s reachable and 2 s of delay make 2.5..3.5 s.
    expect(asked.length).toBeGreaterThan(15);
    expect(asked.length).toBeLessThan(26);
  });

  it('gives up after three broadcasts, about 3.07 s after the first packet, and tells every sender', () => {
    const one = ping('10.0.0.99');
    net.run(1.5);
    const two = ping('10.0.0.99');
    net.run(1.4);
    expect(one.errors).toEqual([]);
    net.run(0.3);
    expect(net.seen('a/eth0')).toEqual(Array<string>(3).fill('arp who-has 10.0.0.99 tell 10.0.0.1 broadcast'));
    expect(one.errors).toEqual(['EHOSTUNREACH']);
    expect(two.errors).toEqual(['EHOSTUNREACH']);
    expect(a.neighbours.lookup(devA, ip('10.0.0.99'))?.state).toBe(Nud.FAILED);
    expect(net.reasons().filter((r) => r === 'NEIGH_FAILED')).toHaveLength(2);
  });

  it('keeps more than three waiting packets and sends them in order', () => {
    const seen: number[] = [];
    const server = new UdpSocket(b);
    server.bind(0, 9);
    server.onDatagram = (_at, length) => seen.push(length);
    const socket = new UdpSocket(a);
    for (let n = 1; n <= 6; n++) socket.sendTo(new Uint8Array(n), ip('10.0.0.2'), 9);
    net.run(1);
    expect(seen).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it('drops the oldest waiting packet when the queue is full', () => {
    expect(a.sysctl.set('net.ipv4.neigh.eth0.unres_qlen_bytes', '2304')).toBeNull();
    const socket = new UdpSocket(a);
    for (let n = 1; n <= 5; n++) socket.sendTo(new Uint8Array(n), ip('10.0.0.99'), 9);
    expect(a.neighbours.lookup(devA, ip('10.0.0.99'))?.queued).toBe(3);
    expect(net.reasons()).toEqual(['NEIGH_QUEUEFULL', 'NEIGH_QUEUEFULL']);
  });

  it('asks three times by unicast before it forgets a silent neighbour', () => {
    ping('10.0.0.2');
    net.run(1);
    b.sysctl.set('net.ipv4.conf.all.arp_ignore', '8');
    a.neighbours.lookup(devA, ip('10.0.0.2'))!.update(null, Nud.STALE, 0x80000001 | 0);
    const from = net.frames.length;
    ping('10.0.0.2');
    net.run(9);
    const asked = net.frames
      .slice(from)
      .filter((f) => f.dev === 'a/eth0' && f.direction === 'out' && f.bytes[13] === 6 && f.bytes[21] === 1);
    expect(asked.map((f) => f.bytes[0])).toEqual([2, 2, 2]);
    expect(a.neighbours.lookup(devA, ip('10.0.0.2'))?.state).toBe(Nud.FAILED);
  });

  it('takes the first of two answers, and an announcement at any time', () => {
    const n = a.neighbours.create(devA, ip('10.0.0.50'))!;
    n.update(mac('02:00:00:00:00:50'), Nud.REACHABLE, 1);
    net.run(0.5);
    n.update(mac('02:00:00:00:00:51'), Nud.REACHABLE, 0);
    expect(n.mac).toBe(mac('02:00:00:00:00:50'));
    n.update(mac('02:00:00:00:00:51'), Nud.STALE, 1);
    expect([n.mac, n.state]).toEqual([mac('02:00:00:00:00:51'), Nud.STALE]);
  });

  it('creates no entry from an announcement unless arp_accept says so', () => {
    b.sysctl.set('net.ipv4.conf.eth0.arp_notify', '1');
    devB.dev.setMac(mac('02:00:00:00:00:22'));
    net.run(0.1);
    expect(net.seen('a/eth0', 'in')).toEqual(['arp who-has 10.0.0.2 tell 10.0.0.2 broadcast']);
    expect(a.neighbours.lookup(devA, ip('10.0.0.2'))).toBeNull();
    a.sysctl.set('net.ipv4.conf.eth0.arp_accept', '1');
    devB.dev.setMac(mac('02:00:00:00:00:23'));
    net.run(0.1);
    expect(a.neighbours.lookup(devA, ip('10.0.0.2'))?.mac).toBe(mac('02:00:00:00:00:23'));
  });

  it('refuses new entries at gc_thresh3 and never holds more', () => {
    for (const name of ['gc_thresh1', 'gc_thresh2', 'gc_thresh3']) a.sysctl.set(`net.ipv4.neigh.default.${name}`, '16');
    const socket = new UdpSocket(a);
    for (let n = 10; n < 250; n++) socket.sendTo(new Uint8Array(1), ip(`10.0.0.${n}`), 9);
    expect(a.neighbours.size).toBe(16);
    expect(net.reasons().filter((r) => r === 'NEIGH_TABLE_FULL').length).toBe(240 - 16);
  });

  it('forgets the neighbours of a link without carrier, but not permanent ones', () => {
    ping('10.0.0.2');
    net.run(1);
    a.neighbours.create(devA, ip('10.0.0.3'))!.update(mac('02:00:00:00:00:03'), Nud.PERMANENT, 0x80000001 | 0);
    devB.dev.setUp(false);
    expect(a.neighbours.entries().map((n) => n.ip)).toEqual([ip('10.0.0.3')]);
    devA.dev.setUp(false);
    expect(a.neighbours.size).toBe(0);
  });
});

describe('proxy ARP', () => {
  it('answers for what it routes elsewhere, after a part of proxy_delay, and not without a route', () => {
    const net = new Net();
    const pod = net.host('pod');
    const node = net.host('node', { 'net.ipv4.ip_forward': '1' });
    const far = net.host('far');
    const [podDev, nodeDev] = net.cable(
      { netns: pod, address: '10.1.0.1/32', mac: '02:00:00:00:00:01' },
      { netns: node, name: 'cali1', mac: 'ee:ee:ee:ee:ee:ee' },
    );
    net.cable(
      { netns: node, address: '10.9.0.1/24', mac: '02:00:00:00:00:11' },
      { netns: far, address: '10.9.0.2/24', mac: '02:00:00:00:00:12' },
    );
    node.sysctl.set('net.ipv4.conf.cali1.proxy_arp', '1');
    net.route(pod, '169.254.1.1/32', { dev: podDev });
    net.route(pod, '0.0.0.0/0', { gateway: '169.254.1.1', dev: podDev });
    net.route(node, '10.1.0.1/32', { dev: nodeDev });
    const send = (): void => {
      new PingSocket(pod).send(ip('10.9.0.2'), 1, new Uint8Array(8), false);
    };
    send();
    net.run(4);
    expect(net.seen('pod/eth0', 'in')).toEqual([]);
    net.route(node, '0.0.0.0/0', { gateway: '10.9.0.2', dev: node.inDevice(node.device('eth0')!) });
    const from = net.world.sim.now;
    send();
    net.run(1);
    const answer = net.frames.find((f) => f.dev === 'pod/eth0' && f.direction === 'in')!;
    expect(net.seen('pod/eth0', 'in')[0]).toBe('arp 169.254.1.1 is-at ee:ee:ee:ee:ee:ee unicast');
    expect(answer.time - from).toBeLessThan(0.81e9);
    expect(net.close()).toBe(0);
  });
});
