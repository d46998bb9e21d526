// What a congestion control is to TCP (struct tcp_congestion_ops; net/ipv4/tcp_cong.c), and the window arithmetic that all
// share: slow start and additive increase (RFC 5681 section 3.1), counted in ACKed segments, not in ACKs (RFC 3465).
// Which algorithms there are and how a connection gets one: tcp-cong-choice.ts.

import { TcpCaState, type TcpSock } from './tcp-sock.ts';

/** TCP_INFINITE_SSTHRESH: no loss has said yet where slow start ends. */
export const INFINITE_SSTHRESH = 0x7fffffff;

export interface CongestionControl {
  readonly name: string;
  /** A connection begins under it; its state goes to sk.caPrivate. */
  init?(sk: TcpSock): void;
  /** Segments of window after a loss. May keep what it needs to grow back. */
  ssthresh(sk: TcpSock): number;
  /** `acked` segments were delivered by an ACK: let the window grow. */
  congAvoid(sk: TcpSock, acked: number): void;
  /** The window to go back to when a reduction turns out to have been a mistake. */
  undoCwnd(sk: TcpSock): number;
  /** The connection is about to enter this state. */
  setState?(sk: TcpSock, state: TcpCaState): void;
  /** Sending begins with nothing in flight (CA_EVENT_TX_START). */
  transmitStart?(sk: TcpSock): void;
  /** An ACK removed segments. @param rttUs round trip that it measured, microseconds; negative: none */
  pktsAcked?(sk: TcpSock, rttUs: number): void;
}

/** tcp_in_slow_start */
export function tcpInSlowStart(sk: TcpSock): boolean {
  return sk.sndCwnd < sk.sndSsthresh;
}

/** Slow start: a segment for a segment up to ssthresh. @returns ACKed segments that are left for what comes then */
export function tcpSlowStart(sk: TcpSock, acked: number): number {
  const cwnd = Math.min(sk.sndCwnd + acked, sk.sndSsthresh);
  const left = acked - (cwnd - sk.sndCwnd);
  sk.sndCwnd = Math.min(cwnd, sk.sndCwndClamp);
  return left;
}

/** Additive increase: one segment more for every `w` that are ACKed. */
export function tcpCongAvoidAi(sk: TcpSock, w: number, acked: number): void {
  // Credits that were saved up while w was larger count as one segment now.
  if (sk.sndCwndCnt >= w) {
    sk.sndCwndCnt = 0;
    sk.sndCwnd++;
  }
  sk.sndCwndCnt += acked;
  if (sk.sndCwndCnt >= w) {
    const delta = Math.floor(sk.sndCwndCnt / w);
    sk.sndCwndCnt -= delta * w;
    sk.sndCwnd += delta;
  }
  sk.sndCwnd = Math.min(sk.sndCwnd, sk.sndCwndClamp);
}

/**
 * Whether it is the window that holds the sender back (tcp_is_cwnd_limited): only then may it grow. In slow start twice of
 * what was used is allowed, or a program that fills half of it would never get on.
 */
export function tcpIsCwndLimited(sk: TcpSock): boolean {
  if (sk.isCwndLimited) return true;
  return tcpInSlowStart(sk) && sk.sndCwnd < 2 * sk.maxPacketsOut;
}

/** tcp_current_ssthresh: in Open and Disorder nothing was reduced yet; three quarters of the window will do. */
export function tcpCurrentSsthresh(sk: TcpSock): number {
  if (sk.caState === TcpCaState.CWR || sk.caState === TcpCaState.RECOVERY) return sk.sndSsthresh;
  return Math.max(sk.sndSsthresh, (sk.sndCwnd >> 1) + (sk.sndCwnd >> 2));
}
