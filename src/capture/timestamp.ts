// Time units of pcapng (if_tsresol): a power of ten or of two per second; a 64-bit count of them, exactly, as seconds and
// nanoseconds.

const NANOS_PER_SECOND = 1_000_000_000;
/** The most significant bit of if_tsresol says that the rest is a power of two. */
const BASE_TWO = 0x80;
/** 10^19 and 2^63 are the largest powers that a count of 64 bits can hold a second of. */
const TEN_EXPONENT_MAX = 19;
const TWO_EXPONENT_MAX = 63;

export interface TimeResolution {
  /** Units in a second when it is at most 10^9 and a power of ten; 0 otherwise. */
  readonly unitsPerSecond: number;
  readonly exactUnitsPerSecond: bigint;
  /** Decimal digits that show a unit. */
  readonly digits: number;
}

/** Meaning of an if_tsresol byte, or null when it is finer than a 64-bit count can carry. */
export function timeResolution(tsresol: number): TimeResolution | null {
  const exponent = tsresol & 0x7f;
  if (tsresol & BASE_TWO) {
    if (exponent > TWO_EXPONENT_MAX) return null;
    return { unitsPerSecond: 0, exactUnitsPerSecond: 1n << BigInt(exponent), digits: Math.min(9, exponent) };
  }
  if (exponent > TEN_EXPONENT_MAX) return null;
  return {
    unitsPerSecond: exponent <= 9 ? 10 ** exponent : 0,
    exactUnitsPerSecond: 10n ** BigInt(exponent),
    digits: Math.min(9, exponent),
  };
}

/** A count of units, high and low 32 bits, as [seconds, nanoseconds]; finer parts are cut. */
export function toSecondsAndNanos(high: number, low: number, resolution: TimeResolution): [number, number] {
  const units = resolution.unitsPerSecond;
  if (units > 0) {
    // Long division in 16-bit digits: every intermediate stays below 2^46, so it is exact.
    const q0 = Math.floor(high / units);
    const r0 = high % units;
    const d1 = r0 * 0x1_0000 + (low >>> 16);
    const q1 = Math.floor(d1 / units);
    const d2 = (d1 % units) * 0x1_0000 + (low & 0xffff);
    const q2 = Math.floor(d2 / units);
    return [(q0 * 0x1_0000 + q1) * 0x1_0000 + q2, (d2 % units) * (NANOS_PER_SECOND / units)];
  }
  const ticks = (BigInt(high) << 32n) | BigInt(low);
  const per = resolution.exactUnitsPerSecond;
  return [Number(ticks / per), Number(((ticks % per) * BigInt(NANOS_PER_SECOND)) / per)];
}
