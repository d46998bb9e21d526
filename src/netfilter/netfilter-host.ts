// What netfilter asks of the namespace it stands in. The stack implements it (stack/netfilter-host.ts): netfilter is a
// floor above the stack and never reaches down into it.

import type { Ipv4 } from '../addr/ipv4.ts';
import type { DropReason } from '../base/drop-reason.ts';
import type { Rng } from '../base/rng.ts';
import type { Frame } from '../link/frame.ts';
import type { Ns, Sim } from '../sim/sim.ts';
import type { Hook } from './hook.ts';

/** Types of an address, as xt_addrtype counts them: bit numbers of include/uapi/linux/rtnetlink.h RTN_*. */
export const AddressType = {
  UNSPEC: 0,
  UNICAST: 1,
  LOCAL: 2,
  BROADCAST: 3,
  ANYCAST: 4,
  MULTICAST: 5,
  BLACKHOLE: 6,
  UNREACHABLE: 7,
  PROHIBIT: 8,
} as const;
export type AddressType = (typeof AddressType)[keyof typeof AddressType];

export interface NetfilterHost {
  /** the namespace's name: names random streams and drops */
  readonly label: string;
  readonly sim: Sim;
  /** a stream of the world's seed, one per purpose */
  rng(purpose: string): Rng;
  /** name of a device, '' when there is none of this index */
  deviceName(index: number): string;
  /** index of the bridge that the device is a port of, 0 for none */
  masterOf(index: number): number;
  /** inet_dev_addr_type / inet_addr_type; `device` 0: any */
  addressType(address: Ipv4, device: number): AddressType;
  /** Source address of packets that leave by this device towards `destination` (nf_nat_masquerade_ipv4: inet_select_addr); 0: none. */
  sourceAddress(device: number, destination: Ipv4): Ipv4;
  /** First address of the device (REDIRECT on an incoming packet); 0: none. */
  firstAddress(device: number): Ipv4;
  /** Answers with an ICMP destination-unreachable of this code (nf_send_unreach). The frame stays the caller's. */
  sendUnreach(frame: Frame, code: number, hook: Hook, inDevice: number): void;
  /** Answers a TCP segment with a reset from its destination (nf_send_reset). The frame stays the caller's. */
  sendReset(frame: Frame, hook: Hook, inDevice: number): void;
  /** Answers that the TTL ran out. The frame stays the caller's. */
  sendTimeExceeded(frame: Frame, hook: Hook): void;
  /** Answers that the packet is too long for a link of this MTU. The frame stays the caller's. */
  sendFragNeeded(frame: Frame, hook: Hook, mtu: number): void;
  /** The path MTU to an address; 0 when there is no route. */
  mtuTo(destination: Ipv4): number;
  /**
   * Where packets to this address would go (rpfilter): ifindex of its unicast route; negative: of the device
   * that has it as its own address; 0: none.
   */
  routeBack(source: Ipv4): number;
  /** Routes the packet by its destination and sends it through LOCAL_OUT and POST_ROUTING (IPVS). Takes ownership. */
  localOut(frame: Frame): void;
  /** ip_route_me_harder at LOCAL_OUT: the packet's address changed, the route that it will leave by with it. 0 or a drop reason. */
  rerouteLocalOut(frame: Frame): DropReason;
  /** Ends the conntrack entry with this original tuple, if there is one. */
  dropConntrack(protocol: number, source: Ipv4, sourcePort: number, destination: Ipv4, port: number): void;
  /**
   * The packet just on its way out whose checksum a kernel with the bug nat-tunnel-udp-checksum takes for unfinished: a tunnel's,
   * with an inner packet that a device was to finish. 0: none.
   */
  readonly partialFrame: Frame;
  /** A sysctl's value as a number, `otherwise` when it is not set (net.netfilter.*, net.ipv4.*). */
  sysctl(name: string, otherwise: number): number;
  /** True when somebody wants notes about packets (a capture): only then build the text. */
  readonly wantsNotes: boolean;
  /** One sentence about what was done to the packet: it becomes its comment in the capture. */
  note(frame: Frame, text: string): void;
  /** Calls back after `delay`; not on the path of a packet. */
  after(delay: Ns, then: () => void): void;
}
