// The timers of a connection (net/ipv4/tcp_timer.c): retransmission with its limits (RFC 6298, RFC 1122 section 4.2.3.5),
// delayed ACK, keep-alive and FIN-WAIT-2, compressed ACKs.

import { HZ, JIFFY } from '../../sim/jiffies.ts';
import { exitPingpongMode, inPingpongMode, TCP_ATO_MIN } from './tcp-ack-schedule.ts';
import { tcpDone, tcpFinTime, tcpWriteErr } from './tcp-close.ts';
import { INFINITE_SSTHRESH } from './tcp-cong.ts';
import { tcpSendLossProbe } from './tcp-loss-probe.ts';
import { TCP_RESOURCE_PROBE_INTERVAL, tcpSendProbe0, tcpWriteWakeup } from './tcp-probe.ts';
import { tcpEnterLoss, tcpRackReoTimeout } from './tcp-recovery.ts';
import { tcpRetransmitSkb } from './tcp-retransmit.ts';
import { tcpSetRto } from './tcp-rtt.ts';
import {
  IcskAck,
  IcskTime,
  type TcpSock,
  TcpState,
  type TcpTimerHandlers,
  tcpMstampRefresh,
  tcpTimeStampMs,
} from './tcp-sock.ts';
import { TIMEWAIT_LEN, tcpTimeWait } from './tcp-timewait.ts';
import { tcpSendAck, tcpSendActiveReset } from './tcp-transmit.ts';
import { tcpWriteQueueEmpty } from './tcp-write-queue.ts';
import {
  jiffiesToUsecs,
  msecsToJiffies,
  TCP_RTO_MIN,
  TCP_TIMEOUT_INIT,
  tcpResetXmitTimer,
  tcpRtoMax,
  tcpRtoMin,
} from './tcp-xmit-timer.ts';

/** An orphan that was heard of lately is tried so often (tcp_orphan_retries). */
const ORPHAN_RETRIES = 8;

/** A stream with fewer packets on their way is thin (tcp_stream_is_thin); TCP_THIN_LINEAR_RETRIES: so often without backing off. */
const THIN_PACKETS = 4;
const THIN_LINEAR_RETRIES = 6;

/** tcp_orphan_retries */
function orphanRetries(sk: TcpSock, alive: boolean): number {
  let retries: number = sk.netns.sysctl.ipv4.tcp_orphan_retries;
  if (sk.errSoft !== null && !alive) retries = 0;
  if (retries === 0 && alive) retries = ORPHAN_RETRIES;
  return retries;
}

/** tcp_out_of_resources: too many orphans; this one goes. One that seems lost counts double, or fourfold. */
function outOfResources(sk: TcpSock, reset: boolean): boolean {
  const idle = sk.jiffies() - sk.lsndtime;
  let weight = idle > 2 * tcpRtoMax(sk) || !reset ? 2 : 1;
  if (sk.errSoft !== null) weight *= 2;
  if (sk.netns.tcp.orphans * weight <= sk.netns.sysctl.ipv4.tcp_max_orphans) return false;
  if (reset || idle <= TIMEWAIT_LEN || (sk.sndWnd === 0 && sk.packetsOut === 0)) tcpSendActiveReset(sk);
  tcpDone(sk);
  return true;
}

/** tcp_model_timeout: how long `boundary` time-outs from `base` on take, milliseconds. */
function modelTimeoutMs(sk: TcpSock, boundary: number, base: number): number {
  const max = tcpRtoMax(sk);
  const linear = Math.floor(Math.log2(max / base));
  const jiffies =
    boundary <= linear ? (2 ** (boundary + 1) - 1) * base : (2 ** (linear + 1) - 1) * base + (boundary - linear) * max;
  return Math.floor(jiffiesToUsecs(jiffies) / 1000);
}

