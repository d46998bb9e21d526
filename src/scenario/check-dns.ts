// What no schema can say of the cluster's DNS: addresses outside their prefixes or taken, names that its own objects have.
// And the spec that becomes of it.

import { formatIpv4, formatIpv4Prefix, type Ipv4, ipv4InPrefix, maskIpv4 } from '../addr/ipv4.ts';
import {
  type ClusterDnsSpec,
  DNS_NAMESPACE,
  DNS_SERVICE,
  dnsPods,
  dnsServiceAddress,
  RESOLVER,
} from '../kube/cluster-dns.ts';
import { podLabel } from '../kube/cluster-spec.ts';
import { NS_PER_S } from '../sim/sim.ts';
import { parseDnsName } from '../wire/dns-name.ts';
import { DEFAULT_SUBNET, type PlannedNode } from './check-cluster.ts';
import type { Draft } from './draft.ts';
import type { Problem } from './problem.ts';

/** The spec, or null when the file asks for no DNS. */
export function dnsSpec(draft: Pick<Draft, 'cluster'>, nodes: readonly PlannedNode[]): ClusterDnsSpec | null {
  const { dns, serviceCIDR } = draft.cluster;
  if (dns === undefined) return null;
  const { subnet } = underlayOf(draft, nodes);
  return {
    domain: dns.domain.replace(/\.$/, ''),
    ttl: Math.round(dns.ttl / NS_PER_S),
    cacheTtl: Math.round(dns.cache / NS_PER_S),
    replicas: dns.replicas,
    pods: dns.pods,
    address: dns.address ?? dnsServiceAddress(serviceCIDR),
    upstream: {
      address: dns.upstream.address ?? lastAddress(draft, nodes),
      prefixLength: subnet.length,
      records: dns.upstream.records.map((r) => ({
        name: parseDnsName(r.name)!,
        ttl: Math.round(r.ttl / NS_PER_S),
        addresses: r.addresses ?? [],
        alias: r.alias === undefined ? null : parseDnsName(r.alias),
      })),
    },
  };
}

function underlayOf(draft: Pick<Draft, 'cluster'>, nodes: readonly PlannedNode[]) {
  const given = draft.cluster.underlay.subnet;
  if (given !== undefined) return { subnet: given };
  const first = nodes[0];
  if (first === undefined) return { subnet: DEFAULT_SUBNET };
  return { subnet: { address: first.address & maskIpv4(first.prefixLength), length: first.prefixLength } };
}

/** The last address that a host may have in the underlay's prefix and that no node has. */
function lastAddress(draft: Pick<Draft, 'cluster'>, nodes: readonly PlannedNode[]): Ipv4 {
  const { subnet } = underlayOf(draft, nodes);
  let address = ((subnet.address | ~maskIpv4(subnet.length)) - 1) | 0;
  const taken = [...nodes.map((n) => n.address), ...draft.cluster.hosts.map((h) => h.address.address)];
  while (taken.includes(address)) address = (address - 1) | 0;
  return address;
}

/** @returns labels of the pods that the DNS brings along, in the order in which they are started */
export function checkDns(draft: Draft, nodes: readonly PlannedNode[], problems: Problem[]): string[] {
  const spec = dnsSpec(draft, nodes);
  if (spec === null) return [];
  const problem = (path: readonly string[], what: string, expected: string): void => {
    problems.push(draft.tree.problem(['cluster', 'dns', ...path], { what, expected }));
  };
  const { serviceCIDR } = draft.cluster;
  if (!ipv4InPrefix(spec.address, serviceCIDR)) {
    problem(
      ['address'],
      `${formatIpv4(spec.address)} is outside the service CIDR ${formatIpv4Prefix(serviceCIDR)}`,
      'an address of cluster.serviceCIDR',
    );
  }
  const { subnet } = underlayOf(draft, nodes);
  const upstream = spec.upstream!.address;
  if (!ipv4InPrefix(upstream, subnet)) {
    problem(
      ['upstream', 'address'],
      `${formatIpv4(upstream)} is outside the underlay ${formatIpv4Prefix(subnet)}`,
      'an address next to those of the nodes',
    );
  }
  const neighbour = nodes.find((n) => n.address === upstream);
  if (neighbour !== undefined) {
    problem(['upstream', 'address'], `${formatIpv4(upstream)} is the address of ${neighbour.name}`, 'a free address');
  }
  const host = draft.cluster.hosts.find((h) => h.address.address === upstream || h.name === RESOLVER);
  if (host !== undefined) {
    problem(
      host.name === RESOLVER ? [] : ['upstream', 'address'],
      host.name === RESOLVER
        ? `a host is called ${RESOLVER}`
        : `${formatIpv4(upstream)} is the address of ${host.name}`,
      host.name === RESOLVER ? 'another name: it is there by itself' : 'a free address',
    );
  }
  for (const key of ['ttl', 'cache'] as const) {
    const value = draft.cluster.dns![key];
    if (value % NS_PER_S !== 0 || value > 3600 * NS_PER_S) {
      // The Corefile takes whole seconds up to an hour.
      problem([key], `${value / NS_PER_S} s`, 'whole seconds, at most 3600');
    }
  }
  if (nodes.some((n) => n.name === RESOLVER)) {
    problem([], `a node is called ${RESOLVER}`, 'another name, because captures call the upstream resolver so');
  }
  const own = dnsPods(spec).map(podLabel);
  for (const label of own) {
    if (draft.pods.some((p) => p !== null && podLabel(p.pod.metadata) === label))
      problem([], `a pod is called ${label}`, 'another name: this one is CoreDNS');
  }
  const service = draft.services.find(
    (s) => s?.service.metadata.name === DNS_SERVICE && s.service.metadata.namespace === DNS_NAMESPACE,
  );
  if (service !== undefined)
    problem([], `a Service is called ${DNS_NAMESPACE}/${DNS_SERVICE}`, 'another name: it is there by itself');
  return own;
}
