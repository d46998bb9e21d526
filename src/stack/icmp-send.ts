// Sending ICMP errors (net/ipv4/icmp.c __icmp_send; RFC 1122 section 3.2.2, RFC 1812 section 4.3.2): when one may be
// sent, from which address, how much it quotes, how often.

import { formatIpv4, type Ipv4, isMulticastIpv4 } from '../addr/ipv4.ts';
import { DropReason } from '../base/drop-reason.ts';
import {
  allocFrame,
  type Frame,
  frameEnd,
  frameMark,
  framePacketId,
  frameStart,
  freeFrame,
  NO_FRAME,
  sumArena,
  u8,
  view,
} from '../link/frame.ts';
import { attachCt } from '../netfilter/conntrack/nf-conn.ts';
import { ICMP_CHECKSUM, ICMP_HEADER, IcmpType, IcmpUnreach, isIcmpError, writeIcmp } from '../wire/icmp.ts';
import {
  IPV4_DESTINATION,
  IPV4_FRAGMENT,
  IPV4_HEADER,
  IPV4_OFFSET,
  IPV4_PROTOCOL,
  IPV4_SOURCE,
  IPV4_TOS,
  IpProtocol,
  writeIpv4Header,
} from '../wire/ipv4.ts';
import { Scope } from './fib.ts';
import type { InDevice } from './in-device.ts';
import { ipLocalOut } from './ip-output.ts';
import type { NetNamespace } from './netns.ts';
import { type Dst, DstKind } from './route-cache.ts';
import { Snmp } from './snmp.ts';

/** No ICMP error is longer than this (RFC 1812 section 4.3.2.3 as Linux has it). */
const ICMP_MAX = 576;
/** IPTOS_PREC_INTERNETCONTROL: precedence of ICMP errors (RFC 1812 section 4.3.2.5). */
const PRECEDENCE = 0xc0;
/** RT_TOS: what an error keeps of the offender's TOS. */
const TOS_KEPT = 0x1e;

/**
 * Sends an ICMP error about the packet in `frame` (frameStart at its IPv4 header; ownership stays with the caller).
 * @param info MTU for FRAG_NEEDED, gateway for a redirect, pointer for a parameter problem, else 0
 * @param inbound the device that the packet came in by, null for one made here
 * @returns true when an error was sent
 */
export function icmpSend(
  netns: NetNamespace,
  frame: Frame,
  type: number,
  code: number,
  info: number,
  inbound: InDevice | null = null,
): boolean {
  const at = frameStart[frame]!;
  const end = frameEnd[frame]!;
  const header = (view.getUint8(at) & 15) * 4;
  const source = view.getInt32(at + IPV4_SOURCE);
  const destination = view.getInt32(at + IPV4_DESTINATION);
  if ((view.getUint16(at + IPV4_FRAGMENT) & IPV4_OFFSET) !== 0) return false;
  if (source === 0 || source === -1 || isMulticastIpv4(source)) return false;
  const kind = netns.addressType(destination);
  if (kind === DstKind.BROADCAST || kind === DstKind.MULTICAST || destination === -1) return false;
  if (view.getUint8(at + IPV4_PROTOCOL) === IpProtocol.ICMP && isIcmpError(type)) {
    const inner = at + header;
    if (inner >= end || isIcmpError(view.getUint8(inner)) || view.getUint8(inner) > 18) return false;
  }
  const dst = netns.routes.lookup(source);
  if (dst.kind > DstKind.BROADCAST) return false;
  const observer = netns.world.observer;
  if (!netns.icmpLimit.allow(source, type, code, dst.kind === DstKind.LOCAL)) {
    netns.snmp[Snmp.IcmpOutRateLimitHost]!++;
    if (observer.wantsNotes) {
      observer.note(frame, `${netns.label}: no ICMP ${describe(type, code)} to ${formatIpv4(source)}: rate limit`);
    }
    return false;
  }
  const from = kind === DstKind.LOCAL ? destination : sourceOf(netns, dst, inbound, source);
  const room = Math.min(dst.mtu(netns), ICMP_MAX) - IPV4_HEADER - ICMP_HEADER;
  const quoted = Math.min(end - at, room);
  const tos = (view.getUint8(at + IPV4_TOS) & TOS_KEPT) | PRECEDENCE;
  const error = allocFrame(IPV4_HEADER + ICMP_HEADER + quoted);
  if (error === NO_FRAME) return false;
  const ip = frameStart[error]!;
  const icmp = ip + IPV4_HEADER;
  u8.copyWithin(icmp + ICMP_HEADER, at, at + quoted);
  writeIcmp(view, icmp, type, code, type === IcmpType.PARAMETER_PROBLEM ? info << 24 : info);
  view.setUint16(icmp + ICMP_CHECKSUM, ~sumArena(icmp, icmp + ICMP_HEADER + quoted) & 0xffff);
  const length = IPV4_HEADER + ICMP_HEADER + quoted;
  const id = netns.ipId.next(from, source, IpProtocol.ICMP);
  const ttl = netns.sysctl.ipv4.ip_default_ttl;
  writeIpv4Header(view, ip, tos, length, id, 0, ttl, IpProtocol.ICMP, from, source);
  netns.snmp[
    type === IcmpType.DEST_UNREACH
      ? Snmp.IcmpOutDestUnreachs
      : type === IcmpType.TIME_EXCEEDED
        ? Snmp.IcmpOutTimeExcds
        : Snmp.IcmpOutErrors
  ]!++;
  if (observer.wantsNotes) {
    framePacketId[error] = netns.world.nextPacketId();
    const about = framePacketId[frame]! === 0 ? '' : ` (packet ${framePacketId[frame]!})`;
    observer.note(
      error,
      `${netns.label}: ICMP ${describe(type, code)}, about ${formatIpv4(source)} > ${formatIpv4(destination)}${about}`,
    );
  }
  attachCt(error, frame);
  ipLocalOut(netns, error, dst, false);
  return true;
}

