// Proves what the values behind options may look like, at both sides of every limit.

import { InvalidArgumentError } from 'commander';
import { describe, expect, it } from 'vitest';
import { parseCount, parseDuration, parseSeed, parseSize } from '../../src/cli/values.ts';

describe('parseSeed', () => {
  it.each([
    ['0', 0],
    ['42', 42],
    ['0xff', 255],
    ['9007199254740991', Number.MAX_SAFE_INTEGER],
    ['0x1fffffffffffff', Number.MAX_SAFE_INTEGER],
  ])('takes %s', (text, value) => expect(parseSeed(text)).toBe(value));

  it.each(['', ' ', '-1', '+1', 'abc', '1e3', '1.0', 'NaN', 'Infinity', '9007199254740992', '0x20000000000000', '٣'])(
    'refuses %j',
    (text) => expect(() => parseSeed(text)).toThrow(InvalidArgumentError),
  );
});

describe('parseCount', () => {
  it.each([
    ['1', 1],
    ['1e6', 1_000_000],
    ['1_000_000', 1_000_000],
    ['9007199254740991', Number.MAX_SAFE_INTEGER],
  ])('takes %s', (text, value) => expect(parseCount(text)).toBe(value));

  it.each(['0', '', '-1', '1.5', '1e99', '9e15x', '9e16', 'many'])('refuses %j', (text) =>
    expect(() => parseCount(text)).toThrow(InvalidArgumentError),
  );
});

describe('parseDuration', () => {
  it.each([
    ['1', 1e9],
    ['0', 0],
    ['1.5s', 1.5e9],
    ['20ms', 2e7],
    ['3us', 3000],
    ['3µs', 3000],
    ['7ns', 7],
    ['2m', 120e9],
    ['2min', 120e9],
    ['1h', 3600e9],
  ])('takes %s', (text, value) => expect(parseDuration(text)).toBe(value));

  it.each(['', '-1s', '1 s', '1d', 's', '1e3s', '1.s', '3000h', '9007199254740992ns'])('refuses %j', (text) =>
    expect(() => parseDuration(text)).toThrow(InvalidArgumentError),
  );
});

describe('parseSize', () => {
  it.each([
    ['1', 1],
    ['64K', 65_536],
    ['10m', 10_485_760],
    ['2G', 2_147_483_648],
    ['2GiB', 2_147_483_648],
  ])('takes %s', (text, value) => expect(parseSize(text)).toBe(value));

  it.each(['0', '', '-1', '1.5K', 'K', '1T', '99999999999999999G'])('refuses %j', (text) =>
    expect(() => parseSize(text)).toThrow(InvalidArgumentError),
  );
});
