// Settings of kube-proxy, as its KubeProxyConfiguration names them (pkg/proxy/apis/config/v1alpha1), and its defaults.

import type { Ipv4Prefix } from '../addr/ipv4.ts';
import { NS_PER_S, type Ns } from '../sim/sim.ts';

/** What old releases got wrong and a scenario can play again. */
export const PROXY_BUGS = ['stale-udp-conntrack', 'forward-invalid', 'keep-masquerade-mark'] as const;
/**
 * stale-udp-conntrack: entries of UDP flows to endpoints that are gone are left in the table (kubernetes#48370).
 * forward-invalid: KUBE-FORWARD lets packets through that conntrack finds INVALID (kubernetes#74839, before 1.15).
 * keep-masquerade-mark: KUBE-POSTROUTING leaves the mark on what it masquerades, and the VXLAN packet around it is masqueraded
 * once more (kubernetes#88986, before 1.18.3).
 */
export type ProxyBug = (typeof PROXY_BUGS)[number];

export interface KubeProxySpec {
  readonly mode: 'iptables' | 'ipvs' | 'nftables';
  /** sources that are pods; null: the cluster's pod CIDR */
  readonly clusterCIDR: Ipv4Prefix | null;
  /** where node ports answer; [] : at every address of the node */
  readonly nodePortAddresses: readonly Ipv4Prefix[];
  readonly masqueradeAll: boolean;
  readonly localhostNodePorts: boolean;
  readonly minSyncPeriod: Ns;
  readonly conntrack: {
    readonly maxPerCore: number;
    readonly min: number;
    /** seconds; 0: the kernel's */
    readonly tcpEstablishedTimeout: number;
    readonly tcpCloseWaitTimeout: number;
    readonly udpTimeout: number;
    readonly udpStreamTimeout: number;
    readonly tcpBeLiberal: boolean;
  };
  readonly ipvs: { readonly scheduler: string; readonly strictARP: boolean };
  readonly bugs: readonly ProxyBug[];
}

export const KUBE_PROXY_DEFAULTS: KubeProxySpec = {
  mode: 'iptables',
  clusterCIDR: null,
  nodePortAddresses: [],
  masqueradeAll: false,
  localhostNodePorts: true,
  minSyncPeriod: NS_PER_S,
  conntrack: {
    maxPerCore: 32_768,
    min: 131_072,
    tcpEstablishedTimeout: 86_400,
    tcpCloseWaitTimeout: 3_600,
    udpTimeout: 0,
    udpStreamTimeout: 0,
    tcpBeLiberal: false,
  },
  ipvs: { scheduler: 'rr', strictARP: false },
  bugs: [],
};
