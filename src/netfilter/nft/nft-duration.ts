// Times as nft reads and writes them.

import { NS_PER_MS, NS_PER_S, type Ns } from '../../sim/sim.ts';
import type { NftReader } from './nft-token.ts';

/** 10800s, 3h, 1d2h3m4s */
export function readDuration(reader: NftReader): Ns {
  const text = reader.name('a time');
  const match = /^(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?$/.exec(text);
  if (match === null || text === '') reader.fail('expecting a time like 30s or 3h');
  const [days, hours, minutes, seconds] = match.slice(1).map((digits) => Number(digits ?? 0));
  return (((days! * 24 + hours!) * 60 + minutes!) * 60 + seconds!) * NS_PER_S;
}

/** 3h, 2m5s, 10ms */
export function durationText(ns: Ns): string {
  let left = Math.floor(ns / NS_PER_MS);
  let out = '';
  for (const [unit, ms] of [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['m', 60_000],
    ['s', NS_PER_S / NS_PER_MS],
    ['ms', 1],
  ] as const) {
    const n = Math.floor(left / ms);
    left -= n * ms;
    if (n > 0) out += `${n}${unit}`;
  }
  return out === '' ? '0s' : out;
}
