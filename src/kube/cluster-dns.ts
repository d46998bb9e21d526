// The cluster's DNS: CoreDNS in pods of kube-system, the Service kube-dns in front of them, a resolver of the outside world
// on the underlay behind them, and the files by which pods and nodes find them.

import { formatIpv4, type Ipv4, type Ipv4Prefix } from '../addr/ipv4.ts';
import { DnsServer } from '../apps/dns-server.ts';
import { StubSockets } from '../apps/stub-sockets.ts';
import { mountFile } from '../apps/system-files.ts';
import { coreDns } from '../dns/coredns.ts';
import { podHostsFile } from '../dns/hosts-file.ts';
import type { ZoneEndpoints, ZoneObjects, ZoneService } from '../dns/kubernetes-zone.ts';
import { parseResolvConf } from '../dns/resolv-conf.ts';
import { type TableRecord, TableZone } from '../dns/table-zone.ts';
import { NS_PER_S } from '../sim/sim.ts';
import { WALL_EPOCH_S } from '../sim/wall-clock.ts';
import type { NetNamespace } from '../stack/netns.ts';
import type { Cluster, ClusterNode, Pod } from './cluster.ts';
import type { HostSpec, PodSpec } from './cluster-spec.ts';
import { podResolvConf } from './pod-dns.ts';
import { runProgramIn, runProgramInPod } from './pod-program.ts';
import { type Service, type ServiceSpec, serviceKey, servicePort, serviceSpec, virtualIp } from './service.ts';

export interface ClusterDnsSpec {
  /** "cluster.local", without a dot at the end */
  readonly domain: string;
  /** seconds; kubeadm's Corefile has 30 */
  readonly ttl: number;
  /** seconds; `cache 30` */
  readonly cacheTtl: number;
  readonly replicas: number;
  readonly pods: 'disabled' | 'insecure' | 'verified';
  /** ClusterIP of kube-dns */
  readonly address: Ipv4;
  /** the resolver that nodes use; null: the nodes' resolv.conf names nobody */
  readonly upstream: {
    readonly address: Ipv4;
    readonly prefixLength: number;
    readonly records: readonly TableRecord[];
  } | null;
}

/** Name of the machine that plays the outside world's resolver; its interface in captures is `resolver/eth0`. */
export const RESOLVER = 'resolver';
export const DNS_NAMESPACE = 'kube-system';
export const DNS_SERVICE = 'kube-dns';
const DNS_LABELS = { 'k8s-app': 'kube-dns' };
const UNDERLAY_MTU = 1500;

/** The tenth address of the range, by convention (kubeadm: GetDNSIP). */
export function dnsServiceAddress(serviceCIDR: Ipv4Prefix): Ipv4 {
  return (serviceCIDR.address + 10) | 0;
}

/** The Service that kubeadm makes. */
export function dnsService(spec: ClusterDnsSpec): ServiceSpec {
  return serviceSpec({
    name: DNS_SERVICE,
    namespace: DNS_NAMESPACE,
    labels: { ...DNS_LABELS, 'kubernetes.io/cluster-service': 'true', 'kubernetes.io/name': 'CoreDNS' },
    clusterIP: spec.address,
    selector: DNS_LABELS,
    ports: [
      servicePort({ name: 'dns', protocol: 'UDP', port: 53 }),
      servicePort({ name: 'dns-tcp', protocol: 'TCP', port: 53 }),
      servicePort({ name: 'metrics', protocol: 'TCP', port: 9153 }),
    ],
  });
}

/** The pods of the Deployment, with numbers where a real one has random letters. */
export function dnsPods(spec: ClusterDnsSpec): PodSpec[] {
  return Array.from({ length: spec.replicas }, (_, i) => ({
    name: `coredns-${i + 1}`,
    namespace: DNS_NAMESPACE,
    nodeName: null,
    hostNetwork: false,
    containers: ['coredns'],
    labels: DNS_LABELS,
    dnsPolicy: 'Default',
  }));
}

/** The node's resolv.conf and hosts: before any pod is there. */
export function writeNodeFiles(node: ClusterNode, spec: ClusterDnsSpec): void {
  const { upstream } = spec;
  mountFile(node.netns, '/etc/resolv.conf', upstream === null ? '' : `nameserver ${formatIpv4(upstream.address)}\n`);
  const hosts = `127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n${formatIpv4(node.spec.address)}\t${node.name}\n`;
  mountFile(node.netns, '/etc/hosts', hosts);
}

/** What the kubelet mounts into a pod. A pod in the host's network shares the node's files. */
export function writePodFiles(pod: Pod, spec: ClusterDnsSpec | null): void {
  if (pod.spec.hostNetwork) return;
  const { hostname, subdomain, namespace, name, hostAliases = [] } = pod.spec;
  const domain = subdomain == null || spec === null ? '' : `${subdomain}.${namespace}.svc.${spec.domain}`;
  mountFile(
    pod.netns,
    '/etc/hosts',
    podHostsFile({ ip: pod.ip, hostname: hostname ?? name, domain, aliases: hostAliases }),
  );
  const id = imageId(pod.spec.programs?.[0]?.image ?? '');
  if (id !== null) mountFile(pod.netns, '/etc/os-release', `ID=${id}\n`);
  if (spec === null) return;
  const { upstream } = spec;
  const { text } = podResolvConf(
    {
      namespace,
      hostNetwork: pod.spec.hostNetwork,
      policy: pod.spec.dnsPolicy ?? 'ClusterFirst',
      config: pod.spec.dnsConfig ?? null,
    },
    {
      file: upstream === null ? '' : `nameserver ${formatIpv4(upstream.address)}\n`,
      clusterDns: [spec.address],
      clusterDomain: spec.domain,
    },
  );
  mountFile(pod.netns, '/etc/resolv.conf', text);
}

