// What a bridge does with a frame: one that came in at a port (br_handle_frame, br_handle_frame_finish: br_input.c), and one
// of the host (br_dev_xmit: br_device.c). Learn the source, look the destination up, forward, flood or hand up.

import { formatMac, macOf } from '../addr/mac.ts';
import { DropReason } from '../base/drop-reason.ts';
import { MISSING } from '../base/int-table.ts';
import { jiffiesAt } from '../sim/jiffies.ts';
import * as ethernet from '../wire/ethernet.ts';
import type { Bridge } from './bridge.ts';
import { BridgePacket, flood, forward } from './bridge-forward.ts';
import { snoopingRefuses } from './bridge-multicast.ts';
import { type BridgePort, PortState } from './bridge-port.ts';
import { FdbFlag } from './fdb.ts';
import type { Frame } from './frame.ts';
import * as frames from './frame.ts';

// Constants of this module: V8 folds those into the packet path, imported bindings it does not (link/frame.ts).
const { ETH_DESTINATION, ETH_HEADER, ETH_SOURCE, ETH_TYPE, EtherType } = ethernet;
const { FrameNf, frameEnd, frameNf, framePort, frameStart, NO_FRAME, view } = frames;

/** 01:80:c2:00:00:00 to :0f (IEEE 802.1D table 7-10) */
const LINK_LOCAL_HI = 0x0180;
const LINK_LOCAL_LO = 0xc2000000 | 0;
/** Last byte of the groups with rules of their own. */
const BRIDGE_GROUP = 0x00;
const MAC_CONTROL = 0x01;
/** Group bit of the high half of a MAC. */
const GROUP_BIT = 0x0100;

/** A frame of the host; ownership passes. Nothing is learned from it. */
export function bridgeTransmit(frame: Frame, bridge: Bridge): void {
  const dev = bridge.dev;
  if (framePort[frame] !== 0 && (frameNf[frame]! & FrameNf.BRIDGED_DNAT) !== 0 && bridge.netfilter !== null) {
    const port = bridge.netfilter.resume(frame);
    if (port !== null) finish(frame, port);
    return;
  }
  const at = frameStart[frame]!;
  if (frameEnd[frame]! - at < ETH_HEADER) {
    dev.end(frame, DropReason.PKT_TOO_SMALL);
    return;
  }
  const hi = view.getUint16(at + ETH_DESTINATION);
  const lo = view.getInt32(at + ETH_DESTINATION + 2);
  if (hi & GROUP_BIT) {
    if (spoilt(frame, bridge, hi, lo)) dev.end(frame, DropReason.IP_INHDR);
    else flood(frame, bridge.ports, null, dev, groupPacket(hi, lo), false);
    return;
  }
  const slot = bridge.fdb.find(hi, lo);
  if (slot !== MISSING) {
    forward(frame, bridge.byNumber[bridge.fdb.port[slot]!]!, null, dev, false);
    return;
  }
  noteFlood(frame, bridge, hi, lo);
  flood(frame, bridge.ports, null, dev, BridgePacket.UNICAST, false);
}

/** A frame came in at a port; ownership passes. */
export function bridgeInput(frame: Frame, port: BridgePort): void {
  const at = frameStart[frame]!;
  if (frameEnd[frame]! - at < ETH_HEADER) {
    port.dev.end(frame, DropReason.PKT_TOO_SMALL);
    return;
  }
  const srcHi = view.getUint16(at + ETH_SOURCE);
  const srcLo = view.getInt32(at + ETH_SOURCE + 2);
  if (srcHi & GROUP_BIT || (srcHi | srcLo) === 0) {
    port.dev.end(frame, DropReason.MAC_INVALID_SOURCE);
    return;
  }
  const bridge = port.bridge;
  const hi = view.getUint16(at + ETH_DESTINATION);
  const lo = view.getInt32(at + ETH_DESTINATION + 2);
  if (hi === LINK_LOCAL_HI && (lo & ~0xf) === LINK_LOCAL_LO && !forwardsLinkLocal(lo & 0xf, port)) {
    linkLocal(frame, port, srcHi, srcLo, lo & 0xf);
    return;
  }
  if (!learns(port)) {
    port.dev.end(frame, DropReason.BRIDGE_PORT_STATE);
    return;
  }
  const netfilter = bridge.netfilter;
  if (netfilter !== null && view.getUint16(at + ETH_TYPE) === EtherType.IPV4 && netfilter.active) {
    const passed = netfilter.preRouting(frame, port);
    if (passed !== NO_FRAME) finish(passed, port);
    return;
  }
  finish(frame, port);
}

