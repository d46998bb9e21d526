// The net device (struct net_device): what a namespace sends through and receives from.
//
//            upper.input(frame, dev)          stack, or the bridge port when the device is enslaved
//                 ^            |
//        receive  |            v  transmit
//   ------------ NetDevice (counters, up, carrier, MTU) ------------
//                 ^            |
//                 |            v
//     delay line / bridge     lower.transmit(frame, dev)    veth end, bridge, VXLAN, loopback
//
// Capture, fault and trace wrap `upper` and `lower` (each wrapper has an `inner`); the device knows nothing of them.
// receive and transmit take ownership of the frame.

import type { Mac } from '../addr/mac.ts';
import { macHi, macLo } from '../addr/mac.ts';
import { DropReason } from '../base/drop-reason.ts';
import type { Rng } from '../base/rng.ts';
import type { FrameReceiver, Sim } from '../sim/sim.ts';
import * as frames from './frame.ts';
import { type Frame, freeFrame } from './frame.ts';

// Constants of this module: V8 folds those into the packet path, imported bindings it does not (link/frame.ts).
const { frameEnd, frameStart } = frames;

/** What devices and namespaces need of the world around them. */
export interface LinkHost {
  readonly sim: Sim;
  readonly observer: Observer;
  /** The seeded stream of this name: the same object for the same name. */
  rng(name: string): Rng;
  /** A fresh packet id, 1, 2, 3, ... in the order in which packets are born. */
  nextPacketId(): number;
}

/** Told of everything that happens to a frame beside plain forwarding. Must not keep or change the frame. */
export interface Observer {
  /** True when somebody reads notes: senders may skip building the text otherwise. */
  readonly wantsNotes: boolean;
  /** The frame ended at `dev` (or in the namespace `where`); it is still readable during the call. */
  drop(frame: Frame, reason: DropReason, where: string, dev: NetDevice | null): void;
  /** A remark that belongs to the frame: it becomes a packet comment. */
  note(frame: Frame, text: string): void;
}

export interface Transmitter {
  transmit(frame: Frame, dev: NetDevice): void;
}

export interface Handler {
  input(frame: Frame, dev: NetDevice): void;
}

/** A wrapper stands between the device and the real thing. */
export interface WrappingTransmitter extends Transmitter {
  inner: Transmitter;
}
export interface WrappingHandler extends Handler {
  inner: Handler;
}

export const DeviceKind = {
  LOOPBACK: 'loopback',
  VETH: 'veth',
  BRIDGE: 'bridge',
  VXLAN: 'vxlan',
  DUMMY: 'dummy',
} as const;
export type DeviceKind = (typeof DeviceKind)[keyof typeof DeviceKind];

/** NETDEV_* notifications, in the sense of include/linux/netdevice.h. */
export const DeviceEvent = {
  UP: 'up',
  DOWN: 'down',
  CARRIER: 'carrier',
  ADDRESS: 'address',
  MTU: 'mtu',
  UNREGISTER: 'unregister',
} as const;
export type DeviceEvent = (typeof DeviceEvent)[keyof typeof DeviceEvent];

/** Counters of `ip -s link`, kept as plain numbers. */
export interface DeviceStats {
  rxPackets: number;
  rxBytes: number;
  rxDropped: number;
  txPackets: number;
  txBytes: number;
  txDropped: number;
}

/** Drops what it is given: stands in until somebody takes the device. */
class Nobody implements Transmitter, Handler {
  transmit(frame: Frame, dev: NetDevice): void {
    dev.end(frame, DropReason.NO_CARRIER);
  }
  input(frame: Frame, dev: NetDevice): void {
    dev.end(frame, DropReason.UNHANDLED_PROTO);
  }
}
const NOBODY = new Nobody();

export interface NetDeviceOptions {
  readonly name: string;
  readonly kind: DeviceKind;
  readonly mac: Mac;
  readonly mtu: number;
  /** Label of the namespace: captures and reports say `owner/name`. */
  readonly owner: string;
}

