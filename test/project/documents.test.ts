// Proves that the documents are true where that can be told: every path that they name is there, and what they show as a
// script or a scenario runs as shown.

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { COMMANDS } from '../../src/cli/commands.ts';
import { ExitStatus } from '../../src/cli/exit.ts';
import { createProgram } from '../../src/cli/program.ts';
import { CHECKOUT, podwire } from './checkout.ts';

const folder = mkdtempSync(join(tmpdir(), 'podwire-documents-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const text = (path: string): string => readFileSync(join(CHECKOUT, path), 'utf8');
const readme = text('README.md');

/** The fenced blocks of a language, in order. */
function blocks(document: string, language: string): string[] {
  return [...document.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, 'g'))].map((m) => m[1] ?? '');
}

describe.each(['README.md', 'CONTRIBUTING.md', 'captures/README.md'])('%s', (document) => {
  it('names only files and folders that are there', () => {
    const named = [...text(document).matchAll(/`((?:src|test|scenarios|captures|\.ci)\/[\w./-]*)`|\]\(([^)#:]+)\)/g)]
      .map((m) => m[1] ?? m[2] ?? '')
      // what a run writes
      .filter((path) => !/^captures\/.*\.pcapng$|^captures\/out/.test(path));
    expect(named.filter((path) => !existsSync(join(CHECKOUT, path)))).toEqual([]);
  });

  it('names only scripts of package.json', () => {
    const { scripts } = JSON.parse(text('package.json')) as { scripts: Record<string, string> };
    const named = [...text(document).matchAll(/npm run ([\w-]+)/g)].map((m) => m[1] ?? '');
    expect(named.filter((name) => scripts[name] === undefined)).toEqual([]);
  });

  it('names only commands of podwire', () => {
    const known = createProgram(COMMANDS).commands.map((c) => c.name());
    const named = [...text(document).matchAll(/(?:npx |`)podwire ([a-z]+)/g)].map((m) => m[1] ?? '');
    expect(named.filter((name) => !known.includes(name))).toEqual([]);
  });
});

describe('README.md', () => {
  it('lists the exit statuses that there are', () => {
    const listed = [...readme.matchAll(/^\| (\d+) \|/gm)].map((m) => Number(m[1]));
    expect(listed).toEqual(Object.values(ExitStatus));
  });

  it('shows a scenario that passes', () => {
    const [scenario] = blocks(readme, 'yaml');
    const file = join(folder, 'scenario.yaml');
    writeFileSync(file, scenario ?? '');
    const { status, out, err } = podwire(['run', file, '--out', join(folder, 'run')]);
    expect(status, `${out}\n${err}`).toBe(0);
  });

  it('shows a script whose ping is answered', () => {
    const script = blocks(readme, 'sh').find((block) => block.startsWith('ip netns add'));
    const file = join(folder, 'two-pods.sh');
    writeFileSync(file, script ?? '');
    const { status, out, err } = podwire(['lab', file, '--out', join(folder, 'lab')]);
    expect(status, `${out}\n${err}`).toBe(0);
    expect(out).toContain('3 packets transmitted, 3 received, 0% packet loss');
  });
});
