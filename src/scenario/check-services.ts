// What no schema can say of Services: addresses out of their range or taken twice, ports without a name among several, fields
// that mean nothing for the type, selectors that pick nobody. The API server's own words where it has some.

import { formatIpv4, formatIpv4Prefix, type Ipv4, ipv4InPrefix, maskIpv4 } from '../addr/ipv4.ts';
import { DNS_NAMESPACE, DNS_SERVICE } from '../kube/cluster-dns.ts';
import { podLabel } from '../kube/cluster-spec.ts';
import { selects } from '../kube/endpoint-slice.ts';
import { wantsHealthCheckNodePort, wantsNodePorts } from '../kube/service.ts';
import { DEFAULT_SUBNET, overlap, type PlannedNode } from './check-cluster.ts';
import type { Draft, ServiceDraft } from './draft.ts';
import { quoted } from './explain.ts';
import { SERVICE_LABEL, serviceOf } from './manifest-services.ts';
import { nearestName } from './nearest.ts';
import type { Problem } from './problem.ts';
import { SERVICES_MAX } from './schema-service.ts';
import type { Path } from './yaml-value.ts';

interface Findings {
  readonly problems: Problem[];
  readonly warnings: string[];
}

/** The Service of the API server, which is there without being written. */
const KUBERNETES = 'kubernetes';

/** @returns labels of all Services, `kubernetes` among them when there is a service network */
export function checkServices(draft: Draft, nodes: readonly PlannedNode[], findings: Findings): string[] {
  const check = new ServiceCheck(draft, nodes, findings);
  if (!hasServices(draft)) return [];
  check.prefixes();
  check.settings();
  const labels = [KUBERNETES];
  if (draft.cluster.dns !== undefined) labels.push(`${DNS_NAMESPACE}/${DNS_SERVICE}`);
  draft.services.forEach((service) => {
    if (service !== null) labels.push(check.service(service));
  });
  check.slices(labels);
  if (draft.services.length + 1 > SERVICES_MAX) {
    findings.problems.push(
      draft.tree.problem(['services'], {
        what: `${draft.services.length} Services with those of the manifests`,
        expected: `at most ${SERVICES_MAX - 1}`,
        mend: 'a run of this size would not fit into one process',
      }),
    );
  }
  return [...new Set([...labels, ...draft.named.services])];
}

/** A cluster has a service network when the file says anything about one. */
export function hasServices(draft: Pick<Draft, 'services' | 'endpointSlices' | 'cluster' | 'named'>): boolean {
  const { services, endpointSlices, cluster, named } = draft;
  return (
    services.length + endpointSlices.length + named.services.length > 0 ||
    cluster.kubeProxy !== undefined ||
    cluster.dns !== undefined
  );
}

class ServiceCheck {
  readonly #draft: Draft;
  readonly #nodes: readonly PlannedNode[];
  readonly #findings: Findings;
  readonly #names = new Set<string>();
  readonly #addresses = new Map<Ipv4, string>();
  readonly #nodePorts = new Map<number, string>();

  constructor(draft: Draft, nodes: readonly PlannedNode[], findings: Findings) {
    this.#draft = draft;
    this.#nodes = nodes;
    this.#findings = findings;
  }

  /** Settings of kube-proxy that mean nothing in its mode: taken, and told. */
  settings(): void {
    const proxy = this.#draft.cluster.kubeProxy;
    if (proxy === undefined || proxy.mode === 'iptables') return;
    for (const bug of proxy.bugs) {
      if (bug === 'stale-udp-conntrack' && proxy.mode !== 'none') continue;
      this.#findings.warnings.push(`kubeProxy.bugs: ${bug} means nothing in the mode ${proxy.mode}`);
    }
  }

