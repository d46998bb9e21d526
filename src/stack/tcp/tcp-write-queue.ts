// The records of the write and retransmission queues: how they are split, joined, counted and freed (net/ipv4/tcp_output.c
// tcp_fragment, tcp_set_skb_tso_segs, tcp_grow_skb, tcp_trim_head; include/net/tcp.h). No byte moves: the data stays where it
// lies in the send ring.

import { TcpFlag } from '../../wire/tcp.ts';
import { TcpChrono, tcpChronoStart, tcpChronoStop } from './tcp-chrono.ts';
import { after, before } from './tcp-seq.ts';
import { allocSkb, freeSkb, Tcpcb, type TcpSkb } from './tcp-skb.ts';
import type { TcpSock } from './tcp-sock.ts';

/**
 * What an empty segment takes of the send buffer: struct sk_buff (256), its head for headers (MAX_TCP_HEADER 320 with
 * alignment) and struct skb_shared_info (320): SKB_TRUESIZE of tcp_stream_alloc_skb.
 */
export const SKB_OVERHEAD = 960;

/** Two super-segments of 64 KiB with their overhead: what splitting may take beyond the send buffer (tcp_fragment). */
const FRAGMENT_ALLOWANCE = 2 * (65_536 + 256 + 320);

/** tcp_set_skb_tso_segs: how many segments of `mss` the record stands for. */
export function tcpSetSkbTsoSegs(skb: TcpSkb, mss: number): number {
  if (skb.len <= mss) {
    skb.gsoSize = 0;
    skb.pcount = 1;
    return 1;
  }
  skb.gsoSize = mss;
  skb.pcount = Math.ceil(skb.len / mss);
  return skb.pcount;
}

/** tcp_init_tso_segs */
export function tcpInitTsoSegs(skb: TcpSkb, mss: number): number {
  if (skb.pcount === 0 || (skb.pcount > 1 && skb.gsoSize !== mss)) return tcpSetSkbTsoSegs(skb, mss);
  return skb.pcount;
}

/** tcp_skb_entail: a new, empty record at the end of the write queue. */
export function tcpSkbEntail(sk: TcpSock): TcpSkb {
  const skb = allocSkb();
  skb.seq = sk.writeSeq;
  skb.endSeq = sk.writeSeq;
  skb.tcpFlags = TcpFlag.ACK;
  skb.pcount = 0;
  skb.truesize = SKB_OVERHEAD;
  sk.writeQueue.push(skb);
  if (sk.writeQueue.first() === skb) tcpChronoStart(sk, TcpChrono.BUSY);
  sk.wmemQueued += skb.truesize;
  return skb;
}

/** tcp_wmem_free_skb: out of every queue and freed. */
export function tcpFreeSkb(sk: TcpSock, skb: TcpSkb): void {
  sk.wmemQueued -= skb.truesize;
  freeSkb(skb);
}

/** tcp_rtx_queue_unlink_and_free */
export function tcpRtxQueueUnlinkAndFree(sk: TcpSock, skb: TcpSkb): void {
  sk.tsortedSentQueue.remove(skb);
  sk.rtxQueue.remove(skb);
  tcpFreeSkb(sk, skb);
}

/** tcp_adjust_pcount: `decr` segments of the record are gone. */
export function tcpAdjustPcount(sk: TcpSock, skb: TcpSkb, decr: number): void {
  sk.packetsOut -= decr;
  if ((skb.sacked & Tcpcb.SACKED_ACKED) !== 0) sk.sackedOut -= decr;
  if ((skb.sacked & Tcpcb.SACKED_RETRANS) !== 0) sk.retransOut -= decr;
  if ((skb.sacked & Tcpcb.LOST) !== 0) sk.lostOut -= decr;
  // Reno case is special. Sigh.
  if (!sk.rxOpt.sackOk && sk.sackedOut > 0 && decr > 0) sk.sackedOut -= Math.min(sk.sackedOut, decr);
}

/**
 * tcp_fragment: cuts a record behind `len` bytes; the rest becomes a record of its own behind it.
 * @param sent it is in the retransmission queue, else in the write queue
 * @param mss segment size by which both are counted
 * @returns the new record, or null when there is nothing to cut or the queue is cut too finely already
 */
