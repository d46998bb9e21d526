// Services of a cluster and who makes them reachable: the Service `kubernetes`, those of the spec, the slices that people
// wrote, and a kube-proxy on every node.

import type { Cluster } from './cluster.ts';
import type { ServiceNetworkSpec } from './cluster-spec.ts';
import type { KubeProxy } from './kube-proxy.ts';
import { startNodeProxy } from './node-proxy.ts';
import { servicePort, serviceSpec } from './service.ts';

/** --secure-port of kube-apiserver */
const API_SERVER_PORT = 6443;
const KUBERNETES = 'kubernetes';

export interface ServiceNetwork {
  readonly spec: ServiceNetworkSpec;
  /** by node, in the order in which they joined; empty without kube-proxy */
  readonly proxies: ReadonlyMap<string, KubeProxy>;
  /** what the API server refused, one sentence each; checked scenarios have none */
  readonly problems: readonly string[];
}

export function startServiceNetwork(cluster: Cluster, spec: ServiceNetworkSpec): ServiceNetwork {
  const problems = createServices(cluster, spec);
  const proxies = new Map<string, KubeProxy>();
  if (spec.kubeProxy !== null) {
    for (const node of cluster.nodes.values()) proxies.set(node.name, startNodeProxy(cluster, node, spec.kubeProxy));
  }
  return { spec, proxies, problems };
}

function createServices(cluster: Cluster, spec: ServiceNetworkSpec): string[] {
  const { services } = cluster;
  const problems: string[] = [];
  // The API server's own Service takes the first address of the range; its endpoint is the control plane's node.
  const own = services.create(
    serviceSpec({
      name: KUBERNETES,
      labels: { component: 'apiserver', provider: 'kubernetes' },
      clusterIP: services.clusterIps.first,
      ports: [servicePort({ name: 'https', port: 443, targetPort: API_SERVER_PORT })],
    }),
  );
  if ('error' in own) problems.push(`${KUBERNETES}: ${own.error}`);
  const [first] = cluster.nodes.values();
  if (first !== undefined) {
    services.setSlices('default', KUBERNETES, [
      {
        name: KUBERNETES,
        namespace: 'default',
        serviceName: KUBERNETES,
        ports: [{ name: 'https', protocol: 'TCP', port: API_SERVER_PORT }],
        endpoints: [endpointOfHost(first.spec.address)],
      },
    ]);
  }
  // Addresses and ports that are asked for are taken first: none that is drawn may stand in their way.
  const given = spec.services.filter(
    (s) => typeof s.clusterIP === 'number' || s.ports.some((p) => p.nodePort !== null),
  );
  for (const service of [...given, ...spec.services.filter((s) => !given.includes(s))]) {
    const made = services.create(service);
    if ('error' in made) problems.push(`${service.namespace}/${service.name}: ${made.error}`);
  }
  const slices = new Map<string, ServiceNetworkSpec['endpointSlices'][number][]>();
  for (const slice of spec.endpointSlices) {
    const key = `${slice.namespace}/${slice.serviceName}`;
    const list = slices.get(key) ?? [];
    list.push(slice);
    slices.set(key, list);
  }
  for (const list of slices.values()) services.setSlices(list[0]!.namespace, list[0]!.serviceName, list);
  return problems;
}

function endpointOfHost(address: number) {
  return {
    address,
    ready: true,
    serving: true,
    terminating: false,
    hostname: null,
    nodeName: null,
    zone: null,
    podName: null,
    forZones: [],
    forNodes: [],
  };
}
