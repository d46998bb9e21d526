// The window while nothing is lost (net/ipv4/tcp_output.c tcp_cwnd_validate and its neighbours; RFC 2861, RFC 7661): where
// it begins, that it grows only while it is what holds the sender back, and that it shrinks when it has not been used.

import { TcpChrono, tcpChronoStart } from './tcp-chrono.ts';
import { tcpCurrentSsthresh, tcpIsCwndLimited } from './tcp-cong.ts';
import { before } from './tcp-seq.ts';
import { TcpCaState, type TcpSock, TcpState } from './tcp-sock.ts';

/** TCP_INIT_CWND, segments (RFC 6928). */
export const TCP_INIT_CWND = 10;

/** tcp_init_cwnd: routes here carry no initcwnd. */
export function tcpInitCwnd(sk: TcpSock): number {
  return Math.min(TCP_INIT_CWND, sk.sndCwndClamp);
}

/** Half the window for each RTO of silence, down to the initial one (tcp_cwnd_restart). @param idle jiffies */
function cwndRestart(sk: TcpSock, idle: number): void {
  let cwnd = sk.sndCwnd;
  const restart = Math.min(tcpInitCwnd(sk), cwnd);
  sk.sndSsthresh = tcpCurrentSsthresh(sk);
  for (let left = idle - sk.rto; left > 0 && cwnd > restart; left -= sk.rto) cwnd >>= 1;
  sk.sndCwnd = Math.max(cwnd, restart);
  sk.sndCwndStamp = sk.jiffies();
  sk.sndCwndUsed = 0;
}

/** Sending begins after a pause longer than the RTO (tcp_slow_start_after_idle_check). */
export function tcpSlowStartAfterIdleCheck(sk: TcpSock): void {
  if (sk.netns.sysctl.ipv4.tcp_slow_start_after_idle === 0 || sk.packetsOut !== 0) return;
  const idle = sk.jiffies() - sk.lsndtime;
  if (idle > sk.rto) cwndRestart(sk, idle);
}

/** For an RTO the program or the peer's window has used less than the window: go half of the way down (tcp_cwnd_application_limited). */
export function tcpCwndApplicationLimited(sk: TcpSock): void {
  if (sk.caState === TcpCaState.OPEN && sk.socket !== null && !sk.noSpace) {
    const used = Math.max(sk.sndCwndUsed, tcpInitCwnd(sk));
    if (used < sk.sndCwnd) {
      sk.sndSsthresh = tcpCurrentSsthresh(sk);
      sk.sndCwnd = (sk.sndCwnd + used) >> 1;
    }
    sk.sndCwndUsed = 0;
  }
  sk.sndCwndStamp = sk.jiffies();
}

/** After sending (tcp_cwnd_validate). @param isCwndLimited the window is why no more was sent */
export function tcpCwndValidate(sk: TcpSock, isCwndLimited: boolean): void {
  // The strongest signal of a round trip counts: limited by the window, or else the most that was in flight.
  if (!before(sk.sndUna, sk.cwndUsageSeq) || isCwndLimited || (!sk.isCwndLimited && sk.packetsOut > sk.maxPacketsOut)) {
    sk.isCwndLimited = isCwndLimited;
    sk.maxPacketsOut = sk.packetsOut;
    sk.cwndUsageSeq = sk.sndNxt;
  }
  if (tcpIsCwndLimited(sk)) {
    sk.sndCwndUsed = 0;
    sk.sndCwndStamp = sk.jiffies();
    return;
  }
  if (sk.packetsOut > sk.sndCwndUsed) sk.sndCwndUsed = sk.packetsOut;
  if (sk.netns.sysctl.ipv4.tcp_slow_start_after_idle !== 0 && sk.jiffies() - sk.sndCwndStamp >= sk.rto) {
    tcpCwndApplicationLimited(sk);
  }
  // All that there was is sent, and the program waits for room: the send buffer is what holds it back.
  const open = sk.state === TcpState.ESTABLISHED || sk.state === TcpState.CLOSE_WAIT;
  if (sk.writeSeq === sk.sndNxt && sk.socket !== null && sk.noSpace && open) {
    tcpChronoStart(sk, TcpChrono.SNDBUF_LIMITED);
  }
}
