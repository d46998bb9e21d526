// A port of a bridge (struct net_bridge_port): stands above the enslaved device, as the kernel's rx_handler does, and hands
// what arrives to the bridge. What the bridge lets pass (link-local groups) goes to the handler that stood there before.

import { DropReason } from '../base/drop-reason.ts';
import { KernelTimer } from '../sim/jiffies.ts';
import type { Bridge } from './bridge.ts';
import { bridgeInput } from './bridge-input.ts';
import { DeviceEvent, type Handler, type NetDevice } from './device.ts';
import type { Frame } from './frame.ts';
import * as frames from './frame.ts';

// Constants of this module: V8 folds those into the packet path, imported bindings it does not (link/frame.ts).
const { frameEnd, frameStart } = frames;

/** BR_STATE_* (include/uapi/linux/if_bridge.h). Without STP the others occur only when a person sets them. */
export const PortState = { DISABLED: 0, LISTENING: 1, LEARNING: 2, FORWARDING: 3, BLOCKING: 4 } as const;
export type PortState = (typeof PortState)[keyof typeof PortState];

/** BR_MAX_PORTS: port numbers are 1 .. 1023. */
export const BRIDGE_MAX_PORTS = 1024;
/** BR_PORT_BITS: the port id is the priority and the number in its low 10 bits. */
const PORT_BITS = 10;
/** 0x8000 >> BR_PORT_BITS */
const DEFAULT_PORT_PRIORITY = 32;
/** port_cost() of a 10 Gbit/s link, which is what veth reports (ethtool speed 10000). */
const COST_10G = 2;
/** Ethernet header and one VLAN tag beside the MTU: is_skb_forwardable(), net/core/dev.c. */
const L2_ALLOWANCE = 18;

/** What `bridge link set dev X` changes. */
export interface PortFlags {
  hairpin: boolean;
  learning: boolean;
  flood: boolean;
  mcastFlood: boolean;
  bcastFlood: boolean;
  isolated: boolean;
}

export class BridgePort implements Handler, PortFlags {
  readonly bridge: Bridge;
  readonly dev: NetDevice;
  readonly portNo: number;
  state: PortState = PortState.DISABLED;
  hairpin = false;
  learning = true;
  flood = true;
  mcastFlood = true;
  bcastFlood = true;
  isolated = false;
  /** Link-local groups that this port lets through beside the bridge's own mask. */
  groupFwdMask = 0;
  pathCost = COST_10G;
  priority = DEFAULT_PORT_PRIORITY;
  /** Runs for forward_delay after the port was enabled; without STP it has no effect, but `ip -d link` shows it. */
  readonly forwardDelayTimer: KernelTimer;
  /** What stood above the device before. */
  readonly #previous: Handler;
  readonly #listener: (event: DeviceEvent) => void;

  constructor(bridge: Bridge, dev: NetDevice, portNo: number) {
    this.bridge = bridge;
    this.dev = dev;
    this.portNo = portNo;
    this.forwardDelayTimer = new KernelTimer(dev.host.sim, () => {});
    this.#previous = realHandler(dev);
    this.#listener = (event) => this.#follow(event);
  }

  get portId(): number {
    return (this.priority << PORT_BITS) | this.portNo;
  }

  /** The rx_handler is registered: frames go to the bridge from now on. */
  attach(): void {
    this.dev.setUpper(this);
    this.dev.master = this.bridge.dev;
    this.dev.promiscuity++;
    this.dev.listen(this.#listener);
  }

  detach(): void {
    this.dev.unlisten(this.#listener);
    this.dev.promiscuity--;
    this.dev.master = null;
    this.dev.setUpper(this.#previous);
    this.forwardDelayTimer.cancel();
  }

  input(frame: Frame, _dev: NetDevice): void {
    bridgeInput(frame, this);
  }

  /** RX_HANDLER_PASS: to the port's own protocol handlers. */
  pass(frame: Frame): void {
    this.#previous.input(frame, this.dev);
  }

  /** br_dev_queue_push_xmit(): out of this port; ownership passes. */
  transmit(frame: Frame): void {
    if (frameEnd[frame]! - frameStart[frame]! > this.dev.mtu + L2_ALLOWANCE) {
      this.dev.stats.txDropped++;
      this.dev.end(frame, DropReason.PKT_TOO_BIG);
      return;
    }
    this.dev.transmit(frame);
  }

  #follow(event: DeviceEvent): void {
    if (event === DeviceEvent.UNREGISTER) this.bridge.removePort(this.dev);
    else if (event === DeviceEvent.MTU) this.bridge.adjustMtu();
    else if (event === DeviceEvent.ADDRESS) this.bridge.portAddressChanged(this);
    else this.bridge.checkPort(this);
  }
}

/** What stands above the device, behind any wrappers. */
function realHandler(dev: NetDevice): Handler {
  let at: Handler & { inner?: Handler } = dev.upper;
  while (at.inner !== undefined) at = at.inner;
  return at;
}
