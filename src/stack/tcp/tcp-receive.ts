// The data of segments (net/ipv4/tcp_input.c tcp_data_queue, tcp_data_queue_ofo, tcp_ofo_queue): what is in sequence goes to
// the program, what is not waits, and SACK tells the peer what there is (RFC 2018, duplicates RFC 2883). The bytes go straight
// from the frame to their place in the receive ring.

import * as frames from '../../link/frame.ts';
import { truesize } from '../truesize.ts';
import { ackTimeoutFromArrival, tcpEnterQuickackMode } from './tcp-ack-schedule.ts';
import { tcpFin, tcpWake } from './tcp-close.ts';
import type { OfoRange } from './tcp-ofo.ts';
import { tcpRcvRttMeasure } from './tcp-receive-rtt.ts';
import { tcpClampWindow, tcpGrowWindow, tcpMeasureRcvMss, tcpRcvbufGrow } from './tcp-receive-window.ts';
import { SKB_OVERHEAD, type TcpSegment } from './tcp-segment.ts';
import { after, before, seqMax } from './tcp-seq.ts';
import { IcskAck, type SackBlock, TcpCaState, TcpEcn, type TcpSock, tcpReceiveWindow } from './tcp-sock.ts';
import { skRethinkTxhash, tcpSackCompressSendAck } from './tcp-timer.ts';

// Constants of this module: V8 folds those into the packet path, imported bindings it does not (link/frame.ts).
const { u8 } = frames;

/** TCP_MAX_QUICKACKS */
export const TCP_MAX_QUICKACKS = 16;
/** TCP_NUM_SACKS: blocks remembered; TCP_SACK_BLOCKS_EXPECTED: with more holes than that ACKs are not held back. */
const NUM_SACKS = 4;
const SACK_BLOCKS_EXPECTED = 2;
/** Segments of this length and more make the window grow. */
const GROWING_LENGTH = 128;
/** Payload and memory of a page after collapsing (tcp_collapse: a page less the overhead of an skb). */
const COLLAPSED_PAYLOAD = 4096 - 576;
/** INET_ECN_CE */
const CE = 3;

/** tcp_dsack_set */
export function tcpDsackSet(sk: TcpSock, seq: number, endSeq: number): void {
  if (!sk.rxOpt.sackOk || sk.netns.sysctl.ipv4.tcp_dsack === 0) return;
  sk.rxOpt.dsack = true;
  sk.duplicateSack.startSeq = seq;
  sk.duplicateSack.endSeq = endSeq;
}

/** tcp_sack_extend: true when both overlap or touch; then the block covers both. */
function sackExtend(block: SackBlock, seq: number, endSeq: number): boolean {
  if (after(seq, block.endSeq) || after(block.startSeq, endSeq)) return false;
  if (before(seq, block.startSeq)) block.startSeq = seq;
  if (after(endSeq, block.endSeq)) block.endSeq = endSeq;
  return true;
}

function dsackExtend(sk: TcpSock, seq: number, endSeq: number): void {
  if (!sk.rxOpt.dsack) tcpDsackSet(sk, seq, endSeq);
  else sackExtend(sk.duplicateSack, seq, endSeq);
}

/** tcp_rcv_spurious_retrans: the same duplicate again means that our ACKs do not arrive; they try another path. */
export function tcpRcvSpuriousRetrans(sk: TcpSock, segment: TcpSegment): void {
  if (sk.caState !== TcpCaState.LOSS && segment.seq === sk.duplicateSack.startSeq) skRethinkTxhash(sk);
}

/** tcp_data_ecn_check (RFC 3168 section 6.1.3) */
function dataEcnCheck(sk: TcpSock, segment: TcpSegment): void {
  if ((sk.ecnFlags & TcpEcn.OK) === 0) return;
  const ecn = segment.dsfield & 3;
  if (ecn === 0) {
    // A sender that was heard with ECT and now sends without has retransmitted: it wants an ACK at once.
    if ((sk.ecnFlags & TcpEcn.SEEN) !== 0) tcpEnterQuickackMode(sk, 2);
    return;
  }
  if (ecn === CE && (sk.ecnFlags & TcpEcn.DEMAND_CWR) === 0) {
    tcpEnterQuickackMode(sk, 2);
    sk.ecnFlags |= TcpEcn.DEMAND_CWR;
  }
  sk.ecnFlags |= TcpEcn.SEEN;
}

