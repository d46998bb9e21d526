// Copies a frame's bytes out of the frame arena into a capture's buffer, at a 4-byte boundary there.
//
// A frame starts at 2 mod 4 (its IPv4 header is aligned), so its 32-bit words are read through a DataView, which does not
// mind, in the order of the machine, and written in the same. Measured on Node 20: 106 B in 14 ns this way, 17 ns by
// copyWithin, 31 ns by subarray + set; 1,442 B in 149, 35 and 49 ns: the view is worth making for long frames only.

import * as frames from '../link/frame.ts';
import * as checksum from '../wire/checksum.ts';

// Constants of this module: V8 folds those into the packet path, imported bindings it does not (link/frame.ts).
const { u8, view } = frames;
const { LITTLE_ENDIAN } = checksum;

/** Bytes from which making a view is cheaper than the loop. */
const LONG = 320;

/** The same bytes as whole words. */
export interface WordBuffer {
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
}

/** Copies arena bytes [from, from + length) to `to` (a multiple of 4). May write up to 3 bytes of rubbish behind. */
export function copyFromArena(target: WordBuffer, to: number, from: number, length: number): void {
  if (length >= LONG) {
    target.bytes.set(u8.subarray(from, from + length), to);
    return;
  }
  const words = target.words;
  const end = (to + length + 3) >> 2;
  let at = from;
  for (let out = to >> 2; out < end; out++, at += 4) words[out] = view.getUint32(at, LITTLE_ENDIAN);
}
