// What a VXLAN device does with a datagram that carried its VNI (drivers/net/vxlan/vxlan_core.c vxlan_rcv, vxlan_snoop;
// RFC 7348 section 4.2): takes the inner frame out in place, learns which VTEP its source is behind, hands it up.

import { formatIpv4, type Ipv4 } from '../addr/ipv4.ts';
import { formatMac, macOf } from '../addr/mac.ts';
import { DropReason } from '../base/drop-reason.ts';
import type { Frame } from '../link/frame.ts';
import * as frames from '../link/frame.ts';
import { scrubFrame } from '../link/frame.ts';
import * as ethernet from '../wire/ethernet.ts';
import * as ipv4 from '../wire/ipv4.ts';
import { ecnDecapsulate, innerProtocol } from './ip-tunnel.ts';
import type { Vxlan } from './vxlan.ts';
import { newRemote } from './vxlan-fdb.ts';

// Constants of this module: V8 folds those into the packet path, imported bindings it does not (link/frame.ts).
const { frameDepth, frameEnd, frameStart, view } = frames;
const { ETH_HEADER, ETH_SOURCE, ETH_TYPE } = ethernet;
const { IPV4_SOURCE, IPV4_TOS } = ipv4;

/** Tunnel layers taken off one frame within a host; Linux has no such limit on receipt, ours keeps a hostile frame finite. */
const LAYERS_MAX = 4;
/** Learnt addresses when `maxaddress` is not given; a choice (Linux: no limit). */
const ADDRESSES_MAX = 65_536;
/** Group bit of the high half of a MAC. */
const GROUP_BIT = 0x0100;

/** The inner frame begins at `inner`; frameStart is still at the outer IPv4 header. Takes ownership. */
export function vxlanReceive(vxlan: Vxlan, frame: Frame, inner: number): void {
  const { dev } = vxlan;
  const outer = frameStart[frame]!;
  const end = frameEnd[frame]!;
  if (end - inner < ETH_HEADER) {
    dev.end(frame, DropReason.PKT_TOO_SMALL);
    return;
  }
  if (frameDepth[frame]! >= LAYERS_MAX) {
    dev.end(frame, DropReason.VXLAN_RECURSION);
    return;
  }
  const hi = view.getUint16(inner + ETH_SOURCE);
  const lo = view.getInt32(inner + ETH_SOURCE + 2);
  if (hi === dev.macHi && lo === dev.macLo) {
    dev.end(frame, DropReason.MAC_INVALID_SOURCE);
    return;
  }
  if (vxlan.learning) {
    const reason = vxlanSnoop(vxlan, frame, hi, lo, view.getInt32(outer + IPV4_SOURCE));
    if (reason !== DropReason.NOT_DROPPED) {
      dev.end(frame, reason);
      return;
    }
  }
  const ip = inner + ETH_HEADER;
  const protocol = innerProtocol(view.getUint16(inner + ETH_TYPE), ip, end);
  if (!ecnDecapsulate(view.getUint8(outer + IPV4_TOS), protocol, ip)) {
    dev.end(frame, DropReason.IP_TUNNEL_ECN);
    return;
  }
  frameStart[frame] = inner;
  frameDepth[frame]!++;
  scrubFrame(frame, dev.owner !== vxlan.netns.label);
  dev.receive(frame);
}

/** vxlan_snoop: the source MAC is behind this VTEP. NOT_DROPPED, or the reason to drop. */
export function vxlanSnoop(vxlan: Vxlan, frame: Frame, hi: number, lo: number, remote: Ipv4): DropReason {
  if ((hi & GROUP_BIT) !== 0 || (hi === 0 && lo === 0)) return DropReason.MAC_INVALID_SOURCE;
  const { dev, fdb } = vxlan;
  const now = dev.host.sim.now;
  const entry = fdb.find(hi, lo);
  if (entry !== null) {
    const first = entry.remotes[0]!;
    if (first.ip === remote) {
      entry.updated = now;
      return DropReason.NOT_DROPPED;
    }
    if (entry.state !== 'reachable') return DropReason.VXLAN_ENTRY_EXISTS;
    if (dev.host.observer.wantsNotes) {
      dev.host.observer.note(
        frame,
        `${dev.label}: ${formatMac(entry.mac)} moved from VTEP ${formatIpv4(first.ip)} to ${formatIpv4(remote)}`,
      );
    }
    first.ip = remote;
    entry.updated = now;
    return DropReason.NOT_DROPPED;
  }
  const limit = vxlan.maxAddresses !== 0 ? vxlan.maxAddresses : ADDRESSES_MAX;
  if (fdb.size < limit) fdb.create(macOf(hi, lo), 'reachable', newRemote(remote, 0, -1, 0), now);
  return DropReason.NOT_DROPPED;
}
