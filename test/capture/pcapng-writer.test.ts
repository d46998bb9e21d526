// Proves that whatever order records, comments, interfaces, names and flushes come in, the file holds exactly them: the
// writer against a plain list, over seeded random histories that cross every boundary of its buffer.

import { describe, expect, test } from 'vitest';
import { Rng } from '../../src/base/rng.ts';
import { UNIT_LARGE, UNIT_SMALL } from '../../src/capture/block-buffer.ts';
import { CaptureReader } from '../../src/capture/reader.ts';
import { MemorySink } from '../../src/capture/sink.ts';
import {
  allocFrame,
  FRAME_MAX,
  type Frame,
  frameBytes,
  frameEnd,
  frameStart,
  freeFrame,
  u8,
} from '../../src/link/frame.ts';
import { writer } from './recording.ts';

interface Expected {
  readonly interfaceId: number;
  readonly time: number;
  readonly bytes: Uint8Array;
  readonly packetId: number;
  readonly comments: string[];
}

function randomFrames(rng: Rng, longest: number): Frame[] {
  return Array.from({ length: 50 }, () => {
    const frame = allocFrame(1 + rng.below(longest));
    for (let i = frameStart[frame]!; i < frameEnd[frame]!; i++) u8[i] = rng.below(256);
    return frame;
  });
}

describe.each([
  ['short frames, small unit', UNIT_SMALL, 300, 6_000],
  ['frames of an MTU, small unit', UNIT_SMALL, 1_600, 4_000],
  ['jumbo frames, small unit', UNIT_SMALL, 40_000, 300],
  ['the longest frames, small unit', UNIT_SMALL, FRAME_MAX - 2, 300],
  ['short frames, large unit', UNIT_LARGE, 300, 30_000],
  ['jumbo frames, large unit', UNIT_LARGE, 40_000, 1_500],
] as const)('%s', (_name, unit, longest, steps) => {
  test.each([1, 2, 3])('seed %d', (seed) => {
    const rng = new Rng(seed, 'history');
    const frames = randomFrames(rng, longest);
    const sink = new MemorySink();
    const w = writer(sink, { unit });
    const expected: Expected[] = [];
    const names: string[] = [];
    let interfaces = 1;
    let placed = 0;
    let time = 0;
    for (let step = 0; step < steps; step++) {
      const what = rng.below(1000);
      if (what < 2) {
        w.flush();
      } else if (what < 6) {
        expect(w.addInterface({ name: `if${interfaces}`, description: 'd', mac: 0, speed: 1e10 })).toBe(interfaces);
        interfaces++;
      } else if (what < 10) {
        const name = `pod-${step}`;
        w.addNames([{ address: step, names: [name] }]);
        names.push(name);
      } else if (what < 200 && expected.length > 0) {
        // Mostly the newest records, sometimes one long gone.
        const ordinal = Math.max(0, expected.length - 1 - rng.below(rng.chance(0.1) ? 5_000 : 5));
        const text = `${step} ${'é'.repeat(rng.below(40))}`;
        const target = expected[ordinal]!;
        expect(w.comment(ordinal, target.packetId + 1, text)).toBe(false);
        if (w.comment(ordinal, target.packetId, text)) {
          target.comments.push(text);
          placed++;
        }
      } else {
        const frame = frames[rng.below(frames.length)]!;
        const packetId = 1 + rng.below(1_000_000);
        const interfaceId = rng.below(interfaces);
        expect(w.record(interfaceId, time, frame, 1, packetId)).toBe(expected.length);
        expected.push({ interfaceId, time, bytes: frameBytes(frame), packetId, comments: [] });
        expect(w.find(packetId, interfaceId)).toBe(expected.length - 1);
        time += rng.below(5_000_000);
      }
    }
    w.close();
    frames.forEach(freeFrame);

    const reader = new CaptureReader(sink.bytes);
    let n = 0;
    for (const packet of reader) {
      const want = expected[n++]!;
      const nanos = (packet.timeSeconds - 1_704_067_200) * 1e9 + packet.timeNanos;
      const got = [packet.interfaceIndex, nanos, packet.packetId, packet.comments];
      expect(got).toEqual([want.interfaceId, want.time, want.packetId, want.comments]);
      expect(Buffer.compare(packet.bytes, want.bytes)).toBe(0);
    }
    expect(reader.error).toBeNull();
    expect(n).toBe(expected.length);
    expect(reader.interfaces.length).toBe(interfaces);
    expect(reader.names.flatMap((entry) => entry.names)).toEqual(names);
    expect(reader.statistics.length).toBe(interfaces);
    expect(placed).toBeGreaterThan(20);
  });
});

test('a comment that is too long is cut between characters; one that would pass the largest block is refused', () => {
  const sink = new MemorySink();
  const w = writer(sink);
  const [frame] = randomFrames(new Rng(1, 'one'), 60);
  const ordinal = w.record(0, 0, frame!, 1, 1);
  let taken = 0;
  while (w.comment(ordinal, 1, `${taken}${'é'.repeat(5_000)}`)) taken++;
  w.close();
  const packet = new CaptureReader(sink.bytes).next()!;
  expect(taken).toBe(19);
  expect(packet.comments.length).toBe(19);
  for (const text of packet.comments) {
    expect(new TextEncoder().encode(text).length).toBeGreaterThanOrEqual(4_095);
    expect(text).not.toContain('\ufffd');
  }
});
