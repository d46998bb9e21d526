// The part of a pcapng file that is not written yet: whole blocks, one behind the other, in one preallocated buffer.
//
// A process that is killed in the middle of a write() leaves what the kernel has copied so far, which ends at a page
// boundary. So that the file still ends with a whole block then:
//   - no block of up to 1 KiB lies across a page boundary of the file; larger blocks may, since keeping them whole would
//     cost a quarter of the file at 1,400 B (choice);
//   - no block lies across a multiple of the unit (1 MiB), and each write ends at one: file systems that take large
//     folios (ext4 from Linux 6.16, XFS, btrfs) copy such a piece at once.
// The gaps are blocks of a local-use type, which every reader skips.
//
//   |<------------- unit ------------->|<- held ->|<-- room for comments and one block -->|
//   0                           boundary                                            capacity
//
// The last `held` bytes stay in memory beyond the boundary so that comments of the running event find their record.

import { assert } from '../base/assert.ts';
import type { WordBuffer } from './frame-copy.ts';
import { BLOCK_OVERHEAD } from './pcapng.ts';
import type { CaptureSink } from './sink.ts';

/** Bytes written at once to a file that holds all interfaces: 1 MiB is 20 times as fast as a write per packet. */
export const UNIT_LARGE = 1 << 20;
/** The same for one file per interface, of which there may be hundreds. */
export const UNIT_SMALL = 1 << 17;
const PAGE = 4096;
/** Blocks up to this length never lie across a page boundary. */
const KEPT_WHOLE = 1024;
/** The largest block: the longest frame of the arena, and its options and comments. */
export const BLOCK_LENGTH_MAX = 80 * 1024;

/**
 * Room behind the held bytes: a block with a filler before it, and what comments add when they push blocks over the next
 * multiples of the unit. Touched only then.
 */
const SLACK = 6 * BLOCK_LENGTH_MAX;
/** Most that laying blocks out anew adds in fillers at units: three of them lie within a comment's reach. */
export const UNIT_FILLERS_MAX = 3 * BLOCK_LENGTH_MAX;

/** Local use (most significant bit set); "pwf" for what is a podwire filler. */
export const FILLER_TYPE = 0x80707766;

export class BlockBuffer implements WordBuffer {
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  readonly view: DataView;
  readonly capacity: number;
  /** Bytes in use. */
  used = 0;
  /** File offset of bytes[0]. */
  base: number;
  problem: string | null = null;
  readonly #sink: CaptureSink;
  readonly #unit: number;
  /** base modulo the unit, an integer that fits the fast path. */
  #baseInUnit: number;

  /** @param base bytes that the sink holds already (a multiple of 4) */
  constructor(sink: CaptureSink, base: number, unit: number) {
    assert((unit & (unit - 1)) === 0 && unit >= BLOCK_LENGTH_MAX, 'the unit is a power of two that holds any block');
    this.#sink = sink;
    this.#unit = unit;
    this.base = base;
    this.#baseInUnit = base & (unit - 1);
    this.capacity = unit + (unit >> 4) + SLACK;
    const buffer = new ArrayBuffer(this.capacity);
    this.bytes = new Uint8Array(buffer);
    this.words = new Uint32Array(buffer);
    this.view = new DataView(buffer);
  }

  /** Length that the file has once everything is written. */
  get end(): number {
    return this.base + this.used;
  }

  /** Index for a block of `length` (a multiple of 4), after a filler where the page or the unit asks for one. */
  place(length: number): number {
    const inPage = (this.#baseInUnit + this.used) & (PAGE - 1);
    // The common case: it ends in this page, with room behind it for at least a filler.
    if (inPage + length > PAGE - BLOCK_OVERHEAD) this.#fill(inPage, length);
    const at = this.used;
    this.used = at + length;
    return at;
  }

  #fill(inPage: number, length: number): void {
    const room = PAGE - inPage;
    const roomInUnit = this.#unit - ((this.#baseInUnit + this.used) & (this.#unit - 1));
    if (room < BLOCK_OVERHEAD) return;
    // What would stay behind the block in its last page: 4 or 8 bytes are too few for a filler later.
    const behind = -(inPage + length) & (PAGE - 1);
    if (length > roomInUnit) this.#filler(roomInUnit);
    else if (length <= KEPT_WHOLE && (length > room || (behind > 0 && behind < BLOCK_OVERHEAD))) this.#filler(room);
    else if (length > KEPT_WHOLE && behind > 0 && behind < BLOCK_OVERHEAD) this.#filler(BLOCK_OVERHEAD);
  }

  #filler(length: number): void {
    const at = this.used;
    this.bytes.fill(0, at, at + length);
    this.view.setUint32(at, FILLER_TYPE, true);
    this.view.setUint32(at + 4, length, true);
    this.view.setUint32(at + length - 4, length, true);
    this.used = at + length;
  }

  /** True when so much waits that a unit should be written. */
  get full(): boolean {
    return this.used > this.fullBeyond;
  }

  /** `used` beyond which the buffer is full. */
  get fullBeyond(): number {
    return this.boundary + (this.#unit >> 4);
  }

  /** Index at which the next multiple of the unit lies. */
  get boundary(): number {
    return this.#unit - this.#baseInUnit;
  }

  /** Writes bytes [0, length), which are whole blocks, and moves the rest to the front. */
  write(length: number): void {
    if (length === 0 || this.problem !== null) return;
    const wrote = this.#sink.write(this.bytes, 0, length);
    if (wrote < length) {
      this.problem = this.#sink.problem;
      this.#sink.truncate(this.base + this.#wholeBlocks(wrote));
    }
    this.bytes.copyWithin(0, length, this.used);
    this.used -= length;
    this.base += length;
    this.#baseInUnit = (this.#baseInUnit + length) & (this.#unit - 1);
  }

  /** Length of the whole blocks among the first `length` bytes. */
  #wholeBlocks(length: number): number {
    let at = 0;
    while (at + 8 <= length) {
      const total = this.view.getUint32(at + 4, true);
      if (at + total > length) break;
      at += total;
    }
    return at;
  }
}
