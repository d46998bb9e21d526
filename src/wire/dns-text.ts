// DNS records as text: the presentation form of RFC 1035 section 5.1, with the spaces that BIND's tools print.

import { formatIpv4 } from '../addr/ipv4.ts';
import { formatIpv6 } from '../addr/ipv6.ts';
import type { DnsData } from './dns-record.ts';

/** The bytes of a character string in quotes: printable ASCII as it is, `"` and `\` escaped, all else as \DDD. */
export function quoteBytes(bytes: Uint8Array): string {
  let text = '"';
  for (const byte of bytes) {
    if (byte === 0x22 || byte === 0x5c) text += `\\${String.fromCharCode(byte)}`;
    else text += byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `\\${String(byte).padStart(3, '0')}`;
  }
  return `${text}"`;
}

function hexUpper(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += byte.toString(16).padStart(2, '0');
  return text.toUpperCase();
}

/** What stands behind the type in a zone file: "10.96.0.1", "0 100 443 web.default.svc.cluster.local.". */
export function dataText(data: DnsData): string {
  switch (data.kind) {
    case 'a':
      return formatIpv4(data.address);
    case 'aaaa':
      return formatIpv6(data.address);
    case 'name':
      return data.name;
    case 'soa': {
      const { mname, rname, serial, refresh, retry, expire, minimum } = data;
      return `${mname} ${rname} ${serial} ${refresh} ${retry} ${expire} ${minimum}`;
    }
    case 'mx':
      return `${data.preference} ${data.exchange}`;
    case 'txt':
      return data.strings.map(quoteBytes).join(' ');
    case 'srv':
      return `${data.priority} ${data.weight} ${data.port} ${data.target}`;
    case 'caa':
      return `${data.flags} ${data.tag} ${quoteBytes(data.value)}`;
    case 'opt':
      return data.options.map((o) => `${o.code}:${hexUpper(o.data)}`).join(' ');
    case 'opaque':
      // RFC 3597 section 5.
      return data.bytes.length === 0 ? '\\# 0' : `\\# ${data.bytes.length} ${hexUpper(data.bytes)}`;
  }
}