/** br_handle_frame_finish(): learn, look up, forward, flood or up. */
function finish(frame: Frame, port: BridgePort): void {
  const bridge = port.bridge;
  const at = frameStart[frame]!;
  const hi = view.getUint16(at + ETH_DESTINATION);
  const lo = view.getInt32(at + ETH_DESTINATION + 2);
  if (port.learning) learn(frame, port, view.getUint16(at + ETH_SOURCE), view.getInt32(at + ETH_SOURCE + 2));
  if (port.state === PortState.LEARNING) {
    port.dev.end(frame, DropReason.BRIDGE_PORT_STATE);
    return;
  }
  const dev = bridge.dev;
  // A promiscuous bridge device hands everything up; otherwise only what is for the host.
  let up = dev.promiscuity > 0;
  if (hi & GROUP_BIT) {
    if (spoilt(frame, bridge, hi, lo)) {
      port.dev.end(frame, DropReason.IP_INHDR);
      return;
    }
    up = true;
    flood(frame, bridge.ports, port, dev, groupPacket(hi, lo), true);
  } else {
    const fdb = bridge.fdb;
    const slot = fdb.find(hi, lo);
    if (slot === MISSING) {
      noteFlood(frame, bridge, hi, lo);
      flood(frame, bridge.ports, port, dev, BridgePacket.UNICAST, up);
    } else if (fdb.flags[slot]! & FdbFlag.LOCAL) {
      up = true;
    } else {
      fdb.used[slot] = jiffiesAt(dev.host.sim.now);
      forward(frame, bridge.byNumber[fdb.port[slot]!]!, port, dev, up);
    }
  }
  if (up) dev.receive(frame);
}

/** A multicast that snooping refuses; broadcasts are not looked at. */
function spoilt(frame: Frame, bridge: Bridge, hi: number, lo: number): boolean {
  if (!bridge.mcastSnooping || groupPacket(hi, lo) === BridgePacket.BROADCAST) return false;
  const at = frameStart[frame]!;
  return snoopingRefuses(view.getUint16(at + ETH_TYPE), at + ETH_HEADER, frameEnd[frame]!);
}

function groupPacket(hi: number, lo: number): BridgePacket {
  return hi === 0xffff && lo === -1 ? BridgePacket.BROADCAST : BridgePacket.MULTICAST;
}

/** nbp_state_should_learn() */
function learns(port: BridgePort): boolean {
  return port.state === PortState.FORWARDING || port.state === PortState.LEARNING;
}

/** Whether a link-local group is treated like any other. `last` is the low nibble of the address. */
function forwardsLinkLocal(last: number, port: BridgePort): boolean {
  if (last === BRIDGE_GROUP) return true; // STP is off: other bridges' BPDUs must get through, or loops stay unseen
  if (last === MAC_CONTROL) return false;
  return ((port.bridge.groupFwdMask | port.groupFwdMask) & (1 << last)) !== 0;
}

/** A link-local group that is not forwarded: for the protocols of the port's own device; pause frames for nobody. */
function linkLocal(frame: Frame, port: BridgePort, srcHi: number, srcLo: number, last: number): void {
  if (last === MAC_CONTROL) {
    port.dev.end(frame, DropReason.BRIDGE_LINK_LOCAL);
    return;
  }
  if (port.learning && learns(port) && !port.bridge.noLinkLocalLearn) {
    learn(frame, port, srcHi, srcLo);
  }
  port.pass(frame);
}

/** br_fdb_update(): the source is behind this port, from now on. */
function learn(frame: Frame, port: BridgePort, hi: number, lo: number): void {
  const bridge = port.bridge;
  if (bridge.hold === 0) return; // ageing_time 0: some want a hub
  const fdb = bridge.fdb;
  const slot = fdb.find(hi, lo);
  const now = jiffiesAt(bridge.dev.host.sim.now);
  if (slot === MISSING) {
    fdb.create(hi, lo, { port: port.portNo, flags: FdbFlag.DYNAMIC_LEARNED, now });
    return;
  }
  const flags = fdb.flags[slot]!;
  if (flags & FdbFlag.LOCAL) {
    const { observer } = bridge.dev.host;
    if (observer.wantsNotes) {
      observer.note(
        frame,
        `${bridge.dev.name}: came in at ${port.dev.name} with the bridge's own address as its source`,
      );
    }
    return;
  }
  fdb.updated[slot] = now;
  if (fdb.port[slot] === port.portNo || flags & FdbFlag.STICKY) return;
  noteMove(frame, port, slot);
  fdb.port[slot] = port.portNo;
}

function noteMove(frame: Frame, port: BridgePort, slot: number): void {
  const { dev, fdb, byNumber } = port.bridge;
  if (!dev.host.observer.wantsNotes) return;
  const from = byNumber[fdb.port[slot]!]?.dev.name ?? dev.name;
  dev.host.observer.note(
    frame,
    `${dev.name}: station ${formatMac(fdb.mac(slot))} moved from ${from} to ${port.dev.name}`,
  );
}

function noteFlood(frame: Frame, bridge: Bridge, hi: number, lo: number): void {
  const { observer } = bridge.dev.host;
  if (!observer.wantsNotes) return;
  observer.note(frame, `${bridge.dev.name}: flooded, nobody has learned where ${formatMac(macOf(hi, lo))} is`);
}
