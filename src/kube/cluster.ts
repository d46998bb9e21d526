// A cluster that runs: its nodes on the underlay, the pod network as flannel's daemons program it, its pods. buildCluster
// does at virtual time 0 what takes the real daemons some seconds; from then on the world's clock and frames do the rest.
//
// Order, as on a real cluster: nodes join (node IPAM gives each its podCIDR), flanneld of each node sets up its backend and
// then sees the leases of the others, pods are scheduled and go through sandbox and CNI ADD one after the other.

import type { Ipv4, Ipv4Prefix } from '../addr/ipv4.ts';
import { assert } from '../base/assert.ts';
import type { NetDevice } from '../link/device.ts';
import type { Machine } from '../stack/machine.ts';
import { netfilterOf } from '../stack/netfilter-host.ts';
import type { NetNamespace } from '../stack/netns.ts';
import type { World } from '../stack/world.ts';
import {
  dnsPods,
  dnsService,
  resolverHost,
  startClusterDns,
  startResolver,
  writeNodeFiles,
  writePodFiles,
} from './cluster-dns.ts';
import { type ClusterSpec, type HostSpec, type NodeSpec, type PodSpec, podLabel } from './cluster-spec.ts';
import { bridgeAdd } from './cni-bridge.ts';
import { containerPrograms } from './container-program.ts';
import { type FlannelNode, flannelMtu, startFlannel, syncLease } from './flannel.ts';
import { ensureHost, type OnDevice } from './host.ts';
import { HostLocal } from './host-local.ts';
import { assignNodeCidrs, CidrSet } from './node-ipam.ts';
import { NODE_PORT_RANGE } from './node-port-allocator.ts';
import { podView } from './pod-lifecycle.ts';
import { runProgramInPod } from './pod-program.ts';
import { createSandbox } from './sandbox.ts';
import { scheduleNode } from './scheduler.ts';
import { type ServiceNetwork, startServiceNetwork } from './service-network.ts';
import { Services } from './services.ts';
import { createUnderlay, type Underlay } from './underlay.ts';

/** Bridge of the flannel CNI plugin's delegate. */
export const POD_BRIDGE = 'cni0';

/** kubeadm's networking.serviceSubnet */
export const DEFAULT_SERVICE_CIDR: Ipv4Prefix = { address: 0x0a600000, length: 12 };

export interface ClusterNode {
  readonly name: string;
  readonly spec: NodeSpec;
  readonly machine: Machine;
  /** the node's initial namespace */
  readonly netns: NetNamespace;
  readonly eth0: NetDevice;
  /** null: the node IPAM controller had none left; `problem` says so */
  readonly podCIDR: Ipv4Prefix | null;
  readonly flannel: FlannelNode | null;
  readonly ipam: HostLocal | null;
  /** why pods cannot run here, in the words of the component that refused; null when they can */
  readonly problem: string | null;
}

/** A machine outside the cluster, on the same switch. */
export interface ClusterHost extends Pick<ClusterNode, 'name' | 'machine' | 'netns' | 'eth0'> {
  readonly spec: HostSpec;
}

export interface Pod {
  readonly spec: PodSpec;
  /** name in captures: `pod-a`, or `ns/pod-a` outside the namespace default */
  readonly label: string;
  readonly node: ClusterNode;
  readonly netns: NetNamespace;
  /** status.podIP; null while the sandbox could not be made */
  readonly ip: Ipv4 | null;
  readonly eth0: NetDevice | null;
  readonly hostVeth: NetDevice | null;
  /** id of its sandbox; null with hostNetwork */
  readonly sandboxId: string | null;
  /** virtual time of creation */
  readonly created: number;
  /** what the kubelet's event would say, or null */
  readonly problem: string | null;
  /** condition Ready (pod-lifecycle.ts changes it) */
  ready: boolean;
  /** metadata.deletionTimestamp, virtual time; null while nobody has deleted it */
  deleted: number | null;
  /** ends the programs that run in it */
  readonly programs: Set<() => void>;
}

export interface BuildOptions {
  /** Told of each device before it first comes up. */
  readonly onDevice?: OnDevice;
}

const clusters = new WeakMap<World, Cluster>();

/** The cluster that was built in this world, or null. */
export function clusterOf(world: World): Cluster | null {
  return clusters.get(world) ?? null;
}

