// Proves that a cable does what its settings say, in the order and with the draws that they say, and never loses count of a
// frame.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Cable, clean, impair } from '../../src/link/cable.ts';
import type { NetDevice } from '../../src/link/device.ts';
import { freeFrame } from '../../src/link/frame.ts';
import { CLEAN, type Impairment, serialisation } from '../../src/link/impairment.ts';
import { VETH_DELAY, vethPeer } from '../../src/link/veth.ts';
import { NS_PER_MS, NS_PER_S, NS_PER_US } from '../../src/sim/sim.ts';
import { ethernet, Sink, send, TestWorld, tap } from './world.ts';

const DST = '02:00:00:00:0a:02';
const SRC = '02:00:00:00:0a:01';

interface Line {
  world: TestWorld;
  a: NetDevice;
  b: NetDevice;
  sink: Sink;
}

function line(seed = 1, mtu = 1500): Line {
  const world = new TestWorld(seed);
  const [a, b] = world.veth('a/eth0', 'b/eth0', mtu);
  const sink = new Sink();
  b.setUpper(sink);
  return { world, a, b, sink };
}

/** Sends frames whose first payload byte counts up, `gap` ns apart. */
function stream({ world, a }: Line, count: number, gap: number, payload = 46): void {
  for (let i = 0; i < count; i++) {
    const bytes = ethernet(DST, SRC, payload);
    bytes[14] = i & 0xff;
    bytes[15] = i >> 8;
    send(a, bytes);
    if (gap > 0) world.advance(gap);
  }
}

function numbers(sink: Sink): number[] {
  return sink.frames.map((f) => f[14]! | (f[15]! << 8));
}

