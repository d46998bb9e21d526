// Segments for a connection (net/ipv4/tcp_input.c tcp_rcv_established, tcp_rcv_state_process, tcp_validate_incoming;
// RFC 9293 section 3.10.7, RFC 5961). The kernel's header prediction is a short cut with the same results and is left out.

import { HZ, JIFFY, jiffiesAt } from '../../sim/jiffies.ts';
import { TcpFlag } from '../../wire/tcp.ts';
import { tcpAck } from './tcp-ack.ts';
import { TcpAckFlag } from './tcp-ack-flag.ts';
import { inPingpongMode, TCP_DELACK_MAX, tcpAckSndCheck, tcpEnterQuickackMode } from './tcp-ack-schedule.ts';
import { tcpDone, tcpFinTime, tcpReset, tcpShutdownSend, tcpWake } from './tcp-close.ts';
import { tcpSyncMss } from './tcp-mss.ts';
import { TIMESTAMPS_LENGTH } from './tcp-out-options.ts';
import { tcpPushPendingFrames } from './tcp-output.ts';
import {
  oowRateLimited,
  oowRateLimitedAlways,
  PAWS_WINDOW,
  pawsCheck,
  pawsReject,
  tcpStoreTsRecent,
} from './tcp-paws.ts';
import { TCP_MAX_QUICKACKS, tcpDataQueue, tcpDsackSet, tcpRcvSpuriousRetrans } from './tcp-receive.ts';
import { tcpRcvRttMeasureTs } from './tcp-receive-rtt.ts';
import { tcpInitializeRcvMss } from './tcp-receive-window.ts';
import { tcpUpdatePacingRate } from './tcp-rtt.ts';
import { type TcpSegment, tcpClearOptions, tcpFastParseOptions, tcpParseOptions } from './tcp-segment.ts';
import { after, before, between } from './tcp-seq.ts';
import {
  IcskAck,
  IcskTime,
  Shutdown,
  TcpEcn,
  type TcpSock,
  TcpState,
  tcpMstampRefresh,
  tcpReceiveWindow,
  tcpTimeStampMs,
} from './tcp-sock.ts';
import { TIMEWAIT_LEN, tcpTimeWait } from './tcp-timewait.ts';
import { tcpCheckSpace, tcpFinishConnect, tcpInitTransfer } from './tcp-transfer.ts';
import { tcpSendAck, tcpTransmitSkb } from './tcp-transmit.ts';
import { tcpTryUndoSpuriousSyn } from './tcp-undo-syn.ts';
import { tcpUrg } from './tcp-urgent.ts';
import { TCP_TIMEOUT_MIN, tcpResetXmitTimer } from './tcp-xmit-timer.ts';

/** What the caller does with the segment: nothing more, or answer it with a RST. */
export const SegmentVerdict = { DONE: 0, RESET: 1 } as const;
export type SegmentVerdict = (typeof SegmentVerdict)[keyof typeof SegmentVerdict];
const { DONE, RESET } = SegmentVerdict;

const INT_MAX = 0x7fffffff;
const TCP_HEADER = 20;

/** tcp_send_challenge_ack: RFC 5961 section 7, limited per connection and per namespace. */
export function tcpSendChallengeAck(sk: TcpSock): void {
  if (oowRateLimitedAlways(sk)) return;
  const limit = sk.netns.sysctl.ipv4.tcp_challenge_ack_limit;
  if (limit !== INT_MAX) {
    const { tcp } = sk.netns;
    const now = Math.floor(jiffiesAt(sk.now) / HZ);
    if (now !== tcp.challengeSecond) {
      tcp.challengeSecond = now;
      const half = (limit + 1) >> 1;
      tcp.challengeCount = half + tcp.rng.below(Math.max(limit, 1));
    }
    if (tcp.challengeCount <= 0) return;
    tcp.challengeCount--;
  }
  tcpSendAck(sk);
}

