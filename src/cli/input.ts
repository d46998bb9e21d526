// Files that people name on the command line, read with one clear line for each way in which that can go wrong.

import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { usageError } from './exit.ts';
import { printable } from './terminal.ts';

/** Text inputs (scenarios, manifests, scripts) above this are refused before they are read. Choice: 16 MiB. */
export const TEXT_MAX = 16 * 1024 * 1024;
/** First buffer of an input, doubled as bytes come. Choice. */
const PIECE = 64 * 1024;

/**
 * The bytes of a file, or of standard input for `-`.
 * @throws CommandError (2): not there, a directory, not readable, over `limit` bytes
 */
export function readInput(path: string, limit: number): Uint8Array {
  const name = printable(path);
  let fd: number;
  try {
    fd = path === '-' ? 0 : openSync(path, 'r');
  } catch (error) {
    throw usageError(`${name}: ${whyNot(error)}`);
  }
  try {
    const stat = fstatSync(fd);
    if (stat.isDirectory()) throw usageError(`${name}: is a directory, a file was expected`);
    if (stat.isFile() && stat.size > limit) throw usageError(`${name}: ${stat.size} bytes, the limit is ${limit}`);
    const bytes = readAtMost(fd, limit + 1);
    if (bytes.length > limit) throw usageError(`${name}: more than ${limit} bytes`);
    return bytes;
  } catch (error) {
    if (error instanceof Error && 'code' in error) throw usageError(`${name}: ${whyNot(error)}`);
    throw error;
  } finally {
    if (path !== '-') closeSync(fd);
  }
}

/** Everything up to `most` bytes: a device or a pipe without an end is given up there. */
export function readAtMost(fd: number, most: number): Uint8Array {
  let bytes = new Uint8Array(Math.min(most, PIECE));
  let length = 0;
  for (;;) {
    if (length === bytes.length) {
      if (length >= most) return bytes;
      const more = new Uint8Array(Math.min(most, bytes.length * 2));
      more.set(bytes);
      bytes = more;
    }
    const n = readSync(fd, bytes, length, bytes.length - length, null);
    if (n === 0) return bytes.subarray(0, length);
    length += n;
  }
}

/**
 * As readInput, decoded as UTF-8; a byte order mark at the start is dropped.
 * @throws CommandError (2): also for bytes that are not UTF-8, with the offset of the first
 */
export function readText(path: string, limit: number = TEXT_MAX): string {
  const bytes = readInput(path, limit);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw usageError(`${printable(path)}: not UTF-8 text (byte ${firstBadByte(bytes)} is no part of a character)`);
  }
}

/** Offset of the first byte that is no part of a whole UTF-8 character. */
function firstBadByte(bytes: Uint8Array): number {
  const decodes = (end: number, cut: boolean): boolean => {
    try {
      // stream: a character that is cut by `end` is not an error
      new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(0, end), { stream: cut });
      return true;
    } catch {
      return false;
    }
  };
  let low = 0;
  let high = bytes.length;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if (decodes(middle, true)) low = middle;
    else high = middle - 1;
  }
  // The last 1 to 3 bytes may be a character that never became whole.
  while (!decodes(low, false)) low--;
  return low;
}

/** The reason in words for an error of the file system. */
export function whyNot(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code;
  switch (code) {
    case 'ENOENT':
      return 'no such file';
    case 'ENOTDIR':
      return 'a part of the path is not a directory';
    case 'EISDIR':
      return 'is a directory, a file was expected';
    case 'EACCES':
    case 'EPERM':
      return 'no permission to read it';
    case 'ELOOP':
      return 'too many symbolic links';
    case 'ENAMETOOLONG':
      return 'the name is too long';
    case 'EBADF':
    case 'EAGAIN':
      return 'cannot be read (is standard input closed?)';
    case 'ERR_INVALID_ARG_VALUE':
      return 'not a file name';
    default:
      return `cannot be read (${code ?? (error as Error).message})`;
  }
}
