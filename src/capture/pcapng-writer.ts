// Writes pcapng (draft-ietf-opsawg-pcapng), little-endian on every machine: section header, an interface description for
// each interface when it appears, enhanced packet blocks with nanoseconds, direction, packet id and comments, name
// resolution, and interface statistics at the end.
//
// An enhanced packet block as written here; the packet id has a fixed place from the end, comments come before it:
//
//   type length | if time time caplen len | bytes, padded | comments ... | flags 8 | packet id 12 | end 4 | length

import type { Frame } from '../link/frame.ts';
import * as frames from '../link/frame.ts';
import type { Ns } from '../sim/sim.ts';
import { LITTLE_ENDIAN } from '../wire/checksum.ts';
import { BLOCK_LENGTH_MAX, BlockBuffer, FILLER_TYPE, UNIT_FILLERS_MAX } from './block-buffer.ts';
import { COMMENT_MAX, encodeText } from './block-builder.ts';
import { copyFromArena } from './frame-copy.ts';
import {
  type Direction,
  type InterfaceDescription,
  type NameEntry,
  NO_RECORD,
  type PacketWriter,
} from './packet-writer.ts';
import { BlockType, Option, padded } from './pcapng.ts';
import { interfaceDescription, interfaceStatistics, nameResolution } from './pcapng-blocks.ts';
import type { CaptureSink } from './sink.ts';

// Constants of this module: V8 folds those into the packet path, imported bindings it does not (link/frame.ts).
const { frameEnd, frameStart } = frames;
const { ENHANCED_PACKET } = BlockType;
const { END } = Option;
const LITTLE_ENDIAN_HERE = LITTLE_ENDIAN;

// Enhanced packet block: offsets from its start, and from its end.
const EPB_INTERFACE = 8;
const EPB_TIME_HIGH = 12;
const EPB_TIME_LOW = 16;
const EPB_CAPTURED = 20;
const EPB_LENGTH = 24;
const EPB_DATA = 28;
const EPB_BEHIND = 8 + 12 + 4 + 4;
const PACKET_ID_BEHIND = 4 + 4 + 8;
/** What a block adds to the padded bytes of the frame. */
export const EPB_OVERHEAD = EPB_DATA + EPB_BEHIND;
/** The options of every packet: code and length in one word. */
const FLAGS_OPTION = Option.EPB_FLAGS | (4 << 16);
const PACKET_ID_OPTION = Option.EPB_PACKETID | (8 << 16);

const NANOS_PER_SECOND = 1_000_000_000n;
const WORD = 0x1_0000_0000;

/** Snap length that keeps everything. */
const WHOLE = 0x7fff_ffff;
/** Comments go back at most so far, so that one costs at most a copy of this length (choice). */
const COMMENT_REACH = 128 * 1024;
/** Encoded comments kept for the next time (choice). */
const TEXTS_MAX = 512;
/** Records that find() looks at (choice): those of one event, floods included. */
const FIND_REACH = 64;
/** Kept free for each interface's statistics block under a size limit: the block, its comment, a filler before it. */
const STATISTICS_RESERVE = 512;
/** Of the size limit, at most this much is kept free for statistics, and given to names at a time (choice). */
const RESERVE_SHARE = 0.25;

export interface PcapngWriterOptions {
  /** Holds sectionHeader() already. */
  readonly sink: CaptureSink;
  /** Bytes in the sink. */
  readonly written: number;
  /** Virtual time 0, whole seconds since 1970. */
  readonly epochSeconds: number;
  /** Bytes kept of each frame; 0 keeps all. */
  readonly snapLength: number;
  /** Longest file, bytes; 0 sets no limit. */
  readonly sizeLimit: number;
  /** Bytes written at once: UNIT_LARGE or UNIT_SMALL. */
  readonly unit: number;
}

/** A word as it lies in memory when the file is to be little-endian. */
function little(x: number): number {
  if (LITTLE_ENDIAN_HERE) return x;
  return ((x & 0xff) << 24) | ((x & 0xff00) << 8) | ((x >>> 8) & 0xff00) | (x >>> 24);
}

