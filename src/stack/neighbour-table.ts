// The neighbour table of IPv4 (struct neigh_table arp_tbl, net/core/neighbour.c, net/ipv4/arp.c): (device, address) -> entry.
//
// Limits: gc_thresh3 entries; from gc_thresh2 on what is not in use goes when a new one comes, from gc_thresh1 on what was
// not used for gc_stale_time goes by and by. Proxied addresses: as many as people add.

import { IPV4_BROADCAST, type Ipv4, isLoopbackIpv4, isMulticastIpv4 } from '../addr/ipv4.ts';
import { MAC_BROADCAST, MAC_ZERO, type Mac, macHi, macLo } from '../addr/mac.ts';
import { MISSING, PairTable } from '../base/int-table.ts';
import type { Rng } from '../base/rng.ts';
import { DeviceKind, type NetDevice } from '../link/device.ts';
import { KernelTimer } from '../sim/jiffies.ts';
import type { Ns } from '../sim/sim.ts';
import { RouteType } from './fib.ts';
import type { InDevice } from './in-device.ts';
import { Neighbour, NUD_IN_TIMER, Nud } from './neighbour.ts';
import type { NetNamespace } from './netns.ts';

/** The random reachable time is drawn anew every 300 s (neigh_periodic_work). */
const REDRAW: Ns = 300_000_000_000;
/** neigh_alloc, neigh_forced_gc: 5 s between two forced collections, and 5 s that a changed entry is left alone. */
const FLUSH_GAP: Ns = 5_000_000_000;

export class NeighbourTable {
  readonly netns: NetNamespace;
  readonly #index = new PairTable();
  readonly #entries: (Neighbour | null)[] = [];
  readonly #free: number[] = [];
  /** Live entries in the order in which they were made. */
  readonly #all = new Set<Neighbour>();
  /** Proxied addresses (`ip neigh add proxy`), per device. */
  readonly proxies: { readonly ip: Ipv4; readonly out: InDevice | null }[] = [];
  readonly #reachable = new WeakMap<NetDevice, { time: Ns; drawn: Ns; base: Ns; rng: Rng }>();
  readonly #gcTimer: KernelTimer;
  /** When neigh_forced_gc last ran; never at first. */
  #lastFlush: Ns = Number.NEGATIVE_INFINITY;

  constructor(netns: NetNamespace) {
    this.netns = netns;
    this.#gcTimer = new KernelTimer(netns.world.sim, () => this.#periodicGc());
  }

