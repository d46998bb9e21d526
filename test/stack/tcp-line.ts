// TCP segments of a recording as short lines with relative numbers, read with plain byte arithmetic (not with the codecs
// under test): `A flags seq:end(len) ack n win n <options>`.

import type { Recorded } from './net.ts';

const ETHERNET = 14;
const LETTERS: readonly (readonly [number, string])[] = [
  [0x02, 'S'],
  [0x01, 'F'],
  [0x04, 'R'],
  [0x08, 'P'],
  [0x20, 'U'],
  [0x40, 'E'],
  [0x80, 'W'],
  [0x10, '.'],
];

export interface TcpLine {
  /** seconds */
  readonly at: number;
  readonly from: number;
  readonly to: number;
  readonly flags: string;
  readonly seq: number;
  readonly ack: number;
  readonly window: number;
  readonly length: number;
  readonly id: number;
  readonly options: string;
}

/** The TCP segment in an Ethernet frame, with absolute numbers; null when there is none. */
export function tcpOf(frame: Recorded): TcpLine | null {
  const b = frame.bytes;
  const u16 = (i: number): number => b[i]! * 256 + b[i + 1]!;
  const u32 = (i: number): number => u16(i) * 65_536 + u16(i + 2);
  if (b.length < 54 || u16(12) !== 0x0800 || b[23] !== 6) return null;
  const at = ETHERNET + (b[ETHERNET]! & 15) * 4;
  const header = (b[at + 12]! >> 4) * 4;
  const flags = LETTERS.filter(([bit]) => (b[at + 13]! & bit) !== 0)
    .map(([, letter]) => letter)
    .join('');
  const options: string[] = [];
  for (let i = at + 20; i < at + header; ) {
    const kind = b[i]!;
    if (kind === 1) {
      options.push('nop');
      i++;
      continue;
    }
    const size = b[i + 1]!;
    if (kind === 2) options.push(`mss ${u16(i + 2)}`);
    else if (kind === 3) options.push(`wscale ${b[i + 2]!}`);
    else if (kind === 4) options.push('sackOK');
    else if (kind === 5) options.push('sack');
    else if (kind === 8) options.push('ts');
    else options.push(`${kind}`);
    i += size;
  }
  return {
    at: frame.time / 1e9,
    from: u16(at),
    to: u16(at + 2),
    flags,
    seq: u32(at + 4),
    ack: u32(at + 8),
    window: u16(at + 14),
    length: u16(16) - (at - ETHERNET) - header,
    id: u16(18),
    options: options.join(','),
  };
}

/** What a device sent and received of one connection, numbers relative to both sides' first, windows as on the wire. */
export function tcpLines(frames: readonly Recorded[], dev: string, port: number): string[] {
  const first = new Map<number, number>();
  const lines: string[] = [];
  for (const frame of frames) {
    if (frame.dev !== dev) continue;
    const s = tcpOf(frame);
    if (s === null || (s.from !== port && s.to !== port)) continue;
    if (!first.has(s.from)) first.set(s.from, s.seq);
    const seq = (s.seq - first.get(s.from)!) >>> 0;
    const other = first.get(s.to);
    const ack = !s.flags.includes('.') || other === undefined ? '' : ` ack ${(s.ack - other) >>> 0}`;
    lines.push(`${frame.direction} ${s.flags} ${seq}(${s.length})${ack} win ${s.window} <${s.options}>`);
  }
  return lines;
}
