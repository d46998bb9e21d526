// Where the bytes of a capture go: a file, standard output, memory, or a function. A sink is handed whole blocks only.
// It never throws on a write: what went wrong is a sentence in `problem`, and the caller stops recording.

import {
  closeSync,
  existsSync,
  ftruncateSync,
  linkSync,
  openSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';

export interface CaptureSink {
  /** What messages call it: a path, or "standard output". */
  readonly name: string;
  /** Why it takes no more, or null. */
  readonly problem: string | null;
  /** Takes bytes [from, to); returns how many it took: less than asked only together with `problem`. */
  write(bytes: Uint8Array, from: number, to: number): number;
  /** Cuts what was taken to `length` bytes in all, where that is possible. */
  truncate(length: number): void;
  close(): void;
}

/** The output cannot be opened: one line for a person, with what to do. */
export class CaptureOutputError extends Error {
  override readonly name = 'CaptureOutputError';
}

const WRITE_ERRORS: Readonly<Record<string, string>> = {
  ENOSPC: 'no space left on the device',
  EDQUOT: 'the disk quota is used up',
  EFBIG: 'the file size limit is reached',
  EIO: 'input/output error of the device',
  EPIPE: 'the reader has gone away',
  EROFS: 'the file system is read-only',
};

function errorCode(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}

/** Keeps everything; for tests and programs. */
export class MemorySink implements CaptureSink {
  readonly name = 'memory';
  readonly problem = null;
  #bytes = new Uint8Array(1 << 16);
  #length = 0;

  write(bytes: Uint8Array, from: number, to: number): number {
    const need = this.#length + (to - from);
    if (need > this.#bytes.length) {
      const more = new Uint8Array(Math.max(need, this.#bytes.length * 2));
      more.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = more;
    }
    this.#bytes.set(bytes.subarray(from, to), this.#length);
    this.#length = need;
    return to - from;
  }

  truncate(length: number): void {
    this.#length = Math.min(this.#length, length);
  }

  close(): void {}

  /** A view of what came so far. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }
}

/** Hands every piece to a function, which must not keep the view. */
export class CallbackSink implements CaptureSink {
  readonly name = 'callback';
  readonly problem = null;
  readonly #take: (piece: Uint8Array) => void;

  constructor(take: (piece: Uint8Array) => void) {
    this.#take = take;
  }

  write(bytes: Uint8Array, from: number, to: number): number {
    this.#take(bytes.subarray(from, to));
    return to - from;
  }

  truncate(): void {}
  close(): void {}
}

/** A pipe whose reader is slow gives EAGAIN; waited for in steps of 1 ms, this often at most (choice: a minute). */
const PIPE_WAITS_MAX = 60_000;
const pause = new Int32Array(new SharedArrayBuffer(4));

export class FileSink implements CaptureSink {
  readonly name: string;
  problem: string | null = null;
  readonly #fd: number;

  constructor(fd: number, name: string) {
    this.#fd = fd;
    this.name = name;
  }

  write(bytes: Uint8Array, from: number, to: number): number {
    let at = from;
    let waits = 0;
    while (at < to && this.problem === null) {
      try {
        at += writeSync(this.#fd, bytes, at, to - at);
      } catch (error) {
        const code = errorCode(error);
        if (code === 'EAGAIN' && waits++ < PIPE_WAITS_MAX) Atomics.wait(pause, 0, 0, 1);
        else if (code === 'EAGAIN') this.problem = `${this.name}: the reader does not read`;
        else if (code !== 'EINTR') this.problem = `${this.name}: ${WRITE_ERRORS[code] ?? code}`;
      }
    }
    return at - from;
  }

  truncate(length: number): void {
    try {
      ftruncateSync(this.#fd, length);
    } catch {
      // A pipe cannot be cut; and the first problem is the one to report.
    }
  }

  close(): void {
    if (this.#fd <= 2) return;
    try {
      closeSync(this.#fd);
    } catch (error) {
      this.problem ??= `${this.name}: ${WRITE_ERRORS[errorCode(error)] ?? errorCode(error)}`;
    }
  }
}

export interface FileSinkOptions {
  /** True: an existing file is replaced. */
  readonly overwrite: boolean;
  /** What the message tells people to give for that. */
  readonly overwriteFlag: string;
}

/**
 * Makes the file with `header` as its first bytes. It appears under its name only with these bytes in it, so a reader
 * never sees an empty file; an existing one is replaced, when asked, at that same moment. `-` is standard output; a named
 * pipe or a device is written to as it is.
 * @throws CaptureOutputError
 */
export function openFileSink(path: string, header: Uint8Array, options: FileSinkOptions): FileSink {
  if (path === '-') return started(new FileSink(1, 'standard output'), header);
  try {
    const existing = statSync(path, { throwIfNoEntry: false });
    if (existing?.isDirectory()) throw new CaptureOutputError(`${path}: is a directory; give the name of a file`);
    if (existing !== undefined && !existing.isFile()) return started(new FileSink(openSync(path, 'w'), path), header);
    if (existing !== undefined && !options.overwrite) throw exists(path, options);
    return create(path, header, options);
  } catch (error) {
    if (error instanceof CaptureOutputError) throw error;
    throw new CaptureOutputError(`${path}: ${openProblem(path, errorCode(error), options)}`);
  }
}

/** Writes under a temporary name beside it, then gives it its own. */
function create(path: string, header: Uint8Array, options: FileSinkOptions): FileSink {
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.tmp`);
  const fd = openSync(temporary, 'w');
  const sink = new FileSink(fd, path);
  try {
    started(sink, header);
    if (options.overwrite) {
      renameSync(temporary, path);
      return sink;
    }
    try {
      // Unlike rename, link refuses to replace a file that came in the meantime.
      linkSync(temporary, path);
    } catch (error) {
      if (errorCode(error) === 'EEXIST' || existsSync(path)) throw exists(path, options);
      // A file system without hard links.
      renameSync(temporary, path);
      return sink;
    }
    unlinkSync(temporary);
    return sink;
  } catch (error) {
    sink.close();
    if (existsSync(temporary)) unlinkSync(temporary);
    throw error;
  }
}

function started(sink: FileSink, header: Uint8Array): FileSink {
  sink.write(header, 0, header.length);
  if (sink.problem !== null) throw new CaptureOutputError(sink.problem);
  return sink;
}

function exists(path: string, options: FileSinkOptions): CaptureOutputError {
  return new CaptureOutputError(
    `${path}: exists already; give ${options.overwriteFlag} to replace it, or another name`,
  );
}

function openProblem(path: string, code: string, options: FileSinkOptions): string {
  switch (code) {
    case 'ENOENT':
      return `the directory ${dirname(path)} does not exist; make it first`;
    case 'ENOTDIR':
      return `${dirname(path)} is not a directory`;
    case 'EACCES':
    case 'EPERM':
      return `no permission to write in ${dirname(path)}`;
    case 'EEXIST':
      return `exists already; give ${options.overwriteFlag} to replace it, or another name`;
    case 'EISDIR':
      return 'is a directory; give the name of a file';
    case 'EMFILE':
    case 'ENFILE':
      return 'too many open files; use one file for all interfaces, or capture fewer';
    case 'ENAMETOOLONG':
      return 'the name is too long';
    default:
      return WRITE_ERRORS[code] ?? code;
  }
}
