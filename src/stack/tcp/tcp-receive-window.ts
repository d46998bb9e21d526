// The window that we offer (net/ipv4/tcp_output.c tcp_select_window, tcp_input.c tcp_grow_window, tcp_rcv_space_adjust,
// tcp_measure_rcv_mss; RFC 9293 section 3.8.6, silly window avoidance included). The receive buffer counts memory
// (truesize); scalingRatio says how much of it is payload, so that space and window can be told apart.

import { TcpFlag } from '../../wire/tcp.ts';
import { TCP_INIT_CWND } from './tcp-cwnd-validate.ts';
import type { TcpSegment } from './tcp-segment.ts';
import { seqDiff } from './tcp-seq.ts';
import { IcskAck, type TcpSock, tcpMstampRefresh, tcpReceiveWindow } from './tcp-sock.ts';

/** TCP_DEFAULT_SCALING_RATIO: half of the buffer is payload, of 256. */
export const DEFAULT_SCALING_RATIO = 128;
/** TCP_MSS_DEFAULT (RFC 9293 section 3.7.1), TCP_MIN_MSS */
const MSS_DEFAULT = 536;
const MIN_MSS = 88;
/** MAX_TCP_WINDOW: without scaling and with tcp_workaround_signed_windows */
const MAX_TCP_WINDOW = 32_767;
const TCP_HEADER = 20;
/** SOCK_MIN_RCVBUF / 2 */
const CLAMP_MIN = 1152;

/** tcp_win_from_space */
export function winFromSpace(sk: TcpSock, space: number): number {
  return Math.floor((space * sk.scalingRatio) / 256);
}

/** tcp_space_from_win */
function spaceFromWin(sk: TcpSock, win: number): number {
  return Math.floor((win * 256) / sk.scalingRatio);
}

/** tcp_space: what the buffer can still take, as window. */
export function tcpSpace(sk: TcpSock): number {
  return winFromSpace(sk, sk.rcvbuf - sk.rmemAlloc);
}

/** tcp_full_space */
export function tcpFullSpace(sk: TcpSock): number {
  return winFromSpace(sk, sk.rcvbuf);
}

/** Upwards to a multiple of 2^shift. */
function alignUp(n: number, shift: number): number {
  const unit = 2 ** shift;
  return Math.ceil(n / unit) * unit;
}

/** What tcp_select_initial_window finds. */
export interface InitialWindow {
  rcvWnd: number;
  windowClamp: number;
  rcvWscale: number;
}

/**
 * tcp_select_initial_window: whole segments within the space, and the shift by which the largest possible window fits into
 * 16 bits.
 * @param clamp 0: none
 */
export function tcpSelectInitialWindow(
  sk: TcpSock,
  space: number,
  mss: number,
  clamp: number,
  wscaleOk: boolean,
): InitialWindow {
  const { sysctl } = sk.netns;
  let windowClamp = clamp !== 0 ? clamp : 0xffff * 2 ** 14;
  space = Math.min(windowClamp, Math.max(space, 0));
  if (space > mss) space -= space % mss;
  const rcvWnd = sysctl.ipv4.tcp_workaround_signed_windows !== 0 ? Math.min(space, MAX_TCP_WINDOW) : space;
  let rcvWscale = 0;
  if (wscaleOk) {
    let most = Math.max(space, sysctl.vectors.tcp_rmem[2]!, Number(sysctl.get('net.core.rmem_max') ?? 0));
    most = Math.min(most, windowClamp);
    rcvWscale = Math.min(Math.max(Math.floor(Math.log2(most)) - 15, 0), 14);
  }
  windowClamp = Math.min(0xffff * 2 ** rcvWscale, windowClamp);
  return { rcvWnd, windowClamp, rcvWscale };
}

/** tcp_init_buffer_space, the receiving half: at the end of the handshake. */
export function tcpInitReceiveSpace(sk: TcpSock): void {
  tcpMstampRefresh(sk);
  sk.rcvqSpace.time = sk.tcpMstamp;
  sk.rcvqSpace.seq = sk.copiedSeq;
  const appWin = sk.netns.sysctl.ipv4.tcp_app_win;
  const maxwin = tcpFullSpace(sk);
  if (sk.windowClamp >= maxwin) {
    sk.windowClamp = maxwin;
    if (appWin !== 0 && maxwin > 4 * sk.advmss) {
      sk.windowClamp = Math.max(maxwin - Math.floor(maxwin / 2 ** appWin), 4 * sk.advmss);
    }
  }
  // One segment is kept in reserve.
  if (appWin !== 0 && sk.windowClamp > 2 * sk.advmss && sk.windowClamp + sk.advmss > maxwin) {
    sk.windowClamp = Math.max(2 * sk.advmss, maxwin - sk.advmss);
  }
  sk.rcvSsthresh = Math.min(sk.rcvSsthresh, sk.windowClamp);
  sk.rcvqSpace.space = Math.min(sk.rcvSsthresh, sk.rcvWnd, TCP_INIT_CWND * sk.advmss);
}

