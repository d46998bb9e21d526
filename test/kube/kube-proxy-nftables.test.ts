// Proves that kube-proxy in nftables mode writes a ruleset that the real nft takes and lists as ours does, with the names that
// upstream's hashes give, and that a later sync leaves what does not change.

import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { parseIpv4, parseIpv4Prefix } from '../../src/addr/ipv4.ts';
import { Rng } from '../../src/base/rng.ts';
import { NftablesMode } from '../../src/kube/kube-proxy-nftables.ts';
import type { NODE_PORT_RANGE } from '../../src/kube/node-port-allocator.ts';
import { type NftablesProxySettings, nftablesRules } from '../../src/kube/proxy-nftables.ts';
import { ProxyState } from '../../src/kube/proxy-state.ts';
import { servicePort, serviceSpec } from '../../src/kube/service.ts';
import { Services } from '../../src/kube/services.ts';
import type { NetfilterHost } from '../../src/netfilter/netfilter-host.ts';
import { runNft } from '../../src/netfilter/nft/nft-command.ts';
import type { NftNat } from '../../src/netfilter/nft/nft-context.ts';
import { NftTables } from '../../src/netfilter/nft/nft-tables.ts';
import { Sim } from '../../src/sim/sim.ts';

const ip = (text: string): number => parseIpv4(text)!;
const cidr = (text: string) => parseIpv4Prefix(text)!;
const PLAIN = { handles: false, stateless: false };

const SETTINGS: NftablesProxySettings = {
  clusterCIDR: cidr('10.0.0.0/8'),
  serviceCIDR: cidr('172.30.0.0/16'),
  masqueradeAll: false,
  nodePortAddresses: [ip('192.168.0.2')],
  nodeIP: ip('192.168.0.2'),
  nodeName: 'node1',
};

/** The Services of upstream's TestOverallNFTablesRules. */
function services(sim: Sim): Services {
  const all = new Services({
    sim,
    rng: (purpose) => new Rng(1, purpose),
    serviceCIDR: cidr('172.30.0.0/16'),
    nodePortRange: { first: 3000, last: 32_767 } as typeof NODE_PORT_RANGE,
  });
  const add = (n: number, spec: object, ports: object, endpoints: readonly [string, string | null][]): void => {
    const made = all.create(
      serviceSpec({
        name: `svc${n}`,
        namespace: `ns${n}`,
        clusterIP: ip(`172.30.0.4${n}`),
        ports: [servicePort({ name: 'p80', port: 80, ...ports })],
        ...spec,
      }),
    );
    if ('error' in made) throw new Error(made.error);
    all.setSlices(`ns${n}`, `svc${n}`, [
      {
        name: `svc${n}-1`,
        namespace: `ns${n}`,
        serviceName: `svc${n}`,
        ports: [{ name: 'p80', protocol: 'TCP', port: 80 }],
        endpoints: endpoints.map(([address, nodeName]) => ({
          address: ip(address),
          ready: true,
          serving: true,
          terminating: false,
          hostname: null,
          nodeName,
          zone: null,
          podName: null,
          forZones: [],
          forNodes: [],
        })),
      },
    ]);
  };
  add(1, {}, {}, [['10.180.0.1', 'node1']]);
  add(
    2,
    {
      type: 'LoadBalancer',
      externalTrafficPolicy: 'Local',
      externalIPs: [ip('192.168.99.22')],
      ingress: [{ ip: ip('1.2.3.4'), ipMode: 'VIP' }],
    },
    { nodePort: 3001 },
    [['10.180.0.2', null]],
  );
  add(3, { type: 'NodePort' }, { nodePort: 3003 }, [['10.180.0.3', null]]);
  add(4, { externalIPs: [ip('192.168.99.33')] }, {}, [
    ['10.180.0.4', null],
    ['10.180.0.5', 'node1'],
  ]);
  add(
    5,
    {
      type: 'LoadBalancer',
      sessionAffinity: 'ClientIP',
      loadBalancerSourceRanges: [cidr('203.0.113.0/25')],
      ingress: [{ ip: ip('5.6.7.8'), ipMode: 'VIP' }],
    },
    { nodePort: 3002 },
    [['10.180.0.3', null]],
  );
  add(6, {}, {}, []);
  return all;
}

function state(all: Services): ProxyState {
  const s = new ProxyState(all, { name: 'node1', zone: null });
  s.update();
  return s;
}

function tables(sim: Sim): NftTables {
  const host = { label: 'node1', sim, rng: (p: string) => new Rng(1, p) } as unknown as NetfilterHost;
  return new NftTables(host, {} as NftNat);
}

const realNft = process.getuid?.() === 0 && spawnSync('unshare', ['-n', 'nft', 'list', 'ruleset']).status === 0;
if (!realNft)
  console.warn('kube-proxy-nftables.test.ts: the comparison with the real nft is skipped: it needs root and nft');

