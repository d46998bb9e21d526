// Proves what package.json and the lock file promise: one version everywhere, files that exist, a lock file that fits,
// and no install script in anything that is needed to run podwire.

import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { VERSION } from '../../src/base/version.ts';
import { CHECKOUT } from './checkout.ts';

interface Locked {
  readonly version?: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly devOptional?: boolean;
  readonly hasInstallScript?: boolean;
  readonly dependencies?: Record<string, string>;
  readonly devDependencies?: Record<string, string>;
  readonly license?: string;
}
const read = (path: string): string => readFileSync(join(CHECKOUT, path), 'utf8');
const manifest = JSON.parse(read('package.json')) as {
  version: string;
  license: string;
  bin: Record<string, string>;
  files: string[];
  engines: { node: string };
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
};
const lock = JSON.parse(read('package-lock.json')) as { packages: Record<string, Locked> };

describe('package.json', () => {
  it('has the version that the program says', () => {
    expect(VERSION).toBe(manifest.version);
    expect(lock.packages['']?.version).toBe(manifest.version);
  });

  it('ships only what exists; dist is built', () => {
    const missing = manifest.files.filter((path) => path !== 'dist' && !existsSync(join(CHECKOUT, path)));
    expect(missing).toEqual([]);
    expect(manifest.license).toBe('MIT');
    expect(read('LICENSE')).toContain('MIT License');
  });

  it('has a command whose source starts with a shebang', () => {
    expect(manifest.bin).toEqual({ podwire: 'dist/cli/main.js' });
    expect(read('src/cli/main.ts').startsWith('#!/usr/bin/env node\n')).toBe(true);
  });

  it('says of Node what this Node satisfies, from 20.19 on', () => {
    expect(manifest.engines.node).toBe('>=20.19.0');
    const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
    expect(major > 20 || (major === 20 && minor >= 19)).toBe(true);
  });
});

describe('package-lock.json', () => {
  it('fits package.json', () => {
    expect(lock.packages['']?.dependencies).toEqual(manifest.dependencies);
    expect(lock.packages['']?.devDependencies).toEqual(manifest.devDependencies);
  });

  it('holds no install script in what podwire needs to run', () => {
    const scripts = Object.entries(lock.packages).filter(([, entry]) => entry.hasInstallScript === true);
    const needed = scripts.filter(([, entry]) => entry.dev !== true && entry.optional !== true);
    expect(needed.map(([path]) => path)).toEqual([]);
    // The others by name, so that a new one is looked at: esbuild's checks its own binary; the two optional ones
    // (compression for just-bash's tar) may fail or be left out with --omit=optional without podwire missing them.
    expect(scripts.map(([path]) => path.replace('node_modules/', '')).sort()).toEqual([
      '@mongodb-js/zstd',
      'esbuild',
      'node-liblzma',
    ]);
  });

  it('holds packages under licences that MIT software may use, those that are needed to run', () => {
    const allowed = /^\(?(?:MIT|ISC|Apache-2\.0|BSD-[23]-Clause|0BSD|Unlicense|CC0-1\.0|BlueOak-1\.0\.0|Python-2\.0)\b/;
    const others = Object.entries(lock.packages)
      .filter(([path, entry]) => path !== '' && entry.dev !== true && entry.optional !== true)
      .filter(([, entry]) => !allowed.test(entry.license ?? ''))
      .map(([path, entry]) => `${path}: ${entry.license ?? 'none'}`);
    expect(others).toEqual([]);
  });
});

describe('the continuous integration', () => {
  it('can be run', () => {
    expect(statSync(join(CHECKOUT, '.ci/run')).mode & 0o111).toBe(0o111);
  });

  it('runs the command that the README names', () => {
    expect(read('README.md')).toContain('npm ci && npm test');
    expect(read('README.md')).toContain('npm ci && npm start');
    expect(read('.ci/run')).toMatch(/npm ci\b[\s\S]*npm test\b/);
  });
});
