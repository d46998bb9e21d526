// What kube-proxy in ipvs mode sets up on a node (pkg/proxy/ipvs/proxier.go syncProxyRules, ipset.go): virtual services with
// their real servers, the addresses of kube-ipvs0, the IP sets, and the few rules that look into them. A plan only: who
// carries it out compares it with what is there.

import {
  formatIpv4,
  formatIpv4Prefix,
  type Ipv4,
  type Ipv4Prefix,
  ipv4InPrefix,
  isLoopbackIpv4,
} from '../addr/ipv4.ts';
import type { EndpointChoice } from './endpoint-choice.ts';
import { MASQUERADE_MARK } from './proxy-rules.ts';
import { protocolName, type ServiceEndpoint, type ServicePort } from './service-port.ts';

/** The device that holds every virtual address, so that packets for them come in; it is never up. */
export const IPVS_DEVICE = 'kube-ipvs0';

export interface IpvsProxySettings {
  /** sources that are pods; null: nothing is known of that */
  readonly clusterCIDR: Ipv4Prefix | null;
  readonly masqueradeAll: boolean;
  /** at these node ports answer: the node's addresses, or those that --nodeport-addresses leaves */
  readonly nodePortAddresses: readonly Ipv4[];
  readonly nodeIP: Ipv4;
  readonly nodeName: string;
  readonly scheduler: string;
}

export interface PlannedIpvsPort {
  readonly port: ServicePort;
  readonly choice: EndpointChoice;
}

export interface IpvsVirtualServer {
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  readonly address: Ipv4;
  readonly port: number;
  readonly scheduler: string;
  /** seconds; 0: not persistent */
  readonly persistence: number;
  readonly realServers: readonly { readonly address: Ipv4; readonly port: number }[];
}

export interface IpSetPlan {
  readonly name: string;
  readonly type: string;
  /** in the order in which they were found; what is found twice counts once */
  readonly entries: readonly string[];
}

export interface IpvsPlan {
  readonly servers: readonly IpvsVirtualServer[];
  /** /32 addresses of kube-ipvs0 */
  readonly addresses: readonly Ipv4[];
  readonly sets: readonly IpSetPlan[];
  /** for iptables-restore --noflush --counters */
  readonly rules: string;
}

/** Name, type, and what a rule that looks into the set says of it (ipvs/ipset.go). */
const SETS = {
  'KUBE-LOOP-BACK': ['hash:ip,port,ip', 'Kubernetes endpoints dst ip:port, source ip for solving hairpin purpose'],
  'KUBE-CLUSTER-IP': ['hash:ip,port', 'Kubernetes service cluster ip + port for masquerade purpose'],
  'KUBE-EXTERNAL-IP': ['hash:ip,port', 'Kubernetes service external ip + port for masquerade and filter purpose'],
  'KUBE-EXTERNAL-IP-LOCAL': ['hash:ip,port', 'Kubernetes service external ip + port with externalTrafficPolicy=local'],
  'KUBE-LOAD-BALANCER': ['hash:ip,port', 'Kubernetes service lb portal'],
  'KUBE-LOAD-BALANCER-LOCAL': [
    'hash:ip,port',
    'Kubernetes service load balancer ip + port with externalTrafficPolicy=local',
  ],
  'KUBE-LOAD-BALANCER-FW': [
    'hash:ip,port',
    'Kubernetes service load balancer ip + port for load balancer with sourceRange',
  ],
  'KUBE-LOAD-BALANCER-SOURCE-IP': [
    'hash:ip,port,ip',
    'Kubernetes service load balancer ip + port + source IP for packet filter purpose',
  ],
  'KUBE-LOAD-BALANCER-SOURCE-CIDR': [
    'hash:ip,port,net',
    'Kubernetes service load balancer ip + port + source cidr for packet filter purpose',
  ],
  'KUBE-NODE-PORT-TCP': ['bitmap:port', 'Kubernetes nodeport TCP port for masquerade purpose'],
  'KUBE-NODE-PORT-LOCAL-TCP': ['bitmap:port', 'Kubernetes nodeport TCP port with externalTrafficPolicy=local'],
  'KUBE-NODE-PORT-UDP': ['bitmap:port', 'Kubernetes nodeport UDP port for masquerade purpose'],
  'KUBE-NODE-PORT-LOCAL-UDP': ['bitmap:port', 'Kubernetes nodeport UDP port with externalTrafficPolicy=local'],
  'KUBE-NODE-PORT-SCTP-HASH': [
    'hash:ip,port',
    "Kubernetes nodeport SCTP port for masquerade purpose with type 'hash ip:port'",
  ],
  'KUBE-NODE-PORT-LOCAL-SCTP-HASH': [
    'hash:ip,port',
    "Kubernetes nodeport SCTP port with externalTrafficPolicy=local with type 'hash ip:port'",
  ],
  'KUBE-HEALTH-CHECK-NODE-PORT': ['bitmap:port', 'Kubernetes health check node port'],
  'KUBE-IPVS-IPS': ['hash:ip', 'Kubernetes service IPs'],
} as const;
type SetName = keyof typeof SETS;