/** tcp_event_data_recv */
function eventDataRecv(sk: TcpSock, segment: TcpSegment): void {
  sk.ackPending |= IcskAck.SCHED;
  tcpMeasureRcvMss(sk, segment);
  tcpRcvRttMeasure(sk);
  ackTimeoutFromArrival(sk);
  dataEcnCheck(sk, segment);
  if (segment.len >= GROWING_LENGTH) tcpGrowWindow(sk, segment, true);
}

/** tcp_prune_ofo_queue: what lies furthest behind a hole goes first. True when something went. */
function pruneOfo(sk: TcpSock, segment: TcpSegment): boolean {
  let pruned = false;
  for (let last = sk.ofo.at(-1); last !== undefined; last = sk.ofo.at(-1)) {
    if (after(segment.seq, last.seq)) break;
    sk.ofo.pop();
    sk.rmemAlloc -= last.truesize;
    pruned = true;
    if (sk.rmemAlloc <= sk.rcvbuf - (sk.rcvbuf >> 3)) break;
  }
  // What was reported is there no more (RFC 2018 section 8 allows it).
  if (pruned && sk.rxOpt.sackOk) sk.rxOpt.numSacks = 0;
  return pruned;
}

/** tcp_try_rmem_schedule, tcp_prune_queue: true when the segment may be kept. */
function tryRmemSchedule(sk: TcpSock, segment: TcpSegment): boolean {
  if (sk.rmemAlloc <= sk.rcvbuf) return true;
  tcpClampWindow(sk);
  if (sk.rmemAlloc <= sk.rcvbuf) return true;
  collapse(sk);
  if (sk.rmemAlloc <= sk.rcvbuf) return true;
  pruneOfo(sk, segment);
  return sk.rmemAlloc <= sk.rcvbuf;
}

/** tcp_collapse: many small segments in few pages. */
function collapse(sk: TcpSock): void {
  const bytes = (sk.rcvNxt - sk.copiedSeq) >>> 0;
  const freed = sk.receiveQueue.release(sk.rcvNxt);
  sk.rmemAlloc -= freed;
  let cost = 0;
  for (let done = 0; done < bytes; ) {
    const take = Math.min(COLLAPSED_PAYLOAD, bytes - done);
    done += take;
    const size = truesize(take);
    cost += size;
    sk.receiveQueue.pushWhole((sk.copiedSeq + done) >>> 0, size);
  }
  sk.rmemAlloc += cost;
  for (const range of sk.ofo) {
    const size = Math.ceil(((range.endSeq - range.seq) >>> 0) / COLLAPSED_PAYLOAD) * truesize(COLLAPSED_PAYLOAD);
    if (size >= range.truesize) continue;
    sk.rmemAlloc -= range.truesize - size;
    range.truesize = size;
  }
}

/** Copies the segment's bytes from `seq` on to their place in the ring. */
function store(sk: TcpSock, segment: TcpSegment, seq: number): void {
  const skip = (seq - segment.seq) >>> 0;
  const length = segment.len - skip;
  if (length <= 0) return;
  const end = (seq + length) >>> 0;
  const last = sk.ofo.at(-1);
  const kept = last === undefined ? sk.rcvNxt : seqMax(sk.rcvNxt, last.endSeq);
  sk.receiveRing.reserve(sk.copiedSeq, kept, seqMax(end, kept));
  sk.receiveRing.write(seq, u8, segment.dataAt + skip, length);
}

/** tcp_queue_rcv: in sequence, or overlapping what is there already. */
function queueRcv(sk: TcpSock, segment: TcpSegment): void {
  store(sk, segment, sk.rcvNxt);
  sk.bytesReceived += (segment.endSeq - sk.rcvNxt) >>> 0;
  sk.rcvNxt = segment.endSeq;
  if (segment.len === 0) return;
  sk.rmemAlloc += sk.receiveQueue.push(segment.endSeq, segment.len, SKB_OVERHEAD);
}

/** tcp_sack_remove: blocks that the in-order data has reached are no news. */
function sackRemove(sk: TcpSock): void {
  const rx = sk.rxOpt;
  if (sk.ofo.length === 0) {
    rx.numSacks = 0;
    return;
  }
  let kept = 0;
  for (let i = 0; i < rx.numSacks; i++) {
    const block = sk.selectiveAcks[i]!;
    if (!before(sk.rcvNxt, block.startSeq)) continue;
    if (kept !== i) {
      sk.selectiveAcks[kept]!.startSeq = block.startSeq;
      sk.selectiveAcks[kept]!.endSeq = block.endSeq;
    }
    kept++;
  }
  rx.numSacks = kept;
}

