// Zero-window probes and keep-alives (net/ipv4/tcp_output.c tcp_write_wakeup, tcp_send_probe0; RFC 9293 sections 3.8.6.1 and
// 3.8.4).

import { TcpFlag } from '../../wire/tcp.ts';
import { tcpCurrentMss } from './tcp-mss.ts';
import { tcpEventNewDataSent } from './tcp-output.ts';
import { before, between } from './tcp-seq.ts';
import { IcskTime, type TcpSock, TcpState, tcpMstampRefresh, tcpWndEnd } from './tcp-sock.ts';
import { tcpTransmitControl, tcpTransmitSkb } from './tcp-transmit.ts';
import { tcpFragment, tcpSetSkbTsoSegs, tcpWriteQueueEmpty } from './tcp-write-queue.ts';
import { msecsToJiffies, TCP_RTO_MIN, TCP_TIMEOUT_MIN, tcpResetXmitTimer, tcpRtoMax } from './tcp-xmit-timer.ts';

/** TCP_RESOURCE_PROBE_INTERVAL: 500 ms in units of TCP_RTO_MIN (200 ms) */
const RESOURCE_PROBE_SHARE = 2.5;
export const TCP_RESOURCE_PROBE_INTERVAL = TCP_RTO_MIN * RESOURCE_PROBE_SHARE;

/** tcp_probe0_base */
function probe0Base(sk: TcpSock): number {
  return Math.max(sk.rto, TCP_RTO_MIN);
}

/** tcp_probe0_when, jiffies */
export function tcpProbe0When(sk: TcpSock, most: number): number {
  const backoff = Math.min(Math.floor(Math.log2(tcpRtoMax(sk) / TCP_RTO_MIN)) + 1, sk.backoff);
  return Math.min(probe0Base(sk) * 2 ** backoff, most);
}

/** tcp_check_probe_timer: something waits and nothing is on its way. */
export function tcpCheckProbeTimer(sk: TcpSock): void {
  if (sk.packetsOut === 0 && sk.pending === 0) tcpResetXmitTimer(sk, IcskTime.PROBE0, probe0Base(sk));
}

/** tcp_clamp_probe0_to_user_timeout */
export function tcpClampProbe0ToUserTimeout(sk: TcpSock, when: number): number {
  if (sk.userTimeout === 0 || sk.probesTstamp === 0) return when;
  const elapsed = Math.max(sk.jiffies() - sk.probesTstamp, 0);
  const remaining = Math.max(msecsToJiffies(sk.userTimeout) - elapsed, TCP_TIMEOUT_MIN);
  return Math.min(remaining, when);
}

/** tcp_xmit_probe_skb: an ACK with a sequence number that was acknowledged already; the peer must answer. */
function xmitProbe(sk: TcpSock, urgent: boolean): boolean {
  return tcpTransmitControl(sk, urgent ? sk.sndUna : (sk.sndUna - 1) >>> 0, TcpFlag.ACK);
}

/** tcp_write_wakeup: sends what the window takes, else a bare probe. @returns false when nothing could leave */
export function tcpWriteWakeup(sk: TcpSock): boolean {
  if (sk.state === TcpState.CLOSE) return true;
  tcpMstampRefresh(sk);
  const skb = sk.writeQueue.first();
  const end = tcpWndEnd(sk);
  if (skb !== null && before(skb.seq, end)) {
    const mss = tcpCurrentMss(sk);
    const room = (end - skb.seq) >>> 0;
    if (before(sk.pushedSeq, skb.endSeq)) sk.pushedSeq = skb.endSeq;
    if (room < (skb.endSeq - skb.seq) >>> 0 || skb.len > mss) {
      skb.tcpFlags |= TcpFlag.PSH;
      tcpFragment(sk, false, skb, Math.min(room, mss), mss);
    } else if (skb.pcount === 0) tcpSetSkbTsoSegs(skb, mss);
    skb.tcpFlags |= TcpFlag.PSH;
    const sent = tcpTransmitSkb(sk, skb, true);
    if (sent) tcpEventNewDataSent(sk, skb);
    return sent;
  }
  if (between(sk.sndUp, (sk.sndUna + 1) >>> 0, (sk.sndUna + 0xffff) >>> 0)) xmitProbe(sk, true);
  return xmitProbe(sk, false);
}

/** tcp_send_probe0 */
export function tcpSendProbe0(sk: TcpSock): void {
  tcpWriteWakeup(sk);
  if (sk.packetsOut > 0 || tcpWriteQueueEmpty(sk)) {
    sk.probesOut = 0;
    sk.backoff = 0;
    sk.probesTstamp = 0;
    return;
  }
  sk.probesOut++;
  if (sk.backoff < sk.netns.sysctl.ipv4.tcp_retries2) sk.backoff++;
  const when = tcpClampProbe0ToUserTimeout(sk, tcpProbe0When(sk, tcpRtoMax(sk)));
  tcpResetXmitTimer(sk, IcskTime.PROBE0, when);
}
