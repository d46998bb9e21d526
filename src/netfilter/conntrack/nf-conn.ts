// A connection as conntrack knows it (struct nf_conn, include/net/netfilter/nf_conntrack.h), and how a frame carries it
// (skb->_nfct). Tuples are plain integers: addresses signed 32-bit, ports 0..65535 in host order.
//
//   original   oSrc:oSport -> oDst:oDport      as the first packet came, before any NAT
//   reply      rSrc:rSport -> rDst:rDport      what an answer looks like on the wire, NAT included
//
// For ICMP a tuple's ports hold: sport = identifier, dport = type << 8 | code (of the direction). GRE and the protocols
// without ports have 0.

import type { Ipv4 } from '../../addr/ipv4.ts';
import * as frames from '../../link/frame.ts';
import { type Frame, resetCt } from '../../link/frame.ts';
import type { Conntrack } from './conntrack.ts';
import type { TcpTrack } from './conntrack-tcp-state.ts';

const { frameCt, frameCtInfo } = frames;

/** IPS_* of include/uapi/linux/netfilter/nf_conntrack_common.h. */
export const CtStatus = {
  EXPECTED: 1 << 0,
  SEEN_REPLY: 1 << 1,
  ASSURED: 1 << 2,
  CONFIRMED: 1 << 3,
  SRC_NAT: 1 << 4,
  DST_NAT: 1 << 5,
  SEQ_ADJUST: 1 << 6,
  SRC_NAT_DONE: 1 << 7,
  DST_NAT_DONE: 1 << 8,
  DYING: 1 << 9,
  FIXED_TIMEOUT: 1 << 10,
  TEMPLATE: 1 << 11,
  NAT_CLASH: 1 << 12,
  HELPER: 1 << 13,
  /** IPS_NAT_MASK */
  NAT_MASK: (1 << 4) | (1 << 5),
  /** IPS_NAT_DONE_MASK */
  NAT_DONE_MASK: (1 << 7) | (1 << 8),
} as const;

/** enum ip_conntrack_info */
export const CtInfo = {
  ESTABLISHED: 0,
  RELATED: 1,
  NEW: 2,
  ESTABLISHED_REPLY: 3,
  RELATED_REPLY: 4,
  UNTRACKED: 7,
} as const;
export type CtInfo = (typeof CtInfo)[keyof typeof CtInfo];

/** IP_CT_IS_REPLY: from here on the packet goes in the reply direction. */
const IS_REPLY = CtInfo.ESTABLISHED_REPLY;
const UNTRACKED = CtInfo.UNTRACKED;

/** Direction of a packet within its connection (enum ip_conntrack_dir). */
export const CtDir = { ORIGINAL: 0, REPLY: 1 } as const;
export type CtDir = (typeof CtDir)[keyof typeof CtDir];

export class NfConn {
  /** the table that it belongs to */
  readonly conntrack: Conntrack;
  /** as `conntrack -o id` shows it: unsigned 32-bit */
  readonly id: number;
  readonly proto: number;
  oSrc: Ipv4 = 0;
  oDst: Ipv4 = 0;
  oSport = 0;
  oDport = 0;
  rSrc: Ipv4 = 0;
  rDst: Ipv4 = 0;
  rSport = 0;
  rDport = 0;
  /** CtStatus bits */
  status = 0;
  /** when it expires, jiffies; before confirmation the time-out itself, relative */
  timeout = 0;
  /** zone of each direction: `CT --zone` gives both, `--zone-orig` and `--zone-reply` one */
  oZone = 0;
  rZone = 0;
  mark = 0;
  /** the connection whose packet an expected or related one belongs to */
  readonly master: NfConn | null = null;
  /** ifindex that MASQUERADE chose the address of; 0 for none */
  masqIndex = 0;
  /** what only TCP needs; null for other protocols */
  tcp: TcpTrack | null = null;
  /** UDP: when both directions have spoken for two seconds, jiffies (nf_ct_udp.stream_ts) */
  streamAt = 0;
  /** nf_conntrack_acct: packets and bytes by direction */
  readonly accounted: boolean;
  oPackets = 0;
  oBytes = 0;
  rPackets = 0;
  rBytes = 0;
  /** nf_conntrack_timestamp: when it was confirmed, ns of virtual time; -1 when not kept */
  startedAt = -1;
  /** its events are told: somebody listened when it was made, or nf_conntrack_events is 1 (nf_ct_ecache_ext_add) */
  eventful = false;
  /** CtEvent bits not told yet */
  events = 0;
  /** @internal virtual time at which it was confirmed */
  confirmedAt = -1;
  /** @internal next one with the same original source (nat_bysource), newest first */
  nextBySource: NfConn | null = null;
  /** @internal */
  inBySource = false;
  /** @internal neighbours in the table's list, oldest first */
  previous: NfConn | null = null;
  /** @internal */
  next: NfConn | null = null;
  /** @internal slots of its two tuples in the hash table, -1 while not in it */
  slot = -1;

  constructor(conntrack: Conntrack, id: number, proto: number, accounted: boolean) {
    this.conntrack = conntrack;
    this.id = id;
    this.proto = proto;
    this.accounted = accounted;
  }

  /** nf_ct_is_confirmed */
  get confirmed(): boolean {
    return (this.status & CtStatus.CONFIRMED) !== 0;
  }

  get dying(): boolean {
    return (this.status & CtStatus.DYING) !== 0;
  }
}

/** The connection that the packet belongs to; null when conntrack has not seen it, found it invalid, or was told not to track. */
export function ctOf(frame: Frame): NfConn | null {
  return frameCtInfo[frame] === 0 ? null : (frameCt[frame] as NfConn | null);
}

/** CtInfo of the packet; -1 when it has none (INVALID to xt_conntrack, once conntrack has looked at it). */
export function ctInfoOf(frame: Frame): CtInfo | -1 {
  return (frameCtInfo[frame]! - 1) as CtInfo | -1;
}

/** nf_ct_set */
export function setCt(frame: Frame, ct: NfConn | null, info: CtInfo): void {
  frameCtInfo[frame] = info + 1;
  frameCt[frame] = ct;
}

/** nf_conntrack_attach(): what is sent because of a packet is related to its connection, the other way. */
export function attachCt(frame: Frame, because: Frame): void {
  if (frameCtInfo[because] === 0 || frameCt[because] === null) return;
  const reply = ctDirection(ctInfoOf(because) as CtInfo) === CtDir.REPLY;
  frameCtInfo[frame] = (reply ? CtInfo.RELATED : CtInfo.RELATED_REPLY) + 1;
  frameCt[frame] = frameCt[because]!;
}

/** NOTRACK: conntrack leaves the packet alone. */
export function setUntracked(frame: Frame): void {
  frameCtInfo[frame] = UNTRACKED + 1;
  frameCt[frame] = null;
}

/** True when the packet was taken out by NOTRACK. */
export function isUntracked(frame: Frame): boolean {
  return frameCtInfo[frame] === UNTRACKED + 1;
}

/** CTINFO2DIR */
export function ctDirection(info: CtInfo): CtDir {
  return info >= IS_REPLY && info !== UNTRACKED ? CtDir.REPLY : CtDir.ORIGINAL;
}

export { resetCt };
