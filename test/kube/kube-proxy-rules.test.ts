// Proves that kube-proxy in iptables mode, the kubelet and flanneld leave the tables of a node as a real kernel's iptables-save
// prints them (the rule sets of the golden cases), that names of chains are upstream's, and what a partial sync touches.

import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseIpv4, parseIpv4Prefix } from '../../src/addr/ipv4.ts';
import { Rng } from '../../src/base/rng.ts';
import { base32, sha256 } from '../../src/base/sha256.ts';
import { endpointChain, serviceChains } from '../../src/kube/chain-name.ts';
import { ensureFlannelRules } from '../../src/kube/flannel-rules.ts';
import { KubeProxy } from '../../src/kube/kube-proxy.ts';
import { IptablesMode } from '../../src/kube/kube-proxy-iptables.ts';
import { ensureKubeletRules } from '../../src/kube/kubelet-rules.ts';
import { NODE_PORT_RANGE } from '../../src/kube/node-port-allocator.ts';
import type { ProxyRuleSettings } from '../../src/kube/proxy-rules.ts';
import { type Protocol, type ServiceSpec, servicePort, serviceSpec } from '../../src/kube/service.ts';
import { Services } from '../../src/kube/services.ts';
import type { NetfilterHost } from '../../src/netfilter/netfilter-host.ts';
import { IpTables } from '../../src/netfilter/xtables/ip-tables.ts';
import { NS_PER_MS, NS_PER_S, Sim } from '../../src/sim/sim.ts';

const golden = resolve(import.meta.dirname, '../../../shared/golden');
const present = existsSync(golden);
if (!present) console.warn('skipped: ../shared/golden is not there, whose rule sets these are compared with');

const ip = (text: string): number => parseIpv4(text)!;
const cidr = (text: string) => parseIpv4Prefix(text)!;

/** Tables alone: nothing of a host is asked while rules are only written. */
function tablesAlone(): IpTables {
  return new IpTables({ label: 'node1' } as unknown as NetfilterHost);
}

interface Given {
  readonly spec: Partial<ServiceSpec> & { readonly name: string };
  readonly endpoints: readonly string[];
}

function services(sim: Sim, given: readonly Given[]): Services {
  const all = new Services({
    sim,
    rng: (purpose) => new Rng(1, purpose),
    serviceCIDR: cidr('10.96.0.0/12'),
    nodePortRange: NODE_PORT_RANGE,
  });
  for (const { spec, endpoints } of given) {
    const made = all.create(serviceSpec(spec));
    if ('error' in made) throw new Error(made.error);
    setEndpoints(all, made.service.name, endpoints);
  }
  return all;
}

/** Endpoints as `address:port`, on the node `node2` unless they name another: `address:port@node`. */
function setEndpoints(all: Services, name: string, endpoints: readonly string[]): void {
  const service = all.get('default', name)!;
  const parsed = endpoints.map((e) => /^(.*):(\d+)(?:@(.*))?$/.exec(e)!);
  all.setSlices('default', name, [
    {
      name: `${name}-abcde`,
      namespace: 'default',
      serviceName: name,
      ports: service.ports.map((p) => ({
        name: p.name,
        protocol: p.protocol,
        port: parsed.length > 0 ? Number(parsed[0]![2]) : p.port,
      })),
      endpoints: parsed.map((e) => ({
        address: ip(e[1]!),
        ready: true,
        serving: true,
        terminating: false,
        hostname: null,
        nodeName: e[3] ?? 'node2',
        zone: null,
        podName: null,
        forZones: [],
        forNodes: [],
      })),
    },
  ]);
}

const SETTINGS: ProxyRuleSettings = {
  clusterCIDR: cidr('10.244.0.0/16'),
  masqueradeAll: false,
  localhostNodePorts: true,
  nodePortAddresses: null,
  nodeIP: ip('10.0.1.1'),
  dropInvalid: true,
};

