// What the sender does about loss (net/ipv4/tcp_input.c tcp_fastretrans_alert, tcp_process_loss, tcp_enter_loss;
// RFC 6675, RFC 6582, RFC 8985, RFC 5682):
//
//   OPEN      nothing out of order           DISORDER  duplicate ACKs or SACKs, no loss shown yet
//   CWR       reducing after an ECN echo     RECOVERY  reducing and retransmitting after a loss
//   LOSS      after a time-out: all that is not SACKed and old enough counts as lost, slow start from one segment
//
// highSeq is sndNxt at the start of CWR, RECOVERY or LOSS; the state ends when it is acknowledged.

import { TcpAckFlag } from './tcp-ack-flag.ts';
import type { AckState } from './tcp-ack-state.ts';
import { tcpCurrentSsthresh } from './tcp-cong.ts';
import {
  tcpCwndReduction,
  tcpEcnQueueCwr,
  tcpEndCwndReduction,
  tcpInCwndReduction,
  tcpInitCwndReduction,
  tcpSetCaState,
  tcpTryToOpen,
} from './tcp-cwnd-reduction.ts';
import { tcpCurrentMss } from './tcp-mss.ts';
import { tcpRackDetectLoss, tcpRackMarkLost, tcpRackSkbTimeout } from './tcp-rack.ts';
import { tcpXmitRetransmitQueue } from './tcp-retransmit.ts';
import { tcpSkbSeglen } from './tcp-sack-mark.ts';
import {
  tcpAddRenoSack,
  tcpClearAllRetransHints,
  tcpLimitRenoSacked,
  tcpMarkSkbLost,
  tcpRetransStampCleanup,
} from './tcp-scoreboard.ts';
import { after, before } from './tcp-seq.ts';
import { Tcpcb } from './tcp-skb.ts';
import { IcskTime, TcpCaState, type TcpSock, tcpWndEnd } from './tcp-sock.ts';
import { tcpInitUndo, tcpTryUndoDsack, tcpTryUndoLoss, tcpTryUndoPartial, tcpTryUndoRecovery } from './tcp-undo.ts';
import { tcpFragment } from './tcp-write-queue.ts';
import { msecsToJiffies, tcpRearmRto, tcpResetXmitTimer, usecsToJiffies } from './tcp-xmit-timer.ts';

const FLAG = TcpAckFlag;

/** What is to be sent when the ACK is done with. */
export const Rexmit = { NONE: 0, LOST: 1, NEW: 2 } as const;
export type Rexmit = (typeof Rexmit)[keyof typeof Rexmit];

/** Time given to a peer that seems to have dropped SACKed data: 10 ms at least. */
const RENEGING_DELAY_MIN = msecsToJiffies(10);

/** Begins recovery (tcp_enter_recovery). */
export function tcpEnterRecovery(sk: TcpSock, ece: boolean): void {
  tcpRetransStampCleanup(sk);
  sk.priorSsthresh = 0;
  tcpInitUndo(sk);
  if (!tcpInCwndReduction(sk)) {
    if (!ece) sk.priorSsthresh = tcpCurrentSsthresh(sk);
    tcpInitCwndReduction(sk);
  }
  tcpSetCaState(sk, TcpCaState.RECOVERY);
}

/** Without SACK: the first segment is lost after three duplicate ACKs, and after each partial ACK (tcp_newreno_mark_lost). */
function newrenoMarkLost(sk: TcpSock, advanced: boolean): void {
  const start = sk.caState < TcpCaState.RECOVERY && sk.sackedOut >= sk.reordering;
  if (!start && !(sk.caState === TcpCaState.RECOVERY && advanced)) return;
  const head = sk.rtxQueue.first()!;
  if ((head.sacked & Tcpcb.LOST) !== 0) return;
  const mss = head.gsoSize;
  if (head.pcount > 1 && head.len > mss) tcpFragment(sk, true, head, mss, mss);
  tcpMarkSkbLost(sk, head);
}

/** tcp_identify_packet_loss */
function identifyPacketLoss(sk: TcpSock, state: AckState): void {
  if (sk.rtxQueue.isEmpty) return;
  if (!sk.rxOpt.sackOk) {
    newrenoMarkLost(sk, (state.flag & FLAG.SND_UNA_ADVANCED) !== 0);
    return;
  }
  const retransBefore = sk.retransOut;
  if (tcpRackMarkLost(sk)) state.flag &= ~FLAG.SET_XMIT_TIMER;
  if (retransBefore > sk.retransOut) state.flag |= FLAG.LOST_RETRANS;
}

