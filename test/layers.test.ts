// Proves the floors of the house (design.md, CONTRIBUTING.md): a folder of src imports only from folders above it in the
// list, no two folders import each other, and the emulated world touches neither the host nor its clock nor its dice.

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

/** From the ground up: each may import itself and what stands before it. */
const FLOORS = [
  'base',
  'addr',
  'wire',
  'sim',
  'link',
  'netfilter',
  'stack',
  'overlay',
  'bgp',
  'dns',
  'apps',
  'kube',
  'capture',
  'observe',
  'shell',
  'scenario',
  'tap',
  'cli',
  'web',
  'index.ts',
];

/**
 * The emulated world: everything in it is a function of the scenario and the seed. capture/ and shell/ stand above it;
 * they may write files and wait for promises, but see no clock and no dice of the host either.
 */
const EMULATED = ['base', 'addr', 'wire', 'sim', 'link', 'netfilter', 'stack', 'overlay', 'bgp', 'dns', 'apps', 'kube'];
const REPEATABLE = [...EMULATED, 'capture', 'observe', 'shell', 'scenario'];

/** What no file below cli/ and tap/ may say, and why. */
const FORBIDDEN: [RegExp, string][] = [
  [/\bDate\.now\s*\(|\bnew Date\(\s*\)/, "the host's clock: use sim.now (virtual ns)"],
  [/\bperformance\.now\s*\(|\bprocess\.hrtime\b/, "the host's clock: use sim.now (virtual ns)"],
  [/\bMath\.random\s*\(|\bcrypto\.getRandomValues|\brandomBytes\b/, 'unseeded randomness: use host.rng(name)'],
];
/** What no file of the emulated world may say. */
const FORBIDDEN_EMULATED: [RegExp, string][] = [
  [/\bset(?:Timeout|Interval|Immediate)\s*\(|\bqueueMicrotask\s*\(/, "the host's timers: use sim.timer()"],
  [/\bprocess\./, 'the host process: what the world needs is given to it'],
  [/\bconsole\./, 'the terminal: report to the observer'],
  [
    /(?<![#.\w$])(?:await|async)\b|\bnew Promise\b/,
    'promises: the event queue drives everything (allowed in shell/, tap/, cli/)',
  ],
];

interface Import {
  readonly file: string;
  readonly line: number;
  readonly from: string;
  /** path in src, or a package, or node:... */
  readonly target: string;
  readonly relative: boolean;
}

const src = resolve(import.meta.dirname, '../src');

function files(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(src, join(entry.parentPath, entry.name)))
    .sort();
}

/** The text with comments blanked out, line breaks kept; strings and templates survive. */
function withoutComments(text: string): string {
  const token =
    /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\[\s\S])*`|(?<=[=(,:[!&|?{};\n]\s*)\/(?![*/])(?:[^/\\\n[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\//g;
  return text.replace(token, (t) => (t.startsWith('//') || t.startsWith('/*') ? t.replace(/[^\n]/g, ' ') : t));
}

/** As withoutComments, with the insides of strings blanked too: what is said there is not done. */
function codeOnly(text: string): string {
  return withoutComments(text).replace(
    /'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"/g,
    (t) => `'${' '.repeat(t.length - 2)}'`,
  );
}

/** Every static, dynamic and type import and re-export of a source text. */
function importsOf(text: string): { specifier: string; line: number }[] {
  const clean = withoutComments(text);
  const found: { specifier: string; line: number }[] = [];
  const statement =
    /(?:^|[;\s}])(?:import|export)\b(?:[^'"`;()]*?\bfrom)?\s*['"]([^'"\n]+)['"]|\bimport\s*\(\s*['"`]([^'"`\n]+)['"`]|\brequire\s*\(\s*['"]([^'"\n]+)['"]/g;
  for (const match of clean.matchAll(statement)) {
    const specifier = match[1] ?? match[2] ?? match[3];
    if (specifier === undefined) continue;
    const at = match.index + match[0].length;
    found.push({ specifier, line: clean.slice(0, at).split('\n').length });
  }
  return found;
}

const all = files(src);
const sources = all.filter((file) => file.endsWith('.ts'));
const texts = new Map(sources.map((file) => [file, readFileSync(join(src, file), 'utf8')]));

const floorOf = (file: string): string => (file.includes('/') ? (file.split('/')[0] ?? '') : file);
const imports: Import[] = sources.flatMap((file) =>
  importsOf(texts.get(file) ?? '').map(({ specifier, line }) => ({
    file,
    line,
    from: floorOf(file),
    target: specifier.startsWith('.') ? relative(src, resolve(src, dirname(file), specifier)) : specifier,
    relative: specifier.startsWith('.'),
  })),
);
const inside = imports.filter((i) => texts.has(i.target));
const at = (i: { file: string; line: number }): string => `src/${i.file}:${i.line}`;

describe('the floors', () => {
  it('every folder and file of src stands on a floor', () => {
    const strangers = [...new Set(all.map(floorOf))].filter((floor) => !FLOORS.includes(floor));
    expect(strangers, `not in the list of floors (${FLOORS.join(', ')})`).toEqual([]);
  });

  it('every relative import names a file of src, with its .ts ending', () => {
    const broken = sources.flatMap((file) =>
      importsOf(texts.get(file) ?? '')
        .filter(({ specifier }) => specifier.startsWith('.'))
        .filter(({ specifier }) => !texts.has(relative(src, resolve(src, dirname(file), specifier))))
        .map(({ specifier, line }) => `${at({ file, line })} imports '${specifier}', which is no file of src`),
    );
    expect(broken).toEqual([]);
  });

  it('a folder imports only itself and folders above it in the list', () => {
    const steps = inside
      .filter((i) => FLOORS.indexOf(floorOf(i.target)) > FLOORS.indexOf(i.from))
      .map(
        (i) =>
          `${at(i)} imports ${i.target}: ${i.from}/ stands below ${floorOf(i.target)}/. Move what is shared down, or ` +
          'pass it in from above as an interface that the lower floor declares.',
      );
    expect(steps).toEqual([]);
  });

  it('nothing imports index.ts or the command line', () => {
    const reached = inside
      .filter((i) => i.target === 'index.ts' || (floorOf(i.target) === 'cli' && i.from !== 'cli'))
      .map((i) => `${at(i)} imports ${i.target}`);
    expect(reached).toEqual([]);
  });

  it('no two folders import each other, in however many steps', () => {
    const edges = new Map<string, Set<string>>();
    for (const i of inside) {
      const to = floorOf(i.target);
      if (to !== i.from) edges.set(i.from, (edges.get(i.from) ?? new Set()).add(to));
    }
    const cycles: string[] = [];
    const visit = (floor: string, path: readonly string[]): void => {
      if (path.includes(floor)) {
        cycles.push([...path.slice(path.indexOf(floor)), floor].join(' > '));
        return;
      }
      for (const next of edges.get(floor) ?? []) visit(next, [...path, floor]);
    };
    for (const floor of edges.keys()) visit(floor, []);
    expect([...new Set(cycles)]).toEqual([]);
  });
});

describe('the emulated world', () => {
  const emulated = sources.filter((file) => EMULATED.includes(floorOf(file)));

  it('imports no module of Node and no package but those that only compute', () => {
    const allowed = new Set(['yaml', 'zod', 'kubernetes-types']);
    const touching = imports
      .filter((i) => EMULATED.includes(i.from) && !i.relative)
      .filter((i) => !allowed.has(i.target.split('/')[0] ?? ''))
      .map((i) => `${at(i)} imports ${i.target}: below capture/ nothing touches the host`);
    expect(touching).toEqual([]);
  });

  it('uses no timers, promises, process or console of the host', () => {
    expect(offences(emulated, FORBIDDEN_EMULATED)).toEqual([]);
  });

  it('asks no clock and throws no dice of the host, up to scenario/', () => {
    expect(
      offences(
        sources.filter((file) => REPEATABLE.includes(floorOf(file))),
        FORBIDDEN,
      ),
    ).toEqual([]);
  });
});

function offences(list: readonly string[], rules: readonly [RegExp, string][]): string[] {
  return list.flatMap((file) =>
    codeOnly(texts.get(file) ?? '')
      .split('\n')
      .flatMap((code, n) =>
        rules
          .filter(([pattern]) => pattern.test(code))
          .map(([, why]) => `${at({ file, line: n + 1 })} "${code.trim()}": ${why}`),
      ),
  );
}

describe('the walker itself', () => {
  it('sees every form of import and none in comments or strings', () => {
    const text = [
      "import a from './a.ts';",
      "import type { B } from './b.ts';",
      'import {',
      '  c,',
      "} from './c.ts';",
      "export * from './d.ts';",
      "export { e } from './e.ts';",
      "import './f.ts';",
      "const g = await import('./g.ts');",
      "// import h from './h.ts';",
      "/* import i from './i.ts'; */",
      "const url = 'http://x'; import('./j.ts');",
      "type K = import('./k.ts').K;",
    ].join('\n');
    expect(importsOf(text).map((i) => `${i.line} ${i.specifier}`)).toEqual([
      '1 ./a.ts',
      '2 ./b.ts',
      '5 ./c.ts',
      '6 ./d.ts',
      '7 ./e.ts',
      '8 ./f.ts',
      '9 ./g.ts',
      '12 ./j.ts',
      '13 ./k.ts',
    ]);
  });

  it('has found the sources and their imports', () => {
    expect(sources).toContain('base/assert.ts');
    expect(inside.some((i) => i.file === 'link/frame.ts' && i.target === 'wire/checksum.ts')).toBe(true);
  });
});
