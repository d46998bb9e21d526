// pcapng (draft-ietf-opsawg-pcapng): sections of either byte order, interface descriptions, enhanced, simple and obsolete
// packet blocks, name resolution, interface statistics. Blocks and options of other types are skipped.
// Every length is bounded by the one that contains it; the first block that cannot be believed ends the reading.

import type { ByteWindow } from './byte-source.ts';
import {
  CAPTURED_LENGTH_MAX,
  type CapturedName,
  type CapturedPacket,
  type CapturedStatistics,
  type CaptureError,
  type CaptureInterface,
  type CaptureSection,
  type FormatReader,
} from './captured-packet.ts';
import { BLOCK_OVERHEAD, BlockType, BODY, BYTE_ORDER_MAGIC, NameRecord, Option, padded } from './pcapng.ts';
import { type TimeResolution, timeResolution, toSecondsAndNanos } from './timestamp.ts';

/** Largest block that is believed, bytes (Wireshark's limit). */
export const BLOCK_MAX = 16 * 1024 * 1024;
/** Choices: interfaces of one file; names, statistics and section headers that are kept (packets are read all the same). */
const INTERFACES_MAX = 65_536;
const NAMES_MAX = 65_536;
const STATISTICS_MAX = 65_536;
const SECTIONS_MAX = 65_536;

/** True when the first four bytes begin a pcapng file; the type of a section header reads the same in both orders. */
export function isPcapng(view: DataView): boolean {
  return view.getUint32(0, false) === BlockType.SECTION_HEADER;
}

interface Interface extends CaptureInterface {
  readonly resolution: TimeResolution;
  readonly timeOffset: number;
}

const TEXT = new TextDecoder();

export class PcapngReader implements FormatReader {
  readonly interfaces: Interface[] = [];
  readonly sections: CaptureSection[] = [];
  readonly names: CapturedName[] = [];
  readonly statistics: CapturedStatistics[] = [];
  error: CaptureError | null = null;
  readonly #window: ByteWindow;
  #little = true;
  /** interfaces[] index of interface 0 of the current section. */
  #firstInterface = 0;
  #position = 0;
  #packets = 0;
  /** Names in all records of `names`. */
  #namesKept = 0;
  // Cursor of the option walk: window indexes.
  #optionAt = 0;
  #optionCode = 0;
  #optionLength = 0;

  constructor(window: ByteWindow) {
    this.#window = window;
  }

  next(): CapturedPacket | null {
    // Each turn moves on by a whole block of at least 12 bytes, or returns.
    while (this.error === null) {
      const type = this.#loadBlock();
      if (type < 0) return null;
      const at = this.#position - this.#window.base;
      const total = this.#window.view.getUint32(at + 4, this.#little);
      const end = at + total - 4;
      let packet: CapturedPacket | null = null;
      switch (type) {
        case BlockType.SECTION_HEADER:
          this.#section(at, end);
          break;
        case BlockType.INTERFACE_DESCRIPTION:
          this.#interface(at, end);
          break;
        case BlockType.ENHANCED_PACKET:
        case BlockType.PACKET:
          packet = this.#packet(at, end, type);
          break;
        case BlockType.SIMPLE_PACKET:
          packet = this.#simplePacket(at, end);
          break;
        case BlockType.NAME_RESOLUTION:
          this.#nameResolution(at, end);
          break;
        case BlockType.INTERFACE_STATISTICS:
          this.#interfaceStatistics(at, end);
          break;
        default:
          break;
      }
      if (this.error !== null) return null;
      this.#position += total;
      if (packet !== null) return packet;
    }
    return null;
  }

