// What kube-proxy in nftables mode feeds to nft (pkg/proxy/nftables/proxier.go, as of Kubernetes 1.36): one table of its own,
// in which maps lead from address, protocol and port to the chain of a Service.
//
//   nat     services -> @service-ips, @service-nodeports -> external-x -> service-x or local-x: dnat
//   filter  @firewall-ips before the translation; @no-endpoint-* and unknown ports of cluster addresses behind it

import { formatIpv4, formatIpv4Prefix, type Ipv4, type Ipv4Prefix, ipv4InPrefix } from '../addr/ipv4.ts';
import { base32, sha256 } from '../base/sha256.ts';
import { MASQUERADE_MARK } from './proxy-rules.ts';
import type { ProxyPort } from './proxy-state.ts';
import { externallyAccessible, protocolName, type ServiceEndpoint, type ServicePort } from './service-port.ts';

export const NFT_PROXY_TABLE = 'kube-proxy';

/** Characters of the hash in a chain's name. */
const HASH_LENGTH = 8;

export interface NftablesProxySettings {
  /** sources that are pods; null: nothing is known of that */
  readonly clusterCIDR: Ipv4Prefix | null;
  readonly serviceCIDR: Ipv4Prefix | null;
  readonly masqueradeAll: boolean;
  /** where node ports answer; without --nodeport-addresses the node's primary address only */
  readonly nodePortAddresses: readonly Ipv4[];
  readonly nodeIP: Ipv4;
  readonly nodeName: string;
}

export interface NftablesRules {
  /** one transaction for `nft -f` */
  readonly text: string;
}

const THREE = 'ipv4_addr . inet_proto . inet_service';
/** Sets and maps: name, what follows `type`, comment. */
const SETS: readonly (readonly [kind: 'set' | 'map', name: string, type: string, comment: string])[] = [
  ['set', 'hairpin-connections', `ipv4_addr . ${THREE}`, 'service hairpin connections'],
  ['set', 'cluster-ips', 'ipv4_addr', 'Active ClusterIPs'],
  ['set', 'nodeport-ips', 'ipv4_addr', 'IPs that accept NodePort traffic'],
  ['map', 'no-endpoint-services', `${THREE} : verdict`, 'vmap to drop or reject packets to services with no endpoints'],
  [
    'map',
    'no-endpoint-nodeports',
    'inet_proto . inet_service : verdict',
    'vmap to drop or reject packets to service nodeports with no endpoints',
  ],
  ['map', 'firewall-ips', `${THREE} : verdict`, 'destinations that are subject to LoadBalancerSourceRanges'],
  ['map', 'service-ips', `${THREE} : verdict`, 'ClusterIP, ExternalIP and LoadBalancer IP traffic'],
  ['map', 'service-nodeports', 'inet_proto . inet_service : verdict', 'NodePort traffic'],
];

const BASE_CHAINS: readonly (readonly [name: string, hook: string])[] = [
  ['filter-prerouting-pre-dnat', 'type filter hook prerouting priority -110'],
  ['filter-output-pre-dnat', 'type filter hook output priority -110'],
  ['filter-input', 'type filter hook input priority 0'],
  ['filter-forward', 'type filter hook forward priority 0'],
  ['filter-output', 'type filter hook output priority 0'],
  ['nat-prerouting', 'type nat hook prerouting priority -100'],
  ['nat-output', 'type nat hook output priority -100'],
  ['nat-postrouting', 'type nat hook postrouting priority 100'],
];

const CHAINS = [
  'nodeport-endpoints-check',
  'service-endpoints-check',
  'firewall-check',
  'services',
  'masquerading',
  'cluster-ips-check',
  'mark-for-masquerade',
  'reject-chain',
] as const;