export class NetDevice implements FrameReceiver {
  readonly host: LinkHost;
  name: string;
  readonly kind: DeviceKind;
  /** Set by the namespace that holds it; 1.. */
  index = 0;
  owner: string;
  mtu: number;
  #mac: Mac;
  /** First two bytes and last four of the MAC, for the packet path. */
  macHi: number;
  macLo: number;
  /** IFF_UP */
  up = false;
  /** IFF_LOWER_UP; the kind's code sets it with setCarrier. */
  carrier = false;
  /** The bridge device this is a port of, or null. */
  master: NetDevice | null = null;
  /** IFF_PROMISC count (a bridge port has one). */
  promiscuity = 0;
  /**
   * tx-checksum-ip-generic: transport checksums are left to the device. Bytes on a wire are the same either way; it is
   * kept for what old kernels get wrong about it (stack/kernel-bug.ts).
   */
  txChecksum = true;
  readonly stats: DeviceStats = { rxPackets: 0, rxBytes: 0, rxDropped: 0, txPackets: 0, txBytes: 0, txDropped: 0 };
  upper: Handler = NOBODY;
  lower: Transmitter = NOBODY;
  readonly #listeners: ((event: DeviceEvent, dev: NetDevice) => void)[] = [];

  constructor(host: LinkHost, options: NetDeviceOptions) {
    this.host = host;
    this.name = options.name;
    this.kind = options.kind;
    this.owner = options.owner;
    this.mtu = options.mtu;
    this.#mac = options.mac;
    this.macHi = macHi(options.mac);
    this.macLo = macLo(options.mac);
  }

  get mac(): Mac {
    return this.#mac;
  }

  /** `owner/name`, as captures and reports say it. */
  get label(): string {
    return `${this.owner}/${this.name}`;
  }

  /** Sends the frame; ownership passes. */
  transmit(frame: Frame): void {
    if (!this.up) {
      this.stats.txDropped++;
      this.end(frame, DropReason.DEV_DOWN);
      return;
    }
    if (!this.carrier) {
      this.stats.txDropped++;
      this.end(frame, DropReason.NO_CARRIER);
      return;
    }
    const stats = this.stats;
    stats.txPackets++;
    stats.txBytes += frameEnd[frame]! - frameStart[frame]!;
    this.lower.transmit(frame, this);
  }

  /** A frame has arrived from the cable (or from the bridge below); ownership passes. */
  receive(frame: Frame): void {
    if (!this.up) {
      this.stats.rxDropped++;
      this.end(frame, DropReason.DEV_DOWN);
      return;
    }
    const stats = this.stats;
    stats.rxPackets++;
    stats.rxBytes += frameEnd[frame]! - frameStart[frame]!;
    this.upper.input(frame, this);
  }

  /** Ends the frame here: reported with its reason, then freed. */
  end(frame: Frame, reason: DropReason): void {
    this.host.observer.drop(frame, reason, this.owner, this);
    freeFrame(frame);
  }

  /** Sets what stands above, behind any wrappers. */
  setUpper(handler: Handler): void {
    const wrapper = innermost(this.upper);
    if (wrapper === null) this.upper = handler;
    else wrapper.inner = handler;
  }

  /** Sets what stands below, behind any wrappers. */
  setLower(transmitter: Transmitter): void {
    const wrapper = innermost(this.lower);
    if (wrapper === null) this.lower = transmitter;
    else wrapper.inner = transmitter;
  }

  setMac(mac: Mac): void {
    this.#mac = mac;
    this.macHi = macHi(mac);
    this.macLo = macLo(mac);
    this.notify(DeviceEvent.ADDRESS);
  }

  setMtu(mtu: number): void {
    this.mtu = mtu;
    this.notify(DeviceEvent.MTU);
  }

  setUp(up: boolean): void {
    if (this.up === up) return;
    this.up = up;
    this.notify(up ? DeviceEvent.UP : DeviceEvent.DOWN);
  }

  setCarrier(carrier: boolean): void {
    if (this.carrier === carrier) return;
    this.carrier = carrier;
    this.notify(DeviceEvent.CARRIER);
  }

  /** Listeners are called in the order in which they came. */
  listen(listener: (event: DeviceEvent, dev: NetDevice) => void): void {
    this.#listeners.push(listener);
  }

  unlisten(listener: (event: DeviceEvent, dev: NetDevice) => void): void {
    const i = this.#listeners.indexOf(listener);
    if (i >= 0) this.#listeners.splice(i, 1);
  }

  notify(event: DeviceEvent): void {
    for (const listener of [...this.#listeners]) listener(event, this);
  }
}

/** The last wrapper of a chain, or null when the first link is already the real thing. */
function innermost<T extends object>(first: T): { inner: T } | null {
  let wrapper: { inner: T } | null = null;
  let at: T = first;
  while ('inner' in at) {
    wrapper = at as unknown as { inner: T };
    at = wrapper.inner;
  }
  return wrapper;
}
