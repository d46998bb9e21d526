// Where TCP meets IPv4 (net/ipv4/tcp_ipv4.c): segments find their connection, and ICMP errors too.

import { DropReason } from '../../base/drop-reason.ts';
import * as frames from '../../link/frame.ts';
import { type Frame, freeFrame, sumArena } from '../../link/frame.ts';
import { fold, pseudoSum } from '../../wire/checksum.ts';
import { IcmpType, IcmpUnreach } from '../../wire/icmp.ts';
import * as ipv4 from '../../wire/ipv4.ts';
import * as tcp from '../../wire/tcp.ts';
import { checkTcp } from '../../wire/tcp.ts';
import { type Errno, unreachableErrno } from '../errno.ts';
import type { InDevice } from '../in-device.ts';
import type { NetNamespace } from '../netns.ts';
import { updatePathMtu } from '../path-mtu.ts';
import { PathMtuDiscovery } from '../path-mtu-discovery.ts';
import { DstKind } from '../route-cache.ts';
import type { IcmpError } from '../socket-table.ts';
import { tcpAddBacklog } from './tcp-backlog.ts';
import { tcpDoneWithError, tcpWake } from './tcp-close.ts';
import { SegmentVerdict, tcpRcvEstablished, tcpRcvStateProcess } from './tcp-input.ts';
import { tcpSyncMss } from './tcp-mss.ts';
import { tcpSimpleRetransmit } from './tcp-recovery.ts';
import { tcpReplyReset } from './tcp-reply.ts';
import { dropRequest, type TcpRequest, tcpCheckReq, tcpConnRequest } from './tcp-request.ts';
import { tcpSetRto } from './tcp-rtt.ts';
import type { TcpSegment } from './tcp-segment.ts';
import { between } from './tcp-seq.ts';
import { IcskTime, type TcpSock, TcpState, tcpMstampRefresh } from './tcp-sock.ts';
import { tcpCookieCheck } from './tcp-syncookie.ts';
import { tcpRetransmitTimer } from './tcp-timer.ts';
import { type TcpTimewait, TimewaitVerdict, tcpTimewaitStateProcess } from './tcp-timewait.ts';
import { ipDontFragment, skDst } from './tcp-transmit.ts';
import { TCP_TIMEOUT_INIT, tcpResetXmitTimer, tcpRtoMax, usecsToJiffies } from './tcp-xmit-timer.ts';

// Constants of this module: V8 folds those into the packet path, imported bindings it does not (link/frame.ts).
const { frameEnd, frameStart, view } = frames;
const { IPV4_DESTINATION, IPV4_SOURCE, IPV4_TTL, IpProtocol } = ipv4;
const { TCP_DESTINATION, TCP_SEQUENCE, TCP_SOURCE } = tcp;

/** tcp_v4_rcv. Takes ownership. */
export function tcpV4Rcv(idev: InDevice, frame: Frame, at: number): void {
  const { dev, netns } = idev;
  const end = frameEnd[frame]!;
  if (!checkTcp(view, at, end)) {
    dev.end(frame, DropReason.PKT_TOO_SMALL);
    return;
  }
  const ip = frameStart[frame]!;
  const source = view.getInt32(ip + IPV4_SOURCE);
  const destination = view.getInt32(ip + IPV4_DESTINATION);
  if (fold(pseudoSum(source, destination, IpProtocol.TCP, end - at) + sumArena(at, end)) !== 0xffff) {
    dev.end(frame, DropReason.TCP_CSUM);
    return;
  }
  // Broadcast and multicast have no business here (RFC 9293 section 3.9.2.3).
  if (netns.addressType(destination) !== DstKind.LOCAL) {
    dev.end(frame, DropReason.NO_SOCKET);
    return;
  }
  const segment = netns.tcp.segment;
  segment.fill(idev, frame, at, end);
  const verdict = deliver(netns, segment);
  if (verdict === DELIVERED) freeFrame(frame);
  else if (verdict !== HELD) dev.end(frame, verdict);
}

/** The segment has been handled. */
const DELIVERED = 0;
/** The socket's backlog has it. */
const HELD = -1;

