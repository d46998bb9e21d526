// ICMP for IPv4: RFC 792; fragmentation needed with MTU RFC 1191 section 4; requirements RFC 1122 section 3.2.2.
//
//    0    1    2      4            8
//   +----+----+------+------------+---------------------------
//   |type|code| sum  | rest       | quoted packet or echo data
//   +----+----+------+------------+---------------------------
//
// rest: echo = identifier, sequence; redirect = gateway; 3/4 = 0, next-hop MTU; parameter problem = pointer, 0, 0, 0.

export const ICMP_HEADER = 8;
export const ICMP_TYPE = 0;
export const ICMP_CODE = 1;
export const ICMP_CHECKSUM = 2;
export const ICMP_REST = 4;
export const ICMP_ID = 4;
export const ICMP_SEQUENCE = 6;
export const ICMP_MTU = 6;

export const IcmpType = {
  ECHO_REPLY: 0,
  DEST_UNREACH: 3,
  SOURCE_QUENCH: 4,
  REDIRECT: 5,
  ECHO: 8,
  ROUTER_ADVERTISEMENT: 9,
  ROUTER_SOLICITATION: 10,
  TIME_EXCEEDED: 11,
  PARAMETER_PROBLEM: 12,
  TIMESTAMP: 13,
  TIMESTAMP_REPLY: 14,
  INFO_REQUEST: 15,
  INFO_REPLY: 16,
  ADDRESS: 17,
  ADDRESS_REPLY: 18,
  EXTENDED_ECHO: 42,
  EXTENDED_ECHO_REPLY: 43,
} as const;

/** What the four bytes behind the checksum hold. */
export type IcmpRest =
  | 'echo' // identifier, sequence
  | 'extended-echo' // identifier, 8-bit sequence, flags (RFC 8335)
  | 'gateway' // address of the better router
  | 'pointer' // offset of the wrong byte, 3 unused
  | 'advertisement' // count, entry size, lifetime (RFC 1256)
  | 'unused'; // nothing, or the next-hop MTU in the last two bytes for 3/4 (RFC 1191)

export interface IcmpTypeRow {
  /** for people */
  readonly name: string;
  readonly rest: IcmpRest;
  /** true when three timestamps follow */
  readonly times?: true;
}

/** The message types that have a meaning (IANA "ICMP Parameters"); others are carried unread. */
export const ICMP_TYPES: ReadonlyMap<number, IcmpTypeRow> = new Map<number, IcmpTypeRow>([
  [IcmpType.ECHO_REPLY, { name: 'echo reply', rest: 'echo' }],
  [IcmpType.DEST_UNREACH, { name: 'destination unreachable', rest: 'unused' }],
  [IcmpType.SOURCE_QUENCH, { name: 'source quench', rest: 'unused' }],
  [IcmpType.REDIRECT, { name: 'redirect', rest: 'gateway' }],
  [IcmpType.ECHO, { name: 'echo request', rest: 'echo' }],
  [IcmpType.ROUTER_ADVERTISEMENT, { name: 'router advertisement', rest: 'advertisement' }],
  [IcmpType.ROUTER_SOLICITATION, { name: 'router solicitation', rest: 'unused' }],
  [IcmpType.TIME_EXCEEDED, { name: 'time exceeded', rest: 'unused' }],
  [IcmpType.PARAMETER_PROBLEM, { name: 'parameter problem', rest: 'pointer' }],
  [IcmpType.TIMESTAMP, { name: 'timestamp request', rest: 'echo', times: true }],
  [IcmpType.TIMESTAMP_REPLY, { name: 'timestamp reply', rest: 'echo', times: true }],
  [IcmpType.INFO_REQUEST, { name: 'information request', rest: 'echo' }],
  [IcmpType.INFO_REPLY, { name: 'information reply', rest: 'echo' }],
  [IcmpType.ADDRESS, { name: 'address mask request', rest: 'echo' }],
  [IcmpType.ADDRESS_REPLY, { name: 'address mask reply', rest: 'echo' }],
  [IcmpType.EXTENDED_ECHO, { name: 'extended echo request', rest: 'extended-echo' }],
  [IcmpType.EXTENDED_ECHO_REPLY, { name: 'extended echo reply', rest: 'extended-echo' }],
]);

/** Codes of DEST_UNREACH (RFC 792, RFC 1122 section 3.2.2.1, RFC 1812 section 5.2.7.1). */
export const IcmpUnreach = {
  NET: 0,
  HOST: 1,
  PROTOCOL: 2,
  PORT: 3,
  FRAG_NEEDED: 4,
  SOURCE_ROUTE: 5,
  NET_UNKNOWN: 6,
  HOST_UNKNOWN: 7,
  HOST_ISOLATED: 8,
  NET_PROHIBITED: 9,
  HOST_PROHIBITED: 10,
  NET_TOS: 11,
  HOST_TOS: 12,
  FILTERED: 13,
  PRECEDENCE: 14,
  PRECEDENCE_CUTOFF: 15,
} as const;

export function checkIcmp(_view: DataView, at: number, end: number): boolean {
  return end - at >= ICMP_HEADER;
}

/** Types that report about another packet and quote it (RFC 1122 section 3.2.2: never answered with an error). */
export function isIcmpError(type: number): boolean {
  return (
    type === IcmpType.DEST_UNREACH ||
    type === IcmpType.SOURCE_QUENCH ||
    type === IcmpType.REDIRECT ||
    type === IcmpType.TIME_EXCEEDED ||
    type === IcmpType.PARAMETER_PROBLEM
  );
}

/** Writes the 8 header bytes with a zero checksum; the caller fills it once the data stands. */
export function writeIcmp(view: DataView, at: number, type: number, code: number, rest: number): void {
  view.setUint8(at + ICMP_TYPE, type);
  view.setUint8(at + ICMP_CODE, code);
  view.setUint16(at + ICMP_CHECKSUM, 0);
  view.setInt32(at + ICMP_REST, rest);
}
