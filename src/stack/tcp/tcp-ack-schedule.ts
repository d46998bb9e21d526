// When an ACK is sent (net/ipv4/tcp_input.c __tcp_ack_snd_check, tcp_event_data_recv; tcp_output.c tcp_send_delayed_ack;
// RFC 5681 section 4.2): at once in quick-ACK mode, for every second full segment, for everything out of order; else after
// the delayed-ACK time-out, which adapts to the rhythm of arrivals; a connection that answers data with data ("pingpong")
// leaves the ACK to the answer.

import { HZ, JIFFY } from '../../sim/jiffies.ts';
import { tcpSelectWindowRaw } from './tcp-receive-window.ts';
import { IcskAck, type TcpSock } from './tcp-sock.ts';
import { tcpSendAck } from './tcp-transmit.ts';
import { usecsToJiffies } from './tcp-xmit-timer.ts';

/** TCP_ATO_MIN, TCP_DELACK_MIN: 40 ms; TCP_DELACK_MAX: 200 ms; jiffies. */
export const TCP_ATO_MIN = HZ / 25;
const TCP_DELACK_MIN = HZ / 25;
export const TCP_DELACK_MAX = HZ / 5;
/** Segments acknowledged one by one at the start of a connection or after a pause. */
const TCP_MAX_QUICKACKS = 16;
/** Duplicate ACKs that a sender waits for: so many are never compressed. */
const FASTRETRANS_THRESH = 3;
/** The compressed-ACK timer waits this share of the round trip: 5 %. */
const COMPRESSED_ACK_SHARE = 20;

export function inPingpongMode(sk: TcpSock): boolean {
  return sk.ackPingpong >= sk.netns.sysctl.ipv4.tcp_pingpong_thresh;
}

export function enterPingpongMode(sk: TcpSock): void {
  sk.ackPingpong = sk.netns.sysctl.ipv4.tcp_pingpong_thresh;
}

export function exitPingpongMode(sk: TcpSock): void {
  sk.ackPingpong = 0;
}

/** tcp_in_quickack_mode */
export function inQuickackMode(sk: TcpSock): boolean {
  return sk.ackQuick !== 0 && !inPingpongMode(sk);
}

/** tcp_incr_quickack: as many as half the window holds, TCP_MAX_QUICKACKS at most. */
export function tcpIncrQuickack(sk: TcpSock, max: number): void {
  let quick = sk.ackRcvMss > 0 ? Math.floor(sk.rcvWnd / (2 * sk.ackRcvMss)) : 0;
  if (quick === 0) quick = 2;
  quick = Math.min(quick, max);
  if (quick > sk.ackQuick) sk.ackQuick = quick;
}

/** tcp_enter_quickack_mode */
export function tcpEnterQuickackMode(sk: TcpSock, max: number): void {
  tcpIncrQuickack(sk, max);
  exitPingpongMode(sk);
  sk.ackAto = TCP_ATO_MIN;
}

/** tcp_dec_quickack_mode: an ACK was sent. */
export function tcpDecQuickackMode(sk: TcpSock): void {
  if (sk.ackQuick === 0) return;
  const packets = (sk.ackPending & IcskAck.SCHED) !== 0 ? 1 : 0;
  if (packets >= sk.ackQuick) {
    sk.ackQuick = 0;
    sk.ackAto = TCP_ATO_MIN;
  } else sk.ackQuick -= packets;
}

/** The part of tcp_event_data_recv that adapts the delayed-ACK time-out to the time between arrivals. */
export function ackTimeoutFromArrival(sk: TcpSock): void {
  const now = sk.jiffies();
  if (sk.ackAto === 0) {
    // The first data: the peer is in slow start and wants ACKs.
    tcpIncrQuickack(sk, TCP_MAX_QUICKACKS);
    sk.ackAto = TCP_ATO_MIN;
  } else {
    const m = now - sk.ackLrcvtime;
    if (m <= TCP_ATO_MIN / 2) sk.ackAto = (sk.ackAto >> 1) + TCP_ATO_MIN / 2;
    else if (m < sk.ackAto) sk.ackAto = Math.min((sk.ackAto >> 1) + m, sk.rto);
    else if (m > sk.rto) tcpIncrQuickack(sk, TCP_MAX_QUICKACKS);
  }
  sk.ackLrcvtime = now;
}

/** tcp_ack_snd_check: what the segments just handled ask for. */
export function tcpAckSndCheck(sk: TcpSock): void {
  if ((sk.ackPending & IcskAck.SCHED) === 0) return;
  const unacked = (sk.rcvNxt - sk.rcvWup) | 0;
  if (
    (unacked > sk.ackRcvMss &&
      (((sk.rcvNxt - sk.copiedSeq) | 0) < sk.rcvlowat || tcpSelectWindowRaw(sk) >= sk.rcvWnd)) ||
    inQuickackMode(sk) ||
    (sk.ackPending & IcskAck.NOW) !== 0
  ) {
    tcpSendAck(sk);
    return;
  }
  if (sk.ofo.length === 0) {
    tcpSendDelayedAck(sk);
    return;
  }
  const { tcp_comp_sack_nr, tcp_comp_sack_delay_ns } = sk.netns.sysctl.ipv4;
  if (!sk.rxOpt.sackOk || sk.compressedAck >= tcp_comp_sack_nr) {
    tcpSendAck(sk);
    return;
  }
  if (sk.compressedAckRcvNxt !== sk.rcvNxt) {
    sk.compressedAckRcvNxt = sk.rcvNxt;
    sk.dupAckCounter = 0;
  }
  if (sk.dupAckCounter < FASTRETRANS_THRESH) {
    sk.dupAckCounter++;
    tcpSendAck(sk);
    return;
  }
  sk.compressedAck++;
  if (sk.compressedAckTimer.armed) return;
  let rtt = sk.rcvRttEst.rttUs;
  if (sk.srttUs !== 0 && sk.srttUs < rtt) rtt = sk.srttUs;
  const delay = Math.min(tcp_comp_sack_delay_ns, Math.floor((rtt * 125) / COMPRESSED_ACK_SHARE));
  sk.compressedAckTimer.arm(delay);
}

/** tcp_send_delayed_ack */
export function tcpSendDelayedAck(sk: TcpSock): void {
  let ato = sk.ackAto;
  if (ato > TCP_DELACK_MIN) {
    let max = HZ / 2;
    if (inPingpongMode(sk) || (sk.ackPending & IcskAck.PUSHED) !== 0) max = TCP_DELACK_MAX;
    if (sk.srttUs !== 0) max = Math.min(max, Math.max(usecsToJiffies(sk.srttUs >>> 3), TCP_DELACK_MIN));
    ato = Math.min(ato, max);
  }
  ato = Math.min(ato, sk.delackMax);
  const now = sk.jiffies();
  let timeout = now + ato;
  if ((sk.ackPending & IcskAck.TIMER) !== 0) {
    // The timer is about to go off anyway.
    if (sk.ackTimeout <= now + (ato >> 2)) {
      tcpSendAck(sk);
      return;
    }
    if (timeout >= sk.ackTimeout) timeout = sk.ackTimeout;
  }
  sk.ackPending |= IcskAck.SCHED | IcskAck.TIMER;
  sk.ackTimeout = timeout;
  sk.delackTimer.arm((timeout - now) * JIFFY);
}