/** Sets that lead from a chain of the nat or filter table to a target when they hold something, in kube-proxy's order. */
const SET_RULES: readonly (readonly [
  set: SetName,
  table: 'nat' | 'filter',
  from: string,
  to: string,
  match: string,
  protocol: string,
])[] = [
  ['KUBE-LOOP-BACK', 'nat', 'KUBE-POSTROUTING', 'MASQUERADE', 'dst,dst,src', ''],
  ['KUBE-LOAD-BALANCER', 'nat', 'KUBE-SERVICES', 'KUBE-LOAD-BALANCER', 'dst,dst', ''],
  ['KUBE-LOAD-BALANCER-LOCAL', 'nat', 'KUBE-LOAD-BALANCER', 'RETURN', 'dst,dst', ''],
  ['KUBE-NODE-PORT-LOCAL-TCP', 'nat', 'KUBE-NODE-PORT', 'RETURN', 'dst', 'tcp'],
  ['KUBE-NODE-PORT-TCP', 'nat', 'KUBE-NODE-PORT', 'KUBE-MARK-MASQ', 'dst', 'tcp'],
  ['KUBE-NODE-PORT-LOCAL-UDP', 'nat', 'KUBE-NODE-PORT', 'RETURN', 'dst', 'udp'],
  ['KUBE-NODE-PORT-UDP', 'nat', 'KUBE-NODE-PORT', 'KUBE-MARK-MASQ', 'dst', 'udp'],
  ['KUBE-NODE-PORT-LOCAL-SCTP-HASH', 'nat', 'KUBE-NODE-PORT', 'RETURN', 'dst,dst', 'sctp'],
  ['KUBE-NODE-PORT-SCTP-HASH', 'nat', 'KUBE-NODE-PORT', 'KUBE-MARK-MASQ', 'dst,dst', 'sctp'],
  ['KUBE-LOAD-BALANCER-FW', 'filter', 'KUBE-PROXY-FIREWALL', 'KUBE-SOURCE-RANGES-FIREWALL', 'dst,dst', ''],
  ['KUBE-LOAD-BALANCER-SOURCE-CIDR', 'filter', 'KUBE-SOURCE-RANGES-FIREWALL', 'RETURN', 'dst,dst,src', ''],
  ['KUBE-LOAD-BALANCER-SOURCE-IP', 'filter', 'KUBE-SOURCE-RANGES-FIREWALL', 'RETURN', 'dst,dst,src', ''],
];

/** Chains that the rules stand in. */
const NAT_CHAINS = [
  'KUBE-SERVICES',
  'KUBE-POSTROUTING',
  'KUBE-NODE-PORT',
  'KUBE-LOAD-BALANCER',
  'KUBE-MARK-MASQ',
] as const;
const FILTER_CHAINS = [
  'KUBE-FORWARD',
  'KUBE-NODE-PORT',
  'KUBE-PROXY-FIREWALL',
  'KUBE-SOURCE-RANGES-FIREWALL',
  'KUBE-IPVS-FILTER',
  'KUBE-IPVS-OUT-FILTER',
] as const;

