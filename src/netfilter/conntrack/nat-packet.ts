// Network address translation, the rewriting (net/netfilter/nf_nat_proto.c): a packet is made to look like the other side
// of its connection's tuple. Checksums follow incrementally (RFC 1624), so wrong ones stay wrong; UDP without a checksum
// stays without. ICMP errors have the packet that they quote rewritten too, the other way round.

import { formatIpv4, type Ipv4 } from '../../addr/ipv4.ts';
import { DropReason } from '../../base/drop-reason.ts';
import * as frames from '../../link/frame.ts';
import { sumArena } from '../../link/frame.ts';
import { update16, update32 } from '../../wire/checksum.ts';
import * as icmp from '../../wire/icmp.ts';
import * as ipv4 from '../../wire/ipv4.ts';
import * as tcp from '../../wire/tcp.ts';
import * as udp from '../../wire/udp.ts';
import { type HOOK_STOLEN, Hook } from '../hook.ts';
import type { Packet } from '../packet.ts';
import { hasPorts, inverseIcmpType, UDPLITE } from './conntrack-protocol.ts';
import { NatManip, natInitialized, natNullBinding } from './nat.ts';
import { CtDir, CtInfo, CtStatus, ctDirection, ctInfoOf, ctOf, type NfConn } from './nf-conn.ts';
import { badTransportChecksum } from './transport-checksum.ts';

const { view } = frames;
const { ICMP_CHECKSUM, ICMP_HEADER, ICMP_ID, ICMP_TYPE, IcmpType } = icmp;
const { IPV4_CHECKSUM, IPV4_DESTINATION, IPV4_PROTOCOL, IPV4_SOURCE, IpProtocol } = ipv4;
const { TCP_CHECKSUM, TCP_HEADER } = tcp;
const { UDP_CHECKSUM, UDP_HEADER } = udp;

/** A rule table asked for a new connection: what stands in the nat table at this hook. */
export type NatRules = (packet: Packet) => DropReason | typeof HOOK_STOLEN;

/** HOOK2MANIP */
function manipOf(hook: Hook): NatManip {
  return hook === Hook.POST_ROUTING || hook === Hook.LOCAL_IN ? NatManip.SOURCE : NatManip.DESTINATION;
}

/** nf_nat_ipv4_fn(): the NAT hook. `rules` is asked once per connection and side. */
export function natHook(packet: Packet, rules: NatRules): DropReason | typeof HOOK_STOLEN {
  const { frame, hook } = packet;
  const ct = ctOf(frame);
  if (ct === null) return 0;
  const info = ctInfoOf(frame) as CtInfo;
  const manip = manipOf(hook);
  if (info === CtInfo.RELATED || info === CtInfo.RELATED_REPLY) {
    if (packet.protocol === IpProtocol.ICMP) {
      return rewriteIcmpError(packet, ct, info, manip) ? 0 : DropReason.NAT_ICMP_INVALID;
    }
  }
  if (info === CtInfo.NEW || info === CtInfo.RELATED || info === CtInfo.RELATED_REPLY) {
    if (!natInitialized(ct, manip)) {
      const verdict = rules(packet);
      if (verdict !== 0) return verdict;
      if (!natInitialized(ct, manip)) natNullBinding(ct, manip);
      if (ct.conntrack.host.wantsNotes) noteMapping(packet, ct, manip);
      return rewrite(packet, ct, info, manip);
    }
  } else if (
    packet.protocol === IpProtocol.UDP &&
    manip === NatManip.DESTINATION &&
    info === CtInfo.ESTABLISHED &&
    (ct.status & CtStatus.DST_NAT) !== 0 &&
    ct.conntrack.host.wantsNotes
  ) {
    // UDP flows have no end that a reader could see: who asks why a datagram went there finds the answer in its comment.
    noteMapping(packet, ct, manip, ', as it was chosen when the flow began');
  }
  if (
    hook === Hook.POST_ROUTING &&
    ct.masqIndex !== 0 &&
    ct.masqIndex !== packet.outDevice &&
    ctDirection(info) === CtDir.ORIGINAL
  ) {
    // nf_nat_oif_changed(): masqueraded to the address of a device that it no longer leaves by, answered or not.
    ct.conntrack.account(ct, packet, info);
    ct.conntrack.kill(ct, false);
    return DropReason.NAT_DEVICE_CHANGED;
  }
  return rewrite(packet, ct, info, manip);
}

