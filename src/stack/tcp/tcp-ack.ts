// The acknowledgement in a segment (net/ipv4/tcp_input.c tcp_ack; RFC 9293 section 3.10.7.4, RFC 5961 section 5.2):
//
//   too old / unsent -> challenge or drop          window update -> SACK blocks -> retransmission queue -> RTT, RTO
//   -> loss probe answered? -> recovery -> timer -> delivery rate -> congestion window -> what is to be sent again
//
// New data that the ACK makes room for is the caller's to send (tcp_data_snd_check).

import { TcpFlag } from '../../wire/tcp.ts';
import { TcpAckFlag } from './tcp-ack-flag.ts';
import { AckState } from './tcp-ack-state.ts';
import { tcpCleanRtxQueue } from './tcp-clean-rtx.ts';
import { tcpCwndReduction, tcpInCwndReduction } from './tcp-cwnd-reduction.ts';
import { tcpSlowStartAfterIdleCheck } from './tcp-cwnd-validate.ts';
import { tcpCurrentMss, tcpSyncMss } from './tcp-mss.ts';
import { tcpPushPendingFramesMss } from './tcp-output.ts';
import { tcpReplaceTsRecent } from './tcp-paws.ts';
import { tcpClampProbe0ToUserTimeout, tcpProbe0When } from './tcp-probe.ts';
import { tcpRackUpdateReoWnd } from './tcp-rack.ts';
import { tcpRateGen } from './tcp-rate.ts';
import { Rexmit, tcpFastretransAlert } from './tcp-recovery.ts';
import { tcpXmitRetransmitQueue } from './tcp-retransmit.ts';
import { tcpUpdatePacingRate } from './tcp-rtt.ts';
import { tcpSacktagWriteQueue } from './tcp-sacktag.ts';
import { tcpCountDelivered, tcpHighestSackSeq } from './tcp-scoreboard.ts';
import type { TcpSegment } from './tcp-segment.ts';
import { after, before } from './tcp-seq.ts';
import { IcskAck, IcskTime, TcpCaState, TcpEcn, TcpNagle, type TcpSock, TcpState, tcpWndEnd } from './tcp-sock.ts';
import { tcpProcessTlpAck, tcpScheduleLossProbe } from './tcp-tlp.ts';
import { tcpWriteQueueEmpty } from './tcp-write-queue.ts';
import { tcpClearXmitTimer, tcpRearmRto, tcpResetXmitTimer, tcpRtoMax } from './tcp-xmit-timer.ts';

const FLAG = TcpAckFlag;
const state = new AckState();

/** What tcpAck() makes of an acknowledgement. */
export const AckResult = {
  /** it is taken; data that came with it is to be taken too */
  TAKEN: 1,
  /** an old one: it says nothing (but perhaps SACKed something) */
  OLD: 0,
  /** the segment is to be dropped, after a challenge ACK if it deserves one */
  TOO_OLD: -1,
  UNSENT: -2,
} as const;
export type AckResult = (typeof AckResult)[keyof typeof AckResult];

/** Sends a challenge ACK (tcp-input.ts). */
export type ChallengeAck = (sk: TcpSock) => void;

/** RFC 9293 section 3.10.7.4: newer segments update the window (tcp_may_update_window). */
function mayUpdateWindow(sk: TcpSock, ack: number, seq: number, window: number): boolean {
  return after(ack, sk.sndUna) || after(seq, sk.sndWl1) || (seq === sk.sndWl1 && (window > sk.sndWnd || window === 0));
}

/** tcp_snd_una_update */
function sndUnaUpdate(sk: TcpSock, ack: number): void {
  sk.bytesAcked += (ack - sk.sndUna) >>> 0;
  sk.sndUna = ack;
}

/** tcp_ack_update_window */
function ackUpdateWindow(sk: TcpSock, segment: TcpSegment): void {
  const window = segment.syn ? segment.window : segment.window << sk.rxOpt.sndWscale;
  if (mayUpdateWindow(sk, segment.ackSeq, segment.seq, window)) {
    state.flag |= FLAG.WIN_UPDATE;
    sk.sndWl1 = segment.seq;
    if (sk.sndWnd !== window) {
      sk.sndWnd = window;
      if (!tcpWriteQueueEmpty(sk)) tcpSlowStartAfterIdleCheck(sk);
      if (window > sk.maxWindow) {
        sk.maxWindow = window;
        tcpSyncMss(sk, sk.pmtuCookie);
      }
    }
  }
  sndUnaUpdate(sk, segment.ackSeq);
}

