// `kubectl get services|endpoints|endpointslices` (pkg/printers/internalversion/printers.go).

import { compareIpv4, formatIpv4, type Ipv4 } from '../../addr/ipv4.ts';
import type { Cluster } from '../../kube/cluster.ts';
import { DEFAULT_NAMESPACE } from '../../kube/cluster-spec.ts';
import type { EndpointSlice } from '../../kube/endpoint-slice.ts';
import type { Service } from '../../kube/service.ts';
import type { ShellContext } from '../command.ts';
import { type Arguments, age, choose, labelFilter, missing, order, print, shownName } from './kubectl-table.ts';

/** loadBalancerWidth: characters of the addresses of a load balancer without -o wide. */
const BALANCER_WIDTH = 16;
/** Endpoints that a row shows. */
const SHOWN = 3;
/** What kubectl says since 1.33, before anything else. */
const DEPRECATED = 'Warning: v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice\n';

interface Listed {
  readonly name: string;
  readonly namespace: string;
  readonly labels?: Readonly<Record<string, string>>;
}

interface Table<T> {
  /** as messages name the resource */
  readonly plural: string;
  /** before the slash of -o name */
  readonly singular: string;
  readonly header: readonly string[];
  readonly row: (item: T) => readonly string[];
}

function list<T extends Listed>(items: readonly T[], table: Table<T>, args: Arguments, ctx: ShellContext): number {
  const all = args.options.has('all');
  const namespace = args.options.get('namespace') ?? DEFAULT_NAMESPACE;
  const filter = labelFilter(args);
  const fits = typeof filter === 'string' ? () => false : filter;
  const sorted = items
    .filter((i) => (all || i.namespace === namespace) && fits(i.labels ?? {}))
    .sort((a, b) => order(a.namespace, b.namespace) || order(a.name, b.name));
  const chosen = choose(sorted, (i) => i.name, args.words);
  if (chosen.found.length === 0 && chosen.missing.length === 0) {
    ctx.err(all ? 'No resources found\n' : `No resources found in ${namespace} namespace.\n`);
    return 0;
  }
  if (args.options.get('output') === 'name') {
    for (const item of chosen.found) ctx.out(`${table.singular}/${item.name}\n`);
  } else {
    const rows = chosen.found.map((item) => {
      const [name, ...cells] = table.row(item) as [string, ...string[]];
      return [...(all ? [item.namespace] : []), shownName(args, table.singular, name), ...cells];
    });
    print(ctx, args, [...(all ? ['NAMESPACE'] : []), ...table.header], rows);
  }
  return missing(ctx, table.plural, chosen.missing);
}

export function getServices(cluster: Cluster, args: Arguments, ctx: ShellContext): number {
  const wide = args.options.get('output') === 'wide';
  const header = ['NAME', 'TYPE', 'CLUSTER-IP', 'EXTERNAL-IP', 'PORT(S)', 'AGE'];
  if (wide) header.push('SELECTOR');
  const row = (s: Service): string[] => [
    s.name,
    s.type,
    s.clusterIP === null ? '<none>' : s.clusterIP === 'None' ? 'None' : formatIpv4(s.clusterIP),
    externalIp(s, wide),
    ports(s),
    age(ctx.sim.now - s.created),
    ...(wide ? [selector(s)] : []),
  ];
  return list(cluster.services.list(), { plural: 'services', singular: 'service', header, row }, args, ctx);
}

function externalIp(s: Service, wide: boolean): string {
  const own = s.externalIPs.map(formatIpv4);
  if (s.type === 'ExternalName') return s.externalName ?? '<none>';
  if (s.type !== 'LoadBalancer') return own.length > 0 ? own.join(',') : '<none>';
  let balancer = s.ingress.map((i) => formatIpv4(i.ip)).join(',');
  if (!wide && balancer.length > BALANCER_WIDTH) balancer = `${balancer.slice(0, BALANCER_WIDTH - 3)}...`;
  const shown = [...(balancer === '' ? [] : [balancer]), ...own];
  return shown.length > 0 ? shown.join(',') : '<pending>';
}

function ports(s: Service): string {
  if (s.ports.length === 0) return '<none>';
  return s.ports.map((p) => `${p.port}${p.nodePort === null ? '' : `:${p.nodePort}`}/${p.protocol}`).join(',');
}

function selector(s: Service): string {
  const pairs = Object.entries(s.selector ?? {}).map(([key, value]) => `${key}=${value}`);
  return pairs.length > 0 ? pairs.sort().join(',') : '<none>';
}

/** The Endpoints that the EndpointSlices of a Service amount to. */
export function getEndpoints(cluster: Cluster, args: Arguments, ctx: ShellContext): number {
  ctx.err(DEPRECATED);
  const { services } = cluster;
  const items = services.list().filter((s) => s.type !== 'ExternalName' && services.slices(s).length > 0);
  const row = (s: Service): string[] => [s.name, endpoints(services.slices(s)), age(ctx.sim.now - s.created)];
  const header = ['NAME', 'ENDPOINTS', 'AGE'];
  return list(items, { plural: 'endpoints', singular: 'endpoints', header, row }, args, ctx);
}

function endpoints(slices: readonly EndpointSlice[]): string {
  const all: string[] = [];
  for (const slice of slices) {
    const ready = slice.endpoints.filter((e) => e.ready).map((e) => e.address);
    const addresses = ready.sort(compareIpv4).map((a: Ipv4) => formatIpv4(a));
    if (slice.ports.length === 0) all.push(...addresses);
    for (const { port } of slice.ports) all.push(...addresses.map((a) => `${a}:${port}`));
  }
  return all.length === 0 ? '<none>' : shorten(all);
}

function shorten(all: readonly string[]): string {
  const shown = all.slice(0, SHOWN).join(',');
  return all.length > SHOWN ? `${shown} + ${all.length - SHOWN} more...` : shown;
}

export function getEndpointSlices(cluster: Cluster, args: Arguments, ctx: ShellContext): number {
  const row = (s: EndpointSlice): string[] => [
    s.name,
    'IPv4',
    s.ports.length === 0 ? '<unset>' : shorten(s.ports.map((p) => String(p.port))),
    s.endpoints.length === 0 ? '<unset>' : shorten(s.endpoints.map((e) => formatIpv4(e.address))),
    age(ctx.sim.now - s.created),
  ];
  const header = ['NAME', 'ADDRESSTYPE', 'PORTS', 'ENDPOINTS', 'AGE'];
  const table = { plural: 'endpointslices.discovery.k8s.io', singular: 'endpointslice.discovery.k8s.io', header, row };
  return list(cluster.services.allSlices(), table, args, ctx);
}