export class PcapngWriter implements PacketWriter {
  limitReached = false;
  readonly #sink: CaptureSink;
  readonly #buffer: BlockBuffer;
  readonly #snapLength: number;
  readonly #sizeLimit: number;
  /** What of the size limit is left for packets: the statistics have to follow. */
  #recordLimit: number;
  readonly #epoch: bigint;
  readonly #epochHigh: number;
  readonly #epochLow: number;
  /** While the buffer holds no more than this, any block fits, limits included; -1: to be looked at (#makeRoom). */
  #roomyUntil = -1;
  /** The newest time stamp and its words as they stand in a block. */
  #stampTime: Ns = -1;
  #stampHigh = 0;
  #stampLow = 0;
  // Per interface, for the statistics at the end.
  readonly #received: number[] = [];
  readonly #dropped: number[] = [];
  readonly #firstTime: number[] = [];
  readonly #lastTime: number[] = [];
  /** Interfaces that the file describes: all, until the size limit or the end of the disk. */
  #described = 0;
  // Records still in the buffer: where each begins; #first is the ordinal of the oldest.
  readonly #recordAt: Int32Array;
  #first = 0;
  #count = 0;
  #scratch: Uint8Array | null = null;
  readonly #texts = new Map<string, Uint8Array>();

  constructor(options: PcapngWriterOptions) {
    this.#sink = options.sink;
    this.#buffer = new BlockBuffer(options.sink, options.written, options.unit);
    this.#snapLength = options.snapLength > 0 ? options.snapLength : WHOLE;
    this.#sizeLimit = options.sizeLimit > 0 ? options.sizeLimit : Number.POSITIVE_INFINITY;
    this.#recordLimit = this.#sizeLimit;
    this.#epoch = BigInt(options.epochSeconds) * NANOS_PER_SECOND;
    this.#epochHigh = Number(this.#epoch >> 32n);
    this.#epochLow = Number(this.#epoch & 0xffff_ffffn);
    this.#recordAt = new Int32Array(Math.ceil(this.#buffer.capacity / EPB_OVERHEAD));
  }

  get problem(): string | null {
    return this.#buffer.problem;
  }

