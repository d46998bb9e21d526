// Routes as the kernel's rtnetlink side takes them (net/ipv4/fib_semantics.c fib_create_info, fib_check_nh;
// net/ipv4/fib_trie.c fib_table_insert, fib_table_delete): the checks, and where a new route stands among its equals.

import { type Ipv4, maskIpv4 } from '../addr/ipv4.ts';
import type { NetDevice } from '../link/device.ts';
import { type NextHop, Route, type RouteSpec, RouteType, Scope, Table } from './fib.ts';
import { type NetlinkError, refuse } from './netlink-error.ts';
import type { NetNamespace } from './netns.ts';

/** NLM_F_*: add = CREATE|EXCL, prepend = CREATE, append = CREATE|APPEND, replace = CREATE|REPLACE, change = REPLACE. */
export type RouteMode = 'add' | 'prepend' | 'append' | 'replace' | 'change';

export interface RouteRequest {
  readonly table: number;
  readonly destination: Ipv4;
  /** 0..32 */
  readonly length: number;
  readonly type: RouteType;
  readonly scope: number;
  readonly protocol: string;
  readonly metric: number;
  readonly tos: number;
  /** 0 for none */
  readonly prefsrc: Ipv4;
  /** 0 for none */
  readonly gateway: Ipv4;
  readonly dev: NetDevice | null;
  readonly onlink: boolean;
  /** 0 for none */
  readonly mtu: number;
  readonly mtuLocked: boolean;
}

/** fib_props[].error != 0: routes that lead nowhere. */
const ERROR_TYPES: ReadonlySet<RouteType> = new Set([
  RouteType.BLACKHOLE,
  RouteType.UNREACHABLE,
  RouteType.PROHIBIT,
  RouteType.THROW,
]);

/** fib_props[].scope: a route of this type is at least so near. */
const MIN_SCOPE: Readonly<Record<RouteType, number>> = {
  unicast: Scope.GLOBAL,
  local: Scope.HOST,
  broadcast: Scope.LINK,
  multicast: Scope.GLOBAL,
  blackhole: Scope.GLOBAL,
  unreachable: Scope.GLOBAL,
  prohibit: Scope.GLOBAL,
  throw: Scope.GLOBAL,
};

type Checked<T> = { readonly ok: T } | { readonly error: NetlinkError };

function fail<T>(...args: Parameters<typeof refuse>): Checked<T> {
  return { error: refuse(...args) };
}

/** inet_rtm_newroute() */
export function addRoute(netns: NetNamespace, request: RouteRequest, mode: RouteMode): NetlinkError | null {
  if ((request.destination & ~maskIpv4(request.length)) !== 0) {
    return refuse('EINVAL', 'Invalid prefix for given prefix length');
  }
  const info = createInfo(netns, request);
  if ('error' in info) return info.error;
  return insert(netns, request.table, info.ok, mode);
}

/** fib_create_info() */
function createInfo(netns: NetNamespace, request: RouteRequest): Checked<RouteSpec> {
  const { destination, length, type, scope, protocol, metric, tos, prefsrc, mtu, mtuLocked } = request;
  if (MIN_SCOPE[type] > scope) return fail('EINVAL', 'Invalid scope');
  let nexthop: Checked<NextHop>;
  if (ERROR_TYPES.has(type)) {
    if (request.gateway !== 0 || request.dev !== null) {
      return fail('EINVAL', 'Gateway, device and multipath can not be specified for this route type');
    }
    nexthop = { ok: { gateway: 0, out: null, onlink: false, scope: Scope.NOWHERE } };
  } else {
    if (scope > Scope.HOST) return fail('EINVAL', 'Invalid scope');
    if (scope === Scope.HOST) nexthop = localNextHop(netns, request);
    else if (request.gateway !== 0) nexthop = gatewayNextHop(netns, request);
    else nexthop = deviceNextHop(netns, request);
  }
  if ('error' in nexthop) return nexthop;
  if (prefsrc !== 0 && !(type === RouteType.LOCAL && prefsrc === destination) && !netns.isLocal(prefsrc)) {
    return fail('EINVAL', 'Invalid prefsrc address');
  }
  return {
    ok: { destination, length, type, scope, protocol, metric, tos, prefsrc, nexthop: nexthop.ok, mtu, mtuLocked },
  };
}

function localNextHop(netns: NetNamespace, { gateway, dev }: RouteRequest): Checked<NextHop> {
  if (gateway !== 0) return fail('EINVAL', 'Route with host scope can not have a gateway');
  if (dev === null) return fail('ENODEV');
  return { ok: { gateway: 0, out: netns.inDevice(dev), onlink: false, scope: Scope.NOWHERE } };
}

/** fib_check_nh_nongw() */
function deviceNextHop(netns: NetNamespace, { dev, onlink }: RouteRequest): Checked<NextHop> {
  if (onlink) return fail('EINVAL', 'Invalid flags for nexthop - PERVASIVE and ONLINK can not be set');
  if (dev === null) return fail('ENODEV');
  if (!dev.up) return fail('ENETDOWN', 'Device for nexthop is not up');
  return { ok: { gateway: 0, out: netns.inDevice(dev), onlink: false, scope: Scope.HOST } };
}

