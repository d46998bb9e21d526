// Data types of nftables as far as they are emulated (include/datatype.h of nft): how a value is written, and the integer
// it is kept as. Addresses are signed 32-bit integers, as everywhere.

import { formatIpv4, parseIpv4, parseIpv4Prefix } from '../../addr/ipv4.ts';
import { IpProtocol } from '../../wire/ipv4.ts';

export const NFT_TYPES = ['ipv4_addr', 'inet_proto', 'inet_service', 'mark'] as const;
export type NftType = (typeof NFT_TYPES)[number];

const PROTOCOLS: readonly (readonly [string, number])[] = [
  ['tcp', IpProtocol.TCP],
  ['udp', IpProtocol.UDP],
  ['icmp', IpProtocol.ICMP],
  ['sctp', 132],
  ['dccp', 33],
  ['udplite', 136],
  ['gre', 47],
  ['esp', 50],
  ['ah', 51],
];

export function isNftType(word: string): word is NftType {
  return (NFT_TYPES as readonly string[]).includes(word);
}

function whole(text: string, max: number): number | null {
  const value = /^(0x[0-9a-fA-F]{1,8}|\d{1,10})$/.test(text) ? Number(text) : Number.NaN;
  return Number.isNaN(value) || value > max ? null : value;
}

/** A single value; null when it is none of this type. */
export function parseNftValue(type: NftType, text: string): number | null {
  switch (type) {
    case 'ipv4_addr':
      return parseIpv4(text);
    case 'inet_proto':
      return PROTOCOLS.find(([name]) => name === text)?.[1] ?? whole(text, 0xff);
    case 'inet_service':
      return whole(text, 0xffff);
    case 'mark': {
      const value = whole(text, 0xffffffff);
      return value === null ? null : value | 0;
    }
  }
}

export function formatNftValue(type: NftType, value: number): string {
  switch (type) {
    case 'ipv4_addr':
      return formatIpv4(value);
    case 'inet_proto':
      return PROTOCOLS.find(([, number]) => number === value)?.[0] ?? String(value);
    case 'inet_service':
      return String(value);
    case 'mark':
      return formatMark(value);
  }
}

/** Marks are printed as eight hexadecimal digits. */
export function formatMark(value: number): string {
  return `0x${(value >>> 0).toString(16).padStart(8, '0')}`;
}

/** A value, a prefix or a range `a-b`, as unsigned bounds with the text that lists it. */
export interface NftInterval {
  readonly low: number;
  readonly high: number;
  readonly text: string;
}

export function parseNftInterval(type: NftType, text: string): NftInterval | null {
  const single = parseNftValue(type, text);
  if (single !== null) return { low: single >>> 0, high: single >>> 0, text: formatNftValue(type, single) };
  if (type === 'ipv4_addr' && text.includes('/')) {
    const prefix = parseIpv4Prefix(text);
    if (prefix === null) return null;
    const low = prefix.address >>> 0;
    return { low, high: low + 2 ** (32 - prefix.length) - 1, text: `${formatIpv4(prefix.address)}/${prefix.length}` };
  }
  const [from, to, ...more] = text.split('-');
  if (from === undefined || to === undefined || more.length > 0) return null;
  const low = parseNftValue(type, from);
  const high = parseNftValue(type, to);
  if (low === null || high === null || low >>> 0 > high >>> 0) return null;
  return { low: low >>> 0, high: high >>> 0, text: `${formatNftValue(type, low)}-${formatNftValue(type, high)}` };
}
