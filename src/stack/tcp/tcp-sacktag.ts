// Selective acknowledgements (RFC 2018, RFC 2883; net/ipv4/tcp_input.c tcp_sacktag_write_queue and what it calls): marks
// the records that the peer holds, splits those that it holds in part, joins neighbours that it holds both.
//
//   wire blocks -> checked against sndUna, sndNxt -> sorted -> walked along rtxQueue, past what recvSackCache has seen
//
// What a block may be: inside what is outstanding; or, first of all and below the ACK, a report of a duplicate (DSACK).
// Anything else (inverted, beyond sndNxt, absurdly old) is passed over.

import * as frames from '../../link/frame.ts';
import { TcpAckFlag } from './tcp-ack-flag.ts';
import type { AckState } from './tcp-ack-state.ts';
import { tcpRateSkbDelivered } from './tcp-rate.ts';
import { tcpMatchSkbToSack, tcpSacktagOne, tcpShiftSkbData } from './tcp-sack-mark.ts';
import { tcpCheckSackReordering, tcpHighestSackSeq } from './tcp-scoreboard.ts';
import type { TcpSegment } from './tcp-segment.ts';
import { after, before } from './tcp-seq.ts';
import { skbTimestampUs, Tcpcb, type TcpSkb } from './tcp-skb.ts';
import { type SackBlock, TcpCaState, type TcpSock } from './tcp-sock.ts';

// Constants of this module: V8 folds those into the packet path, imported bindings it does not (link/frame.ts).
const { view } = frames;
const { SACKED_ACKED } = Tcpcb;
const FLAG = TcpAckFlag;

/** TCP_NUM_SACKS: more blocks do not fit behind a header of 60 bytes. */
const BLOCKS_MAX = 4;

/** The blocks of the ACK at hand, sorted; filled anew for each. */
const blocks: SackBlock[] = Array.from({ length: BLOCKS_MAX }, () => ({ startSeq: 0, endSeq: 0 }));
let used = 0;
/** where the block that came first on the wire went; -1: it is not among them */
let firstBlock = -1;

/** tcp_is_sackblock_valid */
function blockValid(sk: TcpSock, duplicate: boolean, start: number, end: number): boolean {
  if (after(end, sk.sndNxt) || !before(start, end)) return false;
  if (!before(start, sk.sndNxt)) return false;
  // start == sndUna makes no sense: an acknowledgement would have said it.
  if (after(start, sk.sndUna)) return true;
  if (!duplicate || sk.undoMarker === 0) return false;
  // A duplicate lies below sndUna entirely, and not further back than what the present recovery may have sent twice.
  if (after(end, sk.sndUna)) return false;
  if (!before(start, sk.undoMarker)) return true;
  if (!after(end, sk.undoMarker)) return false;
  return !before(start, (end - sk.maxWindow) >>> 0);
}

/** tcp_dsack_seen. @returns segments that arrived twice; 0: the report is not believed */
function dsackSeen(sk: TcpSock, start: number, end: number, state: AckState): number {
  if (!before(start, end)) return 0;
  const length = (end - start) >>> 0;
  if (length > sk.maxWindow) return 0;
  let segments = 1;
  if (length > sk.mssCache) segments = Math.ceil(length / sk.mssCache);
  else if (sk.tlpHighSeq !== 0 && sk.tlpHighSeq === end) state.flag |= FLAG.DSACK_TLP;
  sk.dsackDups += segments;
  // More duplicates than were ever sent twice: the network made them.
  if (sk.dsackDups > sk.totalRetrans) return 0;
  // Reordering made RACK send too early; a loss probe is sent early on purpose.
  if (sk.reordSeen !== 0 && (state.flag & FLAG.DSACK_TLP) === 0) sk.rack.dsackSeen = true;
  state.flag |= FLAG.DSACKING_ACK;
  state.sackDelivered += segments;
  return segments;
}