/** The peer says it has reduced its window, so it need not be told any more (tcp_ecn_accept_cwr). */
function ecnAcceptCwr(sk: TcpSock, segment: TcpSegment): void {
  if ((segment.flags & TcpFlag.CWR) === 0) return;
  sk.ecnFlags &= ~TcpEcn.DEMAND_CWR;
  // Its window may be a single segment: do not make it wait.
  if (segment.seq !== segment.endSeq) sk.ackPending |= IcskAck.NOW;
}

/** tcp_ack_is_dubious */
function isDubious(sk: TcpSock, flag: number): boolean {
  return (flag & FLAG.NOT_DUP) === 0 || (flag & FLAG.CA_ALERT) !== 0 || sk.caState !== TcpCaState.OPEN;
}

/** tcp_may_raise_cwnd: where much is reordered, any news of delivery counts, and not only what advances. */
function mayRaiseCwnd(sk: TcpSock, flag: number): boolean {
  if (sk.reordering > sk.netns.sysctl.ipv4.tcp_reordering) return (flag & FLAG.FORWARD_PROGRESS) !== 0;
  return (flag & FLAG.DATA_ACKED) !== 0;
}

/** tcp_cong_control */
function congControl(sk: TcpSock, delivered: number, flag: number): void {
  if (tcpInCwndReduction(sk)) {
    tcpCwndReduction(sk, delivered, state.rate.losses, flag);
  } else if (mayRaiseCwnd(sk, flag)) {
    sk.caOps!.congAvoid(sk, delivered);
    sk.sndCwndStamp = sk.jiffies();
  }
  tcpUpdatePacingRate(sk);
}

/** tcp_xmit_recovery */
function xmitRecovery(sk: TcpSock, rexmit: Rexmit): void {
  if (rexmit === Rexmit.NONE || sk.state === TcpState.SYN_SENT) return;
  if (rexmit === Rexmit.NEW) {
    tcpPushPendingFramesMss(sk, tcpCurrentMss(sk), TcpNagle.OFF);
    if (after(sk.sndNxt, sk.highSeq)) return;
    sk.frto = false;
  }
  tcpXmitRetransmitQueue(sk);
}

/** The peer's window opens, or stays shut: the probe timer follows (tcp_ack_probe). */
function ackProbe(sk: TcpSock): void {
  const head = sk.writeQueue.first();
  if (head === null) return;
  if (!after(head.endSeq, tcpWndEnd(sk))) {
    sk.backoff = 0;
    sk.probesTstamp = 0;
    tcpClearXmitTimer(sk);
    return;
  }
  const when = tcpClampProbe0ToUserTimeout(sk, tcpProbe0When(sk, tcpRtoMax(sk)));
  tcpResetXmitTimer(sk, IcskTime.PROBE0, when);
}

/** An ACK below sndUna may SACK something all the same (old_ack). */
function oldAck(sk: TcpSock, segment: TcpSegment): AckResult {
  if (segment.sackCount === 0) return AckResult.OLD;
  const priorSndUna = sk.sndUna;
  tcpSacktagWriteQueue(sk, segment, priorSndUna, state);
  const rexmit = tcpFastretransAlert(sk, priorSndUna, 0, state);
  xmitRecovery(sk, rexmit);
  return AckResult.OLD;
}

/** Nothing was outstanding (no_queue). */
function noQueue(sk: TcpSock, segment: TcpSegment, priorSndUna: number): void {
  // A duplicate that is reported late may still undo a reduction.
  if ((state.flag & FLAG.DSACKING_ACK) !== 0) tcpFastretransAlert(sk, priorSndUna, 0, state);
  ackProbe(sk);
  if (sk.tlpHighSeq !== 0) tcpProcessTlpAck(sk, segment.ackSeq, state.flag);
}

/**
 * Handles the acknowledgement of a segment. Its options must have been read (sk.rxOpt, segment.sackAt), tcpMstamp refreshed.
 * @param flag TcpAckFlag bits that the caller knows
 * @param challenge sends a challenge ACK
 */