/** fib_check_nh_v4_gw() */
function gatewayNextHop(netns: NetNamespace, request: RouteRequest): Checked<NextHop> {
  const { gateway, dev, onlink, scope } = request;
  if (onlink) {
    if (scope >= Scope.LINK) return fail('EINVAL', 'Nexthop has invalid scope');
    if (dev === null) return fail('ENODEV', 'Nexthop device required for onlink');
    if (!dev.up) return fail('ENETDOWN', 'Nexthop device is not up');
    const there = netns.fib.local.lookup(gateway);
    if (there !== null && there.type !== RouteType.UNICAST) return fail('EINVAL', 'Nexthop has invalid gateway');
    return { ok: { gateway, out: netns.inDevice(dev), onlink: true, scope: Scope.LINK } };
  }
  const nearerThan = Math.max(scope + 1, Scope.LINK);
  const way = wayTo(netns, request, nearerThan);
  if (way === null || ERROR_TYPES.has(way.type)) return fail('ENETUNREACH', 'Nexthop has invalid gateway');
  if (way.type !== RouteType.UNICAST && way.type !== RouteType.LOCAL) {
    return fail('EINVAL', 'Nexthop has invalid gateway');
  }
  const out = way.nexthop.out;
  if (out === null) return fail('EINVAL', 'No egress device for nexthop');
  if (!out.dev.up) return fail('ENETDOWN');
  return { ok: { gateway, out, onlink: false, scope: way.scope } };
}

/** fib_lookup() of a gateway: only routes that are near enough count; the table of the route itself is asked first. */
function wayTo(netns: NetNamespace, request: RouteRequest, scope: number): Route | null {
  const tables = netns.fib.rules.map((rule) => rule.table);
  if (request.table !== Table.MAIN) tables.unshift(request.table);
  for (const id of tables) {
    const routes = netns.fib.table(id).routes();
    let best: Route | null = null;
    for (const route of routes) {
      if (((route.destination ^ request.gateway) & maskIpv4(route.length)) !== 0 || route.scope < scope) continue;
      if (request.dev !== null && route.nexthop.out !== null && route.nexthop.out.dev !== request.dev) continue;
      if (best === null || route.length > best.length) best = route;
    }
    if (best !== null && best.type !== RouteType.THROW) return best;
  }
  return null;
}

/** fib_table_insert() */
function insert(netns: NetNamespace, tableId: number, spec: RouteSpec, mode: RouteMode): NetlinkError | null {
  const { fib } = netns;
  const table = fib.table(tableId);
  const equals = table.at(spec.destination, spec.length).filter((r) => r.metric === spec.metric && r.tos === spec.tos);
  if (equals.length === 0) {
    if (mode === 'change') return refuse('ENOENT');
    fib.insert(tableId, spec);
    return null;
  }
  if (mode === 'add') return refuse('EEXIST');
  const match = equals.find((r) => sameRoute(r, spec));
  if (mode === 'replace' || mode === 'change') {
    if (match !== undefined) return match === equals[0] ? null : refuse('EEXIST');
    reorder(netns, tableId, equals, [new Route(tableId, spec), ...equals.slice(1)]);
    return null;
  }
  if (match !== undefined) return refuse('EEXIST');
  if (mode === 'append') fib.insert(tableId, spec);
  else reorder(netns, tableId, equals, [new Route(tableId, spec), ...equals]);
  return null;
}

/** Puts `after` in the place of `before`: routes of one prefix and metric, whose order is the order of insertion. */
function reorder(netns: NetNamespace, tableId: number, before: readonly Route[], after: readonly Route[]): void {
  const table = netns.fib.table(tableId);
  for (const route of before) table.remove(route);
  for (const route of after) table.insert(route);
  netns.fib.touch();
}

/** The same type and fib_info (fib_find_info). */
function sameRoute(a: RouteSpec, b: RouteSpec): boolean {
  return (
    a.type === b.type &&
    a.scope === b.scope &&
    a.protocol === b.protocol &&
    a.prefsrc === b.prefsrc &&
    a.mtu === b.mtu &&
    a.mtuLocked === b.mtuLocked &&
    a.nexthop.gateway === b.nexthop.gateway &&
    a.nexthop.out === b.nexthop.out &&
    a.nexthop.onlink === b.nexthop.onlink
  );
}

export interface RouteDeletion {
  readonly table: number;
  readonly destination: Ipv4;
  readonly length: number;
  /** null, 0: any */
  readonly type: RouteType | null;
  /** NOWHERE: any */
  readonly scope: number;
  readonly protocol: string | null;
  readonly metric: number;
  readonly tos: number;
  readonly prefsrc: Ipv4;
  readonly gateway: Ipv4;
  readonly dev: NetDevice | null;
}

/** fib_table_delete(): the first route that fits goes. */
export function deleteRoute(netns: NetNamespace, which: RouteDeletion): NetlinkError | null {
  if ((which.destination & ~maskIpv4(which.length)) !== 0) {
    return refuse('EINVAL', 'Invalid prefix for given prefix length');
  }
  const found = netns.fib
    .table(which.table)
    .at(which.destination, which.length)
    .find(
      (r) =>
        r.tos === which.tos &&
        (which.type === null || r.type === which.type) &&
        (which.scope === Scope.NOWHERE || r.scope === which.scope) &&
        (which.protocol === null || r.protocol === which.protocol) &&
        (which.prefsrc === 0 || r.prefsrc === which.prefsrc) &&
        (which.metric === 0 || r.metric === which.metric) &&
        (which.dev === null || r.nexthop.out?.dev === which.dev) &&
        (which.gateway === 0 || r.nexthop.gateway === which.gateway),
    );
  if (found === undefined) return refuse('ESRCH');
  netns.fib.remove(found);
  return null;
}
