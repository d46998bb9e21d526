// Proves that a program which prints without end does not fill the memory with what is kept of it.

import { expect, it } from 'vitest';
import { KEPT_MAX, kept } from '../../src/shell/output.ts';

it('keeps all of an output up to the limit, and says once that there was more', () => {
  expect(kept('a', 'b')).toBe('ab');
  const full = kept('x'.repeat(KEPT_MAX - 2), 'yy');
  expect(full.length).toBe(KEPT_MAX);
  const cut = kept(full, 'z');
  expect(cut.slice(KEPT_MAX)).toBe(`\n[more than ${KEPT_MAX} characters: the rest is not kept]\n`);
  expect(kept(cut, 'z'.repeat(1000))).toBe(cut);
  expect(kept('x'.repeat(KEPT_MAX - 1), 'yz').startsWith('xy', KEPT_MAX - 2)).toBe(true);
});
