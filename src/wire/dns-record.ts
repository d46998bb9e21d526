// Resource records (RFC 1035 sections 3.2 and 3.3, AAAA RFC 3596, SRV RFC 2782, OPT RFC 6891, CAA RFC 8659). What has no
// form here is kept as bytes and goes out unchanged (RFC 3597).

import type { Ipv4 } from '../addr/ipv4.ts';
import { IPV6_BYTES, type Ipv6 } from '../addr/ipv6.ts';
import { DnsType } from './dns.ts';
import { type DnsName, type NameReader, type NameWriter, nameLength } from './dns-name.ts';

/** What a record says, by the shape of its data. */
export type DnsData =
  | { readonly kind: 'a'; readonly address: Ipv4 }
  | { readonly kind: 'aaaa'; readonly address: Ipv6 }
  /** NS, CNAME, PTR, DNAME */
  | { readonly kind: 'name'; readonly name: DnsName }
  | {
      readonly kind: 'soa';
      readonly mname: DnsName;
      readonly rname: DnsName;
      readonly serial: number;
      /** seconds, as the three below */
      readonly refresh: number;
      readonly retry: number;
      readonly expire: number;
      readonly minimum: number;
    }
  | { readonly kind: 'mx'; readonly preference: number; readonly exchange: DnsName }
  /** character strings of up to 255 bytes each */
  | { readonly kind: 'txt'; readonly strings: readonly Uint8Array[] }
  | {
      readonly kind: 'srv';
      readonly priority: number;
      readonly weight: number;
      readonly port: number;
      readonly target: DnsName;
    }
  | { readonly kind: 'opt'; readonly options: readonly { readonly code: number; readonly data: Uint8Array }[] }
  | { readonly kind: 'caa'; readonly flags: number; readonly tag: string; readonly value: Uint8Array }
  | { readonly kind: 'opaque'; readonly bytes: Uint8Array };

export interface DnsRecord {
  readonly name: DnsName;
  readonly type: number;
  /** of an OPT: the sender's UDP payload size */
  readonly cls: number;
  /** seconds, 32 bits; of an OPT: extended rcode, version, flags */
  readonly ttl: number;
  readonly data: DnsData;
}

/** Type, class, TTL and RDLENGTH behind a record's name. */
export const RECORD_FIXED = 10;

const KINDS: ReadonlyMap<number, DnsData['kind']> = new Map([
  [DnsType.A, 'a'],
  [DnsType.AAAA, 'aaaa'],
  [DnsType.NS, 'name'],
  [DnsType.CNAME, 'name'],
  [DnsType.PTR, 'name'],
  [DnsType.DNAME, 'name'],
  [DnsType.SOA, 'soa'],
  [DnsType.MX, 'mx'],
  [DnsType.TXT, 'txt'],
  [DnsType.SPF, 'txt'],
  [DnsType.SRV, 'srv'],
  [DnsType.OPT, 'opt'],
  [DnsType.CAA, 'caa'],
]);

/** The shape of a type's data. */
export function dataKind(type: number): DnsData['kind'] {
  return KINDS.get(type) ?? 'opaque';
}

/**
 * Reads the data [at, end) of a record.
 * @returns the data, or a sentence about what is wrong with it
 */
export function parseData(
  view: DataView,
  names: NameReader,
  where: { readonly type: number; readonly at: number; readonly end: number },
): DnsData | string {
  const { type, at, end } = where;
  const length = end - at;
  const bytes = (from: number, to: number): Uint8Array =>
    new Uint8Array(view.buffer, view.byteOffset + from, to - from).slice();
  switch (dataKind(type)) {
    case 'a':
      return length === 4 ? { kind: 'a', address: view.getInt32(at) } : `an A record of ${length} bytes`;
    case 'aaaa':
      return length === IPV6_BYTES ? { kind: 'aaaa', address: bytes(at, end) } : `an AAAA record of ${length} bytes`;
    case 'name': {
      const fault = lastName(names, at, end);
      return fault ?? { kind: 'name', name: names.name };
    }
    case 'soa':
      return parseSoa(view, names, at, end);
    case 'mx': {
      if (length < 3) return `an MX record of ${length} bytes`;
      const fault = lastName(names, at + 2, end);
      return fault ?? { kind: 'mx', preference: view.getUint16(at), exchange: names.name };
    }
    case 'txt': {
      const strings: Uint8Array[] = [];
      for (let i = at; i < end; ) {
        const stop = i + 1 + view.getUint8(i);
        if (stop > end) return 'a character string is cut';
        strings.push(bytes(i + 1, stop));
        i = stop;
      }
      return strings.length > 0 ? { kind: 'txt', strings } : 'a TXT record without a string';
    }
    case 'srv': {
      if (length < 7) return `an SRV record of ${length} bytes`;
      const fault = lastName(names, at + 6, end);
      if (fault !== null) return fault;
      const [priority, weight, port] = [view.getUint16(at), view.getUint16(at + 2), view.getUint16(at + 4)];
      return { kind: 'srv', priority, weight, port, target: names.name };
    }
    case 'opt': {
      const options: { code: number; data: Uint8Array }[] = [];
      for (let i = at; i < end; ) {
        if (end - i < 4) return 'an EDNS option is cut';
        const stop = i + 4 + view.getUint16(i + 2);
        if (stop > end) return 'an EDNS option is cut';
        options.push({ code: view.getUint16(i), data: bytes(i + 4, stop) });
        i = stop;
      }
      return { kind: 'opt', options };
    }
    case 'caa': {
      const tagEnd = length < 2 ? end + 1 : at + 2 + view.getUint8(at + 1);
      if (tagEnd > end) return 'a CAA record is cut';
      const tag = String.fromCharCode(...bytes(at + 2, tagEnd));
      // RFC 8659 section 4.1: letters and digits.
      if (!/^[A-Za-z0-9]+$/.test(tag)) return { kind: 'opaque', bytes: bytes(at, end) };
      return { kind: 'caa', flags: view.getUint8(at), tag, value: bytes(tagEnd, end) };
    }
    case 'opaque':
      return { kind: 'opaque', bytes: bytes(at, end) };
  }
}