/** Whether the first block reports a duplicate: below the ACK, or inside the second (RFC 2883 section 4; tcp_check_dsack). */
function checkDsack(sk: TcpSock, segment: TcpSegment, count: number, priorSndUna: number, state: AckState): boolean {
  const at = segment.sackAt;
  const start = view.getUint32(at);
  const end = view.getUint32(at + 4);
  if (!before(start, segment.ackSeq)) {
    if (count < 2) return false;
    if (after(end, view.getUint32(at + 12)) || before(start, view.getUint32(at + 8))) return false;
  }
  const segments = dsackSeen(sk, start, end, state);
  if (segments === 0) return false;
  // A duplicate of what is no longer queued is counted here; of what is, while walking.
  if (sk.undoMarker !== 0 && sk.undoRetrans > 0 && !after(end, priorSndUna) && after(end, sk.undoMarker)) {
    sk.undoRetrans = Math.max(0, sk.undoRetrans - segments);
  }
  return true;
}

/** Reads and checks the blocks, and sorts them so that the queue is walked once. */
function readBlocks(sk: TcpSock, segment: TcpSegment, count: number, duplicate: boolean, priorSndUna: number): void {
  used = 0;
  firstBlock = 0;
  for (let i = 0; i < count; i++) {
    const start = view.getUint32(segment.sackAt + i * 8);
    const end = view.getUint32(segment.sackAt + i * 8 + 4);
    if (!blockValid(sk, i === 0 && duplicate, start, end) || !after(end, priorSndUna)) {
      if (i === 0) firstBlock = -1;
      continue;
    }
    const block = blocks[used++]!;
    block.startSeq = start;
    block.endSeq = end;
  }
  for (let i = used - 1; i > 0; i--) {
    for (let j = 0; j < i; j++) {
      const a = blocks[j]!;
      const b = blocks[j + 1]!;
      if (!after(a.startSeq, b.startSeq)) continue;
      blocks[j] = b;
      blocks[j + 1] = a;
      if (j === firstBlock) firstBlock = j + 1;
    }
  }
}

/** Marks the records from `from` on that lie in the block (tcp_sacktag_walk). @returns where it stopped */
function walk(
  sk: TcpSock,
  from: TcpSkb | null,
  nextDup: SackBlock | null,
  state: AckState,
  start: number,
  end: number,
  duplicateIn: boolean,
): TcpSkb | null {
  let skb = from;
  for (; skb !== null; skb = skb.next) {
    if (!before(skb.seq, end)) break;
    let duplicate = duplicateIn;
    let inSack = 0;
    if (nextDup !== null && before(skb.seq, nextDup.endSeq)) {
      inSack = tcpMatchSkbToSack(sk, skb, nextDup.startSeq, nextDup.endSeq);
      if (inSack > 0) duplicate = true;
    }
    if (inSack <= 0) {
      const shifted = tcpShiftSkbData(sk, skb, state, start, end, duplicate);
      if (shifted === null) inSack = tcpMatchSkbToSack(sk, skb, start, end);
      else if (shifted !== skb) {
        skb = shifted;
        continue;
      } else inSack = 0;
    }
    if (inSack < 0) break;
    if (inSack === 0) continue;
    skb.sacked = tcpSacktagOne(sk, state, skb.sacked, skb.seq, skb.endSeq, duplicate, skb.pcount, skbTimestampUs(skb));
    tcpRateSkbDelivered(sk, skb, state.rate);
    if ((skb.sacked & SACKED_ACKED) !== 0) sk.tsortedSentQueue.remove(skb);
    if (!before(skb.seq, tcpHighestSackSeq(sk))) sk.highestSack = skb.next;
  }
  return skb;
}

/** The record that holds `seq`, never going back (tcp_sacktag_skip). */
function skip(sk: TcpSock, skb: TcpSkb | null, seq: number): TcpSkb | null {
  if (skb !== null && after(skb.seq, seq)) return skb;
  return sk.rtxQueue.seek(seq);
}

