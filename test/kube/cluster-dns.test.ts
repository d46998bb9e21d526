// Proves that a cluster's DNS is alive: records follow Services and endpoints as they change, a pod of CoreDNS that goes takes
// its answers with it and the other one goes on, and what is outside is asked for once per TTL.

import { describe, expect, it } from 'vitest';
import { formatIpv4, parseIpv4, parseIpv4Prefix } from '../../src/addr/ipv4.ts';
import type { ProgramHost } from '../../src/apps/program.ts';
import { GAI_TEXT, resolveHost } from '../../src/apps/resolve.ts';
import { readSystemFile } from '../../src/apps/system-files.ts';
import { buildCluster, type Cluster } from '../../src/kube/cluster.ts';
import { type ClusterDnsSpec, dnsServiceAddress } from '../../src/kube/cluster-dns.ts';
import type { ClusterSpec, PodSpec } from '../../src/kube/cluster-spec.ts';
import { KUBE_PROXY_DEFAULTS } from '../../src/kube/kube-proxy-spec.ts';
import { deletePod, setPodReady } from '../../src/kube/pod-lifecycle.ts';
import { servicePort, serviceSpec } from '../../src/kube/service.ts';
import { NS_PER_S } from '../../src/sim/sim.ts';
import { World } from '../../src/stack/world.ts';

const SERVICE_CIDR = parseIpv4Prefix('10.96.0.0/12')!;

const pod = (name: string, nodeName: string, more: Partial<PodSpec> = {}): PodSpec => ({
  ...{ name, nodeName, namespace: 'default', hostNetwork: false, containers: [], labels: {} },
  ...more,
});

const DNS: ClusterDnsSpec = {
  domain: 'cluster.local',
  ttl: 30,
  cacheTtl: 30,
  replicas: 2,
  pods: 'insecure',
  address: dnsServiceAddress(SERVICE_CIDR),
  upstream: {
    address: parseIpv4('10.0.1.254')!,
    prefixLength: 24,
    records: [{ name: 'example.com.', ttl: 300, addresses: [parseIpv4('93.184.216.34')!], alias: null }],
  },
};

function build(dns: Partial<ClusterDnsSpec> = {}): Cluster {
  const spec: ClusterSpec = {
    podCIDR: parseIpv4Prefix('10.244.0.0/16')!,
    nodeCIDRMaskSize: 24,
    nodes: ['node-1', 'node-2'].map((name, i) => ({
      ...{ name, address: parseIpv4(`10.0.1.${i + 1}`)!, prefixLength: 24, podCIDR: null, mac: null, mtu: 1500 },
      // Without a route to the Service's address the packet would not come as far as the rule that rejects it.
      gateway: parseIpv4('10.0.1.254')!,
    })),
    network: { backend: 'vxlan', vni: 1, port: 8472, directRouting: false, mtu: null },
    pods: [
      pod('client', 'node-1'),
      pod('db-0', 'node-2', { labels: { app: 'db' }, hostname: 'db-0', subdomain: 'db' }),
    ],
    services: {
      serviceCIDR: SERVICE_CIDR,
      nodePortRange: { first: 30_000, last: 32_767 },
      kubeProxy: KUBE_PROXY_DEFAULTS,
      services: [
        serviceSpec({ name: 'db', clusterIP: 'None', selector: { app: 'db' }, ports: [servicePort({ port: 5432 })] }),
      ],
      endpointSlices: [],
    },
    dns: { ...DNS, ...dns },
  };
  const cluster = buildCluster(new World(1), spec);
  cluster.world.sim.runUntil(NS_PER_S);
  return cluster;
}

