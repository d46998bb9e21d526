// Neighbours as the kernel's rtnetlink side takes them (net/core/neighbour.c neigh_add, neigh_delete, pneigh_lookup).

import type { Ipv4 } from '../addr/ipv4.ts';
import type { Mac } from '../addr/mac.ts';
import type { InDevice } from './in-device.ts';
import { NUD_VALID, Nud, UPDATE_ADMIN, UPDATE_OVERRIDE } from './neighbour.ts';
import { type NetlinkError, refuse } from './netlink-error.ts';
import type { NetNamespace } from './netns.ts';

export interface NewNeighbour {
  readonly out: InDevice;
  readonly ip: Ipv4;
  /** null: none given */
  readonly mac: Mac | null;
  /** neighbour.Nud */
  readonly state: number;
  /** add: must not be there; change: must be there; replace: either */
  readonly mode: 'add' | 'change' | 'replace';
}

/** neigh_add() */
export function addNeighbour(netns: NetNamespace, wish: NewNeighbour): NetlinkError | null {
  const { out, ip, mac, state, mode } = wish;
  let entry = netns.neighbours.lookup(out, ip);
  if (entry === null) {
    if (mode === 'change') return refuse('ENOENT');
    entry = netns.neighbours.create(out, ip);
    if (entry === null) return refuse('ENOBUFS');
  } else if (mode === 'add') {
    return refuse('EEXIST');
  }
  if ((state & NUD_VALID) !== 0 && mac === null && (entry.state & NUD_VALID) === 0) {
    return refuse('EINVAL', 'No link layer address given');
  }
  entry.update(mac, state, UPDATE_OVERRIDE | UPDATE_ADMIN);
  return null;
}

/** neigh_delete(): what waits for the neighbour is reported as undeliverable first. */
export function deleteNeighbour(netns: NetNamespace, out: InDevice, ip: Ipv4): NetlinkError | null {
  const entry = netns.neighbours.lookup(out, ip);
  if (entry === null) return refuse('ENOENT');
  entry.update(null, Nud.FAILED, UPDATE_OVERRIDE | UPDATE_ADMIN);
  netns.neighbours.remove(entry);
  return null;
}

/** pneigh_lookup() with creation; an address that is already proxied stays. */
export function addProxy(netns: NetNamespace, out: InDevice | null, ip: Ipv4): void {
  const { proxies } = netns.neighbours;
  if (!proxies.some((p) => p.ip === ip && p.out === out)) proxies.push({ ip, out });
}

/** pneigh_delete() */
export function deleteProxy(netns: NetNamespace, out: InDevice | null, ip: Ipv4): NetlinkError | null {
  const { proxies } = netns.neighbours;
  const i = proxies.findIndex((p) => p.ip === ip && p.out === out);
  if (i < 0) return refuse('ENOENT');
  proxies.splice(i, 1);
  return null;
}