/** retransmits_timed_out */
function retransmitsTimedOut(sk: TcpSock, boundary: number, timeoutMs: number): boolean {
  if (sk.retransmits === 0) return false;
  let timeout = timeoutMs;
  if (timeout === 0) {
    const syn = sk.state === TcpState.SYN_SENT || sk.state === TcpState.SYN_RECV;
    timeout = modelTimeoutMs(sk, boundary, syn ? TCP_TIMEOUT_INIT : TCP_RTO_MIN);
  }
  return ((tcpTimeStampMs(sk) - sk.retransStamp - timeout) | 0) >= 0;
}

/** sk_rethink_txhash: another flow hash, which another path may follow. */
export function skRethinkTxhash(sk: TcpSock): boolean {
  if (sk.txhash === 0) return false;
  sk.txhash = sk.netns.tcp.newTxhash();
  return true;
}

/** tcp_write_timeout: true when the connection was given up. */
function writeTimeout(sk: TcpSock): boolean {
  const { ipv4 } = sk.netns.sysctl;
  let until: number;
  let expired = false;
  if (sk.state === TcpState.SYN_SENT || sk.state === TcpState.SYN_RECV) {
    until = sk.synRetries !== 0 ? sk.synRetries : ipv4.tcp_syn_retries;
    const most = sk.state === TcpState.SYN_SENT ? until + ipv4.tcp_syn_linear_timeouts : until;
    expired = sk.retransmits >= most;
  } else {
    until = ipv4.tcp_retries2;
    if (retransmitsTimedOut(sk, ipv4.tcp_retries1, 0)) sk.dst = null;
    if (sk.dead) {
      const alive = sk.rto < tcpRtoMax(sk);
      until = orphanRetries(sk, alive);
      const reset = alive || !retransmitsTimedOut(sk, until, 0);
      if (outOfResources(sk, reset)) return true;
    }
  }
  if (expired || retransmitsTimedOut(sk, until, sk.userTimeout)) {
    tcpWriteErr(sk);
    return true;
  }
  skRethinkTxhash(sk);
  return false;
}

/** tcp_clamp_rto_to_user_timeout, jiffies */
function clampRtoToUserTimeout(sk: TcpSock): number {
  if (sk.userTimeout === 0) return sk.rto;
  const elapsed = (tcpTimeStampMs(sk) - sk.retransStamp) >>> 0;
  const remaining = sk.userTimeout - elapsed;
  return remaining <= 0 ? 1 : Math.min(sk.rto, msecsToJiffies(remaining));
}

/** tcp_rtx_probe0_timed_out: the peer's window is 0 and it answers no more. */
function rtxProbe0TimedOut(sk: TcpSock, rtxDeltaMs: number): boolean {
  let timeout = Math.floor(jiffiesToUsecs(tcpRtoMax(sk)) / 1000) * 2;
  if (sk.userTimeout !== 0) {
    // With TCP_USER_TIMEOUT a peer that keeps its window shut cannot keep the connection by answering.
    if (rtxDeltaMs > sk.userTimeout) return true;
    timeout = Math.min(timeout, sk.userTimeout);
  }
  const rcvDelta = Math.floor(jiffiesToUsecs(sk.jiffies() - sk.rcvTstamp) / 1000);
  return rcvDelta > timeout && rtxDeltaMs > timeout;
}

/** tcp_retransmit_timer */
export function tcpRetransmitTimer(sk: TcpSock): void {
  if (sk.packetsOut === 0) return;
  const skb = sk.rtxQueue.first();
  if (skb === null) return;
  const opening = sk.state === TcpState.SYN_SENT || sk.state === TcpState.SYN_RECV;
  if (sk.sndWnd === 0 && !sk.dead && !opening) {
    const since = sk.retransStamp !== 0 ? sk.retransStamp : Math.floor(skb.mstampNs / 1e6);
    if (rtxProbe0TimedOut(sk, (tcpTimeStampMs(sk) - since) >>> 0)) {
      tcpWriteErr(sk);
      return;
    }
    tcpEnterLoss(sk);
    tcpRetransmitSkb(sk, skb, 1);
    sk.dst = null;
    resetTimer(sk);
    return;
  }
  if (writeTimeout(sk)) return;
  tcpEnterLoss(sk);
  // tcp_update_rto_stats
  if (sk.retransmits === 0) {
    sk.totalRtoRecoveries++;
    sk.rtoStamp = tcpTimeStampMs(sk);
  }
  sk.retransmits++;
  sk.totalRto++;
  tcpRetransmitSkb(sk, sk.rtxQueue.first()!, 1);
  resetTimer(sk);
}

