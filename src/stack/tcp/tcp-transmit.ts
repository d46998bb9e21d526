// Building segments and handing them to IP (net/ipv4/tcp_output.c __tcp_transmit_skb, ip_output.c __ip_queue_xmit). A
// super-segment is cut here into frames of at most one MSS, as the kernel's software GSO does in front of a device
// (net/ipv4/tcp_offload.c tcp_gso_segment): flags FIN and PSH on the last, CWR on the first, identifications counting up.

import * as frames from '../../link/frame.ts';
import { allocFrame, sumArena } from '../../link/frame.ts';
import { NS_PER_MS } from '../../sim/sim.ts';
import { finish, pseudoSum } from '../../wire/checksum.ts';
import * as ipv4 from '../../wire/ipv4.ts';
import { writeIpv4Header } from '../../wire/ipv4.ts';
import * as tcp from '../../wire/tcp.ts';
import { writeTcp } from '../../wire/tcp.ts';
import { ipSocketOut } from '../ip-output.ts';
import { PathMtuDiscovery } from '../path-mtu-discovery.ts';
import { type Dst, DstKind } from '../route-cache.ts';
import { tcpDecQuickackMode } from './tcp-ack-schedule.ts';
import { TcpOutOptions, tcpEstablishedOptions, tcpOptionsWrite, tcpSynOptions } from './tcp-out-options.ts';
import { tcpRateSkbSent } from './tcp-rate.ts';
import { tcpSelectWindow } from './tcp-receive-window.ts';
import { after, before } from './tcp-seq.ts';
import type { TcpSkb } from './tcp-skb.ts';
import { IcskAck, TcpEcn, type TcpSock } from './tcp-sock.ts';

// Constants of this module: V8 folds those into the packet path, imported bindings it does not (link/frame.ts).
const { frameConfirm, frameHash, frameMark, frameStart, NO_FRAME, u8, view } = frames;
const { IPV4_DF, IPV4_HEADER, IpProtocol } = ipv4;
const { TCP_CHECKSUM, TCP_HEADER, TCP_URGENT } = tcp;
const FLAG = tcp.TcpFlag;

/** ECT(0) in the DS field (RFC 3168 section 5); INET_ECN_MASK */
const ECT_0 = 2;
const ECN_MASK = 3;

const options = new TcpOutOptions();

/** The way to the peer: looked up anew when routes have changed (__sk_dst_check, ip_queue_xmit); null: there is none. */
export function skDst(sk: TcpSock): Dst | null {
  let dst = sk.dst;
  const { netns } = sk;
  if (dst === null || dst.generation !== netns.fib.generation) {
    dst =
      sk.device !== null ? netns.routes.through(sk.remoteAddress, sk.device) : netns.routes.lookup(sk.remoteAddress);
    sk.dst = dst;
  }
  return dst.kind === DstKind.UNICAST || dst.kind === DstKind.LOCAL ? dst : null;
}

/** ip_dont_fragment */
export function ipDontFragment(sk: TcpSock, dst: Dst): boolean {
  const mode = sk.pathMtuDiscovery;
  return mode === PathMtuDiscovery.DO || (mode === PathMtuDiscovery.WANT && !dst.mtuLocked);
}

/** What leaves as one or more frames; filled anew for each. */
const out = { seq: 0, ack: 0, flags: 0, window: 0, urgent: 0, tos: 0, len: 0, gsoSize: 0 };

