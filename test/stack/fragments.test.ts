// Proves that datagrams survive fragmentation in any order, and that hostile fragments cost bounded memory and time.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { frameFromBytes, framesInUse } from '../../src/link/frame.ts';
import { UdpSocket } from '../../src/stack/udp-socket.ts';
import { sum } from '../../src/wire/checksum.ts';
import { ip, mac, Net } from './net.ts';

function hosts() {
  const net = new Net();
  const a = net.host('a');
  const b = net.host('b');
  const [devA, devB] = net.cable(
    { netns: a, address: '10.0.0.1/24', mac: '02:00:00:00:00:01', mtu: 1500 },
    { netns: b, address: '10.0.0.2/24', mac: '02:00:00:00:00:02', mtu: 1500 },
  );
  a.neighbours.create(devA, ip('10.0.0.2'))!.update(mac('02:00:00:00:00:02'), 0x80, 0x80000001 | 0);
  b.neighbours.create(devB, ip('10.0.0.1'))!.update(mac('02:00:00:00:00:01'), 0x80, 0x80000001 | 0);
  return { net, a, b, devA, devB };
}

/** An Ethernet frame with one IPv4 fragment, from 10.0.0.1 to 10.0.0.2. */
function fragment(id: number, offset: number, more: boolean, payload: Uint8Array, protocol = 17): Uint8Array {
  const b = new Uint8Array(34 + payload.length);
  const v = new DataView(b.buffer);
  b.set([2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0]);
  v.setUint16(14, 0x4500);
  v.setUint16(16, 20 + payload.length);
  v.setUint16(18, id);
  v.setUint16(20, (more ? 0x2000 : 0) | (offset >> 3));
  v.setUint16(22, (64 << 8) | protocol);
  v.setInt32(26, ip('10.0.0.1'));
  v.setInt32(30, ip('10.0.0.2'));
  v.setUint16(24, ~sum(v, 14, 34) & 0xffff);
  b.set(payload, 34);
  return b;
}

