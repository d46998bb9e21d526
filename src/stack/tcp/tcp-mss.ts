// Segment sizes of a connection (net/ipv4/tcp_output.c tcp_sync_mss, tcp_current_mss, tcp_xmit_size_goal, tcp_tso_autosize;
// RFC 9293 section 3.7.1, RFC 6691).

import { IPV4_HEADER } from '../../wire/ipv4.ts';
import { TCP_HEADER } from '../../wire/tcp.ts';
import type { NetNamespace } from '../netns.ts';
import type { Dst } from '../route-cache.ts';
import { tcpEstablishedOptionsSize } from './tcp-out-options.ts';
import type { TcpSock } from './tcp-sock.ts';
import { skDst } from './tcp-transmit.ts';

/** Least MSS that is announced (net.ipv4.route.min_adv_mss), and IPV4_MAX_PMTU less both headers. */
const ADVMSS_MIN = 256;
const ADVMSS_MAX = 65_495;
/** TCP_MSS_DEFAULT */
export const TCP_MSS_DEFAULT = 536;
/** MAX_TCP_HEADER and one byte: what a super-segment may not use of 64 KiB (sk_trim_gso_size). */
const GSO_MAX_SIZE = 65_536 - 321;
/** GSO_MAX_SEGS */
const GSO_MAX_SEGS = 65_535;
/** sk_pacing_shift: a super-segment is what pacing sends in about a millisecond. */
const PACING_SHIFT = 10;
/** Bits of sk_gso_max_size: beyond that many halvings nothing is left. */
const GSO_BITS = 32;

/** ipv4_default_advmss: what a SYN announces for this way. */
export function defaultAdvmss(netns: NetNamespace, dst: Dst): number {
  return Math.min(Math.max(dst.mtu(netns) - IPV4_HEADER - TCP_HEADER, ADVMSS_MIN), ADVMSS_MAX);
}

/** tcp_mss_clamp: TCP_MAXSEG of the program limits it. */
export function tcpMssClamp(sk: TcpSock, mss: number): number {
  const user = sk.rxOpt.userMss;
  return user !== 0 && user < mss ? user : mss;
}

/** tcp_mtu_to_mss: payload of a segment of an MTU, with the usual options. */
export function tcpMtuToMss(sk: TcpSock, pmtu: number): number {
  const mss = Math.min(pmtu - IPV4_HEADER - TCP_HEADER, sk.rxOpt.mssClamp) - sk.extHdrLen;
  return Math.max(mss, sk.netns.sysctl.ipv4.tcp_min_snd_mss) - (sk.tcpHeaderLen - TCP_HEADER);
}

/** tcp_bound_to_half_wnd: never more than half of the largest window the peer has offered. */
export function tcpBoundToHalfWnd(sk: TcpSock, size: number): number {
  const cutoff = sk.maxWindow > TCP_MSS_DEFAULT ? Math.floor(sk.maxWindow / 2) : sk.maxWindow;
  return cutoff !== 0 && size > cutoff ? Math.max(cutoff, 68 - sk.tcpHeaderLen) : size;
}

/** tcp_sync_mss: the path MTU is `pmtu`. */
export function tcpSyncMss(sk: TcpSock, pmtu: number): number {
  const mss = tcpBoundToHalfWnd(sk, tcpMtuToMss(sk, pmtu));
  sk.pmtuCookie = pmtu;
  sk.mssCache = mss;
  return mss;
}

/** tcp_current_mss: payload that a segment may carry now; SACK blocks take from it. */
export function tcpCurrentMss(sk: TcpSock): number {
  let mss = sk.mssCache;
  const dst = skDst(sk);
  if (dst !== null) {
    const mtu = dst.mtu(sk.netns);
    if (mtu !== sk.pmtuCookie) mss = tcpSyncMss(sk, mtu);
  }
  return mss - (TCP_HEADER + tcpEstablishedOptionsSize(sk) - sk.tcpHeaderLen);
}

/** tcp_xmit_size_goal: bytes of a super-segment; half of the window at most, whole segments. */
export function tcpXmitSizeGoal(sk: TcpSock, mss: number, large: boolean): number {
  if (!large) return mss;
  const most = tcpBoundToHalfWnd(sk, GSO_MAX_SIZE);
  let goal = sk.gsoSegs * mss;
  if (most < goal || most >= goal + mss) {
    sk.gsoSegs = Math.min(Math.floor(most / mss), GSO_MAX_SEGS);
    goal = sk.gsoSegs * mss;
  }
  return Math.max(goal, mss);
}

/** tcp_tso_segs: segments of a super-segment, by pacing rate and round trip. */
export function tcpTsoSegs(sk: TcpSock, mss: number): number {
  const { tcp_min_tso_segs, tcp_tso_rtt_log } = sk.netns.sysctl.ipv4;
  let bytes = Math.floor(sk.pacingRate / 2 ** PACING_SHIFT);
  const halvings = Math.floor(sk.rttMin.value / 2 ** tcp_tso_rtt_log);
  if (tcp_tso_rtt_log !== 0 && halvings < GSO_BITS) bytes += Math.floor(GSO_MAX_SIZE / 2 ** halvings);
  bytes = Math.min(bytes, GSO_MAX_SIZE);
  return Math.min(Math.max(Math.floor(bytes / mss), tcp_min_tso_segs), GSO_MAX_SEGS);
}
