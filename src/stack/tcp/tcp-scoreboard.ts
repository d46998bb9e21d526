// The scoreboard: what the sender believes of the segments it has sent (net/ipv4/tcp_input.c, include/net/tcp.h).
//
//   packetsOut   sent and not acknowledged, of which
//   sackedOut      the peer has, beyond a hole (with Reno: as many as duplicate ACKs came)
//   lostOut        are believed lost
//   retransOut     were sent again and are not known to have arrived
//   in flight    = packetsOut - sackedOut - lostOut + retransOut
//
// Each record in rtxQueue carries its own bits (Tcpcb), and the counters are their sums in segments: tcpVerifyScoreboard
// says whether they are. highestSack is the record behind the highest one SACKed, null when that was the last.

import { after, before } from './tcp-seq.ts';
import { Tcpcb, type TcpSkb } from './tcp-skb.ts';
import type { TcpSock } from './tcp-sock.ts';

const { EVER_RETRANS, LOST, RETRANS, SACKED_ACKED, SACKED_RETRANS } = Tcpcb;

/** `count` segments were delivered, for good (tcp_count_delivered). @param ece the ACK echoes congestion */
export function tcpCountDelivered(sk: TcpSock, count: number, ece: boolean): void {
  sk.delivered += count;
  if (ece) sk.deliveredCe += count;
}

/** Where the SACKed data ends, or rather where the search for unSACKed data begins (tcp_highest_sack_seq). */
export function tcpHighestSackSeq(sk: TcpSock): number {
  if (sk.sackedOut === 0) return sk.sndUna;
  return sk.highestSack === null ? sk.sndNxt : sk.highestSack.seq;
}

/** A record leaves the queue or is joined into `heir` (tcp_highest_sack_replace). */
export function tcpHighestSackReplace(sk: TcpSock, old: TcpSkb, heir: TcpSkb | null): void {
  if (sk.highestSack === old) sk.highestSack = heir;
}

export function tcpClearAllRetransHints(sk: TcpSock): void {
  sk.retransmitSkbHint = null;
}

/** Retransmission goes on from the first record that is lost: keep the hint in front of this one (tcp_verify_retransmit_hint). */
function verifyRetransmitHint(sk: TcpSock, skb: TcpSkb): void {
  const hint = sk.retransmitSkbHint;
  if (hint === null ? sk.retransOut >= sk.lostOut : before(skb.seq, hint.seq)) sk.retransmitSkbHint = skb;
}

/** tcp_mark_skb_lost: a retransmission that is lost again may be sent once more. */
export function tcpMarkSkbLost(sk: TcpSock, skb: TcpSkb): void {
  const { sacked } = skb;
  if ((sacked & SACKED_ACKED) !== 0) return;
  verifyRetransmitHint(sk, skb);
  if ((sacked & LOST) === 0) {
    sk.lostOut += skb.pcount;
    skb.sacked |= LOST;
    sk.lost += skb.pcount;
  } else if ((sacked & SACKED_RETRANS) !== 0) {
    skb.sacked &= ~SACKED_RETRANS;
    sk.retransOut -= skb.pcount;
    sk.lost += skb.pcount;
  }
}

/** Whether any segment of the queue was sent twice (tcp_any_retrans_done). */
export function tcpAnyRetransDone(sk: TcpSock): boolean {
  if (sk.retransOut !== 0) return true;
  const head = sk.rtxQueue.first();
  return head !== null && (head.sacked & EVER_RETRANS) !== 0;
}

export function tcpRetransStampCleanup(sk: TcpSock): void {
  if (!tcpAnyRetransDone(sk)) sk.retransStamp = 0;
}

/** The peer echoes a time before `when`, ms without offset (tcp_tsopt_ecr_before). */
export function tcpTsoptEcrBefore(sk: TcpSock, when: number): boolean {
  return sk.rxOpt.sawTstamp && sk.rxOpt.rcvTsecr !== 0 && before(sk.rxOpt.rcvTsecr, when);
}

/** The record was sent twice, and it is the first copy that the peer answers (tcp_skb_spurious_retrans). */
export function tcpSkbSpuriousRetrans(sk: TcpSock, skb: TcpSkb): boolean {
  return (skb.sacked & RETRANS) !== 0 && tcpTsoptEcrBefore(sk, Math.floor(skb.mstampNs / 1_000_000) >>> 0);
}

