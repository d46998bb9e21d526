// RACK (RFC 8985; net/ipv4/tcp_recovery.c): a segment is lost when one that was sent later has arrived and the reordering
// window has passed since. Time, not a count of duplicate ACKs, tells loss from reordering, and it finds lost
// retransmissions as well.
//
//   tsortedSentQueue   records in the order of sending, the oldest first; SACKed ones are taken out
//   rack.mstamp        when the latest segment that has arrived was sent (rack.endSeq breaks ties)
//   rack.rttUs         its round trip
//
// Walking the queue from its head: whoever was sent before rack.mstamp and is older than rttUs + window is lost; if some
// are not old enough yet, the reordering timer looks again.

import type { RateSample } from './tcp-rate.ts';
import { sentAfter } from './tcp-rate.ts';
import { tcpMarkSkbLost } from './tcp-scoreboard.ts';
import { skbTimestampUs, Tcpcb, type TcpSkb } from './tcp-skb.ts';
import { IcskTime, TcpCaState, type TcpSock } from './tcp-sock.ts';
import { tcpResetXmitTimer, usecsToJiffies } from './tcp-xmit-timer.ts';

/** Round trips with recovery after which a window widened by DSACKs goes back (TCP_RACK_RECOVERY_THRESH). */
export const RACK_RECOVERY_THRESH = 16;
/** Bits of net.ipv4.tcp_recovery. */
const RACK_STATIC_REO_WND = 0x2;
const RACK_NO_DUPTHRESH = 0x4;
/** TCP_TIMEOUT_MIN_US: two milliseconds, so that a timer of jiffies is not early. */
export const TIMEOUT_MIN_US = 2000;
const REO_WND_STEPS_MAX = 0xff;

/** The reordering window, microseconds (RFC 8985 section 6.2 step 4; tcp_rack_reo_wnd). */
function reorderingWindow(sk: TcpSock): number {
  if (sk.reordSeen === 0) {
    // Nothing was ever reordered: in recovery, or after as many SACKs as duplicate ACKs would do, no time is given.
    if (sk.caState >= TcpCaState.RECOVERY) return 0;
    if (sk.sackedOut >= sk.reordering && (sk.netns.sysctl.ipv4.tcp_recovery & RACK_NO_DUPTHRESH) === 0) return 0;
  }
  return Math.min(Math.floor(sk.rttMin.value / 4) * sk.rack.reoWndSteps, sk.srttUs >>> 3);
}

/** How long the record still has, microseconds; 0 or less: it is lost (tcp_rack_skb_timeout). */
export function tcpRackSkbTimeout(sk: TcpSock, skb: TcpSkb, window: number): number {
  return sk.rack.rttUs + window - Math.max(sk.tcpMstamp - skbTimestampUs(skb), 0);
}

/** Marks what is lost (tcp_rack_detect_loss). @returns microseconds after which to look again, 0: no need */
export function tcpRackDetectLoss(sk: TcpSock): number {
  const window = reorderingWindow(sk);
  const { mstamp, endSeq } = sk.rack;
  let wait = 0;
  for (let skb = sk.tsortedSentQueue.head; skb !== null; ) {
    const next = skb.tsortedNext;
    if ((skb.sacked & Tcpcb.LOST) === 0 || (skb.sacked & Tcpcb.SACKED_RETRANS) !== 0) {
      if (!sentAfter(mstamp, skbTimestampUs(skb), endSeq, skb.endSeq)) break;
      const remaining = tcpRackSkbTimeout(sk, skb, window);
      if (remaining <= 0) {
        tcpMarkSkbLost(sk, skb);
        sk.tsortedSentQueue.remove(skb);
      } else {
        wait = Math.max(wait, remaining);
      }
    }
    skb = next;
  }
  return wait;
}

/** After an ACK (tcp_rack_mark_lost). @returns whether the reordering timer was armed */
export function tcpRackMarkLost(sk: TcpSock): boolean {
  if (!sk.rack.advanced) return false;
  sk.rack.advanced = false;
  const wait = tcpRackDetectLoss(sk);
  if (wait === 0) return false;
  tcpResetXmitTimer(sk, IcskTime.REO_TIMEOUT, usecsToJiffies(wait + TIMEOUT_MIN_US));
  return true;
}

/** A segment has arrived (RFC 8985 section 6.2 step 2; tcp_rack_advance). @param sent microseconds */
export function tcpRackAdvance(sk: TcpSock, sacked: number, endSeq: number, sent: number): void {
  const rtt = Math.max(sk.tcpMstamp - sent, 0);
  // Faster than the path: it is the first copy that arrived, not the retransmission.
  if (rtt < sk.rttMin.value && (sacked & Tcpcb.RETRANS) !== 0) return;
  const { rack } = sk;
  rack.advanced = true;
  rack.rttUs = rtt;
  if (sentAfter(sent, rack.mstamp, endSeq, rack.endSeq)) {
    rack.mstamp = sent;
    rack.endSeq = endSeq;
  }
}

/** DSACKs widen the window, at most once per round trip; sixteen recoveries without any bring it back (tcp_rack_update_reo_wnd). */
export function tcpRackUpdateReoWnd(sk: TcpSock, rs: RateSample): void {
  if ((sk.netns.sysctl.ipv4.tcp_recovery & RACK_STATIC_REO_WND) !== 0 || rs.priorMstamp < 0) return;
  const { rack } = sk;
  if (rs.priorDelivered < rack.lastDelivered) rack.dsackSeen = false;
  if (rack.dsackSeen) {
    rack.reoWndSteps = Math.min(REO_WND_STEPS_MAX, rack.reoWndSteps + 1);
    rack.dsackSeen = false;
    rack.lastDelivered = sk.delivered;
    rack.reoWndPersist = RACK_RECOVERY_THRESH;
  } else if (rack.reoWndPersist === 0) {
    rack.reoWndSteps = 1;
  }
}
