// The namespace as netfilter sees it (netfilter/netfilter-host.ts), and the way to a namespace's netfilter: made when a
// first rule, listener or virtual server wants it.

import { type Ipv4, isMulticastIpv4, isZeronetIpv4 } from '../addr/ipv4.ts';
import { DropReason } from '../base/drop-reason.ts';
import type { Rng } from '../base/rng.ts';
import { bridgeOf } from '../link/bridge.ts';
import type { NetDevice } from '../link/device.ts';
import type { Frame } from '../link/frame.ts';
import * as frames from '../link/frame.ts';
import type { Hook } from '../netfilter/hook.ts';
import { Netfilter } from '../netfilter/netfilter.ts';
import { AddressType, type NetfilterHost } from '../netfilter/netfilter-host.ts';
import type { Ns, Sim } from '../sim/sim.ts';
import { IcmpType, IcmpUnreach } from '../wire/icmp.ts';
import * as ipv4 from '../wire/ipv4.ts';
import { BrNetfilter } from './br-netfilter.ts';
import { RouteType, Scope } from './fib.ts';
import { icmpSend } from './icmp-send.ts';
import type { InDevice } from './in-device.ts';
import { endPacket, ipLocalOut } from './ip-output.ts';
import { sendReset } from './netfilter-reset.ts';
import type { NetNamespace } from './netns.ts';
import { DstKind } from './route-cache.ts';

const { frameStart, view } = frames;
const { IPV4_DESTINATION, IPV4_FRAGMENT, IPV4_OFFSET } = ipv4;

/** The namespace's netfilter; made when it has none yet. */
export function netfilterOf(netns: NetNamespace): Netfilter {
  let netfilter = netns.netfilter;
  if (netfilter === null) {
    netfilter = new Netfilter(new NamespaceHost(netns));
    netns.netfilter = netfilter;
    netns.hooks = netfilter;
    const { conntrack } = netfilter;
    netns.sysctl.computed.set('net.netfilter.nf_conntrack_count', () => String(conntrack.count));
    for (const dev of netns.devices()) attachBridge(netns, dev);
  }
  return netfilter;
}

/** A bridge of a namespace with netfilter shows it what it switches. */
export function attachBridge(netns: NetNamespace, dev: NetDevice): void {
  const bridge = bridgeOf(dev);
  if (bridge !== null) bridge.netfilter = new BrNetfilter(netns, bridge);
}

class NamespaceHost implements NetfilterHost {
  readonly label: string;
  readonly sim: Sim;
  readonly #netns: NetNamespace;
  readonly #devices: NetDevice[] = [];

  constructor(netns: NetNamespace) {
    this.#netns = netns;
    this.label = netns.label;
    this.sim = netns.world.sim;
  }

  rng(purpose: string): Rng {
    return this.#netns.world.rng(`${this.label}/netfilter/${purpose}`);
  }

  deviceName(index: number): string {
    return this.#device(index)?.name ?? '';
  }

  masterOf(index: number): number {
    return this.#device(index)?.master?.index ?? 0;
  }

  addressType(address: Ipv4, device: number): AddressType {
    if (address === -1 || isZeronetIpv4(address)) return AddressType.BROADCAST;
    if (isMulticastIpv4(address)) return AddressType.MULTICAST;
    const route = this.#netns.fib.local.lookup(address);
    if (route === null) return AddressType.UNICAST;
    if (device !== 0 && route.nexthop.out?.dev.index !== device) return AddressType.UNICAST;
    if (route.type === RouteType.LOCAL) return AddressType.LOCAL;
    return route.type === RouteType.BROADCAST ? AddressType.BROADCAST : AddressType.UNICAST;
  }

  sourceAddress(device: number, destination: Ipv4): Ipv4 {
    const out = this.#inDevice(device);
    if (out === null) return 0;
    const dst = this.#netns.routes.lookup(destination);
    const nexthop = dst.out === out ? dst.nexthop : destination;
    return this.#netns.selectAddress(out, nexthop, Scope.GLOBAL);
  }

