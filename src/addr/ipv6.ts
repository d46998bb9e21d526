// IPv6 addresses as text: RFC 4291 section 2.2 (what is read), RFC 5952 (what is written).
//
// An Ipv6 is its 16 bytes. The packet path carries no IPv6 yet; captures name hosts by it.

import { formatIpv4, parseIpv4 } from './ipv4.ts';

/** 16 bytes, in wire order. */
export type Ipv6 = Uint8Array;

export const IPV6_BYTES = 16;
const GROUPS = 8;

/**
 * Any form of RFC 4291 section 2.2: eight groups of one to four hex digits, one "::" for zeros, a dotted quad as the last
 * two groups. No zone, no prefix length. Null for anything else.
 */
export function parseIpv6(text: string): Ipv6 | null {
  const halves = text.split('::');
  if (halves.length > 2) return null;
  const head = groups(halves[0]!, halves.length === 1);
  const tail = halves.length === 2 ? groups(halves[1]!, true) : [];
  if (head === null || tail === null) return null;
  const zeros = GROUPS - head.length - tail.length;
  // "::" stands for at least one group.
  if (halves.length === 1 ? zeros !== 0 : zeros < 1) return null;
  const bytes = new Uint8Array(IPV6_BYTES);
  const view = new DataView(bytes.buffer);
  for (const [i, group] of head.entries()) view.setUint16(2 * i, group);
  for (const [i, group] of tail.entries()) view.setUint16(2 * (head.length + zeros + i), group);
  return bytes;
}

/** 16-bit groups of one side of "::"; a dotted quad counts as two where it may stand. Null when malformed. */
function groups(text: string, mayEndDotted: boolean): number[] | null {
  if (text === '') return [];
  const found: number[] = [];
  const parts = text.split(':');
  for (const [i, part] of parts.entries()) {
    if (part.includes('.')) {
      const quad = mayEndDotted && i === parts.length - 1 ? parseIpv4(part) : null;
      if (quad === null) return null;
      found.push(quad >>> 16, quad & 0xffff);
    } else {
      if (!/^[0-9a-fA-F]{1,4}$/.test(part)) return null;
      found.push(Number.parseInt(part, 16));
    }
  }
  return found;
}

/**
 * The text of RFC 5952 section 4: lower case, no leading zeros, the first longest run of two or more zero groups as "::".
 * IPv4-mapped addresses end in a dotted quad (section 5).
 * @param at offset of the address in the bytes
 */
export function formatIpv6(bytes: Uint8Array, at = 0): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, IPV6_BYTES);
  const words = Array.from({ length: GROUPS }, (_, i) => view.getUint16(2 * i));
  const mapped = words[5] === 0xffff && words.slice(0, 5).every((w) => w === 0);
  if (mapped) return `::ffff:${formatIpv4(view.getInt32(12))}`;
  let start = 0;
  let length = 0;
  for (let i = 0; i < GROUPS; i++) {
    let run = 0;
    while (i + run < GROUPS && words[i + run] === 0) run++;
    if (run > length) {
      start = i;
      length = run;
    }
  }
  const hex = (list: readonly number[]): string => list.map((w) => w.toString(16)).join(':');
  return length < 2 ? hex(words) : `${hex(words.slice(0, start))}::${hex(words.slice(start + length))}`;
}
