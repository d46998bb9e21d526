// The forwarding information base (net/ipv4/fib_trie.c, fib_semantics.c, fib_rules.c): tables of routes, longest-prefix
// match, and the rules that say which table is asked first.
//
// Structure of a table: for each prefix length that occurs, longest first, an integer table from the masked destination
// to a chain of routes of that prefix, lowest metric first. A look-up costs one probe per occurring length. That is the
// plain path; route-cache.ts keeps results and is checked against it.

import { compareIpv4, type Ipv4, maskIpv4 } from '../addr/ipv4.ts';
import { IntTable, MISSING } from '../base/int-table.ts';
import type { InDevice } from './in-device.ts';

/** RTN_*, by the words of `ip route`. */
export const RouteType = {
  UNICAST: 'unicast',
  LOCAL: 'local',
  BROADCAST: 'broadcast',
  MULTICAST: 'multicast',
  BLACKHOLE: 'blackhole',
  UNREACHABLE: 'unreachable',
  PROHIBIT: 'prohibit',
  THROW: 'throw',
} as const;
export type RouteType = (typeof RouteType)[keyof typeof RouteType];

/** RT_SCOPE_*: the higher, the nearer. */
export const Scope = { GLOBAL: 0, SITE: 200, LINK: 253, HOST: 254, NOWHERE: 255 } as const;

/** Routing tables (include/uapi/linux/rtnetlink.h). */
export const Table = { DEFAULT: 253, MAIN: 254, LOCAL: 255 } as const;

/** RTPROT_*, by the words of /etc/iproute2/rt_protos. */
export type RouteProtocol = string;

export interface NextHop {
  /** 0 when the destination is on the link itself */
  readonly gateway: Ipv4;
  readonly out: InDevice | null;
  readonly onlink: boolean;
  /** RT_SCOPE of the next hop itself: HOST for a destination on the link, LINK for one behind a gateway */
  readonly scope: number;
}

export interface RouteSpec {
  readonly destination: Ipv4;
  readonly length: number;
  readonly type: RouteType;
  readonly scope: number;
  readonly protocol: RouteProtocol;
  readonly metric: number;
  readonly tos: number;
  /** 0 for none */
  readonly prefsrc: Ipv4;
  readonly nexthop: NextHop;
  /** RTAX_MTU, 0 for none; `mtu lock` forbids path-MTU discovery to change it */
  readonly mtu: number;
  readonly mtuLocked: boolean;
}

export class Route implements RouteSpec {
  readonly table: number;
  readonly destination: Ipv4;
  readonly length: number;
  readonly type: RouteType;
  readonly scope: number;
  readonly protocol: RouteProtocol;
  readonly metric: number;
  readonly tos: number;
  readonly prefsrc: Ipv4;
  readonly nexthop: NextHop;
  readonly mtu: number;
  readonly mtuLocked: boolean;

  constructor(table: number, spec: RouteSpec) {
    this.table = table;
    this.destination = spec.destination;
    this.length = spec.length;
    this.type = spec.type;
    this.scope = spec.scope;
    this.protocol = spec.protocol;
    this.metric = spec.metric;
    this.tos = spec.tos;
    this.prefsrc = spec.prefsrc;
    this.nexthop = spec.nexthop;
    this.mtu = spec.mtu;
    this.mtuLocked = spec.mtuLocked;
  }

  /** RTNH_F_LINKDOWN: the device is up but has no carrier. */
  get linkdown(): boolean {
    const out = this.nexthop.out;
    return out?.dev.up === true && !out.dev.carrier;
  }
}

export class FibTable {
  readonly id: number;
  /** occurring lengths, longest first */
  #lengths: number[] = [];
  readonly #index: (IntTable | null)[] = new Array<IntTable | null>(33).fill(null);
  readonly #chains: Route[][] = [];
  readonly #freeChains: number[] = [];
  size = 0;

  constructor(id: number) {
    this.id = id;
  }

  /**
   * The route of the longest matching prefix with the lowest metric whose device may be used; null when none. Look-ups are
   * for TOS 0 (route-cache.ts keys on the destination alone), so a route for another TOS is kept and shown, never taken.
   */
  lookup(destination: Ipv4, out: InDevice | null = null): Route | null {
    const lengths = this.#lengths;
    for (let i = 0; i < lengths.length; i++) {
      const length = lengths[i]!;
      const at = this.#index[length]!.get(destination & maskIpv4(length));
      if (at === MISSING) continue;
      const chain = this.#chains[at]!;
      for (let j = 0; j < chain.length; j++) {
        const route = chain[j]!;
        if (route.tos !== 0) continue;
        const dev = route.nexthop.out;
        if (out !== null && dev !== out) continue;
        if (dev !== null && !dev.dev.carrier && dev.ignoresLinkdown && route.type === RouteType.UNICAST) continue;
        return route;
      }
    }
    return null;
  }

