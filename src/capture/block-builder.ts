// Grows a pcapng block field by field and option by option, little-endian: for every block but the packets, which are
// encoded in place (pcapng-writer.ts).

import { Option, padded } from './pcapng.ts';

/** Longest comment, bytes of UTF-8; longer ones are cut (choice; the format allows 65,535). */
export const COMMENT_MAX = 4_096;

const UTF8 = new TextEncoder();

/** UTF-8 without control characters (they become \DDD, as in DNS presentation form), cut to `max` bytes. */
export function encodeText(text: string, max: number): Uint8Array {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  const safe = text.replace(/[\x00-\x1f\x7f]/g, (c) => `\\${String(c.charCodeAt(0)).padStart(3, '0')}`);
  const bytes = UTF8.encode(safe);
  if (bytes.length <= max) return bytes;
  let end = max;
  while (end > 0 && (bytes[end]! & 0xc0) === 0x80) end--;
  return bytes.subarray(0, end);
}

/** Grows a block option by option; used for every block but the packets. */
export class BlockBuilder {
  #bytes = new Uint8Array(256);
  #view = new DataView(this.#bytes.buffer);
  length = 0;

  constructor(type: number) {
    this.u32(type).u32(0);
  }

  #room(more: number): void {
    while (this.length + more > this.#bytes.length) {
      const bytes = new Uint8Array(this.#bytes.length * 2);
      bytes.set(this.#bytes);
      this.#bytes = bytes;
      this.#view = new DataView(bytes.buffer);
    }
  }

  u16(value: number): this {
    this.#room(2);
    this.#view.setUint16(this.length, value, true);
    this.length += 2;
    return this;
  }

  u32(value: number): this {
    this.#room(4);
    this.#view.setUint32(this.length, value, true);
    this.length += 4;
    return this;
  }

  u64(value: bigint): this {
    return this.u32(Number(value & 0xffff_ffffn)).u32(Number(value >> 32n));
  }

  /** A timestamp: the upper 32 bits come first, whatever the byte order. */
  time(value: bigint): this {
    return this.u32(Number(value >> 32n)).u32(Number(value & 0xffff_ffffn));
  }

  raw(bytes: Uint8Array): this {
    this.#room(padded(bytes.length));
    this.#bytes.set(bytes, this.length);
    this.#bytes.fill(0, this.length + bytes.length, this.length + padded(bytes.length));
    this.length += padded(bytes.length);
    return this;
  }

  option(code: number, value: Uint8Array): this {
    return this.u16(code).u16(value.length).raw(value);
  }

  text(code: number, value: string): this {
    return this.option(code, encodeText(value, COMMENT_MAX));
  }

  /** Ends options and block. */
  end(): Uint8Array {
    this.u16(Option.END).u16(0);
    const total = this.length + 4;
    this.u32(total);
    this.#view.setUint32(4, total, true);
    return this.#bytes.subarray(0, total);
  }
}
