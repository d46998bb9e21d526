// veth: a pair of devices, each the other end of the same cable (drivers/net/veth.c). What one transmits the other
// receives after the cable's delay; either has carrier only while both are up.

import type { Mac } from '../addr/mac.ts';
import { DropReason } from '../base/drop-reason.ts';
import type { DelayLine, Ns } from '../sim/sim.ts';
import { DeviceEvent, DeviceKind, type LinkHost, NetDevice, type Transmitter } from './device.ts';
import type { Frame } from './frame.ts';
import * as frames from './frame.ts';
import { scrubFrame } from './frame.ts';

// Constants of this module: V8 folds those into the packet path, imported bindings it does not (link/frame.ts).
const { frameEnd, frameHash, frameStart } = frames;

/**
 * Time a frame takes across a plain veth pair: the kernel's softirq hop, of the order measured on the golden captures.
 * It is constant, so all plain pairs share one delay line.
 */
export const VETH_DELAY: Ns = 2_000;

/** Ethernet header and one VLAN tag on top of the MTU: what is_skb_forwardable lets in (net/core/dev.c). */
const L2_ALLOWANCE = 18;

export class VethEnd implements Transmitter {
  readonly peer: NetDevice;
  /** The pair stands for a cable between two machines: what a kernel knows of a packet does not travel with its bytes. */
  betweenMachines = false;
  readonly #line: DelayLine;

  constructor(host: LinkHost, peer: NetDevice) {
    this.peer = peer;
    this.#line = host.sim.line(VETH_DELAY);
  }

  transmit(frame: Frame, dev: NetDevice): void {
    if (frameEnd[frame]! - frameStart[frame]! > this.peer.mtu + L2_ALLOWANCE) {
      this.peer.stats.rxDropped++;
      dev.end(frame, DropReason.PKT_TOO_BIG);
      return;
    }
    // __dev_forward_skb: what this end's stack knew of the packet stays here.
    scrubFrame(frame, this.peer.owner !== dev.owner);
    if (this.betweenMachines) frameHash[frame] = 0;
    this.#line.push(this.peer, frame);
  }
}

export interface VethSide {
  readonly name: string;
  readonly mac: Mac;
  readonly mtu: number;
  readonly owner: string;
}

/** Both ends, down. */
export function createVethPair(host: LinkHost, a: VethSide, b: VethSide): [NetDevice, NetDevice] {
  const left = new NetDevice(host, { ...a, kind: DeviceKind.VETH });
  const right = new NetDevice(host, { ...b, kind: DeviceKind.VETH });
  left.setLower(new VethEnd(host, right));
  right.setLower(new VethEnd(host, left));
  const follow = (event: DeviceEvent): void => {
    if (event !== DeviceEvent.UP && event !== DeviceEvent.DOWN) return;
    const on = left.up && right.up;
    left.setCarrier(on);
    right.setCarrier(on);
  };
  left.listen(follow);
  right.listen(follow);
  return [left, right];
}

/** Declares a new pair to be a cable between two machines. */
export function joinMachines(pair: readonly [NetDevice, NetDevice]): void {
  for (const dev of pair) if (dev.lower instanceof VethEnd) dev.lower.betweenMachines = true;
}

/** The other end of a veth device, or null for another kind. */
export function vethPeer(dev: NetDevice): NetDevice | null {
  let at: Transmitter & { inner?: Transmitter } = dev.lower;
  while (at.inner !== undefined) at = at.inner;
  return at instanceof VethEnd ? at.peer : null;
}