/** nf_nat_packet(): what cannot be rewritten is dropped, it would go out with the address that NAT hides. */
function rewrite(packet: Packet, ct: NfConn, info: CtInfo, manip: NatManip): DropReason {
  const reply = ctDirection(info) === CtDir.REPLY;
  const source = (manip === NatManip.SOURCE) !== reply;
  if ((ct.status & (source ? CtStatus.SRC_NAT : CtStatus.DST_NAT)) === 0) return 0;
  // The packet becomes the answer turned round, as its other end knows it.
  if (manip === NatManip.SOURCE) {
    const address = reply ? ct.oDst : ct.rDst;
    const port = ct.proto === IpProtocol.ICMP ? (reply ? ct.oSport : ct.rSport) : reply ? ct.oDport : ct.rDport;
    if (!mangle(packet.at, packet.end, true, address, port, unfinished(packet, ct))) return DropReason.NAT_TOO_SHORT;
  } else {
    const address = reply ? ct.oSrc : ct.rSrc;
    const port = ct.proto === IpProtocol.ICMP ? (reply ? ct.oSport : ct.rSport) : reply ? ct.oSport : ct.rSport;
    if (!mangle(packet.at, packet.end, false, address, port, unfinished(packet, ct))) return DropReason.NAT_TOO_SHORT;
  }
  packet.reload();
  return 0;
}

/** The bug nat-tunnel-udp-checksum strikes: the checksum is left as it was. */
function unfinished(packet: Packet, ct: NfConn): boolean {
  const { partialFrame } = ct.conntrack.host;
  return partialFrame !== 0 && partialFrame === packet.frame;
}

/**
 * nf_nat_ipv4_manip_pkt(): address and port (ICMP: identifier) of one end of the packet at `at`, with all checksums.
 * A TCP checksum outside of [at, end) is left alone (ICMP quotes no more than eight bytes for sure). False: ports are not
 * there, nothing was changed.
 */
function mangle(at: number, end: number, source: boolean, address: Ipv4, port: number, unfinished = false): boolean {
  const field = at + (source ? IPV4_SOURCE : IPV4_DESTINATION);
  const old = view.getInt32(field);
  const protocol = view.getUint8(at + IPV4_PROTOCOL);
  const transport = at + (view.getUint8(at) & 15) * 4;
  if (protocol === IpProtocol.ICMP) mangleIcmp(transport, end, port);
  else if (hasPorts(protocol)) {
    if (transport + 8 > end) return false;
    const portAt = transport + (source ? 0 : 2);
    const oldPort = view.getUint16(portAt);
    view.setUint16(portAt, port);
    const checksumAt = checksumOf(protocol, transport, end);
    if (checksumAt !== 0 && !unfinished) {
      const before = view.getUint16(checksumAt);
      const after = update16(update32(before, old, address), oldPort, port);
      // RFC 768: zero means "no checksum"; it stays that, and a computed zero is sent as all ones.
      if (protocol === IpProtocol.TCP) view.setUint16(checksumAt, after);
      else if (before !== 0) view.setUint16(checksumAt, after === 0 ? 0xffff : after);
    }
  }
  view.setInt32(field, address);
  view.setUint16(at + IPV4_CHECKSUM, update32(view.getUint16(at + IPV4_CHECKSUM), old, address));
  return true;
}

/** Where the transport checksum stands that covers the addresses; 0 when it is not there, or needs more than the addresses. */
function checksumOf(protocol: number, transport: number, end: number): number {
  if (protocol === IpProtocol.TCP) return transport + TCP_HEADER <= end ? transport + TCP_CHECKSUM : 0;
  if (protocol === IpProtocol.UDP || protocol === UDPLITE) {
    return transport + UDP_HEADER <= end ? transport + UDP_CHECKSUM : 0;
  }
  // SCTP's CRC and DCCP's checksum are not carried on.
  return 0;
}

