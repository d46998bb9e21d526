// kube-proxy in the kernel of one node: the sysctls that it and kubeadm set, the chains of the kubelet and of flanneld, and
// the mode that writes rules (cmd/kube-proxy/app/server_linux.go, conntrack.go).

import { netfilterOf } from '../stack/netfilter-host.ts';
import type { NetNamespace } from '../stack/netns.ts';
import type { Cluster, ClusterNode } from './cluster.ts';
import { ensureFlannelRules } from './flannel-rules.ts';
import { setSysctl } from './host.ts';
import { KubeProxy } from './kube-proxy.ts';
import type { KubeProxySpec } from './kube-proxy-spec.ts';
import { ensureKubeletRules } from './kubelet-rules.ts';
import { startProxyMode } from './proxy-mode.ts';
import { ServiceHealth } from './service-health.ts';
import { staleFlows } from './stale-conntrack.ts';

/** Processors of a node; conntrack's limit is counted by them. Choice: a small machine. */
const CORES = 4;
/** A limit that nf_conntrack_max never passes by itself (getConntrackMax). */
const CONNTRACK_MAX = 1_048_576;

/** Starts what stands on every node of a cluster with Services. */
export function startNodeProxy(cluster: Cluster, node: ClusterNode, spec: KubeProxySpec): KubeProxy {
  const { netns } = node;
  const { sim } = cluster.world;
  const netfilter = netfilterOf(netns);
  // kubeadm's preflight check asks for it; br_netfilter is loaded on every node.
  setSysctl(netns, 'net.bridge.bridge-nf-call-iptables', '1');
  ensureKubeletRules(netfilter.tables);
  if (node.podCIDR !== null) ensureFlannelRules(netfilter.tables, node.podCIDR, cluster.spec.podCIDR);
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
  return new KubeProxy({
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