/**
 * Jumps from the built-in chains, in the order in which kube-proxy ensures them; each is put in front, so the last one
 * ends on top.
 */
export const IPVS_JUMPS: readonly (readonly [table: 'nat' | 'filter', from: string, to: string, comment: string])[] = [
  ['nat', 'OUTPUT', 'KUBE-SERVICES', 'kubernetes service portals'],
  ['nat', 'PREROUTING', 'KUBE-SERVICES', 'kubernetes service portals'],
  ['nat', 'POSTROUTING', 'KUBE-POSTROUTING', 'kubernetes postrouting rules'],
  ['filter', 'FORWARD', 'KUBE-FORWARD', 'kubernetes forwarding rules'],
  ['filter', 'INPUT', 'KUBE-NODE-PORT', 'kubernetes health check rules'],
  ['filter', 'FORWARD', 'KUBE-PROXY-FIREWALL', 'kube-proxy firewall rules'],
  ['filter', 'INPUT', 'KUBE-PROXY-FIREWALL', 'kube-proxy firewall rules'],
  ['filter', 'INPUT', 'KUBE-IPVS-FILTER', 'kubernetes ipvs access filter'],
  ['filter', 'OUTPUT', 'KUBE-IPVS-OUT-FILTER', 'kubernetes ipvs access filter'],
];

export function ipvsPlan(ports: readonly PlannedIpvsPort[], settings: IpvsProxySettings): IpvsPlan {
  const planner = new Planner(settings);
  for (const planned of ports) planner.add(planned);
  return planner.plan();
}

class Planner {
  readonly #settings: IpvsProxySettings;
  readonly #servers: IpvsVirtualServer[] = [];
  readonly #addresses = new Set<Ipv4>();
  readonly #sets = new Map<SetName, Set<string>>((Object.keys(SETS) as SetName[]).map((name) => [name, new Set()]));

  constructor(settings: IpvsProxySettings) {
    this.#settings = settings;
  }