/** tcp_ofo_queue: what waited behind the hole that was filled. */
function ofoQueue(sk: TcpSock): void {
  const high = sk.rcvNxt;
  let gone = 0;
  let fin = false;
  while (gone < sk.ofo.length && !fin) {
    const range = sk.ofo[gone]!;
    if (after(range.seq, sk.rcvNxt)) break;
    gone++;
    if (before(range.seq, high)) dsackExtend(sk, range.seq, before(range.endSeq, high) ? range.endSeq : high);
    if (!after(range.endSeq, sk.rcvNxt)) {
      sk.rmemAlloc -= range.truesize;
      continue;
    }
    sk.bytesReceived += (range.endSeq - sk.rcvNxt) >>> 0;
    sk.rcvNxt = range.endSeq;
    sk.receiveQueue.pushWhole(range.endSeq, range.truesize);
    fin = range.fin;
  }
  sk.ofo.splice(0, gone);
  if (fin) tcpFin(sk);
}

/** Index of the first range that ends at `seq` or behind it. */
function ofoIndex(ofo: readonly OfoRange[], seq: number): number {
  let low = 0;
  let high = ofo.length;
  while (low < high) {
    const mid = (low + high) >>> 1;
    if (before(ofo[mid]!.endSeq, seq)) low = mid + 1;
    else high = mid;
  }
  return low;
}

/** tcp_data_queue_ofo */
function dataQueueOfo(sk: TcpSock, segment: TcpSegment): void {
  dataEcnCheck(sk, segment);
  if (!tryRmemSchedule(sk, segment)) {
    tcpWake(sk);
    return;
  }
  tcpMeasureRcvMss(sk, segment);
  sk.ackPending |= IcskAck.SCHED;
  sk.rcvOoopack++;
  const { seq, endSeq } = segment;
  const { ofo } = sk;
  let i = ofoIndex(ofo, seq);
  const first = ofo[i];
  if (first !== undefined && !before(seq, first.seq) && !after(endSeq, first.endSeq)) {
    // All of it is there.
    tcpDsackSet(sk, seq, endSeq);
  } else {
    store(sk, segment, seq);
    let range: OfoRange;
    // Joined to what is there, a segment costs its payload only (tcp_ooo_try_coalesce).
    const joined = first !== undefined && !after(first.seq, seq);
    const cost = joined ? segment.len : segment.truesize;
    if (joined) {
      // It begins within this range or right behind it.
      if (before(seq, first.endSeq)) {
        if (after(seq, first.seq)) tcpDsackSet(sk, seq, first.endSeq);
        else dsackExtend(sk, first.seq, first.endSeq);
      }
      range = first;
      range.endSeq = endSeq;
      range.truesize += cost;
      range.fin = segment.fin;
    } else {
      range = { seq, endSeq, truesize: cost, fin: segment.fin };
      ofo.splice(i, 0, range);
    }
    sk.rmemAlloc += cost;
    // Ranges that it reaches become one with it.
    i++;
    let n = 0;
    for (let next = ofo[i]; next !== undefined && !after(next.seq, endSeq); next = ofo[i + ++n]) {
      if (before(next.seq, endSeq)) dsackExtend(sk, next.seq, before(endSeq, next.endSeq) ? endSeq : next.endSeq);
      if (after(next.endSeq, range.endSeq)) {
        range.endSeq = next.endSeq;
        range.fin = next.fin;
      }
      range.truesize += next.truesize;
    }
    if (n > 0) ofo.splice(i, n);
    if (sk.rxOpt.sackOk) tcpGrowWindow(sk, segment, joined);
  }
  if (sk.rxOpt.sackOk) sackNewOfo(sk, seq, endSeq);
  if (sk.socket !== null) tcpRcvbufGrow(sk, sk.rcvqSpace.space);
}

