// What leaves, and when (net/ipv4/tcp_output.c tcp_write_xmit): congestion window, the peer's window, Nagle's algorithm
// (RFC 9293 section 3.7.4) as Minshall mended it, corking, and super-segments that wait a little for more data.

import { NS_PER_MS, NS_PER_US } from '../../sim/sim.ts';
import { TcpFlag } from '../../wire/tcp.ts';
import { TcpChrono, tcpChronoStart, tcpChronoStop } from './tcp-chrono.ts';
import { tcpInCwndReduction } from './tcp-cwnd-reduction.ts';
import { tcpCwndValidate } from './tcp-cwnd-validate.ts';
import { tcpCurrentMss, tcpTsoSegs } from './tcp-mss.ts';
import { tcpCheckProbeTimer } from './tcp-probe.ts';
import { after } from './tcp-seq.ts';
import type { TcpSkb } from './tcp-skb.ts';
import { IcskTime, TcpCaState, TcpNagle, type TcpSock, TcpState, tcpMstampRefresh, tcpWndEnd } from './tcp-sock.ts';
import { tcpScheduleLossProbe } from './tcp-tlp.ts';
import { tcpTransmitSkb } from './tcp-transmit.ts';
import { tcpGrowSkb, tcpSetSkbTsoSegs, tcpSkbEntail, tcpWriteQueueEmpty, tsoFragment } from './tcp-write-queue.ts';
import { tcpRearmRto } from './tcp-xmit-timer.ts';

/** What push_one of tcp_write_xmit means. */
export const PushOne = { NO: 0, YES: 1, PROBE: 2 } as const;

/** tcp_cwnd_test: segments that the congestion window allows; half of it at most, so that two super-segments are on the way. */
function cwndTest(sk: TcpSock): number {
  const inFlight = sk.packetsInFlight();
  const cwnd = sk.sndCwnd;
  if (inFlight >= cwnd) return 0;
  return Math.min(Math.max(cwnd >> 1, 1), cwnd - inFlight);
}

/** tcp_snd_wnd_test: the first segment of the record fits into the peer's window. */
export function sndWndTest(sk: TcpSock, skb: TcpSkb, mss: number): boolean {
  const end = skb.len > mss ? (skb.seq + mss) >>> 0 : skb.endSeq;
  return !after(end, tcpWndEnd(sk));
}

/** tcp_nagle_check: true when a segment that is not full has to wait. */
function nagleCheck(sk: TcpSock, partial: boolean, nonagle: number): boolean {
  if (!partial) return false;
  if ((nonagle & TcpNagle.CORK) !== 0) return true;
  // tcp_minshall_check: only while a small segment is on its way.
  return nonagle === 0 && sk.packetsOut > 0 && after(sk.sndSml, sk.sndUna) && !after(sk.sndSml, sk.sndNxt);
}

/** tcp_nagle_test */
function nagleTest(sk: TcpSock, skb: TcpSkb, mss: number, nonagle: number): boolean {
  if ((nonagle & TcpNagle.PUSH) !== 0) return true;
  if (sk.urgMode || (skb.tcpFlags & TcpFlag.FIN) !== 0) return true;
  return !nagleCheck(sk, skb.len < mss, nonagle);
}

/** tcp_mss_split_point: bytes of a record that may leave now. */
function splitPoint(sk: TcpSock, skb: TcpSkb, mss: number, maxSegs: number, nonagle: number): number {
  const window = (tcpWndEnd(sk) - skb.seq) >>> 0;
  const most = mss * maxSegs;
  if (most <= window && skb.next !== null) return most;
  const needed = Math.min(skb.len, window);
  if (most <= needed) return most;
  const partial = needed % mss;
  return nagleCheck(sk, partial !== 0, nonagle) ? needed - partial : needed;
}

const limited = { cwnd: false, rwnd: false };

/** tcp_tso_should_defer: waiting for the next ACK makes a larger super-segment. */
function tsoShouldDefer(sk: TcpSock, skb: TcpSkb, maxSegs: number): boolean {
  if (sk.caState >= TcpCaState.RECOVERY) return false;
  if (sk.tcpClockCache - sk.tcpWstampNs - NS_PER_MS > 0) return false;
  const sendWin = (tcpWndEnd(sk) - skb.seq) >>> 0;
  const congWin = (sk.sndCwnd - sk.packetsInFlight()) * sk.mssCache;
  const limit = Math.min(sendWin, congWin);
  if (limit >= maxSegs * sk.mssCache) return false;
  if (skb.next !== null && limit >= skb.len) return false;
  const divisor = sk.netns.sysctl.ipv4.tcp_tso_win_divisor;
  if (divisor !== 0) {
    const chunk = Math.floor(Math.min(sk.sndWnd, sk.sndCwnd * sk.mssCache) / divisor);
    if (limit >= chunk) return false;
  } else if (limit > 3 * sk.mssCache) return false;
  const head = sk.rtxQueue.first();
  if (head === null) return false;
  const srtt = Math.floor((NS_PER_US * sk.srttUs) / 8);
  const howFar = head.mstampNs + srtt - sk.tcpClockCache;
  if (howFar > Math.min(Math.floor(srtt / 2), NS_PER_MS)) return false;
  if (congWin < sendWin) {
    if (congWin <= skb.len) {
      limited.cwnd = true;
      return true;
    }
  } else if (sendWin <= skb.len) {
    limited.rwnd = true;
    return true;
  }
  return !((skb.tcpFlags & TcpFlag.FIN) !== 0 || skb.eor);
}