/** tcp_initialize_rcv_mss: a guess until data comes. */
export function tcpInitializeRcvMss(sk: TcpSock): void {
  let hint = Math.min(sk.advmss, sk.mssCache);
  hint = Math.min(hint, Math.floor(sk.rcvWnd / 2), MSS_DEFAULT);
  sk.ackRcvMss = Math.max(hint, MIN_MSS);
}

/** __tcp_select_window: how much we could offer now. */
export function tcpSelectWindowRaw(sk: TcpSock): number {
  let mss = sk.ackRcvMss;
  let free = tcpSpace(sk);
  const allowed = tcpFullSpace(sk);
  const full = Math.min(sk.windowClamp, allowed);
  const scale = sk.rxOpt.rcvWscale;
  if (mss > full) {
    mss = full;
    if (mss <= 0) return 0;
  }
  const shrink = sk.netns.sysctl.ipv4.tcp_shrink_window !== 0 && scale !== 0;
  if (shrink) {
    // shrink_window_allowed
    free -= free % 2 ** scale;
    if (free < full >> 1) {
      sk.ackQuick = 0;
      if (free < allowed >> 4 || free < mss || free < 2 ** scale) return 0;
    }
    if (free > sk.rcvSsthresh) free = alignUp(sk.rcvSsthresh, scale);
    return free;
  }
  if (free < full >> 1) {
    sk.ackQuick = 0;
    free -= free % 2 ** scale;
    if (free < allowed >> 4 || free < mss) return 0;
  }
  if (free > sk.rcvSsthresh) free = sk.rcvSsthresh;
  if (scale !== 0) return alignUp(free, scale);
  let window = sk.rcvWnd;
  if (window <= free - mss || window > free) window = free - (free % mss);
  else if (mss === full && free > window + (full >> 1)) window = free;
  return window;
}

/** tcp_select_window: the header's window field for the segment about to leave; what was offered is never taken back. */
export function tcpSelectWindow(sk: TcpSock): number {
  if ((sk.ackPending & IcskAck.NOMEM) !== 0) {
    sk.rcvWnd = 0;
    sk.rcvWup = sk.rcvNxt;
    return 0;
  }
  const { ipv4 } = sk.netns.sysctl;
  const scale = sk.rxOpt.rcvWscale;
  const current = tcpReceiveWindow(sk);
  let window = tcpSelectWindowRaw(sk);
  if (window < current && (ipv4.tcp_shrink_window === 0 || scale === 0)) window = alignUp(current, scale);
  sk.rcvWnd = window;
  sk.rcvWup = sk.rcvNxt;
  if (scale === 0 && ipv4.tcp_workaround_signed_windows !== 0) window = Math.min(window, MAX_TCP_WINDOW);
  else window = Math.min(window, 0xffff * 2 ** scale);
  return Math.floor(window / 2 ** scale);
}

/** tcp_measure_rcv_mss: the size of the peer's segments, and what share of memory they use. */
export function tcpMeasureRcvMss(sk: TcpSock, segment: TcpSegment): void {
  const last = sk.ackLastSegSize;
  sk.ackLastSegSize = 0;
  let len = segment.len;
  if (len >= sk.ackRcvMss) {
    if (len !== sk.ackRcvMss) {
      const before = sk.scalingRatio;
      sk.scalingRatio = Math.min(Math.max(Math.floor((len * 256) / segment.truesize), 1), 255);
      if (sk.scalingRatio !== before) {
        setWindowClamp(sk, winFromSpace(sk, sk.rcvbuf));
        if (sk.windowClamp < sk.rcvqSpace.space) sk.rcvqSpace.space = sk.windowClamp;
      }
    }
    sk.ackRcvMss = Math.min(len, sk.advmss);
    if (segment.psh) sk.ackPending |= IcskAck.PUSHED;
    return;
  }
  len += segment.dataAt - segment.at;
  const remnant = (segment.flags & (TcpFlag.FIN | TcpFlag.URG | TcpFlag.SYN | TcpFlag.PSH)) !== 0;
  if (len >= MSS_DEFAULT + TCP_HEADER || (len >= MIN_MSS + TCP_HEADER && !remnant)) {
    len -= sk.tcpHeaderLen;
    sk.ackLastSegSize = len;
    if (len === last) {
      sk.ackRcvMss = len;
      return;
    }
  }
  if ((sk.ackPending & IcskAck.PUSHED) !== 0) sk.ackPending |= IcskAck.PUSHED2;
  sk.ackPending |= IcskAck.PUSHED;
}

