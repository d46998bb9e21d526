// Proves that buildCluster leaves every table as the real daemons do: nodes, pods, cni0, flannel's three entries per lease,
// host-gw's one, and that what a pod announces at its birth does not cross the bridge.

import { describe, expect, it } from 'vitest';
import { formatIpv4, formatIpv4Prefix, parseIpv4, parseIpv4Prefix } from '../../src/addr/ipv4.ts';
import { formatMac } from '../../src/addr/mac.ts';
import { DropReason } from '../../src/base/drop-reason.ts';
import { buildCluster, type Cluster, clusterOf } from '../../src/kube/cluster.ts';
import type { ClusterSpec, FlannelSpec } from '../../src/kube/cluster-spec.ts';
import { removeLease, syncLease } from '../../src/kube/flannel.ts';
import { bridgeOf } from '../../src/link/bridge.ts';
import { PortState } from '../../src/link/bridge-port.ts';
import { framesInUse } from '../../src/link/frame.ts';
import { Nud } from '../../src/stack/neighbour.ts';
import type { NetNamespace } from '../../src/stack/netns.ts';
import { World } from '../../src/stack/world.ts';

const FLANNEL: FlannelSpec = { backend: 'vxlan', vni: 1, port: 8472, directRouting: false, mtu: null };

function spec(
  network: Partial<FlannelSpec> = {},
  pods: readonly [name: string, node: string | null][] = [],
): ClusterSpec {
  return {
    podCIDR: parseIpv4Prefix('10.244.0.0/16')!,
    nodeCIDRMaskSize: 24,
    nodes: ['node-1', 'node-2', 'node-3'].map((name, i) => ({
      name,
      address: parseIpv4(`10.0.1.${i + 1}`)!,
      prefixLength: 24,
      podCIDR: null,
      mac: null,
      mtu: 1500,
    })),
    network: { ...FLANNEL, ...network },
    pods: pods.map(([name, nodeName]) => ({
      name,
      namespace: 'default',
      nodeName,
      hostNetwork: false,
      containers: [],
      labels: {},
    })),
  };
}

function build(network: Partial<FlannelSpec> = {}, pods: readonly [string, string | null][] = []): Cluster {
  const cluster = buildCluster(new World(1), spec(network, pods));
  cluster.world.sim.runUntil(1_000_000);
  return cluster;
}

function routes(netns: NetNamespace): string[] {
  return netns.fib.main.routes().map((r) => {
    const via = r.nexthop.gateway === 0 ? '' : ` via ${formatIpv4(r.nexthop.gateway)}`;
    return `${formatIpv4(r.destination)}/${r.length}${via} dev ${r.nexthop.out!.dev.name}${r.nexthop.onlink ? ' onlink' : ''}`;
  });
}

