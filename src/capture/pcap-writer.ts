// Writes classic pcap with nanoseconds (magic a1b23c4d), little-endian on every machine. The format knows no interfaces,
// names, directions or comments; records lie across page boundaries, so a process killed inside a write() can leave a
// record cut short, which pcapng avoids (see block-buffer.ts).

import type { Frame } from '../link/frame.ts';
import { frameEnd, frameStart } from '../link/frame.ts';
import type { Ns } from '../sim/sim.ts';
import { CAPTURED_LENGTH_MAX } from './captured-packet.ts';
import { copyFromArena, type WordBuffer } from './frame-copy.ts';
import { NO_RECORD, type PacketWriter } from './packet-writer.ts';
import { PCAP_MAGIC_NS } from './pcap-reader.ts';
import { LINKTYPE_ETHERNET } from './pcapng.ts';
import type { CaptureSink } from './sink.ts';

const FILE_HEADER = 24;
const RECORD_HEADER = 16;
const NANOS_PER_SECOND = 1_000_000_000;
/** A frame of the arena, its header, and the rubbish that copying by words leaves behind. */
const ROOM = 68 * 1024;

/** The 24 bytes with which a file begins. */
export function pcapHeader(snapLength: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(FILE_HEADER));
  view.setUint32(0, PCAP_MAGIC_NS, true);
  view.setUint16(4, 2, true);
  view.setUint16(6, 4, true);
  view.setUint32(16, snapLength > 0 ? snapLength : CAPTURED_LENGTH_MAX, true);
  view.setUint32(20, LINKTYPE_ETHERNET, true);
  return new Uint8Array(view.buffer);
}

export interface PcapWriterOptions {
  /** Holds pcapHeader() already. */
  readonly sink: CaptureSink;
  readonly written: number;
  readonly epochSeconds: number;
  readonly snapLength: number;
  readonly sizeLimit: number;
  readonly unit: number;
}

export class PcapWriter implements PacketWriter, WordBuffer {
  limitReached = false;
  problem: string | null = null;
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  readonly #view: DataView;
  readonly #sink: CaptureSink;
  readonly #epochSeconds: number;
  readonly #snapLength: number;
  readonly #sizeLimit: number;
  readonly #unit: number;
  #used = 0;
  #base: number;
  #interfaces = 0;
  #records = 0;

  constructor(options: PcapWriterOptions) {
    this.#sink = options.sink;
    this.#base = options.written;
    this.#epochSeconds = options.epochSeconds;
    this.#snapLength = options.snapLength > 0 ? options.snapLength : CAPTURED_LENGTH_MAX;
    this.#sizeLimit = options.sizeLimit > 0 ? options.sizeLimit : Number.POSITIVE_INFINITY;
    this.#unit = options.unit;
    const buffer = new ArrayBuffer(options.unit + ROOM);
    this.bytes = new Uint8Array(buffer);
    this.words = new Uint32Array(buffer);
    this.#view = new DataView(buffer);
  }

  addInterface(): number {
    return this.#interfaces++;
  }

  addNames(): void {}

  record(_interfaceId: number, time: Ns, frame: Frame): number {
    const start = frameStart[frame]!;
    const length = frameEnd[frame]! - start;
    const captured = length < this.#snapLength ? length : this.#snapLength;
    if (this.problem !== null) return NO_RECORD;
    if (this.#base + this.#used + RECORD_HEADER + captured > this.#sizeLimit) this.limitReached = true;
    if (this.limitReached) return NO_RECORD;
    if (this.#used >= this.#unit) this.flush();
    const at = this.#used;
    const view = this.#view;
    const seconds = Math.floor(time / NANOS_PER_SECOND);
    view.setUint32(at, this.#epochSeconds + seconds, true);
    view.setUint32(at + 4, time - seconds * NANOS_PER_SECOND, true);
    view.setUint32(at + 8, captured, true);
    view.setUint32(at + 12, length, true);
    const data = at + RECORD_HEADER;
    // Records are not padded here, so only every fourth or so lies on a word boundary.
    if ((data & 3) === 0) copyFromArena(this, data, start, captured);
    else copyFromArena(this, (data + 3) & ~3, start, captured);
    if ((data & 3) !== 0) this.bytes.copyWithin(data, (data + 3) & ~3, ((data + 3) & ~3) + captured);
    this.#used = data + captured;
    return this.#records++;
  }

  comment(): boolean {
    return false;
  }

  find(): number {
    return NO_RECORD;
  }

  flush(): void {
    if (this.#used === 0 || this.problem !== null) return;
    const wrote = this.#sink.write(this.bytes, 0, this.#used);
    if (wrote < this.#used) {
      this.problem = this.#sink.problem;
      this.#sink.truncate(this.#base + this.#wholeRecords(wrote));
    }
    this.#base += this.#used;
    this.#used = 0;
  }

  #wholeRecords(length: number): number {
    let at = 0;
    while (at + RECORD_HEADER <= length) {
      const next = at + RECORD_HEADER + this.#view.getUint32(at + 8, true);
      if (next > length) break;
      at = next;
    }
    return at;
  }

  close(): void {
    this.flush();
    this.#sink.close();
  }
}
