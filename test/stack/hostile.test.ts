// Proves that what a hostile wire sends ends with a counted reason: no throw, no answer where none is due, no growth.

import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { frameFromBytes, framesInUse } from '../../src/link/frame.ts';
import type { InDevice } from '../../src/stack/in-device.ts';
import type { NetNamespace } from '../../src/stack/netns.ts';
import { UdpSocket } from '../../src/stack/udp-socket.ts';
import { sum } from '../../src/wire/checksum.ts';
import { ip, Net } from './net.ts';

const TO_B = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];

interface Shape {
  readonly vhl?: number;
  readonly length?: number;
  readonly source?: string;
  readonly destination?: string;
  readonly protocol?: number;
  readonly ttl?: number;
  readonly options?: readonly number[];
  readonly payload?: readonly number[];
  readonly badSum?: boolean;
  readonly frag?: number;
}

/** An IPv4 packet in Ethernet, right unless told to be wrong. */
function packet(s: Shape): Uint8Array {
  const options = s.options ?? [];
  const payload = s.payload ?? [0, 9, 0, 9, 0, 8, 0, 0];
  const header = 20 + options.length;
  const b = new Uint8Array(14 + header + payload.length);
  const v = new DataView(b.buffer);
  b.set([...TO_B, 8, 0]);
  v.setUint8(14, s.vhl ?? 0x40 | (header >> 2));
  v.setUint16(16, s.length ?? header + payload.length);
  v.setUint16(18, 77);
  v.setUint16(20, s.frag ?? 0);
  v.setUint16(22, ((s.ttl ?? 64) << 8) | (s.protocol ?? 17));
  v.setInt32(26, ip(s.source ?? '10.0.0.1'));
  v.setInt32(30, ip(s.destination ?? '10.0.0.2'));
  b.set(options, 34);
  b.set(payload, 14 + header);
  v.setUint16(24, (~sum(v, 14, 14 + header) & 0xffff) ^ (s.badSum === true ? 1 : 0));
  return b;
}

