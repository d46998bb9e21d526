// How `ip route` selects and prints routes (iproute2 6.1 ip/iproute.c filter_nlmsg, print_route).

import { formatIpv4, type Ipv4, type Ipv4Prefix, ipv4InPrefix, maskIpv4 } from '../../addr/ipv4.ts';
import type { NetDevice } from '../../link/device.ts';
import { NS_PER_S } from '../../sim/sim.ts';
import { type Route, RouteType, Scope, Table } from '../../stack/fib.ts';
import {
  type Arguments,
  addressOf,
  deviceOf,
  invalid,
  matches,
  notEmulated,
  prefixOf,
  usageError,
} from './ip-arguments.ts';
import type { IpCall } from './ip-call.ts';
import { parseProtocol, parseRouteType, parseScope, parseTable, scopeName, tableName } from './ip-names.ts';
import type { Printer } from './ip-printer.ts';

export interface RouteFilter {
  /** null: all tables */
  table: number | null;
  cache: boolean;
  /** the route's prefix lies within this one */
  root: Ipv4Prefix | null;
  /** the route's prefix contains this one */
  match: Ipv4Prefix | null;
  dev: NetDevice | null;
  gateway: Ipv4 | null;
  prefsrc: Ipv4 | null;
  protocol: string | null;
  scope: number | null;
  type: RouteType | null;
}

export function readRouteFilter(call: IpCall, args: Arguments): RouteFilter {
  const f: RouteFilter = {
    table: Table.MAIN,
    cache: false,
    root: null,
    match: null,
    dev: null,
    gateway: null,
    prefsrc: null,
    protocol: null,
    scope: null,
    type: null,
  };
  while (!args.done) {
    const word = args.next();
    if (matches(word, 'table')) {
      const name = args.next();
      if (name === 'cache') f.cache = true;
      else if (name === 'all') f.table = null;
      else {
        f.table = parseTable(name);
        if (f.table === null) throw invalid('table id value is invalid\n', name);
        // RT_TABLE_UNSPEC
        if (f.table === 0) f.table = null;
      }
    } else if (matches(word, 'cached') || matches(word, 'cloned')) f.cache = true;
    else if (matches(word, 'protocol')) {
      const name = args.next();
      f.protocol = name === 'all' ? null : parseProtocol(name);
      if (f.protocol === null && name !== 'all') throw invalid('invalid "protocol"\n', name);
    } else if (matches(word, 'scope')) {
      const name = args.next();
      f.scope = name === 'all' ? null : parseScope(name);
      if (f.scope === null && name !== 'all') throw invalid('invalid "scope"\n', name);
    } else if (matches(word, 'type')) {
      const name = args.next();
      f.type = parseRouteType(name);
      if (f.type === null) throw invalid('node type value is invalid\n', name);
    } else if (word === 'dev' || word === 'oif') f.dev = deviceOf(call.netns, args.next());
    else if (word === 'via') {
      args.takes('inet');
      f.gateway = addressOf(args.next());
    } else if (word === 'src') f.prefsrc = addressOf(args.next());
    else if (['tos', 'dsfield', 'iif', 'from', 'realms', 'realm', 'mark', 'vrf', 'metric'].includes(word)) {
      throw notEmulated('ip', `route filter ${word}`);
    } else if (word === 'help') throw usageError('Usage: ip route show [ SELECTOR ]');
    else readPrefixFilter(args, word, f);
  }
  return f;
}

function readPrefixFilter(args: Arguments, first: string, f: RouteFilter): void {
  let word = first === 'to' ? args.next() : first;
  if (matches(word, 'root')) {
    f.root = network(prefixOf(args.next()));
    return;
  }
  if (matches(word, 'match')) {
    f.match = network(prefixOf(args.next()));
    return;
  }
  if (matches(word, 'exact')) word = args.next();
  if (word === 'all' || word === 'any') return;
  const prefix = network(prefixOf(word));
  f.root = prefix;
  f.match = prefix;
}

function network(p: Ipv4Prefix): Ipv4Prefix {
  return { address: p.address & maskIpv4(p.length), length: p.length };
}

/** The routes that the filter lets through, in the kernel's order. */
export function routesOf(call: IpCall, f: RouteFilter): Route[] {
  const tables = call.netns.fib.tables().filter((t) => f.table === null || t.id === f.table);
  return tables.flatMap((t) => t.routes()).filter((r) => passes(r, f));
}

function passes(r: Route, f: RouteFilter): boolean {
  const own = { address: r.destination, length: r.length };
  if (f.root !== null && (r.length < f.root.length || !ipv4InPrefix(r.destination, f.root))) return false;
  if (f.match !== null && (f.match.length < r.length || !ipv4InPrefix(f.match.address, own))) return false;
  if (f.dev !== null && r.nexthop.out?.dev !== f.dev) return false;
  if (f.gateway !== null && r.nexthop.gateway !== f.gateway) return false;
  if (f.prefsrc !== null && r.prefsrc !== f.prefsrc) return false;
  if (f.protocol !== null && r.protocol !== f.protocol) return false;
  if (f.scope !== null && r.scope !== f.scope) return false;
  return f.type === null || r.type === f.type;
}

