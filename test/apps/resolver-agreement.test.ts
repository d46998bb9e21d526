// Proves: the emulated getaddrinfo and gethostbyname send the queries that glibc's send, in its order, from as many sockets,
// with its waits, whatever the name server does; the judge is the glibc of this machine. Needs root, python3, getent and
// the shared folder's gai.py.

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { runShell } from '../shell/rig.ts';
import { queryLog } from './query-log.ts';
import { caseScript, type LookupCase, NETWORK, pages, runReal } from './real-resolver.ts';

const KINDS = ['found', 'nothing', 'nodata', 'servfail', 'refused', 'formerr', 'lame', 'silent'];
const PAIRS = ['afail', 'aaaafail', 'aaaalost', 'anx'];
const OPTIONS: readonly string[] = [
  'timeout:1',
  'timeout:1 single-request',
  'timeout:1 single-request-reopen',
  'timeout:1 attempts:3 ndots:1',
];

const CASES: readonly LookupCase[] = [
  ...OPTIONS.flatMap((o) => [...KINDS, ...PAIRS].map((k) => [o, `gai.py ${k}.`] as const)),
  ...KINDS.map((k) => ['timeout:1 ndots:5', `gai.py ${k}`] as const),
  ...KINDS.map((k) => ['timeout:1 ndots:1', `gai.py ${k}.x`] as const),
  ...KINDS.map((k) => ['timeout:1 ndots:5', `getent ahosts ${k}`] as const),
  ...KINDS.map((k) => ['timeout:1 ndots:5', `getent hosts ${k}`] as const),
  ['timeout:1 edns0', 'gai.py found.'],
];

const TOOLS = resolve(import.meta.dirname, '../../../shared/golden/tools');

function missing(): string | null {
  if (!existsSync(TOOLS)) return 'no shared folder beside the checkout';
  if (process.getuid?.() !== 0) return 'not root';
  for (const tool of ['ip', 'python3', 'getent', 'unshare']) {
    if (spawnSync('sh', ['-c', `command -v ${tool}`]).status !== 0) return `no ${tool}`;
  }
  if (!spawnSync('getent', ['--version'], { encoding: 'utf8' }).stdout.includes('2.36')) return 'glibc is not 2.36';
  return spawnSync('unshare', ['-m', '-n', 'true']).status === 0 ? null : 'namespaces cannot be made here';
}

const reason = missing();
if (reason !== null) console.warn(`resolver-agreement: skipped, ${reason}`);

describe.skipIf(reason !== null)('against glibc', () => {
  let real: string[] = [];
  let emulated: string[] = [];

  beforeAll(async () => {
    const [theirs, ours] = await Promise.all([
      runReal(caseScript(CASES, (c) => (c.startsWith('gai.py') ? `python3 ${TOOLS}/${c}` : c))),
      runShell(`${NETWORK}\nquery-log &\nsleep 0.1\n${caseScript(CASES, (c) => c)}\n`, { commands: [queryLog] }),
    ]);
    real = pages(theirs);
    emulated = pages(ours.all);
  }, 600_000);

  it.each(CASES.map((c, i) => [...c, i] as const))('%s: %s', (_options, _command, i) => {
    expect(real.length).toBe(CASES.length);
    expect(emulated[i]).toBe(real[i]);
  });
});
