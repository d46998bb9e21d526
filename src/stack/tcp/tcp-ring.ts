// Bytes of a connection, placed by sequence number: byte s lies at s modulo the size, a power of two. Grows by doubling
// when the span it must hold does not fit; the socket buffers bound the span.

import { assert } from '../../base/assert.ts';

/** First size; a choice. */
const SMALLEST = 4_096;
const NOTHING = new Uint8Array(0);

export class ByteRing {
  bytes: Uint8Array = NOTHING;

  /** Makes room for sequence numbers [from, end), keeping what lies in [from, kept). */
  reserve(from: number, kept: number, end: number): void {
    const span = (end - from) >>> 0;
    if (span <= this.bytes.length) return;
    assert(span <= 0x4000_0000, 'a window is at most 1 GiB');
    let size = Math.max(this.bytes.length, SMALLEST);
    while (size < span) size *= 2;
    const grown = new Uint8Array(size);
    const old = this.bytes;
    // A FIN takes a sequence number and no byte: what is kept may reach beyond what was ever stored.
    const n = Math.min((kept - from) >>> 0, old.length);
    if (n > 0) {
      let s = from;
      for (let left = n; left > 0; ) {
        const a = (s & (old.length - 1)) >>> 0;
        const b = (s & (size - 1)) >>> 0;
        const take = Math.min(left, old.length - a, size - b);
        grown.set(old.subarray(a, a + take), b);
        s = (s + take) >>> 0;
        left -= take;
      }
    }
    this.bytes = grown;
  }

  /** Copies source[at .. at+length) to sequence number `seq`. */
  write(seq: number, source: Uint8Array, at: number, length: number): void {
    const ring = this.bytes;
    const i = (seq & (ring.length - 1)) >>> 0;
    const first = Math.min(length, ring.length - i);
    copy(source, at, ring, i, first);
    if (first < length) copy(source, at + first, ring, 0, length - first);
  }

  /** Copies `length` bytes from sequence number `seq` to target[at ..]. */
  read(seq: number, target: Uint8Array, at: number, length: number): void {
    const ring = this.bytes;
    const i = (seq & (ring.length - 1)) >>> 0;
    const first = Math.min(length, ring.length - i);
    copy(ring, i, target, at, first);
    if (first < length) copy(ring, 0, target, at + first, length - first);
  }

  /** Gives the memory back. */
  release(): void {
    this.bytes = NOTHING;
  }
}

/** Below this many bytes a loop is faster than a subarray and set(). */
const LOOP_MAX = 64;

function copy(from: Uint8Array, at: number, to: Uint8Array, where: number, length: number): void {
  if (length <= LOOP_MAX) for (let i = 0; i < length; i++) to[where + i] = from[at + i]!;
  else to.set(from.subarray(at, at + length), where);
}