const LOOKUP = 'ip daddr . meta l4proto . th dport vmap';
/** Rules that are always there: chain and rule, in kube-proxy's order. */
const JUMPS: readonly (readonly [chain: string, rule: string])[] = [
  ['filter-input', 'ct state new jump nodeport-endpoints-check'],
  ['filter-input', 'ct state new jump service-endpoints-check'],
  ['filter-forward', 'ct state new jump service-endpoints-check'],
  ['filter-output', 'ct state new jump service-endpoints-check'],
  ['filter-prerouting-pre-dnat', 'ct state new jump firewall-check'],
  ['filter-output-pre-dnat', 'ct state new jump firewall-check'],
  ['nat-output', 'jump services'],
  ['nat-prerouting', 'jump services'],
  ['nat-postrouting', 'jump masquerading'],
  ['filter-forward', 'ct state new jump cluster-ips-check'],
  ['filter-output', 'ct state new jump cluster-ips-check'],
  ['mark-for-masquerade', `mark set mark or ${MASQUERADE_MARK}`],
  ['masquerading', `mark and ${MASQUERADE_MARK} != 0 mark set mark xor ${MASQUERADE_MARK} masquerade fully-random`],
  [
    'masquerading',
    'ct status dnat ip saddr . ip daddr . meta l4proto . th dport @hairpin-connections masquerade fully-random',
  ],
  ['cluster-ips-check', 'ip daddr @cluster-ips reject comment "Reject traffic to invalid ports of ClusterIPs"'],
  ['service-endpoints-check', `${LOOKUP} @no-endpoint-services`],
  ['nodeport-endpoints-check', 'ip daddr @nodeport-ips meta l4proto . th dport vmap @no-endpoint-nodeports'],
  ['firewall-check', `${LOOKUP} @firewall-ips`],
  ['reject-chain', 'reject'],
];

/** `HASH-name`, as service chains, endpoint chains and affinity sets are called. */
function hashed(name: string): string {
  return `${base32(sha256(name)).slice(0, HASH_LENGTH)}-${name}`;
}

/** Chains and sets of Services and endpoints, which come and go. */
export function isNftServiceName(name: string): boolean {
  return /^(service|local|external|firewall|endpoint|affinity)-[A-Z2-7]{8}-/.test(name);
}

/**
 * Everything as it is to be: affinity sets keep their elements, the rest is written anew in one transaction.
 * @param existing chains and sets of Services that the table has; those no longer used are deleted
 */
export function nftablesRules(
  ports: readonly ProxyPort[],
  settings: NftablesProxySettings,
  existing: { readonly chains: readonly string[]; readonly sets: readonly string[] },
): NftablesRules {
  const writer = new Writer(settings);
  for (const port of ports) writer.port(port);
  return { text: writer.text(existing) };
}

class Writer {
  readonly #settings: NftablesProxySettings;
  readonly #chains = new Set<string>();
  readonly #affinity = new Map<string, number>();
  readonly #rules: string[] = [];
  readonly #elements: string[] = [];

  constructor(settings: NftablesProxySettings) {
    this.#settings = settings;
    for (const ip of settings.nodePortAddresses) this.#element('nodeport-ips', formatIpv4(ip));
  }