/** tcp_set_window_clamp, for a value that the receiver found itself */
function setWindowClamp(sk: TcpSock, value: number): void {
  const old = sk.windowClamp;
  const clamp = Math.max(value, CLAMP_MIN);
  if (clamp === old) return;
  sk.windowClamp = clamp;
  // Only a clamp that rises lets the window grow at once; otherwise it is cut to what fits.
  if (clamp < old) sk.rcvSsthresh = Math.min(sk.rcvSsthresh, clamp);
  else sk.rcvSsthresh = Math.max(sk.rcvSsthresh, Math.min(sk.rcvWnd, clamp));
}

/**
 * tcp_grow_window: good segments let the window open.
 * @param joined it shares the head of another skb, only its payload counts (truesize_adjust)
 */
export function tcpGrowWindow(sk: TcpSock, segment: TcpSegment, joined: boolean): void {
  const room = Math.min(sk.windowClamp, tcpSpace(sk)) - sk.rcvSsthresh;
  if (room <= 0) return;
  const { len } = segment;
  const truesize = joined ? len : segment.truesize;
  let incr = winFromSpace(sk, truesize) <= len ? 2 * sk.advmss : growWindow(sk, len, truesize);
  if (incr === 0) return;
  incr = Math.max(incr, 2 * len);
  sk.rcvSsthresh += Math.min(room, incr);
  sk.ackQuick |= 1;
}

/** __tcp_grow_window: small segments let it open more slowly the larger it is. */
function growWindow(sk: TcpSock, len: number, size: number): number {
  let truesize = winFromSpace(sk, size) >> 1;
  let window = winFromSpace(sk, sk.netns.sysctl.vectors.tcp_rmem[2]!) >> 1;
  while (sk.rcvSsthresh <= window) {
    if (truesize <= len) return 2 * sk.ackRcvMss;
    truesize >>= 1;
    window >>= 1;
  }
  return 0;
}

/** tcp_rcvbuf_grow: the program reads `space` bytes per round trip; the window follows it. */
export function tcpRcvbufGrow(sk: TcpSock, space: number): void {
  const old = sk.rcvqSpace.space;
  sk.rcvqSpace.space = space;
  if (sk.netns.sysctl.ipv4.tcp_moderate_rcvbuf === 0 || sk.rcvbufLocked) return;
  // Dynamic right-sizing is always one round trip late; in slow start the sender doubles its rate.
  let rcvwin = space * 2;
  const grow = Math.floor((rcvwin * (space - old)) / Math.max(old, 1));
  rcvwin += grow * 2;
  const last = sk.ofo[sk.ofo.length - 1];
  if (last !== undefined) rcvwin += seqDiff(last.endSeq, sk.rcvNxt);
  const rcvbuf = Math.min(spaceFromWin(sk, rcvwin), sk.netns.sysctl.vectors.tcp_rmem[2]!);
  if (rcvbuf > sk.rcvbuf) {
    sk.rcvbuf = rcvbuf;
    sk.windowClamp = winFromSpace(sk, rcvbuf);
  }
}

/** tcp_rcv_space_adjust: called when the program has read. */
export function tcpRcvSpaceAdjust(sk: TcpSock): void {
  const rtt = sk.rcvRttEst.rttUs;
  if (rtt === 0) return;
  tcpMstampRefresh(sk);
  if (sk.tcpMstamp - sk.rcvqSpace.time < rtt >>> 3) return;
  const inQueue = seqDiff(sk.rcvNxt, sk.copiedSeq);
  const copied = seqDiff(sk.copiedSeq, sk.rcvqSpace.seq) - inQueue;
  if (copied > sk.rcvqSpace.space) tcpRcvbufGrow(sk, copied);
  sk.rcvqSpace.seq = sk.copiedSeq;
  sk.rcvqSpace.time = sk.tcpMstamp;
}

/** tcp_clamp_window: the buffer is full; the window must not promise more than there is. */
export function tcpClampWindow(sk: TcpSock): void {
  sk.ackQuick = 0;
  const rmemMax = sk.netns.sysctl.vectors.tcp_rmem[2]!;
  if (sk.rcvbuf < rmemMax && !sk.rcvbufLocked) sk.rcvbuf = Math.min(sk.rmemAlloc, rmemMax);
  if (sk.rmemAlloc > sk.rcvbuf) sk.rcvSsthresh = Math.min(sk.windowClamp, 2 * sk.advmss);
}