describe('a cable', () => {
  it('without impairment is the plain veth pair, and is so again after clean()', () => {
    const l = line();
    const plain = l.a.lower;
    impair(l.a, { latency: NS_PER_MS });
    expect(vethPeer(l.a)).toBe(l.b);
    clean(l.a);
    expect(l.a.lower).toBe(plain);
    stream(l, 1, 0);
    l.world.sim.runUntil(NS_PER_S);
    expect(l.sink.times).toEqual([VETH_DELAY]);
  });

  it('constant latency comes on top of the plain hop, through a shared delay line', () => {
    const l = line();
    impair(l.a, { latency: 3 * NS_PER_MS });
    const lines = l.world.sim.lineCount;
    impair(l.b, { latency: 3 * NS_PER_MS });
    expect(l.world.sim.lineCount).toBe(lines);
    stream(l, 3, NS_PER_MS);
    l.world.sim.runUntil(NS_PER_S);
    expect(l.sink.times).toEqual([0, 1, 2].map((i) => (i + 3) * NS_PER_MS + VETH_DELAY));
    expect(numbers(l.sink)).toEqual([0, 1, 2]);
  });

  it('captures at the device show a frame that the cable then loses', () => {
    const l = line();
    let out = 0;
    tap(l.a, () => out++);
    impair(l.a, { loss: { kind: 'random', probability: 1 } });
    stream(l, 5, 0);
    l.world.sim.runUntil(NS_PER_S);
    expect(out).toBe(5);
    expect(l.sink.frames.length).toBe(0);
    expect(l.world.drops).toEqual(new Array(5).fill('LINK_LOSS at a/eth0'));
    expect(l.world.notes).toEqual(new Array(5).fill('lost on the cable'));
    expect(l.world.framesHeld()).toBe(0);
  });

  it.each(['uniform', 'normal'] as const)('%s jitter spreads the delays and keeps the order', (jitterShape) => {
    const l = line();
    impair(l.a, { latency: 10 * NS_PER_MS, jitter: 2 * NS_PER_MS, jitterShape });
    stream(l, 400, 10 * NS_PER_MS);
    l.world.sim.runUntil(10 * NS_PER_S);
    expect(numbers(l.sink)).toEqual(Array.from({ length: 400 }, (_, i) => i));
    const delays = l.sink.times.map((t, i) => t - VETH_DELAY - i * 10 * NS_PER_MS);
    const mean = delays.reduce((s, d) => s + d, 0) / delays.length;
    const deviation = Math.sqrt(delays.reduce((s, d) => s + (d - mean) ** 2, 0) / delays.length);
    expect(Math.abs(mean - 10 * NS_PER_MS)).toBeLessThan(0.3 * NS_PER_MS);
    // Standard deviation: jitter / sqrt(3) for the uniform shape, jitter for the normal one.
    const wanted = jitterShape === 'uniform' ? 2 / Math.sqrt(3) : 2;
    expect(Math.abs(deviation / NS_PER_MS - wanted)).toBeLessThan(0.2);
    if (jitterShape === 'uniform') {
      expect(Math.min(...delays)).toBeGreaterThanOrEqual(8 * NS_PER_MS);
      expect(Math.max(...delays)).toBeLessThanOrEqual(12 * NS_PER_MS);
    }
  });

  it('frames sent close together stay in order under jitter, unless reordering by jitter is asked for', () => {
    for (const jitterReorders of [false, true]) {
      const l = line();
      impair(l.a, { latency: 10 * NS_PER_MS, jitter: 5 * NS_PER_MS, jitterReorders });
      stream(l, 100, 10 * NS_PER_US);
      l.world.sim.runUntil(NS_PER_S);
      const got = numbers(l.sink);
      const sorted = [...got].sort((x, y) => x - y);
      expect(sorted).toEqual(Array.from({ length: 100 }, (_, i) => i));
      expect(got.join() === sorted.join()).toBe(!jitterReorders);
    }
  });

  it('a rate makes frames follow each other by their time on the wire, overhead and padding included', () => {
    expect(serialisation(1514, 1e9)).toBe((1514 + 24) * 8);
    expect(serialisation(14, 1e9)).toBe((60 + 24) * 8);
    expect(serialisation(60, 3)).toBe(Math.ceil((84 * 8 * 1e9) / 3));
    const l = line();
    impair(l.a, { rate: 100_000_000 });
    stream(l, 3, 0, 986);
    l.world.sim.runUntil(NS_PER_S);
    const one = (1000 + 24) * 80;
    expect(l.sink.times).toEqual([one, 2 * one, 3 * one].map((t) => t + VETH_DELAY));
  });

  it('the queue drops at its tail: by frames, by bytes, and lets in again when a frame has left', () => {
    const l = line();
    const end = impair(l.a, { rate: 8_000_000, queuePackets: 2 }); // 1000-byte frame: 1024 us
    stream(l, 5, 0, 986);
    expect(end.queued).toBe(2);
    expect(l.world.drops).toEqual(new Array(2).fill('LINK_QUEUE_FULL at a/eth0'));
    expect(l.a.stats.txDropped).toBe(2);
    l.world.advance(1024 * NS_PER_US);
    expect(end.queued).toBe(1);
    stream(l, 2, 0, 986);
    expect(l.world.drops.length).toBe(3);
    l.world.sim.runUntil(NS_PER_S);
    expect(l.sink.frames.length).toBe(4);
    const m = line();
    impair(m.a, { rate: 8_000_000, queueBytes: 2999 });
    stream(m, 6, 0, 986);
    expect(m.world.drops.length).toBe(3);
    m.world.sim.runUntil(NS_PER_S);
    expect(l.world.framesHeld() + m.world.framesHeld()).toBe(0);
  });

  it('random loss has the rate asked for', () => {
    const l = line();
    impair(l.a, { loss: { kind: 'random', probability: 0.2 } });
    stream(l, 5000, 0);
    l.world.sim.runUntil(NS_PER_S);
    expect(l.world.drops.length / 5000).toBeGreaterThan(0.18);
    expect(l.world.drops.length / 5000).toBeLessThan(0.22);
  });

  it('burst loss comes in runs of the mean length 1/r', () => {
    const l = line();
    impair(l.a, { loss: { kind: 'burst', goodToBad: 0.01, badToGood: 0.2, lossInBad: 1, lossInGood: 0 } });
    stream(l, 20_000, 0);
    l.world.sim.runUntil(NS_PER_S);
    const got = new Set(numbers(l.sink));
    let runs = 0;
    let lost = 0;
    for (let i = 0; i < 20_000; i++) {
      if (got.has(i)) continue;
      lost++;
      if (i === 0 || got.has(i - 1)) runs++;
    }
    expect(lost / runs).toBeGreaterThan(4);
    expect(lost / runs).toBeLessThan(6);
    // Stationary share of the bad state: p / (p + r).
    expect(Math.abs(lost / 20_000 - 0.01 / 0.21)).toBeLessThan(0.01);
  });

  it('duplicates, and the copy may be lost by itself', () => {
    const l = line();
    const end = impair(l.a, { duplicate: 1 });
    stream(l, 3, 0);
    l.world.sim.runUntil(NS_PER_S);
    expect(numbers(l.sink)).toEqual([0, 0, 1, 1, 2, 2]);
    expect(l.world.notes).toEqual(new Array(3).fill('duplicated on the cable'));
    expect(end.stats.duplicated).toBe(3);
    impair(l.a, { loss: { kind: 'random', probability: 0.5 } });
    stream(l, 200, 0);
    l.world.sim.runUntil(2 * NS_PER_S);
    expect(l.sink.frames.length - 6 + l.world.drops.length).toBe(400);
    expect(l.world.framesHeld()).toBe(0);
  });

  it('corruption flips exactly one bit, and the note says which', () => {
    const l = line();
    impair(l.a, { corrupt: 1 });
    stream(l, 50, 0);
    l.world.sim.runUntil(NS_PER_S);
    for (const [i, frame] of l.sink.frames.entries()) {
      const clean = ethernet(DST, SRC);
      clean[14] = i;
      clean[15] = 0;
      const flipped: string[] = [];
      for (let byte = 0; byte < frame.length; byte++) {
        for (let bit = 0; bit < 8; bit++) {
          if ((frame[byte]! ^ clean[byte]!) & (0x80 >> bit)) flipped.push(`bit ${bit} of byte ${byte}`);
        }
      }
      expect(flipped.length).toBe(1);
      expect(l.world.notes[i]).toBe(`corrupted on the cable: ${flipped[0]}`);
    }
  });

  it('reorder lets every N-th frame overtake those that have latency', () => {
    const l = line();
    impair(l.a, { latency: 10 * NS_PER_MS, reorder: 1, reorderGap: 4 });
    stream(l, 8, NS_PER_US);
    l.world.sim.runUntil(NS_PER_S);
    expect(numbers(l.sink)).toEqual([3, 7, 0, 1, 2, 4, 5, 6]);
    expect(l.world.notes).toEqual(new Array(2).fill('overtook the frames on the cable'));
  });

  it("drops what is longer than the cable's MTU, and what the receiver's MTU does not take", () => {
    const l = line();
    impair(l.a, { mtu: 1000 });
    send(l.a, ethernet(DST, SRC, 1004));
    send(l.a, ethernet(DST, SRC, 1005));
    impair(l.a, { mtu: 0 });
    l.b.setMtu(1200);
    send(l.a, ethernet(DST, SRC, 1204));
    send(l.a, ethernet(DST, SRC, 1205));
    l.world.sim.runUntil(NS_PER_S);
    expect(l.sink.frames.map((f) => f.length)).toEqual([1018, 1218]);
    expect(l.world.drops).toEqual(['PKT_TOO_BIG at a/eth0', 'PKT_TOO_BIG at a/eth0']);
    expect(l.b.stats.rxDropped).toBe(1);
  });

  it('changes while frames run take nobody over', () => {
    const l = line();
    impair(l.a, { latency: 50 * NS_PER_MS });
    stream(l, 2, NS_PER_US);
    impair(l.a, { latency: NS_PER_MS });
    stream(l, 1, NS_PER_US);
    impair(l.a, { latency: 0, jitter: 10 });
    stream(l, 1, NS_PER_US);
    l.world.sim.runUntil(NS_PER_S);
    expect(l.sink.times.length).toBe(4);
    expect([...l.sink.times].sort((x, y) => x - y)).toEqual(l.sink.times);
    expect(l.sink.frames.map((f) => f[14])).toEqual([0, 1, 0, 0]);
  });

  it('refuses settings that mean nothing', () => {
    const l = line();
    expect(() => impair(l.a, { duplicate: 1.5, latency: -1 })).toThrow(/latency: .*duplicate: a probability/);
    expect(() => impair(l.a, { loss: { kind: 'random', probability: Number.NaN } })).toThrow(/loss\.probability/);
  });

  it('the same seed draws the same, another seed does not, and no draw shifts another', () => {
    const run = (seed: number, more: Partial<Impairment>): string => {
      const l = line(seed);
      impair(l.a, { loss: { kind: 'random', probability: 0.3 }, ...more });
      stream(l, 300, NS_PER_US);
      l.world.sim.runUntil(NS_PER_S);
      return [...new Set(numbers(l.sink))].join();
    };
    expect(run(7, {})).toBe(run(7, {}));
    expect(run(7, {})).not.toBe(run(8, {}));
    expect(run(7, { jitter: 500, latency: 1000, rate: 1e9 })).toBe(run(7, {}));
  });

  it('each direction has streams of its own', () => {
    const l = line();
    new Cable(l.a, 'underlay').change({ corrupt: 0.5 });
    expect(l.world.streamNames().filter((n) => n.endsWith('/corrupt'))).toEqual([
      'cable/underlay/a/eth0/corrupt',
      'cable/underlay/b/eth0/corrupt',
    ]);
  });

  it('loses no frame, whatever happens on it', () => {
    const p = fc.double({ min: 0, max: 1, noNaN: true });
    const settings = fc.record({
      latency: fc.nat(1_000_000),
      jitter: fc.nat(1_000_000),
      jitterReorders: fc.boolean(),
      rate: fc.constantFrom(0, 1e6, 1e9),
      queuePackets: fc.nat(5),
      duplicate: p,
      corrupt: p,
      reorder: p,
      reorderGap: fc.nat(3),
      partitioned: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.nat(), fc.array(fc.tuple(settings, p, fc.nat(20)), { maxLength: 5 }), (seed, phases) => {
        const l = line(seed);
        let offered = 0;
        for (const [change, loss, count] of phases) {
          impair(l.a, { ...change, loss: { kind: 'random', probability: loss } });
          stream(l, count, 1000);
          offered += count;
        }
        const end = impair(l.a, CLEAN);
        l.world.sim.runUntil(1000 * NS_PER_S);
        expect(end.stats.offered).toBe(offered);
        expect(l.sink.frames.length + l.world.drops.length).toBe(offered + end.stats.duplicated);
        expect(l.sink.frames.length).toBe(end.stats.sent);
        expect(l.world.framesHeld()).toBe(0);
      }),
      { numRuns: 60 },
    );
  });
});

