// IPv4 addresses as the kernel's rtnetlink side takes them (net/ipv4/devinet.c inet_rtm_newaddr, inet_rtm_deladdr).

import { type Ipv4, maskIpv4 } from '../addr/ipv4.ts';
import type { InDevice, InetAddress } from './in-device.ts';
import { type NetlinkError, refuse } from './netlink-error.ts';

export interface NewAddress {
  readonly local: Ipv4;
  /** 0..32 */
  readonly length: number;
  /** the other end; null when there is none */
  readonly peer: Ipv4 | null;
  /** 0 for none */
  readonly broadcast: Ipv4;
  readonly scope: number;
  readonly label: string | null;
  readonly noPrefixRoute: boolean;
  /** NLM_F_REPLACE: an address that is there stays as it is */
  readonly replace: boolean;
}

/** inet_rtm_newaddr() */
export function addAddress(idev: InDevice, address: NewAddress): NetlinkError | null {
  const { local, length, peer, broadcast, scope, label, noPrefixRoute } = address;
  if (length > 32) return refuse('EINVAL', 'ipv4: Invalid prefix length');
  // inet_insert_ifa: addresses of one subnet have one scope.
  const mask = maskIpv4(length);
  const kin = idev.addresses.find((a) => a.length === length && ((a.peer ^ (peer ?? local)) & mask) === 0);
  if (
    kin !== undefined &&
    kin.scope !== scope &&
    !idev.addresses.some((a) => a.length === length && a.local === local)
  ) {
    return refuse('EINVAL', 'ipv4: Invalid scope value');
  }
  const ifa = idev.netns.addAddress(idev, {
    local,
    length,
    broadcast,
    scope,
    noPrefixRoute,
    ...(peer === null ? {} : { peer }),
    ...(label === null ? {} : { label }),
  });
  if (ifa !== null || address.replace) return null;
  return refuse('EEXIST', 'ipv4: Address already assigned');
}

export interface AddressSelector {
  readonly local: Ipv4;
  /** null: any prefix (old scripts) */
  readonly prefix: { readonly address: Ipv4; readonly length: number } | null;
  readonly label: string | null;
}

/** inet_rtm_deladdr(): the first address that fits goes. */
export function deleteAddress(idev: InDevice, selector: AddressSelector): NetlinkError | null {
  const found = idev.addresses.find((a) => fits(a, selector));
  if (found === undefined) return refuse('EADDRNOTAVAIL', 'ipv4: Address not found');
  dropAddress(idev, found);
  return null;
}

/** inet_del_ifa() and fib_inetaddr_event(): with its last address a device loses all routes and neighbours. */
export function dropAddress(idev: InDevice, address: InetAddress): void {
  const { netns } = idev;
  netns.removeAddress(idev, address);
  if (idev.addresses.length > 0) return;
  for (const table of netns.fib.tables()) {
    for (const route of table.routes()) if (route.nexthop.out === idev) netns.fib.remove(route);
  }
  netns.neighbours.flushDevice(idev, false);
}

function fits(a: InetAddress, { local, prefix, label }: AddressSelector): boolean {
  if (a.local !== local) return false;
  if (label !== null && a.label !== label) return false;
  if (prefix === null) return true;
  return a.length === prefix.length && ((a.peer ^ prefix.address) & maskIpv4(a.length)) === 0;
}