  /** Routes of exactly this prefix, lowest metric first. */
  at(destination: Ipv4, length: number): readonly Route[] {
    const at = this.#index[length]?.get(destination) ?? MISSING;
    return at === MISSING ? [] : this.#chains[at]!;
  }

  insert(route: Route): void {
    let index = this.#index[route.length];
    if (index === null || index === undefined) {
      index = new IntTable();
      this.#index[route.length] = index;
    }
    let at = index.get(route.destination);
    if (at === MISSING) {
      at = this.#freeChains.pop() ?? this.#chains.length;
      this.#chains[at] = [];
      index.set(route.destination, at);
      if (!this.#lengths.includes(route.length)) {
        this.#lengths = [...this.#lengths, route.length].sort((a, b) => b - a);
      }
    }
    const chain = this.#chains[at]!;
    // fib_find_alias / fib_insert_alias: sorted by metric; equal ones newest last here as `append`, the caller decides.
    let i = 0;
    while (i < chain.length && chain[i]!.metric <= route.metric) i++;
    chain.splice(i, 0, route);
    this.size++;
  }

  remove(route: Route): boolean {
    const index = this.#index[route.length];
    const at = index?.get(route.destination) ?? MISSING;
    if (at === MISSING) return false;
    const chain = this.#chains[at]!;
    const i = chain.indexOf(route);
    if (i < 0) return false;
    chain.splice(i, 1);
    this.size--;
    if (chain.length === 0) {
      index!.delete(route.destination);
      this.#freeChains.push(at);
      if (index!.size === 0) {
        this.#index[route.length] = null;
        this.#lengths = this.#lengths.filter((l) => l !== route.length);
      }
    }
    return true;
  }

  /** All routes in the order in which the kernel dumps its trie: by address, the longer prefix first. */
  routes(): Route[] {
    const out: Route[] = [];
    const seen = new Set<Route>();
    for (const chain of this.#chains) {
      for (const route of chain) {
        if (!seen.has(route)) {
          seen.add(route);
          out.push(route);
        }
      }
    }
    return out.sort((a, b) => compareIpv4(a.destination, b.destination) || b.length - a.length || a.metric - b.metric);
  }
}

/** A policy rule that names a table (`ip rule`). */
export interface Rule {
  readonly priority: number;
  readonly table: number;
}

export class Fib {
  readonly local = new FibTable(Table.LOCAL);
  readonly main = new FibTable(Table.MAIN);
  readonly #tables = new Map<number, FibTable>();
  #rules: Rule[] = [
    { priority: 0, table: Table.LOCAL },
    { priority: 32_766, table: Table.MAIN },
    { priority: 32_767, table: Table.DEFAULT },
  ];
  #ordered: FibTable[] = [];
  /** Counts every change; caches of results compare it. */
  generation = 0;

  constructor() {
    this.#tables.set(Table.LOCAL, this.local);
    this.#tables.set(Table.MAIN, this.main);
    this.#order();
  }

  get rules(): readonly Rule[] {
    return this.#rules;
  }

  addRule(rule: Rule): void {
    this.#rules = [...this.#rules, rule].sort((a, b) => a.priority - b.priority);
    this.#order();
  }

  removeRule(rule: Rule): void {
    this.#rules = this.#rules.filter((r) => r !== rule);
    this.#order();
  }

  /** The table of this number, made when it is first named. */
  table(id: number): FibTable {
    let table = this.#tables.get(id);
    if (table === undefined) {
      table = new FibTable(id);
      this.#tables.set(id, table);
      this.#order();
    }
    return table;
  }

  /** Tables that exist, by number. */
  tables(): FibTable[] {
    return [...this.#tables.values()].sort((a, b) => a.id - b.id);
  }

  /** Asks the tables in the order of the rules; a throw route ends its own table only. */
  lookup(destination: Ipv4, out: InDevice | null = null): Route | null {
    for (let i = 0; i < this.#ordered.length; i++) {
      const route = this.#ordered[i]!.lookup(destination, out);
      if (route !== null && route.type !== RouteType.THROW) return route;
    }
    return null;
  }

  insert(table: number, spec: RouteSpec): Route {
    const route = new Route(table, spec);
    this.table(table).insert(route);
    this.generation++;
    return route;
  }

  remove(route: Route): boolean {
    const done = this.table(route.table).remove(route);
    if (done) this.generation++;
    return done;
  }

  /** Something that look-ups depend on beside the routes has changed (carrier, sysctl). */
  touch(): void {
    this.generation++;
  }

  #order(): void {
    this.#ordered = [];
    for (const rule of this.#rules) {
      const table = this.#tables.get(rule.table);
      if (table !== undefined) this.#ordered.push(table);
    }
    this.generation++;
  }
}
