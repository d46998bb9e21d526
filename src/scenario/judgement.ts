// A judged expectation: what was expected, what came, and the evidence that matters, with numbers of the capture.

import { dropReasonName, dropReasonText } from '../base/drop-reason.ts';
import { packetLine } from '../capture/dissection.ts';
import { NS_PER_S, type Ns } from '../sim/sim.ts';
import { dissectFrame } from '../wire/dissect.ts';
import type { ObservedDrop, ObservedFrame } from './observation.ts';
import type { Amount } from './schema-step.ts';

/** Choice: enough to see what went wrong; the capture has the rest. */
export const EVIDENCE_MAX = 8;

export interface Judgement {
  readonly passed: boolean;
  /** what was expected, one line */
  readonly expected: string;
  /** what came instead (or came, when it passed), one line */
  readonly came: string;
  /** lines: frames, drops, output; empty when it passed */
  readonly evidence: readonly string[];
}

export function judgement(
  passed: boolean,
  expected: string,
  came: string,
  evidence: () => readonly string[] = () => [],
): Judgement {
  return { passed, expected, came, evidence: passed ? [] : evidence() };
}

/** `2.004123456` */
export function formatTime(time: Ns): string {
  return (time / NS_PER_S).toFixed(9);
}

/** `3`, `at least 1`, `at most 2`, `1 to 3`, `any number of` */
export function formatAmount(amount: Amount): string {
  const { min, max } = amount;
  if (min === undefined && max === undefined) return 'any number of';
  if (min === max) return min === 0 ? 'no' : String(min);
  if (max === undefined) return `at least ${min}`;
  return min === undefined || min === 0 ? `at most ${max}` : `${min} to ${max}`;
}

export function within(n: number, amount: Amount): boolean {
  return n >= (amount.min ?? 0) && n <= (amount.max ?? Number.POSITIVE_INFINITY);
}

/** One line of a frame: its number in the capture, time, ends, what it says, where. */
export function frameLine(frame: ObservedFrame): string {
  const line = bytesLine(frame.bytes, frame.time);
  const number = frame.number === null ? 'frame' : `frame ${frame.number}`;
  return `${number} (${frame.label} ${frame.direction}, packet ${frame.packetId}): ${line}`;
}

export function dropLine(drop: ObservedDrop): string {
  const reason = `${dropReasonName(drop.reason)}: ${dropReasonText(drop.reason)}`;
  const packet = drop.packetId === 0 ? '' : `, packet ${drop.packetId}`;
  const what = drop.bytes.length === 0 ? formatTime(drop.time) : bytesLine(drop.bytes, drop.time);
  return `dropped at ${drop.where} (${reason}${packet}): ${what}`;
}

/** IPv4 from the first byte: a packet that was dropped above the link layer. */
function isIpv4Packet(bytes: Uint8Array): boolean {
  return bytes.length >= 20 && bytes[0]! >= 0x45 && bytes[0]! <= 0x4f && bytes[2]! * 256 + bytes[3]! === bytes.length;
}

/** An Ethernet header without addresses, for the dissector. */
const BARE_ETHERNET = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x08, 0x00];

function bytesLine(seen: Uint8Array, time: Ns): string {
  const bytes = isIpv4Packet(seen) ? Uint8Array.from([...BARE_ETHERNET, ...seen]) : seen;
  const packet = {
    number: 0,
    interfaceIndex: 0,
    timeSeconds: 0,
    timeNanos: 0,
    hasTime: false,
    length: bytes.length,
    bytes,
    direction: 0,
    packetId: null,
    comments: [],
  } as const;
  // The number is said elsewhere: cut the line's own.
  return packetLine(packet, undefined, dissectFrame(bytes), formatTime(time)).replace(/^\s*0\s+/, '');
}

/** The first few lines, and how many more there are. */
export function someOf<T>(items: readonly T[], line: (item: T) => string): string[] {
  const lines = items.slice(0, EVIDENCE_MAX).map(line);
  if (items.length > EVIDENCE_MAX) lines.push(`... and ${items.length - EVIDENCE_MAX} more`);
  return lines;
}
