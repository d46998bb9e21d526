// Packets of packetdrill scripts as bytes and back, in plain byte arithmetic: the codecs of src/wire are not judged by
// themselves here.

import type { TcpOptionSpec } from './syntax.ts';

export const FIN = 1;
export const SYN = 2;
export const RST = 4;
export const PSH = 8;
export const ACK = 16;
export const URG = 32;

export interface Segment {
  readonly source: number;
  readonly destination: number;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly sequence: number;
  readonly ack: number;
  /** with 0x100 for AE */
  readonly flags: number;
  readonly window: number;
  readonly urgent: number;
  readonly options: readonly TcpOptionSpec[];
  readonly payload: Uint8Array;
  readonly tos: number;
  readonly ttl: number;
  readonly id: number;
  readonly fragment: number;
}

function onesSum(b: Uint8Array, from: number, to: number, start = 0): number {
  let s = start;
  for (let i = from; i < to; i += 2) s += b[i]! * 256 + (i + 1 < to ? b[i + 1]! : 0);
  while (s > 0xffff) s = (s & 0xffff) + Math.floor(s / 0x10000);
  return s;
}

function pseudo(b: Uint8Array, length: number): number {
  return onesSum(b, 12, 20, b[9]! + length);
}

export function optionBytes(options: readonly TcpOptionSpec[]): number[] {
  const out: number[] = [];
  const u32 = (v: number): number[] => [(v >>> 24) & 255, (v >>> 16) & 255, (v >>> 8) & 255, v & 255];
  for (const o of options) {
    switch (o.kind) {
      case 'nop':
        out.push(1);
        break;
      case 'eol':
        out.push(0);
        break;
      case 'sackOK':
        out.push(4, 2);
        break;
      case 'mss':
        out.push(2, 4, o.value >> 8, o.value & 255);
        break;
      case 'wscale':
        out.push(3, 3, o.value);
        break;
      case 'TS':
        out.push(8, 10, ...u32(o.value), ...u32(o.echo));
        break;
      case 'sack':
        out.push(5, 2 + 8 * o.blocks.length, ...o.blocks.flatMap(([a, b]) => [...u32(a), ...u32(b)]));
        break;
      case 'FO': {
        const cookie = (o.cookie.match(/../g) ?? []).map((h) => Number.parseInt(h, 16));
        if (o.experimental) out.push(254, 4 + cookie.length, 0xf9, 0x89, ...cookie);
        else out.push(34, 2 + cookie.length, ...cookie);
        break;
      }
    }
  }
  return out;
}

/** The bytes of an IPv4 packet; null when the options do not fit a TCP header (as they stand: nothing is padded). */
export function writeSegment(s: Segment): Uint8Array | null {
  const options = optionBytes(s.options);
  if (options.length > 40 || options.length % 4 !== 0) return null;
  const header = 20 + options.length;
  const total = 20 + header + s.payload.length;
  if (total > 0xffff) return null;
  const b = new Uint8Array(total);
  const v = new DataView(b.buffer);
  v.setUint8(0, 0x45);
  v.setUint8(1, s.tos);
  v.setUint16(2, total);
  v.setUint16(4, s.id);
  v.setUint16(6, s.fragment);
  v.setUint8(8, s.ttl);
  v.setUint8(9, 6);
  v.setInt32(12, s.source);
  v.setInt32(16, s.destination);
  v.setUint16(10, ~onesSum(b, 0, 20) & 0xffff);
  v.setUint16(20, s.sourcePort);
  v.setUint16(22, s.destinationPort);
  v.setUint32(24, s.sequence);
  v.setUint32(28, s.ack);
  v.setUint16(32, ((header / 4) << 12) | (s.flags & 0x1ff));
  v.setUint16(34, s.window);
  v.setUint16(38, s.urgent);
  b.set(options, 40);
  b.set(s.payload, 20 + header);
  v.setUint16(36, ~onesSum(b, 20, total, pseudo(b, total - 20)) & 0xffff);
  return b;
}

/** The segment in an IPv4 packet, or in words what is wrong with the packet. */
export function readSegment(b: Uint8Array): Segment | string {
  const v = new DataView(b.buffer, b.byteOffset, b.length);
  if (b.length < 40 || b[0] !== 0x45) return `not IPv4 with a plain header: ${b[0]}`;
  if (v.getUint16(2) !== b.length) return `total length ${v.getUint16(2)} of ${b.length}`;
  if (onesSum(b, 0, 20) !== 0xffff) return 'a wrong IPv4 checksum';
  if (b[9] !== 6) return `protocol ${b[9]}`;
  if (onesSum(b, 20, b.length, pseudo(b, b.length - 20)) !== 0xffff) return 'a wrong TCP checksum';
  const header = (b[32]! >> 4) * 4;
  if (header < 20 || 20 + header > b.length) return `data offset ${header}`;
  const options = readOptions(v, 40, 20 + header);
  if (typeof options === 'string') return options;
  return {
    source: v.getInt32(12),
    destination: v.getInt32(16),
    sourcePort: v.getUint16(20),
    destinationPort: v.getUint16(22),
    sequence: v.getUint32(24),
    ack: v.getUint32(28),
    flags: v.getUint16(32) & 0x1ff,
    window: v.getUint16(34),
    urgent: v.getUint16(38),
    options,
    payload: b.slice(20 + header),
    tos: b[1]!,
    ttl: b[8]!,
    id: v.getUint16(4),
    fragment: v.getUint16(6),
  };
}

