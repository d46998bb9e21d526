// Reading a capture file of either format: the first four bytes choose. Packets before a defect are delivered, then
// `error` says what stood where; nothing here throws for what a file holds.

import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { type ByteSource, ByteWindow } from './byte-source.ts';
import type {
  CapturedName,
  CapturedPacket,
  CapturedStatistics,
  CaptureError,
  CaptureInterface,
  CaptureSection,
  FormatReader,
} from './captured-packet.ts';
import { isPcap, PcapReader } from './pcap-reader.ts';
import { isPcapng, PcapngReader } from './pcapng-reader.ts';

export type {
  CapturedName,
  CapturedPacket,
  CapturedStatistics,
  CaptureError,
  CaptureInterface,
  CaptureSection,
} from './captured-packet.ts';

/** Stands in for a format when the first bytes belong to none. */
class NotACapture implements FormatReader {
  readonly interfaces = [];
  readonly sections = [];
  readonly names = [];
  readonly statistics = [];
  readonly error: CaptureError;
  constructor(what: string) {
    this.error = { offset: 0, packet: 1, message: `offset 0: not a capture file: ${what}` };
  }
  next(): null {
    return null;
  }
}

function chooseFormat(window: ByteWindow): FormatReader {
  const have = window.load(0, 4);
  if (window.failure !== null) return new NotACapture(window.failure);
  if (have === 0) return new NotACapture('it is empty');
  if (have < 4) return new NotACapture(`it has only ${have} bytes`);
  if (isPcapng(window.view)) return new PcapngReader(window);
  if (isPcap(window.view)) return new PcapReader(window);
  const magic = window.view.getUint32(0, false).toString(16).padStart(8, '0');
  return new NotACapture(`it begins with 0x${magic}, which is neither pcap nor pcapng`);
}

export class CaptureReader {
  readonly format: 'pcap' | 'pcapng' | 'unknown';
  readonly #reader: FormatReader;
  readonly #close: () => void;

  /** @param close called by close() (openCapture closes its file there) */
  constructor(source: Uint8Array | ByteSource, close: () => void = () => {}) {
    this.#reader = chooseFormat(new ByteWindow(source));
    this.#close = close;
    this.format =
      this.#reader instanceof PcapngReader ? 'pcapng' : this.#reader instanceof PcapReader ? 'pcap' : 'unknown';
  }

  /** Interfaces described so far, over all sections; grows while packets are read. */
  get interfaces(): readonly CaptureInterface[] {
    return this.#reader.interfaces;
  }

  get sections(): readonly CaptureSection[] {
    return this.#reader.sections;
  }

  /** Name resolution records read so far. */
  get names(): readonly CapturedName[] {
    return this.#reader.names;
  }

  /** Interface statistics read so far. */
  get statistics(): readonly CapturedStatistics[] {
    return this.#reader.statistics;
  }

  /** Why reading stopped early; null while packets come and after a clean end. */
  get error(): CaptureError | null {
    return this.#reader.error;
  }

  /** The next packet, or null at the end or at the first defect (see error). */
  next(): CapturedPacket | null {
    return this.#reader.next();
  }

  close(): void {
    this.#close();
  }

  *[Symbol.iterator](): Generator<CapturedPacket> {
    for (let packet = this.next(); packet !== null; packet = this.next()) yield packet;
  }
}

/** The file cannot be opened: one line for a person. */
export class CaptureOpenError extends Error {
  override readonly name = 'CaptureOpenError';
}

const OPEN_ERRORS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EISDIR: 'is a directory, not a capture file',
  ENOTDIR: 'a part of the path is not a directory',
  EMFILE: 'too many open files',
  ELOOP: 'too many symbolic links',
  ENAMETOOLONG: 'the name is too long',
};

/**
 * Opens a file (or standard input, `-`) for reading in pieces of about 1 MiB; call close() when done.
 * @throws CaptureOpenError when there is nothing to read from
 */
export function openCapture(path: string): CaptureReader {
  const standardInput = path === '-';
  let fd = 0;
  let size = Number.POSITIVE_INFINITY;
  try {
    fd = standardInput ? 0 : openSync(path, 'r');
    const stat = fstatSync(fd);
    if (stat.isDirectory()) {
      if (!standardInput) closeSync(fd);
      throw new CaptureOpenError(`${path}: is a directory, not a capture file`);
    }
    if (stat.isFile() && !standardInput) size = stat.size;
  } catch (error) {
    if (error instanceof CaptureOpenError) throw error;
    const code = (error as NodeJS.ErrnoException).code ?? '';
    throw new CaptureOpenError(`${path}: ${OPEN_ERRORS[code] ?? code}`);
  }
  const source: ByteSource = {
    size,
    // A pipe has no positions; the window asks in order.
    read: (into, position) => readSync(fd, into, 0, into.length, size === Number.POSITIVE_INFINITY ? null : position),
  };
  return new CaptureReader(source, standardInput ? () => {} : () => closeSync(fd));
}