describe('fragmentation and reassembly', () => {
  it('carries every payload size through, whatever the MTU', () => {
    const { net, a, b, devA, devB } = hosts();
    const got: Uint8Array[] = [];
    const server = new UdpSocket(b);
    server.bind(0, 9);
    const client = new UdpSocket(a);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 60_000 }), fc.integer({ min: 68, max: 1500 }), (size, mtu) => {
        devA.dev.setMtu(mtu);
        devB.dev.setMtu(mtu);
        const payload = Uint8Array.from({ length: size }, (_, i) => (i * 7 + size) & 0xff);
        expect(client.sendTo(payload, ip('10.0.0.2'), 9)).toBeNull();
        net.run(0.01);
        const d = server.recv();
        expect(d === null ? null : Buffer.compare(d.payload, payload)).toBe(0);
      }),
      { numRuns: 60 },
    );
    expect(got).toEqual([]);
    expect(net.drops).toEqual([]);
    expect(b.reassembly.memory).toBe(0);
    expect(net.close()).toBe(0);
  });

  it('puts fragments together in any order, with duplicates', () => {
    const { net, b, devB } = hosts();
    const server = new UdpSocket(b);
    server.bind(0, 9);
    const udp = new Uint8Array(8 + 3992);
    new DataView(udp.buffer).setUint16(2, 9);
    new DataView(udp.buffer).setUint16(4, udp.length);
    for (let i = 8; i < udp.length; i++) udp[i] = i & 0xff;
    const pieces = [0, 800, 1600, 2400, 3200].map((at) => ({ at, more: at < 3200, bytes: udp.slice(at, at + 800) }));
    fc.assert(
      fc.property(
        fc.shuffledSubarray(pieces, { minLength: 5 }),
        fc.integer({ min: 0, max: 3 }),
        fc.integer({ min: 1, max: 65535 }),
        (order, twice, id) => {
          for (const p of [...order.slice(0, 4), order[twice]!, order[4]!]) {
            devB.dev.receive(frameFromBytes(fragment(id, p.at, p.more, p.bytes)));
          }
          const d = server.recv();
          expect(d?.payload.length).toBe(3992);
          expect(Buffer.compare(d!.payload, udp.subarray(8))).toBe(0);
        },
      ),
      { numRuns: 100 },
    );
    expect(net.close()).toBe(0);
  });

  it('ends the whole datagram when fragments overlap', () => {
    const { net, b, devB } = hosts();
    devB.dev.receive(frameFromBytes(fragment(1, 0, true, new Uint8Array(800))));
    devB.dev.receive(frameFromBytes(fragment(1, 400, true, new Uint8Array(800))));
    expect(net.reasons()).toEqual(['FRAG_REASM_OVERLAP', 'FRAG_REASM_OVERLAP']);
    expect([b.reassembly.queues, b.reassembly.memory]).toEqual([0, 0]);
    expect(net.close()).toBe(0);
  });

  it('drops what repeats a part of one run, and takes it for an overlap across two', () => {
    const { net, b, devB } = hosts();
    const come = (id: number, at: number, length: number): void =>
      devB.dev.receive(frameFromBytes(fragment(id, at, true, new Uint8Array(length))));
    come(1, 0, 800);
    come(1, 800, 800);
    come(1, 400, 800);
    expect([net.reasons(), b.reassembly.queues]).toEqual([['FRAG_REASM_DUPLICATE'], 1]);
    // The second fragment came behind a third: two runs, though they touch.
    come(2, 1600, 800);
    come(2, 0, 800);
    come(2, 800, 800);
    come(2, 400, 800);
    expect(net.reasons().slice(1)).toEqual(new Array(4).fill('FRAG_REASM_OVERLAP'));
    expect(b.reassembly.queues).toBe(1);
    expect(net.close()).toBe(0);
  });

  it('refuses what would be longer than 65,535 bytes, and empty fragments', () => {
    const { net, devB } = hosts();
    devB.dev.receive(frameFromBytes(fragment(1, 65_528, false, new Uint8Array(800))));
    devB.dev.receive(frameFromBytes(fragment(2, 8, true, new Uint8Array(4))));
    expect(net.reasons()).toEqual(['FRAG_REASM_INVALID', 'FRAG_REASM_INVALID']);
    net.run(40);
    expect(net.close()).toBe(0);
  });

  it('gives up after 30 s and says so when the first fragment came', () => {
    const { net, b, devB } = hosts();
    devB.dev.receive(frameFromBytes(fragment(1, 0, true, new Uint8Array(800))));
    devB.dev.receive(frameFromBytes(fragment(2, 800, true, new Uint8Array(800))));
    net.run(29.9);
    expect(b.reassembly.queues).toBe(2);
    net.run(3);
    expect(b.reassembly.queues).toBe(0);
    expect(net.seen('b/eth0', 'out')).toEqual(['icmp 11/1 10.0.0.2 > 10.0.0.1 ttl 64 len 576']);
    expect(net.reasons()).toContain('FRAG_REASM_TIMEOUT');
    expect(net.close()).toBe(0);
  });

  it('holds at most ipfrag_high_thresh bytes, whatever comes, and recovers', () => {
    const { net, b, devB } = hosts();
    const before = framesInUse();
    for (let id = 0; id < 10_000; id++) {
      devB.dev.receive(frameFromBytes(fragment(id & 0xffff, 8, true, new Uint8Array(8), 17 + (id >> 16))));
    }
    expect(b.reassembly.memory).toBeLessThanOrEqual(4_194_304 + 200);
    expect(net.reasons()).toContain('FRAG_REASM_MEMORY');
    net.run(40);
    expect([b.reassembly.queues, b.reassembly.memory]).toEqual([0, 0]);
    expect(framesInUse()).toBe(before);
    expect(net.close()).toBe(0);
  });

  it('takes 8,000 tiny fragments of one datagram without growing out of bounds', () => {
    const { net, b, devB } = hosts();
    for (let i = 8_000; i >= 1; i--) devB.dev.receive(frameFromBytes(fragment(5, i * 8, true, new Uint8Array(8))));
    expect(b.reassembly.memory).toBeLessThanOrEqual(4_194_304 + 200);
    net.run(40);
    expect(b.reassembly.memory).toBe(0);
    expect(net.close()).toBe(0);
  });
});
