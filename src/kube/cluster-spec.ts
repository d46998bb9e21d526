// What a cluster is to be: names, addresses and settings, before anything exists. buildCluster (cluster.ts) makes it.

import type { Ipv4, Ipv4Prefix } from '../addr/ipv4.ts';
import type { Mac } from '../addr/mac.ts';
import type { HostAlias } from '../dns/hosts-file.ts';
import type { Ns } from '../sim/sim.ts';
import type { KernelBug } from '../stack/kernel-bug.ts';
import type { ClusterDnsSpec } from './cluster-dns.ts';
import type { EndpointSlice } from './endpoint-slice.ts';
import type { KubeProxySpec } from './kube-proxy-spec.ts';
import type { PortRange } from './node-port-allocator.ts';
import type { DnsPolicy, PodDnsConfig } from './pod-dns.ts';
import type { Protocol, ServiceSpec } from './service.ts';

export interface NodeSpec {
  readonly name: string;
  /** address of eth0 */
  readonly address: Ipv4;
  /** prefix length of that address */
  readonly prefixLength: number;
  /** spec.podCIDR set by hand; null: the node IPAM controller assigns one */
  readonly podCIDR: Ipv4Prefix | null;
  /** MAC of eth0; null: from the seed */
  readonly mac: Mac | null;
  /** MTU of eth0 and of the switch port that it is plugged into */
  readonly mtu: number;
  /** default route; null or absent: none */
  readonly gateway?: Ipv4 | null;
  /** label topology.kubernetes.io/zone */
  readonly zone?: string | null;
}

/** A machine on the underlay that is no node: a client, or a load balancer, from outside. */
export type HostSpec = Pick<NodeSpec, 'name' | 'address' | 'prefixLength' | 'mac' | 'mtu' | 'gateway'>;

export interface FlannelSpec {
  readonly backend: 'vxlan' | 'host-gw';
  readonly vni: number;
  readonly port: number;
  /** vxlan: plain routes to nodes on the same link */
  readonly directRouting: boolean;
  /** MTU of pods and of flannel.N; null: what the backend leaves of eth0's */
  readonly mtu: number | null;
}

/** A container as far as it says what runs in it. */
export interface ContainerSpec {
  /** '' : none named */
  readonly image: string;
  /** empty: the entry point of the image */
  readonly command: readonly string[];
  readonly args: readonly string[];
  readonly ports: readonly { readonly port: number; readonly protocol: Protocol }[];
}

export interface PodSpec {
  readonly name: string;
  readonly namespace: string;
  /** null: the scheduler chooses */
  readonly nodeName: string | null;
  readonly hostNetwork: boolean;
  readonly containers: readonly string[];
  /** what runs in them (container-program.ts); default: nothing */
  readonly programs?: readonly ContainerSpec[];
  readonly labels: Readonly<Record<string, string>>;
  /** named or not, of all containers; what a Service's targetPort may name */
  readonly ports?: readonly { readonly name: string; readonly port: number; readonly protocol: Protocol }[];
  /** default: the pod's name, which makes no DNS record */
  readonly hostname?: string | null;
  readonly subdomain?: string | null;
  /** condition Ready at first; default true */
  readonly ready?: boolean;
  /** default ClusterFirst */
  readonly dnsPolicy?: DnsPolicy;
  readonly dnsConfig?: PodDnsConfig | null;
  readonly hostAliases?: readonly HostAlias[];
}

/** Services, and who makes them reachable. */
export interface ServiceNetworkSpec {
  /** --service-cluster-ip-range */
  readonly serviceCIDR: Ipv4Prefix;
  readonly nodePortRange: PortRange;
  /** null: nobody serves them (a cluster without kube-proxy) */
  readonly kubeProxy: KubeProxySpec | null;
  /** in the order in which they are created, after `kubernetes` */
  readonly services: readonly ServiceSpec[];
  /** those that people wrote, for Services without a selector */
  readonly endpointSlices: readonly Omit<EndpointSlice, 'created'>[];
}

export interface ClusterSpec {
  /** --cluster-cidr */
  readonly podCIDR: Ipv4Prefix;
  /** mistakes that the kernels of the nodes have */
  readonly kernelBugs?: readonly KernelBug[];
  /** --node-cidr-mask-size */
  readonly nodeCIDRMaskSize: number;
  /** in the order in which they join */
  readonly nodes: readonly NodeSpec[];
  /** plugged in after the nodes */
  readonly hosts?: readonly HostSpec[];
  readonly network: FlannelSpec;
  /** in the order in which they are created */
  readonly pods: readonly PodSpec[];
  /** absent: pods and nodes only, no Services and no netfilter */
  readonly services?: ServiceNetworkSpec | null;
  /** how long a node's packet takes from PREROUTING on, while other CPUs handle others; absent: no time */
  readonly packetTime?: Ns;
  /** absent: no DNS; its pods and its Service are made beside those of the spec, which has to have Services */
  readonly dns?: ClusterDnsSpec | null;
}

/** Namespace of pods that name none. */
export const DEFAULT_NAMESPACE = 'default';

/** How captures and reports name a pod: its name, with the namespace in front when that is not `default`. */
export function podLabel(pod: { readonly name: string; readonly namespace: string }): string {
  return pod.namespace === DEFAULT_NAMESPACE ? pod.name : `${pod.namespace}/${pod.name}`;
}