export function showRoutes(call: IpCall, args: Arguments): number {
  const filter = readRouteFilter(call, args);
  const p = call.printer();
  p.list(() => {
    if (filter.cache) {
      printCache(call, p, filter);
      return;
    }
    for (const route of routesOf(call, filter)) {
      p.object(null, () => printRoute(call, p, route, filter));
      p.text('\n');
    }
  });
  return 0;
}

function destinationText(r: Route): string {
  if (r.length === 0) return 'default';
  return r.length === 32 ? formatIpv4(r.destination) : `${formatIpv4(r.destination)}/${r.length}`;
}

/** What the filter fixes is not printed again. */
function printRoute(call: IpCall, p: Printer, r: Route, f: RouteFilter): void {
  const { details } = call.options;
  const { gateway, out, onlink } = r.nexthop;
  if (r.type !== RouteType.UNICAST || details) p.put('type', r.type, `${r.type} `);
  p.put('dst', destinationText(r), `${destinationText(r)} `);
  if (r.tos !== 0)
    p.put('tos', `0x${r.tos.toString(16).padStart(2, '0')}`, `tos 0x${r.tos.toString(16).padStart(2, '0')} `);
  if (gateway !== 0 && f.gateway === null) p.put('gateway', formatIpv4(gateway), `via ${formatIpv4(gateway)} `);
  if (out !== null && f.dev === null) p.put('dev', out.dev.name, `dev ${out.dev.name} `);
  if ((r.table !== Table.MAIN || details) && f.table === null)
    p.put('table', tableName(r.table), `table ${tableName(r.table)} `);
  if ((r.protocol !== 'boot' || details) && f.protocol === null) p.put('protocol', r.protocol, `proto ${r.protocol} `);
  if ((r.scope !== Scope.GLOBAL || details) && f.scope === null) {
    p.put('scope', scopeName(r.scope), `scope ${scopeName(r.scope)} `);
  }
  if (r.prefsrc !== 0 && f.prefsrc === null) p.put('prefsrc', formatIpv4(r.prefsrc), `src ${formatIpv4(r.prefsrc)} `);
  if (r.metric !== 0) p.put('metric', r.metric, `metric ${r.metric} `);
  // fib_sync_down_dev() passes over local routes.
  const linkdown = r.linkdown && r.nexthop.scope !== Scope.NOWHERE;
  const flags = [];
  if (linkdown && out?.ignoresLinkdown) flags.push('dead');
  if (onlink) flags.push('onlink');
  if (linkdown) flags.push('linkdown');
  printRouteFlags(p, flags);
  if (r.mtu !== 0) printMetrics(p, r.mtu, r.mtuLocked);
}

export function printRouteFlags(p: Printer, flags: readonly string[]): void {
  p.array('flags', () => {
    for (const flag of flags) {
      p.json(null, flag);
      p.text(`${flag} `);
    }
  });
}

export function printMetrics(p: Printer, mtu: number, locked: boolean): void {
  p.array('metrics', () => {
    p.object(null, () => p.put('mtu', mtu, locked ? `mtu lock ${mtu} ` : `mtu ${mtu} `));
  });
}

/** Learnt exceptions (fnhe_dump_bucket): a path MTU that has run out is shown without it until its entry goes. */
function printCache(call: IpCall, p: Printer, f: RouteFilter): void {
  const { netns } = call;
  const now = netns.world.sim.now;
  for (const [destination, e] of netns.pathExceptions) {
    const own = { address: destination, length: 32 };
    if (f.root !== null && !ipv4InPrefix(destination, f.root)) continue;
    if (f.match !== null && (f.match.length < 32 || !ipv4InPrefix(f.match.address, own))) continue;
    const route = netns.fib.lookup(destination);
    const out = route?.nexthop.out ?? null;
    if (route === null || (f.dev !== null && out?.dev !== f.dev)) continue;
    p.object(null, () => {
      const gateway = e.gateway !== 0 ? e.gateway : route.nexthop.gateway;
      p.put('dst', formatIpv4(destination), `${formatIpv4(destination)} `);
      if (gateway !== 0 && f.gateway === null) p.put('gateway', formatIpv4(gateway), `via ${formatIpv4(gateway)} `);
      if (out !== null && f.dev === null) p.put('dev', out.dev.name, `dev ${out.dev.name} `);
      printRouteFlags(p, route.nexthop.onlink ? ['onlink'] : []);
      printCacheInfo(p, e.gateway !== 0 ? ['redirected'] : []);
      if (now < e.expires) {
        printExpiry(p, e.expires - now);
        if (e.mtu !== 0) printMetrics(p, e.mtu, e.locked);
      }
    });
    p.text('\n');
  }
}

/** "cache <local,brd> " on a line of its own. */
export function printCacheInfo(p: Printer, flags: readonly string[]): void {
  p.text(`${p.lineBreak}    cache ${flags.length > 0 ? `<${flags.join(',')}> ` : ''}`);
  p.array('cache', () => {
    for (const flag of flags) p.json(null, flag);
  });
}

export function printExpiry(p: Printer, left: number): void {
  const seconds = Math.floor(left / NS_PER_S);
  p.put('expires', seconds, `expires ${seconds}sec `);
}
