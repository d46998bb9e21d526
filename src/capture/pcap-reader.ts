// Classic pcap (draft-ietf-opsawg-pcap; pcap-savefile(5)): a 24-byte file header, then records of a 16-byte header and
// the captured bytes. Either byte order, microseconds or nanoseconds, and the variant of Alexey Kuznetsov's patched
// libpcap whose record headers carry 8 more bytes.

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

export const PCAP_MAGIC_US = 0xa1b2c3d4;
export const PCAP_MAGIC_NS = 0xa1b23c4d;
const PCAP_MAGIC_KUZNETSOV = 0xa1b2cd34;

const FILE_HEADER = 24;
const VERSION_MAJOR = 4;
const VERSION_MINOR = 6;
const SNAP_LENGTH = 16;
const LINK_TYPE = 20;
/** The upper bits of the link-type word tell of a frame check sequence (draft section 4). */
const LINK_TYPE_MASK = 0x03ff_ffff;

const RECORD_HEADER = 16;
const RECORD_HEADER_KUZNETSOV = 24;
const SECONDS = 0;
const FRACTION = 4;
const CAPTURED_LENGTH = 8;
const ORIGINAL_LENGTH = 12;

const NANOS_PER_MICRO = 1_000;
const NANOS_PER_SECOND = 1_000_000_000;

function isMagic(word: number): boolean {
  return word === PCAP_MAGIC_US || word === PCAP_MAGIC_NS || word === PCAP_MAGIC_KUZNETSOV;
}

/** True when the first four bytes (in big-endian order) begin a classic pcap file. */
export function isPcap(view: DataView): boolean {
  return isMagic(view.getUint32(0, false)) || isMagic(view.getUint32(0, true));
}

export class PcapReader implements FormatReader {
  readonly interfaces: CaptureInterface[] = [];
  readonly sections: CaptureSection[] = [];
  readonly names: CapturedName[] = [];
  readonly statistics: CapturedStatistics[] = [];
  error: CaptureError | null = null;
  readonly #window: ByteWindow;
  #little = false;
  #recordHeader = RECORD_HEADER;
  #nanosPerUnit = NANOS_PER_MICRO;
  /** libpcap before version 2.3 wrote the two lengths the other way round; 2.3 itself did so now and then. */
  #minor = 4;
  #position = 0;
  #packets = 0;

  constructor(window: ByteWindow) {
    this.#window = window;
    const have = window.load(0, FILE_HEADER);
    if (have < FILE_HEADER) {
      this.#fail(window.failure ?? `the pcap file header needs ${FILE_HEADER} bytes, the file has ${have}`);
      return;
    }
    const view = window.view;
    this.#little = isMagic(view.getUint32(0, true));
    const magic = view.getUint32(0, this.#little);
    if (magic === PCAP_MAGIC_NS) this.#nanosPerUnit = 1;
    if (magic === PCAP_MAGIC_KUZNETSOV) this.#recordHeader = RECORD_HEADER_KUZNETSOV;
    const major = view.getUint16(VERSION_MAJOR, this.#little);
    this.#minor = view.getUint16(VERSION_MINOR, this.#little);
    if (major !== 2) {
      this.#fail(`pcap version ${major}.${this.#minor} is not supported; supported: 2.x`);
      return;
    }
    // 0 and values over the limit are written by tools that mean "everything".
    const snapLength = view.getUint32(SNAP_LENGTH, this.#little);
    this.interfaces.push({
      linkType: view.getUint32(LINK_TYPE, this.#little) & LINK_TYPE_MASK,
      snapLength: snapLength > CAPTURED_LENGTH_MAX ? 0 : snapLength,
      name: null,
      description: null,
      mac: null,
      timeDigits: this.#nanosPerUnit === 1 ? 9 : 6,
      comments: [],
    });
    this.sections.push({ hardware: null, os: null, application: null, comments: [] });
    this.#position = FILE_HEADER;
  }

  next(): CapturedPacket | null {
    if (this.error !== null) return null;
    const window = this.#window;
    const header = this.#recordHeader;
    const position = this.#position;
    const have = window.load(position, header);
    if (have < header) {
      if (window.failure !== null) this.#fail(window.failure);
      else if (have > 0) this.#fail(`truncated: a record header needs ${header} bytes, ${have} are left`);
      return null;
    }
    const view = window.view;
    const at = position - window.base;
    const little = this.#little;
    let captured = view.getUint32(at + CAPTURED_LENGTH, little);
    let length = view.getUint32(at + ORIGINAL_LENGTH, little);
    if (this.#minor < 3 || (this.#minor === 3 && captured > length)) {
      const swap = captured;
      captured = length;
      length = swap;
    }
    if (captured > CAPTURED_LENGTH_MAX) {
      this.#fail(`the captured length ${captured} is over the limit of ${CAPTURED_LENGTH_MAX} bytes`);
      return null;
    }
    const seconds = view.getUint32(at + SECONDS, little);
    const nanos = view.getUint32(at + FRACTION, little) * this.#nanosPerUnit;
    const got = window.load(position, header + captured) - header;
    if (got < captured) {
      this.#fail(window.failure ?? `truncated: ${captured} captured bytes are announced, ${Math.max(0, got)} are left`);
      return null;
    }
    this.#position = position + header + captured;
    return {
      number: ++this.#packets,
      interfaceIndex: 0,
      hasTime: true,
      // Some writers let the fraction run over a second.
      timeSeconds: seconds + Math.floor(nanos / NANOS_PER_SECOND),
      timeNanos: nanos % NANOS_PER_SECOND,
      length,
      bytes: window.take(position + header, captured),
      direction: 0,
      packetId: null,
      comments: [],
    };
  }

  #fail(what: string): void {
    const packet = this.#packets + 1;
    const offset = this.#position;
    const where = this.#position === 0 ? 'file header, offset 0' : `packet ${packet}, offset ${offset}`;
    this.error = { offset, packet, message: `${where}: ${what}` };
  }
}