  port({ port, choice }: ProxyPort): void {
    const protocol = protocolName(port.protocol);
    const base = hashed(`${port.service}/${protocol}/${port.portName}`);
    const service = `service-${base}`;
    const local = `local-${base}`;
    const external = `external-${base}`;
    const internalBlocked = verdict(choice.any, port.internalLocal, choice.local.length);
    const externalBlocked = verdict(choice.any, port.externalLocal, choice.local.length);
    const at = (ip: Ipv4): string => `${formatIpv4(ip)} . ${protocol} . ${port.port}`;
    const nodePort = `${protocol} . ${port.nodePort}`;
    const outside = [...port.externalIPs, ...port.loadBalancerVIPs];
    this.#element('cluster-ips', formatIpv4(port.clusterIP));
    if (internalBlocked === null) {
      this.#element('service-ips', `${at(port.clusterIP)} : goto ${port.internalLocal ? local : service}`);
    } else this.#blocked('no-endpoint-services', at(port.clusterIP), port, internalBlocked);
    if (choice.any) {
      for (const ip of outside) this.#element('service-ips', `${at(ip)} : goto ${external}`);
      if (port.nodePort !== 0) this.#element('service-nodeports', `${nodePort} : goto ${external}`);
    }
    if (externalBlocked !== null) {
      for (const ip of outside) this.#blocked('no-endpoint-services', at(ip), port, externalBlocked);
      if (port.nodePort !== 0) this.#blocked('no-endpoint-nodeports', nodePort, port, externalBlocked);
    }
    if (choice.any && port.loadBalancerVIPs.length > 0 && port.sourceRanges.length > 0) {
      this.#firewall(port, `firewall-${base}`, at);
    }
    if (choice.any && externallyAccessible(port)) {
      this.#externalChain(port, { service, local, external, served: externalBlocked === null });
    }
    if (choice.cluster.length > 0 && (!port.internalLocal || externallyAccessible(port))) {
      this.#balance(port, service, choice.cluster);
    }
    if (choice.local.length > 0) this.#balance(port, local, choice.local);
    for (const e of choice.reachable) {
      // Hairpin: only an endpoint of this node can be its own client here.
      if (e.nodeName !== this.#settings.nodeName) continue;
      const ip = formatIpv4(e.address);
      this.#element('hairpin-connections', `${ip} . ${ip} . ${protocol} . ${e.port}`);
    }
  }

  #blocked(map: string, key: string, port: ServicePort, how: string): void {
    this.#element(map, `${key} comment "${port.name}" : ${how}`);
  }

  #firewall(port: ServicePort, chain: string, at: (ip: Ipv4) => string): void {
    const allowed = port.sourceRanges.map(formatIpv4Prefix);
    // A node that is allowed may come with the load balancer's address, when that is its own.
    if (port.sourceRanges.some((range) => ipv4InPrefix(this.#settings.nodeIP, range))) {
      allowed.push(...port.loadBalancerVIPs.map(formatIpv4));
    }
    this.#chains.add(chain);
    this.#rule(chain, `ip saddr != { ${allowed.join(', ')} } drop`);
    for (const ip of port.loadBalancerVIPs) this.#element('firewall-ips', `${at(ip)} : goto ${chain}`);
  }

  #externalChain(
    port: ServicePort,
    names: { readonly service: string; readonly local: string; readonly external: string; readonly served: boolean },
  ): void {
    const { service, local, external, served } = names;
    this.#chains.add(external);
    if (!port.externalLocal) {
      this.#rule(external, 'jump mark-for-masquerade');
      this.#rule(external, `goto ${service}`);
      return;
    }
    const { clusterCIDR } = this.#settings;
    if (clusterCIDR !== null) {
      const from = formatIpv4Prefix(clusterCIDR);
      this.#rule(external, `ip saddr ${from} goto ${service} comment "short-circuit pod traffic"`);
    }
    this.#rule(external, 'fib saddr type local jump mark-for-masquerade comment "masquerade local traffic"');
    this.#rule(external, `fib saddr type local goto ${service} comment "short-circuit local traffic"`);
    if (served) this.#rule(external, `goto ${local}`);
  }

  /** One rule that draws; with affinity a chain for each endpoint, and before the draw those that the client knows. */
  #balance(port: ServicePort, chain: string, endpoints: readonly ServiceEndpoint[]): void {
    const protocol = protocolName(port.protocol);
    this.#chains.add(chain);
    if (port.affinity === 0) {
      const places = endpoints.map((e, i) => `${i} : ${formatIpv4(e.address)} . ${e.port}`).join(' , ');
      const draw = `numgen random mod ${endpoints.length} map { ${places} }`;
      this.#rule(chain, `meta l4proto ${protocol} dnat ip to ${draw}`);
      return;
    }
    const names = endpoints.map((e) =>
      hashed(`${port.service}/${protocol}/${port.portName}__${formatIpv4(e.address)}/${e.port}`),
    );
    for (const name of names) this.#rule(chain, `ip saddr @affinity-${name} goto endpoint-${name}`);
    const places = names.map((name, i) => `${i} : goto endpoint-${name}`).join(' , ');
    this.#rule(chain, `numgen random mod ${names.length} vmap { ${places} }`);
    endpoints.forEach((e, i) => {
      const name = names[i]!;
      if (this.#chains.has(`endpoint-${name}`)) return;
      this.#chains.add(`endpoint-${name}`);
      this.#affinity.set(`affinity-${name}`, port.affinity);
      this.#rule(`endpoint-${name}`, `update @affinity-${name} { ip saddr }`);
      this.#rule(`endpoint-${name}`, `meta l4proto ${protocol} dnat to ${e.text}`);
    });
  }

