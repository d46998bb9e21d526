// Connection requests in SYN-RECV (struct tcp_request_sock; net/ipv4/tcp_input.c tcp_conn_request, tcp_minisocks.c
// tcp_check_req, inet_connection_sock.c reqsk_timer_handler): what a listener remembers between a SYN and the ACK that
// completes the handshake. Much smaller than a connection, which is why a SYN costs little. Limit: the listener's backlog;
// beyond it SYN cookies (tcp-syncookie.ts) remember nothing at all.

import type { Ipv4 } from '../../addr/ipv4.ts';
import { JIFFY, KernelTimer } from '../../sim/jiffies.ts';
import { NS_PER_US } from '../../sim/sim.ts';
import { TcpFlag } from '../../wire/tcp.ts';
import type { NetNamespace } from '../netns.ts';
import { tcpCreateOpenreqChild } from './tcp-child.ts';
import { defaultAdvmss, TCP_MSS_DEFAULT, tcpMssClamp } from './tcp-mss.ts';
import { TIMESTAMPS_LENGTH } from './tcp-out-options.ts';
import { bootSeconds, oowRateLimited, pawsReject } from './tcp-paws.ts';
import { tcpFullSpace, tcpSelectInitialWindow } from './tcp-receive-window.ts';
import { tcpReplyAck, tcpReplyReset } from './tcp-reply.ts';
import { type TcpSegment, tcpClearOptions, tcpParseOptions } from './tcp-segment.ts';
import { after, before, between } from './tcp-seq.ts';
import { TcpRxOptions, type TcpSock, TcpState, tcpMstampRefresh } from './tcp-sock.ts';
import { sendSynack } from './tcp-synack.ts';
import { cookieSequence, cookieTimestamp } from './tcp-syncookie.ts';
import { TCP_TIMEOUT_INIT, tcpRtoMax } from './tcp-xmit-timer.ts';

export class TcpRequest {
  readonly netns: NetNamespace;
  readonly listener: TcpSock;
  readonly state = TcpState.NEW_SYN_RECV;
  readonly localAddress: Ipv4;
  readonly localPort: number;
  readonly remoteAddress: Ipv4;
  readonly remotePort: number;
  rcvIsn: number;
  sntIsn = 0;
  /** behind the SYN (its data is not kept) */
  rcvNxt: number;
  /** MSS that the peer announced */
  mss = TCP_MSS_DEFAULT;
  tsRecent = 0;
  tstampOk = false;
  sackOk = false;
  wscaleOk = false;
  sndWscale = 0;
  rcvWscale = 0;
  ecnOk = false;
  /** window of the SYN-ACK, not scaled */
  rcvWnd = 0;
  windowClamp = 0;
  txhash = 0;
  tsOff = 0;
  /** timestamps of the first and the last SYN-ACK, ms with offset */
  sntTsvalFirst = 0;
  sntTsvalLast = 0;
  /** the ACK came while the accept queue was full, or data is awaited */
  acked = false;
  numRetrans = 0;
  numTimeout = 0;
  /** when the first SYN-ACK left, microseconds; 0: not known */
  sntSynackUs = 0;
  /** DS field of the SYN */
  synTos: number;
  lastOowAckTime = 0;
  readonly timer: KernelTimer;

  constructor(listener: TcpSock, segment: TcpSegment) {
    this.netns = listener.netns;
    this.listener = listener;
    this.localAddress = segment.destination;
    this.localPort = segment.destinationPort;
    this.remoteAddress = segment.source;
    this.remotePort = segment.sourcePort;
    this.rcvIsn = segment.seq;
    this.rcvNxt = (segment.seq + 1) >>> 0;
    this.synTos = segment.dsfield;
    this.timer = new KernelTimer(listener.netns.world.sim, () => requestTimer(this));
  }
}

const tmp = new TcpRxOptions();

/** inet_csk_reqsk_queue_is_full */
function requestQueueFull(sk: TcpSock): boolean {
  return sk.requests.size > sk.backlog;
}

/** sk_acceptq_is_full */
export function acceptQueueFull(sk: TcpSock): boolean {
  return sk.acceptQueue.length > sk.backlog;
}

/** tcp_openreq_init: what the SYN offers. */
function openreqInit(req: TcpRequest, rx: TcpRxOptions): void {
  req.mss = rx.mssClamp;
  req.tsRecent = rx.sawTstamp ? rx.rcvTsval : 0;
  req.tstampOk = rx.sawTstamp;
  req.sackOk = rx.sackOk;
  req.wscaleOk = rx.wscaleOk;
  req.sndWscale = rx.sndWscale;
}