function start(given: readonly Given[], settings: Partial<ProxyRuleSettings> = {}) {
  const sim = new Sim();
  const tables = tablesAlone();
  const all = services(sim, given);
  ensureKubeletRules(tables);
  const proxy = new KubeProxy({
    sim,
    services: all,
    node: { name: 'node1', zone: null },
    mode: new IptablesMode(tables, () => ({ ...SETTINGS, ...settings })),
    minSyncPeriod: NS_PER_S,
    afterSync: () => {},
  });
  ensureFlannelRules(tables, cidr('10.244.1.0/24'), cidr('10.244.0.0/16'));
  return { sim, tables, services: all, proxy };
}

/** Rules by `table chain`. */
function rulesOf(lines: readonly string[]): Map<string, string[]> {
  const out = new Map<string, string[]>();
  let table = '';
  for (const line of lines) {
    if (line.startsWith('*')) table = line.slice(1);
    const chain = /^-A (\S+) /.exec(line)?.[1];
    if (chain === undefined) continue;
    const key = `${table} ${chain}`;
    out.set(key, [...(out.get(key) ?? []), line]);
  }
  return out;
}

function saved(tables: IpTables): Map<string, string[]> {
  return rulesOf(tables.save(null, { counters: false }).split('\n'));
}

const http = (address: string, nodePort: number | null = null): Given['spec'] => ({
  name: 'web',
  type: nodePort === null ? 'ClusterIP' : 'NodePort',
  clusterIP: ip(address),
  ports: [servicePort({ name: 'http', port: 80, targetPort: 8080, nodePort })],
});

const udp = (name: string, address: string, port: number): Given['spec'] => ({
  name,
  clusterIP: ip(address),
  ports: [servicePort({ name: name === 'emptyu' ? 'dns' : 'udp', protocol: 'UDP', port })],
});

const THREE = ['10.244.2.3:8080', '10.244.1.3:8080@node1', '10.244.2.2:8080'];

describe.skipIf(!present)('the rules of a node as a kernel saved them', () => {
  it.each<[string, readonly Given[]]>([
    ['10a-clusterip', [{ spec: http('10.96.0.10'), endpoints: THREE }]],
    ['10d-nodeport', [{ spec: http('10.96.0.10', 30080), endpoints: THREE }]],
    [
      '10e-no-endpoints',
      [
        { spec: http('10.96.0.10'), endpoints: ['10.244.1.3:8080@node1'] },
        { spec: { ...http('10.96.0.99'), name: 'empty' }, endpoints: [] },
        { spec: udp('emptyu', '10.96.0.98', 53), endpoints: [] },
      ],
    ],
    [
      '10f-udp-service-and-icmp-nat',
      [
        { spec: udp('echo', '10.96.0.30', 7), endpoints: ['10.244.2.2:9000'] },
        { spec: udp('closed', '10.96.0.31', 8), endpoints: ['10.244.2.2:9009'] },
        { spec: udp('near', '10.96.0.32', 8), endpoints: ['10.244.1.3:9009@node1'] },
      ],
    ],
  ])('%s', (name, given) => {
    const topology = JSON.parse(readFileSync(resolve(golden, name, 'topology.json'), 'utf8'));
    const node = topology.namespaces.find((n: { name: string }) => n.name === 'node1');
    const theirs = rulesOf(node.iptables_save);
    const ours = saved(start(given).tables);
    expect(theirs.size).toBeGreaterThan(10);
    for (const [chain, rules] of theirs) {
      // The order of Services among themselves is nobody's promise; within one, and of what is fixed, it is.
      const services = /KUBE-SERVICES$/.test(chain);
      const order = (lines: readonly string[] | undefined): readonly string[] =>
        services && lines !== undefined ? [...lines.slice(0, -1).sort(), ...lines.slice(-1)] : (lines ?? []);
      // The case loaded its rules in one order and a daemon that ran before flanneld in another.
      if (chain === 'filter KUBE-SERVICES') expect([...(ours.get(chain) ?? [])].sort()).toEqual([...rules].sort());
      else if (chain !== 'filter FORWARD') expect(order(ours.get(chain)), chain).toEqual(order(rules));
    }
    // The case has no FLANNEL-FWD; but for that its FORWARD is ours.
    const forward = ours.get('filter FORWARD')!.filter((r) => !r.includes('FLANNEL-FWD'));
    expect(forward).toEqual(theirs.get('filter FORWARD'));
    // Nothing of a Service that the kernel does not have.
    for (const chain of ours.keys()) {
      if (/KUBE-(SVC|SVL|EXT|FW|SEP)-/.test(chain)) expect([...theirs.keys()]).toContain(chain);
    }
  });
});

