// The mode that a node's kube-proxy writes with, and what each asks of its kernel (cmd/kube-proxy/app/server_linux.go).

import { type Ipv4, type Ipv4Prefix, ipv4InPrefix, isLoopbackIpv4 } from '../addr/ipv4.ts';

import { ipvsOf } from '../netfilter/ipvs/ipvs-hooks.ts';
import type { Netfilter } from '../netfilter/netfilter.ts';
import { nftOf } from '../netfilter/nft/nft-hooks.ts';
import type { NetNamespace } from '../stack/netns.ts';
import { ensureSet } from './ensure-set.ts';
import { setSysctl } from './host.ts';
import type { ProxyMode } from './kube-proxy.ts';
import { IptablesMode } from './kube-proxy-iptables.ts';
import { IpvsMode } from './kube-proxy-ipvs.ts';
import { NftablesMode } from './kube-proxy-nftables.ts';
import type { KubeProxySpec } from './kube-proxy-spec.ts';
import { IPVS_DEVICE } from './proxy-ipvs.ts';

export interface ProxyModeOptions {
  readonly netns: NetNamespace;
  readonly netfilter: Netfilter;
  readonly spec: KubeProxySpec;
  readonly nodeName: string;
  readonly nodeIP: Ipv4;
  /** sources that are pods */
  readonly clusterCIDR: Ipv4Prefix;
  readonly serviceCIDR: Ipv4Prefix;
}

export function startProxyMode(options: ProxyModeOptions): ProxyMode {
  const { netns, netfilter, spec, nodeIP, nodeName, clusterCIDR } = options;
  const { masqueradeAll } = spec;
  const prefixes = spec.nodePortAddresses;
  const common = { clusterCIDR, masqueradeAll, nodeIP };
  switch (spec.mode) {
    case 'ipvs':
      setSysctl(netns, 'net.ipv4.vs.conntrack', '1');
      setSysctl(netns, 'net.ipv4.vs.expire_nodest_conn', '1');
      setSysctl(netns, 'net.ipv4.vs.expire_quiescent_template', '1');
      if (spec.ipvs.strictARP) {
        setSysctl(netns, 'net.ipv4.conf.all.arp_ignore', '1');
        setSysctl(netns, 'net.ipv4.conf.all.arp_announce', '2');
      }
      return new IpvsMode({
        netns,
        ipvs: ipvsOf(netfilter),
        tables: netfilter.tables,
        writeSet: (set) => ensureSet(netfilter.tables.sets, set),
        settings: () => ({
          ...common,
          nodeName,
          scheduler: spec.ipvs.scheduler,
          nodePortAddresses: ownAddresses(netns, prefixes),
        }),
      });
    case 'nftables':
      return new NftablesMode(nftOf(netfilter), () => ({
        ...common,
        nodeName,
        serviceCIDR: options.serviceCIDR,
        // Without --nodeport-addresses the primary address only, and never loopback.
        nodePortAddresses:
          prefixes.length === 0 ? [nodeIP] : ownAddresses(netns, prefixes).filter((a) => !isLoopbackIpv4(a)),
      }));
    case 'iptables':
      if (spec.localhostNodePorts) setSysctl(netns, 'net.ipv4.conf.all.route_localnet', '1');
      return new IptablesMode(netfilter.tables, () => ({
        ...common,
        localhostNodePorts: spec.localhostNodePorts,
        nodePortAddresses: prefixes.length === 0 ? null : ownAddresses(netns, prefixes),
        dropInvalid: !spec.conntrack.tcpBeLiberal && !spec.bugs.includes('forward-invalid'),
        keepsMark: spec.bugs.includes('keep-masquerade-mark'),
      }));
  }
}

/** Addresses of the node within the prefixes, all without any, in the order of its devices (GetNodeIPs). */
function ownAddresses(netns: NetNamespace, prefixes: readonly Ipv4Prefix[]): Ipv4[] {
  return netns
    .inDevices()
    .filter((d) => d.dev.name !== IPVS_DEVICE)
    .flatMap((d) => d.addresses.map((a) => a.local))
    .filter((a, i, all) => all.indexOf(a) === i)
    .filter((a) => prefixes.length === 0 || prefixes.some((p) => ipv4InPrefix(a, p)));
}
