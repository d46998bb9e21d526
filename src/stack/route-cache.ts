// What the FIB says about a destination, kept ready for the packet path: the route, where the packet leaves, who the next
// hop is (with its neighbour entry), the preferred source and the path MTU.
//
// A direct-mapped cache per namespace, keyed by destination, valid while the FIB's generation stands. The plain path is
// Fib.lookup; the cache is an optimisation with that as its oracle (test/stack/route-cache.test.ts). It is sound because
// no rule here looks at anything but the destination.

import { type Ipv4, isMulticastIpv4 } from '../addr/ipv4.ts';
import type { Ns } from '../sim/sim.ts';
import { type Route, RouteType, Scope } from './fib.ts';
import type { InDevice } from './in-device.ts';
import type { Neighbour } from './neighbour.ts';
import type { NetNamespace } from './netns.ts';

/** What to do with a packet for a destination; the errors are those of fib_props (net/ipv4/fib_semantics.c). */
export const DstKind = {
  UNICAST: 0,
  LOCAL: 1,
  BROADCAST: 2,
  MULTICAST: 3,
  /** ENETUNREACH */
  NO_ROUTE: 4,
  /** EHOSTUNREACH */
  UNREACHABLE: 5,
  /** EACCES */
  PROHIBIT: 6,
  /** EINVAL: silent */
  BLACKHOLE: 7,
} as const;
export type DstKind = (typeof DstKind)[keyof typeof DstKind];

/** A learnt exception for one destination (struct fib_nh_exception): path MTU, or the gateway of a redirect. */
export interface PathException {
  /** 0: none */
  mtu: number;
  locked: boolean;
  /** virtual time after which it is forgotten */
  expires: Ns;
  /** 0: none */
  gateway: Ipv4;
}

/** IP_MAX_MTU: no packet is longer, though the loopback device would take one byte more. */
const IP_MAX_MTU = 65_535;

/** Cache slots; a choice: 4 KiB of keys and room for every pod a node talks to at a time. */
const SLOTS = 512;

export class Dst {
  readonly destination: Ipv4;
  readonly generation: number;
  readonly kind: DstKind;
  readonly route: Route | null;
  readonly out: InDevice | null;
  /** the address whose neighbour gets the frame */
  readonly nexthop: Ipv4;
  /** true when the next hop is a router */
  readonly viaGateway: boolean;
  readonly exception: PathException | null;
  neighbour: Neighbour | null = null;
  /** Source address for packets made here; 0 when there is none. */
  readonly source: Ipv4;

  constructor(netns: NetNamespace, destination: Ipv4, route: Route | null, out: InDevice | null) {
    this.destination = destination;
    this.generation = netns.fib.generation;
    this.route = route;
    this.kind = kindOf(route, destination, out);
    this.exception = this.kind === DstKind.UNICAST ? (netns.pathExceptions.get(destination) ?? null) : null;
    const e = this.exception;
    const redirect = e !== null && netns.world.sim.now < e.expires ? e.gateway : 0;
    // __mkroute_output: groups and the limited broadcast use a route's device, never its gateway.
    const own = this.kind === DstKind.UNICAST ? (route?.nexthop.gateway ?? 0) : 0;
    const gateway = redirect !== 0 ? redirect : own;
    this.viaGateway = gateway !== 0;
    this.nexthop = this.viaGateway ? gateway : destination;
    this.out = this.kind === DstKind.LOCAL ? netns.loopback : (route?.nexthop.out ?? out);
    this.source = sourceFor(netns, destination, route, this.out, this.kind);
  }

  /** The neighbour of the next hop; null when the neighbour table is full. */
  neigh(netns: NetNamespace): Neighbour | null {
    let n = this.neighbour;
    if (n === null || n.dead) {
      n = netns.neighbours.create(this.out!, this.nexthop);
      this.neighbour = n;
    }
    return n;
  }

  /** ipv4_mtu: a valid path MTU, else the route's, else the device's. */
  mtu(netns: NetNamespace): number {
    const e = this.exception;
    if (e !== null && e.mtu !== 0 && netns.world.sim.now < e.expires) return Math.min(e.mtu, this.linkMtu());
    return this.linkMtu();
  }

  /** ip_mtu_locked: a path MTU below the floor, or `mtu lock` of the route: packets go without DF. */
  get mtuLocked(): boolean {
    return this.exception?.locked === true || this.route?.mtuLocked === true;
  }

  /** MTU without path-MTU knowledge (ip_dst_mtu_maybe_forward for a forwarded packet). */
  linkMtu(): number {
    const dev = this.out!.dev.mtu;
    const mtu = this.route?.mtu ?? 0;
    return Math.min(mtu !== 0 && mtu < dev ? mtu : dev, IP_MAX_MTU);
  }
}

function kindOf(route: Route | null, destination: Ipv4, out: InDevice | null): DstKind {
  if (route === null) {
    if (out === null) return DstKind.NO_ROUTE;
    // ip_route_output_key_hash_rcu: bound to a device, everything is taken to be on its link.
    if (destination === -1) return DstKind.BROADCAST;
    return isMulticastIpv4(destination) ? DstKind.MULTICAST : DstKind.UNICAST;
  }
  switch (route.type) {
    case RouteType.LOCAL:
      return DstKind.LOCAL;
    case RouteType.BROADCAST:
      return DstKind.BROADCAST;
    case RouteType.MULTICAST:
      return DstKind.MULTICAST;
    case RouteType.UNREACHABLE:
      return DstKind.UNREACHABLE;
    case RouteType.PROHIBIT:
      return DstKind.PROHIBIT;
    case RouteType.BLACKHOLE:
      return DstKind.BLACKHOLE;
    default:
      if (destination === -1) return DstKind.BROADCAST;
      return isMulticastIpv4(destination) ? DstKind.MULTICAST : DstKind.UNICAST;
  }
}

/** fib_result_prefsrc: the route's preferred source, else an address of the device that suits the next hop. */
function sourceFor(
  netns: NetNamespace,
  destination: Ipv4,
  route: Route | null,
  out: InDevice | null,
  kind: DstKind,
): Ipv4 {
  if (out === null) return 0;
  if (route === null) return netns.selectAddress(out, 0, Scope.LINK);
  if (route.prefsrc !== 0) return route.prefsrc;
  if (kind === DstKind.LOCAL) return destination;
  return netns.selectAddress(out, route.nexthop.gateway, Math.min(route.scope, Scope.LINK));
}

export class RouteCache {
  readonly #netns: NetNamespace;
  readonly #slots: (Dst | null)[] = new Array<Dst | null>(SLOTS).fill(null);
  hits = 0;
  misses = 0;

  constructor(netns: NetNamespace) {
    this.#netns = netns;
  }

  lookup(destination: Ipv4): Dst {
    const i = (destination ^ (destination >>> 9) ^ (destination >>> 18)) & (SLOTS - 1);
    const slot = this.#slots[i]!;
    if (slot !== null && slot.destination === destination && slot.generation === this.#netns.fib.generation) {
      this.hits++;
      return slot;
    }
    this.misses++;
    const dst = this.fresh(destination);
    this.#slots[i] = dst;
    return dst;
  }

  /** The same answer without the cache. */
  fresh(destination: Ipv4): Dst {
    const route = this.#netns.fib.lookup(destination);
    return new Dst(this.#netns, destination, route, null);
  }

  /** An answer bound to an output device (SO_BINDTODEVICE, `ping -I dev`, 255.255.255.255). */
  through(destination: Ipv4, out: InDevice): Dst {
    const route = this.#netns.fib.lookup(destination, out);
    return new Dst(this.#netns, destination, route, out);
  }
}
