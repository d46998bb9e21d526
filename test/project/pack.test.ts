// Proves that the package can be published: what `npm pack` makes of a clean copy of the checkout installs into an empty
// folder, its command runs there, a program imports the API, and TypeScript checks a program that uses it.

import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { VERSION } from '../../src/base/version.ts';
import { CHECKOUT, type Ended, run } from './checkout.ts';

const work = mkdtempSync(join(tmpdir(), 'podwire-pack-'));
const copy = join(work, 'copy');
const home = join(work, 'home');
afterAll(() => rmSync(work, { recursive: true, force: true }));

let packed: { files: { path: string; mode: number }[] };

/** Fails with what the program printed. */
function good(ended: Ended): Ended {
  expect(ended.status, `${ended.out}\n${ended.err}`).toBe(0);
  return ended;
}

beforeAll(() => {
  // A copy, for packing builds: nobody else's dist is touched meanwhile.
  const list = good(run('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: CHECKOUT }));
  for (const path of list.out.split('\0').filter((p) => p !== '' && existsSync(join(CHECKOUT, p)))) {
    mkdirSync(dirname(join(copy, path)), { recursive: true });
    copyFileSync(join(CHECKOUT, path), join(copy, path));
  }
  symlinkSync(join(CHECKOUT, 'node_modules'), join(copy, 'node_modules'));
  const result = good(run('npm', ['pack', '--json', '--pack-destination', work], { cwd: copy }));
  packed = (JSON.parse(result.out.slice(result.out.search(/^\[/m))) as [typeof packed])[0];
  mkdirSync(home);
  writeFileSync(join(home, 'package.json'), JSON.stringify({ name: 'elsewhere', private: true, type: 'module' }));
  // --omit=optional: podwire needs none of the optional packages of its dependencies.
  const tarball = join(work, `podwire-${VERSION}.tgz`);
  const flags = ['--prefer-offline', '--no-audit', '--no-fund', '--ignore-scripts', '--omit=optional'];
  good(run('npm', ['install', ...flags, tarball], { cwd: home }));
});

describe('the package', () => {
  it('holds the build, the scenarios, the Wireshark profile, the README and the licence, and nothing else', () => {
    const top = new Set(packed.files.map(({ path }) => path.split('/')[0]));
    expect([...top].sort()).toEqual(['LICENSE', 'README.md', 'captures', 'dist', 'package.json', 'scenarios']);
    const odd = packed.files
      .map(({ path }) => path)
      .filter((path) => path.startsWith('dist/') && !/\.(js|d\.ts)$/.test(path));
    expect(odd).toEqual([]);
  });

  it('has an executable command', () => {
    const main = packed.files.find(({ path }) => path === 'dist/cli/main.js');
    expect((main?.mode ?? 0) & 0o111).toBe(0o111);
  });
});

describe('installed elsewhere', () => {
  it('runs', () => {
    expect(good(run(join(home, 'node_modules/.bin/podwire'), ['--version'], { cwd: home })).out).toBe(`${VERSION}\n`);
  });

  it('ends wrong use with status 2 there too', () => {
    expect(run(join(home, 'node_modules/.bin/podwire'), ['--nope'], { cwd: home }).status).toBe(2);
  });

  it('is imported by a program', () => {
    const program = "import { VERSION } from 'podwire'; console.log(VERSION);";
    expect(good(run(process.execPath, ['--input-type=module', '-e', program], { cwd: home })).out).toBe(`${VERSION}\n`);
  });

  it("is used by the README's program, type-checked against the package's own declarations, and run", () => {
    const program = /```ts\n([\s\S]*?)```/.exec(readFileSync(join(CHECKOUT, 'README.md'), 'utf8'))?.[1];
    const wrong = '// @ts-expect-error a seed is a number\nnew World("1");\n';
    writeFileSync(join(home, 'use.ts'), `${program}export const checked = () => {\n${wrong}};\n`);
    const options = { strict: true, module: 'NodeNext', target: 'ES2022', lib: ['ES2023'], types: ['node'] };
    mkdirSync(join(home, 'node_modules/@types'), { recursive: true });
    symlinkSync(join(CHECKOUT, 'node_modules/@types/node'), join(home, 'node_modules/@types/node'));
    symlinkSync(join(CHECKOUT, 'node_modules/undici-types'), join(home, 'node_modules/undici-types'));
    writeFileSync(join(home, 'tsconfig.json'), JSON.stringify({ compilerOptions: options, files: ['use.ts'] }));
    const ended = run(join(CHECKOUT, 'node_modules/.bin/tsc'), ['-p', '.'], { cwd: home });
    // Other packages' declarations are not ours to judge.
    const ours = ended.out.split('\n').filter((line) => /^(use\.ts|.*node_modules\/podwire\/)/.test(line));
    expect(ours).toEqual([]);
    const out = good(run(process.execPath, ['use.js'], { cwd: home })).out;
    expect(out).toMatch(/^\d+ ns: "hello" from 10\.244\.0\.2:\d+\n\d+ frames recorded\n$/);
  });

  it('leaves nothing of podwire outside its folder', () => {
    expect(readdirSync(home).sort()).toEqual([
      'hello.pcapng',
      'node_modules',
      'package-lock.json',
      'package.json',
      'tsconfig.json',
      'use.js',
      'use.ts',
    ]);
  });
});
