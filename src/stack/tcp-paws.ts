// Protection against wrapped sequence numbers (RFC 7323 section 5; include/net/tcp.h tcp_paws_check, tcp_paws_reject): the
// peer's timestamps never go back, so a segment whose timestamp does is an old duplicate.

import { NS_PER_S } from '../sim/sim.ts';
import { after } from './tcp-seq.ts';
import type { TcpRxOptions, TcpSock } from './tcp-sock.ts';

/** TCP_PAWS_WRAP, seconds: after 24 days without a segment a timestamp says nothing. */
const PAWS_WRAP = 60 * 60 * 24 * 24;
/** TCP_PAWS_MSL, seconds: a RST is believed sooner. */
const PAWS_MSL = 60;

function seconds(sk: TcpSock): number {
  return Math.floor(sk.now / NS_PER_S);
}

/** The last segment's timestamp is not older than what was seen, within `window` ms. */
export function tcpPawsCheck(sk: TcpSock, rx: TcpRxOptions, window: number): boolean {
  if (((rx.tsRecent - rx.rcvTsval) | 0) <= window) return true;
  if (seconds(sk) >= rx.tsRecentStamp + PAWS_WRAP) return true;
  // Some peers send 0 in the SYN.
  return rx.tsRecent === 0;
}

export function tcpPawsReject(sk: TcpSock, rx: TcpRxOptions, rst: boolean): boolean {
  if (tcpPawsCheck(sk, rx, 0)) return false;
  return !(rst && seconds(sk) >= rx.tsRecentStamp + PAWS_MSL);
}

export function tcpStoreTsRecent(sk: TcpSock): void {
  sk.rxOpt.tsRecent = sk.rxOpt.rcvTsval;
  sk.rxOpt.tsRecentStamp = seconds(sk);
}

/** A segment at the left edge of the window says what is to be echoed (RFC 7323 section 4.3; tcp_replace_ts_recent). */
export function tcpReplaceTsRecent(sk: TcpSock, seq: number): void {
  if (!sk.rxOpt.sawTstamp || after(seq, sk.rcvWup)) return;
  if (tcpPawsCheck(sk, sk.rxOpt, 0)) tcpStoreTsRecent(sk);
}