export class Cluster {
  readonly world: World;
  readonly spec: ClusterSpec;
  readonly underlay: Underlay;
  /** in the order in which they joined */
  readonly nodes = new Map<string, ClusterNode>();
  /** machines outside, in the order in which they were plugged in */
  readonly hosts = new Map<string, ClusterHost>();
  /** by label, in the order in which they were created */
  readonly pods = new Map<string, Pod>();
  /** pods that were deleted, the last one of each label: who asks for their addresses still learns them */
  readonly gonePods = new Map<string, Pod>();
  readonly services: Services;
  /** null: a cluster of pods and nodes only */
  serviceNetwork: ServiceNetwork | null = null;
  readonly #podCounts = new Map<ClusterNode, number>();
  readonly #onDevice: OnDevice;

  /** @internal use buildCluster */
  constructor(world: World, spec: ClusterSpec, underlay: Underlay, onDevice: OnDevice) {
    this.world = world;
    this.spec = spec;
    this.underlay = underlay;
    this.#onDevice = onDevice;
    this.services = new Services({
      sim: world.sim,
      rng: (purpose) => world.rng(`kube/${purpose}`),
      serviceCIDR: spec.services?.serviceCIDR ?? DEFAULT_SERVICE_CIDR,
      nodePortRange: spec.services?.nodePortRange ?? NODE_PORT_RANGE,
    });
  }

  pod(name: string, namespace = 'default'): Pod | null {
    return this.pods.get(podLabel({ name, namespace })) ?? null;
  }

  node(name: string): ClusterNode | null {
    return this.nodes.get(name) ?? null;
  }

  /** Pods came, went or changed: endpoints follow. @internal */
  podsChanged(): void {
    this.services.setPods([...this.pods.values()].map(podView));
  }

  /** Schedules and starts a pod. @internal name and namespace have been checked to be free */
  addPod(spec: PodSpec): Pod {
    const pod = this.startPod(spec);
    this.podsChanged();
    return pod;
  }

  /** As addPod, without telling anyone. @internal */
  startPod(spec: PodSpec): Pod {
    const node = this.#schedule(spec);
    const label = podLabel(spec);
    assert(!this.pods.has(label), `two pods ${label}`);
    const pod = spec.hostNetwork ? this.#hostPod(spec, node) : this.#networkPod(spec, node);
    writePodFiles(pod, this.spec.dns ?? null);
    this.pods.set(label, pod);
    if (pod.ip !== null) {
      for (const container of spec.programs ?? []) {
        for (const start of containerPrograms(container, spec.hostname ?? spec.name)) runProgramInPod(pod, start);
      }
    }
    this.#podCounts.set(node, (this.#podCounts.get(node) ?? 0) + 1);
    return pod;
  }

