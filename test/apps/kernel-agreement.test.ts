// Proves: ping, arping and traceroute print in the emulated network what the real tools print in the same network on a
// real kernel, with the same exit statuses, and udpsend, sendraw and tcphold what the scripts of the reference stimuli
// print; only times are left out. Needs root, the tools, and for the scripts the shared folder.

import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { runLab, TOPOLOGY, withoutTimes } from './lab.ts';

const COMMANDS: readonly string[] = [
  'a ping -c 2 -i 0.2 10.9.0.2',
  'a ping -c 1 -t 1 10.9.1.1',
  'a ping -c 2 -i 0.2 -q 10.9.1.1',
  'a ping -c 1 -s 0 10.9.1.1',
  'a ping -c 1 -s 15 10.9.1.1',
  'a ping -c 1 -p ff00 -s 20 10.9.1.1',
  'a ping -c 2 -i 0.2 -M do -s 1473 10.9.1.1',
  'a ping -c 1 -s 4000 10.9.1.1',
  'a ping -c 3 -l 3 10.9.1.1',
  'a ping -c 3 -i 0.002 10.9.1.1',
  'a ping -f -c 3 -q 10.9.1.1',
  'a ping -A -c 2 10.9.1.1',
  'a ping -c 1 -W 0.2 10.77.0.1',
  'a ping -c 1 -W 0.2 10.78.0.1',
  'a ping -c 1 -W 0.2 10.79.0.1',
  'a ping -c 2 -i 0.2 -O -W 0.2 10.79.0.1',
  'a ping -c 1 -W 0.2 10.66.0.1',
  'a ping -c 1 -w 1 10.9.1.1',
  'a ping -c 2 -w 1 10.79.0.1',
  'a ping -c 1 10.88.0.1',
  'r ping -c 1 10.55.0.1',
  'r ping -c 1 10.78.0.1',
  'r ping -c 1 10.79.0.1',
  'a ping -c 1 10.9.0.255',
  'a ping -c 1 -W 0.2 -b 10.9.0.255',
  'a ping -c 1 -I eth0 10.9.1.1',
  'a ping -c 1 -I 10.9.0.1 10.9.1.1',
  'a ping -c 1 -I nope 10.9.1.1',
  'a ping -c 1 -I 1.2.3.4 10.9.1.1',
  'a ping -c 1 127.1',
  'a ping -c 1 10.9.0.1',
  'a ping -c 0 10.9.1.1',
  'a ping -c x 10.9.1.1',
  'a ping -t 300 10.9.1.1',
  'a ping -M foo 10.9.1.1',
  'a ping -Q 300 10.9.1.1',
  'a ping -l 70000 10.9.1.1',
  'a ping',
  'a arping -c 1 -I eth0 10.9.0.2',
  'a arping -f -I eth0 10.9.0.2',
  'a arping -c 1 10.9.0.2',
  'a arping -D -c 1 -I eth0 10.9.0.2',
  'a arping -D -c 1 -I eth0 10.9.0.9',
  'a arping -U -c 1 -I eth0 10.9.0.1',
  'a arping -A -c 1 -I eth0 10.9.0.1',
  'a arping -q -c 1 -I eth0 10.9.0.2',
  'a arping -c 1 -w 3 -I eth0 10.9.0.2',
  'a arping -c 1 -I eth0 10.9.0.9',
  'a arping -U -c 1 -I eth0 10.9.0.9',
  'a arping -s 10.9.0.55 -c 1 -I eth0 10.9.0.2',
  'a arping -c 1 -I nope 10.9.0.2',
  'a arping -c 1 -I lo 10.9.0.2',
  'a arping -c 0 -I eth0 10.9.0.2',
  'a arping -c x -I eth0 10.9.0.2',
  'a traceroute -n -q 1 -N 1 10.9.1.1',
  'a traceroute -n -I -q 2 10.9.1.1',
  'b traceroute -n -q 1 10.77.0.1',
  'b traceroute -n -I -q 1 10.78.0.1',
  'a traceroute -n -q 1 -w 0.3 -m 3 10.79.0.1',
  'a traceroute -n -F -m 2 10.9.0.2 2000',
  'a traceroute -n -q 1 -f 2 10.9.1.1 1400',
  'a traceroute -n -q 1 -s 10.9.0.1 -i eth0 -p 40000 10.9.0.2',
  'a traceroute -n -i nope 10.9.0.2',
  'a traceroute -n -s 1.2.3.4 10.9.0.2',
  'a traceroute -n -f 31 10.9.0.2',
  'a traceroute -n -q 11 10.9.0.2',
  'r traceroute -n 10.55.0.1',
  'r traceroute -n -I 10.55.0.1',
  'a ping -c 1 -i 0.1s 10.88.0.1',
  'a ping -c 1 -W x 10.88.0.1',
  'a ping -s -1 10.9.0.2',
  'a ping -p zz 10.9.0.2',
  'a ping -w -1 10.9.0.2',
  'a ping -c 1 -W 0.2 -s 70000 10.9.0.2',
  'a traceroute -q x 10.9.0.2',
  'a traceroute -m 300 10.9.0.2',
  'a traceroute -Z 10.9.0.2',
  'a traceroute -q',
  'a traceroute --foo 10.9.0.2',
  'a traceroute -n 10.9.0.2 x',
  'a traceroute -n',
  'a traceroute -z x 10.9.0.2',
  'a traceroute -w x 10.9.0.2',
];