/** tcp_openreq_init_rwin: the window of the SYN-ACK. */
export function openreqInitRwin(req: TcpRequest, listener: TcpSock): number {
  const { netns } = listener;
  const dst = netns.routes.lookup(req.remoteAddress);
  const advmss = dst.out === null ? TCP_MSS_DEFAULT : tcpMssClamp(listener, defaultAdvmss(netns, dst));
  const space = tcpFullSpace(listener);
  let clamp = listener.windowClamp;
  if (listener.rcvbufLocked && (clamp > space || clamp === 0)) clamp = space;
  const mss = advmss - (req.tstampOk ? TIMESTAMPS_LENGTH : 0);
  const w = tcpSelectInitialWindow(listener, space, mss, clamp, req.wscaleOk);
  req.rcvWnd = w.rcvWnd;
  req.windowClamp = w.windowClamp;
  req.rcvWscale = w.rcvWscale;
  return advmss;
}

/**
 * tcp_conn_request: a SYN for a listener.
 * @param isn sequence number to begin with, when a TIME-WAIT record asks for one; else -1
 */
export function tcpConnRequest(sk: TcpSock, segment: TcpSegment, isn: number): void {
  const { netns } = sk;
  const { ipv4 } = netns.sysctl;
  let cookie = false;
  if (ipv4.tcp_syncookies === 2 || requestQueueFull(sk)) {
    // tcp_syn_flood_action
    if (ipv4.tcp_syncookies === 0) return;
    cookie = true;
    sk.lastSynqOverflow = sk.jiffies();
  }
  if (acceptQueueFull(sk)) return;
  tcpClearOptions(tmp);
  tmp.mssClamp = TCP_MSS_DEFAULT;
  tmp.userMss = sk.rxOpt.userMss;
  tcpParseOptions(segment, tmp, false);
  if (cookie && !tmp.sawTstamp) tcpClearOptions(tmp);
  if (!cookie && isn < 0 && ipv4.tcp_syncookies === 0) {
    const most = ipv4.tcp_max_syn_backlog;
    if (most - sk.requests.size < most >> 2) return;
  }
  const req = new TcpRequest(sk, segment);
  openreqInit(req, tmp);
  req.tsOff = netns.tcp.timestampOffsetFor(req.localAddress, req.remoteAddress);
  // tcp_ecn_create_request (RFC 3168 section 6.1.1): both bits, and no mark that somebody on the way has set.
  const both = TcpFlag.ECE | TcpFlag.CWR;
  req.ecnOk = (segment.flags & both) === both && ipv4.tcp_ecn !== 0 && (segment.dsfield & 3) === 0;
  if (cookie) {
    req.sntIsn = cookieSequence(sk, req, segment);
    if (!req.tstampOk) req.ecnOk = false;
  } else
    req.sntIsn = isn >= 0 ? isn : netns.tcp.newIsn(req.localAddress, req.localPort, req.remoteAddress, req.remotePort);
  req.txhash = netns.tcp.newTxhash();
  const advmss = openreqInitRwin(req, sk);
  const now = netns.tcp.timestampNow(req.tsOff);
  const tsval = cookie && req.tstampOk ? cookieTimestamp(req, now) : now;
  if (!cookie) {
    sk.requests.add(req);
    sk.young++;
    netns.tcp.hashRequest(req);
    req.timer.arm(TCP_TIMEOUT_INIT * JIFFY);
    req.sntSynackUs = Math.max(Math.floor(sk.now / NS_PER_US), 1);
  }
  sendSynack(req, tsval, advmss);
}

/** inet_csk_reqsk_queue_drop */
export function dropRequest(req: TcpRequest): void {
  const { listener } = req;
  req.timer.cancel();
  if (!listener.requests.delete(req)) return;
  if (req.numTimeout === 0) listener.young--;
  req.netns.tcp.unhashRequest(req);
}

/** tcp_rtx_synack */
function rtxSynack(req: TcpRequest): void {
  const { netns, listener } = req;
  req.txhash = netns.tcp.newTxhash();
  const dst = netns.routes.lookup(req.remoteAddress);
  const advmss = dst.out === null ? TCP_MSS_DEFAULT : tcpMssClamp(listener, defaultAdvmss(netns, dst));
  sendSynack(req, netns.tcp.timestampNow(req.tsOff), advmss);
  req.numRetrans++;
}

/** tcp_reqsk_timeout, jiffies */
function requestTimeout(req: TcpRequest): number {
  return Math.min(TCP_TIMEOUT_INIT * 2 ** req.numTimeout, tcpRtoMax(req.listener));
}

