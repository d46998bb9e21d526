// Proves that the fast sums (over a view, over the frame arena, incremental) say what the definition says, byte by byte.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { allocFrame, frameStart, freeFrame, sumArena, u8 } from '../../src/link/frame.ts';
import { finish, finishUdp, fold, pseudoSum, sum, swap16, update16, update32 } from '../../src/wire/checksum.ts';
import { viewOf } from './golden.ts';

/** RFC 1071 section 1 in the slowest way: big-endian words, end-around carry after each. */
function oracle(bytes: Uint8Array): number {
  let s = 0;
  for (let i = 0; i < bytes.length; i += 2) {
    s += (bytes[i]! << 8) | (bytes[i + 1] ?? 0);
    if (s > 0xffff) s -= 0xffff;
  }
  return s;
}

/** Lengths that meet every path: nothing, single bytes, unrolled words with each remainder, a whole frame. */
const LENGTHS = [0, 1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 18, 19, 20, 31, 32, 33, 47, 48, 63, 64, 65, 1399, 1400, 1500];
const FILLS: readonly [string, (i: number) => number][] = [
  ['zeros', () => 0],
  ['ones', () => 0xff],
  ['a pattern', (i) => (i * 151 + 29) & 0xff],
];

describe('sum', () => {
  it('equals the definition for any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 1600 }), (bytes) => {
        expect(sum(viewOf(bytes), 0, bytes.length)).toBe(oracle(bytes));
      }),
    );
  });
});

describe('sumArena', () => {
  it.for(FILLS)('equals the definition at every alignment and length over %s', ([, fill]) => {
    const frame = allocFrame(1600);
    const start = frameStart[frame]!;
    for (let alignment = 0; alignment < 8; alignment++) {
      for (const length of LENGTHS) {
        const at = start + alignment;
        for (let i = 0; i < length; i++) u8[at + i] = fill(i);
        // The bytes around must not count.
        u8[at - 1] = 0x5a;
        u8[at + length] = 0x5a;
        expect(sumArena(at, at + length), `alignment ${alignment} length ${length}`).toBe(
          oracle(u8.subarray(at, at + length)),
        );
      }
    }
    freeFrame(frame);
  });

  it('equals the definition for any bytes at any alignment', () => {
    const frame = allocFrame(1600);
    const start = frameStart[frame]!;
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 1500 }), fc.integer({ min: 0, max: 7 }), (bytes, alignment) => {
        u8.set(bytes, start + alignment);
        expect(sumArena(start + alignment, start + alignment + bytes.length)).toBe(oracle(bytes));
      }),
    );
    freeFrame(frame);
  });
});

describe('incremental update (RFC 1624)', () => {
  it('equals a new checksum for any change of a word', () => {
    const word = fc.integer({ min: 0, max: 0xffff });
    fc.assert(
      fc.property(fc.array(word, { minLength: 2, maxLength: 20 }), fc.nat(), word, (words, where, to) => {
        const at = where % words.length;
        const total = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0);
        // A header is never all zero: then both zeros cannot arise (RFC 1624 section 3).
        const header = [0x4500, ...words];
        const changed = header.with(at + 1, to);
        expect(update16(finish(total(header)), header[at + 1]!, to)).toBe(finish(total(changed)));
      }),
    );
  });

  it('gives the example of RFC 1624 section 4, in which equation 2 of RFC 1141 fails', () => {
    expect(update16(0xdd2f, 0x5555, 0x3285)).toBe(0x0000);
  });

  it('never turns a sound sum into the other zero', () => {
    // Data 0xffff sums to -0: its checksum is 0x0000 and stays so when nothing changes.
    for (const from of [0x0000, 0x0001, 0x7fff, 0x8000, 0xfffe, 0xffff]) {
      const checksum = finish(from + 0x1234);
      expect(update16(checksum, from, from), `unchanged ${from}`).toBe(checksum);
    }
    expect(update16(finish(0x1234 + 0xffff), 0xffff, 0x0000)).toBe(finish(0x1234));
    expect(update16(finish(0x1234), 0x0000, 0xffff)).toBe(finish(0x1234 + 0xffff));
  });

  it('of an address equals a new checksum, signed or not', () => {
    const address = fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff });
    fc.assert(
      fc.property(address, address, address, (source, from, to) => {
        const before = finish(pseudoSum(source, from, 17, 100));
        expect(update32(before, from, to)).toBe(finish(pseudoSum(source, to, 17, 100)));
      }),
    );
  });
});

describe('fold and finish', () => {
  it('fold brings any sum to 16 bits and no sum but 0 to 0', () => {
    expect([0, 1, 0xffff, 0x1_0000, 0x1_ffff, 0xffff_ffff, 2 ** 48].map(fold)).toEqual([0, 1, 0xffff, 1, 1, 0xffff, 1]);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), (s) => fold(s) > 0 && fold(s) <= 0xffff),
    );
  });

  it('a computed UDP checksum of zero is sent as 0xffff (RFC 768)', () => {
    expect(finish(0xffff)).toBe(0);
    expect(finishUdp(0xffff)).toBe(0xffff);
    expect(finishUdp(0)).toBe(0xffff);
    expect(finishUdp(0x1234)).toBe(0xedcb);
  });

  it('the pseudo-header takes signed addresses', () => {
    expect(pseudoSum(-1, -1, 17, 8)).toBe(4 * 0xffff + 17 + 8);
    expect(swap16(0x1234)).toBe(0x3412);
  });
});
