// Proves that the frame arena keeps frames apart, keeps headroom and alignment, finds double frees, and sums bytes as RFC 1071
// does.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  allocFrame,
  cloneFrame,
  FRAME_MAX,
  frameBytes,
  frameDepth,
  frameEnd,
  frameFromBytes,
  frameMark,
  framePacketId,
  frameStart,
  framesInUse,
  freeFrame,
  HEADROOM,
  headroom,
  NO_FRAME,
  sumArena,
  tailroom,
  u8,
} from '../../src/link/frame.ts';

it('a new frame has the length asked for, almost all of the headroom, and an aligned IPv4 header', () => {
  for (const length of [0, 14, 60, 1514, 2048, 2049, 9014, FRAME_MAX - 2]) {
    const f = allocFrame(length);
    expect(f).not.toBe(NO_FRAME);
    expect(frameEnd[f]! - frameStart[f]!).toBe(length);
    expect(headroom(f)).toBe(HEADROOM - 2);
    expect((frameStart[f]! + 14) % 4).toBe(0);
    expect(tailroom(f)).toBeGreaterThanOrEqual(0);
    freeFrame(f);
  }
  expect(allocFrame(FRAME_MAX)).toBe(NO_FRAME);
});

it('frames never share bytes', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ minLength: 1, maxLength: 4000 }), { maxLength: 30 }), (contents) => {
      const before = framesInUse();
      const frames = contents.map(frameFromBytes);
      expect(framesInUse()).toBe(before + contents.length);
      for (const [i, f] of frames.entries()) expect(frameBytes(f)).toEqual(contents[i]);
      const copies = frames.map(cloneFrame);
      for (const f of frames) u8.fill(0xa5, frameStart[f]!, frameEnd[f]!);
      for (const [i, f] of copies.entries()) expect(frameBytes(f)).toEqual(contents[i]);
      for (const f of [...frames, ...copies]) freeFrame(f);
      expect(framesInUse()).toBe(before);
    }),
    { numRuns: 30 },
  );
});

it('a clone keeps packet id, mark, depth and headroom; a new frame has none of them', () => {
  const f = frameFromBytes(new Uint8Array([1, 2, 3, 4]));
  framePacketId[f] = 42;
  frameMark[f] = 7;
  frameDepth[f] = 2;
  frameStart[f] = frameStart[f]! - 50;
  const copy = cloneFrame(f);
  expect([framePacketId[copy], frameMark[copy], frameDepth[copy], headroom(copy)]).toEqual([42, 7, 2, headroom(f)]);
  expect(frameEnd[copy]! - frameStart[copy]!).toBe(54);
  freeFrame(f);
  freeFrame(copy);
  const next = allocFrame(4);
  expect([framePacketId[next], frameMark[next], frameDepth[next]]).toEqual([0, 0, 0]);
  freeFrame(next);
});

it('freeing twice is a bug that is found', () => {
  const f = allocFrame(60);
  freeFrame(f);
  expect(() => freeFrame(f)).toThrow('a frame is freed once');
  expect(() => freeFrame(NO_FRAME)).toThrow('a frame is freed once');
});

it('an exhausted pool gives no frame, and works again when one comes back', () => {
  const held: number[] = [];
  for (let f = allocFrame(60); f !== NO_FRAME; f = allocFrame(60)) held.push(f);
  expect(cloneFrame(held[0]!)).toBe(NO_FRAME);
  expect(frameFromBytes(new Uint8Array(60))).toBe(NO_FRAME);
  freeFrame(held.pop()!);
  const again = allocFrame(60);
  expect(again).not.toBe(NO_FRAME);
  for (const f of [...held, again]) freeFrame(f);
  const big: number[] = [];
  for (let f = allocFrame(9000); f !== NO_FRAME; f = allocFrame(9000)) big.push(f);
  expect(big.length).toBeGreaterThan(0);
  for (const f of big) freeFrame(f);
});

describe('sumArena', () => {
  /** RFC 1071 section 1, word by word: the plain path. */
  function plainSum(bytes: Uint8Array): number {
    let sum = 0;
    for (let i = 0; i < bytes.length; i += 2) sum += bytes[i]! * 256 + (bytes[i + 1] ?? 0);
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
    return sum;
  }

  it('agrees with the plain sum at every alignment and length', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), fc.nat(7), (bytes, shift) => {
        const f = allocFrame(bytes.length + 8);
        const at = frameStart[f]! + shift;
        u8.set(bytes, at);
        const sum = sumArena(at, at + bytes.length);
        freeFrame(f);
        // One's complement has two zeros: 0 and 0xffff are the same sum.
        expect(sum % 0xffff).toBe(plainSum(bytes) % 0xffff);
        expect(sum === 0).toBe(bytes.every((b) => b === 0));
      }),
      { numRuns: 500 },
    );
  });

  it('does not overflow on the longest frame of ones', () => {
    const f = allocFrame(65_535);
    u8.fill(0xff, frameStart[f]!, frameEnd[f]!);
    expect(sumArena(frameStart[f]!, frameEnd[f]!) % 0xffff).toBe(plainSum(frameBytes(f)) % 0xffff);
    freeFrame(f);
  });
});