/** tcp_event_new_data_sent: a record was sent for the first time. */
export function tcpEventNewDataSent(sk: TcpSock, skb: TcpSkb): void {
  const before = sk.packetsOut;
  sk.sndNxt = skb.endSeq;
  sk.writeQueue.remove(skb);
  sk.rtxQueue.push(skb);
  sk.highestSack ??= skb;
  sk.packetsOut += skb.pcount;
  if (before === 0 || sk.pending === IcskTime.LOSS_PROBE) tcpRearmRto(sk);
}

/**
 * tcp_write_xmit: sends what may be sent.
 * @param pushOne PushOne: one record only; PROBE: even if the congestion window is full
 * @returns true when nothing is on its way although something waits: somebody has to look after it (probe timer)
 */
export function tcpWriteXmit(sk: TcpSock, mss: number, nonagle: number, pushOne: number): boolean {
  let sent = 0;
  limited.cwnd = false;
  limited.rwnd = false;
  tcpMstampRefresh(sk);
  const maxSegs = tcpTsoSegs(sk, mss);
  for (let skb = sk.writeQueue.first(); skb !== null; skb = sk.writeQueue.first()) {
    let quota = cwndTest(sk);
    if (quota === 0) {
      if (pushOne !== PushOne.PROBE) break;
      quota = 1;
    }
    quota = Math.min(quota, maxSegs);
    const missing = quota * mss - skb.len;
    if (missing > 0) tcpGrowSkb(sk, skb, missing);
    const segs = tcpSetSkbTsoSegs(skb, mss);
    if (!sndWndTest(sk, skb, mss)) {
      limited.rwnd = true;
      break;
    }
    if (segs === 1) {
      if (!nagleTest(sk, skb, mss, skb.next === null ? nonagle : TcpNagle.PUSH)) break;
    } else if (pushOne === PushOne.NO && tsoShouldDefer(sk, skb, maxSegs)) break;
    let limit = mss;
    if (segs > 1 && !sk.urgMode) limit = splitPoint(sk, skb, mss, quota, nonagle);
    if (skb.len > limit) tsoFragment(sk, skb, limit, mss);
    // An empty record waits for a writer to fill it.
    if (skb.endSeq === skb.seq) break;
    if (!tcpTransmitSkb(sk, skb, true)) break;
    tcpEventNewDataSent(sk, skb);
    // tcp_minshall_update
    if (skb.len < skb.pcount * mss) sk.sndSml = skb.endSeq;
    sent += skb.pcount;
    if (pushOne !== PushOne.NO) break;
  }
  if (limited.rwnd) tcpChronoStart(sk, TcpChrono.RWND_LIMITED);
  else tcpChronoStop(sk, TcpChrono.RWND_LIMITED);
  const cwndLimited = limited.cwnd || sk.packetsInFlight() >= sk.sndCwnd;
  if (sent > 0 || cwndLimited) tcpCwndValidate(sk, cwndLimited);
  if (sent > 0) {
    if (tcpInCwndReduction(sk)) sk.prrOut += sent;
    if (pushOne !== PushOne.PROBE) tcpScheduleLossProbe(sk, false);
    return false;
  }
  return sk.packetsOut === 0 && !tcpWriteQueueEmpty(sk);
}

/** __tcp_push_pending_frames */
export function tcpPushPendingFramesMss(sk: TcpSock, mss: number, nonagle: number): void {
  if (sk.state === TcpState.CLOSE) return;
  if (tcpWriteXmit(sk, mss, nonagle, PushOne.NO)) tcpCheckProbeTimer(sk);
}

/** tcp_push_pending_frames */
export function tcpPushPendingFrames(sk: TcpSock): void {
  if (sk.writeQueue.isEmpty) return;
  tcpPushPendingFramesMss(sk, tcpCurrentMss(sk), sk.nonagle);
}

/** tcp_push_one: the first record leaves without waiting for more. */
export function tcpPushOne(sk: TcpSock, mss: number): void {
  tcpWriteXmit(sk, mss, TcpNagle.PUSH, PushOne.YES);
}

/** tcp_send_fin: the stream ends behind what is queued. */
export function tcpSendFin(sk: TcpSock): void {
  let skb = sk.writeQueue.last();
  if (skb === null) {
    skb = tcpSkbEntail(sk);
    skb.pcount = 1;
  }
  skb.tcpFlags |= TcpFlag.FIN;
  skb.endSeq = (skb.endSeq + 1) >>> 0;
  sk.writeSeq = (sk.writeSeq + 1) >>> 0;
  tcpPushPendingFramesMss(sk, tcpCurrentMss(sk), TcpNagle.OFF);
}
