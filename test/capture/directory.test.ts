// Proves that the directory of captures is made with those above it, and that every place where it cannot be is refused in
// one line: among them /proc, where Node's own recursive mkdir never returns.

import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { makeDirectory } from '../../src/capture/directory.ts';

const root = mkdtempSync(join(tmpdir(), 'podwire-directory-'));
afterAll(() => rmSync(root, { recursive: true }));

describe('the directory of captures', () => {
  it('is made with those above it, and taken when it is there', () => {
    const path = join(root, 'a', 'b c', 'ü');
    makeDirectory(path);
    makeDirectory(path);
    expect(statSync(path).isDirectory()).toBe(true);
  });

  it('is not made in place of a file, or below one', () => {
    const file = join(root, 'file');
    writeFileSync(file, 'x');
    expect(() => makeDirectory(file)).toThrow(`${file}: is not a directory`);
    expect(() => makeDirectory(join(file, 'x'))).toThrow(`${join(file, 'x')}: is not a directory`);
  });

  it('is refused where the system makes none', (test) => {
    if (!existsSync('/proc/self')) {
      console.warn('test/capture/directory: skipped, this system has no /proc');
      test.skip();
    }
    expect(() => makeDirectory('/proc/podwire/x')).toThrow('/proc/podwire/x: no directory can be made there');
  });
});