/** What os-release of an image says: an Alpine or busybox image brings its own resolver and nslookup. It is told by the
 * repository's name and the tag; null: nothing special, Debian's programs.
 */
function imageId(image: string): string | null {
  const repository = image
    .replace(/[:@].*/, '')
    .split('/')
    .at(-1)!;
  if (repository === 'alpine' || /-alpine|:alpine/.test(image)) return 'alpine';
  return repository === 'busybox' ? 'busybox' : null;
}

/** The outside world's resolver as a machine on the underlay; null when there is none. */
export function resolverHost(spec: ClusterDnsSpec): HostSpec | null {
  const { upstream } = spec;
  if (upstream === null) return null;
  const { address, prefixLength } = upstream;
  return { name: RESOLVER, address, prefixLength, mac: null, mtu: UNDERLAY_MTU };
}

/** Starts the outside world's resolver on its machine. */
export function startResolver(netns: NetNamespace, spec: ClusterDnsSpec): void {
  const handler = new TableZone(spec.upstream?.records ?? []);
  runProgramIn(netns, (host) => new DnsServer(host, { handler, address: 0 }));
}

/** Starts CoreDNS in its pods. */
export function startClusterDns(cluster: Cluster, spec: ClusterDnsSpec): void {
  const objects = new ApiObjects(cluster);
  for (const pod of cluster.pods.values()) {
    if (pod.spec.namespace !== DNS_NAMESPACE || pod.ip === null || !isDnsPod(pod)) continue;
    runProgramInPod(pod, (host) => {
      const conf = parseResolvConf(spec.upstream === null ? '' : `nameserver ${formatIpv4(spec.upstream.address)}\n`);
      const server = coreDns(objects, new StubSockets(host), {
        zone: `${spec.domain}.`,
        ttl: spec.ttl,
        pods: spec.pods,
        localAddresses: [pod.ip!],
        cacheTtl: spec.cacheTtl,
        upstreams: spec.upstream === null ? [] : conf.nameservers,
        now: () => cluster.world.sim.now,
        rng: cluster.world.rng(`kube/${pod.label}/loadbalance`),
      });
      return new DnsServer(host, { handler: server.handler, address: 0, onEnd: () => server.stop() });
    });
  }
}

function isDnsPod(pod: Pod): boolean {
  return Object.entries(DNS_LABELS).every(([key, value]) => pod.spec.labels[key] === value);
}

/** Namespaces that every cluster has. */
const NAMESPACES: readonly string[] = ['default', 'kube-node-lease', 'kube-public', DNS_NAMESPACE];

/** The API server's objects as CoreDNS watches them. */
class ApiObjects implements ZoneObjects {
  readonly #cluster: Cluster;
  readonly synced = true;
  #changed: number;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    this.#changed = cluster.world.sim.now;
    cluster.services.listen(() => {
      this.#changed = cluster.world.sim.now;
    });
  }

  get serial(): number {
    return WALL_EPOCH_S + Math.floor(this.#changed / NS_PER_S);
  }

  hasNamespace(name: string): boolean {
    const { pods, services } = this.#cluster;
    return (
      NAMESPACES.includes(name) ||
      services.list().some((s) => s.namespace === name) ||
      [...pods.values()].some((p) => p.spec.namespace === name)
    );
  }

  service(namespace: string, name: string): ZoneService | null {
    const service = this.#cluster.services.get(namespace, name);
    return service === null ? null : zoneService(service);
  }

  endpoints(namespace: string, name: string): readonly ZoneEndpoints[] {
    return this.#cluster.services.slices({ namespace, name }).map(({ ports, endpoints }) => ({
      ports,
      addresses: endpoints.filter((e) => e.ready).map((e) => ({ ip: e.address, hostname: e.hostname })),
    }));
  }

  serviceAt(clusterIP: Ipv4): ZoneService | null {
    const service = this.#cluster.services.list().find((s) => virtualIp(s) === clusterIP);
    return service === undefined ? null : zoneService(service);
  }

  endpointsAt(address: Ipv4): readonly { service: string; namespace: string; hostname: string | null }[] {
    const known = new Set(this.#cluster.services.list().map(serviceKey));
    return this.#cluster.services
      .allSlices()
      .filter((s) => known.has(serviceKey({ namespace: s.namespace, name: s.serviceName })))
      .flatMap(({ serviceName, namespace, endpoints }) =>
        endpoints
          .filter((e) => e.ready && e.address === address)
          .map((e) => ({ service: serviceName, namespace, hostname: e.hostname })),
      );
  }

  hasPod(namespace: string, address: Ipv4): boolean {
    return [...this.#cluster.pods.values()].some((p) => p.ip === address && p.spec.namespace === namespace);
  }
}

function zoneService(s: Service): ZoneService {
  const { name, namespace, clusterIP, externalName, ports } = s;
  return { name, namespace, clusterIP, externalName: s.type === 'ExternalName' ? externalName : null, ports };
}
