// SYN cookies (net/ipv4/syncookies.c): when a listener's queue of requests is full, the SYN-ACK's sequence number holds all
// that is needed to know the ACK that answers it. The options of the SYN, save the MSS, fit only into the timestamp.
//
//   sequence  = hash(4-tuple) + ISN of the SYN + (minute << 24) + (hash(4-tuple, minute) + index of the MSS) mod 2^24
//   timestamp = its low 6 bits: window scale (4, 15: none), SACK (1), ECN (1)

import { HZ } from '../../sim/jiffies.ts';
import { tcpCreateOpenreqChild } from './tcp-child.ts';
import { acceptQueueFull, openreqInitRwin, TcpRequest } from './tcp-request.ts';
import { type TcpSegment, tcpClearOptions, tcpParseOptions } from './tcp-segment.ts';
import { TcpRxOptions, type TcpSock } from './tcp-sock.ts';

/** MSS values that a cookie can tell (msstab). */
const MSS_TABLE = [536, 1300, 1440, 1460] as const;
/** TCP_SYNCOOKIE_PERIOD: jiffies; MAX_SYNCOOKIE_AGE: periods that a cookie is good for. */
const PERIOD = 60 * HZ;
const MAX_AGE = 2;
/** COOKIEBITS */
const COOKIE_MASK = 0xffffff;
/** TSBITS, TS_OPT_* */
const TS_MASK = 0x3f;
const TS_WSCALE = 0xf;
const TS_SACK = 0x10;
const TS_ECN = 0x20;

function hash(key: number, segment: TcpSegment, count: number, c: number): number {
  let x = key ^ c;
  for (const word of [
    segment.source,
    segment.destination,
    (segment.sourcePort << 16) | segment.destinationPort,
    count,
  ]) {
    x = Math.imul(x ^ word, 0x7feb352d);
    x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
    x ^= x >>> 16;
  }
  return x >>> 0;
}

function cookieTime(sk: TcpSock): number {
  return Math.floor(sk.jiffies() / PERIOD);
}

/** cookie_v4_init_sequence; the request's MSS becomes the one that the cookie can tell. */
export function cookieSequence(sk: TcpSock, req: TcpRequest, segment: TcpSegment): number {
  let index = MSS_TABLE.length - 1;
  while (index > 0 && req.mss < MSS_TABLE[index]!) index--;
  req.mss = MSS_TABLE[index]!;
  const key = sk.netns.tcp.cookieKey;
  const count = cookieTime(sk);
  const second = (hash(key, segment, count, 1) + index) & COOKIE_MASK;
  return (hash(key, segment, 0, 0) + segment.seq + ((count << 24) >>> 0) + second) >>> 0;
}

/** cookie_init_timestamp: the options in the low bits of a timestamp that is not later than now. */
export function cookieTimestamp(req: TcpRequest, now: number): number {
  let bits = req.wscaleOk ? req.sndWscale : TS_WSCALE;
  if (req.sackOk) bits |= TS_SACK;
  if (req.ecnOk) bits |= TS_ECN;
  let ts = ((now & ~TS_MASK) | bits) >>> 0;
  if (ts > now) ts = (ts - TS_MASK - 1) >>> 0;
  return ts;
}

/** __cookie_v4_check: index of the MSS, or -1 when it is no cookie of ours. */
function checkCookie(sk: TcpSock, segment: TcpSegment): number {
  const key = sk.netns.tcp.cookieKey;
  const isn = (segment.seq - 1) >>> 0;
  const cookie = (segment.ackSeq - 1 - hash(key, segment, 0, 0) - isn) >>> 0;
  const count = cookieTime(sk);
  const age = (count - (cookie >>> 24)) & 0xff;
  if (age >= MAX_AGE) return -1;
  const index = ((cookie & COOKIE_MASK) - (hash(key, segment, count - age, 1) & COOKIE_MASK)) & COOKIE_MASK;
  return index < MSS_TABLE.length ? index : -1;
}

const tmp = new TcpRxOptions();

/**
 * cookie_v4_check: an ACK for a listener that no request knows.
 * @returns the connection; 'full' when nothing may wait for accept() any more; null when it is no cookie: it deserves a RST
 */
export function tcpCookieCheck(sk: TcpSock, segment: TcpSegment): TcpSock | 'full' | null {
  const { netns } = sk;
  if (netns.sysctl.ipv4.tcp_syncookies === 0 || !segment.ack || segment.rst) return null;
  // synq_no_recent_overflow: cookies are only believed if some were sent of late.
  if (sk.lastSynqOverflow < 0 || sk.jiffies() - sk.lastSynqOverflow > MAX_AGE * PERIOD) return null;
  const index = checkCookie(sk, segment);
  if (index < 0) return null;
  tcpClearOptions(tmp);
  tcpParseOptions(segment, tmp, false);
  const req = new TcpRequest(sk, segment);
  req.rcvIsn = (segment.seq - 1) >>> 0;
  req.rcvNxt = segment.seq;
  req.sntIsn = (segment.ackSeq - 1) >>> 0;
  req.mss = MSS_TABLE[index]!;
  req.tsOff = netns.tcp.timestampOffsetFor(req.localAddress, req.remoteAddress);
  if (tmp.sawTstamp) {
    // cookie_timestamp_decode
    const bits = tmp.rcvTsecr & TS_MASK;
    req.tstampOk = true;
    req.tsRecent = tmp.rcvTsval;
    req.sackOk = (bits & TS_SACK) !== 0;
    req.ecnOk = (bits & TS_ECN) !== 0 && netns.sysctl.ipv4.tcp_ecn !== 0;
    if ((bits & TS_WSCALE) !== TS_WSCALE) {
      req.wscaleOk = true;
      req.sndWscale = bits & TS_WSCALE;
    }
  }
  if (acceptQueueFull(sk)) return 'full';
  req.txhash = netns.tcp.newTxhash();
  openreqInitRwin(req, sk);
  return tcpCreateOpenreqChild(sk, req, segment);
}