/** SACKed data at the head of the queue: the peer has dropped it, or a segment is late. Wait a little (tcp_check_sack_reneging). */
function checkSackReneging(sk: TcpSock, state: AckState): boolean {
  const both = FLAG.SACK_RENEGING | FLAG.SND_UNA_ADVANCED;
  if ((state.flag & both) !== both) return false;
  const delay = Math.max(usecsToJiffies(sk.srttUs >>> 4), RENEGING_DELAY_MIN);
  tcpResetXmitTimer(sk, IcskTime.RETRANS, delay);
  state.flag &= ~FLAG.SET_XMIT_TIMER;
  return true;
}

/** An ACK in LOSS (tcp_process_loss; F-RTO: RFC 5682 section 3.1). */
function processLoss(sk: TcpSock, flag: number, duplicates: number): Rexmit {
  const recovered = !before(sk.sndUna, sk.highSeq);
  const advanced = (flag & FLAG.SND_UNA_ADVANCED) !== 0;
  if (advanced && tcpTryUndoLoss(sk, false)) return Rexmit.NONE;
  if (sk.frto) {
    // Step 3.b: data that was never sent twice arrives, so not all was lost: the time-out was spurious.
    if ((flag & FLAG.ORIG_SACK_ACKED) !== 0 && tcpTryUndoLoss(sk, true)) return Rexmit.NONE;
    if (after(sk.sndNxt, sk.highSeq)) {
      // Step 3.a: the loss was real.
      if ((flag & FLAG.DATA_SACKED) !== 0 || duplicates !== 0) sk.frto = false;
    } else if (advanced && !recovered) {
      sk.highSeq = sk.sndNxt;
      // Step 2.b: new data asks the question, if there is any and the peer has room.
      if (!sk.writeQueue.isEmpty && after(tcpWndEnd(sk), sk.sndNxt)) return Rexmit.NEW;
      sk.frto = false;
    }
  }
  if (recovered) {
    tcpTryUndoRecovery(sk);
    return Rexmit.NONE;
  }
  if (!sk.rxOpt.sackOk) {
    // A duplicate ACK tells of the new data of step 2.b.
    if (after(sk.sndNxt, sk.highSeq) && duplicates !== 0) tcpAddRenoSack(sk, duplicates, (flag & FLAG.ECE) !== 0);
    else if (advanced) sk.sackedOut = 0;
  }
  return Rexmit.LOST;
}

/** highSeq is acknowledged: CWR and RECOVERY end. @returns whether to stop here */
function endStates(sk: TcpSock): boolean {
  if (sk.caState === TcpCaState.OPEN) {
    sk.retransStamp = 0;
  } else if (!before(sk.sndUna, sk.highSeq)) {
    if (sk.caState === TcpCaState.CWR) {
      // Something above highSeq: only then has the peer seen CWR.
      if (sk.sndUna !== sk.highSeq) {
        tcpEndCwndReduction(sk);
        tcpSetCaState(sk, TcpCaState.OPEN);
      }
    } else if (sk.caState === TcpCaState.RECOVERY) {
      if (!sk.rxOpt.sackOk) sk.sackedOut = 0;
      if (tcpTryUndoRecovery(sk)) return true;
      tcpEndCwndReduction(sk);
    }
  }
  return false;
}

/**
 * An ACK that is a duplicate, brings news of holes, or comes while not all is well (tcp_fastretrans_alert).
 * @param duplicates duplicate ACKs that it stands for
 * @returns what to send then
 */
export function tcpFastretransAlert(sk: TcpSock, priorSndUna: number, duplicates: number, state: AckState): Rexmit {
  const { flag } = state;
  const ece = (flag & FLAG.ECE) !== 0;
  const advanced = (flag & FLAG.SND_UNA_ADVANCED) !== 0;
  const reno = !sk.rxOpt.sackOk;
  if (sk.packetsOut === 0 && sk.sackedOut !== 0) sk.sackedOut = 0;
  // An echo of congestion is no mistake that could be undone.
  if (ece) sk.priorSsthresh = 0;
  if (checkSackReneging(sk, state)) return Rexmit.NONE;
  if (endStates(sk)) return Rexmit.NONE;

  if (sk.caState === TcpCaState.RECOVERY) {
    if (!advanced) {
      if (reno) tcpAddRenoSack(sk, duplicates, ece);
    } else if (tcpTryUndoPartial(sk, priorSndUna)) {
      return Rexmit.NONE;
    }
    if (tcpTryUndoDsack(sk)) tcpTryToOpen(sk, flag);
    identifyPacketLoss(sk, state);
    if (sk.caState !== TcpCaState.RECOVERY) {
      if (sk.lostOut === 0) return Rexmit.NONE;
      // Undone as reordering, and yet something is lost.
      tcpEnterRecovery(sk, ece);
    }
    return Rexmit.LOST;
  }
  let rexmit: Rexmit = Rexmit.NONE;
  if (sk.caState === TcpCaState.LOSS) {
    rexmit = processLoss(sk, flag, duplicates);
    identifyPacketLoss(sk, state);
    const open = (sk.caState as TcpCaState) === TcpCaState.OPEN;
    if (!open && (state.flag & FLAG.LOST_RETRANS) === 0) return rexmit;
    // The time-out is undone, or a retransmission was lost: judge as in any other state.
  }
  if (reno) {
    if (advanced) sk.sackedOut = 0;
    tcpAddRenoSack(sk, duplicates, ece);
  }
  if (sk.caState <= TcpCaState.DISORDER) tcpTryUndoDsack(sk);
  identifyPacketLoss(sk, state);
  if (sk.lostOut === 0) {
    tcpTryToOpen(sk, flag);
    return rexmit;
  }
  tcpEnterRecovery(sk, ece);
  return Rexmit.LOST;
}