export function tcpAck(sk: TcpSock, segment: TcpSegment, flag: number, challenge: ChallengeAck): AckResult {
  const ack = segment.ackSeq;
  const priorSndUna = sk.sndUna;
  const reneging = sk.isSackReneg;
  const priorPackets = sk.packetsOut;
  const deliveredBefore = sk.delivered;
  const lostBefore = sk.lost;
  state.reset(flag);

  if (before(ack, priorSndUna)) {
    // RFC 5961 section 5.2: no older than the largest window that the peer has ever offered.
    const reach = Math.min(sk.maxWindow, sk.bytesAcked);
    if (before(ack, (priorSndUna - reach) >>> 0)) {
      if ((flag & FLAG.NO_CHALLENGE_ACK) === 0) challenge(sk);
      return AckResult.TOO_OLD;
    }
    return oldAck(sk, segment);
  }
  // RFC 9293 section 3.10.7.4: an ACK of what was never sent is answered, and taken for nothing.
  if (after(ack, sk.sndNxt)) {
    if ((flag & FLAG.NO_CHALLENGE_ACK) === 0) challenge(sk);
    return AckResult.UNSENT;
  }
  if (after(ack, priorSndUna)) {
    state.flag |= FLAG.SND_UNA_ADVANCED;
    sk.retransmits = 0;
  }
  const priorFack = sk.rxOpt.sackOk ? tcpHighestSackSeq(sk) : sk.sndUna;
  state.rate.priorInFlight = sk.packetsInFlight();
  if ((flag & FLAG.UPDATE_TS_RECENT) !== 0) tcpReplaceTsRecent(sk, segment.seq);

  if ((state.flag & (FLAG.SLOWPATH | FLAG.SND_UNA_ADVANCED)) === FLAG.SND_UNA_ADVANCED) {
    sk.sndWl1 = segment.seq;
    sndUnaUpdate(sk, ack);
    state.flag |= FLAG.WIN_UPDATE;
  } else {
    if (segment.seq !== segment.endSeq) state.flag |= FLAG.DATA;
    ackUpdateWindow(sk, segment);
    if (segment.sackCount !== 0) tcpSacktagWriteQueue(sk, segment, priorSndUna, state);
    if ((segment.flags & TcpFlag.ECE) !== 0 && !segment.syn && (sk.ecnFlags & TcpEcn.OK) !== 0) state.flag |= FLAG.ECE;
    if (state.sackDelivered !== 0) tcpCountDelivered(sk, state.sackDelivered, (state.flag & FLAG.ECE) !== 0);
  }
  ecnAcceptCwr(sk, segment);
  sk.errSoft = null;
  sk.probesOut = 0;
  sk.rcvTstamp = sk.jiffies();
  if (priorPackets === 0) {
    noQueue(sk, segment, priorSndUna);
    return AckResult.TAKEN;
  }

  tcpCleanRtxQueue(sk, priorFack, priorSndUna, state);
  tcpRackUpdateReoWnd(sk, state.rate);
  if (sk.tlpHighSeq !== 0) tcpProcessTlpAck(sk, ack, state.flag);
  let rexmit: Rexmit = Rexmit.NONE;
  if (isDubious(sk, state.flag)) {
    const duplicate = (state.flag & (FLAG.SND_UNA_ADVANCED | FLAG.NOT_DUP | FLAG.DSACKING_ACK)) === 0;
    rexmit = tcpFastretransAlert(sk, priorSndUna, duplicate ? 1 : 0, state);
  }
  if ((state.flag & FLAG.SET_XMIT_TIMER) !== 0 && !tcpScheduleLossProbe(sk, true)) tcpRearmRto(sk);
  if ((state.flag & FLAG.FORWARD_PROGRESS) !== 0 || (state.flag & FLAG.NOT_DUP) === 0) sk.confirmNeighbour = true;
  const delivered = sk.delivered - deliveredBefore;
  state.rate.isAckDelayed = (state.flag & FLAG.ACK_MAYBE_DELAYED) !== 0;
  tcpRateGen(sk, delivered, sk.lost - lostBefore, reneging, state.rate);
  congControl(sk, delivered, state.flag);
  xmitRecovery(sk, rexmit);
  return AckResult.TAKEN;
}