/** Segments that came out of order: `lowSeq` was delivered after what lies up to the highest SACK (tcp_check_sack_reordering). */
export function tcpCheckSackReordering(sk: TcpSock, lowSeq: number): void {
  const highest = tcpHighestSackSeq(sk);
  if (!before(lowSeq, highest)) return;
  const distance = (highest - lowSeq) >>> 0;
  const mss = sk.mssCache;
  if (mss !== 0 && distance > sk.reordering * mss) {
    sk.reordering = Math.min(Math.ceil(distance / mss), sk.netns.sysctl.ipv4.tcp_max_reordering);
  }
  sk.reordSeen++;
}

// -- Without SACK: duplicate ACKs stand for segments that left the network -----------------------------------------------

/** There is at least one hole, so not all can have arrived (tcp_limit_reno_sacked). @returns whether there were more */
export function tcpLimitRenoSacked(sk: TcpSock): boolean {
  const holes = Math.min(Math.max(sk.lostOut, 1), sk.packetsOut);
  if (sk.sackedOut + holes <= sk.packetsOut) return false;
  sk.sackedOut = sk.packetsOut - holes;
  return true;
}

/** More duplicate ACKs than segments: ACKs or segments came out of order (tcp_check_reno_reordering). */
function checkRenoReordering(sk: TcpSock, addend: number): void {
  if (!tcpLimitRenoSacked(sk)) return;
  sk.reordering = Math.min(sk.packetsOut + addend, sk.netns.sysctl.ipv4.tcp_max_reordering);
  sk.reordSeen++;
}

/** tcp_add_reno_sack: `duplicates` ACKs say that as many segments arrived somewhere. */
export function tcpAddRenoSack(sk: TcpSock, duplicates: number, ece: boolean): void {
  if (duplicates === 0) return;
  const before = sk.sackedOut;
  sk.sackedOut += duplicates;
  checkRenoReordering(sk, 0);
  if (sk.sackedOut > before) tcpCountDelivered(sk, sk.sackedOut - before, ece);
}

/** tcp_remove_reno_sacks: `acked` segments are acknowledged; one was the hole, duplicate ACKs had told of the others. */
export function tcpRemoveRenoSacks(sk: TcpSock, acked: number, ece: boolean): void {
  if (acked > 0) {
    tcpCountDelivered(sk, Math.max(acked - sk.sackedOut, 1), ece);
    sk.sackedOut = Math.max(sk.sackedOut - (acked - 1), 0);
  }
  checkRenoReordering(sk, acked);
}

// -- Invariants -----------------------------------------------------------------------------------------------------------

/**
 * What is wrong with the scoreboard, or null. Walks the whole queue: for tests (tcp_verify_left_out, and the sums that the
 * kernel takes on trust).
 */
export function tcpVerifyScoreboard(sk: TcpSock): string | null {
  let packets = 0;
  let sacked = 0;
  let lost = 0;
  let retrans = 0;
  let expected = sk.sndUna;
  for (let skb = sk.rtxQueue.first(); skb !== null; skb = skb.next) {
    packets += skb.pcount;
    if ((skb.sacked & SACKED_ACKED) !== 0) sacked += skb.pcount;
    if ((skb.sacked & LOST) !== 0) lost += skb.pcount;
    if ((skb.sacked & SACKED_RETRANS) !== 0) retrans += skb.pcount;
    if ((skb.sacked & SACKED_ACKED) !== 0 && (skb.sacked & LOST) !== 0) return `${skb.seq} is both SACKed and lost`;
    if (after(skb.seq, expected)) return `a gap of sequence space before ${skb.seq}, expected ${expected}`;
    if (!after(skb.endSeq, expected)) return `${skb.seq}..${skb.endSeq} is acknowledged and queued`;
    expected = skb.endSeq;
  }
  if (sk.packetsOut !== packets) return `packetsOut ${sk.packetsOut}, queued ${packets}`;
  if (sk.rxOpt.sackOk && sk.sackedOut !== sacked) return `sackedOut ${sk.sackedOut}, marked ${sacked}`;
  if (sk.lostOut !== lost) return `lostOut ${sk.lostOut}, marked ${lost}`;
  if (sk.retransOut !== retrans) return `retransOut ${sk.retransOut}, marked ${retrans}`;
  if (sk.sackedOut + sk.lostOut > sk.packetsOut) return `left out ${sk.sackedOut} + ${sk.lostOut} of ${sk.packetsOut}`;
  if (packets > 0 && expected !== sk.sndNxt) return `queue ends at ${expected}, sndNxt is ${sk.sndNxt}`;
  return null;
}
