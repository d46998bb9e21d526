// How the window goes down (net/ipv4/tcp_input.c): to ssthresh, which the congestion control names, along proportional rate
// reduction (RFC 6937), so that segments keep leaving in proportion to those that arrive; in Recovery after a loss, in CWR
// after an echo of congestion (RFC 3168).

import { TcpAckFlag } from './tcp-ack-flag.ts';
import { INFINITE_SSTHRESH } from './tcp-cong.ts';
import { tcpAnyRetransDone, tcpRetransStampCleanup } from './tcp-scoreboard.ts';
import { TcpCaState, TcpEcn, type TcpSock } from './tcp-sock.ts';

/** tcp_set_ca_state */
export function tcpSetCaState(sk: TcpSock, state: TcpCaState): void {
  sk.caOps?.setState?.(sk, state);
  sk.caState = state;
}

/** tcp_in_cwnd_reduction */
export function tcpInCwndReduction(sk: TcpSock): boolean {
  return sk.caState === TcpCaState.CWR || sk.caState === TcpCaState.RECOVERY;
}

/** The peer is to hear of the reduction with the next data (tcp_ecn_queue_cwr). */
export function tcpEcnQueueCwr(sk: TcpSock): void {
  if ((sk.ecnFlags & TcpEcn.OK) !== 0) sk.ecnFlags |= TcpEcn.QUEUE_CWR;
}

/** tcp_init_cwnd_reduction */
export function tcpInitCwndReduction(sk: TcpSock): void {
  sk.highSeq = sk.sndNxt;
  sk.tlpHighSeq = 0;
  sk.sndCwndCnt = 0;
  sk.priorCwnd = sk.sndCwnd;
  sk.prrDelivered = 0;
  sk.prrOut = 0;
  sk.sndSsthresh = sk.caOps!.ssthresh(sk);
  tcpEcnQueueCwr(sk);
}

/**
 * Proportional rate reduction: what may be in flight after this ACK (tcp_cwnd_reduction).
 * @param delivered segments that the ACK delivered @param lost segments it showed to be lost
 */
export function tcpCwndReduction(sk: TcpSock, delivered: number, lost: number, flag: number): void {
  if (delivered <= 0 || sk.priorCwnd === 0) return;
  const room = sk.sndSsthresh - sk.packetsInFlight();
  sk.prrDelivered += delivered;
  let send: number;
  if (room < 0) {
    // RFC 6937 section 3: the rate falls in the ratio of ssthresh to the old window.
    send = Math.floor((sk.sndSsthresh * sk.prrDelivered + sk.priorCwnd - 1) / sk.priorCwnd) - sk.prrOut;
  } else {
    // Slow-start part: back to ssthresh, one more per ACK when it brings progress and no news of losses.
    send = Math.max(sk.prrDelivered - sk.prrOut, delivered);
    if ((flag & TcpAckFlag.SND_UNA_ADVANCED) !== 0 && lost === 0) send++;
    send = Math.min(room, send);
  }
  // The fast retransmission itself is always sent.
  send = Math.max(send, sk.prrOut !== 0 ? 0 : 1);
  sk.sndCwnd = sk.packetsInFlight() + send;
}

/** tcp_end_cwnd_reduction */
export function tcpEndCwndReduction(sk: TcpSock): void {
  if (sk.sndSsthresh < INFINITE_SSTHRESH && (sk.caState === TcpCaState.CWR || sk.undoMarker !== 0)) {
    sk.sndCwnd = sk.sndSsthresh;
    sk.sndCwndStamp = sk.jiffies();
  }
}

/** Congestion without loss: an ECN echo, or a local queue that was full (tcp_enter_cwr). */
export function tcpEnterCwr(sk: TcpSock): void {
  sk.priorSsthresh = 0;
  if (sk.caState >= TcpCaState.CWR) return;
  sk.undoMarker = 0;
  tcpInitCwndReduction(sk);
  tcpSetCaState(sk, TcpCaState.CWR);
}

/** Open, or Disorder while anything is out of order (tcp_try_keep_open). */
export function tcpTryKeepOpen(sk: TcpSock): void {
  const state = sk.sackedOut + sk.lostOut !== 0 || tcpAnyRetransDone(sk) ? TcpCaState.DISORDER : TcpCaState.OPEN;
  if (sk.caState === state) return;
  tcpSetCaState(sk, state);
  sk.highSeq = sk.sndNxt;
}

/** tcp_try_to_open */
export function tcpTryToOpen(sk: TcpSock, flag: number): void {
  tcpRetransStampCleanup(sk);
  if ((flag & TcpAckFlag.ECE) !== 0) tcpEnterCwr(sk);
  if (sk.caState !== TcpCaState.CWR) tcpTryKeepOpen(sk);
}
