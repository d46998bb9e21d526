// Proves: dig, nslookup (BIND's and busybox's), getent and gai.py print in the emulated network what the real ones print when
// the same name server answers them on a real kernel, with the same exit statuses; only ids, cookies and times are left out. Needs
// root, the tools, and for gai.py the shared folder.

import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { runShell } from '../shell/rig.ts';
import { tableDns } from './dns-table.ts';

const NAMES = ['web', 'alias.test', 'ra.test', 'v6.test', 'nodata.test', 'nothing.test', 'fail.test', 'ref.test'];

const COMMANDS: readonly string[] = [
  'dig +short web.default.svc.cluster.local',
  'dig web.default.svc.cluster.local',
  'dig alias.test',
  'dig +noall +answer alias.test',
  'dig nothing.test',
  'dig ra.test AAAA',
  'dig fail.test',
  'dig ref.test',
  'dig SRV srv.test',
  'dig +short mx.test mx',
  'dig txt.test txt',
  'dig +short txt.test txt',
  'dig ns.test ns',
  'dig -x 10.96.0.1',
  'dig +short -x 10.96.0.1',
  'dig caa.test caa +noall +answer',
  'dig odd.test TYPE65280 +noall +answer',
  'dig soa.test soa +noall +answer',
  'dig a.test +noall +answer',
  'dig ab.test +noall +answer',
  'dig a.test',
  'dig ab.test',
  'dig a-name-of-31-characters.x.test',
  'dig +search web +noall +answer',
  'dig +time=1 +tries=2 drop.test',
  'dig @10.96.0.10 -p 54 x.test +time=1 +tries=2',
  'dig @10.96.0.10 ra.test',
  'dig +nocomments ra.test',
  'dig +nocmd +noquestion +nostats ra.test',
  'dig +noedns ra.test',
  'dig +nocookie ra.test',
  'dig +noall +answer +comments ra.test',
  'dig +norecurse ra.test',
  'dig +dnssec ra.test',
  ...NAMES.map((n) => `nslookup ${n}`),
  'nslookup kubernetes',
  'nslookup -type=srv srv.test',
  'nslookup -type=mx mx.test',
  'nslookup -type=txt txt.test',
  'nslookup -type=soa soa.test',
  'nslookup -type=ns ns.test',
  'nslookup -type=aaaa ra.test',
  'nslookup 10.96.0.1',
  'nslookup 10.96.0.5',
  'nslookup web 10.96.0.10',
  'nslookup -timeout=1 drop.test',
  'nslookup -port=54 -timeout=1 ra.test 10.96.0.10',
  ...NAMES.map((n) => `busybox nslookup ${n}`),
  'busybox nslookup kubernetes.default',
  'busybox nslookup 10.96.0.1',
  'busybox nslookup -type=srv srv.test',
  'busybox nslookup -type=mx mx.test',
  'busybox nslookup -type=txt txt.test',
  'busybox nslookup -type=soa soa.test',
  'busybox nslookup -type=a ra.test',
  'busybox nslookup web 10.96.0.10',
  'busybox nslookup drop.test',
  ...NAMES.map((n) => `getent ahosts ${n}`),
  ...NAMES.map((n) => `getent hosts ${n}`),
  'getent ahostsv4 alias.test',
  'getent ahostsv6 alias.test',
  'getent ahosts 10.1.1.1',
  'getent hosts 10.96.0.1',
  'getent hosts 10.96.0.9',
  'getent ahosts localhost',
  'getent hosts localhost',
  'getent ahosts web alias.test nothing.test',
];
const PROGRAMS: readonly string[] = [...NAMES, '10.1.2.3'].map((n) => `gai.py ${n}`);

const TOOLS = resolve(import.meta.dirname, '../../../shared/golden/tools');
const withPrograms = existsSync(TOOLS) && spawnSync('python3', ['-V']).status === 0;
if (!withPrograms) console.warn('dns-tools: gai.py skipped, there is no shared folder beside the checkout');
const ALL = [...COMMANDS, ...(withPrograms ? PROGRAMS : [])];