/** tcp_send_dupack: the segment cannot be used; an ACK says what we have, and which part came twice. */
function sendDupack(sk: TcpSock, segment: TcpSegment): void {
  if (segment.endSeq !== segment.seq && before(segment.seq, sk.rcvNxt)) {
    tcpEnterQuickackMode(sk, TCP_MAX_QUICKACKS);
    if (sk.rxOpt.sackOk && sk.netns.sysctl.ipv4.tcp_dsack !== 0) {
      tcpRcvSpuriousRetrans(sk, segment);
      tcpDsackSet(sk, segment.seq, after(segment.endSeq, sk.rcvNxt) ? sk.rcvNxt : segment.endSeq);
    }
  }
  tcpSendAck(sk);
}

/** tcp_disordered_ack: an ACK that was overtaken by its successors is no attack. */
function disorderedAck(sk: TcpSock, segment: TcpSegment): boolean {
  const window = segment.window * 2 ** sk.rxOpt.sndWscale;
  const replay = Math.floor((sk.rto * 1200) / HZ);
  const updates =
    after(segment.ackSeq, sk.sndUna) ||
    after(segment.seq, sk.sndWl1) ||
    (segment.seq === sk.sndWl1 && (window > sk.sndWnd || window === 0));
  return (
    segment.ack &&
    segment.seq === segment.endSeq &&
    segment.seq === sk.rcvNxt &&
    segment.ackSeq === sk.sndUna &&
    !updates &&
    ((sk.rxOpt.tsRecent - sk.rxOpt.rcvTsval) | 0) <= replay
  );
}

/** tcp_sequence: true when part of the segment lies within the window. */
function sequenceOk(sk: TcpSock, segment: TcpSegment): boolean {
  if (before(segment.endSeq, sk.rcvWup)) return false;
  const end = (sk.rcvNxt + tcpReceiveWindow(sk)) >>> 0;
  if (!after(segment.endSeq, end)) return true;
  if (after(segment.seq, end)) return false;
  // What reaches beyond the window is only taken by an empty queue.
  return sk.receiveQueue.isEmpty;
}

/** tcp_reset_check: some hosts send a RST behind their FIN with the FIN's sequence number. */
function resetCheck(sk: TcpSock, segment: TcpSegment): boolean {
  const s = sk.state;
  return (
    segment.seq === (sk.rcvNxt - 1) >>> 0 &&
    (s === TcpState.CLOSE_WAIT || s === TcpState.LAST_ACK || s === TcpState.CLOSING)
  );
}

/** Sequence number behind the furthest data that we have (the right-most SACK block). */
function maxSack(sk: TcpSock): number {
  let max = sk.selectiveAcks[0].endSeq;
  for (let i = 1; i < sk.rxOpt.numSacks; i++) {
    const end = sk.selectiveAcks[i]!.endSeq;
    if (after(end, max)) max = end;
  }
  return max;
}

/** tcp_validate_incoming: PAWS, sequence, RST, SYN. False when the segment was dealt with. */
function validateIncoming(sk: TcpSock, segment: TcpSegment): boolean {
  tcpFastParseOptions(segment, sk.rxOpt, sk.tsoffset);
  if (sk.rxOpt.sawTstamp && !segment.rst && !pawsCheck(sk.rxOpt, PAWS_WINDOW, sk.now) && !disorderedAck(sk, segment)) {
    if (segment.syn) tcpSendChallengeAck(sk);
    else if (!oowRateLimited(sk, segment)) sendDupack(sk, segment);
    return false;
  }
  if (!sequenceOk(sk, segment)) {
    if (!segment.rst) {
      if (segment.syn) tcpSendChallengeAck(sk);
      else if (!oowRateLimited(sk, segment)) sendDupack(sk, segment);
    } else if (resetCheck(sk, segment)) tcpReset(sk);
    return false;
  }
  if (segment.rst) {
    // RFC 5961 section 3.2: exactly the next expected, or right behind what was SACKed; else the peer must confirm.
    const exact =
      segment.seq === sk.rcvNxt ||
      resetCheck(sk, segment) ||
      (sk.rxOpt.sackOk && sk.rxOpt.numSacks > 0 && segment.seq === maxSack(sk));
    if (exact) tcpReset(sk);
    else tcpSendChallengeAck(sk);
    return false;
  }
  if (segment.syn) {
    // The SYN-ACK of a simultaneous open is all right; every other SYN is answered as RFC 5961 section 4.2 has it.
    const crossed =
      sk.state === TcpState.SYN_RECV &&
      sk.socket !== null &&
      segment.ack &&
      (segment.seq + 1) >>> 0 === segment.endSeq &&
      segment.endSeq === sk.rcvNxt &&
      segment.ackSeq === sk.sndNxt;
    if (crossed) return true;
    tcpSendChallengeAck(sk);
    return false;
  }
  return true;
}

