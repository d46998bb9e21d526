// Values that people type after an option, checked: each function takes the text and gives the value, or throws
// commander's InvalidArgumentError with what was expected (the option's name is put in front by commander).

import { InvalidArgumentError } from 'commander';
import { NS_PER_MS, NS_PER_S, NS_PER_US, type Ns } from '../sim/sim.ts';

/** A seed: 0 to 2^53-1, decimal or 0x... */
export function parseSeed(text: string): number {
  const value = wholeNumber(text);
  if (value === null) throw new InvalidArgumentError(`A seed is a whole number from 0 to ${Number.MAX_SAFE_INTEGER}.`);
  return value;
}

/** A count of something (events, packets): 1 to 2^53-1; 1e6 and 1_000_000 are accepted. */
export function parseCount(text: string): number {
  const plain = text.replaceAll('_', '');
  const value = /^\d+e\d{1,2}$/i.test(plain) ? Number(plain) : wholeNumber(plain);
  if (value === null || value < 1 || !Number.isSafeInteger(value)) {
    throw new InvalidArgumentError('A count is a whole number, 1 or more.');
  }
  return value;
}

const UNITS: Readonly<Record<string, Ns>> = {
  ns: 1,
  us: NS_PER_US,
  µs: NS_PER_US,
  ms: NS_PER_MS,
  s: NS_PER_S,
  m: 60 * NS_PER_S,
  min: 60 * NS_PER_S,
  h: 3600 * NS_PER_S,
};

/** A stretch of virtual time: `10s`, `1.5ms`, `2m`, `1h`; a bare number is seconds. Up to 104 days (2^53 ns). */
export function parseDuration(text: string): Ns {
  const match = /^(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|min|h)?$/.exec(text);
  const value = match === null ? Number.NaN : Math.round(Number(match[1]) * (UNITS[match[2] ?? 's'] ?? Number.NaN));
  if (!Number.isSafeInteger(value)) {
    throw new InvalidArgumentError(
      'A time is a number with ns, us, ms, s, m or h, for example 1.5s; at most 104 days.',
    );
  }
  return value;
}

/** A size in bytes: `65536`, `64K`, `10M`, `2G` (powers of 1024). */
export function parseSize(text: string): number {
  const match = /^(\d+)([KMG]?)(?:i?B)?$/i.exec(text);
  const power = match === null ? Number.NaN : ['', 'K', 'M', 'G'].indexOf((match[2] ?? '').toUpperCase());
  const value = match === null ? Number.NaN : Number(match[1]) * 1024 ** power;
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new InvalidArgumentError('A size is a number of bytes with K, M or G behind it, for example 64K.');
  }
  return value;
}

function wholeNumber(text: string): number | null {
  if (!/^(?:\d{1,16}|0x[0-9a-f]{1,14})$/i.test(text)) return null;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : null;
}