  #schedule(spec: PodSpec): ClusterNode {
    if (spec.nodeName !== null) {
      const named = this.nodes.get(spec.nodeName);
      assert(named !== undefined, `no node ${spec.nodeName}`);
      return named;
    }
    const nodes = [...this.nodes.values()];
    return nodes[scheduleNode(nodes.map((n) => this.#podCounts.get(n) ?? 0))]!;
  }

  #hostPod(spec: PodSpec, node: ClusterNode): Pod {
    const { netns, eth0 } = node;
    const created = this.world.sim.now;
    const ip = node.spec.address;
    const state = { ...initialState(spec), problem: null };
    return { spec, label: podLabel(spec), node, netns, ip, eth0, hostVeth: null, sandboxId: null, created, ...state };
  }

  #networkPod(spec: PodSpec, node: ClusterNode): Pod {
    const label = podLabel(spec);
    const created = this.world.sim.now;
    const sandbox = createSandbox(node.machine, spec, this.#onDevice);
    const base = { spec, label, node, netns: sandbox.netns, sandboxId: sandbox.id, created, ...initialState(spec) };
    const none = { ip: null, eth0: null, hostVeth: null };
    if (node.flannel === null || node.ipam === null) return { ...base, ...none, problem: node.problem };
    const added = bridgeAdd({
      host: node.netns,
      pod: sandbox.netns,
      containerId: sandbox.id,
      ipam: node.ipam,
      conf: {
        bridge: POD_BRIDGE,
        mtu: node.flannel.mtu,
        hairpinMode: true,
        routes: [this.spec.podCIDR],
      },
      onDevice: this.#onDevice,
    });
    if ('error' in added) return { ...base, ...none, problem: `plugin type="flannel" failed (add): ${added.error}` };
    return { ...base, ip: added.address, eth0: added.eth0, hostVeth: added.hostVeth, problem: null };
  }
}

/**
 * Builds the cluster in an empty world. The spec has been checked (scenario/check.ts): names are unique and refer to
 * something, addresses fit.
 */
export function buildCluster(world: World, spec: ClusterSpec, options: BuildOptions = {}): Cluster {
  const onDevice = options.onDevice ?? (() => {});
  const switchMtu = Math.max(...spec.nodes.map((n) => n.mtu));
  const underlay = createUnderlay(world, switchMtu, onDevice);
  const cluster = new Cluster(world, spec, underlay, onDevice);
  clusters.set(world, cluster);

  const cidrs = assignNodeCidrs(new CidrSet(spec.podCIDR, spec.nodeCIDRMaskSize), spec.nodes);
  spec.nodes.forEach((nodeSpec, i) => {
    cluster.nodes.set(nodeSpec.name, joinNode(world, cluster, { nodeSpec, cidr: cidrs[i]!, onDevice }));
  });
  const flannels = [...cluster.nodes.values()].flatMap((n) => n.flannel ?? []);
  for (const local of flannels) {
    for (const remote of flannels) if (remote !== local) syncLease(local, remote.lease);
  }
  const dns = spec.dns ?? null;
  if (dns !== null) {
    for (const node of cluster.nodes.values()) writeNodeFiles(node, dns);
    for (const pod of dnsPods(dns)) cluster.startPod(pod);
  }
  const resolver = dns === null ? null : resolverHost(dns);
  for (const host of [...(spec.hosts ?? []), ...(resolver === null ? [] : [resolver])]) {
    const { machine, eth0 } = ensureHost(world, host, underlay, onDevice, false);
    cluster.hosts.set(host.name, { name: host.name, spec: host, machine, netns: machine.root, eth0 });
  }
  if (dns !== null && resolver !== null) startResolver(cluster.hosts.get(resolver.name)!.netns, dns);
  for (const pod of spec.pods) cluster.startPod(pod);
  cluster.podsChanged();
  if (spec.services != null) {
    const { services } = spec.services;
    const all = dns === null ? services : [dnsService(dns), ...services];
    cluster.serviceNetwork = startServiceNetwork(cluster, { ...spec.services, services: all });
  }
  if (dns !== null) startClusterDns(cluster, dns);
  return cluster;
}

function initialState(spec: PodSpec): Pick<Pod, 'ready' | 'deleted' | 'programs'> {
  return { ready: spec.ready ?? true, deleted: null, programs: new Set() };
}

function joinNode(
  world: World,
  cluster: Cluster,
  how: {
    readonly nodeSpec: NodeSpec;
    readonly cidr: { readonly cidr: Ipv4Prefix } | { readonly error: string };
    readonly onDevice: OnDevice;
  },
): ClusterNode {
  const { nodeSpec, cidr, onDevice } = how;
  const { network } = cluster.spec;
  const host = ensureHost(world, nodeSpec, cluster.underlay, onDevice);
  for (const bug of cluster.spec.kernelBugs ?? []) host.machine.bugs.add(bug);
  const { root } = host.machine;
  root.packetTime = cluster.spec.packetTime ?? 0;
  if (host.machine.bugs.has('conntrack-clash')) netfilterOf(root).conntrack.resolvesClashes = false;
  if (host.machine.bugs.has('conntrack-delayed')) netfilterOf(root).conntrack.ignoresDelayed = false;
  const base = {
    name: nodeSpec.name,
    spec: nodeSpec,
    machine: host.machine,
    netns: host.machine.root,
    eth0: host.eth0,
  };
  if ('error' in cidr) {
    // What flanneld says when the node object has no podCIDR (pkg/subnet/kube/kube.go), after what the controller said.
    const problem = `${cidr.error}; node "${nodeSpec.name}" pod cidr not assigned`;
    return { ...base, podCIDR: null, flannel: null, ipam: null, problem };
  }
  const podCIDR = cidr.cidr;
  const flannel = startFlannel({
    netns: host.machine.root,
    external: host.eth0,
    publicIp: nodeSpec.address,
    podCIDR,
    settings: network,
    mtu: network.mtu ?? flannelMtu(network.backend, host.eth0.mtu),
    onDevice,
  });
  return { ...base, podCIDR, flannel, ipam: new HostLocal(podCIDR), problem: null };
}
