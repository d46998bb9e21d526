// Proves what the kubelet writes into a pod's resolv.conf for each dnsPolicy, with dnsConfig and its limits, and what stands
// in /etc/hosts.

import { describe, expect, it } from 'vitest';
import { parseIpv4 } from '../../src/addr/ipv4.ts';
import { podHostsFile } from '../../src/dns/hosts-file.ts';
import { type DnsPolicy, type PodDnsConfig, podResolvConf } from '../../src/kube/pod-dns.ts';

const NODE = {
  file: 'search corp.test\nnameserver 10.0.1.254\noptions timeout:2\n',
  clusterDns: [parseIpv4('10.96.0.10')!],
  clusterDomain: 'cluster.local',
};

function written(policy: DnsPolicy, config: PodDnsConfig | null = null, hostNetwork = false) {
  return podResolvConf({ namespace: 'shop', hostNetwork, policy, config }, NODE);
}

const CLUSTER =
  'search shop.svc.cluster.local svc.cluster.local cluster.local corp.test\nnameserver 10.96.0.10\noptions ndots:5\n';

describe('resolv.conf', () => {
  it.each<[DnsPolicy, boolean, string]>([
    ['ClusterFirst', false, CLUSTER],
    ['ClusterFirst', true, 'search corp.test\nnameserver 10.0.1.254\noptions timeout:2\n'],
    ['ClusterFirstWithHostNet', true, CLUSTER],
    ['Default', false, 'search corp.test\nnameserver 10.0.1.254\noptions timeout:2\n'],
    ['None', false, ''],
  ])('%s, hostNetwork %s', (policy, hostNetwork, expected) => {
    expect(written(policy, null, hostNetwork).text).toBe(expected);
  });

  it('without a cluster DNS ClusterFirst falls back to the file of the node', () => {
    const pod = { namespace: 'shop', hostNetwork: false, policy: 'ClusterFirst', config: null } as const;
    expect(podResolvConf(pod, { ...NODE, clusterDns: [] }).text).toContain('nameserver 10.0.1.254');
  });

  it('dnsConfig goes behind the policy: servers and suffixes once each, options by name', () => {
    const config = {
      nameservers: [parseIpv4('10.96.0.10')!, parseIpv4('9.9.9.9')!],
      searches: ['cluster.local', 'extra.test'],
      options: [
        { name: 'ndots', value: '2' },
        { name: 'single-request-reopen', value: null },
      ],
    };
    expect(written('ClusterFirst', config).text).toBe(
      'search shop.svc.cluster.local svc.cluster.local cluster.local corp.test extra.test\nnameserver 10.96.0.10\nnameserver 9.9.9.9\noptions ndots:2 single-request-reopen\n',
    );
    expect(written('None', config).text).toBe(
      'search cluster.local extra.test\nnameserver 10.96.0.10\nnameserver 9.9.9.9\noptions ndots:2 single-request-reopen\n',
    );
  });

  it('leaves out what is over three servers, 32 suffixes or 2048 characters, and says so', () => {
    const many = written('ClusterFirst', {
      nameservers: ['1.1.1.1', '2.2.2.2', '3.3.3.3'].map((a) => parseIpv4(a)!),
      searches: Array.from({ length: 40 }, (_, i) => `s${i}.test`),
      options: [],
    });
    expect(many.text.match(/^nameserver/gm)?.length).toBe(3);
    expect(many.text.split('\n')[0]!.split(' ').length).toBe(33);
    expect(many.warnings.length).toBe(2);
    const long = written('None', {
      nameservers: [],
      searches: Array.from({ length: 30 }, (_, i) => `${'x'.repeat(60)}.${'y'.repeat(30)}${i}`),
      options: [],
    });
    expect(long.text.split('\n')[0]!.length).toBeLessThanOrEqual(2048 + 'search '.length);
  });
});

describe('/etc/hosts', () => {
  it('is the one that the kubelet manages', () => {
    const text = podHostsFile({
      ip: parseIpv4('10.244.1.5')!,
      hostname: 'db-0',
      domain: 'db.shop.svc.cluster.local',
      aliases: [{ ip: parseIpv4('10.1.1.1')!, hostnames: ['foo.local', 'bar.local'] }],
    });
    expect(text).toBe(
      [
        '# Kubernetes-managed hosts file.',
        '127.0.0.1\tlocalhost',
        '::1\tlocalhost ip6-localhost ip6-loopback',
        'fe00::0\tip6-localnet',
        'fe00::0\tip6-mcastprefix',
        'fe00::1\tip6-allnodes',
        'fe00::2\tip6-allrouters',
        '10.244.1.5\tdb-0.db.shop.svc.cluster.local\tdb-0',
        '',
        '# Entries added by HostAliases.',
        '10.1.1.1\tfoo.local\tbar.local',
        '',
      ].join('\n'),
    );
  });
});
