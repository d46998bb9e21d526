// Arming of the retransmission timer (include/net/inet_connection_sock.h inet_csk_reset_xmit_timer, net/ipv4/tcp_input.c
// tcp_rearm_rto). One timer serves retransmission, loss probe, reordering and zero-window probe: `pending` says which.
// Delays are in jiffies.

import { HZ, JIFFY } from '../../sim/jiffies.ts';
import { NS_PER_MS, NS_PER_US } from '../../sim/sim.ts';
import { IcskTime, type TcpSock } from './tcp-sock.ts';

/** TCP_RTO_MIN, jiffies: 200 ms. */
export const TCP_RTO_MIN = HZ / 5;
/** TCP_TIMEOUT_INIT: 1 s (RFC 6298 section 2.1); TCP_TIMEOUT_FALLBACK: 3 s (section 5.7); TCP_TIMEOUT_MIN: 2 jiffies. */
export const TCP_TIMEOUT_INIT = HZ;
export const TCP_TIMEOUT_FALLBACK = 3 * HZ;
export const TCP_TIMEOUT_MIN = 2;

/** usecs_to_jiffies: rounded up. */
export function usecsToJiffies(us: number): number {
  return Math.ceil((us * NS_PER_US) / JIFFY);
}

/** msecs_to_jiffies: rounded up. */
export function msecsToJiffies(ms: number): number {
  return Math.ceil((ms * NS_PER_MS) / JIFFY);
}

export function jiffiesToUsecs(jiffies: number): number {
  return Math.floor((jiffies * JIFFY) / NS_PER_US);
}

/** tcp_rto_max, jiffies */
export function tcpRtoMax(sk: TcpSock): number {
  return msecsToJiffies(sk.rtoMax !== 0 ? sk.rtoMax : sk.netns.sysctl.ipv4.tcp_rto_max_ms);
}

/** tcp_rto_min, jiffies */
export function tcpRtoMin(sk: TcpSock): number {
  return usecsToJiffies(sk.netns.sysctl.ipv4.tcp_rto_min_us);
}

/** tcp_reset_xmit_timer: `what` (IcskTime) is to happen in `when` jiffies, tcp_rto_max at most. */
export function tcpResetXmitTimer(sk: TcpSock, what: number, when: number): void {
  const delay = Math.min(when, tcpRtoMax(sk));
  sk.pending = what;
  sk.timeout = sk.jiffies() + delay;
  sk.retransmitTimer.arm(delay * JIFFY);
}

/** inet_csk_clear_xmit_timer(ICSK_TIME_RETRANS) */
export function tcpClearXmitTimer(sk: TcpSock): void {
  sk.pending = 0;
  sk.retransmitTimer.cancel();
}

/**
 * How far the oldest segment's time-out lies ahead, microseconds; 0 or less when it has passed (tcp_rto_delta_us).
 */
export function tcpRtoDeltaUs(sk: TcpSock): number {
  const skb = sk.rtxQueue.first();
  if (skb === null) return jiffiesToUsecs(sk.rto);
  return Math.floor(skb.mstampNs / NS_PER_US) + jiffiesToUsecs(sk.rto) - sk.tcpMstamp;
}

/** tcp_rearm_rto: the timer runs while anything is unacknowledged. */
export function tcpRearmRto(sk: TcpSock): void {
  if (sk.packetsOut === 0) {
    tcpClearXmitTimer(sk);
    return;
  }
  let rto = sk.rto;
  // The timer that was armed for a probe or for reordering counts from the segment, not from now.
  if (sk.pending === IcskTime.REO_TIMEOUT || sk.pending === IcskTime.LOSS_PROBE) {
    rto = usecsToJiffies(Math.max(tcpRtoDeltaUs(sk), 1));
  }
  tcpResetXmitTimer(sk, IcskTime.RETRANS, rto);
}
