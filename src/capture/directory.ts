// Makes the directory that captures go to, with those above it. Not `mkdirSync(path, {recursive: true})`: Node 20's never
// returns below a directory that answers ENOENT to every mkdir, as /proc does.

import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { CaptureOutputError } from './sink.ts';

/** @throws CaptureOutputError: one line, beginning with the path that was asked for */
export function makeDirectory(path: string): void {
  try {
    make(path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new CaptureOutputError(`${path}: ${WHY[code] ?? `cannot be made (${code})`}`);
  }
}

const WHY: Readonly<Record<string, string>> = {
  EEXIST: 'is not a directory',
  ENOTDIR: 'is not a directory',
  EACCES: 'no permission to make it',
  EPERM: 'no permission to make it',
  ENOENT: 'no directory can be made there',
  EROFS: 'the file system is read-only',
  ENOSPC: 'no space left on the device',
};

function make(path: string): void {
  const missing: string[] = [];
  for (let at = path; !isDirectory(at); at = dirname(at)) {
    missing.push(at);
    if (dirname(at) === at) break;
  }
  for (const directory of missing.reverse()) {
    try {
      mkdirSync(directory);
    } catch (error) {
      // Made by another run meanwhile.
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || !isDirectory(directory)) throw error;
    }
  }
}

/** @throws what stat throws, but for a path that is not there; ENOTDIR for what is there and no directory */
function isDirectory(path: string): boolean {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat !== undefined && !stat.isDirectory()) {
    throw Object.assign(new Error(`${path} is not a directory`), { code: 'ENOTDIR' });
  }
  return stat !== undefined;
}