  addInterface(description: InterfaceDescription): number {
    const id = this.#received.length;
    this.#roomyUntil = -1;
    this.#recordLimit = this.#sizeLimit - Math.min((id + 1) * STATISTICS_RESERVE, this.#sizeLimit * RESERVE_SHARE);
    this.#received.push(0);
    this.#dropped.push(0);
    this.#firstTime.push(-1);
    this.#lastTime.push(-1);
    const bytes = interfaceDescription(description, this.#snapLength === WHOLE ? 0 : this.#snapLength);
    if (this.#fits(bytes.length) && this.#append(bytes)) this.#described = id + 1;
    return id;
  }

  addNames(entries: readonly NameEntry[]): void {
    for (const block of nameResolution(entries)) {
      // Under a tight size limit packets matter more than names.
      if (block.length <= (this.#recordLimit - this.#buffer.end) * RESERVE_SHARE) this.#append(block);
    }
  }

  record(interfaceId: number, time: Ns, frame: Frame, direction: Direction, packetId: number): number {
    const buffer = this.#buffer;
    this.#received[interfaceId]!++;
    const start = frameStart[frame]!;
    const length = frameEnd[frame]! - start;
    const captured = length < this.#snapLength ? length : this.#snapLength;
    const body = (captured + 3) & ~3;
    const total = EPB_OVERHEAD + body;
    if (buffer.used > this.#roomyUntil && !this.#makeRoom(total)) {
      this.#dropped[interfaceId]!++;
      return NO_RECORD;
    }
    const at = buffer.place(total);
    // Several interfaces see a frame at one virtual moment: its two words are made once.
    if (time !== this.#stampTime) this.#stamp(time);
    const words = buffer.words;
    const w = at >>> 2;
    words[w] = little(ENHANCED_PACKET);
    words[w + 1] = little(total);
    words[w + (EPB_INTERFACE >> 2)] = little(interfaceId);
    words[w + (EPB_TIME_HIGH >> 2)] = this.#stampHigh;
    words[w + (EPB_TIME_LOW >> 2)] = this.#stampLow;
    words[w + (EPB_CAPTURED >> 2)] = little(captured);
    words[w + (EPB_LENGTH >> 2)] = little(length);
    const data = at + EPB_DATA;
    copyFromArena(buffer, data, start, captured);
    const options = data + body;
    if (body !== captured) for (let i = data + captured; i < options; i++) buffer.bytes[i] = 0;
    const o = options >>> 2;
    words[o] = little(FLAGS_OPTION);
    words[o + 1] = little(direction);
    words[o + 2] = little(PACKET_ID_OPTION);
    words[o + 3] = little(packetId | 0);
    words[o + 4] = little(packetId < WORD ? 0 : Math.floor(packetId / WORD));
    words[o + 5] = little(END);
    words[o + 6] = little(total);
    if (this.#firstTime[interfaceId]! < 0) this.#firstTime[interfaceId] = time;
    this.#lastTime[interfaceId] = time;
    this.#recordAt[this.#count] = at;
    return this.#first + this.#count++;
  }

  /** The 64-bit sum of epoch and time, as two pairs of words. */
  #stamp(time: Ns): void {
    const high = Math.floor(time / WORD);
    const low = time - high * WORD + this.#epochLow;
    this.#stampTime = time;
    this.#stampHigh = little((low >= WORD ? high + this.#epochHigh + 1 : high + this.#epochHigh) | 0);
    this.#stampLow = little(low | 0);
  }

  comment(ordinal: number, packetId: number, text: string): boolean {
    const index = ordinal - this.#first;
    if (index < 0 || index >= this.#count || this.limitReached || this.problem !== null) return false;
    const at = this.#recordAt[index]!;
    if (this.#packetIdAt(at) !== packetId) return false;
    const value = this.#encoded(text);
    const more = 4 + padded(value.length);
    const tail = this.#buffer.used - at;
    const total = this.#buffer.view.getUint32(at + 4, true);
    if (tail > COMMENT_REACH || total + more > BLOCK_LENGTH_MAX) return false;
    // Fillers at pages take at most a quarter.
    const room = this.#buffer.capacity - this.#buffer.used;
    if (more + (tail >> 2) + UNIT_FILLERS_MAX > room) return false;
    if (this.#buffer.end + more + (tail >> 2) > this.#recordLimit) return false;
    this.#insert(index, at, total, value);
    return true;
  }

  /** The same few sentences come again and again (drop reasons). */
  #encoded(text: string): Uint8Array {
    let bytes = this.#texts.get(text);
    if (bytes === undefined) {
      if (this.#texts.size >= TEXTS_MAX) this.#texts.clear();
      bytes = encodeText(text, COMMENT_MAX);
      this.#texts.set(text, bytes);
    }
    return bytes;
  }

  /** Lays the record and everything behind it out anew, the record longer by one comment. */
  #insert(index: number, at: number, total: number, value: Uint8Array): void {
    const buffer = this.#buffer;
    const more = 4 + padded(value.length);
    const tail = buffer.used - at;
    this.#scratch ??= new Uint8Array(COMMENT_REACH);
    const old = this.#scratch;
    old.set(buffer.bytes.subarray(at, buffer.used));
    const oldView = new DataView(old.buffer);
    buffer.used = at;

    const to = buffer.place(total + more);
    const fixed = total - EPB_BEHIND;
    buffer.bytes.set(old.subarray(0, fixed), to);
    const option = to + fixed;
    buffer.view.setUint16(option, Option.COMMENT, true);
    buffer.view.setUint16(option + 2, value.length, true);
    buffer.bytes.fill(0, option + 4, option + more);
    buffer.bytes.set(value, option + 4);
    buffer.bytes.set(old.subarray(fixed, total), option + more);
    buffer.view.setUint32(to + 4, total + more, true);
    buffer.view.setUint32(to + total + more - 4, total + more, true);
    this.#recordAt[index] = to;

    let next = index + 1;
    for (let from = total; from < tail; ) {
      const length = oldView.getUint32(from + 4, true);
      if (oldView.getUint32(from, true) !== FILLER_TYPE) {
        const place = buffer.place(length);
        buffer.bytes.set(old.subarray(from, from + length), place);
        if (next < this.#count && this.#recordAt[next] === at + from) this.#recordAt[next++] = place;
      }
      from += length;
    }
  }

  find(packetId: number, interfaceId: number): number {
    const stop = Math.max(0, this.#count - FIND_REACH);
    for (let i = this.#count - 1; i >= stop; i--) {
      const at = this.#recordAt[i]!;
      if (interfaceId >= 0 && this.#buffer.view.getUint32(at + EPB_INTERFACE, true) !== interfaceId) continue;
      if (this.#packetIdAt(at) === packetId) return this.#first + i;
    }
    return NO_RECORD;
  }

  #packetIdAt(at: number): number {
    const { view } = this.#buffer;
    const id = at + view.getUint32(at + 4, true) - PACKET_ID_BEHIND;
    return view.getUint32(id, true) + view.getUint32(id + 4, true) * WORD;
  }

  flush(): void {
    this.#roomyUntil = -1;
    const buffer = this.#buffer;
    buffer.write(buffer.used);
    this.#first += this.#count;
    this.#count = 0;
  }

  close(): void {
    for (let id = 0; id < this.#described; id++) {
      const block = this.#statistics(id);
      if (this.#buffer.end + 2 * block.length + 8 <= this.#sizeLimit) this.#append(block);
    }
    this.flush();
    this.#sink.close();
  }

  #statistics(id: number): Uint8Array {
    const why = this.limitReached ? `size limit of ${this.#sizeLimit} bytes reached` : 'recording stopped';
    const dropped = this.#dropped[id]!;
    return interfaceStatistics({
      interfaceId: id,
      epoch: this.#epoch,
      firstTime: this.#firstTime[id]!,
      lastTime: this.#lastTime[id]!,
      received: this.#received[id]!,
      dropped,
      comment: dropped > 0 ? `${why}: ${dropped} frames not recorded` : '',
    });
  }

  /** Appends a block that is no packet; false when the output is gone. */
  #append(block: Uint8Array): boolean {
    if (this.problem !== null) return false;
    while (this.#buffer.full || this.#buffer.used + block.length + 4096 > this.#buffer.capacity) this.#writeUnit();
    const at = this.#buffer.place(block.length);
    this.#buffer.bytes.set(block, at);
    return true;
  }

  /** False, for good, once a block of `length` and the statistics at the end would pass the size limit. */
  #fits(length: number): boolean {
    if (this.problem !== null) return false;
    // A filler before a block is at most 8 bytes longer than the block.
    if (this.#buffer.end + 2 * length + 8 > this.#recordLimit) this.limitReached = true;
    return !this.limitReached;
  }

  /** False when a block of `length` is not taken any more. Sets how far packets may come without asking again. */
  #makeRoom(length: number): boolean {
    const buffer = this.#buffer;
    if (buffer.full) this.#writeUnit();
    if (!this.#fits(length)) return false;
    const limit = this.#recordLimit - buffer.base - 2 * BLOCK_LENGTH_MAX - 8;
    this.#roomyUntil = Math.max(-1, Math.min(buffer.fullBeyond, limit));
    return true;
  }

  /** Writes up to the next multiple of the unit; what lies behind it stays, and stays open for comments. */
  #writeUnit(): void {
    this.#roomyUntil = -1;
    const buffer = this.#buffer;
    const boundary = buffer.boundary;
    if (buffer.used <= boundary) {
      this.flush();
      return;
    }
    const recordAt = this.#recordAt;
    let gone = 0;
    // The boundary is near the end: searched from there.
    for (let i = this.#count; i > 0 && gone === 0; i--) if (recordAt[i - 1]! < boundary) gone = i;
    buffer.write(boundary);
    for (let i = gone; i < this.#count; i++) recordAt[i - gone] = recordAt[i]! - boundary;
    this.#first += gone;
    this.#count -= gone;
  }
}
