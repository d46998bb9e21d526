// Services and EndpointSlices out of their manifests: what kube/ works with.

import type { ServiceNetworkSpec } from '../kube/cluster-spec.ts';
import type { KubeProxySpec } from '../kube/kube-proxy-spec.ts';
import { AFFINITY_TIMEOUT_DEFAULT, type ServiceSpec } from '../kube/service.ts';
import { NS_PER_S } from '../sim/sim.ts';
import type { KubeProxyInput } from './schema-proxy.ts';
import type { EndpointSliceManifest, ServiceManifest } from './schema-service.ts';

/** Label of a slice that names its Service. */
export const SERVICE_LABEL = 'kubernetes.io/service-name';

export function serviceOf(manifest: ServiceManifest): ServiceSpec {
  const { metadata, spec, status } = manifest;
  const external = spec.type === 'NodePort' || spec.type === 'LoadBalancer';
  return {
    name: metadata.name,
    namespace: metadata.namespace,
    labels: metadata.labels ?? {},
    annotations: metadata.annotations ?? {},
    type: spec.type,
    clusterIP: spec.clusterIP === undefined || spec.clusterIP === '' ? null : spec.clusterIP,
    ports: spec.ports.map((p) => ({
      name: p.name,
      protocol: p.protocol,
      port: p.port,
      targetPort: p.targetPort ?? p.port,
      nodePort: external ? (p.nodePort ?? null) : null,
    })),
    selector: spec.selector ?? null,
    externalIPs: spec.externalIPs,
    ingress: spec.type === 'LoadBalancer' ? (status?.loadBalancer?.ingress ?? []) : [],
    sessionAffinity: spec.sessionAffinity,
    sessionAffinityTimeout: spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? AFFINITY_TIMEOUT_DEFAULT,
    internalTrafficPolicy: spec.internalTrafficPolicy,
    externalTrafficPolicy: spec.externalTrafficPolicy,
    publishNotReadyAddresses: spec.publishNotReadyAddresses,
    loadBalancerSourceRanges: spec.type === 'LoadBalancer' ? spec.loadBalancerSourceRanges : [],
    allocateLoadBalancerNodePorts: spec.allocateLoadBalancerNodePorts,
    healthCheckNodePort: spec.healthCheckNodePort ?? null,
    trafficDistribution: spec.trafficDistribution ?? null,
    externalName: spec.externalName ?? null,
  };
}

export function sliceOf(manifest: EndpointSliceManifest): ServiceNetworkSpec['endpointSlices'][number] {
  const { metadata } = manifest;
  return {
    name: metadata.name,
    namespace: metadata.namespace,
    serviceName: metadata.labels[SERVICE_LABEL] ?? '',
    ports: manifest.ports.map(({ name, protocol, port }) => ({ name, protocol, port })),
    endpoints: manifest.endpoints.map((e) => ({
      // Only the first address counts (discovery.k8s.io/v1 Endpoint.addresses).
      address: e.addresses[0]!,
      ready: e.conditions.ready ?? true,
      serving: e.conditions.serving ?? e.conditions.ready ?? true,
      terminating: e.conditions.terminating ?? false,
      hostname: e.hostname ?? null,
      nodeName: e.nodeName ?? null,
      zone: e.zone ?? null,
      podName: null,
      forZones: (e.hints?.forZones ?? []).map((z) => z.name),
      forNodes: (e.hints?.forNodes ?? []).map((n) => n.name),
    })),
  };
}

/** null: the mode none. */
export function kubeProxyOf(input: KubeProxyInput): KubeProxySpec | null {
  if (input.mode === 'none') return null;
  const { conntrack } = input;
  const seconds = (ns: number | undefined): number => Math.floor((ns ?? 0) / NS_PER_S);
  return {
    mode: input.mode,
    clusterCIDR: input.clusterCIDR ?? null,
    nodePortAddresses: input.nodePortAddresses,
    masqueradeAll: input.iptables.masqueradeAll,
    localhostNodePorts: input.iptables.localhostNodePorts,
    minSyncPeriod: input.iptables.minSyncPeriod,
    conntrack: {
      maxPerCore: conntrack.maxPerCore,
      min: conntrack.min,
      tcpEstablishedTimeout: seconds(conntrack.tcpEstablishedTimeout),
      tcpCloseWaitTimeout: seconds(conntrack.tcpCloseWaitTimeout),
      udpTimeout: seconds(conntrack.udpTimeout),
      udpStreamTimeout: seconds(conntrack.udpStreamTimeout),
      tcpBeLiberal: conntrack.tcpBeLiberal,
    },
    ipvs: input.ipvs,
    bugs: input.bugs,
  };
}