  /** serviceCIDR apart from pods and nodes, and wide enough. */
  prefixes(): void {
    const { serviceCIDR, podCIDR, underlay } = this.#draft.cluster;
    const path = ['cluster', 'serviceCIDR'];
    const first = this.#nodes[0];
    const others = [{ name: 'the pod CIDR', prefix: podCIDR }];
    if (underlay.subnet !== undefined || first !== undefined) {
      const own = first ?? { address: DEFAULT_SUBNET.address, prefixLength: DEFAULT_SUBNET.length };
      const subnet = { address: own.address & maskIpv4(own.prefixLength), length: own.prefixLength };
      others.push({ name: 'the underlay', prefix: underlay.subnet ?? subnet });
    }
    for (const { name, prefix } of others) {
      if (!overlap(serviceCIDR, prefix)) continue;
      this.#value(
        this.#draft.tree,
        path,
        `the service CIDR ${formatIpv4Prefix(serviceCIDR)} overlaps ${name} ${formatIpv4Prefix(prefix)}`,
        'two prefixes that have no address in common',
      );
    }
    if (serviceCIDR.length < 12 || serviceCIDR.length > 30) {
      // --service-cluster-ip-range: at most 20 bits of addresses (cmd/kube-apiserver/app/options/validation.go).
      this.#value(
        this.#draft.tree,
        path,
        `a service CIDR of /${serviceCIDR.length} is too ${serviceCIDR.length < 12 ? 'wide' : 'narrow'}`,
        'a prefix length from 12 to 30',
      );
    }
  }

  service(draft: ServiceDraft): string {
    const { tree, path, service } = draft;
    const { metadata } = service;
    const label = podLabel(metadata);
    const value = (at: Path, what: string, expected: string): void =>
      this.#value(tree, [...path, ...at], what, expected);
    if (this.#names.has(label) || label === KUBERNETES) {
      value(
        ['metadata', 'name'],
        label === KUBERNETES
          ? 'the Service kubernetes is there by itself'
          : `a second Service ${quoted(metadata.name)} in the namespace ${metadata.namespace}`,
        'each name once in a namespace',
      );
    }
    this.#names.add(label);
    this.#clusterIp(draft, label);
    this.#type(draft);
    this.#ports(draft, label);
    this.#selector(draft, label);
    return label;
  }

  #clusterIp({ tree, path, service }: ServiceDraft, label: string): void {
    const { clusterIP, type } = service.spec;
    if (clusterIP === undefined || clusterIP === '') return;
    const at = [...path, 'spec', 'clusterIP'];
    if (type === 'ExternalName') {
      this.#value(tree, at, 'an ExternalName has no cluster address', 'nothing here');
      return;
    }
    if (clusterIP === 'None') {
      if (type !== 'ClusterIP') this.#value(tree, at, `a ${type} cannot be headless`, 'an address, or type ClusterIP');
      return;
    }
    const { serviceCIDR } = this.#draft.cluster;
    const host = (clusterIP - serviceCIDR.address) >>> 0;
    if (!ipv4InPrefix(clusterIP, serviceCIDR) || host === 0 || host >= 2 ** (32 - serviceCIDR.length) - 1) {
      this.#value(
        tree,
        at,
        `the provided IP (${formatIpv4(clusterIP)}) is not in the valid range`,
        `an address of ${formatIpv4Prefix(serviceCIDR)}, neither its first nor its last`,
      );
      return;
    }
    const taken = host === 1 ? KUBERNETES : this.#addresses.get(clusterIP);
    if (taken !== undefined) {
      this.#value(tree, at, `${formatIpv4(clusterIP)} is the address of ${taken} already`, 'an address of its own');
    }
    this.#addresses.set(clusterIP, label);
  }

  /** Fields that only some types have (pkg/apis/core/validation ValidateService). */
  #type({ tree, path, service }: ServiceDraft): void {
    const { spec, status } = service;
    const wanted = serviceOf(service);
    const at = (...rest: string[]): Path => [...path, 'spec', ...rest];
    if (spec.type === 'ExternalName' && (spec.externalName ?? '') === '') {
      this.#value(tree, at('externalName'), 'an ExternalName without a name', 'the DNS name to answer with');
    }
    if (
      spec.externalTrafficPolicy === 'Local' &&
      !['NodePort', 'LoadBalancer'].includes(spec.type) &&
      spec.externalIPs.length === 0
    ) {
      this.#value(
        tree,
        at('externalTrafficPolicy'),
        `a ${spec.type} takes nothing from outside`,
        'type NodePort or LoadBalancer',
      );
    }
    for (const key of ['loadBalancerSourceRanges', 'healthCheckNodePort'] as const) {
      const set = key === 'healthCheckNodePort' ? spec[key] !== undefined : spec[key].length > 0;
      if (!set) continue;
      if (spec.type !== 'LoadBalancer') this.#value(tree, at(key), `${key} of a ${spec.type}`, 'type LoadBalancer');
      else if (key === 'healthCheckNodePort' && !wantsHealthCheckNodePort(wanted)) {
        this.#value(tree, at(key), 'no health check is asked for', 'externalTrafficPolicy Local');
      }
    }
    if (spec.sessionAffinity === 'None' && spec.sessionAffinityConfig !== undefined) {
      this.#value(
        tree,
        at('sessionAffinityConfig'),
        'there is no session affinity to configure',
        'sessionAffinity ClientIP',
      );
    }
    if ((status?.loadBalancer?.ingress ?? []).length > 0 && spec.type !== 'LoadBalancer') {
      this.#value(
        tree,
        [...path, 'status', 'loadBalancer'],
        `a ${spec.type} has no load balancer`,
        'type LoadBalancer',
      );
    }
  }

  #ports({ tree, path, service }: ServiceDraft, label: string): void {
    const { spec } = service;
    const { nodePortRange } = this.#draft.cluster;
    const at = (...rest: (string | number)[]): Path => [...path, 'spec', 'ports', ...rest];
    if (spec.ports.length === 0 && spec.type !== 'ExternalName' && spec.clusterIP !== 'None') {
      this.#value(tree, [...path, 'spec', 'ports'], 'a Service without ports', 'at least one, unless it is headless');
    }
    const names = new Set<string>();
    const numbers = new Set<string>();
    const own = new Set<number>();
    spec.ports.forEach((port, i) => {
      if (spec.ports.length > 1 && port.name === '') {
        this.#value(tree, at(i), 'a port without a name among several', 'a name for each');
      }
      if (port.name !== '' && names.has(port.name))
        this.#value(tree, at(i, 'name'), `a second port ${quoted(port.name)}`, 'a name of its own');
      names.add(port.name);
      const number = `${port.port}/${port.protocol}`;
      if (numbers.has(number))
        this.#value(tree, at(i, 'port'), `${number} stands here twice`, 'each port and protocol once');
      numbers.add(number);
      if (port.nodePort === undefined) return;
      if (!wantsNodePorts(serviceOf(service))) {
        this.#value(tree, at(i, 'nodePort'), `a node port of a ${spec.type}`, 'type NodePort or LoadBalancer');
      } else if (port.nodePort < nodePortRange.first || port.nodePort > nodePortRange.last) {
        this.#value(
          tree,
          at(i, 'nodePort'),
          `${port.nodePort} is no node port`,
          `${nodePortRange.first} to ${nodePortRange.last} (cluster.nodePortRange)`,
        );
      } else {
        const taken = this.#nodePorts.get(port.nodePort);
        if (taken !== undefined && !(taken === label && own.has(port.nodePort))) {
          this.#value(tree, at(i, 'nodePort'), `${port.nodePort} is a node port of ${taken} already`, 'one of its own');
        }
        this.#nodePorts.set(port.nodePort, label);
        own.add(port.nodePort);
      }
    });
  }

  #selector({ service }: ServiceDraft, label: string): void {
    const { spec, metadata } = service;
    const { selector } = spec;
    if (spec.type === 'ExternalName') return;
    if (selector === undefined) {
      // Slices that are wrong elsewhere may be its own.
      const { endpointSlices } = this.#draft;
      const own = (s: (typeof endpointSlices)[number]): boolean =>
        s === null ||
        (s.slice.metadata.namespace === metadata.namespace && s.slice.metadata.labels[SERVICE_LABEL] === metadata.name);
      if (!endpointSlices.some(own))
        this.#findings.warnings.push(`the Service ${label} has no selector and no EndpointSlice: it has no endpoints`);
      return;
    }
    const pods = this.#draft.pods.filter((p) => p !== null);
    // Pods that are wrong elsewhere may be the ones.
    if (pods.length < this.#draft.pods.length) return;
    const picked = pods.some(
      (p) => p.pod.metadata.namespace === metadata.namespace && selects(selector, p.pod.metadata.labels ?? {}),
    );
    if (!picked)
      this.#findings.warnings.push(`the selector of the Service ${label} picks no pod: it begins without endpoints`);
  }

  slices(services: readonly string[]): void {
    for (const draft of this.#draft.endpointSlices) {
      if (draft === null) continue;
      const { tree, path, slice } = draft;
      const { metadata } = slice;
      const name = metadata.labels[SERVICE_LABEL];
      const at = [...path, 'metadata', 'labels'];
      if (name === undefined) {
        this.#value(tree, at, 'the slice belongs to no Service', `a label ${SERVICE_LABEL} with its name`);
        continue;
      }
      const label = podLabel({ namespace: metadata.namespace, name });
      if (services.includes(label)) continue;
      const near = nearestName(label, services);
      this.#value(
        tree,
        at,
        `there is no Service ${quoted(label)}`,
        near === null ? 'the name of a Service' : `one of ${services.join(', ')}`,
      );
    }
  }

  #value(tree: Draft['tree'], path: Path, what: string, expected: string): void {
    this.#findings.problems.push(tree.problem(path, { what, expected }));
  }
}