/** A name that has to end where its record ends. */
function lastName(names: NameReader, at: number, end: number): string | null {
  return names.read(at, end) ?? (names.next === end ? null : 'bytes behind the name in a record');
}

function parseSoa(view: DataView, names: NameReader, at: number, end: number): DnsData | string {
  const first = names.read(at, end);
  if (first !== null) return first;
  const mname = names.name;
  const second = names.read(names.next, end);
  if (second !== null) return second;
  const rname = names.name;
  const i = names.next;
  if (end - i !== 20) return `an SOA record with ${end - i} bytes behind its names`;
  return {
    kind: 'soa',
    mname,
    rname,
    serial: view.getUint32(i),
    refresh: view.getUint32(i + 4),
    retry: view.getUint32(i + 8),
    expire: view.getUint32(i + 12),
    minimum: view.getUint32(i + 16),
  };
}

/** Bytes that writeData puts down at the most. */
export function dataLength(data: DnsData): number {
  switch (data.kind) {
    case 'a':
      return 4;
    case 'aaaa':
      return IPV6_BYTES;
    case 'name':
      return nameLength(data.name);
    case 'soa':
      return nameLength(data.mname) + nameLength(data.rname) + 20;
    case 'mx':
      return 2 + nameLength(data.exchange);
    case 'txt':
      return data.strings.reduce((sum, s) => sum + 1 + s.length, 0);
    case 'srv':
      return 6 + nameLength(data.target);
    case 'opt':
      return data.options.reduce((sum, o) => sum + 4 + o.data.length, 0);
    case 'caa':
      return 2 + data.tag.length + data.value.length;
    case 'opaque':
      return data.bytes.length;
  }
}

/** Writes the data at `at`; names are compressed where RFC 1035 had them (RFC 3597 section 4). The offset behind it. */
export function writeData(view: DataView, names: NameWriter, at: number, data: DnsData): number {
  const put = (bytes: Uint8Array, i: number): number => {
    new Uint8Array(view.buffer, view.byteOffset + i, bytes.length).set(bytes);
    return i + bytes.length;
  };
  switch (data.kind) {
    case 'a':
      view.setInt32(at, data.address);
      return at + 4;
    case 'aaaa':
      return put(data.address, at);
    case 'name':
      return names.write(at, data.name, true);
    case 'soa': {
      let i = names.write(names.write(at, data.mname, true), data.rname, true);
      for (const word of [data.serial, data.refresh, data.retry, data.expire, data.minimum]) {
        view.setUint32(i, word);
        i += 4;
      }
      return i;
    }
    case 'mx':
      view.setUint16(at, data.preference);
      return names.write(at + 2, data.exchange, true);
    case 'txt': {
      let i = at;
      for (const string of data.strings) {
        view.setUint8(i, string.length);
        i = put(string, i + 1);
      }
      return i;
    }
    case 'srv':
      view.setUint16(at, data.priority);
      view.setUint16(at + 2, data.weight);
      view.setUint16(at + 4, data.port);
      return names.write(at + 6, data.target, false);
    case 'opt': {
      let i = at;
      for (const option of data.options) {
        view.setUint16(i, option.code);
        view.setUint16(i + 2, option.data.length);
        i = put(option.data, i + 4);
      }
      return i;
    }
    case 'caa':
      view.setUint8(at, data.flags);
      view.setUint8(at + 1, data.tag.length);
      return put(data.value, put(new TextEncoder().encode(data.tag), at + 2));
    case 'opaque':
      return put(data.bytes, at);
  }
}
