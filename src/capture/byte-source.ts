// Where a reader's bytes come from, and the window through which it looks at them. The window slides forward only, so a
// pipe serves as well as a file. It grows as bytes really come, never to a length that a file merely declares.

/** Random access is not needed: positions only go up. */
export interface ByteSource {
  /** Fills `into` from `position`; returns the bytes read, 0 at the end. Short reads are allowed. May throw (EIO). */
  read(into: Uint8Array, position: number): number;
  /** Bytes in all; Infinity for a pipe. */
  readonly size: number;
}

/** First size of the window, bytes: one read of a disk's liking; doubled up to what the largest block needs. */
const WINDOW = 1 << 20;

export class ByteWindow {
  readonly #source: ByteSource | null;
  /** Holds file bytes [base, base + filled). */
  bytes: Uint8Array;
  view: DataView;
  /** File position of bytes[0]. */
  base = 0;
  #filled: number;
  /** Set when the source failed: the sentence for the reader's error. */
  failure: string | null = null;

  constructor(source: Uint8Array | ByteSource) {
    if (source instanceof Uint8Array) {
      this.#source = null;
      this.bytes = source;
      this.#filled = source.length;
    } else {
      this.#source = source;
      this.bytes = new Uint8Array(Math.min(WINDOW, Math.max(source.size, 64)));
      this.#filled = 0;
    }
    this.view = new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.byteLength);
  }

  /** True when bytes handed out must be copied because the window will move over them. */
  get moves(): boolean {
    return this.#source !== null;
  }

  /**
   * Makes [position, position + length) readable at bytes[position - base ...]. Bytes before `position` are forgotten.
   * @returns the number of these bytes that exist: less than length only at the end of the source
   */
  load(position: number, length: number): number {
    if (position + length <= this.base + this.#filled) return length;
    const source = this.#source;
    if (source === null) return Math.max(0, this.#filled - position);
    const skip = Math.min(position - this.base, this.#filled);
    if (skip > 0) {
      this.bytes.copyWithin(0, skip, this.#filled);
      this.#filled -= skip;
      this.base += skip;
    }
    while (this.#filled < position - this.base + length) {
      if (this.#filled === this.bytes.length) this.#grow();
      let n = 0;
      try {
        n = source.read(this.bytes.subarray(this.#filled), this.base + this.#filled);
      } catch (error) {
        this.failure = error instanceof Error ? error.message : String(error);
      }
      if (n === 0) break;
      this.#filled += n;
    }
    return Math.max(0, Math.min(length, this.base + this.#filled - position));
  }

  /** The bytes at a loaded position: a copy when the window moves, else a view. */
  take(position: number, length: number): Uint8Array {
    const at = position - this.base;
    return this.moves ? this.bytes.slice(at, at + length) : this.bytes.subarray(at, at + length);
  }

  #grow(): void {
    const bytes = new Uint8Array(this.bytes.length * 2);
    bytes.set(this.bytes);
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer);
  }
}