describe('Cable', () => {
  it('pulling the plug takes carrier from both ends and keeps it away while an end goes down and up', () => {
    const l = line();
    const cable = new Cable(l.a);
    cable.setPlugged(false);
    expect([l.a.carrier, l.b.carrier]).toEqual([false, false]);
    l.b.setUp(false);
    l.b.setUp(true);
    expect([l.a.carrier, l.b.carrier]).toEqual([false, false]);
    stream(l, 1, 0);
    expect(l.world.drops).toEqual(['NO_CARRIER at a/eth0']);
    cable.setPlugged(true);
    expect([l.a.carrier, l.b.carrier]).toEqual([true, true]);
    cable.setPlugged(false);
    l.b.setUp(false);
    cable.setPlugged(true);
    expect([l.a.carrier, l.b.carrier]).toEqual([false, false]);
  });

  it('a partition of one direction leaves the other alone, and heals', () => {
    const l = line();
    const back = new Sink();
    l.a.setUpper(back);
    const cable = new Cable(l.a);
    cable.setPartitioned(true, 'forth');
    stream(l, 1, 0);
    send(l.b, ethernet(SRC, DST));
    l.world.sim.runUntil(NS_PER_MS);
    expect([l.sink.frames.length, back.frames.length]).toEqual([0, 1]);
    expect(l.world.drops).toEqual(['LINK_PARTITION at a/eth0']);
    expect([l.a.carrier, cable.settings('forth').partitioned, cable.settings('back').partitioned]).toEqual([
      true,
      true,
      false,
    ]);
    cable.setPartitioned(false);
    stream(l, 1, 0);
    l.world.sim.runUntil(2 * NS_PER_MS);
    expect(l.sink.frames.length).toBe(1);
    cable.clean();
    expect(cable.stats('forth')).toBe(null);
  });

  it('what is on the cable when the run ends is handed back', () => {
    const l = line();
    impair(l.a, { latency: NS_PER_S, jitter: 5, rate: 1e6 });
    stream(l, 10, 0);
    expect(l.world.framesHeld()).toBe(10);
    l.world.sim.drain(freeFrame);
    expect(l.world.framesHeld()).toBe(0);
  });
});