describe('a hostile wire', () => {
  let net: Net;
  let b: NetNamespace;
  let dev: InDevice;

  beforeEach(() => {
    net = new Net();
    const a = net.host('a');
    b = net.host('b', { 'net.ipv4.ip_forward': '1' });
    [, dev] = net.cable(
      { netns: a, address: '10.0.0.1/24', mac: '02:00:00:00:00:01' },
      { netns: b, address: '10.0.0.2/24', mac: '02:00:00:00:00:02' },
    );
  });
  afterEach(() => {
    expect(net.close()).toBe(0);
  });

  function send(bytes: Uint8Array | readonly number[]): string[] {
    const before = net.drops.length;
    dev.dev.receive(frameFromBytes(Uint8Array.from(bytes)));
    return net.drops.slice(before).map((d) => d.reason);
  }
  const answers = (): string[] => net.seen('b/eth0', 'out').filter((l) => !l.startsWith('arp'));

  it('runts of 0 to 13 bytes are too small', () => {
    for (let n = 0; n < 14; n++) expect(send(new Uint8Array(n))).toEqual(['PKT_TOO_SMALL']);
  });

  it('frames over the MTU are dropped at the cable, with the reason', () => {
    const s = new UdpSocket(b);
    dev.dev.setMtu(9000);
    s.sendTo(new Uint8Array(4000), ip('10.0.0.1'), 9);
    net.run(0.1);
    expect(net.reasons()).toContain('PKT_TOO_BIG');
  });

  it('unknown EtherTypes and 802.3 lengths end as unhandled', () => {
    for (const type of [0x05dc, 0x0026, 0x88cc, 0x86dd, 0x8100, 0xffff]) {
      expect(send([...TO_B, type >> 8, type & 255, ...new Array<number>(46).fill(0)])).toEqual(['UNHANDLED_PROTO']);
    }
  });

  it('ARP of another format, for groups or about loopback changes nothing', () => {
    const arp = (change: (bytes: Uint8Array) => void): string[] => {
      const bytes = Uint8Array.from([
        ...[255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 1, 8, 6],
        ...[0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2],
      ]);
      change(bytes);
      return send(bytes);
    };
    expect(arp((x) => x.set([5], 18))).toEqual(['ARP_INVALID']);
    expect(arp((x) => x.set([16], 19))).toEqual(['ARP_INVALID']);
    expect(arp((x) => x.set([0, 9], 20))).toEqual(['ARP_INVALID']);
    expect(arp((x) => x.set([224, 0, 0, 1], 38))).toEqual(['ARP_INVALID']);
    expect(arp((x) => x.set([127, 0, 0, 1], 38))).toEqual(['ARP_INVALID']);
    expect(b.neighbours.size).toBe(0);
    // Who claims our own address is not believed.
    expect(arp((x) => x.set([10, 0, 0, 2], 28))).toEqual([]);
    expect(b.neighbours.size).toBe(0);
  });

  it('an ARP storm for absent addresses holds at most gc_thresh3 entries', () => {
    const s = new UdpSocket(b);
    b.addAddress(dev, { local: ip('10.50.0.1'), length: 16 });
    for (let i = 2; i < 65_000; i += 7) s.sendTo(new Uint8Array(1), (ip('10.50.0.0') + i) | 0, 9);
    expect(b.neighbours.size).toBeLessThanOrEqual(1024);
    net.run(5);
    expect(net.reasons().filter((r) => r === 'NEIGH_TABLE_FULL').length).toBeGreaterThan(8_000);
  });

  it('malformed IPv4 headers are malformed, never read beyond', () => {
    expect(send(packet({ vhl: 0x44 }))).toEqual(['IP_INHDR']);
    expect(send(packet({ vhl: 0x4f }))).toEqual(['IP_INHDR']);
    expect(send(packet({ vhl: 0x65 }))).toEqual(['IP_INHDR']);
    expect(send(packet({ length: 19 }))).toEqual(['IP_INHDR']);
    expect(send(packet({ length: 0 }))).toEqual(['IP_INHDR']);
    expect(send(packet({ length: 2000 }))).toEqual(['IP_INHDR']);
    expect(send(packet({ badSum: true }))).toEqual(['IP_CSUM']);
    expect(send(packet({}).slice(0, 30))).toEqual(['PKT_TOO_SMALL']);
    expect(answers()).toEqual([]);
  });

  it('wrong UDP lengths and checksums are dropped; a zero checksum is taken', () => {
    new UdpSocket(b).bind(0, 9);
    expect(send(packet({ payload: [0, 9, 0, 9, 0, 8, 0x12, 0x34] }))).toEqual(['UDP_CSUM']);
    expect(send(packet({ payload: [0, 9, 0, 9, 0, 7, 0, 0] }))).toEqual(['UDP_INHDR']);
    expect(send(packet({ payload: [0, 9, 0, 9, 0, 200, 0, 0] }))).toEqual(['UDP_INHDR']);
    expect(send(packet({ payload: [0, 9, 0, 9] }))).toEqual(['UDP_INHDR']);
    expect(send(packet({}))).toEqual([]);
  });

  it('impossible addresses are martians', () => {
    for (const source of ['127.0.0.1', '224.0.0.1', '255.255.255.255', '0.1.2.3', '10.0.0.2']) {
      expect([source, send(packet({ source }))]).toEqual([source, ['IP_MARTIAN_SOURCE']]);
    }
    b.sysctl.set('net.ipv4.conf.eth0.rp_filter', '2');
    expect(send(packet({ source: '10.0.0.255' }))).toEqual(['IP_MARTIAN_SOURCE']);
    for (const destination of ['127.0.0.1', '0.0.0.1']) {
      expect([destination, send(packet({ destination }))]).toEqual([destination, ['IP_MARTIAN_DEST']]);
    }
    expect(answers()).toEqual([]);
  });

  it("without rp_filter a subnet's broadcast address as source is answered, by a broadcast (as Linux 6.18 does)", () => {
    expect(send(packet({ source: '10.0.0.255' }))).toEqual(['NO_SOCKET']);
    net.run(1);
    expect(answers()).toEqual(['icmp 3/3 10.0.0.2 > 10.0.0.255 ttl 64 len 56']);
    expect(net.frames.find((f) => f.dev === 'b/eth0' && f.direction === 'out')?.bytes.slice(0, 6)).toEqual(
      new Uint8Array(6).fill(255),
    );
  });

  it('a unicast packet in a broadcast frame gets no ICMP error, and with drop_unicast_in_l2_multicast nothing at all', () => {
    const inBroadcast = (s: Shape): string[] => {
      const bytes = packet(s);
      bytes.fill(255, 0, 6);
      return send(bytes);
    };
    const echo = [8, 0, 0xf7, 0xff, 0, 0, 0, 0];
    expect(inBroadcast({})).toEqual(['NO_SOCKET']);
    expect(inBroadcast({ protocol: 200 })).toEqual(['IP_NOPROTO']);
    expect(inBroadcast({ options: [7, 0, 0, 0] })).toEqual(['IP_OPTION_INVALID']);
    expect(inBroadcast({ destination: '10.9.9.9' })).toEqual([expect.stringMatching(/^IP_IN/)]);
    net.run(1);
    expect(answers()).toEqual([]);
    expect(inBroadcast({ protocol: 1, payload: echo })).toEqual([]);
    net.run(1);
    expect(answers()).toEqual(['icmp 0/0 10.0.0.2 > 10.0.0.1 ttl 64 len 28']);
    b.sysctl.set('net.ipv4.conf.eth0.drop_unicast_in_l2_multicast', '1');
    expect(inBroadcast({ protocol: 1, payload: echo })).toEqual(['UNICAST_IN_L2_MULTICAST']);
  });

  it('a storm of packets for 65,536 absent neighbours leaves a table of gc_thresh3 entries and its frames back', () => {
    const before = framesInUse();
    const s = new UdpSocket(b);
    b.addAddress(dev, { local: ip('10.1.0.1'), length: 16 });
    for (let i = 2; i < 65_535; i++) s.sendTo(new Uint8Array(1), ip('10.1.0.0') + i, 9);
    expect(b.neighbours.size).toBe(1024);
    expect(net.reasons().filter((r) => r === 'NEIGH_TABLE_FULL').length).toBe(65_533 - 1024);
    // Each of the 1024 waits for its own answer, fails, and goes once it was not used for gc_stale_time.
    net.run(10);
    expect(framesInUse()).toBe(before);
    net.run(120);
    expect(b.neighbours.size).toBeLessThan(128);
    expect(s.sendTo(new Uint8Array(1), ip('10.1.9.9'), 9)).toBe(null);
  });

  it('ARP of another format, about groups, or in conflict with our address changes nothing and gets no answer', () => {
    const arp = (change: (v: DataView) => void, operation = 1, sender = '10.0.0.1', target = '10.0.0.2'): string[] => {
      const bytes = new Uint8Array(42);
      bytes.set([...TO_B, 8, 6, 0, 1, 8, 0, 6, 4, 0, operation, 2, 0, 0, 0, 0, 1]);
      const v = new DataView(bytes.buffer);
      v.setInt32(28, ip(sender));
      v.setInt32(38, ip(target));
      change(v);
      return send(bytes);
    };
    expect(arp((v) => v.setUint16(14, 15))).toEqual(['ARP_INVALID']);
    expect(arp((v) => v.setUint16(16, 0x86dd))).toEqual(['ARP_INVALID']);
    for (const n of [0, 4, 5, 7, 255]) expect(arp((v) => v.setUint8(18, n))).toEqual(['ARP_INVALID']);
    for (const n of [0, 3, 5, 16]) expect(arp((v) => v.setUint8(19, n))).toEqual(['ARP_INVALID']);
    for (const n of [0, 3, 4, 8, 9]) expect(arp(() => {}, n)).toEqual(['ARP_INVALID']);
    for (const target of ['224.0.0.1', '127.0.0.1'])
      expect(arp(() => {}, 1, '10.0.0.1', target)).toEqual(['ARP_INVALID']);
    // Our own address as the sender's, asked or announced; an announcement from another subnet; an answer nobody asked for.
    expect(arp(() => {}, 1, '10.0.0.2', '10.0.0.2')).toEqual([]);
    expect(arp(() => {}, 2, '10.0.0.2', '10.0.0.2')).toEqual([]);
    expect(arp(() => {}, 1, '192.168.7.7', '192.168.7.7')).toEqual([]);
    expect(arp(() => {}, 2, '10.0.0.77', '10.0.0.2')).toEqual([]);
    expect(b.neighbours.size).toBe(0);
    expect(net.seen('b/eth0', 'out')).toEqual([]);
  });

  it('options of length 0, 1 or over the header get a parameter problem, source routes a drop', () => {
    expect(send(packet({ options: [7, 0, 0, 0] }))).toEqual(['IP_OPTION_INVALID']);
    expect(send(packet({ options: [7, 1, 0, 0] }))).toEqual(['IP_OPTION_INVALID']);
    expect(send(packet({ options: [7, 40, 4, 0] }))).toEqual(['IP_OPTION_INVALID']);
    expect(send(packet({ options: [131, 7, 4, 10, 0, 0, 9, 0] }))).toEqual(['IP_SOURCE_ROUTE']);
    expect(send(packet({ options: [1, 1, 1, 0] }))).toEqual(['NO_SOCKET']);
    net.run(1);
    expect(answers().map((l) => l.split(' ')[1])).toEqual(['12/0', '12/0', '12/0', '3/3']);
  });

  it('no error answers an error, a broadcast, a later fragment or a cut quote', () => {
    const icmp = (type: number, code: number, rest: readonly number[]): number[] => {
      const bytes = Uint8Array.from([type, code, 0, 0, 0, 0, 0, 0, ...rest]);
      const v = new DataView(bytes.buffer);
      v.setUint16(2, ~sum(v, 0, bytes.length) & 0xffff);
      return [...bytes];
    };
    const quote = [...packet({ source: '10.0.0.2', destination: '10.0.0.1' }).slice(14)];
    expect(send(packet({ protocol: 1, payload: icmp(3, 3, quote) }))).toEqual([]);
    expect(send(packet({ protocol: 1, payload: icmp(3, 3, quote), ttl: 1, destination: '10.0.0.9' }))).toEqual([
      'IP_TTL_EXCEEDED',
    ]);
    expect(send(packet({ protocol: 1, payload: icmp(3, 3, quote.slice(0, 21)) }))).toEqual(['ICMP_INHDR']);
    expect(send(packet({ protocol: 1, payload: icmp(3, 4, []) }))).toEqual(['ICMP_INHDR']);
    expect(send(packet({ destination: '10.0.0.255' }))).toEqual(['NO_SOCKET']);
    expect(send(packet({ destination: '255.255.255.255' }))).toEqual(['NO_SOCKET']);
    expect(send(packet({ destination: '224.0.0.1' }))).toEqual(['NO_SOCKET']);
    expect(send(packet({ destination: '224.0.0.9' }))).toEqual(['IP_MULTICAST_NOT_MEMBER']);
    expect(send(packet({ frag: 5, ttl: 1, destination: '10.0.0.9' }))).toEqual(['IP_TTL_EXCEEDED']);
    expect(send(packet({ protocol: 1, payload: icmp(8, 0, []), destination: '10.0.0.255' }))).toEqual(['ICMP_IGNORED']);
    expect(send(packet({ protocol: 1, payload: icmp(99, 0, []) }))).toEqual(['ICMP_UNKNOWN_TYPE']);
    expect(send(packet({ protocol: 1, payload: [8, 0, 1, 2, 0, 0, 0, 0] }))).toEqual(['ICMP_CSUM']);
    expect(send(packet({ protocol: 1, payload: [8, 0, 1] }))).toEqual(['ICMP_INHDR']);
    net.run(1);
    expect(answers()).toEqual([]);
  });

  it('any bytes at all: a reason or an answer, no throw, no leak', () => {
    const before = framesInUse();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.integer({ min: 0, max: 3 }), (noise, kind) => {
        let bytes: Uint8Array = noise;
        if (kind === 1) bytes = Uint8Array.from([...TO_B, 8, 0, 0x45, ...noise]);
        if (kind === 2) bytes = packet({ protocol: 1, payload: [...noise] });
        if (kind === 3)
          bytes = Uint8Array.from([255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 1, 8, 6, 0, 1, 8, 0, 6, 4, ...noise]);
        send(bytes);
      }),
      { numRuns: 2000 },
    );
    net.run(60);
    expect(framesInUse()).toBe(before);
  });
});
