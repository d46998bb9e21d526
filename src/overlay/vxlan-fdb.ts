// The forwarding database of a VXLAN device (drivers/net/vxlan/vxlan_core.c): inner MAC -> the VTEPs that have it.
//
// An entry holds one remote for a unicast MAC, or a list of them for the all-zeros MAC (where everything unknown goes,
// one copy each). Entries made by hand are permanent or static and never move; learnt ones follow the last outer source
// and age after `ageing` seconds without a frame from them (Linux 6.15 and newer; before, sending to them kept them too).
// Limit: learnt entries `maxAddresses`, when full nothing new is learnt.

import type { Ipv4 } from '../addr/ipv4.ts';
import { type Mac, macHi, macLo } from '../addr/mac.ts';
import { MISSING, PairTable } from '../base/int-table.ts';
import type { Ns } from '../sim/sim.ts';
import type { Dst } from '../stack/route-cache.ts';

export interface VxlanRemote {
  ip: Ipv4;
  /** 0: the device's own */
  readonly port: number;
  /** -1: the device's own */
  readonly vni: number;
  /** ifindex to leave by, 0 for none */
  readonly ifindex: number;
  /** @internal route to it, kept while the FIB stands */
  dst: Dst | null;
}

export function newRemote(ip: Ipv4, port: number, vni: number, ifindex: number): VxlanRemote {
  return { ip, port, vni, ifindex, dst: null };
}

/** NUD state words that `bridge fdb` knows: permanent, static (NOARP), or learnt (REACHABLE). */
export type VxlanEntryState = 'permanent' | 'static' | 'reachable';

export interface VxlanEntry {
  readonly mac: Mac;
  state: VxlanEntryState;
  readonly remotes: VxlanRemote[];
  /** last look-up for a frame to send; last change or frame received from it; virtual time */
  used: Ns;
  updated: Ns;
}

export class VxlanFdb {
  readonly #index = new PairTable();
  readonly #entries: (VxlanEntry | null)[] = [];
  readonly #free: number[] = [];
  readonly #all = new Set<VxlanEntry>();

  get size(): number {
    return this.#all.size;
  }

  /** Entries as a dump shows them: the newest first (hlist_add_head on fdb_list). */
  entries(): VxlanEntry[] {
    return [...this.#all].reverse();
  }

  /** By the two halves of the MAC, as the packet path has them. */
  find(hi: number, lo: number): VxlanEntry | null {
    const at = this.#index.get(hi, lo);
    return at === MISSING ? null : this.#entries[at]!;
  }

  lookup(mac: Mac): VxlanEntry | null {
    return this.find(macHi(mac), macLo(mac));
  }

  create(mac: Mac, state: VxlanEntryState, remote: VxlanRemote, now: Ns): VxlanEntry {
    const entry: VxlanEntry = { mac, state, remotes: [remote], used: now, updated: now };
    const at = this.#free.pop() ?? this.#entries.length;
    this.#entries[at] = entry;
    this.#index.set(macHi(mac), macLo(mac), at);
    this.#all.add(entry);
    return entry;
  }

  remove(entry: VxlanEntry): void {
    const at = this.#index.get(macHi(entry.mac), macLo(entry.mac));
    if (at === MISSING || this.#entries[at] !== entry) return;
    this.#index.delete(macHi(entry.mac), macLo(entry.mac));
    this.#entries[at] = null;
    this.#free.push(at);
    this.#all.delete(entry);
  }
}
