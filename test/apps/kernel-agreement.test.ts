// Proves: ping, arping and traceroute print in the emulated network what the real tools print in the same network on a
// real kernel, with the same exit statuses; only times are left out. Needs root and the tools.

import { execFileSync, spawnSync } from 'node:child_process';
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
];

const script = `${TOPOLOGY}
${COMMANDS.map((c) => {
  const [netns, ...command] = c.split(' ');
  return `echo '== ${c}'; ip netns exec ${netns} ${command.join(' ')} 2>&1; echo "status $?"`;
}).join('\n')}
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
  for (const part of withoutTimes(text).split(/^== /m).slice(1)) {
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
    const output = execFileSync('unshare', ['-m', '-n', 'sh', '-c', inside], {
      input: script,
      encoding: 'utf8',
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    real = sections(output);
    emulated = sections((await runLab(script)).output);
  }, 120_000);

  it.each(COMMANDS)('%s', (command) => {
    expect(real.get(command)).toMatch(/status \d+\n$/);
    expect(emulated.get(command)).toBe(real.get(command));
  });
});