function missing(): string | null {
  if (process.getuid?.() !== 0) return 'not root';
  for (const tool of ['ip', 'dig', 'nslookup', 'busybox', 'getent', 'unshare']) {
    if (spawnSync('sh', ['-c', `command -v ${tool}`]).status !== 0) return `no ${tool}`;
  }
  if (!spawnSync('dig', ['-v'], { encoding: 'utf8' }).stderr.includes('DiG 9.18')) return 'dig is not 9.18';
  return spawnSync('unshare', ['-m', '-n', 'true']).status === 0 ? null : 'namespaces cannot be made here';
}

const reason = missing();
if (reason !== null) console.warn(`dns-tools: skipped, ${reason}`);

const NETWORK = 'ip link set lo up; ip addr add 10.96.0.10/32 dev lo';
const RESOLV =
  'search default.svc.cluster.local svc.cluster.local cluster.local\\nnameserver 10.96.0.10\\noptions ndots:5\\n';
const HOSTS = '127.0.0.1\\tlocalhost\\n::1\\tlocalhost ip6-localhost ip6-loopback\\n';

function lines(python: string): string {
  return ALL.map((c) => {
    const call = c.startsWith('gai.py') ? `${python}${c}` : c;
    return `echo '== ${c}'; ${call} 2>&1; echo "status $?"`;
  }).join('\n');
}

function sections(text: string): Map<string, string> {
  const found = new Map<string, string>();
  const told = text
    .replace(/, id: \d+/g, ', id: N')
    .replace(/Query time: \d+ msec/g, 'Query time: T msec')
    .replace(/WHEN: .*/g, 'WHEN: T')
    .replace(/COOKIE: [0-9a-f]{16} /g, 'COOKIE: C ')
    .replace(/DiG 9\.18\S+/g, 'DiG 9.18');
  for (const part of told.split(/^== /m).slice(1)) {
    const end = part.indexOf('\n');
    found.set(part.slice(0, end), part.slice(end + 1));
  }
  return found;
}

/** Runs the commands in namespaces of their own, beside the server. */
function runReal(): Promise<string> {
  const root = resolve(import.meta.dirname, '../..');
  const script = `
    ${NETWORK}
    d=$(mktemp -d); printf '${RESOLV}' > $d/resolv.conf; printf '${HOSTS}' > $d/hosts; printf 'hosts: files dns\\n' > $d/nsswitch.conf
    for f in resolv.conf hosts nsswitch.conf; do mount --bind $d/$f /etc/$f; done
    cd ${root}; node --import tsx test/apps/dns-table.ts > $d/log & server=$!
    until grep -q ready $d/log; do sleep 0.1; done
    ${lines(`python3 ${TOOLS}/`)}
    kill $server; rm -r $d`;
  return new Promise((done) => {
    const child = spawn('unshare', ['-m', '-n', 'bash', '-s'], { stdio: ['pipe', 'pipe', 'inherit'] });
    let out = '';
    child.stdout.on('data', (d: Buffer) => {
      out += d.toString();
    });
    child.on('close', () => done(out));
    child.stdin.end(script);
  });
}

describe.skipIf(reason !== null)(
  'asked by the same name server the emulated tool prints what the real one prints',
  () => {
    let real = new Map<string, string>();
    let emulated = new Map<string, string>();

    beforeAll(async () => {
      const [theirs, ours] = await Promise.all([
        runReal(),
        runShell(`${NETWORK}\nprintf '${RESOLV}' > /etc/resolv.conf\ntable-dns &\nsleep 0.1\n${lines('')}\n`, {
          commands: [tableDns],
        }),
      ]);
      real = sections(theirs);
      emulated = sections(ours.all);
    }, 180_000);

    it.each(ALL)('%s', (command) => {
      expect(real.get(command)).toMatch(/status \d+\n$/);
      expect(emulated.get(command)).toBe(real.get(command));
    });
  },
);
