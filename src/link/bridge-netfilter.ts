// What a bridge shows of its frames to the netfilter of its namespace (net/bridge/br_netfilter_hooks.c). The bridge asks;
// stack/br-netfilter.ts answers, because routing and neighbours are needed for it.

import type { BridgePort } from './bridge-port.ts';
import type { Frame } from './frame.ts';

export interface BridgeNetfilter {
  /** bridge-nf-call-iptables is on and there is something on the hooks. */
  readonly active: boolean;
  /**
   * An IPv4 frame has come in at a port: PRE_ROUTING.
   * @returns the frame to go on with (its destination MAC may be another now), or NO_FRAME when it was taken
   */
  preRouting(frame: Frame, port: BridgePort): Frame;
  /** A frame that preRouting() has seen is to leave by another port: FORWARD and POST_ROUTING. Takes ownership. */
  forward(frame: Frame, from: BridgePort, to: BridgePort): void;
  /** A frame of the host that its neighbour has given its new MAC address (bridged DNAT): back to the port that it came from. */
  resume(frame: Frame): BridgePort | null;
}
