// Proves that a golden case's setup.sh, line by line, gives a machine whose `ip -d addr`, `ip route show table all` and
// `brctl show` read as the kernel's did (state.txt, taken after the stimulus; only what the stimulus does not change).

import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { EmulatedMachine } from './emulated.ts';

const GOLDEN = fileURLToPath(new URL('../../../../shared/golden/', import.meta.url));
const CASES = [
  '01-same-node-ping',
  '02-flannel-vxlan-ping',
  '03-vxlan-4789-learning',
  '07a-udp-echo-same-node',
  '07b-udp-echo-vxlan',
  '07c-pmtu-frag-needed',
  '09b-host-unreachable',
  '09d-ttl-exceeded',
  '13a-arp-lifecycle',
];
const QUESTIONS = ['ip -d addr', 'ip route show table all', 'brctl show'];
const missing = existsSync(GOLDEN) ? null : 'no ../shared/golden here';
if (missing !== null) console.warn(`golden-state: skipped: ${missing}`);

/** Sections of state.txt: "[netns] command" -> text. */
function sections(text: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const part of text.split(/^===== /m).slice(1)) {
    const at = part.indexOf('\n');
    found.set(
      part.slice(0, at),
      part
        .slice(at + 1)
        .replace(/\n\n$/, '\n')
        .replace(/^\n$/, ''),
    );
  }
  return found;
}

/** Times that only the moment decides. */
function timeless(text: string): string {
  return text.replaceAll(/(gc_timer|forward_delay_timer) +\d+\.\d\d/g, '$1 T');
}

describe.skipIf(missing !== null)('a golden setup', () => {
  it.each(CASES)('%s reads as on the kernel', async (name) => {
    const machine = new EmulatedMachine();
    const setup = readFileSync(`${GOLDEN}${name}/setup.sh`, 'utf8');
    for (const line of setup.split('\n')) {
      if (!/^(ip|bridge|brctl|sysctl) /.test(line) || line.includes('ethtool')) continue;
      const answer = await machine.run(line);
      expect(answer, line).toEqual({ out: '', status: 0 });
      machine.pass(0.01);
    }
    const state = sections(readFileSync(`${GOLDEN}${name}/state.txt`, 'utf8'));
    let asked = 0;
    for (const [title, text] of state) {
      const [, netns, command] = /^\[(\S+)\] (.*)$/.exec(title)!;
      if (!QUESTIONS.includes(command!)) continue;
      asked++;
      const answer = await machine.run(`ip netns exec ${netns} ${command}`);
      expect(timeless(answer.out), title).toBe(timeless(text));
    }
    expect(asked).toBeGreaterThan(5);
  });
});
