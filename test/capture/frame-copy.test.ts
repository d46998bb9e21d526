// Proves that the fast copy out of the frame arena gives the bytes of a plain copy, whatever the frame's place and length.

import { describe, expect, it } from 'vitest';
import { copyFromArena } from '../../src/capture/frame-copy.ts';
import { allocFrame, frameStart, freeFrame, u8 } from '../../src/link/frame.ts';

describe('copyFromArena', () => {
  it('copies every length from every alignment, and touches nothing in front or more than 3 bytes behind', () => {
    const buffer = new ArrayBuffer(2048);
    const target = { bytes: new Uint8Array(buffer), words: new Uint32Array(buffer) };
    const frame = allocFrame(1600);
    const start = frameStart[frame]!;
    for (let i = 0; i < 1600; i++) u8[start + i] = (i * 7 + 3) & 0xff;
    for (let shift = 0; shift < 4; shift++) {
      for (const length of [...Array.from({ length: 340 }, (_, i) => i), 1442, 1514]) {
        target.bytes.fill(0xa5);
        copyFromArena(target, 64, start + shift, length);
        const plain = u8.slice(start + shift, start + shift + length);
        expect(Buffer.compare(target.bytes.subarray(64, 64 + length), plain), `${shift} ${length}`).toBe(0);
        expect(target.bytes[63]).toBe(0xa5);
        expect(target.bytes[64 + length + 3]).toBe(0xa5);
      }
    }
    freeFrame(frame);
  });
});