  /** Entries in the order in which they were made. */
  entries(): Neighbour[] {
    return [...this.#all];
  }

  get size(): number {
    return this.#all.size;
  }

  /** The device's present reachable time: uniform in 0.5 .. 1.5 of its base, drawn every 300 s (neigh_rand_reach_time). */
  reachableTime(out: InDevice): Ns {
    const now = this.netns.world.sim.now;
    const base = out.neigh.baseReachableTime;
    let r = this.#reachable.get(out.dev);
    if (r === undefined) {
      r = { time: 0, drawn: -1, base: -1, rng: this.netns.world.rng(`${out.dev.label}/reachable-time`) };
      this.#reachable.set(out.dev, r);
    }
    if (r.drawn < 0 || r.base !== base || now - r.drawn > REDRAW) {
      r.time = base === 0 ? 0 : Math.floor(base / 2) + r.rng.below(base / 1_000_000) * 1_000_000;
      r.drawn = now;
      r.base = base;
    }
    return r.time;
  }

  lookup(out: InDevice, ip: Ipv4): Neighbour | null {
    const at = this.#index.get(out.dev.index, ip);
    return at === MISSING ? null : this.#entries[at]!;
  }

  /** The entry, made when missing; null when the table is full (gc_thresh3). */
  create(out: InDevice, ip: Ipv4): Neighbour | null {
    const known = this.lookup(out, ip);
    if (known !== null) return known;
    const values = this.netns.sysctl.ipv4;
    if (this.#all.size >= values['neigh.default.gc_thresh2']) {
      this.#forcedGc(this.#all.size >= values['neigh.default.gc_thresh3']);
      if (this.#all.size >= values['neigh.default.gc_thresh3']) return null;
    }
    const entry = new Neighbour(this, out, ip);
    this.#construct(entry);
    const at = this.#free.pop() ?? this.#entries.length;
    this.#entries[at] = entry;
    this.#index.set(out.dev.index, ip, at);
    this.#all.add(entry);
    if (this.#all.size >= values['neigh.default.gc_thresh1'] && !this.#gcTimer.armed) {
      this.#gcTimer.arm(this.#gcInterval);
    }
    return entry;
  }

  /** arp_constructor: what needs no resolution is NOARP from the start. */
  #construct(entry: Neighbour): void {
    const dev = entry.out.dev;
    const set = (mac: Mac): void => {
      entry.state = Nud.NOARP;
      entry.mac = mac;
      entry.macHi = macHi(mac);
      entry.macLo = macLo(mac);
    };
    if (dev.kind === DeviceKind.LOOPBACK || isLoopbackIpv4(entry.ip)) set(MAC_ZERO);
    else if (isMulticastIpv4(entry.ip)) set(0x01005e000000 + (entry.ip & 0x7fffff));
    else if (dev.kind === DeviceKind.DUMMY) set(dev.mac);
    else if (
      entry.ip === IPV4_BROADCAST ||
      this.netns.fib.local.lookup(entry.ip, entry.out)?.type === RouteType.BROADCAST
    ) {
      set(MAC_BROADCAST);
    }
  }

  remove(entry: Neighbour): void {
    const at = this.#index.get(entry.out.dev.index, entry.ip);
    if (at === MISSING || this.#entries[at] !== entry) return;
    this.#index.delete(entry.out.dev.index, entry.ip);
    this.#entries[at] = null;
    this.#free.push(at);
    this.#all.delete(entry);
    entry.kill();
  }

  /** neigh_ifdown / neigh_carrier_down / neigh_changeaddr: the device's entries go, permanent ones as the caller says. */
  flushDevice(out: InDevice, keepPermanent: boolean): void {
    for (const entry of this.entries()) {
      if (entry.out !== out) continue;
      if (keepPermanent && entry.state === Nud.PERMANENT) continue;
      this.remove(entry);
    }
  }

  /**
   * neigh_forced_gc: down to gc_thresh2, the oldest first. What a timer works on (INCOMPLETE, REACHABLE, DELAY, PROBE) is in
   * use; what changed within the last 5 s stays, unless it failed or needs no resolution. At most every 5 s, as it walks
   * the whole table, except when the table is full.
   */
  #forcedGc(full: boolean): void {
    const now = this.netns.world.sim.now;
    if (!full && now <= this.#lastFlush + FLUSH_GAP) return;
    this.#lastFlush = now;
    let left = this.#all.size - this.netns.sysctl.ipv4['neigh.default.gc_thresh2'];
    for (const entry of this.#all) {
      if (left <= 0) return;
      const { state } = entry;
      if ((state & (NUD_IN_TIMER | Nud.PERMANENT)) !== 0) continue;
      const worthless = (state & (Nud.FAILED | Nud.NOARP)) !== 0 || isMulticastIpv4(entry.ip);
      if (!worthless && now - entry.updated <= FLUSH_GAP) continue;
      this.remove(entry);
      left--;
    }
  }

  /**
   * neigh_periodic_work: with gc_thresh1 entries or more, those that failed or were not used for gc_stale_time go. It runs
   * every half of base_reachable_time; below the threshold it would do nothing, so the timer rests then.
   */
  #periodicGc(): void {
    const values = this.netns.sysctl.ipv4;
    if (this.#all.size < values['neigh.default.gc_thresh1']) return;
    const now = this.netns.world.sim.now;
    for (const entry of this.#all) {
      const { state } = entry;
      if ((state & (NUD_IN_TIMER | Nud.PERMANENT)) !== 0) continue;
      const used = Math.max(entry.used, entry.confirmed);
      if ((state & Nud.FAILED) !== 0 || now - used > entry.out.neigh.gcStaleTime) this.remove(entry);
    }
    if (this.#all.size >= values['neigh.default.gc_thresh1']) this.#gcTimer.arm(this.#gcInterval);
  }

  get #gcInterval(): Ns {
    return this.netns.sysctl.neigh('default').baseReachableTime / 2;
  }

  dispose(): void {
    this.#gcTimer.cancel();
    for (const entry of this.#all) entry.release();
  }
}
