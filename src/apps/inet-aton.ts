// An IPv4 address as inet_aton(3) reads it: 1 to 4 parts, each decimal, octal (0...) or hexadecimal (0x...); the last fills
// what is left.

import { type Ipv4, parseIpv4 } from '../addr/ipv4.ts';

export function parseInetAton(text: string): Ipv4 | null {
  const plain = parseIpv4(text);
  if (plain !== null) return plain;
  const parts = text.split('.');
  if (parts.length > 4) return null;
  const values: number[] = [];
  for (const part of parts) {
    if (!/^(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)$/.test(part)) return null;
    values.push(/^0[0-7]+$/.test(part) ? Number.parseInt(part, 8) : Number(part));
  }
  const last = values.pop()!;
  let address = 0;
  for (let i = 0; i < values.length; i++) {
    if (values[i]! > 255) return null;
    address += values[i]! * 2 ** (24 - 8 * i);
  }
  if (last >= 2 ** (32 - 8 * values.length)) return null;
  return (address + last) | 0;
}