describe('kube-proxy in nftables mode', () => {
  it.runIf(realNft)('is taken by the real nft, which lists it as podwire does', () => {
    const sim = new Sim();
    const { text } = nftablesRules(state(services(sim)).ports(), SETTINGS, { chains: [], sets: [] });
    const ours = tables(sim);
    runNft(ours, text, PLAIN);
    const real = spawnSync('unshare', ['-n', 'sh', '-c', 'nft -f - && nft list ruleset'], {
      input: text,
      encoding: 'utf8',
    });
    expect(real.stderr).toBe('');
    // Maps with joined keys are listed in the order of the kernel's hash table: compared without order.
    const sorted = (listing: string): string[] =>
      listing
        .split('\n')
        .map((l) => l.replace(/elements = \{|[,}]$/g, '').trim())
        .sort();
    expect(sorted(runNft(ours, 'list ruleset', PLAIN))).toEqual(sorted(real.stdout));
  });

  it('names chains and elements as upstream expects them', () => {
    const { text } = nftablesRules(state(services(new Sim())).ports(), SETTINGS, { chains: [], sets: [] });
    const lines = text.split('\n');
    for (const line of [
      'add element ip kube-proxy service-ips { 172.30.0.41 . tcp . 80 : goto service-ULMVA6XW-ns1/svc1/tcp/p80 }',
      'add element ip kube-proxy service-ips { 192.168.99.22 . tcp . 80 : goto external-42NFTM6N-ns2/svc2/tcp/p80 }',
      'add element ip kube-proxy service-ips { 1.2.3.4 . tcp . 80 : goto external-42NFTM6N-ns2/svc2/tcp/p80 }',
      'add element ip kube-proxy service-nodeports { tcp . 3001 : goto external-42NFTM6N-ns2/svc2/tcp/p80 }',
      'add element ip kube-proxy no-endpoint-nodeports { tcp . 3001 comment "ns2/svc2:p80" : drop }',
      'add element ip kube-proxy no-endpoint-services { 1.2.3.4 . tcp . 80 comment "ns2/svc2:p80" : drop }',
      'add rule ip kube-proxy external-42NFTM6N-ns2/svc2/tcp/p80 ip saddr 10.0.0.0/8 goto service-42NFTM6N-ns2/svc2/tcp/p80 comment "short-circuit pod traffic"',
      'add rule ip kube-proxy external-42NFTM6N-ns2/svc2/tcp/p80 fib saddr type local jump mark-for-masquerade comment "masquerade local traffic"',
      'add rule ip kube-proxy external-4AT6LBPK-ns3/svc3/tcp/p80 jump mark-for-masquerade',
      'add set ip kube-proxy affinity-GTK6MW7G-ns5/svc5/tcp/p80__10.180.0.3/80 { type ipv4_addr ; flags dynamic,timeout ; timeout 10800s ; }',
      'add rule ip kube-proxy service-HVFWP5L3-ns5/svc5/tcp/p80 ip saddr @affinity-GTK6MW7G-ns5/svc5/tcp/p80__10.180.0.3/80 goto endpoint-GTK6MW7G-ns5/svc5/tcp/p80__10.180.0.3/80',
      'add rule ip kube-proxy firewall-HVFWP5L3-ns5/svc5/tcp/p80 ip saddr != { 203.0.113.0/25 } drop',
      'add element ip kube-proxy firewall-ips { 5.6.7.8 . tcp . 80 : goto firewall-HVFWP5L3-ns5/svc5/tcp/p80 }',
      'add element ip kube-proxy no-endpoint-services { 172.30.0.46 . tcp . 80 comment "ns6/svc6:p80" : goto reject-chain }',
      // as of 1.36: one draw over addresses and ports
      'add rule ip kube-proxy service-LAUZTJTB-ns4/svc4/tcp/p80 meta l4proto tcp dnat ip to numgen random mod 2 map { 0 : 10.180.0.4 . 80 , 1 : 10.180.0.5 . 80 }',
      'add element ip kube-proxy hairpin-connections { 10.180.0.5 . 10.180.0.5 . tcp . 80 }',
    ]) {
      expect(lines).toContain(line);
    }
  });

  it('deletes the chains of a Service that is gone, and keeps the set of affinity of one that stays', () => {
    const sim = new Sim();
    const all = services(sim);
    const ours = tables(sim);
    const mode = new NftablesMode(ours, () => SETTINGS);
    const known = new ProxyState(all, { name: 'node1', zone: null });
    const sync = (): void => {
      known.update();
      mode.sync(known.ports());
    };
    sync();
    const affinity = 'affinity-GTK6MW7G-ns5/svc5/tcp/p80__10.180.0.3/80';
    runNft(ours, `add element ip kube-proxy ${affinity} { 10.9.9.9 }`, PLAIN);
    all.delete('ns3', 'svc3');
    known.note('ns3/svc3');
    sync();
    const listing = runNft(ours, 'list ruleset', { handles: false, stateless: true });
    expect(listing).not.toContain('svc3');
    expect(runNft(ours, `list set ip kube-proxy ${affinity}`, PLAIN)).toContain('10.9.9.9');
    all.delete('ns5', 'svc5');
    known.note('ns5/svc5');
    sync();
    expect(runNft(ours, 'list ruleset', PLAIN)).not.toContain('affinity-');
  });
});
