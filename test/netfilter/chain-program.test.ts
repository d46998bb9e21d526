// Proves that the indexed walk through long chains does what the plain walk does: the same rules count the same packets.

import { describe, expect, it } from 'vitest';
import { Rng } from '../../src/base/rng.ts';
import { INDEX_MINIMUM } from '../../src/netfilter/xtables/chain-program.ts';
import { countHere } from './count-here.ts';
import { randomPacket, randomTable, SETS } from './random-rules.ts';

describe('a long chain', () => {
  for (let seed = 1; seed <= 30; seed++) {
    it(`counts as the plain walk does, seed ${seed}`, () => {
      const rng = new Rng(seed, 'long');
      const rules =
        randomTable(rng, 'mangle', 200, { stateful: true }) + randomTable(rng, 'filter', 200, { stateful: true });
      const packets = Array.from({ length: 200 }, () => randomPacket(rng));
      expect(countHere(SETS, rules, packets, true)).toBe(countHere(SETS, rules, packets, false));
    });
  }

  it('of Services finds the one of the packet, between rules that are asked always', () => {
    let rules = '*filter\n:OUTPUT ACCEPT [0:0]\n';
    for (let i = 0; i < 10 * INDEX_MINIMUM; i++) {
      rules += `-A OUTPUT -d 10.0.${i % 2}.${i % 3}/32 -p tcp -m comment --comment x -m tcp --dport ${i % 2 === 0 ? 80 : 443}\n`;
      if (i % 7 === 0) rules += '-A OUTPUT -m statistic --mode nth --every 3 --packet 0 -m tcp -p tcp --dport 80\n';
      if (i % 11 === 0)
        rules += '-A OUTPUT -p udp -m udp --dport 53\n-A OUTPUT ! -d 10.0.0.1/32 -p tcp -m tcp --dport 80\n';
    }
    rules += 'COMMIT\n';
    const rng = new Rng(5, 'services');
    const packets = Array.from({ length: 300 }, () => randomPacket(rng));
    const counted = countHere('', rules, packets, true);
    expect(counted).toBe(countHere('', rules, packets, false));
    // Some of the Services were met, most were not.
    expect(counted.match(/^\[[1-9].*--dport 80$/gm)!.length).toBeGreaterThan(5);
    expect(counted.match(/^\[0:0\]/gm)!.length).toBeGreaterThan(50);
  });
});