/** tcp_data_snd_check */
function dataSndCheck(sk: TcpSock): void {
  tcpPushPendingFrames(sk);
  tcpCheckSpace(sk);
}

/** tcp_rcv_established */
export function tcpRcvEstablished(sk: TcpSock, segment: TcpSegment): SegmentVerdict {
  tcpMstampRefresh(sk);
  if (!segment.ack && !segment.rst && !segment.syn) return DONE;
  if (!validateIncoming(sk, segment)) return DONE;
  if (tcpAck(sk, segment, TcpAckFlag.SLOWPATH | TcpAckFlag.UPDATE_TS_RECENT, tcpSendChallengeAck) < 0) return DONE;
  tcpRcvRttMeasureTs(sk, segment);
  tcpUrg(sk, segment);
  tcpDataQueue(sk, segment);
  // A FIN may have ended it.
  if (sk.state === TcpState.CLOSE) return DONE;
  dataSndCheck(sk);
  tcpAckSndCheck(sk);
  return DONE;
}

/** tcp_rcv_synsent_state_process: RFC 9293 section 3.10.7.3. */
function rcvSynsent(sk: TcpSock, segment: TcpSegment): SegmentVerdict {
  const rx = sk.rxOpt;
  const clamp = rx.mssClamp;
  const undo = (verdict: SegmentVerdict): SegmentVerdict => {
    tcpClearOptions(rx);
    rx.mssClamp = clamp;
    return verdict;
  };
  tcpMstampRefresh(sk);
  tcpParseOptions(segment, rx, false);
  if (rx.sawTstamp && rx.rcvTsecr !== 0) rx.rcvTsecr = (rx.rcvTsecr - sk.tsoffset) >>> 0;
  if (segment.ack) {
    if (!after(segment.ackSeq, sk.sndUna) || after(segment.ackSeq, sk.sndNxt)) {
      // An old connection's remains; our next SYN follows the RST soon.
      if (sk.retransmits === 0) tcpResetXmitTimer(sk, IcskTime.RETRANS, TCP_TIMEOUT_MIN);
      return undo(RESET);
    }
    if (rx.sawTstamp && rx.rcvTsecr !== 0 && !between(rx.rcvTsecr, sk.retransStamp, tcpTimeStampMs(sk))) {
      return undo(RESET);
    }
    if (segment.rst) {
      tcpReset(sk);
      return DONE;
    }
    if (!segment.syn) return undo(DONE);
    synackReceived(sk, segment);
    return DONE;
  }
  if (segment.rst) return undo(DONE);
  if (rx.tsRecentStamp !== 0 && rx.sawTstamp && pawsReject(rx, false, sk.now)) return undo(DONE);
  if (!segment.syn) return undo(DONE);
  crossedSyn(sk, segment);
  return DONE;
}

/** tcp_ecn_rcv_synack, tcp_ecn_rcv_syn: what the peer says to our offer of ECN (RFC 3168 section 6.1.1). */
function ecnAnswer(sk: TcpSock, segment: TcpSegment, synack: boolean): void {
  if ((sk.ecnFlags & TcpEcn.OK) === 0) return;
  const ece = (segment.flags & TcpFlag.ECE) !== 0;
  const cwr = (segment.flags & TcpFlag.CWR) !== 0;
  if (synack ? !ece || cwr : !ece || !cwr) sk.ecnFlags &= ~TcpEcn.OK;
}