describe('a cluster with flannel vxlan', () => {
  it('cuts node pod CIDRs from the cluster CIDR in the order in which nodes join', () => {
    const cluster = build();
    expect([...cluster.nodes.values()].map((n) => formatIpv4Prefix(n.podCIDR!))).toEqual([
      '10.244.0.0/24',
      '10.244.1.0/24',
      '10.244.2.0/24',
    ]);
    expect(clusterOf(cluster.world)).toBe(cluster);
  });

  it('routes every other node through flannel.1, onlink', () => {
    expect(routes(build().node('node-2')!.netns)).toEqual([
      '10.0.1.0/24 dev eth0',
      '10.244.0.0/24 via 10.244.0.0 dev flannel.1 onlink',
      '10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink',
    ]);
  });

  it('knows the MAC and the address of every other VTEP for good', () => {
    const cluster = build();
    const [one, two] = [cluster.node('node-1')!, cluster.node('node-2')!];
    const mac = two.flannel!.lease.vtepMac!;
    const neighbour = one.netns.neighbours.lookup(
      one.netns.inDevice(one.flannel!.vtep!.dev),
      parseIpv4('10.244.1.0')!,
    )!;
    expect([neighbour.state, formatMac(neighbour.mac)]).toEqual([Nud.PERMANENT, formatMac(mac)]);
    const entry = one.flannel!.vtep!.fdb.lookup(mac)!;
    expect([entry.state, entry.remotes.map((r) => formatIpv4(r.ip))]).toEqual(['permanent', ['10.0.1.2']]);
    expect(one.flannel!.vtep!.learning).toBe(false);
    expect(Math.floor(mac / 2 ** 40) & 3).toBe(2);
  });

  it('gives flannel.1 the MTU less 50 and its /32, and programs a lease twice without a change', () => {
    const { netns, flannel } = build().node('node-1')!;
    const dev = netns.device('flannel.1')!;
    expect(dev.mtu).toBe(1450);
    expect(netns.inDevice(dev).addresses.map((a) => `${formatIpv4(a.local)}/${a.length}`)).toEqual(['10.244.0.0/32']);
    const before = [routes(netns), netns.neighbours.size, flannel!.vtep!.fdb.size];
    const other = {
      publicIp: parseIpv4('10.0.1.3')!,
      subnet: parseIpv4Prefix('10.244.2.0/24')!,
      vtepMac: 0x020000000001,
    };
    syncLease(flannel!, other);
    removeLease(flannel!, other);
    syncLease(flannel!, other);
    syncLease(flannel!, other);
    // The third node's own MAC is still in the FDB: a lease that came back with another MAC adds its own.
    expect([routes(netns), netns.neighbours.size, flannel!.vtep!.fdb.size - 1]).toEqual(before);
  });

  it('starts pods through the CNI bridge plugin: addresses, routes, hairpin, arp_notify', () => {
    const cluster = build({}, [
      ['pod-a', 'node-2'],
      ['pod-b', 'node-2'],
    ]);
    const pod = cluster.pod('pod-b')!;
    expect(formatIpv4(pod.ip!)).toBe('10.244.1.3');
    expect(routes(pod.netns).sort()).toEqual([
      '0.0.0.0/0 via 10.244.1.1 dev eth0',
      '10.244.0.0/16 via 10.244.1.1 dev eth0',
      '10.244.1.0/24 dev eth0',
    ]);
    expect(pod.netns.sysctl.get('net.ipv4.conf.eth0.arp_notify')).toBe('1');
    expect(pod.eth0!.mtu).toBe(1450);
    expect(pod.hostVeth!.name).toMatch(/^veth[0-9a-f]{8}$/);
    const bridge = bridgeOf(pod.node.netns.device('cni0')!)!;
    expect(bridge.port(pod.hostVeth!)!.hairpin).toBe(true);
    expect(bridge.dev.mtu).toBe(1450);
    expect(pod.netns.loopback.dev.up).toBe(true);
  });

  it('keeps the MAC that cni0 had when it was made, whichever ports come', () => {
    const cluster = build({}, [['pod-a', 'node-1']]);
    const cni0 = cluster.node('node-1')!.netns.device('cni0')!;
    const { mac } = cni0;
    for (let i = 0; i < 8; i++) cluster.addPod({ ...spec({}, [[`more-${i}`, 'node-1']]).pods[0]! });
    expect(cni0.mac).toBe(mac);
    expect(bridgeOf(cni0)!.ports.some((p) => p.dev.mac < mac)).toBe(true);
  });

  it('drops what a pod announces at its birth at the port, which is not forwarding yet', () => {
    const world = new World(1);
    const drops: string[] = [];
    world.observer.add({
      wantsNotes: false,
      drop: (_frame, reason, _where, dev) => drops.push(`${reason} ${dev?.owner}`),
      note: () => {},
    });
    const cluster = buildCluster(
      world,
      spec({}, [
        ['pod-a', 'node-1'],
        ['pod-b', 'node-1'],
      ]),
    );
    world.sim.runUntil(1_000_000);
    expect(drops).toEqual([`${DropReason.BRIDGE_PORT_STATE} node-1`, `${DropReason.BRIDGE_PORT_STATE} node-1`]);
    const bridge = bridgeOf(cluster.node('node-1')!.netns.device('cni0')!)!;
    expect(bridge.ports.map((p) => p.state)).toEqual([PortState.FORWARDING, PortState.FORWARDING]);
  });

  it('puts pods without a node where the fewest are', () => {
    const cluster = build({}, [
      ['a', null],
      ['b', 'node-2'],
      ['c', null],
      ['d', null],
      ['e', null],
    ]);
    expect([...cluster.pods.values()].map((p) => p.node.name)).toEqual([
      'node-1',
      'node-2',
      'node-3',
      'node-1',
      'node-2',
    ]);
  });

  it('copies ip_forward and rp_filter of the node into new pods, as the kernel does', () => {
    const pod = build({}, [['pod-a', 'node-1']]).pod('pod-a')!;
    expect(pod.netns.sysctl.get('net.ipv4.ip_forward')).toBe('1');
    expect(pod.netns.sysctl.get('net.ipv4.conf.eth0.rp_filter')).toBe('2');
  });

  it('says why a pod of a node without pod CIDR does not start', () => {
    const cluster = buildCluster(new World(1), {
      ...spec({}, [['pod-a', 'node-3']]),
      podCIDR: parseIpv4Prefix('10.244.0.0/23')!,
    });
    expect(cluster.node('node-3')!.problem).toContain('no remaining CIDRs left to allocate');
    expect(cluster.pod('pod-a')!.problem).toContain('pod cidr not assigned');
    expect(cluster.pod('pod-a')!.ip).toBeNull();
  });
});

describe('other backends', () => {
  it('host-gw: one route per node through its address, full MTU, no device', () => {
    const cluster = build({ backend: 'host-gw' }, [['pod-a', 'node-1']]);
    const { netns } = cluster.node('node-1')!;
    expect(netns.device('flannel.1')).toBeNull();
    expect(routes(netns)).toContain('10.244.1.0/24 via 10.0.1.2 dev eth0');
    expect(cluster.pod('pod-a')!.eth0!.mtu).toBe(1500);
  });

  it('directRouting: the same routes to nodes on the link, with the overlay standing by', () => {
    const { netns } = build({ directRouting: true }).node('node-1')!;
    expect(netns.device('flannel.1')!.up).toBe(true);
    expect(routes(netns)).toContain('10.244.1.0/24 via 10.0.1.2 dev eth0');
    expect(netns.neighbours.size).toBe(0);
  });
});

describe('a world', () => {
  it('gives every frame back when it ends', () => {
    const before = framesInUse();
    const cluster = buildCluster(new World(3), spec({}, [['pod-a', 'node-1']]));
    cluster.world.dispose();
    expect(framesInUse()).toBe(before);
  });

  it('draws the same MACs from the same seed, and others from another', () => {
    const macs = (seed: number): string[] =>
      [...buildCluster(new World(seed), spec({}, [['pod-a', 'node-1']])).pods.values()].map((p) =>
        formatMac(p.eth0!.mac),
      );
    expect(macs(7)).toEqual(macs(7));
    expect(macs(7)).not.toEqual(macs(8));
  });
});
