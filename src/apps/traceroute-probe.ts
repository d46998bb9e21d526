// One probe of traceroute, and what an answer to it means (traceroute 2.1.2, traceroute.c parse_icmp_res).

import type { Ipv4 } from '../addr/ipv4.ts';
import type { Ns } from '../sim/sim.ts';
import { IcmpType, IcmpUnreach } from '../wire/icmp.ts';

export interface Probe {
  readonly index: number;
  readonly ttl: number;
  /** -1: not sent yet */
  sentAt: Ns;
  /** -1: no answer */
  receivedAt: Ns;
  /** null: nobody answered */
  from: Ipv4 | null;
  done: boolean;
  /** the way ends here */
  final: boolean;
  /** `!H` and its like; '' for none */
  mark: string;
}

export function createProbe(index: number, ttl: number): Probe {
  return { index, ttl, sentAt: -1, receivedAt: -1, from: null, done: false, final: false, mark: '' };
}

const UNREACH_MARK: Readonly<Record<number, string>> = {
  [IcmpUnreach.NET]: '!N',
  [IcmpUnreach.NET_UNKNOWN]: '!N',
  [IcmpUnreach.HOST_ISOLATED]: '!N',
  [IcmpUnreach.NET_TOS]: '!N',
  [IcmpUnreach.HOST]: '!H',
  [IcmpUnreach.HOST_UNKNOWN]: '!H',
  [IcmpUnreach.HOST_TOS]: '!H',
  [IcmpUnreach.NET_PROHIBITED]: '!X',
  [IcmpUnreach.HOST_PROHIBITED]: '!X',
  [IcmpUnreach.FILTERED]: '!X',
  [IcmpUnreach.PORT]: '',
  [IcmpUnreach.PROTOCOL]: '!P',
  [IcmpUnreach.SOURCE_ROUTE]: '!S',
  [IcmpUnreach.PRECEDENCE]: '!V',
  [IcmpUnreach.PRECEDENCE_CUTOFF]: '!C',
};

/** The mark of an ICMP error, or null for an expired TTL: the way goes on. */
export function markOf(type: number, code: number, info: number): string | null {
  if (type === IcmpType.TIME_EXCEEDED && code === 0) return null;
  if (type !== IcmpType.DEST_UNREACH) return `!<${type}-${code}>`;
  if (code === IcmpUnreach.FRAG_NEEDED) return `!F-${info}`;
  return UNREACH_MARK[code] ?? `!<${code}>`;
}
