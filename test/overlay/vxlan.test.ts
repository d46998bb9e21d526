// Proves that the VXLAN device encapsulates, learns, ages and refuses as Linux's does (golden cases 02, 03, 07b).

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { frameEnd, frameFromBytes, frameStart, freeFrame } from '../../src/link/frame.ts';
import { flowHash, flowSourcePort } from '../../src/overlay/flow-hash.ts';
import { createVxlan, type Vxlan, type VxlanOptions, vxlanOf } from '../../src/overlay/vxlan.ts';
import type { NetNamespace } from '../../src/stack/netns.ts';
import { UdpSocket } from '../../src/stack/udp-socket.ts';
import { sum } from '../../src/wire/checksum.ts';
import { ip, mac, Net } from '../stack/net.ts';

const INNER = Uint8Array.from([
  2,
  0,
  0,
  0,
  0,
  0xb,
  2,
  0,
  0,
  0,
  0,
  0xa,
  0x88,
  0xb5,
  ...new Array<number>(46).fill(0x2e),
]);

describe('VXLAN', () => {
  let net: Net;
  let a: NetNamespace;
  let b: NetNamespace;
  let c: NetNamespace;

  beforeEach(() => {
    net = new Net();
    a = net.host('a', { 'net.ipv4.ip_forward': '1' });
    b = net.host('b');
    c = net.host('c');
    const [devA] = net.cable(
      { netns: a, address: '10.0.1.1/24', mac: '52:54:00:00:01:01' },
      { netns: b, address: '10.0.1.2/24', mac: '52:54:00:00:01:02' },
    );
    const [devA2, devC] = net.cable(
      { netns: a, name: 'eth1', address: '10.0.2.1/24', mac: '52:54:00:00:02:01' },
      { netns: c, address: '10.0.2.3/24', mac: '52:54:00:00:02:03' },
    );
    net.route(c, '0.0.0.0/0', { gateway: '10.0.2.1', dev: devC });
    expect([devA.dev.name, devA2.dev.name]).toEqual(['eth0', 'eth1']);
  });
  afterEach(() => {
    expect(net.close()).toBe(0);
  });

  function vtep(netns: NetNamespace, local: string, options: Partial<VxlanOptions> = {}): Vxlan {
    const vxlan = createVxlan(netns, {
      name: 'vxlan1',
      mac: mac(`5e:00:00:00:00:0${local.at(-1)!}`),
      vni: 100,
      local: ip(local),
      link: netns.device('eth0'),
      port: 4789,
      ...options,
    });
    vxlan.dev.setUp(true);
    net.record(vxlan.dev);
    return vxlan;
  }
  const outer = (): Uint8Array[] =>
    net.frames
      .filter((f) => f.dev.startsWith('a/eth') && f.direction === 'out' && f.bytes[13] === 0 && f.bytes[23] === 17)
      .map((f) => f.bytes);
  const send = (vxlan: Vxlan, bytes: Uint8Array): void => vxlan.dev.transmit(frameFromBytes(bytes));

  it('adds exactly 50 bytes: outer Ethernet, IPv4 (TTL 64, TOS 0, DF 0, id), UDP with its checksum, header with the VNI', () => {
    const one = vtep(a, '10.0.1.1');
    one.setEntry('add', mac('02:00:00:00:00:0b'), 'permanent', { ip: ip('10.0.1.2') });
    send(one, INNER);
    net.run(1);
    const [frame] = outer();
    expect(frame!.length).toBe(INNER.length + 50);
    expect([...frame!.slice(14, 18), frame![20], frame![22]]).toEqual([0x45, 0, 0, INNER.length + 36, 0, 64]);
    expect(frame![18]! + frame![19]!).toBeGreaterThan(0);
    expect([...frame!.slice(42, 50)]).toEqual([8, 0, 0, 0, 0, 0, 100, 0]);
    expect([...frame!.slice(50)]).toEqual([...INNER]);
    const v = new DataView(frame!.buffer, frame!.byteOffset);
    const pseudo = sum(v, 26, 34) + 17 + v.getUint16(38);
    let total = pseudo + sum(v, 34, frame!.length);
    while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
    expect([v.getUint16(40) === 0, total]).toEqual([false, 0xffff]);
    const port = v.getUint16(34);
    expect(port >= 32_768 && port < 60_999).toBe(true);
    expect(vxlanOf(one.dev)).toBe(one);
  });

  it('sends a zero UDP checksum with noudpcsum and takes one', () => {
    const one = vtep(a, '10.0.1.1', { udpChecksum: false });
    vtep(b, '10.0.1.2');
    one.setEntry('add', mac('02:00:00:00:00:0b'), 'permanent', { ip: ip('10.0.1.2') });
    send(one, INNER);
    net.run(1);
    expect([...outer()[0]!.slice(40, 42)]).toEqual([0, 0]);
    expect(net.seen('b/vxlan1', 'in')).toEqual(['type 88b5 60']);
  });

  it('copies what is unknown to every all-zeros remote, and says so when there is none', () => {
    const one = vtep(a, '10.0.1.1');
    send(one, INNER);
    expect(net.reasons()).toEqual(['VXLAN_NO_REMOTE']);
    one.setEntry('append', 0, 'permanent', { ip: ip('10.0.1.2') });
    one.setEntry('append', 0, 'permanent', { ip: ip('10.0.2.3') });
    one.setEntry('append', 0, 'permanent', { ip: ip('10.0.2.3') });
    send(one, INNER);
    net.run(1);
    expect(outer().map((f) => f.slice(30, 34).join('.'))).toEqual(['10.0.2.3', '10.0.1.2']);
    expect(one.deleteEntry(0, ip('10.0.1.2'))).toBe(true);
    expect(one.deleteEntry(0, ip('10.0.1.2'))).toBe(false);
    expect(one.setEntry('add', 0, 'permanent', { ip: ip('10.0.1.2') })).toBe('EEXIST');
  });

  it('learns who is behind which VTEP, follows moves, keeps what was set by hand, and forgets after the ageing time', () => {
    const one = vtep(a, '10.0.1.1');
    const two = vtep(b, '10.0.1.2', { ageing: 30 });
    const three = vtep(c, '10.0.2.3');
    for (const x of [one, three]) x.setEntry('append', 0, 'permanent', { ip: ip('10.0.1.2') });
    net.route(b, '10.0.2.0/24', { gateway: '10.0.1.1', dev: b.inDevice(b.device('eth0')!) });
    const where = (): number | undefined => two.fdb.lookup(mac('02:00:00:00:00:0a'))?.remotes[0]?.ip;
    send(one, INNER);
    net.run(1);
    expect(where()).toBe(ip('10.0.1.1'));
    send(three, INNER);
    net.run(1);
    expect(where()).toBe(ip('10.0.2.3'));
    two.fdb.lookup(mac('02:00:00:00:00:0a'))!.state = 'static';
    send(one, INNER);
    net.run(1);
    expect([where(), net.reasons().at(-1)]).toEqual([ip('10.0.2.3'), 'VXLAN_ENTRY_EXISTS']);
    two.fdb.lookup(mac('02:00:00:00:00:0a'))!.state = 'reachable';
    net.run(25);
    expect(where()).toBeDefined();
    net.run(20);
    expect(where()).toBeUndefined();
  });

  it('keeps an entry alive by what comes from it, not by what is sent to it, and drops it when its time is up', () => {
    const one = vtep(a, '10.0.1.1');
    const two = vtep(b, '10.0.1.2', { ageing: 5 });
    one.setEntry('append', 0, 'permanent', { ip: ip('10.0.1.2') });
    const known = (): boolean => two.fdb.lookup(mac('02:00:00:00:00:0a')) !== null;
    const answer = Uint8Array.from([...INNER.slice(6, 12), ...INNER.slice(0, 6), ...INNER.slice(12)]);
    send(one, INNER);
    net.run(4);
    send(one, INNER);
    net.run(4);
    expect(known()).toBe(true);
    net.run(10);
    expect(known()).toBe(false);
    send(one, INNER);
    net.run(4);
    send(one, INNER);
    const after = [];
    for (let i = 0; i < 7; i++) {
      send(two, answer);
      net.run(1);
      after.push(known());
    }
    expect(after).toEqual([true, true, true, true, true, false, false]);
  });

  it('shows the newest entry first', () => {
    const one = vtep(a, '10.0.1.1', { remote: ip('10.0.1.2') });
    for (const m of ['02:00:00:00:00:0b', '02:00:00:00:00:0c']) {
      one.setEntry('append', mac(m), 'permanent', { ip: ip('10.0.1.2') });
    }
    expect(one.fdb.entries().map((e) => e.mac)).toEqual([mac('02:00:00:00:00:0c'), mac('02:00:00:00:00:0b'), 0]);
  });

  it('learns at most maxaddress, and nothing at all with nolearning', () => {
    const one = vtep(a, '10.0.1.1');
    const two = vtep(b, '10.0.1.2', { maxAddresses: 16 });
    one.setEntry('append', 0, 'permanent', { ip: ip('10.0.1.2') });
    for (let i = 0; i < 100; i++) {
      const bytes = INNER.slice();
      bytes[10] = i;
      send(one, bytes);
      net.run(0.001);
    }
    net.run(1);
    expect(two.fdb.size).toBe(16);
    expect(net.seen('b/vxlan1', 'in')).toHaveLength(100);
    two.learning = false;
    send(one, Uint8Array.from([...INNER.slice(0, 6), 2, 9, 9, 9, 9, 9, ...INNER.slice(12)]));
    net.run(1);
    expect(two.fdb.lookup(mac('02:09:09:09:09:09'))).toBeNull();
  });

  it('carries ECN as RFC 6040 has it and leaves DSCP out', () => {
    const one = vtep(a, '10.0.1.1');
    one.setEntry('append', 0, 'permanent', { ip: ip('10.0.1.2') });
    const tos = [0xb8, 1, 2, 3, 0xba, 0xbb];
    for (const t of tos) {
      const bytes = new Uint8Array(60);
      bytes.set(INNER.slice(0, 12));
      bytes.set([8, 0, 0x45, t], 12);
      send(one, bytes);
    }
    net.run(1);
    expect(outer().map((f) => f[15])).toEqual([0, 1, 2, 2, 2, 2]);
  });

  it('marks congestion inside when the outer header says so, and drops what cannot carry it', () => {
    const two = vtep(b, '10.0.1.2', { learning: false });
    const arrive = (innerTos: number, outerTos = 3): number | string => {
      const inner = new Uint8Array(14 + 20);
      inner.set([
        ...INNER.slice(0, 12),
        8,
        0,
        0x45,
        innerTos,
        0,
        20,
        0,
        1,
        0,
        0,
        64,
        17,
        0,
        0,
        10,
        9,
        0,
        1,
        10,
        9,
        0,
        2,
      ]);
      const iv = new DataView(inner.buffer);
      iv.setUint16(24, ~sum(iv, 14, 34) & 0xffff);
      const at = net.frames.length;
      const before = net.drops.length;
      encapsulated(inner, { tos: outerTos });
      const seen = net.frames.slice(at).find((f) => f.dev === 'b/vxlan1');
      if (seen === undefined) return net.drops[before]?.reason ?? 'nothing';
      const v = new DataView(seen.bytes.buffer, seen.bytes.byteOffset);
      expect(sum(v, 14, 34)).toBe(0xffff);
      return seen.bytes[15]!;
    };
    expect([arrive(2), arrive(1), arrive(3), arrive(0)]).toEqual([3, 3, 3, 'IP_TUNNEL_ECN']);
    // ECT(1) outside replaces ECT(0) only; the rest of the TOS stays.
    expect([arrive(2, 1), arrive(1, 1), arrive(3, 1), arrive(0, 1), arrive(0xba, 1)]).toEqual([1, 1, 3, 0, 0xb9]);
    expect(two.dev.name).toBe('vxlan1');
  });

  /** A VXLAN datagram from 10.0.1.1 for b, put on b's wire. */
  function encapsulated(
    inner: Uint8Array,
    o: { tos?: number; flags?: number; vni?: number; reserved?: number; port?: number } = {},
  ): void {
    const bytes = new Uint8Array(14 + 36 + inner.length);
    const v = new DataView(bytes.buffer);
    bytes.set([0x52, 0x54, 0, 0, 1, 2, 0x52, 0x54, 0, 0, 1, 1, 8, 0, 0x45, o.tos ?? 0]);
    v.setUint16(16, 36 + inner.length);
    v.setUint16(22, 0x4011);
    v.setInt32(26, ip('10.0.1.1'));
    v.setInt32(30, ip('10.0.1.2'));
    v.setUint16(24, ~sum(v, 14, 34) & 0xffff);
    v.setUint16(34, 40_000);
    v.setUint16(36, o.port ?? 4789);
    v.setUint16(38, 16 + inner.length);
    v.setUint32(42, ((o.flags ?? 8) << 24) >>> 0);
    v.setUint32(46, (((o.vni ?? 100) << 8) | (o.reserved ?? 0)) >>> 0);
    bytes.set(inner, 50);
    b.device('eth0')!.receive(frameFromBytes(bytes));
  }

  it('drops a clear I flag, an unknown VNI, reserved bits, a runt inside and its own MAC as a source', () => {
    vtep(b, '10.0.1.2');
    const reason = (inner: Uint8Array, o: Parameters<typeof encapsulated>[1] = {}): string => {
      const before = net.drops.length;
      encapsulated(inner, o);
      return net.drops[before]?.reason ?? 'taken';
    };
    // The device took it; nobody above it knows the inner EtherType.
    expect(reason(INNER)).toBe('UNHANDLED_PROTO');
    expect(reason(INNER, { flags: 0 })).toBe('VXLAN_INVALID_HDR');
    expect(reason(INNER, { flags: 0x88 })).toBe('VXLAN_INVALID_HDR');
    expect(reason(INNER, { reserved: 5 })).toBe('VXLAN_INVALID_HDR');
    expect(reason(INNER, { vni: 101 })).toBe('VXLAN_VNI_NOT_FOUND');
    expect(reason(INNER, { port: 4790 })).toBe('NO_SOCKET');
    expect(reason(INNER.slice(0, 13))).toBe('PKT_TOO_SMALL');
    expect(reason(new Uint8Array(0))).toBe('PKT_TOO_SMALL');
    const own = Uint8Array.from([...INNER.slice(0, 6), 0x5e, 0, 0, 0, 0, 2, ...INNER.slice(12)]);
    expect(reason(own)).toBe('MAC_INVALID_SOURCE');
    const group = Uint8Array.from([...INNER.slice(0, 6), 0x01, 0, 0x5e, 0, 0, 2, ...INNER.slice(12)]);
    expect(reason(group)).toBe('MAC_INVALID_SOURCE');
  });

  it('ends a frame nested fifty deep', () => {
    const two = vtep(b, '10.0.1.2', { learning: false });
    b.addAddress(b.inDevice(two.dev), { local: ip('10.77.0.2'), length: 24 });
    // Every layer is a datagram for the VTEP's own address inside the tunnel.
    let inner: Uint8Array = INNER;
    for (let i = 0; i < 20; i++) {
      const bytes = new Uint8Array(14 + 36 + inner.length);
      const v = new DataView(bytes.buffer);
      bytes.set([0x5e, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 0xa, 8, 0, 0x45, 0]);
      v.setUint16(16, 36 + inner.length);
      v.setUint16(22, 0x4011);
      v.setInt32(26, ip('10.77.0.9'));
      v.setInt32(30, ip('10.77.0.2'));
      v.setUint16(24, ~sum(v, 14, 34) & 0xffff);
      v.setUint16(36, 4789);
      v.setUint16(38, 16 + inner.length);
      v.setUint32(42, 0x08000000);
      v.setUint32(46, 100 << 8);
      bytes.set(inner, 50);
      inner = bytes;
    }
    encapsulated(inner);
    expect(net.reasons()).toEqual(['VXLAN_RECURSION']);
    expect(net.seen('b/vxlan1', 'in')).toHaveLength(4);
  });

  it('refuses to send through itself', () => {
    const one = vtep(a, '10.0.1.1');
    one.setEntry('append', 0, 'permanent', { ip: ip('10.9.9.9') });
    send(one, INNER);
    net.route(a, '10.9.9.0/24', { dev: a.inDevice(one.dev) });
    send(one, INNER);
    expect(net.reasons()).toEqual(['TUNNEL_NO_ROUTE', 'TUNNEL_TX_LOOP']);
  });

  it('hands what is for its own namespace over without a tunnel around it', () => {
    const one = vtep(a, '10.0.1.1');
    const other = createVxlan(a, {
      name: 'vxlan2',
      mac: mac('5e:00:00:00:01:02'),
      vni: 101,
      local: ip('10.0.1.1'),
      port: 4789,
    });
    other.dev.setUp(true);
    net.record(other.dev);
    one.setEntry('add', mac('02:00:00:00:00:0b'), 'permanent', { ip: ip('10.0.1.1'), vni: 101 });
    send(one, INNER);
    net.run(1);
    expect(outer()).toEqual([]);
    expect(net.seen('a/vxlan2', 'in')).toEqual(['type 88b5 60']);
    expect(other.fdb.lookup(mac('02:00:00:00:00:0a'))?.remotes[0]?.ip).toBe(ip('127.0.0.1'));
    other.dev.setUp(false);
    send(one, INNER);
    expect(net.reasons().at(-1)).toBe('VXLAN_VNI_NOT_FOUND');
  });

  it('takes traffic class, hop limit and the ban on fragments from an IPv6 packet inside', () => {
    const one = vtep(a, '10.0.1.1', { tos: 1, ttl: 'inherit', df: 'inherit' });
    one.setEntry('add', mac('02:00:00:00:00:0b'), 'permanent', { ip: ip('10.0.1.2') });
    const six = new Uint8Array(14 + 40);
    six.set([...INNER.slice(0, 12), 0x86, 0xdd, 0x6b, 0xa0, 0, 0, 0, 0, 59, 7]);
    send(one, six);
    net.run(1);
    const [f] = outer();
    expect([f?.[15], f?.[20], f?.[22]]).toEqual([0xba, 0x40, 7]);
  });

  it('reaches every VTEP of a group, and not itself', () => {
    const one = vtep(a, '10.0.1.1', { local: 0, remote: ip('239.1.1.1') });
    const two = vtep(b, '10.0.1.2', { remote: ip('239.1.1.1') });
    for (const [netns, name] of [
      [a, 'eth0'],
      [b, 'eth0'],
    ] as const) {
      net.route(netns, '239.0.0.0/8', { dev: netns.inDevice(netns.device(name)!) });
    }
    send(one, INNER);
    net.run(1);
    expect(outer().map((f) => [f[22], ...f.slice(30, 34)])).toEqual([[1, 239, 1, 1, 1]]);
    expect(net.seen('b/vxlan1', 'in')).toEqual(['type 88b5 60']);
    expect(net.seen('a/vxlan1', 'in')).toEqual([]);
    expect(two.fdb.lookup(mac('02:00:00:00:00:0a'))?.remotes[0]?.ip).toBe(ip('10.0.1.1'));
  });

  it('a frame shorter than its Ethernet header ends with its reason', () => {
    const one = vtep(a, '10.0.1.1');
    for (let n = 0; n < 14; n++) send(one, new Uint8Array(n));
    expect(net.reasons()).toEqual(new Array(14).fill('PKT_TOO_SMALL'));
  });

  it('shares a port among VNIs and leaves it when the last device goes down', () => {
    const one = vtep(b, '10.0.1.2');
    const other = createVxlan(b, {
      name: 'vxlan2',
      mac: mac('5e:00:00:00:01:02'),
      vni: 101,
      local: ip('10.0.1.2'),
      port: 4789,
    });
    other.dev.setUp(true);
    net.record(other.dev);
    encapsulated(INNER, { vni: 101 });
    expect(net.seen('b/vxlan2', 'in')).toEqual(['type 88b5 60']);
    expect(new UdpSocket(b).bind(0, 4789)).toBe('EADDRINUSE');
    one.dev.setUp(false);
    encapsulated(INNER);
    expect(net.reasons().at(-1)).toBe('VXLAN_VNI_NOT_FOUND');
    other.dev.setUp(false);
    const free = new UdpSocket(b);
    expect(free.bind(0, 4789)).toBeNull();
    free.close();
  });
});