/** Writes the frames of `out` with `options`. False when there is no route or no buffer. */
function emit(sk: TcpSock): boolean {
  const dst = skDst(sk);
  if (dst === null) return false;
  const { netns } = sk;
  const header = TCP_HEADER + options.size;
  const df = ipDontFragment(sk, dst) ? IPV4_DF : 0;
  const ttl = sk.ttl !== 0 ? sk.ttl : netns.sysctl.ipv4.ip_default_ttl;
  const mtu = dst.mtu(netns);
  let seq = out.seq;
  let left = out.len;
  let first = true;
  const dsack = sk.rxOpt.dsack;
  const confirm = sk.confirmNeighbour ? 1 : 0;
  sk.confirmNeighbour = false;
  do {
    const take = out.gsoSize > 0 && left > out.gsoSize ? out.gsoSize : left;
    const length = IPV4_HEADER + header + take;
    const frame = allocFrame(length);
    if (frame === NO_FRAME) return false;
    const ip = frameStart[frame]!;
    const at = ip + IPV4_HEADER;
    let flags = out.flags;
    if (take < left) flags &= ~(FLAG.FIN | FLAG.PSH);
    if (!first) flags &= ~FLAG.CWR;
    writeTcp(view, at, sk.localPort, sk.remotePort, seq, out.ack, header, flags, out.window);
    if ((flags & FLAG.URG) !== 0) view.setUint16(at + TCP_URGENT, Math.max(0, out.urgent - ((seq - out.seq) >>> 0)));
    if (options.size > 0) {
      // Every segment of a super-segment carries the same options.
      sk.rxOpt.dsack = dsack;
      tcpOptionsWrite(at + TCP_HEADER, options, sk);
    }
    if (take > 0) sk.sendRing.read(seq, u8, at + header, take);
    const sum =
      pseudoSum(sk.localAddress, sk.remoteAddress, IpProtocol.TCP, header + take) + sumArena(at, at + header + take);
    view.setUint16(at + TCP_CHECKSUM, finish(sum));
    const id = sk.id;
    sk.id = (id + 1) & 0xffff;
    writeIpv4Header(view, ip, out.tos, length, id, df, ttl, IpProtocol.TCP, sk.localAddress, sk.remoteAddress);
    frameHash[frame] = sk.txhash;
    frameMark[frame] = sk.mark;
    frameConfirm[frame] = confirm;
    ipSocketOut(netns, frame, dst, mtu, false);
    seq = (seq + take) >>> 0;
    left -= take;
    first = false;
  } while (left > 0);
  return true;
}

/** tcp_event_data_sent: a reply soon after a packet makes the connection interactive. */
function eventDataSent(sk: TcpSock): void {
  const now = sk.jiffies();
  if (sk.packetsInFlight() === 0) sk.caOps?.transmitStart?.(sk);
  sk.lsndtime = now;
  if (now - sk.ackLrcvtime < sk.ackAto && sk.ackPingpong < 255) sk.ackPingpong++;
}

/** tcp_event_ack_sent */
function eventAckSent(sk: TcpSock, rcvNxt: number): void {
  if (sk.compressedAck !== 0) {
    sk.compressedAck = 0;
    sk.compressedAckTimer.cancel();
  }
  if (rcvNxt !== sk.rcvNxt) return;
  tcpDecQuickackMode(sk);
  sk.ackPending = 0;
  sk.ackRetry = 0;
  sk.delackTimer.cancel();
}

/**
 * __tcp_transmit_skb: sends a record's segments; the record stays where it is.
 * @param keep the record is (or will be) in a queue: it is stamped with the time of sending
 * @returns false when nothing could leave (no route, no buffer)
 */
export function tcpTransmitSkb(sk: TcpSock, skb: TcpSkb, keep: boolean): boolean {
  stamp(sk);
  // A super-segment is pushed, to be delivered at once; the kernel says so in the copy that leaves, not in the record.
  const flags = skb.pcount > 1 ? skb.tcpFlags | FLAG.PSH : skb.tcpFlags;
  if (keep) {
    // tcp_rate_skb_sent and the RTT of the segment count from here.
    skb.mstampNs = sk.tcpWstampNs;
  }
  const sent = transmit(sk, skb.seq, flags, skb.len, skb.pcount > 1 ? skb.gsoSize : 0, skb.pcount);
  if (sent && keep) {
    sk.tsortedSentQueue.push(skb);
    tcpRateSkbSent(sk, skb);
  }
  return sent;
}

/** tcp_init_nondata_skb and tcp_transmit_skb: a segment that no queue keeps (ACK, RST, probe). */
export function tcpTransmitControl(sk: TcpSock, seq: number, flags: number, len = 0): boolean {
  stamp(sk);
  return transmit(sk, seq, flags, len, 0, 1);
}

