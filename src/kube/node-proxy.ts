// kube-proxy in the kernel of one node: the sysctls that it and kubeadm set, the chains of the kubelet and of flanneld, and
// the mode that writes rules (cmd/kube-proxy/app/server_linux.go, conntrack.go).

import { NS_PER_S, type Ns } from '../sim/sim.ts';
import { netfilterOf } from '../stack/netfilter-host.ts';
import type { NetNamespace } from '../stack/netns.ts';
import { monitorTables } from './canary.ts';
import { KUBE_PROXY_CANARY } from './chain-name.ts';
import type { Cluster, ClusterNode } from './cluster.ts';
import { keepFlannelRules } from './flannel-rules.ts';
import { setSysctl } from './host.ts';
import { KubeProxy } from './kube-proxy.ts';
import type { KubeProxySpec } from './kube-proxy-spec.ts';
import { ensureKubeletRules, KUBELET_CANARY, KUBELET_INTERVAL } from './kubelet-rules.ts';
import { startProxyMode } from './proxy-mode.ts';
import { ServiceHealth } from './service-health.ts';
import { staleFlows } from './stale-conntrack.ts';

/** Processors of a node; conntrack's limit is counted by them. Choice: a small machine. */
const CORES = 4;
/** A limit that nf_conntrack_max never passes by itself (getConntrackMax). */
const CONNTRACK_MAX = 1_048_576;

/** iptables.syncPeriod: how often kube-proxy looks at its canary. */
const SYNC_PERIOD: Ns = 30 * NS_PER_S;

/** Starts what stands on every node of a cluster with Services. */
export function startNodeProxy(cluster: Cluster, node: ClusterNode, spec: KubeProxySpec): KubeProxy {
  const { netns } = node;
  const { sim } = cluster.world;
  const netfilter = netfilterOf(netns);
  // kubeadm's preflight check asks for it; br_netfilter is loaded on every node.
  setSysctl(netns, 'net.bridge.bridge-nf-call-iptables', '1');
  ensureKubeletRules(netfilter.tables);
  if (node.podCIDR !== null) {
    keepFlannelRules(netfilter.tables, { sim, podCIDR: node.podCIDR, clusterCIDR: cluster.spec.podCIDR });
  }
  setConntrackSysctls(netns, spec);
  const mode = startProxyMode({
    netns,
    netfilter,
    spec,
    nodeName: node.name,
    nodeIP: node.spec.address,
    clusterCIDR: spec.clusterCIDR ?? cluster.spec.podCIDR,
    serviceCIDR: cluster.services.clusterIps.cidr,
  });
  const health = new ServiceHealth(netns, node.name);
  const proxy = new KubeProxy({
    sim,
    services: cluster.services,
    node: { name: node.name, zone: node.spec.zone ?? null },
    mode,
    minSyncPeriod: spec.minSyncPeriod,
    afterSync: (ports) => {
      health.sync(ports);
      if (spec.bugs.includes('stale-udp-conntrack')) return;
      const stale = staleFlows(ports);
      if (stale !== null) netfilter.conntrack.killAll(stale, true);
    },
  });
  const { tables } = netfilter;
  const kubelet = { sim, tables, chain: KUBELET_CANARY, interval: KUBELET_INTERVAL };
  monitorTables({ ...kubelet, reload: () => ensureKubeletRules(tables) });
  if (spec.mode === 'iptables') {
    const own = { sim, tables, chain: KUBE_PROXY_CANARY, interval: SYNC_PERIOD };
    monitorTables({ ...own, reload: () => proxy.fullSync() });
  }
  return proxy;
}

function setConntrackSysctls(netns: NetNamespace, { conntrack }: KubeProxySpec): void {
  const set = (name: string, value: number): void =>
    setSysctl(netns, `net.netfilter.nf_conntrack_${name}`, String(value));
  const max = Math.min(CONNTRACK_MAX, Math.max(conntrack.min, conntrack.maxPerCore * CORES));
  if (max > 0) set('max', max);
  // A value of 0 leaves the kernel's as it is.
  if (conntrack.tcpEstablishedTimeout > 0) set('tcp_timeout_established', conntrack.tcpEstablishedTimeout);
  if (conntrack.tcpCloseWaitTimeout > 0) set('tcp_timeout_close_wait', conntrack.tcpCloseWaitTimeout);
  if (conntrack.udpTimeout > 0) set('udp_timeout', conntrack.udpTimeout);
  if (conntrack.udpStreamTimeout > 0) set('udp_timeout_stream', conntrack.udpStreamTimeout);
  if (conntrack.tcpBeLiberal) set('tcp_be_liberal', 1);
}