describe('names of chains', () => {
  it('are those of upstream', () => {
    const svc = (name: string, protocol: string): string => serviceChains(name, protocol).svc;
    expect(svc('default/kubernetes:https', 'tcp')).toBe('KUBE-SVC-NPX46M4PTMTKRN6Y');
    expect(svc('kube-system/kube-dns:dns', 'udp')).toBe('KUBE-SVC-TCOU7JCQXEZGVUNU');
    expect(svc('kube-system/kube-dns:dns-tcp', 'tcp')).toBe('KUBE-SVC-ERIFXISQEP7F7OF4');
    expect(svc('kube-system/kube-dns:metrics', 'tcp')).toBe('KUBE-SVC-JD5MR3NA4I4DYORP');
    expect(svc('default/web', 'tcp')).toBe('KUBE-SVC-LOLE4ISW44XBNF3G');
    expect(endpointChain('default/kubernetes:https', 'tcp', '172.18.0.2:6443')).toBe('KUBE-SEP-V2PECCYPB6X2GSCW');
    expect(endpointChain('default/web', 'tcp', '10.244.1.2:80')).toBe('KUBE-SEP-MQ4W7Q2CV67URU6Q');
  });

  it("come from a SHA-256 that agrees with Node's at every length up to three blocks", () => {
    for (let n = 0; n < 200; n++) {
      const text = 'aé漢z'.repeat(60).slice(0, n);
      expect(Buffer.from(sha256(text)).toString('hex')).toBe(createHash('sha256').update(text).digest('hex'));
    }
  });

  it('are base32 of RFC 4648 (its test vectors without padding)', () => {
    const of = (text: string): string => base32(new TextEncoder().encode(text));
    expect(['', 'f', 'fo', 'foo', 'foob', 'fooba', 'foobar'].map(of)).toEqual([
      '',
      'MY',
      'MZXQ',
      'MZXW6',
      'MZXW6YQ',
      'MZXW6YTB',
      'MZXW6YTBOI',
    ]);
  });
});

/** A Service with all that can be said of one. */
const EVERYTHING: Given['spec'] = {
  name: 'web',
  type: 'LoadBalancer',
  clusterIP: ip('10.96.0.20'),
  ports: [servicePort({ name: 'p', port: 80, targetPort: 8080, nodePort: 30080 })],
  externalIPs: [ip('192.168.99.11')],
  ingress: [
    { ip: ip('1.2.3.4'), ipMode: 'VIP' },
    { ip: ip('1.2.3.5'), ipMode: 'Proxy' },
  ],
  loadBalancerSourceRanges: [cidr('203.0.113.0/25'), cidr('10.0.1.0/24')],
  sessionAffinity: 'ClientIP',
};
const X = serviceChains('default/web:p', 'tcp');
const nat = (tables: IpTables, chain: string): string[] =>
  (saved(tables).get(`nat ${chain}`) ?? []).map((r) => r.slice(`-A ${chain} `.length));
const filter = (tables: IpTables, chain: string): string[] =>
  (saved(tables).get(`filter ${chain}`) ?? []).map((r) => r.slice(`-A ${chain} `.length));

