// IPv4 addresses and prefixes as values.
//
// An Ipv4 is a signed 32-bit integer (0xC0A80001 is -1062731775): V8 keeps those in registers and typed arrays without
// boxing, while unsigned values over 2^31 become heap numbers. Compare with === ; order with compareIpv4; print with
// formatIpv4. Every producer normalises with `| 0`.

/** Signed 32-bit value of an IPv4 address. */
export type Ipv4 = number;

export interface Ipv4Prefix {
  /** network address, host bits clear */
  readonly address: Ipv4;
  /** 0..32 */
  readonly length: number;
}

export const IPV4_BROADCAST: Ipv4 = -1;
export const IPV4_LOOPBACK: Ipv4 = 0x7f000001;

/** Strict dotted quad: four decimal numbers 0..255 without leading zeros; null for anything else. */
export function parseIpv4(text: string): Ipv4 | null {
  const m = /^(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})$/.exec(text);
  if (m === null) return null;
  let value = 0;
  for (let i = 1; i <= 4; i++) {
    const part = Number(m[i]);
    if (part > 255) return null;
    value = (value << 8) | part;
  }
  return value | 0;
}

export function formatIpv4(a: Ipv4): string {
  return `${(a >>> 24) & 255}.${(a >>> 16) & 255}.${(a >>> 8) & 255}.${a & 255}`;
}

/** Numeric order of the unsigned values: negative, zero or positive. */
export function compareIpv4(a: Ipv4, b: Ipv4): number {
  return (a >>> 0) - (b >>> 0);
}

/** Netmask of a prefix length 0..32, as an Ipv4. */
export function maskIpv4(length: number): Ipv4 {
  return length === 0 ? 0 : (-1 << (32 - length)) | 0;
}

/** "10.1.2.0/24" → prefix with host bits cleared; a bare address is a /32; null when malformed. */
export function parseIpv4Prefix(text: string): Ipv4Prefix | null {
  const p = parseIpv4Interface(text);
  return p === null ? null : { address: p.address & maskIpv4(p.length), length: p.length };
}

/** "10.1.2.3/24" → address (host bits kept) and length; a bare address is a /32; null when malformed. */
export function parseIpv4Interface(text: string): Ipv4Prefix | null {
  const slash = text.indexOf('/');
  const address = parseIpv4(slash < 0 ? text : text.slice(0, slash));
  if (address === null) return null;
  if (slash < 0) return { address, length: 32 };
  const bits = text.slice(slash + 1);
  if (!/^(0|[1-9]\d?)$/.test(bits)) return null;
  const length = Number(bits);
  return length > 32 ? null : { address, length };
}

export function formatIpv4Prefix(p: Ipv4Prefix): string {
  return `${formatIpv4(p.address)}/${p.length}`;
}

export function ipv4InPrefix(a: Ipv4, p: Ipv4Prefix): boolean {
  return (a & maskIpv4(p.length)) === p.address;
}

export function isMulticastIpv4(a: Ipv4): boolean {
  return (a & 0xf0000000) >>> 0 === 0xe0000000;
}

export function isLoopbackIpv4(a: Ipv4): boolean {
  return a >>> 24 === 127;
}

/** 0.0.0.0/8 */
export function isZeronetIpv4(a: Ipv4): boolean {
  return a >>> 24 === 0;
}