/** Finds whom the segment is for: DELIVERED, HELD or a DropReason; for nobody it has been answered. */
function deliver(netns: NetNamespace, segment: TcpSegment): number {
  const { tcp: table } = netns;
  const endpoint = table.find(segment.destination, segment.destinationPort, segment.source, segment.sourcePort);
  if (endpoint === null) return deliverListener(netns, segment, -1) ? DELIVERED : DropReason.NO_SOCKET;
  switch (endpoint.state) {
    case TcpState.NEW_SYN_RECV:
      deliverRequest(netns, endpoint as TcpRequest, segment);
      return DELIVERED;
    case TcpState.TIME_WAIT:
      deliverTimewait(netns, endpoint as TcpTimewait, segment);
      return DELIVERED;
    default: {
      const sk = endpoint as TcpSock;
      if (belowMinTtl(sk, segment)) return DELIVERED;
      if (sk.now < sk.busyUntil) {
        const reason = tcpAddBacklog(sk, segment);
        return reason === 0 ? HELD : reason;
      }
      tcpV4DoRcv(sk, segment);
      return DELIVERED;
    }
  }
}

/** tcp_v4_do_rcv: a segment for a connection that nobody has locked. */
export function tcpV4DoRcv(sk: TcpSock, segment: TcpSegment): void {
  sk.segsIn++;
  if (segment.len > 0) sk.dataSegsIn++;
  const verdict = sk.state === TcpState.ESTABLISHED ? tcpRcvEstablished(sk, segment) : tcpRcvStateProcess(sk, segment);
  if (verdict === SegmentVerdict.RESET) tcpReplyReset(sk.netns, segment, sk.txhash);
}

/** IP_MINTTL (RFC 5082) */
function belowMinTtl(sk: TcpSock, segment: TcpSegment): boolean {
  return sk.minTtl !== 0 && view.getUint8(segment.ip + IPV4_TTL) < sk.minTtl;
}

/** @param isn what a TIME-WAIT record gives a new connection to begin with; -1: nothing */
function deliverListener(netns: NetNamespace, segment: TcpSegment, isn: number): boolean {
  const sk = netns.tcp.findListener(segment.destination, segment.destinationPort, segment.idev!);
  if (sk === null) {
    tcpReplyReset(netns, segment);
    return false;
  }
  if (!belowMinTtl(sk, segment)) listenerInput(netns, sk, segment, isn);
  return true;
}

/** tcp_v4_do_rcv and tcp_rcv_state_process in LISTEN (RFC 9293 section 3.10.7.2). */
function listenerInput(netns: NetNamespace, sk: TcpSock, segment: TcpSegment, isn: number): void {
  if (!segment.syn) {
    const child = tcpCookieCheck(sk, segment);
    if (child === 'full') return;
    if (child !== null) {
      childProcess(netns, child, segment);
      return;
    }
  }
  if (segment.ack) tcpReplyReset(netns, segment);
  else if (!segment.rst && segment.syn && !segment.fin) tcpConnRequest(sk, segment, isn);
}

function deliverRequest(netns: NetNamespace, req: TcpRequest, segment: TcpSegment): void {
  if (belowMinTtl(req.listener, segment)) return;
  const { child, listener } = tcpCheckReq(req, segment);
  if (child !== null) childProcess(netns, child, segment);
  else if (listener) listenerInput(netns, req.listener, segment, -1);
}

/** tcp_child_process */
function childProcess(netns: NetNamespace, child: TcpSock, segment: TcpSegment): void {
  const { listener } = child;
  child.segsIn++;
  if (segment.len > 0) child.dataSegsIn++;
  const verdict = tcpRcvStateProcess(child, segment);
  if (verdict === SegmentVerdict.RESET) tcpReplyReset(netns, segment, child.txhash);
  if (child.state !== TcpState.SYN_RECV && listener !== null) tcpWake(listener);
}

function deliverTimewait(netns: NetNamespace, tw: TcpTimewait, segment: TcpSegment): void {
  switch (tcpTimewaitStateProcess(tw, segment)) {
    case TimewaitVerdict.RST:
      tcpReplyReset(netns, segment, tw.txhash);
      return;
    case TimewaitVerdict.SYN: {
      const sk = netns.tcp.findListener(segment.destination, segment.destinationPort, segment.idev!);
      if (sk === null) {
        tw.sendAck(segment);
        return;
      }
      const isn = (tw.sndNxt + 65_535 + 2) >>> 0 || 1;
      tw.kill();
      listenerInput(netns, sk, segment, isn);
      return;
    }
    default:
      return;
  }
}

