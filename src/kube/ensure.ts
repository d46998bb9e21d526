// Steps that daemons repeat until the kernel's tables are as they want them: each makes what is missing and leaves what is
// there, so that running one twice changes nothing (design of the CNI plugins and of flanneld).

import type { Ipv4, Ipv4Prefix } from '../addr/ipv4.ts';
import type { Mac } from '../addr/mac.ts';
import type { NetDevice } from '../link/device.ts';
import { RouteType, Scope, Table } from '../stack/fib.ts';
import type { InDevice, InetAddress } from '../stack/in-device.ts';
import { Nud, UPDATE_ADMIN, UPDATE_OVERRIDE } from '../stack/neighbour.ts';
import type { NetNamespace } from '../stack/netns.ts';

export function ensureUp(dev: NetDevice): void {
  if (!dev.up) dev.setUp(true);
}

/** `ip addr add ADDRESS/LENGTH [brd +]` */
export function ensureAddress(
  idev: InDevice,
  spec: { readonly local: Ipv4; readonly length: number; readonly broadcast: Ipv4 },
): InetAddress {
  const has = idev.addresses.find((a) => a.local === spec.local && a.length === spec.length);
  return has ?? idev.netns.addAddress(idev, spec)!;
}

export interface RouteWish {
  readonly destination: Ipv4Prefix;
  /** 0: the destination is on the link */
  readonly gateway: Ipv4;
  readonly out: InDevice;
  readonly onlink: boolean;
}

/** `ip route replace` in the main table; protocol boot, which `ip route` does not print. */
export function ensureRoute(netns: NetNamespace, wish: RouteWish): void {
  const { destination, gateway, out, onlink } = wish;
  for (const route of netns.fib.main.at(destination.address, destination.length)) {
    if (route.protocol !== 'boot') continue;
    if (route.nexthop.gateway === gateway && route.nexthop.out === out && route.nexthop.onlink === onlink) return;
    netns.fib.remove(route);
    break;
  }
  netns.fib.insert(Table.MAIN, {
    destination: destination.address,
    length: destination.length,
    type: RouteType.UNICAST,
    scope: gateway === 0 ? Scope.LINK : Scope.GLOBAL,
    protocol: 'boot',
    metric: 0,
    tos: 0,
    prefsrc: 0,
    nexthop: { gateway, out, onlink, scope: gateway === 0 ? Scope.HOST : Scope.LINK },
    mtu: 0,
    mtuLocked: false,
  });
}

/** Takes such a route away again; false when there was none. */
export function ensureNoRoute(netns: NetNamespace, destination: Ipv4Prefix): boolean {
  let found = false;
  for (const route of [...netns.fib.main.at(destination.address, destination.length)]) {
    if (route.protocol === 'boot') found = netns.fib.remove(route) || found;
  }
  return found;
}

/** `ip neigh replace IP lladdr MAC dev DEV nud permanent`; false when the table is full (gc_thresh3). */
export function ensurePermanentNeighbour(out: InDevice, ip: Ipv4, mac: Mac): boolean {
  const entry = out.netns.neighbours.create(out, ip);
  entry?.update(mac, Nud.PERMANENT, UPDATE_OVERRIDE | UPDATE_ADMIN);
  return entry !== null;
}
