// A connection begins to carry data (net/ipv4/tcp_input.c tcp_init_transfer, tcp_finish_connect, tcp_sndbuf_expand;
// tcp_metrics.c tcp_init_metrics). What Linux remembers of a destination from earlier connections (tcp_metrics) is not kept:
// with tcp_no_ssthresh_metrics_save=1, the default, it only gives the RTO of the first flight.

import { JIFFY } from '../../sim/jiffies.ts';
import { TcpChrono, tcpChronoStop } from './tcp-chrono.ts';
import { tcpInitCongestionControl } from './tcp-cong-choice.ts';
import { TCP_INIT_CWND, tcpInitCwnd } from './tcp-cwnd-validate.ts';
import { tcpInitReceiveSpace } from './tcp-receive-window.ts';
import { type TcpSock, TcpState, tcpMstampRefresh } from './tcp-sock.ts';
import { keepaliveTimeWhen } from './tcp-timer.ts';
import { jiffiesToUsecs, TCP_TIMEOUT_FALLBACK } from './tcp-xmit-timer.ts';

/** MAX_TCP_HEADER, struct skb_shared_info, struct sk_buff: bytes that a full segment needs beside its payload */
const SEGMENT_OVERHEAD = 320 + 320;
const SK_BUFF = 256;

/** tcp_sndbuf_expand: room for twice the congestion window, so that recovery does not starve the sender. */
export function tcpSndbufExpand(sk: TcpSock): void {
  let perMss = Math.max(sk.rxOpt.mssClamp, sk.mssCache) + SEGMENT_OVERHEAD;
  perMss = 2 ** Math.ceil(Math.log2(perMss)) + SK_BUFF;
  const segments = Math.max(TCP_INIT_CWND, sk.sndCwnd, sk.reordering + 1);
  const wanted = 2 * segments * perMss;
  if (sk.sndbuf < wanted) sk.sndbuf = Math.min(wanted, sk.netns.sysctl.vectors.tcp_wmem[2]!);
}

/** tcp_should_expand_sndbuf: only what the congestion window limits gets more. */
function shouldExpandSndbuf(sk: TcpSock): boolean {
  return !sk.sndbufLocked && sk.packetsInFlight() < sk.sndCwnd;
}

/** tcp_check_space, tcp_new_space: the program waits for room, and there is some. */
export function tcpCheckSpace(sk: TcpSock): void {
  if (!sk.noSpace) return;
  if (shouldExpandSndbuf(sk)) {
    tcpSndbufExpand(sk);
    sk.sndCwndStamp = sk.jiffies();
  }
  sk.socket?.writeSpace();
  if (!sk.noSpace) tcpChronoStop(sk, TcpChrono.SNDBUF_LIMITED);
}

/** tcp_init_transfer */
export function tcpInitTransfer(sk: TcpSock): void {
  // tcp_init_metrics: without a measured round trip the first RTO is 3 s again (RFC 6298 section 5.7).
  if (sk.srttUs === 0) {
    sk.rttvarUs = jiffiesToUsecs(TCP_TIMEOUT_FALLBACK);
    sk.mdevUs = sk.rttvarUs;
    sk.mdevMaxUs = sk.rttvarUs;
    sk.rto = TCP_TIMEOUT_FALLBACK;
  }
  // A SYN that was repeated more than once says that the path is bad (RFC 5681 section 3.1).
  sk.sndCwnd = sk.totalRetrans > 1 && sk.undoMarker !== 0 ? 1 : tcpInitCwnd(sk);
  sk.sndCwndStamp = sk.jiffies();
  tcpInitCongestionControl(sk);
  if (!sk.sndbufLocked) tcpSndbufExpand(sk);
  tcpInitReceiveSpace(sk);
  sk.sndCwndStamp = sk.jiffies();
}

/** tcp_finish_connect */
export function tcpFinishConnect(sk: TcpSock): void {
  sk.state = TcpState.ESTABLISHED;
  sk.ackLrcvtime = sk.jiffies();
  sk.confirmNeighbour = true;
  tcpInitTransfer(sk);
  sk.lsndtime = sk.jiffies();
  if (sk.keepOpen) sk.keepaliveTimer.arm(keepaliveTimeWhen(sk) * JIFFY);
  tcpMstampRefresh(sk);
}
