// `ip route`: add, change, replace, append, del, flush, and the way to show and get (iproute2 6.1 ip/iproute.c).

import type { Ipv4, Ipv4Prefix } from '../../addr/ipv4.ts';
import type { NetDevice } from '../../link/device.ts';
import { RouteType, Scope, Table } from '../../stack/fib.ts';
import { flushPathExceptions } from '../../stack/path-mtu.ts';
import { addRoute, deleteRoute, type RouteMode } from '../../stack/route-control.ts';
import {
  Arguments,
  accept,
  addressOf,
  CommandFailure,
  deviceOf,
  duplicate,
  EXIT_FAILED,
  invalid,
  matches,
  notEmulated,
  numberOf,
  prefixOf,
  usageError,
} from './ip-arguments.ts';
import type { IpCall } from './ip-call.ts';
import { trafficClass } from './ip-link-vxlan.ts';
import { parseProtocol, parseRouteType, parseScope, parseTable } from './ip-names.ts';
import { ipRouteGet } from './ip-route-get.ts';
import { readRouteFilter, routesOf, showRoutes } from './ip-route-show.ts';

const USAGE = `Usage: ip route { add | append | prepend | change | replace | del } [ TYPE ] PREFIX [ via ADDRESS ] [ dev NAME ] [ src ADDRESS ]
                [ metric N ] [ onlink ] [ scope SCOPE ] [ proto PROTO ] [ table TABLE ] [ tos TOS ] [ mtu [ lock ] N ]
       ip route { show | flush } [ [ root | match | exact ] PREFIX ] [ table TABLE | cache ] [ dev NAME ] [ via ADDRESS ]
                [ src ADDRESS ] [ proto PROTO ] [ type TYPE ] [ scope SCOPE ]
       ip route get ADDRESS [ from ADDRESS [ iif NAME ] ] [ oif NAME ]
TYPE := { unicast | local | broadcast | blackhole | unreachable | prohibit | throw }`;

export function ipRoute(call: IpCall, words: readonly string[]): number {
  const verb = words[0] ?? 'show';
  const args = new Arguments(words.slice(1));
  if (matches(verb, 'add')) return modify(call, args, 'add');
  if (matches(verb, 'change') || verb === 'chg') return modify(call, args, 'change');
  if (matches(verb, 'replace')) return modify(call, args, 'replace');
  if (matches(verb, 'prepend')) return modify(call, args, 'prepend');
  if (matches(verb, 'append')) return modify(call, args, 'append');
  if (matches(verb, 'test')) throw notEmulated('ip', 'route test');
  if (matches(verb, 'delete')) return modify(call, args, 'delete');
  if (matches(verb, 'get')) return ipRouteGet(call, args);
  if (matches(verb, 'list') || matches(verb, 'show') || verb === 'lst') return showRoutes(call, args);
  if (matches(verb, 'flush')) return flush(call, args);
  if (verb === 'save' || verb === 'restore' || verb === 'showdump') throw notEmulated('ip', `route ${verb}`);
  if (matches(verb, 'help')) throw usageError(USAGE);
  throw usageError(`Command "${verb}" is unknown, try "ip route help".`);
}

interface RouteWords {
  type: RouteType | null;
  destination: Ipv4Prefix | null;
  gateway: Ipv4;
  dev: NetDevice | null;
  prefsrc: Ipv4;
  metric: number;
  tos: number;
  scope: number | null;
  protocol: string | null;
  table: number | null;
  onlink: boolean;
  mtu: number;
  mtuLocked: boolean;
}

/** Attributes of a route that Linux has and podwire does not. */
const REFUSED: ReadonlySet<string> = new Set([
  'nexthop',
  'nhid',
  'encap',
  'weight',
  'pervasive',
  'advmss',
  'rtt',
  'rttvar',
  'rto_min',
  'reordering',
  'window',
  'cwnd',
  'initcwnd',
  'initrwnd',
  'ssthresh',
  'realms',
  'realm',
  'hoplimit',
  'features',
  'quickack',
  'congctl',
  'fastopen_no_cookie',
  'ttl-propagate',
  'pref',
  'expires',
  'vrf',
  'as',
]);

