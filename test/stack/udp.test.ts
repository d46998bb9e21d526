// Proves that UDP sockets send, receive and fail as Linux's do (golden cases 07a, 09a, 07c).

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { frameFromBytes } from '../../src/link/frame.ts';
import type { NetNamespace } from '../../src/stack/netns.ts';
import { updatePathMtu } from '../../src/stack/path-mtu.ts';
import { PathMtuDiscovery } from '../../src/stack/path-mtu-discovery.ts';
import { UdpSocket } from '../../src/stack/udp-socket.ts';
import { sum } from '../../src/wire/checksum.ts';
import { ip, Net } from './net.ts';

describe('UDP sockets', () => {
  let net: Net;
  let a: NetNamespace;
  let b: NetNamespace;

  beforeEach(() => {
    net = new Net();
    a = net.host('a');
    b = net.host('b');
    net.cable(
      { netns: a, address: '10.0.0.1/24', mac: '02:00:00:00:00:01', mtu: 1450 },
      { netns: b, address: '10.0.0.2/24', mac: '02:00:00:00:00:02', mtu: 1450 },
    );
  });
  afterEach(() => {
    expect(net.close()).toBe(0);
  });

  /** DF, id == 0 and payload length of what a sent, per IPv4 packet. */
  function sent(): { df: boolean; id0: boolean; length: number }[] {
    return net.frames
      .filter((f) => f.dev === 'a/eth0' && f.direction === 'out' && f.bytes[13] === 0)
      .map((f) => ({
        df: (f.bytes[20]! & 0x40) !== 0,
        id0: f.bytes[18] === 0 && f.bytes[19] === 0,
        length: f.bytes[16]! * 256 + f.bytes[17]! - 20,
      }));
  }

  it('sets DF and an id on what fits; beyond that sends fragments without DF under one id', () => {
    const s = new UdpSocket(a);
    new UdpSocket(b).bind(0, 9);
    for (const n of [0, 1422, 1423, 5000]) s.sendTo(new Uint8Array(n), ip('10.0.0.2'), 9);
    net.run(1);
    expect(sent().map((p) => [p.df, p.id0, p.length])).toEqual([
      [true, false, 8],
      [true, false, 1430],
      [false, false, 1424],
      [false, false, 7],
      [false, false, 1424],
      [false, false, 1424],
      [false, false, 1424],
      [false, false, 736],
    ]);
  });

  it('with DO and PROBE sends id 0 and DF, and refuses what is too long without a frame', () => {
    const s = new UdpSocket(a);
    new UdpSocket(b).bind(0, 9);
    for (const mode of [PathMtuDiscovery.DO, PathMtuDiscovery.PROBE]) {
      s.pathMtuDiscovery = mode;
      expect(s.sendTo(new Uint8Array(1422), ip('10.0.0.2'), 9)).toBeNull();
      expect(s.sendTo(new Uint8Array(1423), ip('10.0.0.2'), 9)).toBe('EMSGSIZE');
    }
    s.pathMtuDiscovery = PathMtuDiscovery.DONT;
    s.sendTo(new Uint8Array(10), ip('10.0.0.2'), 9);
    net.run(1);
    expect(sent().map((p) => [p.df, p.id0])).toEqual([
      [true, true],
      [true, true],
      [false, false],
    ]);
  });

  it('leaves DF out where the route locks its MTU, and where discovery is off for new sockets', () => {
    new UdpSocket(b).bind(0, 9);
    net.route(a, '10.0.0.2/32', { dev: a.inDevice(a.device('eth0')!), lockedMtu: 1400 });
    new UdpSocket(a).sendTo(new Uint8Array(10), ip('10.0.0.2'), 9);
    expect(a.sysctl.set('net.ipv4.ip_no_pmtu_disc', '1')).toBeNull();
    net.route(a, '10.0.1.0/24', { gateway: '10.0.0.2', dev: a.inDevice(a.device('eth0')!) });
    new UdpSocket(a).sendTo(new Uint8Array(11), ip('10.0.1.1'), 9);
    net.run(1);
    expect(sent()).toEqual([
      { df: false, id0: false, length: 18 },
      { df: false, id0: false, length: 19 },
    ]);
  });

  it('sends to groups with a TTL of 1, and to 0.0.0.0 within the host', () => {
    const s = new UdpSocket(a);
    s.ttl = 9;
    net.route(a, '0.0.0.0/0', { gateway: '10.0.0.2', dev: a.inDevice(a.device('eth0')!) });
    s.sendTo(new Uint8Array(1), ip('239.1.1.1'), 9);
    const own = new UdpSocket(a);
    own.bind(0, 9);
    expect(s.sendTo(new Uint8Array(2), 0, 9)).toBeNull();
    net.run(1);
    const groups = net.frames.filter((f) => f.dev === 'a/eth0' && f.bytes[13] === 0 && f.bytes[30] === 239);
    expect(groups.map((f) => f.bytes[22])).toEqual([1]);
    expect(own.recv()?.payload.length).toBe(2);
  });

  it('with PROBE sends what its device takes though the path is known to be narrower', () => {
    const s = new UdpSocket(a);
    new UdpSocket(b).bind(0, 9);
    updatePathMtu(a, ip('10.0.0.2'), 1300);
    s.pathMtuDiscovery = PathMtuDiscovery.PROBE;
    expect(s.sendTo(new Uint8Array(1422), ip('10.0.0.2'), 9)).toBeNull();
    s.pathMtuDiscovery = PathMtuDiscovery.WANT;
    expect(s.sendTo(new Uint8Array(1422), ip('10.0.0.2'), 9)).toBeNull();
    net.run(1);
    expect(sent().map((p) => [p.df, p.length])).toEqual([
      [true, 1430],
      [false, 1280],
      [false, 150],
    ]);
  });

  it('counts ids by one on a connected socket', () => {
    const s = new UdpSocket(a);
    new UdpSocket(b).bind(0, 9);
    s.connect(ip('10.0.0.2'), 9);
    for (let i = 0; i < 3; i++) s.send(new Uint8Array(1));
    net.run(1);
    const ids = net.frames
      .filter((f) => f.dev === 'a/eth0' && f.direction === 'out' && f.bytes[13] === 0)
      .map((f) => f.bytes[18]! * 256 + f.bytes[19]!);
    expect([(ids[1]! - ids[0]!) & 0xffff, (ids[2]! - ids[1]!) & 0xffff]).toEqual([1, 1]);
  });

  it('tells a connected socket of a closed port, an unconnected one only with IP_RECVERR', () => {
    const connected = new UdpSocket(a);
    connected.connect(ip('10.0.0.2'), 9);
    connected.send(new Uint8Array(3));
    const plain = new UdpSocket(a);
    plain.sendTo(new Uint8Array(3), ip('10.0.0.2'), 9);
    const asking = new UdpSocket(a);
    asking.recvErr = true;
    asking.sendTo(Uint8Array.of(1, 2, 3), ip('10.0.0.2'), 9);
    net.run(1);
    expect([connected.takeError(), plain.takeError(), asking.takeError()]).toEqual([
      'ECONNREFUSED',
      null,
      'ECONNREFUSED',
    ]);
    expect(asking.errorQueue.map((e) => [e.type, e.code, e.offender, [...e.payload]])).toEqual([
      [3, 3, ip('10.0.0.2'), [1, 2, 3]],
    ]);
    expect(connected.takeError()).toBeNull();
  });

  it('hears of an expired TTL, but not of fragments that the far end gave up on', () => {
    const s = new UdpSocket(a);
    s.recvErr = true;
    s.sendTo(Uint8Array.of(1, 2, 3), ip('10.0.0.2'), 9);
    net.run(0.1);
    const sent = net.frames.find((f) => f.dev === 'a/eth0' && f.direction === 'out' && f.bytes[13] === 0)!.bytes;
    s.errorQueue.length = 0;
    for (const code of [0, 1]) {
      const quote = sent.slice(14);
      const bytes = new Uint8Array(14 + 28 + quote.length);
      const v = new DataView(bytes.buffer);
      bytes.set([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45]);
      v.setUint16(16, 28 + quote.length);
      v.setUint16(22, 0x4001);
      v.setInt32(26, ip('10.0.0.2'));
      v.setInt32(30, ip('10.0.0.1'));
      v.setUint16(24, ~sum(v, 14, 34) & 0xffff);
      v.setUint8(34, 11);
      v.setUint8(35, code);
      bytes.set(quote, 42);
      v.setUint16(36, ~sum(v, 34, bytes.length) & 0xffff);
      a.device('eth0')!.receive(frameFromBytes(bytes));
    }
    expect(s.errorQueue.map((e) => [e.type, e.code])).toEqual([[11, 0]]);
  });

  it('fails at once where there is no route', () => {
    const s = new UdpSocket(a);
    expect(s.sendTo(new Uint8Array(1), ip('172.16.0.1'), 9)).toBe('ENETUNREACH');
    net.route(a, '172.16.1.0/24', { type: 'prohibit' });
    net.route(a, '172.16.2.0/24', { type: 'unreachable' });
    expect(s.sendTo(new Uint8Array(1), ip('172.16.1.1'), 9)).toBe('EACCES');
    expect(s.sendTo(new Uint8Array(1), ip('172.16.2.1'), 9)).toBe('EHOSTUNREACH');
    expect(s.sendTo(new Uint8Array(1), ip('10.0.0.255'), 9)).toBe('EACCES');
    expect(s.sendTo(new Uint8Array(65_508), ip('10.0.0.2'), 9)).toBe('EMSGSIZE');
  });

  it('finds the socket that fits best: connected before bound to an address before any', () => {
    const server = (address: string, tag: string): string[] => {
      const got: string[] = [];
      const s = new UdpSocket(b);
      expect(s.bind(address === '' ? 0 : ip(address), 9)).toBeNull();
      s.onDatagram = () => got.push(tag);
      return got;
    };
    net.address(b.inDevice(b.device('eth0')!), '10.0.0.3/24');
    const two = server('10.0.0.2', 'two');
    const three = server('10.0.0.3', 'three');
    expect(new UdpSocket(b).bind(ip('10.0.0.3'), 9)).toBe('EADDRINUSE');
    expect(new UdpSocket(b).bind(0, 9)).toBe('EADDRINUSE');
    expect(new UdpSocket(b).bind(ip('10.0.0.9'), 10)).toBe('EADDRNOTAVAIL');
    const s = new UdpSocket(a);
    s.sendTo(new Uint8Array(1), ip('10.0.0.3'), 9);
    s.sendTo(new Uint8Array(1), ip('10.0.0.2'), 9);
    net.run(1);
    expect([two, three]).toEqual([['two'], ['three']]);
  });

  it('drops what does not fit the receive buffer, counted', () => {
    const server = new UdpSocket(b);
    server.bind(0, 9);
    const s = new UdpSocket(a);
    s.connect(ip('10.0.0.2'), 9);
    for (let i = 0; i < 400; i++) {
      s.send(new Uint8Array(1000));
      net.run(0.001);
    }
    expect(server.dropped).toBeGreaterThan(250);
    expect(net.reasons().filter((r) => r === 'SOCKET_RCVBUFF').length).toBe(server.dropped);
    let n = 0;
    while (server.recv() !== null) n++;
    expect(n + server.dropped).toBe(400);
  });

  it('talks to itself over lo, never over the wire', () => {
    const server = new UdpSocket(a);
    server.bind(0, 9);
    const s = new UdpSocket(a);
    s.sendTo(new Uint8Array(5), ip('10.0.0.1'), 9);
    s.sendTo(new Uint8Array(6), ip('127.0.0.1'), 9);
    net.run(1);
    expect([server.recv()?.source, server.recv()?.source]).toEqual([ip('10.0.0.1'), ip('127.0.0.1')]);
    expect(net.frames).toEqual([]);
  });

  it('bound to a device, takes everything to be on its link', () => {
    const s = new UdpSocket(a);
    s.device = a.inDevice(a.device('eth0')!);
    expect(s.sendTo(new Uint8Array(1), ip('172.16.0.1'), 9)).toBeNull();
    net.run(0.1);
    expect(net.seen('a/eth0', 'out')).toEqual(['arp who-has 172.16.0.1 tell 10.0.0.1 broadcast']);
  });

  it('gives every ephemeral port out once and then says EAGAIN', () => {
    let errno: string | null = null;
    let n = 0;
    while (errno === null && n < 40_000) {
      errno = new UdpSocket(a).bind(0, 0);
      n++;
    }
    expect([errno, n - 1]).toEqual(['EAGAIN', 60_999 - 32_768 + 1]);
  });
});