/** Addresses, or the error in words; the clock goes on by up to 30 s. */
function resolve(cluster: Cluster, name: string): string {
  const { sim } = cluster.world;
  const host: ProgramHost = {
    ...{ sim, netns: cluster.pod('client')!.netns, pid: 7, out: () => {}, err: () => {}, wallClock: () => 0n },
  };
  let told = 'nothing';
  resolveHost(host, name, 'inet', (result) => {
    told = 'error' in result ? GAI_TEXT[result.error] : result.addresses.map(formatIpv4).sort().join(' ');
  });
  for (let i = 0; i < 30 && told === 'nothing'; i++) sim.runUntil(sim.now + NS_PER_S);
  return told;
}

describe('the records of a cluster', () => {
  it('are there for Services that are made, and gone with them', () => {
    const cluster = build();
    expect(resolve(cluster, 'web')).toBe('Name or service not known');
    cluster.services.create(
      serviceSpec({ name: 'web', clusterIP: parseIpv4('10.96.0.77')!, ports: [servicePort({ port: 80 })] }),
    );
    expect(resolve(cluster, 'web')).toBe('10.96.0.77');
    expect(resolve(cluster, 'web.default.svc.cluster.local.')).toBe('10.96.0.77');
    cluster.services.delete('default', 'web');
    expect(resolve(cluster, 'web')).toBe('Name or service not known');
  });

  it('of a headless Service follow its endpoints, by their hostnames too', () => {
    const cluster = build();
    const db = cluster.pod('db-0')!;
    const address = formatIpv4(db.ip!);
    expect(resolve(cluster, 'db')).toBe(address);
    expect(resolve(cluster, 'db-0.db')).toBe(address);
    expect(resolve(cluster, `${address.replaceAll('.', '-')}.default.pod.cluster.local`)).toBe(address);
    setPodReady(cluster, db, false);
    expect(resolve(cluster, 'db')).toBe('Name or service not known');
    setPodReady(cluster, db, true);
    const second = cluster.addPod(pod('db-1', 'node-1', { labels: { app: 'db' } }));
    expect(resolve(cluster, 'db')).toBe([address, formatIpv4(second.ip!)].sort().join(' '));
  });

  it('stand in front of what the resolver outside knows', () => {
    const cluster = build();
    expect(resolve(cluster, 'example.com')).toBe('93.184.216.34');
    expect(resolve(cluster, 'nothing.example')).toBe('Name or service not known');
    expect(cluster.hosts.get('resolver')!.netns.sockets.udpOnPort(53).length).toBe(1);
  });

  it('have the domain that the cluster has', () => {
    const cluster = build({ domain: 'k8s.corp.test' });
    expect(readSystemFile(cluster.pod('client')!.netns, '/etc/resolv.conf')).toContain(
      'search default.svc.k8s.corp.test',
    );
    expect(resolve(cluster, 'kubernetes')).toBe('10.96.0.1');
  });
});

describe('CoreDNS as pods', () => {
  it('one of two is deleted: the other answers', () => {
    const cluster = build();
    deletePod(cluster, cluster.pod('coredns-1', 'kube-system')!, 0);
    cluster.world.sim.runUntil(cluster.world.sim.now + 5 * NS_PER_S);
    for (let i = 0; i < 5; i++) expect(resolve(cluster, 'kubernetes')).toBe('10.96.0.1');
  });

  it('all are gone: kube-proxy rejects at once, and the name cannot be resolved', () => {
    const cluster = build({ replicas: 1 });
    deletePod(cluster, cluster.pod('coredns-1', 'kube-system')!, 0);
    cluster.world.sim.runUntil(cluster.world.sim.now + 5 * NS_PER_S);
    const before = cluster.world.sim.now;
    expect(resolve(cluster, 'kubernetes')).toBe('Temporary failure in name resolution');
    expect(cluster.world.sim.now - before).toBe(NS_PER_S);
  });

  it('the resolver outside is cut off: SERVFAIL for names outside, all is well inside', () => {
    const cluster = build();
    for (const dev of cluster.hosts.get('resolver')!.netns.devices()) dev.setUp(false);
    expect(resolve(cluster, 'kubernetes')).toBe('10.96.0.1');
    expect(resolve(cluster, 'example.com.')).toBe('Temporary failure in name resolution');
  });
});
