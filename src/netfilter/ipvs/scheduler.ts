// The schedulers of IPVS that kube-proxy can be told to use: rr, wrr, lc, wlc, sh, dh, sed, nq
// (net/netfilter/ipvs/ip_vs_rr.c and its siblings). Each is made for one service and told when its real servers change.

import type { Ipv4 } from '../../addr/ipv4.ts';
import type { IpvsDestination, IpvsService } from './service.ts';

export interface IpvsScheduler {
  readonly name: IpvsSchedulerName;
  /** The real server for a new connection, or null when none may take it. */
  schedule(service: IpvsService, source: Ipv4, sourcePort: number, destination: Ipv4): IpvsDestination | null;
  /** Real servers came or changed their weight, or one went (already out of the list). */
  changed(service: IpvsService): void;
  /** A real server is about to leave the list. */
  leaving?(service: IpvsService, dest: IpvsDestination): void;
}

/** IP_VS_SH_TAB_BITS, IP_VS_DH_TAB_BITS */
const TABLE_BITS = 8;
const TABLE_SIZE = 1 << TABLE_BITS;
/** GOLDEN_RATIO_32 (include/linux/hash.h) */
const GOLDEN_RATIO_32 = 0x61c88647;

/** hash_32(value, TABLE_BITS) */
function hash32(value: number): number {
  return Math.imul(value, GOLDEN_RATIO_32) >>> (32 - TABLE_BITS);
}

/** Round robin: from the server behind the last one on, the first that may. */
class RoundRobin implements IpvsScheduler {
  readonly name = 'rr';
  /** svc->sched_data: the server taken last; null: before the first */
  #last: IpvsDestination | null = null;

  schedule(service: IpvsService): IpvsDestination | null {
    const list = service.destinations;
    const from = this.#last === null ? -1 : list.indexOf(this.#last);
    for (let i = 1; i <= list.length; i++) {
      const dest = list[(from + i) % list.length]!;
      if (dest.usable) {
        this.#last = dest;
        return dest;
      }
    }
    return null;
  }

  changed(): void {}

  /** ip_vs_rr_del_dest: the turn goes back to the server before it. */
  leaving(service: IpvsService, dest: IpvsDestination): void {
    if (dest === this.#last) this.#last = service.destinations[service.destinations.indexOf(dest) - 1] ?? null;
  }
}

function gcd(a: number, b: number): number {
  while (b !== 0) [a, b] = [b, a % b];
  return a;
}

/** Weighted round robin: rounds from the largest weight down, a server takes part while its weight reaches the round's. */
class WeightedRoundRobin implements IpvsScheduler {
  readonly name = 'wrr';
  #last: IpvsDestination | null = null;
  /** cw, mw, di: weight of the round, of the first one, and the step between them */
  #current = 0;
  #max = 0;
  #step = 1;