function agreeOnTimestamps(sk: TcpSock): void {
  if (sk.rxOpt.sawTstamp) {
    sk.rxOpt.tstampOk = true;
    sk.tcpHeaderLen = TCP_HEADER + TIMESTAMPS_LENGTH;
    tcpStoreTsRecent(sk);
  } else sk.tcpHeaderLen = TCP_HEADER;
}

/** The SYN-ACK has come: the connection stands. */
function synackReceived(sk: TcpSock, segment: TcpSegment): void {
  const rx = sk.rxOpt;
  ecnAnswer(sk, segment, true);
  sk.sndWl1 = segment.seq;
  tcpTryUndoSpuriousSyn(sk);
  tcpAck(sk, segment, TcpAckFlag.SLOWPATH, tcpSendChallengeAck);
  sk.rcvNxt = (segment.seq + 1) >>> 0;
  sk.rcvWup = sk.rcvNxt;
  // RFC 7323 section 2.2: the window of a SYN is never scaled.
  sk.sndWnd = segment.window;
  if (!rx.wscaleOk) {
    rx.sndWscale = 0;
    rx.rcvWscale = 0;
    sk.windowClamp = Math.min(sk.windowClamp, 0xffff);
  }
  agreeOnTimestamps(sk);
  if (rx.sawTstamp) sk.advmss -= TIMESTAMPS_LENGTH;
  tcpSyncMss(sk, sk.pmtuCookie);
  tcpInitializeRcvMss(sk);
  sk.copiedSeq = sk.rcvNxt;
  tcpFinishConnect(sk);
  tcpWake(sk);
  if (sk.deferAccept !== 0 || inPingpongMode(sk)) {
    // Data is about to go out, and takes the ACK along.
    tcpEnterQuickackMode(sk, TCP_MAX_QUICKACKS);
    sk.ackPending |= IcskAck.SCHED | IcskAck.TIMER;
    sk.ackTimeout = sk.jiffies() + TCP_DELACK_MAX;
    sk.delackTimer.arm(TCP_DELACK_MAX * JIFFY);
    return;
  }
  tcpSendAck(sk);
  tcpUrg(sk, segment);
  dataSndCheck(sk);
}

/** A SYN without ACK: both sides open at once (RFC 9293 figure 7). */
function crossedSyn(sk: TcpSock, segment: TcpSegment): void {
  sk.state = TcpState.SYN_RECV;
  agreeOnTimestamps(sk);
  sk.rcvNxt = (segment.seq + 1) >>> 0;
  sk.copiedSeq = sk.rcvNxt;
  sk.rcvWup = sk.rcvNxt;
  sk.sndWnd = segment.window;
  sk.sndWl1 = segment.seq;
  sk.maxWindow = sk.sndWnd;
  ecnAnswer(sk, segment, false);
  tcpSyncMss(sk, sk.pmtuCookie);
  tcpInitializeRcvMss(sk);
  // tcp_send_synack: the SYN goes out once more, as a SYN-ACK.
  const syn = sk.rtxQueue.first();
  if (syn === null || (syn.tcpFlags & TcpFlag.SYN) === 0) return;
  syn.tcpFlags |= TcpFlag.ACK;
  tcpTransmitSkb(sk, syn, true);
}

/** SYN-RECV is left: for a connection that a listener made, or a simultaneous open. */
function established(sk: TcpSock, segment: TcpSegment): void {
  sk.delivered++;
  tcpTryUndoSpuriousSyn(sk);
  sk.retransStamp = 0;
  tcpInitTransfer(sk);
  sk.copiedSeq = sk.rcvNxt;
  sk.state = TcpState.ESTABLISHED;
  tcpWake(sk);
  sk.sndUna = segment.ackSeq;
  sk.sndWnd = segment.window * 2 ** sk.rxOpt.sndWscale;
  sk.sndWl1 = segment.seq;
  if (sk.rxOpt.tstampOk) sk.advmss -= TIMESTAMPS_LENGTH;
  tcpUpdatePacingRate(sk);
  sk.lsndtime = sk.jiffies();
  tcpInitializeRcvMss(sk);
  if ((sk.shutdown & Shutdown.SEND) !== 0) tcpShutdownSend(sk);
}