/** reqsk_timer_handler */
function requestTimer(req: TcpRequest): void {
  const { listener } = req;
  if (listener.state !== TcpState.LISTEN) {
    dropRequest(req);
    return;
  }
  let retries = listener.synRetries !== 0 ? listener.synRetries : listener.netns.sysctl.ipv4.tcp_synack_retries;
  const length = listener.requests.size;
  // The fuller the queue, the less often an old request is tried: young ones are to find room.
  if (length * 2 > Math.max(8, listener.backlog)) {
    let young = listener.young * 2;
    while (retries > 2) {
      if (length < young) break;
      retries--;
      young *= 2;
    }
  }
  // syn_ack_recalc
  const defer = listener.deferAccept;
  const expired = req.numTimeout >= retries && (defer === 0 || !req.acked || req.numTimeout >= defer);
  const resend = defer === 0 || !req.acked || req.numTimeout >= defer - 1;
  if (expired) {
    dropRequest(req);
    return;
  }
  if (resend) rtxSynack(req);
  if (req.numTimeout++ === 0) listener.young--;
  req.timer.arm(requestTimeout(req) * JIFFY);
}

/** What tcp_check_req finds. */
export interface CheckedRequest {
  /** the connection that came of it; it gets the segment too */
  child: TcpSock | null;
  /** the segment is the listener's after all: it is to be answered with a RST */
  listener: boolean;
}
const checked: CheckedRequest = { child: null, listener: false };

/** tcp_check_req: a segment for a request. */
export function tcpCheckReq(req: TcpRequest, segment: TcpSegment): CheckedRequest {
  const { listener, netns } = req;
  checked.child = null;
  checked.listener = false;
  let paws = false;
  let echoWrong = false;
  tmp.sawTstamp = false;
  if (segment.dataAt - segment.at > 20) {
    tcpParseOptions(segment, tmp, false);
    if (tmp.sawTstamp) {
      if (tmp.rcvTsecr !== 0 && req.tstampOk) {
        echoWrong = !between(tmp.rcvTsecr, req.sntTsvalFirst, req.sntTsvalLast);
      }
      tmp.tsRecent = req.tsRecent;
      tmp.tsRecentStamp = bootSeconds(netns.world.sim.now);
      paws = pawsReject(tmp, segment.rst, netns.world.sim.now);
    }
  }
  // The SYN once more: the SYN-ACK was lost.
  if (segment.seq === req.rcvIsn && segment.syn && !segment.rst && !segment.ack && !paws) {
    if (!oowRateLimited(req, segment)) {
      rtxSynack(req);
      req.timer.arm(requestTimeout(req) * JIFFY);
    }
    return checked;
  }
  if (segment.ack && segment.ackSeq !== (req.sntIsn + 1) >>> 0) {
    checked.listener = true;
    return checked;
  }
  const end = (req.rcvNxt + Math.min(req.rcvWnd, 0xffff)) >>> 0;
  const inWindow =
    segment.seq === req.rcvNxt ||
    (after(segment.endSeq, req.rcvNxt) && before(segment.seq, end)) ||
    (segment.seq === end && segment.seq === segment.endSeq);
  if (paws || echoWrong || !inWindow) {
    if (!segment.rst && !oowRateLimited(req, segment)) {
      tcpReplyAck(netns, segment, {
        seq: (req.sntIsn + 1) >>> 0,
        ack: req.rcvNxt,
        window: Math.min(req.rcvWnd, 0xffff) >>> req.rcvWscale,
        tsval: req.tstampOk ? netns.tcp.timestampNow(req.tsOff) : null,
        tsecr: req.tsRecent,
        tos: listener.tos,
        txhash: req.txhash,
        mark: 0,
      });
    }
    return checked;
  }
  if (tmp.sawTstamp && !after(segment.seq, req.rcvNxt)) req.tsRecent = tmp.rcvTsval;
  const syn = segment.syn && segment.seq !== req.rcvIsn;
  if (segment.rst || syn) {
    if (!segment.rst) tcpReplyReset(netns, segment, req.txhash);
    dropRequest(req);
    return checked;
  }
  if (!segment.ack) return checked;
  // TCP_DEFER_ACCEPT: a bare ACK is not enough.
  if (req.numTimeout < listener.deferAccept && segment.endSeq === req.rcvNxt) {
    req.acked = true;
    return checked;
  }
  if (acceptQueueFull(listener)) {
    if (netns.sysctl.ipv4.tcp_abort_on_overflow === 0) {
      req.acked = true;
      return checked;
    }
    tcpReplyReset(netns, segment, req.txhash);
    dropRequest(req);
    return checked;
  }
  dropRequest(req);
  checked.child = tcpCreateOpenreqChild(listener, req, segment);
  tcpMstampRefresh(checked.child);
  return checked;
}