describe('the chains of one Service port', () => {
  it('policy Cluster: external traffic is masqueraded, source ranges stand before it', () => {
    const { tables } = start([{ spec: EVERYTHING, endpoints: ['10.244.2.2:8080', '10.244.1.3:8080@node1'] }]);
    expect(nat(tables, X.ext)).toEqual([
      '-m comment --comment "masquerade traffic for default/web:p external destinations" -j KUBE-MARK-MASQ',
      `-j ${X.svc}`,
    ]);
    expect(nat(tables, X.fw)).toEqual([
      `-s 203.0.113.0/25 -m comment --comment "default/web:p loadbalancer IP" -j ${X.ext}`,
      `-s 10.0.1.0/24 -m comment --comment "default/web:p loadbalancer IP" -j ${X.ext}`,
      // The node itself is in a range: then it may come with the address that it asks for.
      `-s 1.2.3.4/32 -m comment --comment "default/web:p loadbalancer IP" -j ${X.ext}`,
      '-m comment --comment "other traffic to default/web:p will be dropped by KUBE-PROXY-FIREWALL"',
    ]);
    expect(filter(tables, 'KUBE-PROXY-FIREWALL')).toEqual([
      `-d 1.2.3.4/32 -p tcp -m comment --comment "default/web:p traffic not accepted by ${X.fw}" -m tcp --dport 80 -j DROP`,
    ]);
    const portals = nat(tables, 'KUBE-SERVICES').join('\n');
    expect(portals).toContain(
      `-d 192.168.99.11/32 -p tcp -m comment --comment "default/web:p external IP" -m tcp --dport 80 -j ${X.ext}`,
    );
    expect(portals).toContain(
      `-d 1.2.3.4/32 -p tcp -m comment --comment "default/web:p loadbalancer IP" -m tcp --dport 80 -j ${X.fw}`,
    );
    expect(portals).not.toContain('1.2.3.5');
  });

  it('affinity: recent rules of all endpoints before the balancing ones, and set where the choice is made', () => {
    const { tables } = start([{ spec: EVERYTHING, endpoints: ['10.244.2.2:8080', '10.244.1.3:8080@node1'] }]);
    const [a, b] = ['10.244.1.3:8080', '10.244.2.2:8080'].map((e) => endpointChain('default/web:p', 'tcp', e));
    const recent = '-m recent --rcheck --seconds 10800 --reap --name';
    expect(nat(tables, X.svc)).toEqual([
      '! -s 10.244.0.0/16 -d 10.96.0.20/32 -p tcp -m comment --comment "default/web:p cluster IP" -m tcp --dport 80 -j KUBE-MARK-MASQ',
      `-m comment --comment "default/web:p -> 10.244.1.3:8080" ${recent} ${a} --mask 255.255.255.255 --rsource -j ${a}`,
      `-m comment --comment "default/web:p -> 10.244.2.2:8080" ${recent} ${b} --mask 255.255.255.255 --rsource -j ${b}`,
      `-m comment --comment "default/web:p -> 10.244.1.3:8080" -m statistic --mode random --probability 0.50000000000 -j ${a}`,
      `-m comment --comment "default/web:p -> 10.244.2.2:8080" -j ${b}`,
    ]);
    expect(nat(tables, a!)).toEqual([
      '-s 10.244.1.3/32 -m comment --comment "default/web:p" -j KUBE-MARK-MASQ',
      `-p tcp -m comment --comment "default/web:p" -m recent --set --name ${a} --mask 255.255.255.255 --rsource -m tcp -j DNAT --to-destination 10.244.1.3:8080`,
    ]);
  });

  it('policy Local: pods and the node go everywhere, others to local endpoints', () => {
    const { tables } = start([
      {
        spec: { ...EVERYTHING, externalTrafficPolicy: 'Local', loadBalancerSourceRanges: [], sessionAffinity: 'None' },
        endpoints: ['10.244.2.2:8080', '10.244.1.3:8080@node1'],
      },
    ]);
    expect(nat(tables, X.ext)).toEqual([
      `-s 10.244.0.0/16 -m comment --comment "pod traffic for default/web:p external destinations" -j ${X.svc}`,
      '-m comment --comment "masquerade LOCAL traffic for default/web:p external destinations" -m addrtype --src-type LOCAL -j KUBE-MARK-MASQ',
      `-m comment --comment "route LOCAL traffic for default/web:p external destinations" -m addrtype --src-type LOCAL -j ${X.svc}`,
      `-j ${X.svl}`,
    ]);
    expect(nat(tables, X.svl)).toHaveLength(1);
    expect(filter(tables, 'KUBE-NODEPORTS')[0]).toMatch(
      /^-p tcp -m comment --comment "default\/web:p health check node port" -m tcp --dport 3\d{4} -j ACCEPT$/,
    );
  });

  it('policy Local without a local endpoint: dropped, not rejected, and pods still get through', () => {
    const { tables } = start([
      {
        spec: { ...EVERYTHING, externalTrafficPolicy: 'Local', loadBalancerSourceRanges: [], sessionAffinity: 'None' },
        endpoints: ['10.244.2.2:8080'],
      },
    ]);
    const why = '-m comment --comment "default/web:p has no local endpoints"';
    expect(filter(tables, 'KUBE-EXTERNAL-SERVICES')).toEqual([
      `-d 192.168.99.11/32 -p tcp ${why} -m tcp --dport 80 -j DROP`,
      `-d 1.2.3.4/32 -p tcp ${why} -m tcp --dport 80 -j DROP`,
      `-p tcp ${why} -m addrtype --dst-type LOCAL -m tcp --dport 30080 -j DROP`,
    ]);
    expect(nat(tables, X.ext)).toHaveLength(3);
    expect(nat(tables, X.svc)).toHaveLength(2);
  });

  it('internalTrafficPolicy Local without a local endpoint: the cluster address is dropped', () => {
    const { tables } = start([
      { spec: { ...http('10.96.0.20'), internalTrafficPolicy: 'Local' }, endpoints: ['10.244.2.2:8080'] },
    ]);
    expect(filter(tables, 'KUBE-SERVICES')).toEqual([
      '-d 10.96.0.20/32 -p tcp -m comment --comment "default/web:http has no local endpoints" -m tcp --dport 80 -j DROP',
    ]);
    expect(nat(tables, 'KUBE-SERVICES')).toHaveLength(1);
  });

  it('settings: masqueradeAll, addresses of node ports, localhost without node ports', () => {
    const one = [{ spec: http('10.96.0.20'), endpoints: ['10.244.2.2:8080'] }];
    const all = nat(start(one, { masqueradeAll: true }).tables, serviceChains('default/web:http', 'tcp').svc);
    expect(all[0]).toBe(
      '-d 10.96.0.20/32 -p tcp -m comment --comment "default/web:http cluster IP" -m tcp --dport 80 -j KUBE-MARK-MASQ',
    );
    const last = (settings: Partial<ProxyRuleSettings>): string =>
      nat(start(one, settings).tables, 'KUBE-SERVICES').at(-1)!;
    expect(last({ nodePortAddresses: [ip('10.0.1.1')] })).toMatch(/^-d 10\.0\.1\.1\/32 .* -j KUBE-NODEPORTS$/);
    expect(last({ localhostNodePorts: false })).toMatch(/^! -d 127\.0\.0\.0\/8 .*--dst-type LOCAL -j KUBE-NODEPORTS$/);
  });
});

