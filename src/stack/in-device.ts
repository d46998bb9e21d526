// The IPv4 side of a net device (struct in_device, net/ipv4/devinet.c): its addresses, its sysctls, and the door through
// which its frames enter the stack.

import { type Ipv4, maskIpv4 } from '../addr/ipv4.ts';
import { DropReason } from '../base/drop-reason.ts';
import { bridgeOf } from '../link/bridge.ts';
import { DeviceKind, type Handler, type NetDevice } from '../link/device.ts';
import * as frames from '../link/frame.ts';
import { type Frame, freeFrame } from '../link/frame.ts';
import * as ethernet from '../wire/ethernet.ts';
import { arpInput } from './arp.ts';
import { Scope } from './fib.ts';
import { ipInput } from './ip-input.ts';
import type { NeighParameters } from './neigh-parameters.ts';
import type { NetNamespace } from './netns.ts';
import type { PacketSocket } from './packet-socket.ts';
import type { DeviceConf } from './sysctl.ts';

// Constants of this module: V8 folds those into the packet path, imported bindings it does not (link/frame.ts).
const { frameEnd, frameStart, view } = frames;
const { ETH_HEADER, ETH_TYPE, EtherType } = ethernet;

/** skb->pkt_type: for whom a frame is, by its destination MAC (net/ethernet/eth.c eth_type_trans). */
export const PacketType = { HOST: 0, BROADCAST: 1, MULTICAST: 2, OTHERHOST: 3 } as const;
export type PacketType = (typeof PacketType)[keyof typeof PacketType];

export interface InetAddress {
  readonly local: Ipv4;
  /** the other end of a point-to-point address; equal to `local` otherwise */
  readonly peer: Ipv4;
  readonly length: number;
  /** 0 for none */
  readonly broadcast: Ipv4;
  /** fib.Scope */
  readonly scope: number;
  readonly label: string;
  /** a further address of a subnet that the device already has */
  readonly secondary: boolean;
  readonly noPrefixRoute: boolean;
}

export class InDevice implements Handler {
  readonly netns: NetNamespace;
  readonly dev: NetDevice;
  /** In the order in which `ip addr` lists them: primaries by scope, secondaries behind. */
  addresses: InetAddress[] = [];
  conf: DeviceConf;
  neigh: NeighParameters;
  readonly packetSockets: PacketSocket[] = [];

  constructor(netns: NetNamespace, dev: NetDevice) {
    this.netns = netns;
    this.dev = dev;
    this.conf = netns.sysctl.conf(dev.name);
    this.neigh = netns.sysctl.neigh(dev.name);
  }

  // How `all` and the device's own value combine: include/linux/inetdevice.h.
  get rpFilter(): number {
    return Math.max(this.netns.sysctl.all.rp_filter, this.conf.rp_filter);
  }
  get forwards(): boolean {
    return this.conf.forwarding !== 0;
  }
  get arpIgnore(): number {
    return Math.max(this.netns.sysctl.all.arp_ignore, this.conf.arp_ignore);
  }
  get arpAnnounce(): number {
    return Math.max(this.netns.sysctl.all.arp_announce, this.conf.arp_announce);
  }
  get arpFilter(): boolean {
    return (this.netns.sysctl.all.arp_filter | this.conf.arp_filter) !== 0;
  }
  get arpAccept(): number {
    return Math.max(this.netns.sysctl.all.arp_accept, this.conf.arp_accept);
  }
  get arpNotify(): boolean {
    return Math.max(this.netns.sysctl.all.arp_notify, this.conf.arp_notify) !== 0;
  }
  get arpEvictNoCarrier(): boolean {
    return this.netns.sysctl.all.arp_evict_nocarrier !== 0 && this.conf.arp_evict_nocarrier !== 0;
  }
  get proxyArp(): boolean {
    return (this.netns.sysctl.all.proxy_arp | this.conf.proxy_arp) !== 0;
  }
  get proxyArpPvlan(): boolean {
    return (this.netns.sysctl.all.proxy_arp_pvlan | this.conf.proxy_arp_pvlan) !== 0;
  }
  get dropsUnicastInL2Multicast(): boolean {
    return (this.netns.sysctl.all.drop_unicast_in_l2_multicast | this.conf.drop_unicast_in_l2_multicast) !== 0;
  }
  get dropsGratuitousArp(): boolean {
    return (this.netns.sysctl.all.drop_gratuitous_arp | this.conf.drop_gratuitous_arp) !== 0;
  }
  get sendsRedirects(): boolean {
    return (this.netns.sysctl.all.send_redirects | this.conf.send_redirects) !== 0;
  }
  get acceptsRedirects(): boolean {
    // IN_DEV_RX_REDIRECTS: a router needs both, a host needs one.
    const all = this.netns.sysctl.all.accept_redirects !== 0;
    const own = this.conf.accept_redirects !== 0;
    return this.forwards ? all && own : all || own;
  }
  get secureRedirects(): boolean {
    return (this.netns.sysctl.all.secure_redirects | this.conf.secure_redirects) !== 0;
  }
  get sharedMedia(): boolean {
    return (this.netns.sysctl.all.shared_media | this.conf.shared_media) !== 0;
  }
  get acceptsSourceRoute(): boolean {
    return this.netns.sysctl.all.accept_source_route !== 0 && this.conf.accept_source_route !== 0;
  }
  get acceptsLocal(): boolean {
    return (this.netns.sysctl.all.accept_local | this.conf.accept_local) !== 0;
  }
  get routesLocalnet(): boolean {
    return (this.netns.sysctl.all.route_localnet | this.conf.route_localnet) !== 0;
  }
  get ignoresLinkdown(): boolean {
    return (this.netns.sysctl.all.ignore_routes_with_linkdown | this.conf.ignore_routes_with_linkdown) !== 0;
  }
  get promotesSecondaries(): boolean {
    return (this.netns.sysctl.all.promote_secondaries | this.conf.promote_secondaries) !== 0;
  }