/** The address that the route back prefers, or with icmp_errors_use_inbound_ifaddr one of the device it came in by. */
function sourceOf(netns: NetNamespace, dst: Dst, inbound: InDevice | null, source: Ipv4): Ipv4 {
  if (inbound === null || netns.sysctl.ipv4.icmp_errors_use_inbound_ifaddr === 0) return dst.source;
  const own = netns.selectAddress(inbound, source, Scope.LINK);
  return own !== 0 ? own : dst.source;
}

/** ipv4_link_failure: the next hop does not answer ARP; whoever sent the packet is told. Takes the frame. */
export function linkFailure(netns: NetNamespace, frame: Frame, out: InDevice): void {
  icmpSend(netns, frame, IcmpType.DEST_UNREACH, IcmpUnreach.HOST, 0);
  netns.world.observer.drop(frame, DropReason.NEIGH_FAILED, netns.label, out.dev);
  freeFrame(frame);
}

/**
 * icmp_reply: an answer (echo reply, timestamp reply) to the packet in `frame`, whose ICMP part from `icmp` to `end` is
 * copied, then changed by `edit`; the frame stays the caller's.
 */
export function icmpReply(
  netns: NetNamespace,
  frame: Frame,
  idev: InDevice,
  icmp: number,
  end: number,
  edit: (icmp: number) => void,
): void {
  const at = frameStart[frame]!;
  const source = view.getInt32(at + IPV4_SOURCE);
  const destination = view.getInt32(at + IPV4_DESTINATION);
  const dst = netns.routes.lookup(source);
  // A source that is a broadcast address is answered as one (measured: without rp_filter Linux takes such packets).
  if (dst.kind > DstKind.BROADCAST) return;
  const from = netns.isLocal(destination) ? destination : idev.ownAddress(source, 253);
  if (from === 0) return;
  const size = end - icmp;
  const reply = allocFrame(IPV4_HEADER + size);
  if (reply === NO_FRAME) return;
  const ip = frameStart[reply]!;
  const body = ip + IPV4_HEADER;
  u8.copyWithin(body, icmp, end);
  edit(body);
  view.setUint16(body + ICMP_CHECKSUM, 0);
  view.setUint16(body + ICMP_CHECKSUM, ~sumArena(body, body + size) & 0xffff);
  const tos = view.getUint8(at + IPV4_TOS);
  const id = netns.ipId.next(from, source, IpProtocol.ICMP);
  writeIpv4Header(
    view,
    ip,
    tos,
    IPV4_HEADER + size,
    id,
    0,
    netns.sysctl.ipv4.ip_default_ttl,
    IpProtocol.ICMP,
    from,
    source,
  );
  frameMark[reply] = frameMark[frame]!;
  ipLocalOut(netns, reply, dst, false);
}

const UNREACH_TEXT = [
  'net unreachable',
  'host unreachable',
  'protocol unreachable',
  'port unreachable',
  'fragmentation needed',
  'source route failed',
  'net unknown',
  'host unknown',
  'host isolated',
  'net prohibited',
  'host prohibited',
  'net unreachable for TOS',
  'host unreachable for TOS',
  'packet filtered',
  'precedence violation',
  'precedence cut-off',
];

/** An ICMP error in words. */
function describe(type: number, code: number): string {
  if (type === IcmpType.DEST_UNREACH) return UNREACH_TEXT[code] ?? `unreachable (code ${code})`;
  if (type === IcmpType.TIME_EXCEEDED) return code === 0 ? 'time exceeded (TTL)' : 'time exceeded (reassembly)';
  if (type === IcmpType.REDIRECT) return 'redirect';
  if (type === IcmpType.PARAMETER_PROBLEM) return 'parameter problem';
  return `type ${type} code ${code}`;
}