describe('syncs', () => {
  const two = [
    { spec: http('10.96.0.20'), endpoints: ['10.244.2.2:8080', '10.244.2.3:8080'] },
    { spec: udp('echo', '10.96.0.30', 7), endpoints: ['10.244.2.2:7'] },
  ];

  it('a change within minSyncPeriod waits for its end; what changes meanwhile is one sync', () => {
    const { sim, services, proxy } = start(two);
    sim.after(400 * NS_PER_MS, () => setEndpoints(services, 'web', ['10.244.2.2:8080']));
    sim.after(500 * NS_PER_MS, () => setEndpoints(services, 'echo', []));
    sim.runUntil(NS_PER_S - 1);
    expect(proxy.syncs).toEqual({ full: 1, partial: 0 });
    sim.runUntil(NS_PER_S);
    expect(proxy.syncs).toEqual({ full: 1, partial: 1 });
  });

  it('a partial sync deletes chains that are left, and leaves those of other Services untouched', () => {
    const { sim, tables, services } = start(two);
    const gone = endpointChain('default/web:http', 'tcp', '10.244.2.3:8080');
    const echo = serviceChains('default/echo:udp', 'udp').svc;
    const before = tables.table('nat')!.chains.get(echo)!.rules[0];
    expect(nat(tables, gone)).toHaveLength(2);
    sim.after(5 * NS_PER_S, () => setEndpoints(services, 'web', ['10.244.2.2:8080']));
    sim.runUntil(6 * NS_PER_S);
    expect(tables.table('nat')!.chains.has(gone)).toBe(false);
    expect(nat(tables, serviceChains('default/web:http', 'tcp').svc)).toHaveLength(2);
    // The very same rule: it was not written again.
    expect(tables.table('nat')!.chains.get(echo)!.rules[0]).toBe(before);
  });

  it('the last endpoint goes: the Service is rejected and its chains are gone; it comes back: all is as before', () => {
    const { sim, tables, services } = start(two);
    const before = tables.save(null, { counters: false });
    setEndpoints(services, 'echo', []);
    sim.runUntil(2 * NS_PER_S);
    expect(filter(tables, 'KUBE-SERVICES').join()).toContain('default/echo:udp has no endpoints');
    expect([...tables.table('nat')!.chains.keys()].filter((c) => /KUBE-(SVC|SEP)/.test(c))).toHaveLength(3);
    setEndpoints(services, 'echo', ['10.244.2.2:7']);
    sim.runUntil(4 * NS_PER_S);
    const sorted = (text: string): string[] => text.split('\n').sort();
    expect(sorted(tables.save(null, { counters: false }))).toEqual(sorted(before));
  });

  it('a sync an hour after the last full one writes everything anew', () => {
    const { sim, services, proxy } = start(two);
    sim.after(3600 * NS_PER_S, () => setEndpoints(services, 'echo', []));
    sim.runUntil(3602 * NS_PER_S);
    expect(proxy.syncs).toEqual({ full: 2, partial: 0 });
  });

  it('over 1000 endpoints the comments at them are left out', () => {
    const many = Array.from({ length: 1001 }, (_, i) => `10.244.${2 + (i >> 8)}.${i & 255}:8080`);
    const { tables } = start([{ spec: http('10.96.0.20'), endpoints: many }]);
    const rules = nat(tables, serviceChains('default/web:http', 'tcp').svc);
    expect(rules[1]).toMatch(/^-m statistic --mode random --probability 0\.000999\d+ -j KUBE-SEP-/);
  });
});

describe('protocols', () => {
  it.each<Protocol>(['TCP', 'UDP', 'SCTP'])('%s has its own chains and matches', (protocol) => {
    const spec = { ...http('10.96.0.20'), ports: [servicePort({ port: 53, protocol })] };
    const { tables } = start([{ spec, endpoints: ['10.244.2.2:53'] }]);
    const name = protocol.toLowerCase();
    const chain = endpointChain('default/web', name, '10.244.2.2:53');
    expect(nat(tables, chain)[1]).toBe(
      `-p ${name} -m comment --comment "default/web" -m ${name} -j DNAT --to-destination 10.244.2.2:53`,
    );
  });
});
