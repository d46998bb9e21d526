// The Internet checksum: RFC 1071 (computation), RFC 1624 equation 3 (incremental update).
//
// Sums run over the arena's typed arrays in host byte order and are turned at the end: one's complement addition is
// byte-order independent (RFC 1071 section 2(B)). All functions return values in network order, as written on the wire.
//
// A sum here is an unfolded positive integer below 2^53; fold() brings it to 16 bits.

const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/**
 * Adds the carries back until 16 bits remain (RFC 1071). A non-zero sum never folds to 0. Integer operations on the two
 * 32-bit halves: a division or remainder of doubles would cost more than the sum of a short packet. Sums of a header and
 * sums folded before fit 32 bits and need no double at all.
 */
export function fold(sum: number): number {
  if (sum <= 0xffff_ffff) {
    const short = (sum & 0xffff) + (sum >>> 16);
    return (short & 0xffff) + (short >>> 16);
  }
  const low = sum >>> 0;
  const high = Math.floor(sum * 2 ** -32);
  let s = (low & 0xffff) + (low >>> 16) + (high & 0xffff) + (high >>> 16);
  s = (s & 0xffff) + (s >>> 16);
  return (s & 0xffff) + (s >>> 16);
}

export function swap16(x: number): number {
  return ((x & 0xff) << 8) | ((x >>> 8) & 0xff);
}

/**
 * One's complement sum of the bytes [at, end) as big-endian 16-bit words, folded to 16 bits; an odd last byte is padded
 * on the right with zero. Works over any DataView; the packet path uses sumArena in link/frame.ts.
 */
export function sum(view: DataView, at: number, end: number): number {
  let s = 0;
  let i = at;
  for (; i + 1 < end; i += 2) s += view.getUint16(i);
  if (i < end) s += view.getUint8(i) << 8;
  return fold(s);
}

/** Sum of the IPv4 pseudo-header (RFC 768, RFC 9293 section 3.1); addresses as 32-bit integers, unfolded. */
export function pseudoSum(source: number, destination: number, protocol: number, length: number): number {
  return (source >>> 16) + (source & 0xffff) + (destination >>> 16) + (destination & 0xffff) + protocol + length;
}

/** The checksum field for data whose sum is `s` (any unfolded sum): its one's complement. */
export function finish(s: number): number {
  return ~fold(s) & 0xffff;
}

/** As finish, for UDP: a computed zero is sent as 0xffff (RFC 768). */
export function finishUdp(s: number): number {
  const c = ~fold(s) & 0xffff;
  return c === 0 ? 0xffff : c;
}

/** RFC 1624 equation 3: the new checksum after a 16-bit field changed from `from` to `to`. */
export function update16(checksum: number, from: number, to: number): number {
  let s = (~checksum & 0xffff) + (~from & 0xffff) + (to & 0xffff);
  s = (s & 0xffff) + (s >>> 16);
  s = (s & 0xffff) + (s >>> 16);
  return ~s & 0xffff;
}

/** As update16 for a 32-bit field (an address). */
export function update32(checksum: number, from: number, to: number): number {
  return update16(update16(checksum, from >>> 16, to >>> 16), from & 0xffff, to & 0xffff);
}

export { LITTLE_ENDIAN };