/** After a time-out (tcp_timeout_mark_lost): what was sent too lately to tell is left alone. */
function timeoutMarkLost(sk: TcpSock): void {
  const head = sk.rtxQueue.first();
  const reneged = head !== null && (head.sacked & Tcpcb.SACKED_ACKED) !== 0;
  if (reneged) {
    // The peer has thrown away what it had SACKed (RFC 2018 section 8).
    sk.sackedOut = 0;
    sk.isSackReneg = true;
  } else if (!sk.rxOpt.sackOk) {
    sk.sackedOut = 0;
  }
  for (let skb = head; skb !== null; skb = skb.next) {
    if (reneged) skb.sacked &= ~Tcpcb.SACKED_ACKED;
    else if (skb !== head && tcpRackSkbTimeout(sk, skb, 0) > 0) continue;
    tcpMarkSkbLost(sk, skb);
  }
  tcpClearAllRetransHints(sk);
}

/** The retransmission timer has fired (tcp_enter_loss). The caller sends the first segment again. */
export function tcpEnterLoss(sk: TcpSock): void {
  const { tcp_frto, tcp_reordering } = sk.netns.sysctl.ipv4;
  const newRecovery = sk.caState < TcpCaState.RECOVERY;
  timeoutMarkLost(sk);
  // Once for each window of data.
  if (
    sk.caState <= TcpCaState.DISORDER ||
    !after(sk.highSeq, sk.sndUna) ||
    (sk.caState === TcpCaState.LOSS && sk.retransmits === 0)
  ) {
    sk.priorSsthresh = tcpCurrentSsthresh(sk);
    sk.priorCwnd = sk.sndCwnd;
    sk.sndSsthresh = sk.caOps!.ssthresh(sk);
    tcpInitUndo(sk);
  }
  sk.sndCwnd = sk.packetsInFlight() + 1;
  sk.sndCwndCnt = 0;
  sk.sndCwndStamp = sk.jiffies();
  // So many arrived and none retransmitted: reordering was thought worse than it is.
  if (sk.caState <= TcpCaState.DISORDER && sk.sackedOut >= tcp_reordering) {
    sk.reordering = Math.min(sk.reordering, tcp_reordering);
  }
  tcpSetCaState(sk, TcpCaState.LOSS);
  sk.highSeq = sk.sndNxt;
  sk.tlpHighSeq = 0;
  tcpEcnQueueCwr(sk);
  // F-RTO step 1; not while a segment that probes the path MTU is out.
  sk.frto = tcp_frto !== 0 && (newRecovery || sk.retransmits !== 0) && sk.mtup.probeSize === 0;
}

/** The reordering timer has fired (tcp_rack_reo_timeout). */
export function tcpRackReoTimeout(sk: TcpSock): void {
  const inFlight = sk.packetsInFlight();
  const lostBefore = sk.lost;
  tcpRackDetectLoss(sk);
  if (inFlight !== sk.packetsInFlight()) {
    if (sk.caState !== TcpCaState.RECOVERY) {
      tcpEnterRecovery(sk, false);
      tcpCwndReduction(sk, 1, sk.lost - lostBefore, 0);
    }
    tcpXmitRetransmitQueue(sk);
  }
  if (sk.pending !== IcskTime.RETRANS) tcpRearmRto(sk);
}

/**
 * The path takes less than it did: what is too long is sent again in smaller pieces, and that is no congestion
 * (tcp_simple_retransmit).
 */
export function tcpSimpleRetransmit(sk: TcpSock): void {
  const mss = tcpCurrentMss(sk);
  for (let skb = sk.rtxQueue.first(); skb !== null; skb = skb.next) {
    if (tcpSkbSeglen(skb) > mss) tcpMarkSkbLost(sk, skb);
  }
  if (sk.lostOut === 0) return;
  if (!sk.rxOpt.sackOk) tcpLimitRenoSacked(sk);
  if (sk.caState !== TcpCaState.LOSS) {
    sk.highSeq = sk.sndNxt;
    sk.sndSsthresh = tcpCurrentSsthresh(sk);
    sk.priorSsthresh = 0;
    sk.undoMarker = 0;
    tcpSetCaState(sk, TcpCaState.LOSS);
  }
  tcpXmitRetransmitQueue(sk);
}
