// What a lab takes from the host: a script, or a case directory. It is read once, before anything runs, and copied into
// the emulated file system; nothing else of the host can be seen from there.

import { lstatSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';

/** Input that a lab cannot take: one line for each thing that is wrong. */
export class LabInputError extends Error {
  override readonly name = 'LabInputError';
}

export interface LabFile {
  /** Relative to the case directory. */
  readonly path: string;
  readonly content: Uint8Array;
  readonly executable: boolean;
}

/** Choice: a script of a person is a few kilobytes. */
const SCRIPT_MAX = 16 * 1024 * 1024;
/** Choice: inputs of the stimuli (rules, configuration files), not captures. */
const CASE_MAX = 64 * 1024 * 1024;
const CASE_FILES_MAX = 1000;
const DEPTH_MAX = 4;
/** Captures are what a case is compared with, never its input. */
const NOT_COPIED = /\.(pcapng|pcap)$/;

export function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch (error) {
    throw new LabInputError(`${path}: ${reason(error)}`);
  }
}

/** Name of the directory that the path stands for, also for `.`. */
export function directoryName(path: string): string {
  return basename(resolve(path));
}

/** Name of the directory that a file is in. */
export function parentName(path: string): string {
  return basename(dirname(resolve(path))) || 'root';
}

export function fileName(path: string): string {
  return basename(resolve(path));
}

/** @throws LabInputError: not there, not readable, too long, not UTF-8 */
export function readScript(path: string): string {
  try {
    const stat = statSync(path);
    if (stat.isCharacterDevice() || stat.isBlockDevice()) throw new LabInputError(`${path}: is a device, not a script`);
    if (stat.size > SCRIPT_MAX)
      throw new LabInputError(`${path}: ${stat.size} bytes; a script has at most ${SCRIPT_MAX}`);
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: false }).decode(readFileSync(path));
  } catch (error) {
    if (error instanceof LabInputError) throw error;
    throw new LabInputError(`${path}: ${error instanceof TypeError ? 'not UTF-8 text' : reason(error)}`);
  }
}

/** The files of a case directory, sorted by path; links are not followed. */
export function readCaseFiles(directory: string): LabFile[] {
  const files: LabFile[] = [];
  let bytes = 0;
  const visit = (path: string, prefix: string, depth: number): void => {
    for (const name of readdirSync(path).sort()) {
      const file = join(path, name);
      const stat = lstatSync(file);
      if (stat.isDirectory()) {
        if (depth < DEPTH_MAX && name !== 'again') visit(file, `${prefix}${name}/`, depth + 1);
      } else if (stat.isFile() && !NOT_COPIED.test(name)) {
        bytes += stat.size;
        if (bytes > CASE_MAX || files.length >= CASE_FILES_MAX)
          throw new LabInputError(
            `${directory}: more than ${CASE_MAX} bytes or ${CASE_FILES_MAX} files besides captures`,
          );
        files.push({ path: prefix + name, content: readFileSync(file), executable: (stat.mode & 0o111) !== 0 });
      }
    }
  };
  try {
    visit(directory, '', 1);
  } catch (error) {
    if (error instanceof LabInputError) throw error;
    throw new LabInputError(`${directory}: ${reason(error)}`);
  }
  return files;
}

function reason(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code;
  switch (code) {
    case 'ENOENT':
      return 'no such file or directory';
    case 'EACCES':
    case 'EPERM':
      return 'not readable (permission denied)';
    case 'EISDIR':
      return 'is a directory';
    case 'ENOTDIR':
      return 'a part of the path is not a directory';
    case 'ENAMETOOLONG':
      return 'the name is too long';
    default:
      return code ?? String(error);
  }
}
