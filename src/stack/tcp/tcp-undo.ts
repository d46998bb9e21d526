// Taking a reduction back (net/ipv4/tcp_input.c): when everything that was sent again turns out to have arrived the first
// time, the loss was reordering or delay. Two kinds of evidence: a DSACK for each retransmission (RFC 3708), or an echo of a
// timestamp older than the first retransmission (Eifel, RFC 3522).
//
//   undoMarker   sndUna when the reduction began; 0: nothing to undo
//   undoRetrans  retransmissions for which no DSACK has come; 0: all were needless; -1: nothing was sent again
//   retransStamp when the first retransmission left, ms without offset; 0: none

import { tcpSetCaState, tcpTryKeepOpen } from './tcp-cwnd-reduction.ts';
import { RACK_RECOVERY_THRESH } from './tcp-rack.ts';
import {
  tcpAnyRetransDone,
  tcpCheckSackReordering,
  tcpClearAllRetransHints,
  tcpRetransStampCleanup,
  tcpTsoptEcrBefore,
} from './tcp-scoreboard.ts';
import { before } from './tcp-seq.ts';
import { Tcpcb } from './tcp-skb.ts';
import { TcpCaState, TcpEcn, type TcpSock, TcpState } from './tcp-sock.ts';

/** A reduction begins (tcp_init_undo). */
export function tcpInitUndo(sk: TcpSock): void {
  sk.undoMarker = sk.sndUna;
  sk.undoRetrans = sk.retransOut;
  if (sk.tlpHighSeq !== 0 && sk.tlpRetrans) sk.undoRetrans++;
  // 0 would say that all retransmissions were answered for.
  if (sk.undoRetrans === 0) sk.undoRetrans = -1;
}

/** What was acknowledged is the first copy, late (tcp_packet_delayed). */
function packetDelayed(sk: TcpSock): boolean {
  if (sk.retransStamp !== 0) return tcpTsoptEcrBefore(sk, sk.retransStamp);
  // Without SACK the stamp is cleared when all is acknowledged (tcp_is_non_sack_preventing_reopen), and tells nothing.
  if (!sk.rxOpt.sackOk && !before(sk.sndUna, sk.highSeq)) return false;
  // Nothing was sent again; in SYN-SENT the stamp is cleared although the SYN may have been.
  return sk.state !== TcpState.SYN_SENT;
}

/** tcp_may_undo */
export function tcpMayUndo(sk: TcpSock): boolean {
  return sk.undoMarker !== 0 && (sk.undoRetrans === 0 || packetDelayed(sk));
}

/** tcp_undo_cwnd_reduction. @param unmark nothing is lost after all */
function undoCwndReduction(sk: TcpSock, unmark: boolean): void {
  if (unmark) {
    for (let skb = sk.rtxQueue.first(); skb !== null; skb = skb.next) skb.sacked &= ~Tcpcb.LOST;
    sk.lostOut = 0;
    tcpClearAllRetransHints(sk);
  }
  if (sk.priorSsthresh !== 0) {
    sk.sndCwnd = sk.caOps!.undoCwnd(sk);
    if (sk.priorSsthresh > sk.sndSsthresh) {
      sk.sndSsthresh = sk.priorSsthresh;
      sk.ecnFlags &= ~TcpEcn.QUEUE_CWR;
    }
  }
  sk.sndCwndStamp = sk.jiffies();
  sk.undoMarker = 0;
  // RACK looks at all that is outstanding anew.
  sk.rack.advanced = true;
}

/**
 * Without SACK the state is held until something above highSeq is acknowledged, or duplicate ACKs for the retransmissions
 * would start another recovery (RFC 6582 section 3.2 step 1; tcp_is_non_sack_preventing_reopen).
 */
function nonSackPreventsReopen(sk: TcpSock): boolean {
  if (sk.sndUna !== sk.highSeq || sk.rxOpt.sackOk) return false;
  tcpRetransStampCleanup(sk);
  return true;
}

/** All that was outstanding when recovery began is acknowledged (tcp_try_undo_recovery). @returns whether the state stays */
export function tcpTryUndoRecovery(sk: TcpSock): boolean {
  if (tcpMayUndo(sk)) undoCwndReduction(sk, false);
  else if (sk.rack.reoWndPersist !== 0) sk.rack.reoWndPersist--;
  if (nonSackPreventsReopen(sk)) return true;
  tcpSetCaState(sk, TcpCaState.OPEN);
  sk.isSackReneg = false;
  return false;
}

/** tcp_try_undo_dsack */
export function tcpTryUndoDsack(sk: TcpSock): boolean {
  if (sk.undoMarker === 0 || sk.undoRetrans !== 0) return false;
  sk.rack.reoWndPersist = Math.min(RACK_RECOVERY_THRESH, sk.rack.reoWndPersist + 1);
  undoCwndReduction(sk, false);
  return true;
}

/** A time-out was needless (tcp_try_undo_loss). @param frto F-RTO has shown it */
export function tcpTryUndoLoss(sk: TcpSock, frto: boolean): boolean {
  if (!frto && !tcpMayUndo(sk)) return false;
  undoCwndReduction(sk, true);
  sk.retransmits = 0;
  if (nonSackPreventsReopen(sk)) return true;
  if (frto || sk.rxOpt.sackOk) {
    tcpSetCaState(sk, TcpCaState.OPEN);
    sk.isSackReneg = false;
  }
  return true;
}

/**
 * In Recovery an ACK filled the hole with a first copy that was late (tcp_try_undo_partial).
 * @returns whether to wait, as retransmissions are still under way
 */
export function tcpTryUndoPartial(sk: TcpSock, priorSndUna: number): boolean {
  if (sk.undoMarker === 0 || !packetDelayed(sk)) return false;
  tcpCheckSackReordering(sk, priorSndUna);
  if (sk.retransOut !== 0) return true;
  if (!tcpAnyRetransDone(sk)) sk.retransStamp = 0;
  undoCwndReduction(sk, true);
  tcpTryKeepOpen(sk);
  return false;
}