/** tcp_v4_err: true when the quoted segment is one of ours. */
export function tcpV4Err(netns: NetNamespace, e: IcmpError): boolean {
  const endpoint = netns.tcp.find(
    view.getInt32(e.quoted + IPV4_SOURCE),
    view.getUint16(e.payload + TCP_SOURCE),
    view.getInt32(e.quoted + IPV4_DESTINATION),
    view.getUint16(e.payload + TCP_DESTINATION),
  );
  if (endpoint === null) return false;
  const seq = view.getUint32(e.payload + TCP_SEQUENCE);
  if (endpoint.state === TcpState.TIME_WAIT) return true;
  if (endpoint.state === TcpState.NEW_SYN_RECV) {
    requestError(endpoint as TcpRequest, seq, e);
    return true;
  }
  const sk = endpoint as TcpSock;
  if (sk.state === TcpState.CLOSE || (sk.minTtl !== 0 && e.ttl < sk.minTtl)) return true;
  if (!between(seq, sk.sndUna, sk.sndNxt)) return true;
  connectionError(sk, seq, e);
  return true;
}

/** tcp_req_err: the SYN-ACK did not get through. */
function requestError(req: TcpRequest, seq: number, e: IcmpError): void {
  if (seq !== req.sntIsn) return;
  const unreachable = e.type === IcmpType.DEST_UNREACH && (e.code === IcmpUnreach.NET || e.code === IcmpUnreach.HOST);
  if (e.type === IcmpType.PARAMETER_PROBLEM || e.type === IcmpType.TIME_EXCEEDED || unreachable) dropRequest(req);
}

function connectionError(sk: TcpSock, seq: number, e: IcmpError): void {
  const owned = sk.now < sk.ownedUntil;
  let errno: Errno;
  if (e.type === IcmpType.PARAMETER_PROBLEM) errno = 'EPROTO';
  else if (e.type === IcmpType.TIME_EXCEEDED) errno = 'EHOSTUNREACH';
  else if (e.type === IcmpType.DEST_UNREACH) {
    if (e.code === IcmpUnreach.FRAG_NEEDED) {
      if (sk.now >= sk.sendingUntil) mtuReduced(sk, e.info);
      else {
        const { info } = e;
        // tcp_release_cb
        sk.mtuTimer?.cancel();
        sk.mtuTimer = sk.netns.world.sim.timer(() => mtuReduced(sk, info));
        sk.mtuTimer.armAt(sk.sendingUntil);
      }
      return;
    }
    errno = unreachableErrno(e.code).errno;
    if ((e.code === IcmpUnreach.NET || e.code === IcmpUnreach.HOST) && !owned) rtoRevert(sk, seq);
  } else return;
  if (sk.state === TcpState.SYN_SENT || sk.state === TcpState.SYN_RECV) {
    if (owned) sk.errSoft = errno;
    else tcpDoneWithError(sk, errno);
    return;
  }
  // A connection that stands goes on trying; the error is told when it gives up, or at once with IP_RECVERR.
  if (!owned && sk.recvErr) {
    sk.err = errno;
    tcpWake(sk);
  } else sk.errSoft = errno;
}

/** tcp_v4_mtu_reduced: smaller segments, and what was too long leaves again at once (RFC 1191). */
function mtuReduced(sk: TcpSock, mtu: number): void {
  updatePathMtu(sk.netns, sk.remoteAddress, mtu);
  const dst = skDst(sk);
  if (dst === null) return;
  const known = dst.mtu(sk.netns);
  if (mtu < known && ipDontFragment(sk, dst)) sk.errSoft = 'EMSGSIZE';
  const mode = sk.pathMtuDiscovery;
  const accepts =
    mode !== PathMtuDiscovery.DONT && mode !== PathMtuDiscovery.INTERFACE && mode !== PathMtuDiscovery.PROBE;
  if (accepts && sk.pmtuCookie > known) {
    tcpMstampRefresh(sk);
    tcpSyncMss(sk, known);
    tcpSimpleRetransmit(sk);
  }
}

/** tcp_ld_RTO_revert: a router that says "unreachable" shows that the silence was no congestion (RFC 6069). */
function rtoRevert(sk: TcpSock, seq: number): void {
  if (seq !== sk.sndUna || sk.retransmits === 0 || sk.backoff === 0) return;
  const skb = sk.rtxQueue.first();
  if (skb === null) return;
  sk.backoff--;
  if (sk.srttUs !== 0) tcpSetRto(sk);
  else sk.rto = TCP_TIMEOUT_INIT;
  sk.rto = Math.min(sk.rto * 2 ** sk.backoff, tcpRtoMax(sk));
  tcpMstampRefresh(sk);
  const passed = usecsToJiffies(Math.max(sk.tcpMstamp - Math.floor(skb.mstampNs / 1000), 0));
  const left = sk.rto - passed;
  if (left > 0) tcpResetXmitTimer(sk, IcskTime.RETRANS, left);
  else tcpRetransmitTimer(sk);
}