/** A duplicate that is reported inside a block that was seen before is walked all the same (tcp_maybe_skipping_dsack). */
function walkSkippedDuplicate(
  sk: TcpSock,
  skb: TcpSkb | null,
  nextDup: SackBlock | null,
  state: AckState,
  upTo: number,
): TcpSkb | null {
  if (nextDup === null || !before(nextDup.startSeq, upTo)) return skb;
  const at = skip(sk, skb, nextDup.startSeq);
  return walk(sk, at, null, state, nextDup.startSeq, nextDup.endSeq, true);
}

/**
 * Takes the SACK blocks of an ACK into the scoreboard (tcp_sacktag_write_queue). What it found is in state.flag,
 * state.sackDelivered and state.rate.
 */
export function tcpSacktagWriteQueue(sk: TcpSock, segment: TcpSegment, priorSndUna: number, state: AckState): void {
  const count = Math.min(segment.sackCount, BLOCKS_MAX);
  state.reord = sk.sndNxt;
  if (sk.sackedOut === 0) sk.highestSack = sk.rtxQueue.first();
  const duplicate = checkDsack(sk, segment, count, priorSndUna, state);
  // Old ACKs may carry news, very old ones do not.
  if (before(segment.ackSeq, (priorSndUna - sk.maxWindow) >>> 0)) return;
  if (sk.packetsOut === 0) return;
  readBlocks(sk, segment, count, duplicate, priorSndUna);
  walkBlocks(sk, duplicate, state);
  // The cache keeps the blocks at its end, so that empty ones come first.
  const cache = sk.recvSackCache;
  for (let i = 0; i < BLOCKS_MAX; i++) {
    const block = i < BLOCKS_MAX - used ? null : blocks[i - (BLOCKS_MAX - used)]!;
    cache[i]!.startSeq = block === null ? 0 : block.startSeq;
    cache[i]!.endSeq = block === null ? 0 : block.endSeq;
  }
  if (sk.caState !== TcpCaState.LOSS || sk.undoMarker !== 0) tcpCheckSackReordering(sk, state.reord);
}

function walkBlocks(sk: TcpSock, duplicateFound: boolean, state: AckState): void {
  const cache = sk.recvSackCache;
  let c = BLOCKS_MAX;
  if (sk.sackedOut !== 0) {
    c = 0;
    while (c < BLOCKS_MAX && cache[c]!.startSeq === 0 && cache[c]!.endSeq === 0) c++;
  }
  let skb: TcpSkb | null = null;
  for (let i = 0; i < used; ) {
    const { startSeq: start, endSeq: end } = blocks[i]!;
    const duplicate = duplicateFound && i === firstBlock;
    const nextDup = duplicateFound && i + 1 === firstBlock ? blocks[i + 1]! : null;
    while (c < BLOCKS_MAX && !before(start, cache[c]!.endSeq)) c++;
    if (c < BLOCKS_MAX && !duplicate && after(end, cache[c]!.startSeq)) {
      const { startSeq: cachedStart, endSeq: cachedEnd } = cache[c]!;
      if (before(start, cachedStart)) {
        skb = skip(sk, skb, start);
        skb = walk(sk, skb, nextDup, state, start, cachedStart, duplicate);
      }
      if (!after(end, cachedEnd)) {
        i++;
        continue;
      }
      skb = walkSkippedDuplicate(sk, skb, nextDup, state, cachedEnd);
      c++;
      if (tcpHighestSackSeq(sk) !== cachedEnd) {
        skb = skip(sk, skb, cachedEnd);
        // The rest of the block may touch the next cached one.
        continue;
      }
      skb = sk.highestSack;
      if (skb === null) return;
    } else {
      if (!before(start, tcpHighestSackSeq(sk))) {
        skb = sk.highestSack;
        if (skb === null) return;
      }
      skb = skip(sk, skb, start);
    }
    skb = walk(sk, skb, nextDup, state, start, end, duplicate);
    i++;
  }
}
