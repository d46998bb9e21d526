// Which endpoints a node uses (pkg/proxy/topology.go CategorizeEndpoints): ready ones by traffic policy and topology hints,
// and when there are none, those that still serve while they terminate (KEP-1669).

import { type ServiceEndpoint, type ServicePort, usesClusterEndpoints, usesLocalEndpoints } from './service-port.ts';

/** The node that chooses. */
export interface ProxyNode {
  readonly name: string;
  /** label topology.kubernetes.io/zone */
  readonly zone: string | null;
}

export interface EndpointChoice {
  /** used with the policy Cluster */
  readonly cluster: readonly ServiceEndpoint[];
  /** used with the policy Local */
  readonly local: readonly ServiceEndpoint[];
  /** every one that this node's rules name, in order */
  readonly reachable: readonly ServiceEndpoint[];
  /** there are endpoints somewhere: what is missing here is dropped, not rejected */
  readonly any: boolean;
}

type Topology = 'none' | 'node' | 'zone';

export function chooseEndpoints(
  port: ServicePort,
  endpoints: readonly ServiceEndpoint[],
  node: ProxyNode,
): EndpointChoice {
  let any = false;
  let cluster: readonly ServiceEndpoint[] = [];
  let topology: Topology = 'none';
  const isLocal = (e: ServiceEndpoint): boolean => e.nodeName === node.name;
  const lingers = (e: ServiceEndpoint): boolean => e.serving && e.terminating;
  if (usesClusterEndpoints(port)) {
    topology = topologyOf(endpoints, node);
    cluster = endpoints.filter((e) => e.ready && inTopology(e, topology, node));
    if (cluster.length === 0) cluster = endpoints.filter(lingers);
    any = cluster.length > 0;
  }
  if (!usesLocalEndpoints(port)) return { cluster, local: [], reachable: cluster, any };
  any ||= endpoints.some((e) => e.ready || lingers(e));
  let local = endpoints.filter((e) => isLocal(e) && e.ready);
  const allReady = local.length > 0;
  if (!allReady) local = endpoints.filter((e) => isLocal(e) && !e.ready && lingers(e));
  if (!usesClusterEndpoints(port)) return { cluster, local, reachable: local, any };
  if (topology === 'none' && (allReady || local.length === 0)) return { cluster, local, reachable: cluster, any };
  const used = new Set([...cluster, ...local]);
  return { cluster, local, reachable: endpoints.filter((e) => used.has(e)), any };
}

/** Hints count only when every ready endpoint has one and at least one names this place. */
function topologyOf(endpoints: readonly ServiceEndpoint[], node: ProxyNode): Topology {
  const ready = endpoints.filter((e) => e.ready);
  if (ready.length === 0) return 'none';
  if (ready.every((e) => e.forNodes.length > 0) && ready.some((e) => e.forNodes.includes(node.name))) return 'node';
  const { zone } = node;
  if (zone === null) return 'none';
  return ready.every((e) => e.forZones.length > 0) && ready.some((e) => e.forZones.includes(zone)) ? 'zone' : 'none';
}

function inTopology(endpoint: ServiceEndpoint, topology: Topology, node: ProxyNode): boolean {
  if (topology === 'none') return true;
  return topology === 'node' ? endpoint.forNodes.includes(node.name) : endpoint.forZones.includes(node.zone!);
}
