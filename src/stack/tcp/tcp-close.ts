// How connections end (net/ipv4/tcp.c tcp_done, tcp_close; tcp_input.c tcp_reset, tcp_fin; inet_connection_sock.c
// inet_csk_destroy_sock; RFC 9293 sections 3.6 and 3.10.4).

import { HZ, JIFFY } from '../../sim/jiffies.ts';
import type { Errno } from '../errno.ts';
import { enterPingpongMode } from './tcp-ack-schedule.ts';
import { purgeBacklog } from './tcp-backlog.ts';
import { tcpSendFin } from './tcp-output.ts';
import { IcskAck, Shutdown, type TcpSock, TcpState, tcpMstampRefresh } from './tcp-sock.ts';
import { TIMEWAIT_LEN, tcpTimeWait } from './tcp-timewait.ts';
import { tcpSendAck, tcpSendActiveReset } from './tcp-transmit.ts';
import { tcpWriteQueuePurge } from './tcp-write-queue.ts';
import { tcpClearXmitTimer } from './tcp-xmit-timer.ts';

/** TCP_FIN_TIMEOUT_MAX: TCP_LINGER2 at most, seconds. */
export const FIN_TIMEOUT_MAX = 120;

/** tcp_init_xmit_timers undone (inet_csk_clear_xmit_timers). */
export function tcpClearTimers(sk: TcpSock): void {
  tcpClearXmitTimer(sk);
  sk.ackPending = 0;
  sk.ackRetry = 0;
  sk.delackTimer.cancel();
  sk.keepaliveTimer.cancel();
  sk.compressedAckTimer.cancel();
  sk.compressedAck = 0;
  sk.mtuTimer?.cancel();
  purgeBacklog(sk);
}

/** tcp_set_state(TCP_CLOSE): out of the tables; the port goes too unless bind() asked for it. */
function unhash(sk: TcpSock): void {
  sk.netns.tcp.unhash(sk);
  if (!sk.boundPort) sk.netns.tcp.releasePort(sk);
}

/** Wakes the program that holds the socket: its poll state may have changed. */
export function tcpWake(sk: TcpSock): void {
  sk.socket?.wake();
}

/** tcp_done: the connection is no more. Its socket stays, in state CLOSE, until the program closes it. */
export function tcpDone(sk: TcpSock): void {
  sk.state = TcpState.CLOSE;
  unhash(sk);
  tcpClearTimers(sk);
  sk.shutdown = Shutdown.MASK;
  // One that nobody has accepted yet waits in the accept queue as it is.
  if (sk.dead) tcpDestroySock(sk);
  else tcpWake(sk);
}

/** inet_csk_destroy_sock: nothing refers to it any more. */
export function tcpDestroySock(sk: TcpSock): void {
  sk.netns.tcp.unhash(sk);
  sk.netns.tcp.releasePort(sk);
  tcpClearTimers(sk);
  tcpWriteQueuePurge(sk);
  releaseReceive(sk);
  if (sk.orphaned) {
    sk.orphaned = false;
    sk.netns.tcp.orphans--;
  }
}

function releaseReceive(sk: TcpSock): void {
  sk.receiveRing.release();
  sk.receiveQueue.clear();
  sk.ofo.length = 0;
  sk.rmemAlloc = 0;
}

/** tcp_done_with_error: the program is told why. */
export function tcpDoneWithError(sk: TcpSock, errno: Errno): void {
  sk.err = errno;
  tcpWriteQueuePurge(sk);
  tcpDone(sk);
}

/** tcp_write_err: the peer does not answer any more. */
export function tcpWriteErr(sk: TcpSock): void {
  tcpDoneWithError(sk, sk.errSoft ?? 'ETIMEDOUT');
}

/** tcp_reset: a valid RST came in. */
export function tcpReset(sk: TcpSock): void {
  switch (sk.state) {
    case TcpState.SYN_SENT:
      tcpDoneWithError(sk, 'ECONNREFUSED');
      return;
    case TcpState.CLOSE_WAIT:
      tcpDoneWithError(sk, 'EPIPE');
      return;
    case TcpState.CLOSE:
      return;
    default:
      tcpDoneWithError(sk, 'ECONNRESET');
  }
}

/** tcp_fin_time, jiffies: how long FIN-WAIT-2 of an orphan may last. */
export function tcpFinTime(sk: TcpSock): number {
  const own = sk.linger2 !== 0 ? sk.linger2 * HZ : sk.netns.sysctl.ipv4.tcp_fin_timeout * HZ;
  const rto = sk.rto * 4 - (sk.rto >> 1);
  return Math.max(own, rto);
}