/** The end of tcp_retransmit_timer: back off and wait. */
function resetTimer(sk: TcpSock): void {
  const { ipv4 } = sk.netns.sysctl;
  const thin = sk.packetsOut < THIN_PACKETS && sk.sndSsthresh < INFINITE_SSTHRESH;
  if (
    sk.state === TcpState.ESTABLISHED &&
    ipv4.tcp_thin_linear_timeouts !== 0 &&
    thin &&
    sk.retransmits <= THIN_LINEAR_RETRIES
  ) {
    sk.backoff = 0;
    tcpSetRto(sk);
    sk.rto = Math.max(sk.rto, tcpRtoMin(sk));
  } else if (sk.state !== TcpState.SYN_SENT || sk.totalRto > ipv4.tcp_syn_linear_timeouts) {
    sk.backoff++;
    sk.rto = Math.min(sk.rto * 2, tcpRtoMax(sk));
  }
  tcpResetXmitTimer(sk, IcskTime.RETRANS, clampRtoToUserTimeout(sk));
  if (retransmitsTimedOut(sk, ipv4.tcp_retries1 + 1, 0)) sk.dst = null;
}

/** tcp_probe_timer: a window of 0 may last for ever as long as the peer answers. */
function tcpProbeTimer(sk: TcpSock): void {
  if (sk.packetsOut > 0 || sk.writeQueue.isEmpty) {
    sk.probesOut = 0;
    sk.probesTstamp = 0;
    return;
  }
  if (sk.probesTstamp === 0) sk.probesTstamp = sk.jiffies();
  else if (sk.userTimeout !== 0 && sk.jiffies() - sk.probesTstamp >= msecsToJiffies(sk.userTimeout)) {
    tcpWriteErr(sk);
    return;
  }
  let most: number = sk.netns.sysctl.ipv4.tcp_retries2;
  if (sk.dead) {
    const max = tcpRtoMax(sk);
    const alive = Math.min(sk.rto * 2 ** sk.backoff, max) < max;
    most = orphanRetries(sk, alive);
    if (!alive && sk.backoff >= most) {
      tcpWriteErr(sk);
      return;
    }
    if (outOfResources(sk, true)) return;
  }
  if (sk.probesOut >= most) tcpWriteErr(sk);
  else tcpSendProbe0(sk);
}

/** tcp_write_timer_handler */
function writeTimer(sk: TcpSock): void {
  if (sk.state === TcpState.CLOSE || sk.state === TcpState.LISTEN || sk.pending === 0) return;
  const now = sk.jiffies();
  if (sk.timeout > now) {
    sk.retransmitTimer.arm((sk.timeout - now) * JIFFY);
    return;
  }
  tcpMstampRefresh(sk);
  switch (sk.pending) {
    case IcskTime.REO_TIMEOUT:
      tcpRackReoTimeout(sk);
      break;
    case IcskTime.LOSS_PROBE:
      tcpSendLossProbe(sk);
      break;
    case IcskTime.RETRANS:
      sk.pending = 0;
      tcpRetransmitTimer(sk);
      break;
    case IcskTime.PROBE0:
      sk.pending = 0;
      tcpProbeTimer(sk);
      break;
  }
}

