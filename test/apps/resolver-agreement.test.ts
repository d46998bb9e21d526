// Proves: the emulated getaddrinfo and gethostbyname send the queries that glibc's send, in its order, from as many sockets,
// with its waits, whatever the name server does; the judge is the glibc of this machine. Needs root, python3, getent and
// the shared folder's gai.py.

import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { runShell } from '../shell/rig.ts';
import { queryLog } from './query-log.ts';

const KINDS = ['found', 'nothing', 'nodata', 'servfail', 'refused', 'formerr', 'lame', 'silent'];
const PAIRS = ['afail', 'aaaafail', 'aaaalost', 'anx'];
const OPTIONS: readonly string[] = [
  'timeout:1',
  'timeout:1 single-request',
  'timeout:1 single-request-reopen',
  'timeout:1 attempts:3 ndots:1',
];

/** options, command */
const CASES: readonly (readonly [string, string])[] = [
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

const NETWORK = 'ip link set lo up; ip addr add 10.96.0.10/32 dev lo';

function script(resolvConf: string, python: string): string {
  return CASES.map(([options, command], i) => {
    const call = command.startsWith('gai.py') ? `${python}${command}` : command;
    const conf = (o: string): string =>
      `printf 'search a.test b.test\\nnameserver 10.96.0.10\\noptions ${o}\\n' > ${resolvConf}`;
    return `${conf('ndots:1')}; getent ahostsv4 mark.${i}. > /dev/null; ${conf(options)}; ${call} 2>&1 | sed 's/^/LOG said /'`;
  }).join('\n');
}

/** What was logged and printed between one mark and the next. */
function pages(text: string): string[] {
  const lines = text.split('\n').flatMap((l) => (l.startsWith('LOG ') ? [l.slice(4)] : []));
  const found: string[][] = [];
  for (const line of lines) {
    if (line.startsWith('page ')) found.push([]);
    else found.at(-1)?.push(line);
  }
  return found.map((page) => page.join('\n'));
}

function runReal(): Promise<string> {
  const root = resolve(import.meta.dirname, '../..');
  const whole = `
    ${NETWORK}
    d=$(mktemp -d); printf '127.0.0.1\\tlocalhost\\n' > $d/hosts; printf 'hosts: files dns\\n' > $d/nsswitch.conf; : > $d/resolv.conf
    for f in resolv.conf hosts nsswitch.conf; do mount --bind $d/$f /etc/$f; done
    cd ${root}; node --import tsx test/apps/query-log.ts > $d/log & server=$!
    until grep -q ready $d/log; do sleep 0.1; done
    ( tail -n +1 -f $d/log & echo $! > $d/tail; exec cat > /dev/null < /dev/null )
    ${script('/etc/resolv.conf', `python3 ${TOOLS}/`)}
    sleep 0.2; kill $server $(cat $d/tail); rm -r $d`;
  return new Promise((done) => {
    const child = spawn('unshare', ['-m', '-n', 'bash', '-s'], { stdio: ['pipe', 'pipe', 'inherit'] });
    let out = '';
    child.stdout.on('data', (d: Buffer) => {
      out += d.toString();
    });
    child.on('close', () => done(out));
    child.stdin.end(whole);
  });
}

describe.skipIf(reason !== null)('against glibc', () => {
  let real: string[] = [];
  let emulated: string[] = [];

  beforeAll(async () => {
    const [theirs, ours] = await Promise.all([
      runReal(),
      runShell(`${NETWORK}\nquery-log &\nsleep 0.1\n${script('/etc/resolv.conf', '')}\n`, { commands: [queryLog] }),
    ]);
    real = pages(theirs);
    emulated = pages(ours.all);
  }, 600_000);

  it.each(CASES.map((c, i) => [...c, i] as const))('%s: %s', (_options, _command, i) => {
    expect(real.length).toBe(CASES.length);
    expect(emulated[i]).toBe(real[i]);
  });
});