/** icmp_manip_pkt(): only requests and answers have an identifier. */
function mangleIcmp(transport: number, end: number, id: number): void {
  if (transport + ICMP_HEADER > end || inverseIcmpType(view.getUint8(transport + ICMP_TYPE)) < 0) return;
  const before = view.getUint16(transport + ICMP_ID);
  view.setUint16(transport + ICMP_ID, id);
  view.setUint16(transport + ICMP_CHECKSUM, update16(view.getUint16(transport + ICMP_CHECKSUM), before, id));
}

/** nf_nat_icmp_reply_translation(): the outer address one way, the quoted packet the other way. False: to be dropped. */
function rewriteIcmpError(packet: Packet, ct: NfConn, info: CtInfo, manip: NatManip): boolean {
  const { at, end, transport } = packet;
  if (transport + ICMP_HEADER + ipv4.IPV4_HEADER > end || badTransportChecksum(packet)) return false;
  if (view.getUint8(transport + ICMP_TYPE) === IcmpType.REDIRECT) {
    // A redirect for an address that the sender does not know would only confuse.
    if ((ct.status & CtStatus.NAT_DONE_MASK) !== CtStatus.NAT_DONE_MASK) return false;
    if ((ct.status & CtStatus.NAT_MASK) !== 0) return false;
  }
  const reply = ctDirection(info) === CtDir.REPLY;
  const outerSource = manip === NatManip.SOURCE;
  if ((ct.status & (outerSource !== reply ? CtStatus.SRC_NAT : CtStatus.DST_NAT)) === 0) return true;
  // The quoted packet went the other way: its other end is the one that this hook rewrites.
  const isIcmp = ct.proto === IpProtocol.ICMP;
  const quoted = transport + ICMP_HEADER;
  if (outerSource) {
    const address = reply ? ct.oDst : ct.rDst;
    const port = isIcmp ? (reply ? ct.oSport : ct.rSport) : reply ? ct.oDport : ct.rDport;
    if (!mangle(quoted, end, false, address, port)) return false;
  } else {
    const address = reply ? ct.oSrc : ct.rSrc;
    const port = isIcmp ? (reply ? ct.oSport : ct.rSport) : reply ? ct.oSport : ct.rSport;
    if (!mangle(quoted, end, true, address, port)) return false;
  }
  view.setUint16(transport + ICMP_CHECKSUM, 0);
  view.setUint16(transport + ICMP_CHECKSUM, ~sumArena(transport, end) & 0xffff);
  const field = at + (outerSource ? IPV4_SOURCE : IPV4_DESTINATION);
  const old = view.getInt32(field);
  const address = outerSource ? (reply ? ct.oDst : ct.rDst) : reply ? ct.oSrc : ct.rSrc;
  view.setInt32(field, address);
  view.setUint16(at + IPV4_CHECKSUM, update32(view.getUint16(at + IPV4_CHECKSUM), old, address));
  packet.reload();
  return true;
}

/** Tells a reader of the capture what became of a new connection. */
function noteMapping(packet: Packet, ct: NfConn, manip: NatManip, since = ''): void {
  const { host } = ct.conntrack;
  const ports = hasPorts(ct.proto);
  if (manip === NatManip.DESTINATION) {
    if ((ct.status & CtStatus.DST_NAT) === 0) return;
    const port = ports ? `:${ct.oDport}` : '';
    const to = ports ? `:${ct.rSport}` : '';
    host.note(packet.frame, `${host.label}: DNAT ${formatIpv4(ct.oDst)}${port} -> ${formatIpv4(ct.rSrc)}${to}${since}`);
    return;
  }
  if ((ct.status & CtStatus.SRC_NAT) === 0) return;
  const from = ports ? `:${ct.oSport}` : ct.proto === IpProtocol.ICMP ? ` id ${ct.oSport}` : '';
  const to = ports ? `:${ct.rDport}` : ct.proto === IpProtocol.ICMP ? ` id ${ct.rSport}` : '';
  const what = ct.masqIndex !== 0 ? 'MASQUERADE' : 'SNAT';
  host.note(packet.frame, `${host.label}: ${what} ${formatIpv4(ct.oSrc)}${from} -> ${formatIpv4(ct.rDst)}${to}`);
}
