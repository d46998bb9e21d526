// Sequence arithmetic modulo 2^32 (RFC 9293 section 3.4; include/net/tcp.h before(), after(), between()). Sequence numbers
// are uint32 Numbers.

/** a < b */
export function before(a: number, b: number): boolean {
  return ((a - b) | 0) < 0;
}

/** a > b */
export function after(a: number, b: number): boolean {
  return ((b - a) | 0) < 0;
}

/** low <= s <= high */
export function between(s: number, low: number, high: number): boolean {
  return (high - low) >>> 0 >= (s - low) >>> 0;
}

/** s + n as a uint32 */
export function seqAdd(s: number, n: number): number {
  return (s + n) >>> 0;
}

/** a - b as a signed distance */
export function seqDiff(a: number, b: number): number {
  return (a - b) | 0;
}

/** The later of two. */
export function seqMax(a: number, b: number): number {
  return after(a, b) ? a : b;
}