/** tcp_sack_new_ofo_skb: the block that holds the newest segment comes first (RFC 2018 section 4). */
function sackNewOfo(sk: TcpSock, seq: number, endSeq: number): void {
  const rx = sk.rxOpt;
  const blocks = sk.selectiveAcks;
  let i = 0;
  for (; i < rx.numSacks; i++) {
    if (!sackExtend(blocks[i]!, seq, endSeq)) continue;
    if (i >= SACK_BLOCKS_EXPECTED) tcpSackCompressSendAck(sk);
    const { startSeq: s, endSeq: e } = blocks[i]!;
    shiftDown(blocks, i);
    blocks[0].startSeq = s;
    blocks[0].endSeq = e;
    if (rx.numSacks > 1) sackMaybeCoalesce(sk);
    return;
  }
  if (i >= SACK_BLOCKS_EXPECTED) tcpSackCompressSendAck(sk);
  if (i >= NUM_SACKS) {
    i--;
    rx.numSacks--;
  }
  shiftDown(blocks, i);
  blocks[0].startSeq = seq;
  blocks[0].endSeq = endSeq;
  rx.numSacks++;
}

/** Blocks 0..n-1 move to 1..n. */
function shiftDown(blocks: readonly SackBlock[], n: number): void {
  for (let k = n; k > 0; k--) {
    blocks[k]!.startSeq = blocks[k - 1]!.startSeq;
    blocks[k]!.endSeq = blocks[k - 1]!.endSeq;
  }
}

/** tcp_sack_maybe_coalesce: the first block has grown into others. */
function sackMaybeCoalesce(sk: TcpSock): void {
  const blocks = sk.selectiveAcks;
  for (let i = 1; i < sk.rxOpt.numSacks; ) {
    if (!sackExtend(blocks[0], blocks[i]!.startSeq, blocks[i]!.endSeq)) {
      i++;
      continue;
    }
    sk.rxOpt.numSacks--;
    for (let k = i; k < sk.rxOpt.numSacks; k++) {
      blocks[k]!.startSeq = blocks[k + 1]!.startSeq;
      blocks[k]!.endSeq = blocks[k + 1]!.endSeq;
    }
  }
}

/** What cannot be used is answered at once. */
function outOfWindow(sk: TcpSock): void {
  tcpEnterQuickackMode(sk, TCP_MAX_QUICKACKS);
  sk.ackPending |= IcskAck.SCHED;
}

/** tcp_data_queue: takes the text of a segment that is acceptable. */
export function tcpDataQueue(sk: TcpSock, segment: TcpSegment): void {
  if (segment.seq === segment.endSeq) return;
  sk.rxOpt.dsack = false;
  const window = tcpReceiveWindow(sk);
  if (segment.seq === sk.rcvNxt) {
    // Some hosts send a bare FIN into a window of 0.
    if (window === 0 && (segment.len > 0 || !segment.fin)) {
      outOfWindow(sk);
      return;
    }
    queueAndOut(sk, segment);
    return;
  }
  if (!after(segment.endSeq, sk.rcvNxt)) {
    tcpRcvSpuriousRetrans(sk, segment);
    tcpDsackSet(sk, segment.seq, segment.endSeq);
    outOfWindow(sk);
    return;
  }
  if (!before(segment.seq, (sk.rcvNxt + window) >>> 0)) {
    outOfWindow(sk);
    return;
  }
  if (before(segment.seq, sk.rcvNxt)) {
    tcpDsackSet(sk, segment.seq, sk.rcvNxt);
    if (window === 0) outOfWindow(sk);
    else queueAndOut(sk, segment);
    return;
  }
  dataQueueOfo(sk, segment);
}

function queueAndOut(sk: TcpSock, segment: TcpSegment): void {
  if (!tryRmemSchedule(sk, segment)) {
    sk.ackPending |= IcskAck.NOMEM | IcskAck.NOW | IcskAck.SCHED;
    tcpWake(sk);
    // With nothing to read the program could not make room: then it is taken all the same.
    if (!sk.receiveQueue.isEmpty && segment.len > 0) return;
  }
  queueRcv(sk, segment);
  if (segment.len > 0) eventDataRecv(sk, segment);
  if (segment.fin) tcpFin(sk);
  if (sk.ofo.length > 0) {
    ofoQueue(sk);
    // RFC 5681 section 4.2: a filled hole is acknowledged at once.
    if (sk.ofo.length === 0) sk.ackPending |= IcskAck.NOW;
  }
  if (sk.rxOpt.numSacks > 0) sackRemove(sk);
  if (!sk.dead) tcpWake(sk);
}
