// What kube-proxy in iptables mode feeds to iptables-restore (pkg/proxy/iptables/proxier.go syncProxyRules): the rules of the
// chains that it owns, in its order. Services are taken in the order of their names; upstream takes them as its map has them.
//
//   nat     KUBE-SERVICES -> KUBE-SVC-x (policy Cluster) or KUBE-SVL-x (Local) -> KUBE-SEP-y: DNAT
//           KUBE-NODEPORTS, addresses from outside -> KUBE-EXT-x -> KUBE-SVC-x or KUBE-SVL-x; KUBE-FW-x before it
//   filter  what has no endpoint is rejected in KUBE-SERVICES and KUBE-EXTERNAL-SERVICES

import {
  formatIpv4,
  formatIpv4Prefix,
  type Ipv4,
  type Ipv4Prefix,
  ipv4InPrefix,
  isLoopbackIpv4,
} from '../addr/ipv4.ts';
import {
  KUBE_EXTERNAL_SERVICES,
  KUBE_FIREWALL,
  KUBE_FORWARD,
  KUBE_MARK_MASQ,
  KUBE_NODEPORTS,
  KUBE_POSTROUTING,
  KUBE_PROXY_FIREWALL,
  KUBE_SERVICES,
} from './chain-name.ts';
import type { EndpointChoice } from './endpoint-choice.ts';
import { externallyAccessible, protocolName, type ServiceEndpoint, type ServicePort } from './service-port.ts';

/** --iptables-masquerade-bit 14 */
export const MASQUERADE_MARK = '0x4000';
/** Over this many endpoints in the cluster comments at endpoints are left out (largeClusterEndpointsThreshold). */
const LARGE_CLUSTER = 1000;

export interface ProxyRuleSettings {
  /** --cluster-cidr: sources that are pods (detect-local-mode ClusterCIDR); null: nothing is known of that */
  readonly clusterCIDR: Ipv4Prefix | null;
  readonly masqueradeAll: boolean;
  readonly localhostNodePorts: boolean;
  /** addresses of the node at which node ports answer (--nodeport-addresses); null: all of them */
  readonly nodePortAddresses: readonly Ipv4[] | null;
  readonly nodeIP: Ipv4;
  /** INVALID packets are dropped where they would be forwarded (not with tcp_be_liberal, not before 1.15) */
  readonly dropInvalid: boolean;
  /** The mark is not taken off a packet that is masqueraded, so that a tunnel's packet inherits it (before 1.18.3). */
  readonly keepsMark?: boolean;
}

export interface PlannedPort {
  readonly port: ServicePort;
  readonly choice: EndpointChoice;
  /** changed since the last sync: a partial one writes its chains again */
  readonly changed: boolean;
}

export interface ProxyRules {
  /** for iptables-restore --noflush --counters */
  readonly text: string;
  /** chains of services and endpoints that are in use */
  readonly chains: ReadonlySet<string>;
}

/**
 * @param stale chains in the nat table that are to be deleted if they are no longer in use
 */
export function proxyRules(
  ports: readonly PlannedPort[],
  settings: ProxyRuleSettings,
  stale: Iterable<string>,
): ProxyRules {
  const writer = new Writer(settings, ports.reduce((n, p) => n + p.choice.reachable.length, 0) > LARGE_CLUSTER);
  for (const port of ports) writer.port(port);
  writer.end(stale);
  return { text: writer.text(), chains: writer.chains };
}

class Writer {
  readonly #settings: ProxyRuleSettings;
  readonly #large: boolean;
  readonly #filterChains: string[] = [];
  readonly #filter: string[] = [];
  readonly #natChains: string[] = [];
  readonly #nat: string[] = [];
  readonly chains = new Set<string>();
  /** the chains of the port at hand are left as they are */
  #skip = false;