/** Scripts of the shared folder against the built-in commands of their names; an echo server runs in b. */
const PROGRAMS: readonly string[] = [
  'a udpsend.py 10.77.0.1 9 --sizes 30 --connect --recverr --wait 0.2',
  'a udpsend.py 10.78.0.1 9 --sizes 30 --connect --recverr --wait 0.2',
  'a udpsend.py 10.9.1.1 9000 --sizes 0,1,1400,1472,1473,5000 --gap 0.01',
  'a udpsend.py 10.9.1.1 9000 --sizes 1472,1473 --df do --gap 0.01',
  'a udpsend.py 10.9.1.1 9000 --sizes 100,1473 --df probe --recverr --gap 0.01',
  'a udpsend.py 10.9.1.1 9000 --sizes 100,1473 --df dont --gap 0.01',
  'a udpsend.py 10.9.1.1 9000 --sizes 1,2 --connect --gap 0.01 --tos 16 --ttl 7 --sport 4001',
  'a udpsend.py 10.9.1.1 9 --sizes 1,2 --connect --gap 0.01',
  'a udpsend.py 10.9.1.1 9 --sizes 1,600 --connect --recverr --gap 0.01',
  'a udpsend.py 10.9.1.1 9 --sizes 1 --wait 0.2',
  'a udpsend.py 10.9.1.1 9000 --sizes 3 --noreply',
  'a udpsend.py 10.88.0.1 9 --sizes 1,2 --gap 0.01',
  'a udpsend.py 10.88.0.1 9 --sizes 1 --connect',
  'a udpsend.py 10.9.1.1 9 --sizes 70000',
  'a udpsend.py 10.9.0.255 9 --sizes 1',
  'a udpsend.py 10.9.1.1 0 --sizes 1',
  'a udpsend.py 10.9.1.1 70000 --sizes 1',
  'a udpsend.py 10.9.1.1 9 --df x',
  'a udpsend.py 10.9.1.1 9 --sizes 1,x',
  'a udpsend.py 10.9.1.1 9 --ttl 0',
  'a udpecho.py',
  'a udpecho.py 99 1.2.3.4',
  'a sendraw.py nope 0102',
  'a sendraw.py eth0 0102',
  'a sendraw.py eth0 02:00:00:00:00:10:02:00:00:00:00:0a:88:b5:00 zz',
  `a sendraw.py eth0 ${'0'.repeat(3100)}`,
  'a tcphold.py client 10.9.1.1 81 1 0.2 --sport 4000',
  'a tcphold.py client 10.88.0.1 80 1 0.2',
  'r tcphold.py client 10.55.0.1 80 1 0.2',
  'a tcphold.py client 10.9.0.1 80 1 0.2',
];

