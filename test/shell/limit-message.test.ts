// Proves that no setting of the shell's library is named to a person: each limit that can be met is told in podwire's words.

import { Bash } from 'just-bash';
import { describe, expect, it } from 'vitest';
import { explainLimits } from '../../src/shell/limit-message.ts';

const LIMITS = {
  maxLoopIterations: 20,
  maxCommandCount: 200,
  maxCallDepth: 10,
  maxOutputSize: 4096,
  maxJqIterations: 10,
};

describe('a limit of the shell', () => {
  it.each([
    ['while true; do :; done', 'while loop: stopped after 20 rounds'],
    ['until false; do :; done', 'until loop: stopped after 20 rounds'],
    ['for ((;;)); do :; done', 'for loop: stopped after 20 rounds'],
    ['f() { f; }; f', 'f: stopped at 10 calls within one another'],
    ['eval "$(printf \': ; %.0s\' {1..300})"', 'stopped after 200 commands'],
    ['for i in 1 2 3 4 5; do printf "%01000d" 1; done', 'stopped at 4096 bytes of output'],
  ])('is explained: %s', async (source, words) => {
    const { stderr } = await new Bash({ executionLimits: LIMITS }).exec(source);
    expect(stderr).toContain('executionLimits');
    const explained = explainLimits(stderr);
    expect(explained).toContain(words);
    expect(explained).not.toContain('executionLimits');
  });

  it('is explained when it is one that has no advice', () => {
    expect(explainLimits('bash: jq while: too many iterations (10), increase executionLimits.maxJqIterations\n')).toBe(
      "bash: jq while: too many iterations (10): a limit of podwire's shell\n",
    );
  });

  it('leaves every other text as it is', () => {
    for (const text of ['', 'ping: connect: Network is unreachable\n', 'increase executionLimits.x\n'])
      expect(explainLimits(text)).toBe(text);
  });
});
