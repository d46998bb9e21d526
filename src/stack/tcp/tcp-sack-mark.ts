// What a SACK block does to one record of the retransmission queue (net/ipv4/tcp_input.c tcp_sacktag_one,
// tcp_match_skb_to_sack, tcp_shift_skb_data): marks it, splits it where the block covers a part, or joins what is covered to
// the SACKed record before it.

import { TcpFlag } from '../../wire/tcp.ts';
import { TcpAckFlag } from './tcp-ack-flag.ts';
import type { AckState } from './tcp-ack-state.ts';
import { tcpRackAdvance } from './tcp-rack.ts';
import { tcpRateSkbDelivered } from './tcp-rate.ts';
import { tcpHighestSackSeq } from './tcp-scoreboard.ts';
import { after, before } from './tcp-seq.ts';
import { skbTimestampUs, Tcpcb, type TcpSkb } from './tcp-skb.ts';
import type { TcpSock } from './tcp-sock.ts';
import { tcpFragment, tcpRtxQueueUnlinkAndFree } from './tcp-write-queue.ts';

const { EVER_RETRANS, LOST, RETRANS, SACKED_ACKED, SACKED_RETRANS, TAGBITS } = Tcpcb;
const FLAG = TcpAckFlag;

/** TCP_MIN_GSO_SIZE times 65535: bytes that one record may grow to. */
const SHIFTED_MAX = 65_535 * 8;
const PCOUNT_MAX = 65_535;

/** tcp_skb_seglen: payload of each segment of the record. */
export function tcpSkbSeglen(skb: TcpSkb): number {
  return skb.pcount === 1 ? skb.len : skb.gsoSize;
}

/**
 * A range of one record is SACKed (tcp_sacktag_one).
 * @param sent when it was last sent, microseconds
 * @returns the record's bits as they are now
 */
export function tcpSacktagOne(
  sk: TcpSock,
  state: AckState,
  bits: number,
  start: number,
  end: number,
  duplicate: boolean,
  pcount: number,
  sent: number,
): number {
  let sacked = bits;
  if (duplicate && (sacked & RETRANS) !== 0) {
    if (sk.undoMarker !== 0 && sk.undoRetrans > 0 && after(end, sk.undoMarker)) {
      sk.undoRetrans = Math.max(0, sk.undoRetrans - pcount);
    }
    if ((sacked & SACKED_ACKED) !== 0 && before(start, state.reord)) state.reord = start;
  }
  // About to be acknowledged and dropped.
  if (!after(end, sk.sndUna)) return sacked;
  if ((sacked & SACKED_ACKED) === 0) {
    tcpRackAdvance(sk, sacked, end, sent);
    if ((sacked & SACKED_RETRANS) !== 0) {
      // Not marked lost: the retransmission is believed to be under way still.
      if ((sacked & LOST) !== 0) {
        sacked &= ~(LOST | SACKED_RETRANS);
        sk.lostOut -= pcount;
        sk.retransOut -= pcount;
      }
    } else {
      if ((sacked & RETRANS) === 0) {
        // Sent once and behind what is SACKed already: it was overtaken.
        if (before(start, tcpHighestSackSeq(sk)) && before(start, state.reord)) state.reord = start;
        if (!after(end, sk.highSeq)) state.flag |= FLAG.ORIG_SACK_ACKED;
        if (state.firstSackt < 0) state.firstSackt = sent;
        state.lastSackt = sent;
      }
      if ((sacked & LOST) !== 0) {
        sacked &= ~LOST;
        sk.lostOut -= pcount;
      }
    }
    sacked |= SACKED_ACKED;
    state.flag |= FLAG.DATA_SACKED;
    sk.sackedOut += pcount;
    state.sackDelivered += pcount;
  }
  // The peer has it twice, so the copy that was under way has arrived.
  if (duplicate && (sacked & SACKED_RETRANS) !== 0) {
    sacked &= ~SACKED_RETRANS;
    sk.retransOut -= pcount;
  }
  return sacked;
}

/**
 * Whether the record lies in the block; one that does so in part is split at a segment's border first
 * (tcp_match_skb_to_sack).
 * @returns 1 yes, 0 no, -1: it could not be split
 */
