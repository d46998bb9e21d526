// The RST of `-j REJECT --reject-with tcp-reset` (net/ipv4/netfilter/nf_reject_ipv4.c nf_send_reset): what the destination
// would answer if nobody listened there (RFC 9293 section 3.10.7.1), sent by the host in between.

import {
  allocFrame,
  type Frame,
  frameEnd,
  frameMark,
  framePort,
  frameStart,
  NO_FRAME,
  sumArena,
  u8,
  view,
} from '../link/frame.ts';
import { attachCt } from '../netfilter/conntrack/nf-conn.ts';
import type { Hook } from '../netfilter/hook.ts';
import { finish, fold, pseudoSum } from '../wire/checksum.ts';
import { ETH_DESTINATION, ETH_HEADER, ETH_SOURCE, ETH_TYPE, EtherType } from '../wire/ethernet.ts';
import {
  IPV4_DESTINATION,
  IPV4_DF,
  IPV4_FRAGMENT,
  IPV4_HEADER,
  IPV4_OFFSET,
  IPV4_PROTOCOL,
  IPV4_SOURCE,
  IpProtocol,
  writeIpv4Header,
} from '../wire/ipv4.ts';
import {
  checkTcp,
  TCP_ACK,
  TCP_CHECKSUM,
  TCP_DESTINATION,
  TCP_FLAGS,
  TCP_HEADER,
  TCP_SEQUENCE,
  TCP_SOURCE,
  TcpFlag,
  tcpSegmentLength,
  writeTcp,
} from '../wire/tcp.ts';
import type { InDevice } from './in-device.ts';
import { ipLocalOut } from './ip-output.ts';
import type { NetNamespace } from './netns.ts';
import { DstKind } from './route-cache.ts';

const MAC_LENGTH = 6;

/** Answers the segment in `frame` (frameStart at its IPv4 header), which stays the caller's. */
export function sendReset(netns: NetNamespace, frame: Frame, _hook: Hook, _inDevice: InDevice | null): void {
  const at = frameStart[frame]!;
  const end = frameEnd[frame]!;
  if ((view.getUint16(at + IPV4_FRAGMENT) & IPV4_OFFSET) !== 0) return;
  if (view.getUint8(at + IPV4_PROTOCOL) !== IpProtocol.TCP) return;
  const tcp = at + (view.getUint8(at) & 15) * 4;
  if (!checkTcp(view, tcp, end)) return;
  const flags = view.getUint8(tcp + TCP_FLAGS);
  // No RST for a RST.
  if ((flags & TcpFlag.RST) !== 0) return;
  const source = view.getInt32(at + IPV4_SOURCE);
  const destination = view.getInt32(at + IPV4_DESTINATION);
  // A segment with a wrong checksum may come from anywhere.
  const sum = fold(sumArena(tcp, end) + pseudoSum(source, destination, IpProtocol.TCP, end - tcp));
  if (sum !== 0xffff) return;
  const kind = netns.addressType(destination);
  if (kind === DstKind.BROADCAST || kind === DstKind.MULTICAST) return;
  const dst = netns.routes.lookup(source);
  if (dst.kind > DstKind.LOCAL) return;
  const reset = allocFrame(IPV4_HEADER + TCP_HEADER);
  if (reset === NO_FRAME) return;
  const ip = frameStart[reset]!;
  const out = ip + IPV4_HEADER;
  const acks = (flags & TcpFlag.ACK) !== 0;
  const sequence = acks ? view.getUint32(tcp + TCP_ACK) : 0;
  const ack = acks ? 0 : (view.getUint32(tcp + TCP_SEQUENCE) + tcpSegmentLength(view, tcp, end)) >>> 0;
  writeTcp(
    view,
    out,
    view.getUint16(tcp + TCP_DESTINATION),
    view.getUint16(tcp + TCP_SOURCE),
    sequence,
    ack,
    TCP_HEADER,
    acks ? TcpFlag.RST : TcpFlag.RST | TcpFlag.ACK,
    0,
  );
  const answerSum = pseudoSum(destination, source, IpProtocol.TCP, TCP_HEADER) + sumArena(out, out + TCP_HEADER);
  view.setUint16(out + TCP_CHECKSUM, finish(answerSum));
  const ttl = netns.sysctl.ipv4.ip_default_ttl;
  writeIpv4Header(view, ip, 0, IPV4_HEADER + TCP_HEADER, 0, IPV4_DF, ttl, IpProtocol.TCP, destination, source);
  const port = framePort[frame] === 0 ? null : netns.deviceByIndex(framePort[frame]!);
  if (port !== null) {
    // Came in by a bridge: straight back out of that port, with the MAC addresses turned round, past all hooks.
    const header = at - ETH_HEADER;
    const start = ip - ETH_HEADER;
    u8.copyWithin(start + ETH_DESTINATION, header + ETH_SOURCE, header + ETH_SOURCE + MAC_LENGTH);
    u8.copyWithin(start + ETH_SOURCE, header + ETH_DESTINATION, header + ETH_DESTINATION + MAC_LENGTH);
    view.setUint16(start + ETH_TYPE, EtherType.IPV4);
    frameStart[reset] = start;
    port.transmit(reset);
    return;
  }
  frameMark[reset] = 0;
  attachCt(reset, frame);
  ipLocalOut(netns, reset, dst, false);
}