  /** Brings the next block into the window and checks its frame. Returns its type, or -1 at the end or on an error. */
  #loadBlock(): number {
    const window = this.#window;
    const position = this.#position;
    const have = window.load(position, BLOCK_OVERHEAD);
    if (have < BLOCK_OVERHEAD) {
      if (window.failure !== null) this.#fail(window.failure);
      else if (have > 0 || position === 0) {
        this.#fail(`truncated: a block needs at least ${BLOCK_OVERHEAD} bytes, ${have} are left`);
      }
      return -1;
    }
    const head = position - window.base;
    let type = window.view.getUint32(head, this.#little);
    if (type === BlockType.SECTION_HEADER) {
      const magic = window.view.getUint32(head + BODY, true);
      if (magic === BYTE_ORDER_MAGIC) this.#little = true;
      else if (window.view.getUint32(head + BODY, false) === BYTE_ORDER_MAGIC) this.#little = false;
      else return this.#fail(`section header with byte-order magic 0x${magic.toString(16).padStart(8, '0')}`);
      type = BlockType.SECTION_HEADER;
    } else if (position === 0) {
      return this.#fail('the first block is not a section header');
    }
    const total = window.view.getUint32(head + 4, this.#little);
    if (total < BLOCK_OVERHEAD) return this.#fail(`block length ${total} is under the smallest, ${BLOCK_OVERHEAD}`);
    if (total % 4 !== 0) return this.#fail(`block length ${total} is not a multiple of 4`);
    if (total > BLOCK_MAX) return this.#fail(`block length ${total} is over the limit of ${BLOCK_MAX} bytes`);
    const got = window.load(position, total);
    if (got < total) return this.#fail(window.failure ?? `truncated: block length ${total}, ${got} bytes are left`);
    const tail = window.view.getUint32(position - window.base + total - 4, this.#little);
    if (tail !== total) return this.#fail(`block length ${total} in front, ${tail} behind`);
    return type;
  }

  #section(at: number, end: number): void {
    const FIXED = 16;
    const { view } = this.#window;
    if (end - at - BODY < FIXED) return void this.#fail('section header block is cut short');
    const major = view.getUint16(at + BODY + 4, this.#little);
    const minor = view.getUint16(at + BODY + 6, this.#little);
    // 1.2 was written for a while and is the same format (draft section 4.1).
    if (major !== 1 || (minor !== 0 && minor !== 2)) {
      return void this.#fail(`pcapng version ${major}.${minor} is not supported; supported: 1.0`);
    }
    const texts: (string | null)[] = [null, null, null];
    const comments: string[] = [];
    this.#optionAt = at + BODY + FIXED;
    while (this.#nextOption(end)) {
      if (this.#optionCode === Option.COMMENT) comments.push(this.#optionText());
      else if (this.#optionCode >= Option.SHB_HARDWARE && this.#optionCode <= Option.SHB_USERAPPL) {
        texts[this.#optionCode - Option.SHB_HARDWARE] = this.#optionText();
      }
    }
    this.#firstInterface = this.interfaces.length;
    if (this.sections.length < SECTIONS_MAX) {
      this.sections.push({ hardware: texts[0]!, os: texts[1]!, application: texts[2]!, comments });
    }
  }

  #interface(at: number, end: number): void {
    const FIXED = 8;
    const { view, bytes } = this.#window;
    const little = this.#little;
    if (end - at - BODY < FIXED) return void this.#fail('interface description block is cut short');
    if (this.interfaces.length >= INTERFACES_MAX) {
      return void this.#fail(`more than ${INTERFACES_MAX} interfaces`);
    }
    let name: string | null = null;
    let description: string | null = null;
    let mac: Uint8Array | null = null;
    let resolution: TimeResolution | null = timeResolution(6);
    let timeOffset = 0;
    const comments: string[] = [];
    this.#optionAt = at + BODY + FIXED;
    while (this.#nextOption(end)) {
      const value = this.#optionAt - padded(this.#optionLength);
      const length = this.#optionLength;
      if (this.#optionCode === Option.COMMENT) comments.push(this.#optionText());
      else if (this.#optionCode === Option.IF_NAME) name = this.#optionText();
      else if (this.#optionCode === Option.IF_DESCRIPTION) description = this.#optionText();
      else if (this.#optionCode === Option.IF_MACADDR && length === 6) mac = bytes.slice(value, value + 6);
      else if (this.#optionCode === Option.IF_TSRESOL && length === 1) {
        resolution = timeResolution(bytes[value]!);
        if (resolution === null) return void this.#fail(`if_tsresol 0x${bytes[value]!.toString(16)} is too fine`);
      } else if (this.#optionCode === Option.IF_TSOFFSET && length === 8) {
        timeOffset = Number(view.getBigInt64(value, little));
      }
    }
    const snapLength = view.getUint32(at + BODY + 4, little);
    this.interfaces.push({
      linkType: view.getUint16(at + BODY, little),
      snapLength: snapLength > CAPTURED_LENGTH_MAX ? 0 : snapLength,
      name,
      description,
      mac,
      timeDigits: resolution!.digits,
      comments,
      resolution: resolution!,
      timeOffset,
    });
  }

  /** Enhanced packet block, or the obsolete packet block, whose interface id has 16 bits and shares its word. */
  #packet(at: number, end: number, type: number): CapturedPacket | null {
    const FIXED = 20;
    const TIME_HIGH = BODY + 4;
    const TIME_LOW = BODY + 8;
    const CAPTURED_LENGTH = BODY + 12;
    const ORIGINAL_LENGTH = BODY + 16;
    const window = this.#window;
    const view = window.view;
    const little = this.#little;
    if (end - at - BODY < FIXED) return this.#failPacket('packet block is cut short');
    const id = type === BlockType.PACKET ? view.getUint16(at + BODY, little) : view.getUint32(at + BODY, little);
    const interfaceIndex = this.#firstInterface + id;
    const source = this.interfaces[interfaceIndex];
    if (source === undefined) return this.#unknownInterface(id);
    const captured = view.getUint32(at + CAPTURED_LENGTH, little);
    if (captured > CAPTURED_LENGTH_MAX) {
      return this.#failPacket(`the captured length ${captured} is over the limit of ${CAPTURED_LENGTH_MAX} bytes`);
    }
    const data = at + BODY + FIXED;
    if (captured > end - data) {
      return this.#failPacket(`the captured length ${captured} is over the ${end - data} bytes that the block holds`);
    }
    let direction: 0 | 1 | 2 = 0;
    let packetId: number | null = null;
    const comments: string[] = [];
    this.#optionAt = data + padded(captured);
    while (this.#nextOption(end)) {
      const value = this.#optionAt - padded(this.#optionLength);
      if (this.#optionCode === Option.COMMENT) comments.push(this.#optionText());
      else if (this.#optionCode === Option.EPB_FLAGS && this.#optionLength === 4) {
        const bits = view.getUint32(value, little) & 3;
        direction = bits === 1 ? 1 : bits === 2 ? 2 : 0;
      } else if (this.#optionCode === Option.EPB_PACKETID && this.#optionLength === 8 && type !== BlockType.PACKET) {
        packetId = Number(view.getBigUint64(value, little));
      }
    }
    if (this.error !== null) return null;
    const [seconds, nanos] = toSecondsAndNanos(
      view.getUint32(at + TIME_HIGH, little),
      view.getUint32(at + TIME_LOW, little),
      source.resolution,
    );
    return {
      number: ++this.#packets,
      interfaceIndex,
      hasTime: true,
      timeSeconds: seconds + source.timeOffset,
      timeNanos: nanos,
      length: view.getUint32(at + ORIGINAL_LENGTH, little),
      bytes: window.take(data + window.base, captured),
      direction,
      packetId,
      comments,
    };
  }

  /** No interface, time or options: interface 0, and the captured length follows from the block and the snap length. */
  #simplePacket(at: number, end: number): CapturedPacket | null {
    const FIXED = 4;
    const window = this.#window;
    if (end - at - BODY < FIXED) return this.#failPacket('simple packet block is cut short');
    const source = this.interfaces[this.#firstInterface];
    if (source === undefined) return this.#unknownInterface(0);
    const length = window.view.getUint32(at + BODY, this.#little);
    const data = at + BODY + FIXED;
    const captured = source.snapLength > 0 ? Math.min(length, source.snapLength) : length;
    if (captured > CAPTURED_LENGTH_MAX) {
      return this.#failPacket(`the captured length ${captured} is over the limit of ${CAPTURED_LENGTH_MAX} bytes`);
    }
    if (captured > end - data) {
      return this.#failPacket(`the captured length ${captured} is over the ${end - data} bytes that the block holds`);
    }
    return {
      number: ++this.#packets,
      interfaceIndex: this.#firstInterface,
      hasTime: false,
      timeSeconds: 0,
      timeNanos: 0,
      length,
      bytes: window.take(data + window.base, captured),
      direction: 0,
      packetId: null,
      comments: [],
    };
  }

  #nameResolution(at: number, end: number): void {
    const { view, bytes } = this.#window;
    let p = at + BODY;
    // Each record is at least 4 bytes; the end record, or the end of the block, ends the list.
    while (end - p >= 4) {
      const type = view.getUint16(p, this.#little);
      const length = view.getUint16(p + 2, this.#little);
      if (type === NameRecord.END) return;
      if (length > end - p - 4) return void this.#fail(`name record of ${length} bytes does not fit its block`);
      const size = type === NameRecord.IPV4 ? 4 : type === NameRecord.IPV6 ? 16 : 0;
      if (size > 0 && length > size && this.#namesKept < NAMES_MAX) {
        const text = TEXT.decode(bytes.subarray(p + 4 + size, p + 4 + length));
        const names = text.split('\0').filter((name) => name !== '');
        this.#namesKept += Math.max(1, names.length);
        this.names.push({ address: bytes.slice(p + 4, p + 4 + size), names });
      }
      p += 4 + padded(length);
    }
  }

  #interfaceStatistics(at: number, end: number): void {
    const FIXED = 12;
    const { view } = this.#window;
    if (end - at - BODY < FIXED) return void this.#fail('interface statistics block is cut short');
    const interfaceIndex = this.#firstInterface + view.getUint32(at + BODY, this.#little);
    let received: number | null = null;
    let dropped: number | null = null;
    const comments: string[] = [];
    this.#optionAt = at + BODY + FIXED;
    while (this.#nextOption(end)) {
      const value = this.#optionAt - padded(this.#optionLength);
      if (this.#optionCode === Option.COMMENT) comments.push(this.#optionText());
      else if (this.#optionLength !== 8) continue;
      else if (this.#optionCode === Option.ISB_IFRECV) received = Number(view.getBigUint64(value, this.#little));
      else if (this.#optionCode === Option.ISB_IFDROP) dropped = Number(view.getBigUint64(value, this.#little));
    }
    if (this.error === null && this.statistics.length < STATISTICS_MAX)
      this.statistics.push({ interfaceIndex, received, dropped, comments });
  }

  /** Steps to the option at the cursor and past it; false at the end of the list (with or without opt_endofopt). */
  #nextOption(end: number): boolean {
    if (end - this.#optionAt < 4) return false;
    const { view } = this.#window;
    const code = view.getUint16(this.#optionAt, this.#little);
    const length = view.getUint16(this.#optionAt + 2, this.#little);
    if (code === Option.END) return false;
    if (padded(length) > end - this.#optionAt - 4) {
      this.#fail(`option ${code} of ${length} bytes does not fit its block`);
      return false;
    }
    this.#optionCode = code;
    this.#optionLength = length;
    this.#optionAt += 4 + padded(length);
    return true;
  }

  #optionText(): string {
    const at = this.#optionAt - padded(this.#optionLength);
    // Some writers end texts with a NUL although the length says it all.
    return TEXT.decode(this.#window.bytes.subarray(at, at + this.#optionLength)).replace(/\0+$/, '');
  }

  #unknownInterface(id: number): null {
    const known = this.interfaces.length - this.#firstInterface;
    return this.#failPacket(`interface ${id} is not described; the section describes ${known}`);
  }

  #failPacket(what: string): null {
    this.#fail(what);
    return null;
  }

  #fail(what: string): -1 {
    const packet = this.#packets + 1;
    const offset = this.#position;
    this.error ??= { offset, packet, message: `packet ${packet}, block at offset ${offset}: ${what}` };
    return -1;
  }
}