  add({ port, choice }: PlannedIpvsPort): void {
    const protocol = protocolName(port.protocol);
    const at = (address: Ipv4, number: number): string => `${formatIpv4(address)},${protocol}:${number}`;
    // Hairpin: an endpoint of this node that reaches itself has to be masqueraded.
    for (const e of choice.reachable) {
      if (e.nodeName !== this.#settings.nodeName) continue;
      this.#put('KUBE-LOOP-BACK', `${at(e.address, e.port)},${formatIpv4(e.address)}`);
    }
    const internal = port.internalLocal ? choice.local : choice.cluster;
    const external = port.externalLocal ? choice.local : choice.cluster;
    this.#put('KUBE-CLUSTER-IP', at(port.clusterIP, port.port));
    this.#server(port, port.clusterIP, port.port, internal, true);
    for (const ip of port.externalIPs) {
      this.#put(port.externalLocal ? 'KUBE-EXTERNAL-IP-LOCAL' : 'KUBE-EXTERNAL-IP', at(ip, port.port));
      this.#server(port, ip, port.port, external, true);
    }
    for (const ip of port.loadBalancerVIPs) this.#loadBalancer(port, ip, at(ip, port.port), external);
    if (port.nodePort !== 0) this.#nodePort(port, protocol, external);
    if (port.healthCheckNodePort !== 0) this.#put('KUBE-HEALTH-CHECK-NODE-PORT', String(port.healthCheckNodePort));
  }

  #loadBalancer(port: ServicePort, ip: Ipv4, entry: string, endpoints: readonly ServiceEndpoint[]): void {
    this.#put('KUBE-LOAD-BALANCER', entry);
    if (port.externalLocal) this.#put('KUBE-LOAD-BALANCER-LOCAL', entry);
    if (port.sourceRanges.length > 0) {
      this.#put('KUBE-LOAD-BALANCER-FW', entry);
      let node = false;
      for (const range of port.sourceRanges) {
        this.#put('KUBE-LOAD-BALANCER-SOURCE-CIDR', `${entry},${formatIpv4Prefix(range)}`);
        node ||= ipv4InPrefix(this.#settings.nodeIP, range);
      }
      // A node that is allowed comes with the address of the load balancer, as that is its own.
      if (node) this.#put('KUBE-LOAD-BALANCER-SOURCE-IP', `${entry},${formatIpv4(ip)}`);
    }
    this.#server(port, ip, port.port, endpoints, true);
  }

  #nodePort(port: ServicePort, protocol: 'tcp' | 'udp' | 'sctp', endpoints: readonly ServiceEndpoint[]): void {
    // Loopback cannot be a virtual server's: the packets never come to LOCAL_IN with another address.
    const addresses = this.#settings.nodePortAddresses.filter((ip) => !isLoopbackIpv4(ip));
    if (protocol === 'sctp') {
      for (const ip of addresses) {
        const entry = `${formatIpv4(ip)},sctp:${port.nodePort}`;
        this.#put('KUBE-NODE-PORT-SCTP-HASH', entry);
        if (port.externalLocal) this.#put('KUBE-NODE-PORT-LOCAL-SCTP-HASH', entry);
      }
    } else {
      const upper = protocol === 'tcp' ? 'TCP' : 'UDP';
      this.#put(`KUBE-NODE-PORT-${upper}`, String(port.nodePort));
      if (port.externalLocal) this.#put(`KUBE-NODE-PORT-LOCAL-${upper}`, String(port.nodePort));
    }
    for (const ip of addresses) this.#server(port, ip, port.nodePort, endpoints, false);
  }