/** Our FIN was acknowledged in FIN-WAIT-1. True when the segment has been dealt with. */
function finAcked(sk: TcpSock, segment: TcpSegment): boolean {
  sk.state = TcpState.FIN_WAIT2;
  sk.shutdown |= Shutdown.SEND;
  sk.confirmNeighbour = true;
  if (!sk.dead) {
    tcpWake(sk);
    return false;
  }
  const dataEnd = (segment.endSeq - (segment.fin ? 1 : 0)) >>> 0;
  if (sk.linger2 < 0 || (segment.endSeq !== segment.seq && after(dataEnd, sk.rcvNxt))) {
    tcpDone(sk);
    return true;
  }
  const time = tcpFinTime(sk);
  if (time > TIMEWAIT_LEN) sk.keepaliveTimer.arm((time - TIMEWAIT_LEN) * JIFFY);
  else if (segment.fin) sk.keepaliveTimer.arm(time * JIFFY);
  else {
    tcpTimeWait(sk, TcpState.FIN_WAIT2, time);
    return true;
  }
  return false;
}

/** tcp_rcv_state_process: every state but ESTABLISHED, LISTEN and TIME-WAIT. */
export function tcpRcvStateProcess(sk: TcpSock, segment: TcpSegment): SegmentVerdict {
  if (sk.state === TcpState.CLOSE) return DONE;
  if (sk.state === TcpState.SYN_SENT) return rcvSynsent(sk, segment);
  tcpMstampRefresh(sk);
  sk.rxOpt.sawTstamp = false;
  if (!segment.ack && !segment.rst && !segment.syn) return DONE;
  if (!validateIncoming(sk, segment)) return DONE;
  const result = tcpAck(
    sk,
    segment,
    TcpAckFlag.SLOWPATH | TcpAckFlag.UPDATE_TS_RECENT | TcpAckFlag.NO_CHALLENGE_ACK,
    tcpSendChallengeAck,
  );
  if (result <= 0) {
    if (sk.state === TcpState.SYN_RECV) return RESET;
    if (result < 0) {
      tcpSendChallengeAck(sk);
      return DONE;
    }
  }
  switch (sk.state) {
    case TcpState.SYN_RECV:
      established(sk, segment);
      break;
    case TcpState.FIN_WAIT1:
      if (sk.sndUna === sk.writeSeq && finAcked(sk, segment)) return DONE;
      break;
    case TcpState.CLOSING:
      if (sk.sndUna === sk.writeSeq) {
        tcpTimeWait(sk, TcpState.TIME_WAIT, 0);
        return DONE;
      }
      break;
    case TcpState.LAST_ACK:
      if (sk.sndUna === sk.writeSeq) {
        tcpDone(sk);
        return DONE;
      }
      break;
    default:
      break;
  }
  tcpUrg(sk, segment);
  return text(sk, segment);
}

/** Steps 7 and 8: the text of a segment, and what is to be sent now. */
function text(sk: TcpSock, segment: TcpSegment): SegmentVerdict {
  const s = sk.state as TcpState;
  const closing = s === TcpState.CLOSE_WAIT || s === TcpState.CLOSING || s === TcpState.LAST_ACK;
  const finWait = s === TcpState.FIN_WAIT1 || s === TcpState.FIN_WAIT2;
  if (finWait || (closing && before(segment.seq, sk.rcvNxt))) {
    // RFC 1122 section 4.2.2.13: data that nobody will read is answered with a RST.
    const dataEnd = (segment.endSeq - (segment.fin ? 1 : 0)) >>> 0;
    if ((sk.shutdown & Shutdown.RCV) !== 0 && segment.endSeq !== segment.seq && after(dataEnd, sk.rcvNxt)) {
      tcpReset(sk);
      return RESET;
    }
    tcpDataQueue(sk, segment);
  } else if (s === TcpState.ESTABLISHED) tcpDataQueue(sk, segment);
  if ((sk.state as TcpState) !== TcpState.CLOSE) {
    dataSndCheck(sk);
    tcpAckSndCheck(sk);
  }
  return DONE;
}