  /** A frame from the device (netif_receive_skb): by EtherType to ARP, IPv4 or a packet socket. */
  input(frame: Frame, dev: NetDevice): void {
    const start = frameStart[frame]!;
    if (frameEnd[frame]! - start < ETH_HEADER) {
      dev.end(frame, DropReason.PKT_TOO_SMALL);
      return;
    }
    const hi = view.getUint16(start);
    let type: PacketType;
    if (hi === dev.macHi && view.getInt32(start + 2) === dev.macLo) type = PacketType.HOST;
    else if (hi & 0x0100) {
      type = hi === 0xffff && view.getInt32(start + 2) === -1 ? PacketType.BROADCAST : PacketType.MULTICAST;
    } else if (dev.kind === DeviceKind.BRIDGE && bridgeOf(dev)?.isLocal(hi, view.getInt32(start + 2)) === true) {
      // The MAC of a port is the host's too: br_pass_frame_up keeps the packet type that the port gave it.
      type = PacketType.HOST;
    } else type = PacketType.OTHERHOST;
    const protocol = view.getUint16(start + ETH_TYPE);
    if (this.packetSockets.length > 0) {
      for (const socket of [...this.packetSockets]) socket.deliver(frame, protocol, type);
    }
    if (protocol === EtherType.IPV4) ipInput(this, frame, start + ETH_HEADER, type);
    else if (protocol === EtherType.ARP) arpInput(this, frame, start + ETH_HEADER, type);
    else if (this.packetSockets.length > 0) freeFrame(frame);
    else dev.end(frame, DropReason.UNHANDLED_PROTO);
  }

  /** An address of this device whose subnet holds `a` (inet_ifa_match), or null. */
  onlinkAddress(a: Ipv4): InetAddress | null {
    for (const ifa of this.addresses) if (((a ^ ifa.peer) & maskIpv4(ifa.length)) === 0) return ifa;
    return null;
  }

  /** inet_addr_onlink: `a` lies in a subnet of this device, and so does `b` when given. */
  isOnlink(a: Ipv4, b: Ipv4): boolean {
    for (const ifa of this.addresses) {
      const mask = maskIpv4(ifa.length);
      if (((a ^ ifa.peer) & mask) === 0 && (b === 0 || ((b ^ ifa.peer) & mask) === 0)) return true;
    }
    return false;
  }

  /**
   * inet_select_addr within this device: the first primary address of at most this scope whose subnet holds `target`,
   * else the first of at most this scope; 0 when there is none.
   */
  ownAddress(target: Ipv4, scope: number): Ipv4 {
    let first = 0;
    // With route_localnet host addresses may speak on the link too.
    const nearest = this.routesLocalnet ? Scope.LINK : Scope.HOST;
    for (const ifa of this.addresses) {
      if (ifa.secondary || Math.min(ifa.scope, nearest) > scope) continue;
      if (target === 0 || ((target ^ ifa.peer) & maskIpv4(ifa.length)) === 0) return ifa.local;
      if (first === 0) first = ifa.local;
    }
    return first;
  }
}
