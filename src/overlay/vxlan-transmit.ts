// What a VXLAN device does with a frame to send (drivers/net/vxlan/vxlan_core.c vxlan_xmit, vxlan_xmit_one; RFC 7348
// section 4.1): looks up who has the destination, prepends the outer headers in place, sends it as its namespace's own.

import { IPV4_LOOPBACK, isMulticastIpv4 } from '../addr/ipv4.ts';
import { formatMac, macOf } from '../addr/mac.ts';
import { DropReason } from '../base/drop-reason.ts';
import * as frames from '../link/frame.ts';
import { cloneFrame, type Frame, headroom, scrubFrame, sumArena } from '../link/frame.ts';
import { endPacket, ipLocalOut } from '../stack/ip-output.ts';
import { updatePathMtu } from '../stack/path-mtu.ts';
import { type Dst, DstKind } from '../stack/route-cache.ts';
import * as sockets from '../stack/socket-table.ts';
import { finishUdp, pseudoSum } from '../wire/checksum.ts';
import * as ethernet from '../wire/ethernet.ts';
import * as ipv4 from '../wire/ipv4.ts';
import { writeIpv4Header } from '../wire/ipv4.ts';
import * as udpHeader from '../wire/udp.ts';
import { writeUdp } from '../wire/udp.ts';
import * as vxlanHeader from '../wire/vxlan.ts';
import { writeVxlan } from '../wire/vxlan.ts';
import { flowHash, flowSourcePort } from './flow-hash.ts';
import { ecnEncapsulate, innerDf, innerDsfield, innerProtocol, innerTtl } from './ip-tunnel.ts';
import type { Vxlan } from './vxlan.ts';
import type { VxlanRemote } from './vxlan-fdb.ts';
import { findVxlan } from './vxlan-port.ts';
import { vxlanSnoop } from './vxlan-receive.ts';

// Constants of this module: V8 folds those into the packet path, imported bindings it does not (link/frame.ts).
const { frameDepth, frameEnd, frameHash, frameStart, NO_FRAME, view } = frames;
const { ETH_DESTINATION, ETH_HEADER, ETH_SOURCE, ETH_TYPE, EtherType } = ethernet;
const { IPV4_DESTINATION, IPV4_DF, IPV4_HEADER, IPV4_PROTOCOL, IpProtocol } = ipv4;
const { UDP_CHECKSUM, UDP_HEADER } = udpHeader;
const { VXLAN_HEADER, VXLAN_OVERHEAD } = vxlanHeader;
const { PORT_HIGH, PORT_LOW } = sockets;
const KIND = DstKind;

/** Bytes in front of the inner frame: IPv4, UDP, VXLAN. */
const OUTER = IPV4_HEADER + UDP_HEADER + VXLAN_HEADER;
/** `tos inherit` */
const TOS_INHERIT = 1;

/** vxlan_xmit: to the VTEP that has the destination, or to everyone on the all-zeros list. Takes ownership. */
export function vxlanTransmit(vxlan: Vxlan, frame: Frame): void {
  const { dev, fdb } = vxlan;
  const at = frameStart[frame]!;
  const { observer, sim } = dev.host;
  if (frameEnd[frame]! - at < ETH_HEADER) {
    dev.stats.txDropped++;
    dev.end(frame, DropReason.PKT_TOO_SMALL);
    return;
  }
  const hi = view.getUint16(at + ETH_DESTINATION);
  const lo = view.getInt32(at + ETH_DESTINATION + 2);
  const entry = fdb.find(hi, lo) ?? fdb.find(0, 0);
  if (entry === null) {
    dev.stats.txDropped++;
    if (observer.wantsNotes) {
      observer.note(frame, `${dev.label}: no FDB entry for ${formatMac(macOf(hi, lo))} and no default remote`);
    }
    dev.end(frame, DropReason.VXLAN_NO_REMOTE);
    return;
  }
  entry.used = sim.now;
  const remotes = entry.remotes;
  for (let i = 1; i < remotes.length; i++) {
    const copy = cloneFrame(frame);
    if (copy === NO_FRAME) dev.stats.txDropped++;
    else encapsulate(vxlan, copy, remotes[i]!);
  }
  encapsulate(vxlan, frame, remotes[0]!);
}