  firstAddress(device: number): Ipv4 {
    return this.#inDevice(device)?.addresses[0]?.local ?? 0;
  }

  sendUnreach(frame: Frame, code: number, _hook: Hook, inDevice: number): void {
    if ((view.getUint16(frameStart[frame]! + IPV4_FRAGMENT) & IPV4_OFFSET) !== 0) return;
    icmpSend(this.#netns, frame, IcmpType.DEST_UNREACH, code, 0, this.#inDevice(inDevice));
  }

  sendReset(frame: Frame, hook: Hook, inDevice: number): void {
    sendReset(this.#netns, frame, hook, this.#inDevice(inDevice));
  }

  sendTimeExceeded(frame: Frame, _hook: Hook): void {
    icmpSend(this.#netns, frame, IcmpType.TIME_EXCEEDED, 0, 0);
  }

  sendFragNeeded(frame: Frame, _hook: Hook, mtu: number): void {
    icmpSend(this.#netns, frame, IcmpType.DEST_UNREACH, IcmpUnreach.FRAG_NEEDED, mtu);
  }

  mtuTo(destination: Ipv4): number {
    const dst = this.#netns.routes.lookup(destination);
    return dst.kind > DstKind.MULTICAST ? 0 : dst.mtu(this.#netns);
  }

  routeBack(source: Ipv4): number {
    const route = this.#netns.fib.lookup(source);
    if (route === null) return 0;
    const device = route.nexthop.out?.dev.index ?? 0;
    if (route.type === RouteType.LOCAL) return -device;
    return route.type === RouteType.UNICAST ? device : 0;
  }

  localOut(frame: Frame): void {
    const dst = this.#netns.routes.lookup(view.getInt32(frameStart[frame]! + IPV4_DESTINATION));
    if (dst.kind > DstKind.MULTICAST) endPacket(this.#netns, frame, DropReason.IP_OUTNOROUTES, dst);
    else ipLocalOut(this.#netns, frame, dst, false);
  }

  rerouteLocalOut(frame: Frame): DropReason {
    // The stack looks the new destination up when the hook returns (ip-output.ts); here only whether there is a way.
    const dst = this.#netns.routes.lookup(view.getInt32(frameStart[frame]! + IPV4_DESTINATION));
    return dst.kind > DstKind.MULTICAST ? DropReason.IP_OUTNOROUTES : 0;
  }

  dropConntrack(protocol: number, source: Ipv4, sourcePort: number, destination: Ipv4, port: number): void {
    const conntrack = this.#netns.netfilter?.conntrack;
    if (conntrack === undefined) return;
    const value = conntrack.lookup(source, destination, (sourcePort << 16) | port, protocol, 0);
    if (value >= 0) conntrack.kill(conntrack.entry(value), false);
  }

  sysctl(name: string, otherwise: number): number {
    const text = this.#netns.sysctl.get(name);
    return text === null ? otherwise : Number(text);
  }

  get partialFrame(): Frame {
    return this.#netns.partialFrame;
  }

  get wantsNotes(): boolean {
    return this.#netns.world.observer.wantsNotes;
  }

  note(frame: Frame, text: string): void {
    this.#netns.world.observer.note(frame, text);
  }

  after(delay: Ns, then: () => void): void {
    this.sim.after(delay, then);
  }

  /** A packet asks for its devices by number; those asked for before are at hand. */
  #device(index: number): NetDevice | null {
    if (index === 0) return null;
    const known = this.#devices[index];
    if (known !== undefined && known.index === index && known.owner === this.label) return known;
    const dev = this.#netns.deviceByIndex(index);
    if (dev !== null) this.#devices[index] = dev;
    return dev;
  }

  #inDevice(index: number): InDevice | null {
    const dev = this.#device(index);
    return dev === null ? null : this.#netns.inDevice(dev);
  }
}
