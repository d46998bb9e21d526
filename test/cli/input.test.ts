// Proves that each way in which a file can be no input is one clear sentence and status 2.

import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { CommandError, ExitStatus } from '../../src/cli/exit.ts';
import { readInput, readText } from '../../src/cli/input.ts';

const folder = mkdtempSync(join(tmpdir(), 'podwire-input-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const path = (name: string): string => join(folder, name);
mkdirSync(path('directory'));
writeFileSync(path('plain'), 'text');
writeFileSync(path('bom'), '\ufefftext');
writeFileSync(path('latin'), Buffer.from('caf\xe9 ol\xe9', 'latin1'));
writeFileSync(path('cut'), Buffer.from([0x61, 0xe2, 0x82]));
writeFileSync(path('big'), 'x'.repeat(101));
symlinkSync('loop', path('loop'));

function failure(read: () => unknown): string {
  try {
    read();
  } catch (error) {
    expect(error).toBeInstanceOf(CommandError);
    expect((error as CommandError).status).toBe(ExitStatus.USAGE);
    return (error as CommandError).message;
  }
  throw new Error('nothing was thrown');
}

describe('readText', () => {
  it('reads UTF-8, without a byte order mark', () => {
    expect(readText(path('plain'))).toBe('text');
    expect(readText(path('bom'))).toBe('text');
  });

  it.each([
    ['absent', 'no such file'],
    ['directory', 'is a directory, a file was expected'],
    ['plain/below', 'a part of the path is not a directory'],
    ['loop', 'too many symbolic links'],
    ['latin', 'not UTF-8 text (byte 3 is no part of a character)'],
    ['cut', 'not UTF-8 text (byte 1 is no part of a character)'],
    ['x'.repeat(5000), 'the name is too long'],
  ])('says of %s: %s', (name, expected) => {
    expect(failure(() => readText(path(name)))).toBe(`${path(name)}: ${expected}`);
  });

  it('shows a name with control characters as text', () => {
    expect(failure(() => readText('a\x1b[2J\n'))).toBe('a\\x1b[2J\\x0a: no such file');
    expect(failure(() => readText('a\0b'))).toBe('a\\x00b: not a file name');
  });
});

describe('readInput', () => {
  it('refuses what is over the limit before reading it', () => {
    expect(failure(() => readInput(path('big'), 100))).toBe(`${path('big')}: 101 bytes, the limit is 100`);
    expect(readInput(path('big'), 101).length).toBe(101);
  });
});

describe('an input without an end', () => {
  it.skipIf(!existsSync('/dev/zero'))('is given up at the limit, not read until the memory is full', () => {
    expect(failure(() => readInput('/dev/zero', 100_000))).toBe('/dev/zero: more than 100000 bytes');
  });
});
