// Runs golden cases through `podwire lab` and holds every capture against the real kernel's with the cases' own judge,
// compare.py. A case passes when podwire agrees with the first recording at least as far as the kernel's second recording
// does, in the figure in which the kernel is steadier (kernel-vs-kernel.json).
//
//   npx tsx test/golden/run.ts [--golden DIR] [--keep DIR] [CASE...]
//
// Exit status 0: all pass; 1: a case does not; 3: the golden folder, python3 or the built program is not there.

import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { withoutTcp } from './without-tcp.ts';

/** The cases of the floors that stand. A case with TCP in it is held to its ARP, ICMP and UDP frames. */
const CASES: readonly {
  readonly name: string;
  readonly tcp: boolean;
  /** what chance chose in the recordings: draws, and where the timer wheel stood; the reason stands beside it */
  readonly seed?: number;
  readonly uptime?: string;
}[] = [
  { name: '01-same-node-ping', tcp: false },
  { name: '02-flannel-vxlan-ping', tcp: false },
  { name: '03-vxlan-4789-learning', tcp: false },
  { name: '07a-udp-echo-same-node', tcp: false },
  { name: '07b-udp-echo-vxlan', tcp: false },
  { name: '07c-pmtu-frag-needed', tcp: false },
  { name: '08c-tcp-echo-idle', tcp: false },
  { name: '09a-refused-and-port-unreachable', tcp: false },
  { name: '08a-tcp-http-same-node', tcp: false },
  { name: '08b-tcp-http-vxlan', tcp: false },
  { name: '09b-host-unreachable', tcp: false },
  { name: '09c-no-route', tcp: false },
  { name: '09d-ttl-exceeded', tcp: false },
  // A probe of the gateway's ARP and a SYN a tenth of a second apart: which is first depends on the timer's bucket of 256 ms.
  { name: '09e-reject-and-drop', tcp: false, uptime: '100ms' },
  { name: '09f-icmp-rate-limit', tcp: false },
  { name: '10a-clusterip', tcp: false },
  { name: '10b-hairpin', tcp: false },
  { name: '10c-hostnet-client', tcp: false },
  { name: '10d-nodeport', tcp: false },
  { name: '10e-no-endpoints', tcp: false },
  { name: '10f-udp-service-and-icmp-nat', tcp: false },
  { name: '10g-egress-masquerade', tcp: false },
  { name: '11-dns', tcp: false },
  { name: '12-bridge-learning', tcp: false },
  { name: '13a-arp-lifecycle', tcp: false },
  { name: '13b-gratuitous-arp', tcp: false },
  { name: '15-link-down', tcp: false },
  { name: '15b-tcp-through-link-down', tcp: false },
  // The gateway's entry for web1 has to become stale in the middle, as in the recordings: REACHABLE time is drawn, 15 to 45 s.
  { name: '16-conntrack-lifecycle', tcp: false, seed: 3 },
];

const root = resolve(import.meta.dirname, '..', '..');

interface Share {
  readonly share: number;
  readonly flow_share: number;
  readonly same: number;
  readonly frames: number;
}

function fail(message: string): never {
  console.error(`golden: ${message}`);
  process.exit(3);
}

function compare(golden: string, caseDir: string, out: string): { text: string; figures: Share } {
  const tool = join(golden, 'tools', 'compare.py');
  const json = spawnSync('python3', [tool, caseDir, out, '--json'], { encoding: 'utf8' });
  if (json.status === null || json.status > 1) fail(`compare.py: ${json.stderr}`);
  const text = spawnSync('python3', [tool, caseDir, out, '--show', '4'], { encoding: 'utf8' }).stdout;
  return { text, figures: JSON.parse(json.stdout) as Share };
}

/** A copy of a case or result folder whose captures hold no TCP. */
function stripped(dir: string, into: string): string {
  mkdirSync(into, { recursive: true });
  for (const file of readdirSync(dir)) {
    if (file.endsWith('.pcapng')) writeFileSync(join(into, file), withoutTcp(readFileSync(join(dir, file))));
    else if (file === 'topology.json') cpSync(join(dir, file), join(into, file));
  }
  return into;
}

function main(argv: readonly string[]): number {
  let golden = resolve(root, '..', 'shared', 'golden');
  let keep = '';
  const wanted: string[] = [];
  for (let i = 0; i < argv.length; i++) {
    if (argv[i] === '--golden') golden = resolve(argv[++i] ?? '');
    else if (argv[i] === '--keep') keep = resolve(argv[++i] ?? '');
    else wanted.push(argv[i]!);
  }
  if (!existsSync(join(golden, 'tools', 'compare.py'))) fail(`no golden captures at ${golden}`);
  const program = join(root, 'dist', 'cli', 'main.js');
  if (!existsSync(program)) fail('dist/cli/main.js is missing: npm run build');
  const kernel = JSON.parse(readFileSync(join(golden, 'kernel-vs-kernel.json'), 'utf8')) as Record<string, Share>;
  const work = keep !== '' ? keep : mkdtempSync(join(tmpdir(), 'podwire-golden-'));
  const names = wanted.length > 0 ? wanted : CASES.map((c) => c.name);
  let failed = 0;
  for (const given of names) {
    const name = readdirSync(golden).find((d) => d === basename(given) || d.startsWith(`${given}-`)) ?? given;
    const caseDir = join(golden, name);
    const out = join(work, name);
    rmSync(out, { recursive: true, force: true });
    const { seed, uptime } = CASES.find((c) => c.name === name) ?? { seed: undefined, uptime: undefined };
    const seeded = [
      ...(seed === undefined ? [] : ['--seed', String(seed)]),
      ...(uptime === undefined ? [] : ['--uptime', uptime]),
    ];
    const run = spawnSync(process.execPath, [program, 'lab', caseDir, '--out', out, ...seeded], { encoding: 'utf8' });
    if (run.status !== 0) {
      failed++;
      console.log(`${name}: podwire lab ended with ${run.status}\n${run.stderr.slice(-2000)}`);
      continue;
    }
    writeFileSync(join(out, 'output.txt'), run.stdout);
    const tcp = CASES.find((c) => c.name === name)?.tcp ?? false;
    const left = tcp ? stripped(caseDir, join(work, `${name}.want`)) : caseDir;
    const right = tcp ? stripped(out, join(work, `${name}.got`)) : out;
    const { text, figures } = compare(golden, left, right);
    const again = tcp
      ? compare(golden, left, stripped(join(caseDir, 'again'), join(work, `${name}.again`))).figures
      : kernel[name];
    const byFlow = again !== undefined && again.flow_share > again.share;
    const floor = again === undefined ? 1 : byFlow ? again.flow_share : again.share;
    const reached = byFlow ? figures.flow_share : figures.share;
    const ok = reached >= floor;
    if (!ok) failed++;
    console.log(
      `${ok ? 'ok  ' : 'FAIL'} ${name.padEnd(26)} frames ${figures.same} of ${figures.frames} (${figures.share}), flows ${figures.flow_share}; the kernel itself ${again?.share ?? '-'}, flows ${again?.flow_share ?? '-'}${tcp ? '; without TCP' : ''}`,
    );
    if (!ok || figures.share < 1) console.log(text.replace(/^(?!$)/gm, '     '));
  }
  if (keep === '') rmSync(work, { recursive: true, force: true });
  console.log(`golden: ${names.length - failed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

process.exit(main(process.argv.slice(2)));
