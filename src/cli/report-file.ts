// A report that a command writes beside its output. It appears under its name whole or not at all, and what stands there is
// replaced only when it is an older report of podwire's, or with --force.

import { closeSync, lstatSync, openSync, readSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { environmentError } from './exit.ts';

/** Characters of a file that say whether it is an older report. Choice. */
const HEAD = 512;

/**
 * To be asked before anything runs.
 * @param isReport whether a file that begins with this text may be replaced
 * @throws CommandError (3)
 */
export function refuseToReplace(path: string, isReport: (head: string) => boolean): void {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined || stat.isFIFO() || stat.isCharacterDevice()) return;
  if (stat.isFile() && (stat.size === 0 || isReport(headOf(path)))) return;
  const what = stat.isDirectory()
    ? 'is a directory'
    : 'exists already and is no report of podwire; give --force to replace it';
  throw environmentError(`${path}: ${what}`);
}

function headOf(path: string): string {
  const head = Buffer.alloc(HEAD);
  try {
    const fd = openSync(path, 'r');
    const length = readSync(fd, head, 0, HEAD, 0);
    closeSync(fd);
    return head.toString('utf8', 0, length);
  } catch {
    return '';
  }
}

/** @throws CommandError (3) */
export function writeReport(path: string, text: string): void {
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.tmp`);
  try {
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (stat?.isDirectory()) throw environmentError(`${path}: is a directory`);
    // A pipe or a device is written to as it is.
    if (stat !== undefined && !stat.isFile() && !stat.isSymbolicLink()) {
      writeFileSync(path, text);
      return;
    }
    writeFileSync(temporary, text, { flag: 'wx' });
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    const code = (error as NodeJS.ErrnoException).code;
    if (code === undefined) throw error;
    throw environmentError(`${path}: the report cannot be written (${code})`);
  }
}
