// Proves that random rules over random packets count on the kernel and here the same: every match, jump, goto, return and
// verdict, rule by rule.

import { describe, expect, it } from 'vitest';
import { Rng } from '../../src/base/rng.ts';
import { countHere } from './count-here.ts';
import { countOnKernel, kernelTablesMissing } from './kernel-tables.ts';
import { randomPacket, randomTable, SETS } from './random-rules.ts';

const missing = kernelTablesMissing();
if (missing !== null) console.warn(`xtables-kernel.test: skipped (${missing})`);

const PACKETS = 150;

describe.skipIf(missing !== null)('random rules count as on the kernel', () => {
  for (let seed = 1; seed <= 24; seed++) {
    it(`seed ${seed}`, () => {
      const rng = new Rng(seed, 'rules');
      const most = seed % 3 === 0 ? 40 : 8;
      const kinds = { stateful: seed % 2 === 0 };
      const rules = randomTable(rng, 'mangle', most, kinds) + randomTable(rng, 'filter', most, kinds);
      const packets = Array.from({ length: PACKETS }, () => randomPacket(rng));
      expect(countHere(SETS, rules, packets, true)).toBe(countOnKernel(SETS, rules, packets));
    });
  }
});