/** tcp_delack_timer_handler */
function delackTimer(sk: TcpSock): void {
  if (sk.state === TcpState.CLOSE || sk.state === TcpState.LISTEN) return;
  if (sk.compressedAck !== 0) {
    tcpMstampRefresh(sk);
    tcpSackCompressSendAck(sk);
    return;
  }
  if ((sk.ackPending & IcskAck.TIMER) === 0) return;
  const now = sk.jiffies();
  if (sk.ackTimeout > now) {
    sk.delackTimer.arm((sk.ackTimeout - now) * JIFFY);
    return;
  }
  sk.ackPending &= ~IcskAck.TIMER;
  if ((sk.ackPending & IcskAck.SCHED) === 0) return;
  if (!inPingpongMode(sk)) sk.ackAto = Math.min(sk.ackAto * 2, sk.rto);
  else {
    exitPingpongMode(sk);
    sk.ackAto = TCP_ATO_MIN;
  }
  tcpMstampRefresh(sk);
  tcpSendAck(sk);
}

/** tcp_sack_compress_send_ack: one ACK for all that were held back. */
export function tcpSackCompressSendAck(sk: TcpSock): void {
  if (sk.compressedAck === 0) return;
  sk.compressedAckTimer.cancel();
  // As if each had been sent: the sender wants to see them as duplicates.
  sk.compressedAck = 0;
  tcpSendAck(sk);
}

/** keepalive_time_when, keepalive_intvl_when: jiffies; keepalive_probes */
export function keepaliveTimeWhen(sk: TcpSock): number {
  return sk.keepaliveTime !== 0 ? sk.keepaliveTime : sk.netns.sysctl.ipv4.tcp_keepalive_time * HZ;
}
function keepaliveIntvlWhen(sk: TcpSock): number {
  return sk.keepaliveIntvl !== 0 ? sk.keepaliveIntvl : sk.netns.sysctl.ipv4.tcp_keepalive_intvl * HZ;
}
function keepaliveProbes(sk: TcpSock): number {
  return sk.keepaliveProbes !== 0 ? sk.keepaliveProbes : sk.netns.sysctl.ipv4.tcp_keepalive_probes;
}

/** keepalive_time_elapsed: since anything was received, jiffies */
export function keepaliveTimeElapsed(sk: TcpSock): number {
  const now = sk.jiffies();
  return Math.min(now - sk.ackLrcvtime, now - sk.rcvTstamp);
}

/** tcp_keepalive_timer */
function keepaliveTimer(sk: TcpSock): void {
  tcpMstampRefresh(sk);
  if (sk.state === TcpState.FIN_WAIT2 && sk.dead) {
    if (sk.linger2 >= 0) {
      const left = tcpFinTime(sk) - TIMEWAIT_LEN;
      if (left > 0) {
        tcpTimeWait(sk, TcpState.FIN_WAIT2, left);
        return;
      }
    }
    tcpSendActiveReset(sk);
    tcpDone(sk);
    return;
  }
  if (!sk.keepOpen || sk.state === TcpState.CLOSE || sk.state === TcpState.SYN_SENT || sk.state === TcpState.LISTEN) {
    return;
  }
  let wait = keepaliveTimeWhen(sk);
  if (sk.packetsOut === 0 && tcpWriteQueueEmpty(sk)) {
    const elapsed = keepaliveTimeElapsed(sk);
    if (elapsed >= wait) {
      const expired =
        sk.userTimeout !== 0
          ? elapsed >= msecsToJiffies(sk.userTimeout) && sk.probesOut > 0
          : sk.probesOut >= keepaliveProbes(sk);
      if (expired) {
        tcpSendActiveReset(sk);
        tcpWriteErr(sk);
        return;
      }
      if (tcpWriteWakeup(sk)) {
        sk.probesOut++;
        wait = keepaliveIntvlWhen(sk);
      } else wait = TCP_RESOURCE_PROBE_INTERVAL;
    } else wait -= elapsed;
  }
  sk.keepaliveTimer.arm(wait * JIFFY);
}

/** tcp_compressed_ack_kick */
function compressedAckTimer(sk: TcpSock): void {
  if (sk.compressedAck === 0) return;
  tcpMstampRefresh(sk);
  tcpSackCompressSendAck(sk);
}

/** What the timers of a connection do. */
export const tcpTimerHandlers: TcpTimerHandlers = {
  retransmit: writeTimer,
  delack: delackTimer,
  keepalive: keepaliveTimer,
  compressedAck: compressedAckTimer,
};
