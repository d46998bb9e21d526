// A kube-proxy on a FlowNode: Services as facts, a mode, and packets through it.

import { parseIpv4, parseIpv4Prefix } from '../../src/addr/ipv4.ts';
import { Rng } from '../../src/base/rng.ts';
import { KubeProxy } from '../../src/kube/kube-proxy.ts';
import { KUBE_PROXY_DEFAULTS, type KubeProxySpec } from '../../src/kube/kube-proxy-spec.ts';
import { ensureKubeletRules } from '../../src/kube/kubelet-rules.ts';
import { startProxyMode } from '../../src/kube/proxy-mode.ts';
import { type Protocol, type ServiceSpec, servicePort, serviceSpec } from '../../src/kube/service.ts';
import { Services } from '../../src/kube/services.ts';
import { NS_PER_S } from '../../src/sim/sim.ts';
import { netfilterOf } from '../../src/stack/netfilter-host.ts';
import { FlowNode } from './flow-node.ts';

interface Endpoint {
  readonly ip: string;
  readonly node?: string;
}
interface Port {
  readonly port: number;
  readonly targetPort?: number;
  readonly protocol?: Protocol;
  readonly nodePort?: number;
}
export interface ServiceFacts extends Port {
  readonly name?: string;
  readonly type?: ServiceSpec['type'];
  readonly clusterIP: string;
  readonly ports?: readonly Port[];
  readonly externalIPs?: readonly string[];
  readonly lbIPs?: readonly string[];
  readonly endpoints: readonly Endpoint[];
  /** what else its spec says */
  readonly spec?: Partial<ServiceSpec>;
}
export const ip = (text: string): number => parseIpv4(text)!;

/** This node's name; endpoints on `this` are on it. */
export const HERE = 'this';
/** The caller closes the node. */
export function startProxy(
  mode: KubeProxySpec['mode'],
  facts: readonly ServiceFacts[],
  given: Partial<KubeProxySpec> = {},
): FlowNode {
  const started = new FlowNode();
  const { netns } = started;
  const { sim } = netns.world;
  const serviceCIDR = parseIpv4Prefix('172.30.0.0/16')!;
  const services = new Services({
    sim,
    rng: (purpose) => new Rng(1, purpose),
    serviceCIDR,
    nodePortRange: { first: 3000, last: 4000 },
  });
  for (const f of facts) create(services, f);
  const netfilter = netfilterOf(netns);
  ensureKubeletRules(netfilter.tables);
  const clusterCIDR = parseIpv4Prefix('10.0.0.0/8')!;
  const spec: KubeProxySpec = { ...KUBE_PROXY_DEFAULTS, ...given, mode };
  const common = { netns, netfilter, spec, clusterCIDR, serviceCIDR };
  new KubeProxy({
    sim,
    services,
    node: { name: HERE, zone: null },
    mode: startProxyMode({ ...common, nodeName: HERE, nodeIP: ip('192.168.0.2') }),
    minSyncPeriod: NS_PER_S,
    afterSync: () => {},
  });
  return started;
}

function create(services: Services, facts: ServiceFacts): void {
  const [namespace, name] = (facts.name ?? 'ns1/svc1').split('/') as [string, string];
  const ports = (facts.ports ?? [facts]).map((p, i) =>
    servicePort({
      name: `p${i}`,
      port: p.port,
      protocol: p.protocol ?? 'TCP',
      targetPort: p.targetPort ?? p.port,
      nodePort: p.nodePort ?? null,
    }),
  );
  const made = services.create(
    serviceSpec({
      name,
      namespace,
      type: facts.type ?? 'ClusterIP',
      clusterIP: ip(facts.clusterIP),
      ports,
      externalIPs: (facts.externalIPs ?? []).map(ip),
      ingress: (facts.lbIPs ?? []).map((a) => ({ ip: ip(a), ipMode: 'VIP' })),
      ...facts.spec,
    }),
  );
  if ('error' in made) throw new Error(made.error);
  services.setSlices(namespace, name, [
    {
      name: `${name}-abcde`,
      namespace,
      serviceName: name,
      ports: ports.map((p) => ({ name: p.name, protocol: p.protocol, port: p.targetPort as number })),
      endpoints: facts.endpoints.map((e) => ({
        address: ip(e.ip),
        ready: true,
        serving: true,
        terminating: false,
        hostname: null,
        nodeName: e.node ?? null,
        zone: null,
        podName: null,
        forZones: [],
        forNodes: [],
      })),
    },
  ]);
}
