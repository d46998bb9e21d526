// DNS messages, the parts with fixed places: RFC 1035 section 4.1 (header, question), RFC 6891 (EDNS), RFC 2308 (what a
// negative answer is). Names are in dns-name.ts, records in dns-record.ts, whole messages in dns-message.ts.
//
//    0      2       4         6         8           10           12
//   +------+-------+---------+---------+-----------+------------+-----------------
//   |  id  | flags | QDCOUNT | ANCOUNT |  NSCOUNT  |  ARCOUNT   | questions, records
//   +------+-------+---------+---------+-----------+------------+-----------------

/** IANA "Domain name service". */
export const DNS_PORT = 53;
export const DNS_HEADER = 12;
export const DNS_FLAGS = 2;
export const DNS_QDCOUNT = 4;
export const DNS_ANCOUNT = 6;
export const DNS_NSCOUNT = 8;
export const DNS_ARCOUNT = 10;
/** What stands before each message in a TCP stream: its length (RFC 1035 section 4.2.2). */
export const DNS_TCP_PREFIX = 2;
/** Longest UDP message without EDNS (RFC 1035 section 4.2.1). */
export const DNS_UDP_MAX = 512;
/** Longest message at all: what the TCP prefix can say. */
export const DNS_MESSAGE_MAX = 0xffff;

/** Bits of the flags word (RFC 1035 section 4.1.1, RFC 4035 section 3.1.6). */
export const DnsFlag = {
  QR: 0x8000,
  AA: 0x0400,
  TC: 0x0200,
  RD: 0x0100,
  RA: 0x0080,
  Z: 0x0040,
  AD: 0x0020,
  CD: 0x0010,
} as const;

export const DNS_OPCODE_SHIFT = 11;
export const DNS_OPCODE_MASK = 0xf;
export const DNS_RCODE_MASK = 0xf;

/** OPCODEs (IANA). */
export const DnsOpcode = { QUERY: 0, IQUERY: 1, STATUS: 2, NOTIFY: 4, UPDATE: 5 } as const;

/** RCODEs (IANA); BADVERS needs the extended bits of an OPT record. */
export const DnsRcode = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  YXDOMAIN: 6,
  YXRRSET: 7,
  NXRRSET: 8,
  NOTAUTH: 9,
  NOTZONE: 10,
  BADVERS: 16,
} as const;

/** Types of records and questions (IANA). */
export const DnsType = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  NULL: 10,
  PTR: 12,
  HINFO: 13,
  MX: 15,
  TXT: 16,
  RP: 17,
  AFSDB: 18,
  SIG: 24,
  KEY: 25,
  AAAA: 28,
  LOC: 29,
  SRV: 33,
  NAPTR: 35,
  CERT: 37,
  DNAME: 39,
  OPT: 41,
  DS: 43,
  SSHFP: 44,
  RRSIG: 46,
  NSEC: 47,
  DNSKEY: 48,
  NSEC3: 50,
  NSEC3PARAM: 51,
  TLSA: 52,
  SVCB: 64,
  HTTPS: 65,
  SPF: 99,
  TSIG: 250,
  IXFR: 251,
  AXFR: 252,
  ANY: 255,
  URI: 256,
  CAA: 257,
} as const;

/** Classes (RFC 1035 section 3.2.4). */
export const DnsClass = { IN: 1, CH: 3, HS: 4, NONE: 254, ANY: 255 } as const;

/** EDNS options (IANA). */
export const EdnsOption = { NSID: 3, CLIENT_SUBNET: 8, EXPIRE: 9, COOKIE: 10, TCP_KEEPALIVE: 11, PADDING: 12 } as const;

const TYPE_NAMES: ReadonlyMap<number, string> = new Map(Object.entries(DnsType).map(([name, n]) => [n, name]));
const RCODE_NAMES: ReadonlyMap<number, string> = new Map(Object.entries(DnsRcode).map(([name, n]) => [n, name]));
const OPCODE_NAMES: ReadonlyMap<number, string> = new Map(Object.entries(DnsOpcode).map(([name, n]) => [n, name]));
const CLASS_NAMES: ReadonlyMap<number, string> = new Map(Object.entries(DnsClass).map(([name, n]) => [n, name]));

/** "A", or "TYPE1234" for what has no name (RFC 3597 section 5). */
export function dnsTypeName(type: number): string {
  return TYPE_NAMES.get(type) ?? `TYPE${type}`;
}

/** The number of a type's name or of "TYPE1234"; null when it is neither. */
export function parseDnsType(text: string): number | null {
  const upper = text.toUpperCase();
  if (Object.hasOwn(DnsType, upper)) return DnsType[upper as keyof typeof DnsType];
  const number = /^TYPE(\d{1,5})$/.exec(upper);
  return number !== null && Number(number[1]) <= 0xffff ? Number(number[1]) : null;
}

/** "IN", or "CLASS1234" (RFC 3597 section 5). */
export function dnsClassName(cls: number): string {
  return CLASS_NAMES.get(cls) ?? `CLASS${cls}`;
}

export function parseDnsClass(text: string): number | null {
  const upper = text.toUpperCase();
  return Object.hasOwn(DnsClass, upper) ? DnsClass[upper as keyof typeof DnsClass] : null;
}

/** "NXDOMAIN", or the number. */
export function dnsRcodeName(rcode: number): string {
  return RCODE_NAMES.get(rcode) ?? `RESERVED${rcode}`;
}

/** "QUERY", or the number. */
export function dnsOpcodeName(opcode: number): string {
  return OPCODE_NAMES.get(opcode) ?? `RESERVED${opcode}`;
}
