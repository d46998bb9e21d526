// The wall clock of the emulated world: a fixed date plus virtual time, the same on every machine. `date`, `ping -D` and
// the timestamps of captures read it.

import type { Ns } from './sim.ts';

/** 2026-01-01T00:00:00Z in seconds since 1970. Choice: any fixed date does; this one is readable in Wireshark. */
export const WALL_EPOCH_S = 1_767_225_600;

/** Nanoseconds since 1970 at virtual time `now`. */
export function wallClockNs(now: Ns): bigint {
  return BigInt(WALL_EPOCH_S) * 1_000_000_000n + BigInt(now);
}