export function tcpMatchSkbToSack(sk: TcpSock, skb: TcpSkb, start: number, end: number): number {
  let inSack = !after(start, skb.seq) && !before(end, skb.endSeq);
  if (skb.pcount > 1 && !inSack && after(skb.endSeq, start)) {
    const mss = skb.gsoSize;
    inSack = !after(start, skb.seq);
    let length: number;
    if (inSack) {
      length = (end - skb.seq) >>> 0;
      if (length < mss) return -1;
    } else {
      length = Math.max((start - skb.seq) >>> 0, mss);
    }
    // Whole segments are SACKed, or the small rest at the end.
    if (length > mss) {
      let whole = Math.floor(length / mss) * mss;
      if (!inSack && whole < length) whole += mss;
      length = whole;
    }
    if (length >= skb.len && !inSack) return 0;
    if (tcpFragment(sk, true, skb, length, mss) === null) return -1;
  }
  return inSack ? 1 : 0;
}

/** Two records may become one (tcp_skb_can_collapse, tcp_skb_shift). */
function canShift(to: TcpSkb, pcount: number, len: number): boolean {
  return !to.eor && to.len + len < SHIFTED_MAX && to.pcount + pcount <= PCOUNT_MAX;
}

/**
 * The first `len` bytes of a record, `pcount` segments, become part of the SACKed one before it (tcp_shifted_skb).
 * @returns whether the record was used up, and is gone
 */
function shift(
  sk: TcpSock,
  prev: TcpSkb,
  skb: TcpSkb,
  state: AckState,
  pcount: number,
  len: number,
  mss: number,
  duplicate: boolean,
): boolean {
  const { seq } = skb;
  tcpSacktagOne(sk, state, skb.sacked, seq, (seq + len) >>> 0, duplicate, pcount, skbTimestampUs(skb));
  tcpRateSkbDelivered(sk, skb, state.rate);
  prev.len += len;
  skb.len -= len;
  prev.truesize += len;
  skb.truesize -= len;
  prev.endSeq = (prev.endSeq + len) >>> 0;
  skb.seq = (seq + len) >>> 0;
  prev.pcount += pcount;
  skb.pcount -= pcount;
  if (prev.gsoSize === 0) prev.gsoSize = mss;
  if (skb.pcount <= 1) skb.gsoSize = 0;
  prev.sacked |= skb.sacked & EVER_RETRANS;
  if (skb.len > 0) return false;
  if (sk.retransmitSkbHint === skb) sk.retransmitSkbHint = prev;
  prev.tcpFlags |= skb.tcpFlags;
  prev.eor = skb.eor;
  if ((skb.tcpFlags & TcpFlag.FIN) !== 0) prev.endSeq = (prev.endSeq + 1) >>> 0;
  if (sk.highestSack === skb) sk.highestSack = skb.next;
  prev.deliveredMstamp = -1;
  tcpRtxQueueUnlinkAndFree(sk, skb);
  return true;
}

/**
 * Joins what is SACKed of a record to the SACKed record before it, and the one behind it too when that closes a hole
 * (tcp_shift_skb_data): a long run of SACKed segments is one record.
 * @returns the record to go on behind; null: mark this one the other way
 */
export function tcpShiftSkbData(
  sk: TcpSock,
  skb: TcpSkb,
  state: AckState,
  start: number,
  end: number,
  duplicate: boolean,
): TcpSkb | null {
  // Sent again and not lost does not become plainly SACKed.
  if (!duplicate && (skb.sacked & (LOST | SACKED_RETRANS)) === SACKED_RETRANS) return null;
  if (!after(skb.endSeq, sk.sndUna)) return null;
  const { prev } = skb;
  if (prev === null || (prev.sacked & TAGBITS) !== SACKED_ACKED) return null;
  let len: number;
  let pcount: number;
  let mss: number;
  if (!after(start, skb.seq) && !before(end, skb.endSeq)) {
    len = skb.len;
    pcount = skb.pcount;
    mss = tcpSkbSeglen(skb);
    if (mss !== tcpSkbSeglen(prev)) return null;
  } else {
    if (!after(skb.endSeq, start) || skb.pcount <= 1) return skb;
    if (after(start, skb.seq)) return null;
    mss = skb.gsoSize;
    if (mss !== tcpSkbSeglen(prev)) return null;
    len = (end - skb.seq) >>> 0;
    if (len < mss) return skb;
    pcount = Math.floor(len / mss);
    len = pcount * mss;
  }
  if (len === 0 || !after((skb.seq + len) >>> 0, sk.sndUna)) return null;
  if (!canShift(prev, pcount, len)) return null;
  if (!shift(sk, prev, skb, state, pcount, len, mss, duplicate)) return prev;
  const { next } = prev;
  if (next === null || (next.sacked & TAGBITS) !== SACKED_ACKED || mss !== tcpSkbSeglen(next)) return prev;
  if (next.len > 0 && canShift(prev, next.pcount, next.len)) {
    shift(sk, prev, next, state, next.pcount, next.len, mss, false);
  }
  return prev;
}
