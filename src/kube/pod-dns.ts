// resolv.conf of a pod by its dnsPolicy (pkg/kubelet/network/dns/dns.go), written in the order search, nameserver, options
// as containerd does, and its /etc/hosts.

import { formatIpv4, type Ipv4 } from '../addr/ipv4.ts';
import { NAMESERVERS_MAX, parseResolvConf } from '../dns/resolv-conf.ts';

export type DnsPolicy = 'ClusterFirst' | 'ClusterFirstWithHostNet' | 'Default' | 'None';

/** spec.dnsConfig */
export interface PodDnsConfig {
  readonly nameservers: readonly Ipv4[];
  readonly searches: readonly string[];
  readonly options: readonly { readonly name: string; readonly value: string | null }[];
}

/** validation.MaxDNSSearchPaths and MaxDNSSearchListChars: what is over is left out, with an event. */
const SEARCH_PATHS_MAX = 32;
const SEARCH_CHARS_MAX = 2048;
/** defaultDNSOptions: any name of a Service in another namespace has fewer dots */
const DEFAULT_OPTION = { name: 'ndots', value: '5' };

export interface PodDns {
  readonly namespace: string;
  readonly hostNetwork: boolean;
  readonly policy: DnsPolicy;
  readonly config: PodDnsConfig | null;
}

export interface NodeDns {
  /** the node's own resolv.conf */
  readonly file: string;
  /** --cluster-dns; empty: there is none, and ClusterFirst falls back to Default */
  readonly clusterDns: readonly Ipv4[];
  /** --cluster-domain, without a dot at the end */
  readonly clusterDomain: string;
}

interface Settings {
  readonly nameservers: readonly string[];
  readonly searches: readonly string[];
  readonly options: readonly string[];
}

/** @returns the file, and what the kubelet's events say */
export function podResolvConf(pod: PodDns, node: NodeDns): { readonly text: string; readonly warnings: string[] } {
  const warnings: string[] = [];
  const merged = withConfig(ofPolicy(pod, node), pod.config);
  let searches = [...merged.searches];
  if (searches.length > SEARCH_PATHS_MAX) searches = searches.slice(0, SEARCH_PATHS_MAX);
  while (searches.join(' ').length > SEARCH_CHARS_MAX) searches.pop();
  if (searches.length < merged.searches.length) {
    warnings.push(
      `Search Line limits were exceeded, some search paths have been omitted, the applied search line is: ${searches.join(' ')}`,
    );
  }
  const nameservers = merged.nameservers.slice(0, NAMESERVERS_MAX);
  if (nameservers.length < merged.nameservers.length) {
    warnings.push(
      `Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is: ${nameservers.join(' ')}`,
    );
  }
  let text = searches.length > 0 ? `search ${searches.join(' ')}\n` : '';
  for (const nameserver of nameservers) text += `nameserver ${nameserver}\n`;
  if (merged.options.length > 0) text += `options ${merged.options.join(' ')}\n`;
  return { text, warnings };
}

function ofPolicy(pod: PodDns, node: NodeDns): Settings {
  const host = hostSettings(node.file);
  // With hostNetwork, ClusterFirst means Default; only ClusterFirstWithHostNet insists.
  const policy = pod.policy === 'ClusterFirst' && pod.hostNetwork ? 'Default' : pod.policy;
  if (policy === 'None') return { nameservers: [], searches: [], options: [] };
  if (policy === 'Default' || node.clusterDns.length === 0) return host;
  const domain = node.clusterDomain;
  return {
    nameservers: node.clusterDns.map(formatIpv4),
    searches: unique([`${pod.namespace}.svc.${domain}`, `svc.${domain}`, domain, ...host.searches]),
    options: [`${DEFAULT_OPTION.name}:${DEFAULT_OPTION.value}`],
  };
}

/** appendDNSConfig: nameservers and searches behind those that are there, options by name, dnsConfig's before. */
function withConfig(settings: Settings, config: PodDnsConfig | null): Settings {
  if (config === null) return settings;
  const options = new Map(settings.options.map((o) => [o.split(':')[0]!, o]));
  for (const { name, value } of config.options) options.set(name, value === null ? name : `${name}:${value}`);
  return {
    nameservers: unique([...settings.nameservers, ...config.nameservers.map(formatIpv4)]),
    searches: unique([...settings.searches, ...config.searches]),
    options: [...options.values()],
  };
}

function hostSettings(file: string): Settings {
  const nameservers = file.includes('nameserver') ? parseResolvConf(file).nameservers.map(formatIpv4) : [];
  const options =
    /^options[ \t]+(.*)$/m
      .exec(file)?.[1]
      ?.split(/[ \t]+/)
      .filter((o) => o !== '') ?? [];
  return { nameservers, searches: parseResolvConf(file).search, options };
}

function unique(list: readonly string[]): string[] {
  return [...new Set(list)];
}