  schedule(service: IpvsService): IpvsDestination | null {
    if (this.#max === 0) return null;
    const list = service.destinations;
    let at = this.#last === null ? -1 : list.indexOf(this.#last);
    // Every round is looked at once: at most max/step rounds, and the rest of the one that was begun.
    let rounds = Math.ceil(this.#max / this.#step) + 1;
    while (rounds > 0) {
      at++;
      if (at >= list.length) {
        at = 0;
        rounds--;
        this.#current -= this.#step;
        if (this.#current <= 0) this.#current = this.#max;
      }
      const dest = list[at]!;
      if (!dest.overloaded && dest.weight >= this.#current) {
        this.#last = dest;
        return dest;
      }
    }
    return null;
  }

  changed(service: IpvsService): void {
    let divisor = 0;
    let max = 0;
    for (const dest of service.destinations) {
      if (dest.weight > 0) divisor = gcd(dest.weight, divisor);
      max = Math.max(max, dest.weight);
    }
    this.#last = null;
    this.#step = divisor === 0 ? 1 : divisor;
    this.#max = max === 0 ? 0 : max - (this.#step - 1);
    if (this.#current > this.#max || this.#current === 0) this.#current = this.#max;
    else if (this.#step > 1) this.#current = Math.floor(this.#current / this.#step) * this.#step + 1;
  }
}

/** ip_vs_dest_conn_overhead: an active connection weighs as much as 256 inactive ones. */
function connectionOverhead(dest: IpvsDestination): number {
  return dest.activeConnections * 256 + dest.inactiveConnections;
}

/** The server with the least overhead; ties go to the one that comes first. */
class LeastConnection implements IpvsScheduler {
  readonly name = 'lc';

  schedule(service: IpvsService): IpvsDestination | null {
    let least: IpvsDestination | null = null;
    let overhead = 0;
    for (const dest of service.destinations) {
      if (!dest.usable) continue;
      const o = connectionOverhead(dest);
      if (least === null || o < overhead) {
        least = dest;
        overhead = o;
      }
    }
    return least;
  }

  changed(): void {}
}

/** wlc, sed and nq: the least overhead in relation to the weight. */
class WeightedLeast implements IpvsScheduler {
  readonly name: 'wlc' | 'sed' | 'nq';

  constructor(name: 'wlc' | 'sed' | 'nq') {
    this.name = name;
  }

  #overhead(dest: IpvsDestination): number {
    // ip_vs_sed_dest_overhead counts the connection that is to come, and only active ones.
    return this.name === 'wlc' ? connectionOverhead(dest) : dest.activeConnections + 1;
  }

  schedule(service: IpvsService): IpvsDestination | null {
    let least: IpvsDestination | null = null;
    let overhead = 0;
    for (const dest of service.destinations) {
      if (!dest.usable) continue;
      // nq: an idle server at once
      if (this.name === 'nq' && dest.activeConnections === 0) return dest;
      const o = this.#overhead(dest);
      if (least === null || overhead * dest.weight > o * least.weight) {
        least = dest;
        overhead = o;
      }
    }
    return least;
  }

  changed(): void {}
}

/** sh and dh: the source, or the destination, decides through a table of 256 places. */
class Hashing implements IpvsScheduler {
  readonly name: 'sh' | 'dh';
  #table: (IpvsDestination | null)[] = new Array<IpvsDestination | null>(TABLE_SIZE).fill(null);

  constructor(name: 'sh' | 'dh') {
    this.name = name;
  }

  schedule(_service: IpvsService, source: Ipv4, _sourcePort: number, destination: Ipv4): IpvsDestination | null {
    const dest = this.#table[hash32(this.name === 'sh' ? source : destination)]!;
    return dest?.usable ? dest : null;
  }

  changed(service: IpvsService): void {
    const list = service.destinations;
    let at = 0;
    let taken = 0;
    for (let i = 0; i < TABLE_SIZE; i++) {
      const dest = list[at] ?? null;
      this.#table[i] = dest;
      if (dest === null) continue;
      // With sh a server takes as many places in a row as it weighs, at least one.
      if (this.name === 'dh' || ++taken >= dest.weight) {
        at = (at + 1) % list.length;
        taken = 0;
      }
    }
  }
}

const MAKERS = {
  rr: (): IpvsScheduler => new RoundRobin(),
  wrr: (): IpvsScheduler => new WeightedRoundRobin(),
  lc: (): IpvsScheduler => new LeastConnection(),
  wlc: (): IpvsScheduler => new WeightedLeast('wlc'),
  sh: (): IpvsScheduler => new Hashing('sh'),
  dh: (): IpvsScheduler => new Hashing('dh'),
  sed: (): IpvsScheduler => new WeightedLeast('sed'),
  nq: (): IpvsScheduler => new WeightedLeast('nq'),
} as const;

export type IpvsSchedulerName = keyof typeof MAKERS;

export const IPVS_SCHEDULERS = Object.keys(MAKERS) as readonly IpvsSchedulerName[];

export function isIpvsScheduler(name: string): name is IpvsSchedulerName {
  return Object.hasOwn(MAKERS, name);
}

export function createIpvsScheduler(name: IpvsSchedulerName): IpvsScheduler {
  return MAKERS[name]();
}