const SHARED_TOOLS = resolve(import.meta.dirname, '../../../shared/golden/tools');
const withPrograms = existsSync(SHARED_TOOLS) && spawnSync('python3', ['-V']).status === 0;
if (!withPrograms) console.warn('kernel-agreement: scripts skipped, there is no shared folder beside the checkout');

function run(c: string, python: boolean): string {
  const [netns, ...command] = c.split(' ');
  const line = `ip netns exec ${netns} ${python ? 'python3 $TOOLS/' : ''}${command.join(' ')}`;
  return `echo '== ${c}'; ${line} 2>&1; echo "status $?"`;
}

const script = `${TOPOLOGY}
${COMMANDS.map((c) => run(c, false)).join('\n')}
`;
const programs = `
# How many errors came before is chance: no limit here, and time for the limit of route errors to recover.
for n in r b; do ip netns exec $n sysctl -qw net.ipv4.icmp_ratelimit=0; done
ip netns exec b python3 $TOOLS/udpecho.py 9000 & sleep 4
${PROGRAMS.map((c) => run(c, true)).join('\n')}
kill $!
`;

function missing(): string | null {
  if (process.getuid?.() !== 0) return 'not root';
  for (const tool of ['ip', 'ping', 'arping', 'traceroute', 'unshare']) {
    if (spawnSync('sh', ['-c', `command -v ${tool}`]).status !== 0) return `no ${tool}`;
  }
  if (!spawnSync('ping', ['-V'], { encoding: 'utf8' }).stdout.includes('iputils')) return 'ping is not that of iputils';
  const probe = spawnSync('unshare', ['-m', '-n', 'sh', '-c', 'mkdir -p /run/netns && mount -t tmpfs none /run/netns']);
  return probe.status === 0 ? null : 'namespaces cannot be made here';
}

const reason = missing();
if (reason !== null) console.warn(`kernel-agreement: skipped, ${reason}`);

/** Output and status of each command. */
function sections(text: string): Map<string, string> {
  const found = new Map<string, string>();
  // The lines of source in a traceback are the script's own.
  const told = withoutTimes(text)
    .replace(/^ {2}File .*\n( {4}.*\n)*/gm, '')
    .replace(/^usage: [\s\S]*?(?=^\S+: error)/gm, '')
    .replace(/after [\d.]+s/g, 'after Ts')
    .replace(/^\d\.\d{3} /gm, 'T ');
  for (const part of told.split(/^== /m).slice(1)) {
    const end = part.indexOf('\n');
    found.set(part.slice(0, end), part.slice(end + 1));
  }
  return found;
}

describe.skipIf(reason !== null)('in the same network the emulated tool prints what the real one prints', () => {
  let real = new Map<string, string>();
  let emulated = new Map<string, string>();

  beforeAll(async () => {
    const inside = 'mkdir -p /run/netns; mount -t tmpfs none /run/netns; exec bash -s';
    const whole = script + (withPrograms ? programs : '');
    const output = execFileSync('unshare', ['-m', '-n', 'sh', '-c', inside], {
      input: `TOOLS=${SHARED_TOOLS}\n${whole}`,
      encoding: 'utf8',
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    real = sections(output);
    emulated = sections((await runLab(whole)).output);
  }, 120_000);

  const same = (command: string) => {
    expect(real.get(command)).toMatch(/status \d+\n$/);
    expect(emulated.get(command)).toBe(real.get(command));
  };
  it.each(COMMANDS)('%s', same);
  it.skipIf(!withPrograms).each(PROGRAMS)('%s', same);
});