  constructor(settings: ProxyRuleSettings, large: boolean) {
    this.#settings = settings;
    this.#large = large;
    for (const chain of [KUBE_SERVICES, KUBE_EXTERNAL_SERVICES, KUBE_FORWARD, KUBE_NODEPORTS, KUBE_PROXY_FIREWALL]) {
      this.#filterChains.push(declare(chain));
    }
    this.#filterChains.push(declare(KUBE_FIREWALL));
    this.#filter.push(
      `-A ${KUBE_FIREWALL} -m comment --comment "block incoming localnet connections" -d 127.0.0.0/8 ! -s 127.0.0.0/8 ` +
        '-m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP',
    );
    for (const chain of [KUBE_SERVICES, KUBE_NODEPORTS, KUBE_POSTROUTING, KUBE_MARK_MASQ]) {
      this.#natChains.push(declare(chain));
    }
    this.#nat.push(
      `-A ${KUBE_POSTROUTING} -m mark ! --mark ${MASQUERADE_MARK}/${MASQUERADE_MARK} -j RETURN`,
      ...(settings.keepsMark === true ? [] : [`-A ${KUBE_POSTROUTING} -j MARK --xor-mark ${MASQUERADE_MARK}`]),
      `-A ${KUBE_POSTROUTING} -m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE --random-fully`,
      `-A ${KUBE_MARK_MASQ} -j MARK --or-mark ${MASQUERADE_MARK}`,
    );
  }

  port(planned: PlannedPort): void {
    const { port, choice } = planned;
    const { chains } = port;
    const internal = !choice.any ? 'REJECT' : port.internalLocal && choice.local.length === 0 ? 'DROP' : null;
    const external = !choice.any ? 'REJECT' : port.externalLocal && choice.local.length === 0 ? 'DROP' : null;
    this.#clusterIp(port, internal);
    this.#externalIps(port, choice.any, external);
    const firewalled = choice.any && port.loadBalancerVIPs.length > 0 && port.sourceRanges.length > 0;
    this.#loadBalancer(port, { any: choice.any, external, firewalled });
    this.#nodePort(port, choice.any, external);
    if (port.healthCheckNodePort !== 0) {
      this.#filter.push(
        `-A ${KUBE_NODEPORTS} -m comment --comment "${port.name} health check node port" -m tcp -p tcp --dport ${port.healthCheckNodePort} -j ACCEPT`,
      );
    }
    this.#skip = !planned.changed;
    if (internal === null) this.#masqueradeInternal(port);
    if (choice.any && externallyAccessible(port)) this.#externalChain(port, external === null);
    if (firewalled) this.#firewallChain(port);
    if (choice.cluster.length > 0 && (!port.internalLocal || externallyAccessible(port))) {
      this.#balance(port, chains.svc, choice.cluster);
    }
    if (choice.local.length > 0) this.#balance(port, chains.svl, choice.local);
    for (const endpoint of choice.reachable) this.#endpoint(port, endpoint);
    this.#skip = false;
  }

  #clusterIp(port: ServicePort, blocked: Blocked): void {
    const to = match(port, port.clusterIP);
    if (blocked === null) {
      const chain = port.internalLocal ? port.chains.svl : port.chains.svc;
      this.#nat.push(`-A ${KUBE_SERVICES} ${comment(`${port.name} cluster IP`)} ${to} -j ${chain}`);
    } else this.#filter.push(`-A ${KUBE_SERVICES} ${comment(reason(port, blocked))} ${to} -j ${blocked}`);
  }

  #externalIps(port: ServicePort, any: boolean, blocked: Blocked): void {
    for (const ip of port.externalIPs) {
      const to = match(port, ip);
      if (any) {
        this.#nat.push(`-A ${KUBE_SERVICES} ${comment(`${port.name} external IP`)} ${to} -j ${port.chains.ext}`);
      }
      this.#blockExternal(port, to, blocked);
    }
  }

  #loadBalancer(port: ServicePort, how: { any: boolean; external: Blocked; firewalled: boolean }): void {
    const chain = how.firewalled ? port.chains.fw : port.chains.ext;
    for (const ip of port.loadBalancerVIPs) {
      const to = match(port, ip);
      if (how.any) this.#nat.push(`-A ${KUBE_SERVICES} ${comment(`${port.name} loadbalancer IP`)} ${to} -j ${chain}`);
      if (how.firewalled) {
        const why = `${port.name} traffic not accepted by ${port.chains.fw}`;
        this.#filter.push(`-A ${KUBE_PROXY_FIREWALL} ${comment(why)} ${to} -j DROP`);
      }
    }
    for (const ip of port.loadBalancerVIPs) this.#blockExternal(port, match(port, ip), how.external);
  }

  #nodePort(port: ServicePort, any: boolean, blocked: Blocked): void {
    if (port.nodePort === 0) return;
    const protocol = protocolName(port.protocol);
    const to = `-m ${protocol} -p ${protocol} --dport ${port.nodePort}`;
    if (any) this.#nat.push(`-A ${KUBE_NODEPORTS} ${comment(port.name)} ${to} -j ${port.chains.ext}`);
    this.#blockExternal(port, `-m addrtype --dst-type LOCAL ${to}`, blocked);
  }

  #blockExternal(port: ServicePort, to: string, blocked: Blocked): void {
    if (blocked === null) return;
    this.#filter.push(`-A ${KUBE_EXTERNAL_SERVICES} ${comment(reason(port, blocked))} ${to} -j ${blocked}`);
  }

  /** Who is no pod is answered through this node, or the answer would not find its way back. */
  #masqueradeInternal(port: ServicePort): void {
    const { masqueradeAll, clusterCIDR } = this.#settings;
    if (!masqueradeAll && clusterCIDR === null) return;
    const chain = port.internalLocal ? port.chains.svl : port.chains.svc;
    const from = masqueradeAll ? '' : ` ! -s ${formatIpv4Prefix(clusterCIDR!)}`;
    const to = match(port, port.clusterIP);
    this.#rule(`-A ${chain} ${comment(`${port.name} cluster IP`)} ${to}${from} -j ${KUBE_MARK_MASQ}`);
  }

  #externalChain(port: ServicePort, served: boolean): void {
    const { ext, svc, svl } = port.chains;
    const { clusterCIDR } = this.#settings;
    this.#chain(ext);
    const what = `for ${port.name} external destinations`;
    if (!port.externalLocal) this.#rule(`-A ${ext} ${comment(`masquerade traffic ${what}`)} -j ${KUBE_MARK_MASQ}`);
    else {
      if (clusterCIDR !== null) {
        this.#rule(`-A ${ext} ${comment(`pod traffic ${what}`)} -s ${formatIpv4Prefix(clusterCIDR)} -j ${svc}`);
      }
      const own = '-m addrtype --src-type LOCAL';
      this.#rule(`-A ${ext} ${comment(`masquerade LOCAL traffic ${what}`)} ${own} -j ${KUBE_MARK_MASQ}`);
      this.#rule(`-A ${ext} ${comment(`route LOCAL traffic ${what}`)} ${own} -j ${svc}`);
    }
    if (served) this.#rule(`-A ${ext} -j ${port.externalLocal ? svl : svc}`);
  }

  #firewallChain(port: ServicePort): void {
    const { fw, ext } = port.chains;
    const label = comment(`${port.name} loadbalancer IP`);
    this.#chain(fw);
    let node = false;
    for (const range of port.sourceRanges) {
      this.#rule(`-A ${fw} ${label} -s ${formatIpv4Prefix(range)} -j ${ext}`);
      node ||= ipv4InPrefix(this.#settings.nodeIP, range);
    }
    // A node that is allowed talks to an address that may be its own: then it comes with that address.
    if (node) {
      for (const ip of port.loadBalancerVIPs) this.#rule(`-A ${fw} ${label} -s ${formatIpv4(ip)} -j ${ext}`);
    }
    this.#rule(`-A ${fw} ${comment(`other traffic to ${port.name} will be dropped by KUBE-PROXY-FIREWALL`)}`);
  }

  /** Affinity first, for all; then one in n, one in n-1, ..., the rest. */
  #balance(port: ServicePort, chain: string, endpoints: readonly ServiceEndpoint[]): void {
    this.#chain(chain);
    const label = (e: ServiceEndpoint): string => (this.#large ? '' : ` ${comment(`${port.name} -> ${e.text}`)}`);
    if (port.affinity > 0) {
      for (const e of endpoints) {
        const recent = `-m recent --name ${e.chain} --rcheck --seconds ${port.affinity} --reap`;
        this.#rule(`-A ${chain}${label(e)} ${recent} -j ${e.chain}`);
      }
    }
    endpoints.forEach((e, i) => {
      const left = endpoints.length - i;
      const draw = left === 1 ? '' : ` -m statistic --mode random --probability ${(1 / left).toFixed(10)}`;
      this.#rule(`-A ${chain}${label(e)}${draw} -j ${e.chain}`);
    });
  }

  #endpoint(port: ServicePort, endpoint: ServiceEndpoint): void {
    const { chain, text } = endpoint;
    const label = this.#large ? '' : ` ${comment(port.name)}`;
    const protocol = protocolName(port.protocol);
    this.#chain(chain);
    // Hairpin: the endpoint itself is the client.
    this.#rule(`-A ${chain}${label} -s ${formatIpv4(endpoint.address)} -j ${KUBE_MARK_MASQ}`);
    const recent = port.affinity > 0 ? ` -m recent --name ${chain} --set` : '';
    this.#rule(`-A ${chain}${label}${recent} -m ${protocol} -p ${protocol} -j DNAT --to-destination ${text}`);
  }

  end(stale: Iterable<string>): void {
    const { nodePortAddresses, localhostNodePorts, dropInvalid } = this.#settings;
    const label = comment('kubernetes service nodeports; NOTE: this must be the last rule in this chain');
    if (nodePortAddresses === null) {
      const spare = localhostNodePorts ? '' : ' ! -d 127.0.0.0/8';
      this.#nat.push(`-A ${KUBE_SERVICES} ${label} -m addrtype --dst-type LOCAL${spare} -j ${KUBE_NODEPORTS}`);
    } else {
      for (const ip of nodePortAddresses) {
        if (isLoopbackIpv4(ip) && !localhostNodePorts) continue;
        this.#nat.push(`-A ${KUBE_SERVICES} ${label} -d ${formatIpv4(ip)} -j ${KUBE_NODEPORTS}`);
      }
    }
    if (dropInvalid) this.#filter.push(`-A ${KUBE_FORWARD} -m conntrack --ctstate INVALID -j DROP`);
    this.#filter.push(
      `-A ${KUBE_FORWARD} -m comment --comment "kubernetes forwarding rules" -m mark --mark ${MASQUERADE_MARK}/${MASQUERADE_MARK} -j ACCEPT`,
      `-A ${KUBE_FORWARD} -m comment --comment "kubernetes forwarding conntrack rule" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`,
    );
    for (const chain of stale) {
      if (this.chains.has(chain)) continue;
      // Declaring it again empties it, which is what allows it to be deleted.
      this.#natChains.push(declare(chain));
      this.#nat.push(`-X ${chain}`);
    }
  }

  #chain(name: string): void {
    if (this.chains.has(name)) return;
    this.chains.add(name);
    if (!this.#skip) this.#natChains.push(declare(name));
  }

  #rule(rule: string): void {
    if (!this.#skip) this.#nat.push(rule);
  }

  text(): string {
    const filter = ['*filter', ...this.#filterChains, ...this.#filter, 'COMMIT'];
    const nat = ['*nat', ...this.#natChains, ...this.#nat, 'COMMIT'];
    return `${[...filter, ...nat].join('\n')}\n`;
  }
}

type Blocked = 'REJECT' | 'DROP' | null;

function declare(chain: string): string {
  return `:${chain} - [0:0]`;
}

function comment(text: string): string {
  return `-m comment --comment "${text}"`;
}

function reason(port: ServicePort, blocked: 'REJECT' | 'DROP'): string {
  return `${port.name} has no ${blocked === 'DROP' ? 'local ' : ''}endpoints`;
}

function match(port: ServicePort, address: Ipv4): string {
  const protocol = protocolName(port.protocol);
  return `-m ${protocol} -p ${protocol} -d ${formatIpv4(address)} --dport ${port.port}`;
}
