// Segments that answer without a connection (net/ipv4/tcp_ipv4.c tcp_v4_send_reset, tcp_v4_send_ack; ip_output.c
// ip_send_unicast_reply): addresses, ports and TOS are those of the segment they answer, turned round; no IP identification.

import * as frames from '../../link/frame.ts';
import { allocFrame, sumArena } from '../../link/frame.ts';
import { finish, pseudoSum } from '../../wire/checksum.ts';
import * as ipv4 from '../../wire/ipv4.ts';
import { writeIpv4Header } from '../../wire/ipv4.ts';
import * as tcp from '../../wire/tcp.ts';
import { writeTcp } from '../../wire/tcp.ts';
import { ipLocalOut } from '../ip-output.ts';
import type { NetNamespace } from '../netns.ts';
import { DstKind } from '../route-cache.ts';
import { TcpOutOptions, TIMESTAMPS_LENGTH, tcpOptionsWrite } from './tcp-out-options.ts';
import type { TcpSegment } from './tcp-segment.ts';

// Constants of this module: V8 folds those into the packet path, imported bindings it does not (link/frame.ts).
const { frameHash, frameMark, frameStart, NO_FRAME, view } = frames;
const { IPV4_DF, IPV4_HEADER, IpProtocol } = ipv4;
const { TCP_CHECKSUM, TCP_HEADER } = tcp;
const FLAG = tcp.TcpFlag;

const options = new TcpOutOptions();

function reply(
  netns: NetNamespace,
  segment: TcpSegment,
  seq: number,
  ack: number,
  flags: number,
  window: number,
  tos: number,
  txhash: number,
  mark: number,
): void {
  const { source: remote, destination: local } = segment;
  const dst = netns.routes.lookup(remote);
  if (dst.kind !== DstKind.UNICAST && dst.kind !== DstKind.LOCAL) return;
  const header = TCP_HEADER + options.size;
  const length = IPV4_HEADER + header;
  const frame = allocFrame(length);
  if (frame === NO_FRAME) return;
  const ip = frameStart[frame]!;
  const at = ip + IPV4_HEADER;
  writeTcp(view, at, segment.destinationPort, segment.sourcePort, seq, ack, header, flags, window);
  if (options.size > 0) tcpOptionsWrite(at + TCP_HEADER, options, null);
  const sum = pseudoSum(local, remote, IpProtocol.TCP, header) + sumArena(at, at + header);
  view.setUint16(at + TCP_CHECKSUM, finish(sum));
  const ttl = netns.sysctl.ipv4.ip_default_ttl;
  writeIpv4Header(view, ip, tos, length, 0, IPV4_DF, ttl, IpProtocol.TCP, local, remote);
  frameHash[frame] = txhash;
  frameMark[frame] = mark;
  ipLocalOut(netns, frame, dst, false);
}

/** tcp_v4_send_reset: the RST that answers a segment nobody expects (RFC 9293 section 3.10.7.1); a RST is never answered. */
export function tcpReplyReset(netns: NetNamespace, segment: TcpSegment, txhash = 0): void {
  if (segment.rst) return;
  options.size = 0;
  const acked = segment.ack;
  const seq = acked ? segment.ackSeq : 0;
  const ack = acked ? 0 : segment.endSeq;
  const flags = acked ? FLAG.RST : FLAG.RST | FLAG.ACK;
  reply(netns, segment, seq, ack, flags, 0, segment.dsfield, txhash, 0);
}

/** tcp_v4_send_ack: an ACK for a request or a TIME-WAIT record. */
export function tcpReplyAck(
  netns: NetNamespace,
  segment: TcpSegment,
  ack: {
    readonly seq: number;
    readonly ack: number;
    readonly window: number;
    /** null: no timestamps */
    readonly tsval: number | null;
    readonly tsecr: number;
    readonly tos: number;
    readonly txhash: number;
    readonly mark: number;
  },
): void {
  options.mss = 0;
  options.wscale = -1;
  options.sackPermitted = false;
  options.sackBlocks = 0;
  options.timestamps = ack.tsval !== null;
  options.size = ack.tsval !== null ? TIMESTAMPS_LENGTH : 0;
  options.tsval = ack.tsval ?? 0;
  options.tsecr = ack.tsecr;
  reply(netns, segment, ack.seq, ack.ack, FLAG.ACK, ack.window, ack.tos, ack.txhash, ack.mark);
}
