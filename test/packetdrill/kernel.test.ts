// Proves that our TCP does what Linux 6.18 did in the same situations: the scripts in scripts/ are recordings of the real
// kernel behind a tun device (record.ts), played against ours packet by packet.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { framesInUse } from '../../src/link/frame.ts';
import { parseScript } from './parser.ts';
import { runScript } from './run.ts';
import { scriptsIn, Table } from './table.ts';

const OURS = join(import.meta.dirname, 'scripts');

describe('what the real kernel did', () => {
  const table = new Table(OURS);
  afterAll(() => table.print('recordings of the kernel'));

  for (const name of scriptsIn(OURS)) {
    it(name, () => {
      const before = framesInUse();
      expect(table.play(name, true)).toEqual({ verdict: 'passed', why: '' });
      expect(framesInUse(), 'frames left over').toBe(before);
    });
  }
});

/**
 * Random recordings that may differ. Timers that fired within a few milliseconds of an event: where the kernel's clock stood
 * among its ticks is not known. And ACKs that were delayed or not as the window could open or not, which the memory of an skb
 * of tun decides.
 */
const CHANCE = {
  timer: ['seed 245', 'seed 329', 'seed 446'],
  memory: ['seed 269', 'seed 408', 'seed 464', 'seed 482'],
};

describe('random stimuli', () => {
  it('get from our TCP what the real kernel gave', () => {
    const parts = readFileSync(join(import.meta.dirname, 'random-recordings.txt'), 'utf8')
      .split('#### ')
      .slice(1);
    const before = framesInUse();
    const differing: string[] = [];
    for (const part of parts) {
      const end = part.indexOf('\n');
      const outcome = runScript(parseScript(part.slice(end + 1)), true);
      const name = part.slice(0, end);
      if (outcome.verdict === 'passed' || CHANCE.timer.includes(name) || CHANCE.memory.includes(name)) continue;
      differing.push(`${name}: ${outcome.why}`);
    }
    expect(differing).toEqual([]);
    expect(parts.length).toBeGreaterThan(100);
    expect(framesInUse()).toBe(before);
  });
});
