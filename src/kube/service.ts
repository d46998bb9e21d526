// A Service as the API server holds it (kubernetes staging/src/k8s.io/api/core/v1/types.go): names and meanings are those of
// the v1 API, addresses are numbers, times of affinity are seconds. What the file or the caller leaves open (clusterIP, node
// ports) is filled in by the allocators before a Service exists (services.ts).

import type { Ipv4, Ipv4Prefix } from '../addr/ipv4.ts';

export const Protocol = { TCP: 'TCP', UDP: 'UDP', SCTP: 'SCTP' } as const;
export type Protocol = (typeof Protocol)[keyof typeof Protocol];

export type ServiceType = 'ClusterIP' | 'NodePort' | 'LoadBalancer' | 'ExternalName';
export type TrafficPolicy = 'Cluster' | 'Local';
export type TrafficDistribution = 'PreferClose' | 'PreferSameZone' | 'PreferSameNode';

/** v1.DefaultClientIPServiceAffinitySeconds, and the most that validation takes */
export const AFFINITY_TIMEOUT_DEFAULT = 10_800;
export const AFFINITY_TIMEOUT_MAX = 86_400;

export interface ServicePortSpec {
  /** '' when the Service has one port without a name */
  readonly name: string;
  readonly protocol: Protocol;
  readonly port: number;
  /** a number, or the name of a container port */
  readonly targetPort: number | string;
  /** null: allocated when the type asks for one */
  readonly nodePort: number | null;
}

export interface LoadBalancerIngress {
  readonly ip: Ipv4;
  /** Proxy: the load balancer delivers to node ports, and kube-proxy writes no rules for the address */
  readonly ipMode: 'VIP' | 'Proxy';
}

/** What a manifest asks for. */
export interface ServiceSpec {
  readonly name: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly type: ServiceType;
  /** 'None': headless; null: allocated */
  readonly clusterIP: Ipv4 | 'None' | null;
  readonly ports: readonly ServicePortSpec[];
  /** null: endpoints are made by hand (EndpointSlice manifests) */
  readonly selector: Readonly<Record<string, string>> | null;
  readonly externalIPs: readonly Ipv4[];
  /** status.loadBalancer.ingress */
  readonly ingress: readonly LoadBalancerIngress[];
  readonly sessionAffinity: 'None' | 'ClientIP';
  /** seconds */
  readonly sessionAffinityTimeout: number;
  readonly internalTrafficPolicy: TrafficPolicy;
  readonly externalTrafficPolicy: TrafficPolicy;
  readonly publishNotReadyAddresses: boolean;
  readonly loadBalancerSourceRanges: readonly Ipv4Prefix[];
  readonly allocateLoadBalancerNodePorts: boolean;
  /** null: allocated when the type and policy ask for one */
  readonly healthCheckNodePort: number | null;
  readonly trafficDistribution: TrafficDistribution | null;
  /** ExternalName: the name that DNS answers with (CNAME) */
  readonly externalName: string | null;
}

/** A Service that exists: every address and port is decided. */
export interface Service extends ServiceSpec {
  /** 'None': headless; null: ExternalName */
  readonly clusterIP: Ipv4 | 'None' | null;
  /** virtual time of creation */
  readonly created: number;
}

/** `ns/name`, the key of maps of Services. */
export function serviceKey(s: { readonly namespace: string; readonly name: string }): string {
  return `${s.namespace}/${s.name}`;
}

/** The virtual address of a Service, or null when it has none (headless, ExternalName). */
export function virtualIp(s: Service): Ipv4 | null {
  return typeof s.clusterIP === 'number' ? s.clusterIP : null;
}

/** Node ports are given to NodePort, and to LoadBalancer unless it says that it can do without. */
export function wantsNodePorts(s: ServiceSpec): boolean {
  return s.type === 'NodePort' || (s.type === 'LoadBalancer' && s.allocateLoadBalancerNodePorts);
}

/** A port of a health check is given to LoadBalancer with externalTrafficPolicy Local. */
export function wantsHealthCheckNodePort(s: ServiceSpec): boolean {
  return s.type === 'LoadBalancer' && s.externalTrafficPolicy === 'Local';
}

/** A spec with the defaults of the API (pkg/apis/core/v1/defaults.go); `name` at least must be given. */
export function serviceSpec(given: Partial<ServiceSpec> & { readonly name: string }): ServiceSpec {
  return {
    namespace: 'default',
    labels: {},
    annotations: {},
    type: 'ClusterIP',
    clusterIP: null,
    ports: [],
    selector: null,
    externalIPs: [],
    ingress: [],
    sessionAffinity: 'None',
    sessionAffinityTimeout: AFFINITY_TIMEOUT_DEFAULT,
    internalTrafficPolicy: 'Cluster',
    externalTrafficPolicy: 'Cluster',
    publishNotReadyAddresses: false,
    loadBalancerSourceRanges: [],
    allocateLoadBalancerNodePorts: true,
    healthCheckNodePort: null,
    trafficDistribution: null,
    externalName: null,
    ...given,
  };
}

/** A port of a spec: TCP, targetPort the same as port. */
export function servicePort(given: Partial<ServicePortSpec> & { readonly port: number }): ServicePortSpec {
  return { name: '', protocol: Protocol.TCP, targetPort: given.port, nodePort: null, ...given };
}
