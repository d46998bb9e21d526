// Proves that a broken invariant ends in InternalError with the invariant's sentence.

import { expect, it } from 'vitest';
import { assert, InternalError } from '../../src/base/assert.ts';

it('throws InternalError for what is false, and is silent for what holds', () => {
  expect(() => assert(1 + 1 === 2, 'sums hold')).not.toThrow();
  for (const broken of [false, 0, '', null, undefined, Number.NaN]) {
    expect(() => assert(broken, 'the table is full')).toThrow(InternalError);
    expect(() => assert(broken, 'the table is full')).toThrow('the table is full');
  }
});
