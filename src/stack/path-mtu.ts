// Path MTU and redirects learnt from ICMP (net/ipv4/route.c __ip_rt_update_pmtu, __ip_do_redirect; RFC 1191).

import type { Ipv4 } from '../addr/ipv4.ts';
import { NS_PER_S, type Ns } from '../sim/sim.ts';
import type { NetNamespace } from './netns.ts';
import { DstKind, type PathException } from './route-cache.ts';

/** Exceptions kept per namespace; the oldest goes (FNHE_HASH_SIZE x FNHE_RECLAIM_DEPTH = 2048 x 5 in Linux). */
const EXCEPTIONS = 10_240;

/** ip_rt_gc_timeout: so long a redirect is followed. */
const GC_TIMEOUT: Ns = 300 * NS_PER_S;

function exceptionFor(netns: NetNamespace, destination: Ipv4): PathException {
  let e = netns.pathExceptions.get(destination);
  if (e === undefined) {
    if (netns.pathExceptions.size >= EXCEPTIONS) {
      for (const oldest of netns.pathExceptions.keys()) {
        netns.pathExceptions.delete(oldest);
        break;
      }
    }
    e = { mtu: 0, locked: false, expires: 0, gateway: 0 };
    netns.pathExceptions.set(destination, e);
  }
  return e;
}

/** A router said that packets to `destination` must not be longer than `mtu`. */
export function updatePathMtu(netns: NetNamespace, destination: Ipv4, mtu: number): void {
  const dst = netns.routes.lookup(destination);
  if (dst.kind !== DstKind.UNICAST || dst.route?.mtuLocked === true) return;
  const old = dst.mtu(netns);
  if (old < mtu) return;
  const floor = netns.sysctl.ipv4['route.min_pmtu'];
  const e = exceptionFor(netns, destination);
  e.locked = mtu < floor;
  e.mtu = e.locked ? Math.min(old, floor) : mtu;
  e.expires = netns.world.sim.now + netns.sysctl.ipv4['route.mtu_expires'] * NS_PER_S;
  netns.fib.touch();
}

/**
 * A router said that `gateway` is the better first hop to `destination`.
 * @param from the router that said so: it must be the present next hop
 */
export function updateRedirect(netns: NetNamespace, destination: Ipv4, gateway: Ipv4, from: Ipv4): void {
  const dst = netns.routes.lookup(destination);
  const idev = dst.out;
  if (dst.kind !== DstKind.UNICAST || idev === null || gateway === 0) return;
  if (!idev.acceptsRedirects || dst.nexthop !== from || gateway === from) return;
  if (netns.addressType(gateway) !== DstKind.UNICAST) return;
  if (!idev.sharedMedia && !idev.isOnlink(gateway, from)) return;
  // A gateway whose MAC is unknown is asked for it first; the redirect that comes after that counts.
  const neighbour = netns.neighbours.create(idev, gateway);
  if (neighbour === null) return;
  if (!neighbour.valid) {
    neighbour.solicit();
    return;
  }
  const e = exceptionFor(netns, destination);
  e.gateway = gateway;
  e.expires = netns.world.sim.now + GC_TIMEOUT;
  netns.fib.touch();
  // Cached answers hold the gateway: they are asked anew when it is no longer to be followed.
  netns.world.sim.after(GC_TIMEOUT, () => netns.fib.touch());
}

/** `ip route flush cache`. */
export function flushPathExceptions(netns: NetNamespace): void {
  netns.pathExceptions.clear();
  netns.fib.touch();
}

/** Exceptions that still hold, for `ip route show cache`, in the order in which they were learnt. */
export function livePathExceptions(
  netns: NetNamespace,
): { readonly destination: Ipv4; readonly exception: PathException }[] {
  const now = netns.world.sim.now;
  return [...netns.pathExceptions]
    .filter(([, e]) => e.expires > now)
    .map(([destination, exception]) => ({ destination, exception }));
}
