// IPv4: RFC 791 section 3.1; DSCP and ECN RFC 2474, RFC 3168; identification RFC 6864.
//
//    0   1    2      4     6      8    9      10    12       16        20
//   +---+----+------+-----+------+----+------+-----+--------+---------+---------
//   |vhl|tos | len  | id  | frag |ttl |proto | sum | source | destin. | options
//   +---+----+------+-----+------+----+------+-----+--------+---------+---------
//
// frag: 0x8000 reserved, 0x4000 DF, 0x2000 MF, low 13 bits the offset in units of 8 bytes.

export const IPV4_HEADER = 20;
export const IPV4_VHL = 0;
export const IPV4_TOS = 1;
export const IPV4_LENGTH = 2;
export const IPV4_ID = 4;
export const IPV4_FRAGMENT = 6;
export const IPV4_TTL = 8;
export const IPV4_PROTOCOL = 9;
export const IPV4_CHECKSUM = 10;
export const IPV4_SOURCE = 12;
export const IPV4_DESTINATION = 16;

export const IPV4_DF = 0x4000;
export const IPV4_MF = 0x2000;
export const IPV4_OFFSET = 0x1fff;

export const IpProtocol = {
  ICMP: 1,
  IGMP: 2,
  IPIP: 4,
  TCP: 6,
  UDP: 17,
  IPV6: 41,
  GRE: 47,
  ICMPV6: 58,
} as const;

// The same as constants of this module: V8 folds those into the packet path, exported ones it does not (link/frame.ts).
const HEADER = IPV4_HEADER;
const LENGTH = IPV4_LENGTH;
const ID = IPV4_ID;
const FRAGMENT = IPV4_FRAGMENT;
const TTL = IPV4_TTL;
const CHECKSUM = IPV4_CHECKSUM;
const SOURCE = IPV4_SOURCE;
const DESTINATION = IPV4_DESTINATION;

/**
 * True when [at, end) starts with an IPv4 header that is whole and whose total length lies inside [at, end). The
 * checksum is not part of it (the receive path verifies it over the arena).
 */
export function checkIpv4(view: DataView, at: number, end: number): boolean {
  if (end - at < HEADER) return false;
  const vhl = view.getUint8(at);
  if (vhl >>> 4 !== 4) return false;
  const header = (vhl & 15) * 4;
  if (header < HEADER) return false;
  const length = view.getUint16(at + LENGTH);
  return length >= header && length <= end - at;
}

/** Header length in bytes, 20..60. */
export function ipv4HeaderLength(view: DataView, at: number): number {
  return (view.getUint8(at) & 15) * 4;
}

export interface Ipv4Fields {
  readonly tos: number;
  /** total length: header and payload, bytes */
  readonly length: number;
  readonly id: number;
  /** the whole 16-bit fragment word: flags and offset */
  readonly fragment: number;
  readonly ttl: number;
  readonly protocol: number;
  readonly source: number;
  readonly destination: number;
}

/** Writes a 20-byte header with its checksum. */
export function writeIpv4(view: DataView, at: number, f: Ipv4Fields): void {
  writeIpv4Header(view, at, f.tos, f.length, f.id, f.fragment, f.ttl, f.protocol, f.source, f.destination);
}

/** As writeIpv4 with bare numbers: the packet path makes no object per packet. */
export function writeIpv4Header(
  view: DataView,
  at: number,
  tos: number,
  length: number,
  id: number,
  fragment: number,
  ttl: number,
  protocol: number,
  source: number,
  destination: number,
): void {
  const w0 = 0x4500 | tos;
  const w4 = (ttl << 8) | protocol;
  let s =
    w0 +
    length +
    id +
    fragment +
    w4 +
    (source >>> 16) +
    (source & 0xffff) +
    (destination >>> 16) +
    (destination & 0xffff);
  s = (s & 0xffff) + (s >>> 16);
  s = (s & 0xffff) + (s >>> 16);
  view.setUint16(at, w0);
  view.setUint16(at + LENGTH, length);
  view.setUint16(at + ID, id);
  view.setUint16(at + FRAGMENT, fragment);
  view.setUint16(at + TTL, w4);
  view.setUint16(at + CHECKSUM, ~s & 0xffff);
  view.setInt32(at + SOURCE, source);
  view.setInt32(at + DESTINATION, destination);
}

/** Option types (RFC 791 section 3.1, RFC 2113), copy bit included. */
export const Ipv4Option = {
  END: 0,
  NOP: 1,
  RECORD_ROUTE: 7,
  TIMESTAMP: 68,
  SECURITY: 130,
  LOOSE_SOURCE_ROUTE: 131,
  CIPSO: 134,
  STREAM_ID: 136,
  STRICT_SOURCE_ROUTE: 137,
  ROUTER_ALERT: 148,
} as const;

/** What stands at an option's place. */
export const Ipv4OptionState = { END: 0, NOP: 1, OPTION: 2, MALFORMED: 3 } as const;
export type Ipv4OptionState = (typeof Ipv4OptionState)[keyof typeof Ipv4OptionState];

/**
 * Looks at the option at `at` of a header that ends at `end`. Walk with
 *   for (let at = start; at < end; at += state === NOP ? 1 : ipv4OptionLength(view, at))
 * and stop at END and MALFORMED (length byte missing, below 2, or past the header); at most 40 steps, as each advances.
 */
export function nextIpv4Option(view: DataView, at: number, end: number): Ipv4OptionState {
  if (at >= end) return Ipv4OptionState.END;
  const type = view.getUint8(at);
  if (type === Ipv4Option.END) return Ipv4OptionState.END;
  if (type === Ipv4Option.NOP) return Ipv4OptionState.NOP;
  if (at + 2 > end) return Ipv4OptionState.MALFORMED;
  const length = view.getUint8(at + 1);
  return length < 2 || at + length > end ? Ipv4OptionState.MALFORMED : Ipv4OptionState.OPTION;
}

/** Length of an option, type and length bytes included; only for Ipv4OptionState.OPTION. */
export function ipv4OptionLength(view: DataView, at: number): number {
  return view.getUint8(at + 1);
}

/** Offset of the first malformed option of [at, end), or -1 when all are sound. */
export function findMalformedIpv4Option(view: DataView, at: number, end: number): number {
  for (let i = at; i < end; ) {
    const state = nextIpv4Option(view, i, end);
    if (state === Ipv4OptionState.MALFORMED) return i;
    if (state === Ipv4OptionState.END) return -1;
    i += state === Ipv4OptionState.NOP ? 1 : ipv4OptionLength(view, i);
  }
  return -1;
}
