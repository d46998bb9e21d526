// /etc/hosts (hosts(5)): an address, its canonical name, its aliases; `#` begins a comment. As glibc's nss/nss_files reads it.

import { formatIpv4, type Ipv4, parseIpv4 } from '../addr/ipv4.ts';
import { type Ipv6, parseIpv6 } from '../addr/ipv6.ts';

export interface HostsEntry {
  readonly ipv4: Ipv4 | null;
  readonly ipv6: Ipv6 | null;
  readonly canonical: string;
  readonly aliases: readonly string[];
}

export function parseHosts(text: string | null): HostsEntry[] {
  const entries: HostsEntry[] = [];
  for (const line of (text ?? '').split('\n')) {
    const [address, canonical, ...aliases] = line
      .replace(/#.*/, '')
      .split(/\s+/)
      .filter((w) => w !== '');
    if (address === undefined || canonical === undefined) continue;
    const ipv4 = parseIpv4(address);
    const ipv6 = ipv4 === null ? parseIpv6(address) : null;
    if (ipv4 !== null || ipv6 !== null) entries.push({ ipv4, ipv6, canonical, aliases });
  }
  return entries;
}

/** Lines that have this name, in order; a dot at its end does not count. */
export function hostsByName(entries: readonly HostsEntry[], name: string): HostsEntry[] {
  const wanted = name.replace(/\.$/, '').toLowerCase();
  return entries.filter((e) => [e.canonical, ...e.aliases].some((n) => n.toLowerCase() === wanted));
}

/** The line of this address, or null. */
export function hostsByAddress(entries: readonly HostsEntry[], address: Ipv4): HostsEntry | null {
  return entries.find((e) => e.ipv4 === address) ?? null;
}

export interface HostAlias {
  readonly ip: Ipv4;
  readonly hostnames: readonly string[];
}

/** What the kubelet writes into a pod's /etc/hosts (pkg/kubelet/kubelet_pods.go, managedHostsFileContent). */
export function podHostsFile(pod: {
  readonly ip: Ipv4 | null;
  readonly hostname: string;
  readonly domain: string;
  readonly aliases: readonly HostAlias[];
}): string {
  const lines = [
    '# Kubernetes-managed hosts file.',
    '127.0.0.1\tlocalhost',
    '::1\tlocalhost ip6-localhost ip6-loopback',
    'fe00::0\tip6-localnet',
    'fe00::0\tip6-mcastprefix',
    'fe00::1\tip6-allnodes',
    'fe00::2\tip6-allrouters',
  ];
  if (pod.ip !== null) {
    const fqdn = pod.domain === '' ? '' : `${pod.hostname}.${pod.domain}\t`;
    lines.push(`${formatIpv4(pod.ip)}\t${fqdn}${pod.hostname}`);
  }
  if (pod.aliases.length > 0) {
    lines.push('', '# Entries added by HostAliases.');
    for (const alias of pod.aliases) lines.push(`${formatIpv4(alias.ip)}\t${alias.hostnames.join('\t')}`);
  }
  return `${lines.join('\n')}\n`;
}