function readOptions(v: DataView, from: number, to: number): TcpOptionSpec[] | string {
  const out: TcpOptionSpec[] = [];
  for (let i = from; i < to; ) {
    const kind = v.getUint8(i);
    if (kind < 2) {
      out.push({ kind: kind === 0 ? 'eol' : 'nop' });
      i++;
      continue;
    }
    const length = i + 1 < to ? v.getUint8(i + 1) : 0;
    if (length < 2 || i + length > to) return `option ${kind} of length ${length}`;
    if (kind === 2) out.push({ kind: 'mss', value: v.getUint16(i + 2) });
    else if (kind === 3) out.push({ kind: 'wscale', value: v.getUint8(i + 2) });
    else if (kind === 4) out.push({ kind: 'sackOK' });
    else if (kind === 8) out.push({ kind: 'TS', value: v.getUint32(i + 2), echo: v.getUint32(i + 6) });
    else if (kind === 5) {
      const blocks: [number, number][] = [];
      for (let k = i + 2; k + 8 <= i + length; k += 8) blocks.push([v.getUint32(k), v.getUint32(k + 4)]);
      out.push({ kind: 'sack', blocks });
    } else return `option ${kind}, unknown here`;
    i += length;
  }
  return out;
}

/** ICMP types and codes under packetdrill's names (gtests/net/packetdrill/icmp.h). */
const ICMP: Readonly<Record<string, readonly [number, Readonly<Record<string, number>>]>> = {
  unreachable: [
    3,
    {
      net_unreachable: 0,
      host_unreachable: 1,
      protocol_unreachable: 2,
      port_unreachable: 3,
      frag_needed: 4,
      source_route_failed: 5,
      net_unknown: 6,
      host_unknown: 7,
      source_host_isolated: 8,
      net_prohibited: 9,
      host_prohibited: 10,
      net_unreachable_for_tos: 11,
      host_unreachable_for_tos: 12,
      packet_filtered: 13,
      precedence_violation: 14,
      precedence_cutoff: 15,
    },
  ],
  source_quench: [4, {}],
  redirect: [5, {}],
  time_exceeded: [11, { ttl_exceeded: 0, reassembly_exceeded: 1 }],
  parameter_problem: [12, {}],
};

/** Type and code, or null when the names are unknown. */
export function icmpNumbers(type: string, code: string | null): readonly [number, number] | null {
  const known = ICMP[type] ?? (/^\d+$/.test(type) ? ([Number(type), {}] as const) : null);
  if (known === null || known === undefined) return null;
  if (code === null) return [known[0], 0];
  const number = /^\d+$/.test(code) ? Number(code) : known[1][code];
  return number === undefined ? null : [known[0], number];
}

/** An ICMP error that quotes the first 28 bytes of a packet. */
export function writeIcmp(
  from: number,
  to: number,
  numbers: readonly [number, number],
  mtu: number,
  quoted: Uint8Array,
): Uint8Array {
  const quote = quoted.slice(0, 28);
  const b = new Uint8Array(28 + quote.length);
  const v = new DataView(b.buffer);
  v.setUint8(0, 0x45);
  v.setUint16(2, b.length);
  v.setUint8(8, 64);
  v.setUint8(9, 1);
  v.setInt32(12, from);
  v.setInt32(16, to);
  v.setUint16(10, ~onesSum(b, 0, 20) & 0xffff);
  v.setUint8(20, numbers[0]);
  v.setUint8(21, numbers[1]);
  v.setUint16(26, mtu);
  b.set(quote, 28);
  v.setUint16(22, ~onesSum(b, 20, b.length) & 0xffff);
  return b;
}

/** Letters as scripts write them. */
export function flagLetters(flags: number): string {
  const letters: readonly (readonly [number, string])[] = [
    [FIN, 'F'],
    [SYN, 'S'],
    [RST, 'R'],
    [PSH, 'P'],
    [64, 'E'],
    [128, 'W'],
    [URG, 'U'],
    [0x100, 'A'],
    [ACK, '.'],
  ];
  const text = letters
    .filter(([bit]) => (flags & bit) !== 0)
    .map(([, letter]) => letter)
    .join('');
  return text === '' ? '-' : text;
}

export function optionText(options: readonly TcpOptionSpec[]): string {
  const words = options.map((o) => {
    switch (o.kind) {
      case 'mss':
      case 'wscale':
        return `${o.kind} ${o.value}`;
      case 'TS':
        return `TS val ${o.value} ecr ${o.echo}`;
      case 'sack':
        return `sack ${o.blocks.map(([a, b]) => `${a}:${b}`).join(' ')}`;
      case 'FO':
        return `FO ${o.cookie}`;
      default:
        return o.kind;
    }
  });
  return words.length === 0 ? '' : ` <${words.join(',')}>`;
}