export function tcpFragment(sk: TcpSock, sent: boolean, skb: TcpSkb, len: number, mss: number): TcpSkb | null {
  if (len <= 0 || len >= skb.len) return null;
  // A peer that SACKs tiny pieces would have the queue cut into ever more records (CVE-2019-11478).
  const most = sk.sndbuf + FRAGMENT_ALLOWANCE;
  const inside = sent && skb !== sk.rtxQueue.first() && skb !== sk.rtxQueue.last();
  if (inside && sk.wmemQueued / 2 > most) return null;
  const rest = split(sk, skb, len);
  const old = skb.pcount;
  tcpSetSkbTsoSegs(skb, mss);
  tcpSetSkbTsoSegs(rest, mss);
  // What delivery sampling knows holds for both.
  rest.isAppLimited = skb.isAppLimited;
  rest.delivered = skb.delivered;
  rest.deliveredCe = skb.deliveredCe;
  rest.inFlight = skb.inFlight;
  rest.firstTxMstamp = skb.firstTxMstamp;
  rest.deliveredMstamp = skb.deliveredMstamp;
  if (!before(sk.sndNxt, rest.endSeq)) {
    const diff = old - skb.pcount - rest.pcount;
    if (diff !== 0) tcpAdjustPcount(sk, skb, diff);
  }
  if (sent) {
    sk.rtxQueue.insertAfter(rest, skb);
    if (skb.inTsorted) sk.tsortedSentQueue.insertAfter(rest, skb);
  } else sk.writeQueue.insertAfter(rest, skb);
  return rest;
}

/** tso_fragment: cuts a record that was never sent. */
export function tsoFragment(sk: TcpSock, skb: TcpSkb, len: number, mss: number): void {
  const rest = split(sk, skb, len);
  tcpSetSkbTsoSegs(skb, mss);
  tcpSetSkbTsoSegs(rest, mss);
  sk.writeQueue.insertAfter(rest, skb);
}

/** The rest of a record behind `len` bytes, in no queue yet. PSH and FIN belong to the last byte. */
function split(sk: TcpSock, skb: TcpSkb, len: number): TcpSkb {
  const rest = allocSkb();
  const bytes = skb.len - len;
  rest.seq = (skb.seq + len) >>> 0;
  rest.endSeq = skb.endSeq;
  skb.endSeq = rest.seq;
  rest.len = bytes;
  skb.len = len;
  const flags = skb.tcpFlags;
  skb.tcpFlags = flags & ~(TcpFlag.FIN | TcpFlag.PSH);
  rest.tcpFlags = flags;
  rest.sacked = skb.sacked;
  rest.mstampNs = skb.mstampNs;
  rest.eor = skb.eor;
  skb.eor = false;
  rest.truesize = SKB_OVERHEAD + bytes;
  skb.truesize -= bytes;
  sk.wmemQueued += SKB_OVERHEAD;
  return rest;
}

/** tcp_grow_skb: fills a record that is about to leave with up to `amount` bytes of the one behind it. */
export function tcpGrowSkb(sk: TcpSock, skb: TcpSkb, amount: number): void {
  const next = skb.next;
  if (next === null || skb.eor) return;
  const n = Math.min(amount, next.len);
  if (n === 0) return;
  skb.len += n;
  skb.truesize += n;
  next.truesize -= n;
  next.len -= n;
  skb.endSeq = (skb.endSeq + n) >>> 0;
  next.seq = (next.seq + n) >>> 0;
  if (next.len > 0) return;
  // A FIN comes along.
  skb.endSeq = next.endSeq;
  skb.eor = next.eor;
  skb.tcpFlags |= next.tcpFlags;
  sk.writeQueue.remove(next);
  tcpFreeSkb(sk, next);
}

/** tcp_trim_head: the first `len` bytes of a sent record were acknowledged. */
export function tcpTrimHead(sk: TcpSock, skb: TcpSkb, len: number): void {
  skb.len -= len;
  skb.truesize -= len;
  sk.wmemQueued -= len;
  skb.seq = (skb.seq + len) >>> 0;
  if (skb.pcount > 1) tcpSetSkbTsoSegs(skb, skb.gsoSize);
}

/** sk_stream_memory_free */
export function skStreamMemoryFree(sk: TcpSock): boolean {
  if (sk.wmemQueued >= sk.sndbuf) return false;
  const lowat = sk.notsentLowat !== 0 ? sk.notsentLowat : sk.netns.sysctl.ipv4.tcp_notsent_lowat;
  return (sk.writeSeq - sk.sndNxt) >>> 0 < lowat;
}

/** True when nothing waits to be sent (tcp_write_queue_empty: what is there was already sent). */
export function tcpWriteQueueEmpty(sk: TcpSock): boolean {
  return sk.writeSeq === sk.sndNxt;
}

/** tcp_write_queue_purge */
export function tcpWriteQueuePurge(sk: TcpSock): void {
  tcpChronoStop(sk, TcpChrono.BUSY);
  sk.tsortedSentQueue.clear();
  sk.writeQueue.purge();
  sk.rtxQueue.purge();
  sk.wmemQueued = 0;
  sk.highestSack = null;
  sk.retransmitSkbHint = null;
  sk.packetsOut = 0;
  sk.backoff = 0;
  sk.sendRing.release();
}

/** What may still hold bytes of the send ring, for its growth: everything from sndUna. */
export function sendRingFrom(sk: TcpSock): number {
  const first = sk.rtxQueue.first() ?? sk.writeQueue.first();
  return first !== null && before(first.seq, sk.sndUna)
    ? first.seq
    : after(sk.sndUna, sk.writeSeq)
      ? sk.writeSeq
      : sk.sndUna;
}