/** tcp_fin: the peer's FIN has been reached. */
export function tcpFin(sk: TcpSock): void {
  sk.ackPending |= IcskAck.SCHED;
  sk.shutdown |= Shutdown.RCV;
  sk.done = true;
  switch (sk.state) {
    case TcpState.SYN_RECV:
    case TcpState.ESTABLISHED:
      sk.state = TcpState.CLOSE_WAIT;
      enterPingpongMode(sk);
      break;
    case TcpState.FIN_WAIT1:
      // Simultaneous close (RFC 9293 figure 13).
      tcpSendAck(sk);
      sk.state = TcpState.CLOSING;
      break;
    case TcpState.FIN_WAIT2:
      tcpSendAck(sk);
      tcpTimeWait(sk, TcpState.TIME_WAIT, 0);
      break;
    default:
      break;
  }
  for (const range of sk.ofo) sk.rmemAlloc -= range.truesize;
  sk.ofo.length = 0;
  if (sk.rxOpt.sackOk) {
    sk.rxOpt.numSacks = 0;
    sk.rxOpt.dsack = false;
  }
  if (!sk.dead) tcpWake(sk);
}

/** tcp_close_state: the state after the program has closed its direction; true when a FIN is due. */
function closeState(sk: TcpSock): boolean {
  switch (sk.state) {
    case TcpState.ESTABLISHED:
    case TcpState.SYN_RECV:
      sk.state = TcpState.FIN_WAIT1;
      return true;
    case TcpState.CLOSE_WAIT:
      sk.state = TcpState.LAST_ACK;
      return true;
    case TcpState.SYN_SENT:
    case TcpState.LISTEN:
      sk.state = TcpState.CLOSE;
      return false;
    default:
      return false;
  }
}

/** tcp_shutdown(SEND_SHUTDOWN) */
export function tcpShutdownSend(sk: TcpSock): void {
  const s = sk.state;
  // In SYN-RECV the FIN waits until the connection stands.
  if (s === TcpState.ESTABLISHED || s === TcpState.SYN_SENT || s === TcpState.CLOSE_WAIT) {
    if (closeState(sk)) {
      tcpMstampRefresh(sk);
      tcpSendFin(sk);
    } else if (sk.state === TcpState.CLOSE) tcpDone(sk);
  }
}

/**
 * __tcp_close: the program lets go. What it sent still goes out; bytes it did not read, or SO_LINGER 0, end the connection
 * with a RST at once.
 */
export function tcpClose(sk: TcpSock): void {
  sk.shutdown = Shutdown.MASK;
  if (sk.state === TcpState.LISTEN) {
    sk.state = TcpState.CLOSE;
    sk.netns.tcp.stopListening(sk);
    sk.dead = true;
    tcpDestroySock(sk);
    return;
  }
  const unread = (sk.rcvNxt - sk.copiedSeq) >>> 0;
  // The FIN counts one, and is no data.
  const lost = unread - (sk.done && unread > 0 ? 1 : 0) > 0;
  releaseReceive(sk);
  tcpMstampRefresh(sk);
  if (sk.state !== TcpState.CLOSE) {
    if (lost) {
      sk.state = TcpState.CLOSE;
      tcpSendActiveReset(sk);
    } else if (sk.linger === 0) {
      disconnect(sk);
    } else if (closeState(sk)) tcpSendFin(sk);
  }
  // From here on nobody holds it (sock_orphan).
  sk.dead = true;
  sk.socket = null;
  if (sk.state === TcpState.CLOSE) {
    tcpClearTimers(sk);
    tcpDestroySock(sk);
    return;
  }
  sk.netns.tcp.orphans++;
  sk.orphaned = true;
  if (sk.state === TcpState.FIN_WAIT2) {
    if (sk.linger2 < 0) {
      tcpSendActiveReset(sk);
      tcpDone(sk);
      return;
    }
    const time = tcpFinTime(sk);
    if (time > TIMEWAIT_LEN) sk.keepaliveTimer.arm((time - TIMEWAIT_LEN) * JIFFY);
    else {
      tcpTimeWait(sk, TcpState.FIN_WAIT2, time);
      return;
    }
  }
  // tcp_check_oom: too many orphans end with a RST.
  if (sk.netns.tcp.orphans > sk.netns.sysctl.ipv4.tcp_max_orphans) {
    tcpSendActiveReset(sk);
    tcpDone(sk);
  }
}

/** tcp_disconnect as close() with SO_LINGER 0 uses it. */
function disconnect(sk: TcpSock): void {
  const s = sk.state;
  if (
    s === TcpState.ESTABLISHED ||
    s === TcpState.CLOSE_WAIT ||
    s === TcpState.FIN_WAIT1 ||
    s === TcpState.FIN_WAIT2 ||
    s === TcpState.SYN_RECV ||
    (sk.sndNxt !== sk.writeSeq && (s === TcpState.CLOSING || s === TcpState.LAST_ACK))
  ) {
    tcpSendActiveReset(sk);
  }
  sk.state = TcpState.CLOSE;
}
