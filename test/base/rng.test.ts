// Proves that random streams repeat for the same seed and name, differ for others, and are evenly spread.

import fc from 'fast-check';
import { expect, it } from 'vitest';
import { hashText, Rng } from '../../src/base/rng.ts';

function draw(rng: Rng, n: number): number[] {
  return Array.from({ length: n }, () => rng.u32());
}

it('the same seed and name give the same numbers, on every platform', () => {
  fc.assert(
    fc.property(fc.maxSafeInteger(), fc.string(), (seed, name) => {
      expect(draw(new Rng(seed, name), 20)).toEqual(draw(new Rng(seed, name), 20));
    }),
  );
  // From an implementation in Python with big integers. Other numbers here would change every capture that exists.
  expect(draw(new Rng(1, 'cable/a--b/a/loss'), 4)).toEqual([3585312910, 2155941683, 2368925851, 3193144871]);
  expect(hashText('podwire') >>> 0).toBe(677924218);
});

it('another seed, another name or another half of a long seed gives other numbers', () => {
  const all = [new Rng(1, 'a'), new Rng(2, 'a'), new Rng(1, 'b'), new Rng(1 + 2 ** 32, 'a'), new Rng(1, 'a').fork('b')];
  const texts = all.map((rng) => draw(rng, 8).join());
  expect(new Set(texts).size).toBe(all.length);
});

it('a fork depends on the name only, not on what was drawn before', () => {
  const a = new Rng(9, 'x');
  const b = new Rng(9, 'x');
  draw(b, 100);
  expect(draw(a.fork('y'), 8)).toEqual(draw(b.fork('y'), 8));
  expect(a.fork('y').name).toBe('x/y');
});

it('below(n) stays below n, reaches every value, and none much more often than another', () => {
  const rng = new Rng(3, 'below');
  const counts = new Array<number>(10).fill(0);
  for (let i = 0; i < 100_000; i++) counts[rng.below(10)]!++;
  for (const c of counts) expect(Math.abs(c - 10_000)).toBeLessThan(500);
  for (const n of [1, 2, 2 ** 31, 2 ** 32]) {
    for (let i = 0; i < 100; i++) {
      const v = rng.below(n);
      expect(Number.isInteger(v) && v >= 0 && v < n).toBe(true);
    }
  }
});

it('unit() lies in [0, 1) with mean one half; every bit of u32() is set half of the time', () => {
  const rng = new Rng(4, 'unit');
  let sum = 0;
  const bits = new Array<number>(32).fill(0);
  const n = 20_000;
  for (let i = 0; i < n; i++) {
    const u = rng.unit();
    expect(u >= 0 && u < 1).toBe(true);
    sum += u;
    const word = rng.u32();
    for (let b = 0; b < 32; b++) bits[b]! += (word >>> b) & 1;
  }
  expect(Math.abs(sum / n - 0.5)).toBeLessThan(0.01);
  for (const b of bits) expect(Math.abs(b / n - 0.5)).toBeLessThan(0.02);
});

it('a chance of 0 draws nothing, a chance of 1 always comes', () => {
  const a = new Rng(5, 'chance');
  const b = new Rng(5, 'chance');
  for (let i = 0; i < 50; i++) expect(a.chance(0)).toBe(false);
  expect(draw(a, 4)).toEqual(draw(b, 4));
  for (let i = 0; i < 50; i++) expect(a.chance(1)).toBe(true);
});