  #rule(chain: string, rule: string): void {
    this.#rules.push(`add rule ip ${NFT_PROXY_TABLE} ${chain} ${rule}`);
  }

  #element(set: string, element: string): void {
    this.#elements.push(`add element ip ${NFT_PROXY_TABLE} ${set} { ${element} }`);
  }

  text(existing: { readonly chains: readonly string[]; readonly sets: readonly string[] }): string {
    const { clusterCIDR, serviceCIDR, masqueradeAll } = this.#settings;
    const t = `ip ${NFT_PROXY_TABLE}`;
    const lines = [`add table ${t} { comment "rules for kube-proxy" ; }`];
    for (const [kind, name, type, comment] of SETS) {
      lines.push(`add ${kind} ${t} ${name} { type ${type} ; comment "${comment}" ; }`, `flush ${kind} ${t} ${name}`);
    }
    for (const [name, seconds] of this.#affinity) {
      lines.push(`add set ${t} ${name} { type ipv4_addr ; flags dynamic,timeout ; timeout ${seconds}s ; }`);
    }
    for (const [name, hook] of BASE_CHAINS)
      lines.push(`add chain ${t} ${name} { ${hook} ; }`, `flush chain ${t} ${name}`);
    for (const name of CHAINS) {
      const comment =
        name === 'reject-chain' ? ' { comment "helper for @no-endpoint-services / @no-endpoint-nodeports" ; }' : '';
      lines.push(`add chain ${t} ${name}${comment}`, `flush chain ${t} ${name}`);
    }
    for (const name of this.#chains) lines.push(`add chain ${t} ${name}`, `flush chain ${t} ${name}`);
    for (const [chain, rule] of JUMPS) lines.push(`add rule ${t} ${chain} ${rule}`);
    if (serviceCIDR !== null) {
      const cidr = formatIpv4Prefix(serviceCIDR);
      lines.push(
        `add rule ${t} cluster-ips-check ip daddr { ${cidr} } drop comment "Drop traffic to unallocated ClusterIPs"`,
      );
    }
    const mark = `mark set mark or ${MASQUERADE_MARK}`;
    if (masqueradeAll)
      lines.push(`add rule ${t} services ip daddr @cluster-ips ${mark} comment "masquerade all clusterIP traffic"`);
    else if (clusterCIDR !== null) {
      lines.push(
        `add rule ${t} services ip daddr @cluster-ips ip saddr != ${formatIpv4Prefix(clusterCIDR)} ${mark} comment "masquerade clusterIP traffic from outside cluster"`,
      );
    }
    lines.push(
      `add rule ${t} services ${LOOKUP} @service-ips`,
      `add rule ${t} services ip daddr @nodeport-ips meta l4proto . th dport vmap @service-nodeports`,
      ...this.#rules,
      ...new Set(this.#elements),
    );
    const stale = existing.chains.filter((name) => isNftServiceName(name) && !this.#chains.has(name));
    for (const name of stale) lines.push(`flush chain ${t} ${name}`);
    for (const name of stale) lines.push(`delete chain ${t} ${name}`);
    for (const name of existing.sets) {
      if (isNftServiceName(name) && !this.#affinity.has(name)) lines.push(`delete set ${t} ${name}`);
    }
    return `${lines.join('\n')}\n`;
  }
}

/** What happens to packets that no endpoint may get; null: they have one. */
function verdict(any: boolean, localOnly: boolean, local: number): 'drop' | 'goto reject-chain' | null {
  if (!any) return 'goto reject-chain';
  return localOnly && local === 0 ? 'drop' : null;
}
