// Proves: in an Alpine image the emulated getaddrinfo sends the queries that musl's send, in its order, with its waits, and
// comes to the same; the judge is a program linked with the musl of this machine. Needs root and musl-gcc.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GaiError, getAddresses } from '../../src/apps/resolve.ts';
import type { ShellCommand } from '../../src/shell/command.ts';
import { runShell } from '../shell/rig.ts';
import { queryLog } from './query-log.ts';
import { caseScript, type LookupCase, NETWORK, pages, runReal } from './real-resolver.ts';

const KINDS = [
  'found',
  'nothing',
  'nodata',
  'servfail',
  'refused',
  'formerr',
  'silent',
  'afail',
  'aaaafail',
  'aaaalost',
  'anx',
];

const CASES: readonly LookupCase[] = [
  ...KINDS.map((k) => ['timeout:2', `lookup ${k}.`] as const),
  ...KINDS.map((k) => ['timeout:2 ndots:5', `lookup ${k}`] as const),
  ...KINDS.map((k) => ['timeout:2 ndots:1', `lookup ${k}.x`] as const),
  ['timeout:3 attempts:3', 'lookup silent.'],
];

const SOURCE = `
#include <stdio.h>
#include <string.h>
#include <netdb.h>
#include <arpa/inet.h>
int main(int argc, char **argv) {
  struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list;
  int error = getaddrinfo(argv[1], "443", &hints, &list);
  if (error) return printf("error %d\\n", error), 0;
  for (; list; list = list->ai_next) {
    char text[64];
    if (list->ai_family == AF_INET)
      puts(inet_ntop(AF_INET, &((struct sockaddr_in *)list->ai_addr)->sin_addr, text, sizeof text));
  }
}
`;

/** `lookup NAME`: what the program above does. */
const lookup: ShellCommand = {
  name: 'lookup',
  summary: 'getaddrinfo',
  run: (args, ctx) =>
    ctx.process.wait<number>((resume) => {
      const question = { name: args[0]!, family: 'unspec', addressConfigured: false } as const;
      const cancel = getAddresses(ctx, question, (result) => {
        if ('error' in result) ctx.out(`error ${GaiError[result.error]}\n`);
        else for (const a of result.addresses) if (a.ipv4 !== null) ctx.out(`${a.text}\n`);
        resume(0);
      });
      return () => cancel();
    }),
};

function missing(): string | null {
  if (process.getuid?.() !== 0) return 'not root';
  for (const tool of ['ip', 'musl-gcc', 'getent', 'unshare']) {
    if (spawnSync('sh', ['-c', `command -v ${tool}`]).status !== 0) return `no ${tool}`;
  }
  return spawnSync('unshare', ['-m', '-n', 'true']).status === 0 ? null : 'namespaces cannot be made here';
}

const reason = missing();
if (reason !== null) console.warn(`musl-agreement: skipped, ${reason}`);

describe.skipIf(reason !== null)('against musl', () => {
  const folder = mkdtempSync(join(tmpdir(), 'podwire-musl-'));
  let real: string[] = [];
  let emulated: string[] = [];

  beforeAll(async () => {
    const program = join(folder, 'lookup');
    writeFileSync(`${program}.c`, SOURCE);
    expect(spawnSync('musl-gcc', ['-static', '-o', program, `${program}.c`]).status).toBe(0);
    const ours = `${NETWORK}\nprintf 'ID=alpine\\n' > /etc/os-release\nquery-log &\nsleep 0.1\n`;
    const [theirs, told] = await Promise.all([
      runReal(caseScript(CASES, (c) => `${folder}/${c}`)),
      runShell(`${ours}${caseScript(CASES, (c) => c)}\n`, { commands: [queryLog, lookup] }),
    ]);
    // Until 1.2.3 musl had one error for both: a name without addresses, and no such name.
    const old = (page: string): string => page.replace('error -5', 'error -2');
    real = pages(theirs).map(old);
    emulated = pages(told.all).map(old);
  }, 600_000);

  afterAll(() => rmSync(folder, { recursive: true }));

  it.each(CASES.map((c, i) => [...c, i] as const))('%s: %s', (_options, _command, i) => {
    expect(real.length).toBe(CASES.length);
    expect(emulated[i]).toBe(real[i]);
  });
});
