// Proves that one odd segment, whatever its flags, gets from our TCP in every state what Linux 6.18 gives it, and leaves the
// connection as Linux leaves it (bad inputs 17).

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { framesInUse } from '../../src/link/frame.ts';
import { type Answers, FLAGS, LENGTHS, probes, STATES } from './flag-scripts.ts';
import { parseScript } from './parser.ts';
import { runScript } from './run.ts';

const ANSWERS = JSON.parse(readFileSync(join(import.meta.dirname, 'flag-answers.json'), 'utf8')) as Answers;

describe.each(Object.keys(STATES))('in %s', (state) => {
  it.each(LENGTHS)('every combination of flags, with %i bytes, is answered as the kernel answers it', (length) => {
    const before = framesInUse();
    const differing: string[] = [];
    for (const flags of FLAGS) {
      const [odd, after] = ANSWERS[`${state}/${flags}/${length}`]!;
      const [first, second] = probes(state, flags, length);
      const lines = [first, ...odd.map((l) => `0.030 ${l}`), second, ...after.map((l) => `0.036 ${l}`)];
      const outcome = runScript(parseScript(`${STATES[state]![0]}${lines.join('\n')}\n`), true);
      if (outcome.verdict !== 'passed') differing.push(`${flags}: ${outcome.why}`);
    }
    expect(differing).toEqual([]);
    expect(framesInUse()).toBe(before);
  });
});