function readRoute(call: IpCall, args: Arguments): RouteWords {
  const w: RouteWords = {
    type: null,
    destination: null,
    gateway: 0,
    dev: null,
    prefsrc: 0,
    metric: 0,
    tos: 0,
    scope: null,
    protocol: null,
    table: null,
    onlink: false,
    mtu: 0,
    mtuLocked: false,
  };
  let devName: string | null = null;
  while (!args.done) {
    const word = args.next();
    if (word === 'src') w.prefsrc = addressOf(args.next());
    else if (word === 'via') {
      if (w.gateway !== 0) throw duplicate('via', args.peek);
      args.takes('inet');
      if (args.peek === 'inet6') throw notEmulated('ip', 'a gateway of another family');
      w.gateway = addressOf(args.next());
    } else if (word === 'from') throw notEmulated('ip', 'route from');
    else if (word === 'tos' || matches(word, 'dsfield')) w.tos = trafficClass(args.next());
    else if (matches(word, 'metric') || matches(word, 'priority') || word === 'preference') {
      w.metric = numberOf(args.next(), '"metric" value is invalid\n', 0xffff_ffff);
    } else if (word === 'scope') {
      const name = args.next();
      w.scope = parseScope(name);
      if (w.scope === null) throw invalid('invalid "scope" value\n', name);
    } else if (word === 'mtu') {
      w.mtuLocked = args.takes('lock');
      w.mtu = numberOf(args.next(), '"mtu" value is invalid\n', 0xffff_ffff);
    } else if (matches(word, 'protocol')) {
      const name = args.next();
      w.protocol = parseProtocol(name);
      if (w.protocol === null) throw invalid('"protocol" value is invalid\n', name);
    } else if (matches(word, 'table')) {
      const name = args.next();
      w.table = parseTable(name);
      if (w.table === null) throw invalid('"table" value is invalid\n', name);
    } else if (word === 'dev' || word === 'oif') devName = args.next();
    else if (word === 'onlink') w.onlink = true;
    else if (word === 'help') throw usageError(USAGE);
    else if (REFUSED.has(word)) throw notEmulated('ip', `route ${word}`);
    else readDestination(args, word, w);
  }
  if (devName !== null) w.dev = deviceOf(call.netns, devName);
  return w;
}

function readDestination(args: Arguments, first: string, w: RouteWords): void {
  let word = first === 'to' ? args.next() : first;
  const type = parseRouteType(word);
  if (type !== null && w.type === null) {
    w.type = type;
    word = args.next();
  } else if (['nat', 'anycast', 'xresolve'].includes(word)) throw notEmulated('ip', `route type ${word}`);
  if (w.destination !== null) throw duplicate('to', word);
  w.destination = prefixOf(word);
}

function modify(call: IpCall, args: Arguments, mode: RouteMode | 'delete'): number {
  if (args.done) throw usageError(USAGE);
  const w = readRoute(call, args);
  const destination = w.destination ?? { address: 0, length: 0 };
  const { address, length } = destination;
  const type = w.type ?? RouteType.UNICAST;
  const local = type === RouteType.LOCAL;
  const toMany = type === RouteType.BROADCAST || type === RouteType.MULTICAST;
  const table = w.table ?? (local || type === RouteType.BROADCAST ? Table.LOCAL : Table.MAIN);
  if (mode === 'delete') {
    const { gateway, dev, prefsrc, metric, tos, protocol } = w;
    // A scope is looked at only when it is given, or follows from a type that is.
    const scope = w.scope ?? (w.type === null || (!local && !toMany) ? Scope.NOWHERE : local ? Scope.HOST : Scope.LINK);
    const which = {
      table,
      destination: address,
      length,
      type: w.type,
      scope,
      protocol,
      metric,
      tos,
      prefsrc,
      gateway,
      dev,
    };
    accept(deleteRoute(call.netns, which));
    return 0;
  }
  let scope = w.scope;
  if (scope === null) {
    if (local) scope = Scope.HOST;
    else if (toMany) scope = Scope.LINK;
    else scope = type === RouteType.UNICAST && w.gateway === 0 ? Scope.LINK : Scope.GLOBAL;
  }
  const { gateway, dev, prefsrc, metric, tos, onlink, mtu, mtuLocked } = w;
  const protocol = w.protocol ?? 'boot';
  accept(
    addRoute(
      call.netns,
      {
        table,
        destination: address,
        length,
        type,
        scope,
        protocol,
        metric,
        tos,
        prefsrc,
        gateway,
        dev,
        onlink,
        mtu,
        mtuLocked,
      },
      mode,
    ),
  );
  return 0;
}

function flush(call: IpCall, args: Arguments): number {
  if (args.done) throw new CommandFailure('"ip route flush" requires arguments.', EXIT_FAILED);
  const filter = readRouteFilter(call, args);
  if (filter.cache) {
    flushPathExceptions(call.netns);
    return 0;
  }
  const doomed = routesOf(call, filter);
  if (call.options.stats > 0) {
    call.ctx.out(
      doomed.length === 0
        ? 'Nothing to flush.\n'
        : `*** Round 1, deleting ${doomed.length} entries ***\n*** Flush is complete after 1 round ***\n`,
    );
  }
  for (const route of doomed) call.netns.fib.remove(route);
  return 0;
}
