// Proves that the integer tables agree with a Map over any sequence of operations, through growth and deletion.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { IntTable, MISSING, PairTable } from '../../src/base/int-table.ts';

// Few distinct keys, so that operations meet; the extremes of 32 bits among them.
const key = fc.oneof(fc.integer({ min: -8, max: 40 }), fc.constantFrom(0x7fffffff, -0x80000000, -1, 0x0af40102));
const value = fc.integer({ min: 0, max: 0x7fffffff });
const operation = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('set' as const), a: key, b: key, value }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('delete' as const), a: key, b: key, value }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('clear' as const), a: key, b: key, value }) },
);

describe('IntTable', () => {
  it('answers like a Map', () => {
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 300 }), (operations) => {
        const table = new IntTable();
        const map = new Map<number, number>();
        for (const o of operations) {
          if (o.kind === 'set') {
            table.set(o.a, o.value);
            map.set(o.a, o.value);
          } else if (o.kind === 'delete') expect(table.delete(o.a)).toBe(map.delete(o.a));
          else {
            table.clear();
            map.clear();
          }
          expect(table.size).toBe(map.size);
          expect(table.get(o.b)).toBe(map.get(o.b) ?? MISSING);
        }
        for (const [k, v] of map) expect(table.get(k)).toBe(v);
      }),
    );
  });

  it('takes an address as signed or unsigned for the same key', () => {
    const table = new IntTable();
    table.set(0xc0a80001, 7);
    expect(table.get(0xc0a80001 | 0)).toBe(7);
    table.set(0xc0a80001 | 0, 8);
    expect(table.size).toBe(1);
    expect(table.delete(0xc0a80001)).toBe(true);
  });

  it('holds a whole /16 of addresses, and gives every other one back', () => {
    const table = new IntTable(4);
    for (let i = 0; i < 65_536; i++) table.set(0x0af40000 | i, i);
    for (let i = 0; i < 65_536; i += 2) expect(table.delete(0x0af40000 | i)).toBe(true);
    expect(table.size).toBe(32_768);
    for (let i = 0; i < 65_536; i++) expect(table.get(0x0af40000 | i)).toBe(i % 2 === 0 ? MISSING : i);
  });
});

describe('PairTable', () => {
  it('answers like a Map', () => {
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 300 }), (operations) => {
        const table = new PairTable();
        const map = new Map<string, number>();
        for (const o of operations) {
          const k = `${o.a},${o.b}`;
          if (o.kind === 'set') {
            table.set(o.a, o.b, o.value);
            map.set(k, o.value);
          } else if (o.kind === 'delete') expect(table.delete(o.a, o.b)).toBe(map.delete(k));
          else {
            table.clear();
            map.clear();
          }
          expect(table.size).toBe(map.size);
          expect(table.get(o.b, o.a)).toBe(map.get(`${o.b},${o.a}`) ?? MISSING);
        }
        for (const [k, v] of map) {
          const [a, b] = k.split(',').map(Number) as [number, number];
          expect(table.get(a, b)).toBe(v);
        }
      }),
    );
  });

  it('keeps (a, b) and (b, a) apart, and the MACs of a rack', () => {
    const table = new PairTable();
    table.set(1, 2, 12);
    table.set(2, 1, 21);
    expect([table.get(1, 2), table.get(2, 1)]).toEqual([12, 21]);
    for (let i = 0; i < 10_000; i++) table.set(0x0a58, 0x0af40000 + i, i);
    for (let i = 0; i < 10_000; i++) expect(table.get(0x0a58, 0x0af40000 + i)).toBe(i);
  });
});
