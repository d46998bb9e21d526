// Protection against wrapped sequence numbers (RFC 7323 section 5; include/net/tcp.h tcp_paws_check, tcp_paws_reject) and
// the limit on answers to segments outside the window (net/ipv4/tcp_input.c tcp_oow_rate_limited).

import { jiffiesAt } from '../../sim/jiffies.ts';
import { NS_PER_S, type Ns } from '../../sim/sim.ts';
import type { NetNamespace } from '../netns.ts';
import type { TcpSegment } from './tcp-segment.ts';
import { after } from './tcp-seq.ts';
import type { TcpRxOptions, TcpSock } from './tcp-sock.ts';
import { msecsToJiffies } from './tcp-xmit-timer.ts';

/** TCP_PAWS_WRAP: after 24 days the peer's clock may have wrapped, seconds. */
const PAWS_WRAP = 86_400 * 24;
/** TCP_PAWS_WINDOW: ticks of the peer's clock that a segment may be older (0 where order is kept). */
const PAWS_WINDOW = 1;
/** TCP_PAWS_MSL: a RST may be older than this without being refused, seconds. */
const PAWS_MSL = 60;

/** Seconds since boot, 1 at the start: 0 means "none" in tsRecentStamp (ktime_get_seconds). */
export function bootSeconds(now: Ns): number {
  return Math.floor(now / NS_PER_S) + 1;
}

/** tcp_paws_check: true when the timestamp is acceptable. */
export function pawsCheck(rx: TcpRxOptions, window: number, now: Ns): boolean {
  if (((rx.tsRecent - rx.rcvTsval) | 0) <= window) return true;
  if (bootSeconds(now) >= rx.tsRecentStamp + PAWS_WRAP) return true;
  // Some systems send timestamps of 0 in their SYNs (tcp_paws_check's comment); they say nothing.
  return rx.tsRecent === 0;
}

/** tcp_paws_reject */
export function pawsReject(rx: TcpRxOptions, rst: boolean, now: Ns): boolean {
  if (pawsCheck(rx, 0, now)) return false;
  return !(rst && bootSeconds(now) >= rx.tsRecentStamp + PAWS_MSL);
}

export { PAWS_WINDOW };

/** tcp_oow_rate_limited: true when this segment deserves no answer now. Data without a SYN always gets one. */
export function oowRateLimited(
  holder: { readonly netns: NetNamespace; lastOowAckTime: number },
  segment: TcpSegment,
): boolean {
  if (segment.len > 0 && !segment.syn) return false;
  return oowRateLimitedAlways(holder);
}

/** __tcp_oow_rate_limited */
export function oowRateLimitedAlways(holder: { readonly netns: NetNamespace; lastOowAckTime: number }): boolean {
  const now = jiffiesAt(holder.netns.world.sim.now) + 1;
  if (holder.lastOowAckTime !== 0) {
    const elapsed = now - holder.lastOowAckTime;
    if (elapsed >= 0 && elapsed < msecsToJiffies(holder.netns.sysctl.ipv4.tcp_invalid_ratelimit)) return true;
  }
  holder.lastOowAckTime = now;
  return false;
}

/** tcp_store_ts_recent */
export function tcpStoreTsRecent(sk: TcpSock): void {
  sk.rxOpt.tsRecent = sk.rxOpt.rcvTsval;
  sk.rxOpt.tsRecentStamp = bootSeconds(sk.netns.world.sim.now);
}

/** tcp_replace_ts_recent: only a segment that reaches the last ACK sent counts (RFC 7323 section 4.3). */
export function tcpReplaceTsRecent(sk: TcpSock, seq: number): void {
  if (!sk.rxOpt.sawTstamp || after(seq, sk.rcvWup)) return;
  if (pawsCheck(sk.rxOpt, 0, sk.netns.world.sim.now)) tcpStoreTsRecent(sk);
}