  #server(
    port: ServicePort,
    address: Ipv4,
    number: number,
    endpoints: readonly ServiceEndpoint[],
    virtual: boolean,
  ): void {
    this.#servers.push({
      protocol: protocolName(port.protocol),
      address,
      port: number,
      scheduler: this.#settings.scheduler,
      persistence: port.affinity,
      realServers: endpoints.map((e) => ({ address: e.address, port: e.port })),
    });
    if (!virtual) return;
    this.#addresses.add(address);
    this.#put('KUBE-IPVS-IPS', formatIpv4(address));
  }

  #put(set: SetName, entry: string): void {
    this.#sets.get(set)!.add(entry);
  }

  plan(): IpvsPlan {
    return {
      servers: this.#servers,
      addresses: [...this.#addresses],
      sets: [...this.#sets].map(([name, entries]) => ({ name, type: SETS[name][0], entries: [...entries] })),
      rules: this.#rules(),
    };
  }

  #has(set: SetName): boolean {
    return this.#sets.get(set)!.size > 0;
  }

  /** writeIptablesRules */
  #rules(): string {
    const nat: string[] = ['-A KUBE-SERVICES -s 127.0.0.0/8 -j RETURN'];
    const filter: string[] = [];
    const masquerade: string[] = [];
    for (const [set, table, from, to, match, protocol] of SET_RULES) {
      if (!this.#has(set)) continue;
      const proto = protocol === '' ? '' : ` -p ${protocol}`;
      const rule = `-A ${from}${proto}${looksInto(set, match)} -j ${to}`;
      (table === 'nat' ? (from === 'KUBE-POSTROUTING' ? masquerade : nat) : filter).push(rule);
    }
    this.#clusterRules(nat);
    nat.push(
      '-A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODE-PORT',
      '-A KUBE-LOAD-BALANCER -j KUBE-MARK-MASQ',
    );
    filter.push('-A KUBE-SOURCE-RANGES-FIREWALL -j DROP');
    // Rules of others must not keep packets from the virtual servers: these stand at the end of KUBE-SERVICES.
    for (const set of ['KUBE-CLUSTER-IP', 'KUBE-LOAD-BALANCER'] as const) {
      if (this.#has(set)) nat.push(`-A KUBE-SERVICES -m set --match-set ${set} dst,dst -j ACCEPT`);
    }
    filter.push(
      `-A KUBE-FORWARD -m comment --comment "kubernetes forwarding rules" -m mark --mark ${MASQUERADE_MARK}/${MASQUERADE_MARK} -j ACCEPT`,
      '-A KUBE-FORWARD -m comment --comment "kubernetes forwarding conntrack rule" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
      `-A KUBE-NODE-PORT${looksInto('KUBE-HEALTH-CHECK-NODE-PORT', 'dst')} -j ACCEPT`,
    );
    // A virtual address is one of the node: what is no port of its Service must not reach the node's own (kubernetes#72236).
    for (const chain of ['KUBE-IPVS-FILTER', 'KUBE-IPVS-OUT-FILTER']) {
      for (const set of ['KUBE-LOAD-BALANCER', 'KUBE-CLUSTER-IP', 'KUBE-EXTERNAL-IP', 'KUBE-EXTERNAL-IP-LOCAL']) {
        filter.push(`-A ${chain} -m set --match-set ${set} dst,dst -j RETURN`);
      }
      filter.push(
        `-A ${chain} -m set --match-set KUBE-HEALTH-CHECK-NODE-PORT dst -j RETURN`,
        `-A ${chain} -m conntrack --ctstate NEW -m set --match-set KUBE-IPVS-IPS dst -j REJECT`,
      );
    }
    nat.push(
      ...masquerade,
      `-A KUBE-POSTROUTING -m mark ! --mark ${MASQUERADE_MARK}/${MASQUERADE_MARK} -j RETURN`,
      `-A KUBE-POSTROUTING -j MARK --xor-mark ${MASQUERADE_MARK}`,
      '-A KUBE-POSTROUTING -m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE --random-fully',
      `-A KUBE-MARK-MASQ -j MARK --or-mark ${MASQUERADE_MARK}`,
    );
    const declare = (chain: string): string => `:${chain} - [0:0]`;
    const lines = ['*nat', ...NAT_CHAINS.map(declare), ...nat, 'COMMIT'];
    lines.push('*filter', ...FILTER_CHAINS.map(declare), ...filter, 'COMMIT');
    return `${lines.join('\n')}\n`;
  }

  /** Who has to be masqueraded on the way to a cluster address, and which sources may use external ones. */
  #clusterRules(nat: string[]): void {
    const { masqueradeAll, clusterCIDR } = this.#settings;
    if (this.#has('KUBE-CLUSTER-IP')) {
      const into = (match: string): string => `-A KUBE-SERVICES${looksInto('KUBE-CLUSTER-IP', match)}`;
      if (masqueradeAll) nat.push(`${into('dst,dst')} -j KUBE-MARK-MASQ`);
      else if (clusterCIDR !== null) {
        nat.push(`${into('dst,dst')} ! -s ${formatIpv4Prefix(clusterCIDR)} -j KUBE-MARK-MASQ`);
      }
      // The node talks to its virtual address with that same address, which no real server could answer.
      else nat.push(`${into('src,dst')} -j KUBE-MARK-MASQ`);
    }
    const external = (set: SetName, masked: boolean): void => {
      if (!this.#has(set)) return;
      const into = `-A KUBE-SERVICES${looksInto(set, 'dst,dst')}`;
      if (masked) nat.push(`${into} -j KUBE-MARK-MASQ`);
      nat.push(
        `${into} -m physdev ! --physdev-is-in -m addrtype ! --src-type LOCAL -j ACCEPT`,
        `${into} -m addrtype --dst-type LOCAL -j ACCEPT`,
      );
    };
    external('KUBE-EXTERNAL-IP', true);
    external('KUBE-EXTERNAL-IP-LOCAL', false);
  }
}

function looksInto(set: SetName, match: string): string {
  return ` -m comment --comment "${SETS[set][1]}" -m set --match-set ${set} ${match}`;
}
