// Forwarding of a bridge (net/bridge/br_forward.c): one frame to one port, or to all of them.

import { DropReason } from '../base/drop-reason.ts';
import { type BridgePort, PortState } from './bridge-port.ts';
import type { NetDevice } from './device.ts';
import * as frames from './frame.ts';
import { cloneFrame, type Frame, NO_FRAME } from './frame.ts';

const { framePort } = frames;

/** BR_PKT_*: which of a port's flood flags decides. */
export const BridgePacket = { UNICAST: 0, MULTICAST: 1, BROADCAST: 2 } as const;
export type BridgePacket = (typeof BridgePacket)[keyof typeof BridgePacket];

/** Why a frame may not leave by this port (should_deliver), or NOT_DROPPED. `source` is null for the host's own frames. */
function refuse(to: BridgePort, source: BridgePort | null): DropReason {
  if (to === source && !to.hairpin) return DropReason.BRIDGE_SAME_PORT;
  if (to.state !== PortState.FORWARDING) return DropReason.BRIDGE_PORT_STATE;
  if (source?.isolated && to.isolated) return DropReason.BRIDGE_ISOLATED;
  return DropReason.NOT_DROPPED;
}

/**
 * br_forward(): to the port of the destination. With `keep` the frame stays the caller's (a local copy follows).
 * @param to null for an entry of the bridge itself: only the host's own frames can meet it, and nothing is behind it
 */
export function forward(
  frame: Frame,
  to: BridgePort | null,
  source: BridgePort | null,
  bridge: NetDevice,
  keep: boolean,
): void {
  const reason = to === null ? DropReason.BRIDGE_NO_PORT : refuse(to, source);
  if (to === null || reason !== DropReason.NOT_DROPPED) {
    if (!keep) (source === null ? bridge : source.dev).end(frame, reason);
    return;
  }
  if (to === source && bridge.host.observer.wantsNotes) {
    bridge.host.observer.note(frame, `${bridge.name}: back out of ${to.dev.name}, where it came in (hairpin)`);
  }
  if (keep) deliverClone(frame, to, source, bridge);
  else deliver(frame, to, source);
}

/**
 * br_flood(): out of every port that takes it, in the order of the list (newest first). All but the last get a copy; the
 * last gets the frame itself, unless the caller keeps it.
 */
export function flood(
  frame: Frame,
  ports: readonly BridgePort[],
  source: BridgePort | null,
  bridge: NetDevice,
  packet: BridgePacket,
  keep: boolean,
): void {
  let reason: DropReason = DropReason.BRIDGE_NO_PORT;
  let previous: BridgePort | null = null;
  for (let i = 0; i < ports.length; i++) {
    const port = ports[i]!;
    const refused = floods(port, packet, source === null) ? refuse(port, source) : DropReason.BRIDGE_NO_FLOOD;
    if (refused !== DropReason.NOT_DROPPED) {
      if (port !== source) reason = refused;
      continue;
    }
    if (previous !== null && !deliverClone(frame, previous, source, bridge)) {
      // -ENOMEM ends the flood, as in maybe_deliver().
      if (!keep) bridge.end(frame, DropReason.NO_BUFFER);
      return;
    }
    previous = port;
  }
  if (previous === null) {
    if (!keep) (source === null ? bridge : source.dev).end(frame, reason);
  } else if (keep) deliverClone(frame, previous, source, bridge);
  else deliver(frame, previous, source);
}

/** The host's own groups and broadcasts go out even where flooding is off; its unknown unicast does not. */
function floods(port: BridgePort, packet: BridgePacket, ownFrame: boolean): boolean {
  if (packet === BridgePacket.UNICAST) return port.flood;
  if (packet === BridgePacket.MULTICAST) return port.mcastFlood || ownFrame;
  return port.bcastFlood || ownFrame;
}

/** __br_forward(): past netfilter when it has seen the frame come in. */
function deliver(frame: Frame, to: BridgePort, source: BridgePort | null): void {
  const { netfilter } = to.bridge;
  if (netfilter !== null && source !== null && framePort[frame] !== 0) netfilter.forward(frame, source, to);
  else to.transmit(frame);
}

/** deliver_clone(): false when there is no buffer; the bridge counts that. */
function deliverClone(frame: Frame, to: BridgePort, source: BridgePort | null, bridge: NetDevice): boolean {
  const copy = cloneFrame(frame);
  if (copy === NO_FRAME) {
    bridge.stats.txDropped++;
    return false;
  }
  deliver(copy, to, source);
  return true;
}
