// EndpointSlices (discovery.k8s.io/v1) and what the EndpointSlice controller makes of pods
// (staging/src/k8s.io/endpointslice/reconciler.go, utils.go): which pods stand behind a Service, at which ports, in which
// condition. Slices of one Service differ in their ports when a named port means different numbers in different pods.
//
//   ready        publishNotReadyAddresses, or the pod is Ready and not terminating
//   serving      the pod is Ready, even while it terminates
//   terminating  the pod has a deletionTimestamp

import type { Ipv4 } from '../addr/ipv4.ts';
import type { Protocol, Service } from './service.ts';

/** --max-endpoints-per-slice of kube-controller-manager */
export const ENDPOINTS_PER_SLICE = 100;

export interface Endpoint {
  readonly address: Ipv4;
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
  /** spec.hostname of a pod whose spec.subdomain is the Service's name; DNS names it; null: none */
  readonly hostname: string | null;
  readonly nodeName: string | null;
  readonly zone: string | null;
  /** name of the pod (targetRef), null for an endpoint made by hand */
  readonly podName: string | null;
  /** hints.forZones and .forNodes */
  readonly forZones: readonly string[];
  readonly forNodes: readonly string[];
}

export interface EndpointPort {
  /** the Service port's name, '' when it has none */
  readonly name: string;
  readonly protocol: Protocol;
  readonly port: number;
}

export interface EndpointSlice {
  readonly name: string;
  readonly namespace: string;
  /** label kubernetes.io/service-name */
  readonly serviceName: string;
  readonly ports: readonly EndpointPort[];
  readonly endpoints: readonly Endpoint[];
  /** virtual time of creation */
  readonly created: number;
}

/** What the controller sees of a pod. */
export interface PodView {
  readonly name: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  /** null: no address yet */
  readonly ip: Ipv4 | null;
  readonly nodeName: string;
  readonly zone: string | null;
  readonly ready: boolean;
  readonly terminating: boolean;
  readonly hostname: string | null;
  readonly subdomain: string | null;
  readonly ports: readonly { readonly name: string; readonly port: number; readonly protocol: Protocol }[];
}

/** Every pair of the selector stands among the labels; an empty selector picks nothing for a Service. */
export function selects(selector: Readonly<Record<string, string>>, labels: Readonly<Record<string, string>>): boolean {
  let some = false;
  // Every Service looks at every pod of a cluster: no list of pairs is made for that.
  for (const key in selector) {
    if (labels[key] !== selector[key]) return false;
    some = true;
  }
  return some;
}

/** One group of endpoints with the same ports: what the controller spreads over slices. */
export interface EndpointGroup {
  readonly ports: readonly EndpointPort[];
  readonly endpoints: readonly Endpoint[];
}

/** The endpoints that a Service with a selector has now, grouped by their ports; pods in the order given. */
export function endpointGroups(service: Service, pods: readonly PodView[]): EndpointGroup[] {
  const { selector } = service;
  if (selector === null || service.type === 'ExternalName') return [];
  const groups = new Map<string, { ports: EndpointPort[]; endpoints: Endpoint[] }>();
  for (const pod of pods) {
    if (pod.namespace !== service.namespace || pod.ip === null || !selects(selector, pod.labels)) continue;
    const ports = endpointPorts(service, pod);
    const key = ports.map((p) => `${p.name}/${p.protocol}/${p.port}`).join(' ');
    let group = groups.get(key);
    if (group === undefined) {
      group = { ports, endpoints: [] };
      groups.set(key, group);
    }
    group.endpoints.push(endpointOf(service, pod, pod.ip));
  }
  return [...groups.values()];
}

function endpointOf(service: Service, pod: PodView, address: Ipv4): Endpoint {
  const distribution = service.trafficDistribution;
  const byZone = distribution === 'PreferClose' || distribution === 'PreferSameZone';
  const byNode = distribution === 'PreferSameNode';
  return {
    address,
    ready: service.publishNotReadyAddresses || (pod.ready && !pod.terminating),
    serving: pod.ready,
    terminating: pod.terminating,
    hostname: pod.subdomain === service.name ? pod.hostname : null,
    nodeName: pod.nodeName,
    zone: pod.zone,
    podName: pod.name,
    // trafficDistribution (endpointslice/trafficdist): the hint of an endpoint is its own zone or node.
    forZones: (byZone || byNode) && pod.zone !== null ? [pod.zone] : [],
    forNodes: byNode ? [pod.nodeName] : [],
  };
}

/** FindPort (pkg/api/v1/pod): a named target port is looked up in the pod; a Service port that it lacks is left out. */
function endpointPorts(service: Service, pod: PodView): EndpointPort[] {
  const out: EndpointPort[] = [];
  for (const { name, protocol, targetPort } of service.ports) {
    const port =
      typeof targetPort === 'number'
        ? targetPort
        : pod.ports.find((p) => p.name === targetPort && p.protocol === protocol)?.port;
    if (port !== undefined) out.push({ name, protocol, port });
  }
  return out;
}
