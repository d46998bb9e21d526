// Services as kube-proxy sees them (pkg/proxy/serviceport.go, endpoint.go, endpointslicecache.go): one entry for each port of
// each Service with a virtual address, and the endpoints that stand behind it, sorted by the text `ip:port`.

import { formatIpv4, type Ipv4, type Ipv4Prefix } from '../addr/ipv4.ts';
import { endpointChain, type ServiceChains, serviceChains, servicePortName } from './chain-name.ts';
import type { EndpointSlice } from './endpoint-slice.ts';
import { type Protocol, type Service, serviceKey, virtualIp } from './service.ts';

export interface ServicePort {
  /** `ns/svc:port` */
  readonly name: string;
  /** `ns/svc` */
  readonly service: string;
  readonly portName: string;
  readonly protocol: Protocol;
  readonly clusterIP: Ipv4;
  readonly port: number;
  /** 0: none */
  readonly nodePort: number;
  readonly externalIPs: readonly Ipv4[];
  /** load balancer addresses that kube-proxy answers for (ipMode VIP) */
  readonly loadBalancerVIPs: readonly Ipv4[];
  readonly sourceRanges: readonly Ipv4Prefix[];
  /** seconds; 0: no affinity */
  readonly affinity: number;
  readonly healthCheckNodePort: number;
  readonly internalLocal: boolean;
  readonly externalLocal: boolean;
  readonly chains: ServiceChains;
}

/** An endpoint at one port. */
export interface ServiceEndpoint {
  readonly address: Ipv4;
  readonly port: number;
  /** `ip:port` */
  readonly text: string;
  readonly chain: string;
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
  readonly nodeName: string | null;
  readonly zone: string | null;
  readonly forZones: readonly string[];
  readonly forNodes: readonly string[];
}

/** The lower-case name that rules and hashes use. */
export function protocolName(protocol: Protocol): 'tcp' | 'udp' | 'sctp' {
  return protocol.toLowerCase() as 'tcp' | 'udp' | 'sctp';
}

/** The ports of a Service that kube-proxy takes care of: none when it has no virtual address. */
export function servicePorts(service: Service): ServicePort[] {
  const clusterIP = virtualIp(service);
  if (clusterIP === null) return [];
  return service.ports.map((port) => {
    const name = servicePortName(service, port.name);
    return {
      name,
      service: serviceKey(service),
      portName: port.name,
      protocol: port.protocol,
      clusterIP,
      port: port.port,
      nodePort: port.nodePort ?? 0,
      externalIPs: service.externalIPs,
      loadBalancerVIPs: service.ingress.filter((i) => i.ipMode === 'VIP').map((i) => i.ip),
      sourceRanges: service.loadBalancerSourceRanges,
      affinity: service.sessionAffinity === 'ClientIP' ? service.sessionAffinityTimeout : 0,
      healthCheckNodePort: service.healthCheckNodePort ?? 0,
      internalLocal: service.internalTrafficPolicy === 'Local',
      externalLocal: service.externalTrafficPolicy === 'Local',
      chains: serviceChains(name, protocolName(port.protocol)),
    };
  });
}

/** What its slices hold for one port; an endpoint that stands in two of them counts once, the ready one first. */
export function endpointsOf(port: ServicePort, slices: readonly EndpointSlice[]): ServiceEndpoint[] {
  const found = new Map<string, ServiceEndpoint>();
  const protocol = protocolName(port.protocol);
  for (const slice of slices) {
    const at = slice.ports.find((p) => p.name === port.portName && p.protocol === port.protocol);
    if (at === undefined) continue;
    for (const endpoint of slice.endpoints) {
      const text = `${formatIpv4(endpoint.address)}:${at.port}`;
      if (found.get(text)?.ready === true || (found.has(text) && !endpoint.ready)) continue;
      found.set(text, {
        address: endpoint.address,
        port: at.port,
        text,
        chain: endpointChain(port.name, protocol, text),
        ready: endpoint.ready,
        serving: endpoint.serving,
        terminating: endpoint.terminating,
        nodeName: endpoint.nodeName,
        zone: endpoint.zone,
        forZones: endpoint.forZones,
        forNodes: endpoint.forNodes,
      });
    }
  }
  return [...found.values()].sort((a, b) => (a.text < b.text ? -1 : 1));
}

/** Reachable by other addresses than the cluster address. */
export function externallyAccessible(port: ServicePort): boolean {
  return port.nodePort !== 0 || port.loadBalancerVIPs.length > 0 || port.externalIPs.length > 0;
}

/** Even with the policy Local, traffic of the node itself and of its pods goes to all endpoints. */
export function usesClusterEndpoints(port: ServicePort): boolean {
  return !port.internalLocal || externallyAccessible(port);
}

export function usesLocalEndpoints(port: ServicePort): boolean {
  return port.internalLocal || (port.externalLocal && externallyAccessible(port));
}