/** vxlan_xmit_one */
function encapsulate(vxlan: Vxlan, frame: Frame, remote: VxlanRemote): void {
  const { dev, netns } = vxlan;
  const inner = frameStart[frame]!;
  const end = frameEnd[frame]!;
  const dst = routeTo(vxlan, remote);
  const kind = dst.kind;
  if (dst.out === null || (kind !== KIND.UNICAST && kind !== KIND.LOCAL && kind !== KIND.MULTICAST)) {
    dev.stats.txDropped++;
    dev.end(frame, DropReason.TUNNEL_NO_ROUTE);
    return;
  }
  if (dst.out.dev === dev) {
    dev.stats.txDropped++;
    dev.end(frame, DropReason.TUNNEL_TX_LOOP);
    return;
  }
  const source = vxlan.local !== 0 ? vxlan.local : dst.source;
  const port = remote.port !== 0 ? remote.port : vxlan.port;
  const vni = remote.vni >= 0 ? remote.vni : vxlan.vni;
  if (kind === KIND.LOCAL && port === vxlan.port) {
    bypass(vxlan, frame, vni);
    return;
  }
  if (headroom(frame) < OUTER + ETH_HEADER) {
    dev.stats.txDropped++;
    dev.end(frame, DropReason.VXLAN_RECURSION);
    return;
  }
  const packet = inner + ETH_HEADER;
  const protocol = innerProtocol(view.getUint16(inner + ETH_TYPE), packet, end);
  const dsfield = innerDsfield(protocol, packet);
  const tos = ecnEncapsulate(vxlan.tos === TOS_INHERIT ? dsfield : vxlan.tos, dsfield);
  const wanted = vxlan.ttl === 'inherit' ? innerTtl(protocol, packet) : vxlan.ttl;
  const ttl = wanted !== 0 ? wanted : isMulticastIpv4(remote.ip) ? 1 : netns.sysctl.ipv4.ip_default_ttl;
  const df = vxlan.df === 'set' || (vxlan.df === 'inherit' && innerDf(protocol, packet)) ? IPV4_DF : 0;
  const room = dst.mtu(netns) - VXLAN_OVERHEAD;
  if (end - packet > room && protocol === EtherType.IPV4 && dev.master === null) {
    // skb_tunnel_check_pmtu: the inner route learns that the way is narrower than its device; a bridged frame has no route.
    updatePathMtu(netns, view.getInt32(packet + IPV4_DESTINATION), room);
  }
  const low = vxlan.sourcePortHigh !== 0 ? vxlan.sourcePortLow : PORT_LOW;
  const high = vxlan.sourcePortHigh !== 0 ? vxlan.sourcePortHigh : PORT_HIGH;
  // skb_get_hash: the sending socket's own hash when it has one, else the dissector's.
  const known = frameHash[frame]!;
  const hash = known !== 0 ? known : flowHash(netns.machine.flowSecret, inner, end);
  const ip = inner - OUTER;
  const udp = ip + IPV4_HEADER;
  const length = end - udp;
  frameStart[frame] = ip;
  // iptunnel_xmit
  scrubFrame(frame, dev.owner !== netns.label);
  // The limit is on layers taken off; one put on again, as a router between tunnels does, is not one more.
  if (frameDepth[frame]! > 0) frameDepth[frame]!--;
  writeVxlan(view, inner - VXLAN_HEADER, vni);
  writeUdp(view, udp, flowSourcePort(hash, low, high), port, length, 0);
  if (vxlan.udpChecksum) {
    const sum = pseudoSum(source, remote.ip, IpProtocol.UDP, length) + sumArena(udp, end);
    view.setUint16(udp + UDP_CHECKSUM, finishUdp(sum));
  }
  const id = netns.ipId.next(source, remote.ip, IpProtocol.UDP);
  writeIpv4Header(view, ip, tos, end - ip, id, df, ttl, IpProtocol.UDP, source, remote.ip);
  if (source === 0) endPacket(netns, frame, DropReason.TUNNEL_NO_ROUTE, dst);
  else if (netns.machine.bugs.size !== 0 && leavesChecksum(vxlan, packet, protocol)) {
    netns.partialFrame = frame;
    ipLocalOut(netns, frame, dst, false, false);
    netns.partialFrame = 0;
  } else ipLocalOut(netns, frame, dst, false, false);
}

/** The inner packet's checksum would be left to the device (CHECKSUM_PARTIAL): TCP and UDP, while it does checksums. */
function leavesChecksum(vxlan: Vxlan, packet: number, protocol: number): boolean {
  if (
    !vxlan.dev.txChecksum ||
    protocol !== EtherType.IPV4 ||
    !vxlan.netns.machine.bugs.has('nat-tunnel-udp-checksum')
  ) {
    return false;
  }
  const inner = view.getUint8(packet + IPV4_PROTOCOL);
  return inner === IpProtocol.TCP || inner === IpProtocol.UDP;
}

/** udp_tunnel_dst_lookup: kept with the remote while the FIB stands. A group leaves by the device's link. */
function routeTo(vxlan: Vxlan, remote: VxlanRemote): Dst {
  const { netns } = vxlan;
  const known = remote.dst;
  if (known !== null && known.generation === netns.fib.generation && known.destination === remote.ip) return known;
  const link = isMulticastIpv4(remote.ip) ? vxlan.linkHere : null;
  const dst = link !== null ? netns.routes.through(remote.ip, link) : netns.routes.lookup(remote.ip);
  remote.dst = dst;
  return dst;
}

/**
 * vxlan_encap_bypass: the remote is this namespace itself; the frame goes to that device without a tunnel around it, and
 * its source is learnt as behind 127.0.0.1.
 */
function bypass(vxlan: Vxlan, frame: Frame, vni: number): void {
  const { dev, netns } = vxlan;
  const to = findVxlan(netns, vxlan.port, vni);
  if (to === null) {
    dev.stats.txDropped++;
    dev.end(frame, DropReason.VXLAN_VNI_NOT_FOUND);
    return;
  }
  if (to.learning) {
    const at = frameStart[frame]! + ETH_SOURCE;
    vxlanSnoop(to, frame, view.getUint16(at), view.getInt32(at + 2), IPV4_LOOPBACK);
  }
  netns.hold(frame, 0, (held) => to.dev.receive(held));
}