/** The stamp of a segment never lies behind the one before it (tcp_wstamp_ns). */
function stamp(sk: TcpSock): void {
  if (sk.tcpClockCache > sk.tcpWstampNs) sk.tcpWstampNs = sk.tcpClockCache;
}

function transmit(sk: TcpSock, seq: number, flags: number, len: number, gsoSize: number, pcount: number): boolean {
  const syn = (flags & FLAG.SYN) !== 0;
  if (syn) tcpSynOptions(sk, options);
  else tcpEstablishedOptions(sk, options, Math.floor(sk.tcpWstampNs / NS_PER_MS) >>> 0);
  const rcvNxt = sk.rcvNxt;
  out.seq = seq;
  out.ack = (flags & FLAG.ACK) !== 0 ? rcvNxt : 0;
  out.flags = flags;
  out.len = len;
  out.gsoSize = gsoSize;
  out.urgent = 0;
  out.tos = sk.tos & ~ECN_MASK;
  // tcp_urg_mode: the urgent pointer counts from this segment (RFC 1122 section 4.2.2.4 as Linux reads it without tcp_stdurg).
  if (sk.urgMode && sk.sndUna !== sk.sndUp && before(seq, sk.sndUp)) {
    if (before(sk.sndUp, (seq + 0x10000) >>> 0)) {
      out.urgent = (sk.sndUp - seq) >>> 0;
      out.flags |= FLAG.URG;
    } else if (after((seq + 0xffff) >>> 0, sk.sndNxt)) {
      out.urgent = 0xffff;
      out.flags |= FLAG.URG;
    }
  }
  if (syn) out.window = Math.min(sk.rcvWnd, 0xffff);
  else {
    out.window = tcpSelectWindow(sk);
    ecnSend(sk, seq, len);
  }
  if ((flags & FLAG.ACK) !== 0) eventAckSent(sk, rcvNxt);
  if (len > 0) {
    eventDataSent(sk);
    sk.dataSegsOut += pcount;
    sk.bytesSent += len;
  }
  sk.segsOut += pcount;
  return emit(sk);
}

/** tcp_ecn_send: new data is ECN capable, retransmissions and plain ACKs are not (RFC 3168 sections 6.1.4, 6.1.5). */
function ecnSend(sk: TcpSock, seq: number, len: number): void {
  if ((sk.ecnFlags & TcpEcn.OK) === 0) return;
  if (len > 0 && !before(seq, sk.sndNxt)) {
    out.tos |= ECT_0;
    if ((sk.ecnFlags & TcpEcn.QUEUE_CWR) !== 0) {
      sk.ecnFlags &= ~TcpEcn.QUEUE_CWR;
      out.flags |= FLAG.CWR;
    }
  }
  if ((sk.ecnFlags & TcpEcn.DEMAND_CWR) !== 0) out.flags |= FLAG.ECE;
}

/** tcp_acceptable_seq: a sequence number that the peer takes even when it has shrunk its window. */
function acceptableSeq(sk: TcpSock): number {
  const end = (sk.sndUna + sk.sndWnd) >>> 0;
  if (!before(end, sk.sndNxt)) return sk.sndNxt;
  const slack = sk.rxOpt.wscaleOk ? 1 << sk.rxOpt.rcvWscale : 1;
  return sk.sndNxt - end < slack ? sk.sndNxt : end;
}

/** tcp_send_ack */
export function tcpSendAck(sk: TcpSock): void {
  if (!tcpTransmitControl(sk, acceptableSeq(sk), FLAG.ACK)) {
    // No buffer or no way out: the delayed ACK timer tries again.
    sk.ackPending |= IcskAck.SCHED;
  }
}

/** tcp_send_active_reset: the program has no more use for the connection. */
export function tcpSendActiveReset(sk: TcpSock): void {
  tcpTransmitControl(sk, acceptableSeq(sk), FLAG.ACK | FLAG.RST);
}