function hashFrame(secret: number, f: number): number {
  const h = flowHash(secret, frameStart[f]!, frameEnd[f]!);
  freeFrame(f);
  return h;
}

describe('the flow hash', () => {
  it('is equal for both directions of a flow and spreads flows over the whole range', () => {
    const net = new Net();
    const frame = (s: string, d: string, sp: number, dp: number): number => {
      const bytes = new Uint8Array(42);
      const v = new DataView(bytes.buffer);
      bytes.set([...INNER.slice(0, 12), 8, 0, 0x45]);
      bytes[23] = 17;
      v.setInt32(26, ip(s));
      v.setInt32(30, ip(d));
      v.setUint16(34, sp);
      v.setUint16(36, dp);
      return frameFromBytes(bytes);
    };
    const ports = new Set<number>();
    const hashOf = (f: number): number => hashFrame(net.machine.flowSecret, f);
    for (let i = 0; i < 2000; i++) {
      const there = hashOf(frame('10.0.0.1', '10.0.0.2', 1000 + i, 9));
      const back = hashOf(frame('10.0.0.2', '10.0.0.1', 9, 1000 + i));
      expect(back).toBe(there);
      const port = flowSourcePort(there, 32_768, 60_999);
      expect(port >= 32_768 && port < 60_999).toBe(true);
      ports.add(Math.floor((port - 32_768) / 1765));
    }
    expect(ports.size).toBe(16);
    expect(net.close()).toBe(0);
  });
});
