// Proves that a fault hits the frames that its rule names, and no other.

import { expect, it } from 'vitest';
import { cableEnd, impair } from '../../src/link/cable.ts';
import type { NetDevice } from '../../src/link/device.ts';
import { endFault, type FaultAction, injectFault } from '../../src/link/fault.ts';
import { freeFrame } from '../../src/link/frame.ts';
import { VETH_DELAY } from '../../src/link/veth.ts';
import { NS_PER_MS, NS_PER_S } from '../../src/sim/sim.ts';
import { ethernet, Sink, send, TestWorld } from './world.ts';

function setUp(): { world: TestWorld; a: NetDevice; sink: Sink } {
  const world = new TestWorld();
  const [a, b] = world.veth('a/eth0', 'b/eth0');
  const sink = new Sink();
  b.setUpper(sink);
  return { world, a, sink };
}

function sendNumbered(dev: NetDevice, from: number, to: number): void {
  for (let i = from; i <= to; i++) {
    const bytes = ethernet('02:00:00:00:0a:02', '02:00:00:00:0a:01');
    bytes[14] = i;
    send(dev, bytes);
  }
}

const ALL = { match: null, skip: 0, count: Number.POSITIVE_INFINITY } as const;

it('drops the third frame and the fourth, and no other', () => {
  const { world, a, sink } = setUp();
  const fault = injectFault(a, { match: null, skip: 2, count: 2, action: { kind: 'drop' } });
  sendNumbered(a, 1, 6);
  world.sim.runUntil(NS_PER_S);
  expect(sink.frames.map((f) => f[14])).toEqual([1, 2, 5, 6]);
  expect([fault.matched, fault.hits]).toEqual([6, 2]);
  expect(world.drops).toEqual(['LINK_LOSS at a/eth0', 'LINK_LOSS at a/eth0']);
  expect(world.notes[0]).toBe('lost by a fault: frame 3 that it looked at');
  expect(world.framesHeld()).toBe(0);
});

it('counts only frames whose bytes match', () => {
  const { world, a, sink } = setUp();
  injectFault(a, {
    match: (bytes, start, end) => end - start > 14 && bytes.getUint8(start + 14) % 2 === 0,
    skip: 1,
    count: 1,
    action: { kind: 'drop' },
  });
  sendNumbered(a, 1, 8);
  world.sim.runUntil(NS_PER_S);
  expect(sink.frames.map((f) => f[14])).toEqual([1, 2, 3, 5, 6, 7, 8]);
});

it.each<[FaultAction, (number | undefined)[], number[]]>([
  [{ kind: 'corrupt', offset: 14, mask: 0x80 }, [0x81], [0]],
  [{ kind: 'corrupt', offset: 9000, mask: 0xff }, [1], [0]],
  [{ kind: 'delay', by: NS_PER_MS }, [1], [NS_PER_MS]],
  [{ kind: 'duplicate' }, [1, 1], [0, 0]],
])('%o', (action, bytes, delays) => {
  const { world, a, sink } = setUp();
  injectFault(a, { ...ALL, action });
  sendNumbered(a, 1, 1);
  world.sim.runUntil(NS_PER_S);
  expect(sink.frames.map((f) => f[14])).toEqual(bytes);
  expect(sink.times).toEqual(delays.map((d) => d + VETH_DELAY));
  expect(world.framesHeld()).toBe(0);
});

it('stands above the impairment whichever came first, and leaves it in place when it ends', () => {
  const { world, a, sink } = setUp();
  const before = injectFault(a, { ...ALL, action: { kind: 'duplicate' } });
  const end = impair(a, { latency: NS_PER_MS });
  const after = injectFault(a, { ...ALL, action: { kind: 'duplicate' } });
  expect(before.inner).toBe(after);
  expect(after.inner).toBe(end);
  sendNumbered(a, 1, 1);
  world.sim.runUntil(NS_PER_S);
  expect(sink.times).toEqual(new Array(4).fill(NS_PER_MS + VETH_DELAY));
  expect(endFault(before)).toBe(true);
  expect(endFault(before)).toBe(false);
  expect(endFault(after)).toBe(true);
  expect(a.lower).toBe(end);
  expect(cableEnd(a)).toBe(end);
});

it('a frame that is held back still comes after the fault has ended, and is handed back when the run ends first', () => {
  const { world, a, sink } = setUp();
  const fault = injectFault(a, { ...ALL, action: { kind: 'delay', by: NS_PER_MS } });
  sendNumbered(a, 1, 1);
  endFault(fault);
  world.sim.runUntil(NS_PER_S);
  expect(sink.frames.length).toBe(1);
  injectFault(a, { ...ALL, action: { kind: 'delay', by: NS_PER_S } });
  sendNumbered(a, 1, 2);
  expect(world.framesHeld()).toBe(2);
  world.sim.drain(freeFrame);
  expect(world.framesHeld()).toBe(0);
});
