// Proves, packet by packet and in every mode of kube-proxy, what the corpus of flows leaves out: external addresses, load
// balancers with source ranges, the policy Local on both sides, masqueradeAll, affinity, and an off-cluster client of a
// cluster address. Expectations are those of the API (k8s-behaviour 6.4, 7); where ipvs mode cannot keep one, it says so.

import { afterEach, describe, expect, it } from 'vitest';
import { parseIpv4Prefix } from '../../src/addr/ipv4.ts';
import type { KubeProxySpec } from '../../src/kube/kube-proxy-spec.ts';
import type { FlowNode } from './flow-node.ts';
import { type ServiceFacts, startProxy } from './proxy-rig.ts';

const MODES = ['iptables', 'ipvs', 'nftables'] as const;
type Mode = (typeof MODES)[number];

const POD = '10.0.0.2';
const OUTSIDE = '203.0.113.2';
const BLOCKED = '203.0.113.130';
const NODE = '192.168.0.2';
const VIP = '172.30.0.41';
const EXTERNAL = '192.168.99.11';
const BALANCER = '1.2.3.4';
const HERE = '10.180.0.1:8080';
const ELSEWHERE = '10.180.2.1:8080';
const BOTH = `${HERE}, ${ELSEWHERE}`;

const BASE: ServiceFacts = {
  type: 'LoadBalancer',
  clusterIP: VIP,
  port: 80,
  targetPort: 8080,
  nodePort: 3001,
  externalIPs: [EXTERNAL],
  lbIPs: [BALANCER],
  endpoints: [
    { ip: '10.180.0.1', node: 'this' },
    { ip: '10.180.2.1', node: 'node2' },
  ],
};
const LOCAL: ServiceFacts = { ...BASE, spec: { externalTrafficPolicy: 'Local' } };
const REMOTE_ONLY: ServiceFacts = { ...LOCAL, endpoints: [{ ip: '10.180.2.1', node: 'node2' }] };
const RANGES: ServiceFacts = { ...BASE, spec: { loadBalancerSourceRanges: [parseIpv4Prefix('203.0.113.0/25')!] } };

let node: FlowNode | null = null;
afterEach(() => {
  expect(node?.close() ?? 0).toBe(0);
  node = null;
});

/** What becomes of 30 flows: the endpoints, `masqueraded` when it applies, or one word. */
function fate(
  mode: Mode,
  facts: ServiceFacts,
  flow: readonly [string, string, number],
  given: Partial<KubeProxySpec> = {},
): string {
  node = startProxy(mode, [facts], given);
  const fates = Array.from({ length: 30 }, () => node!.send(...flow, 'TCP'));
  const words = fates.map((f) => (f.kind === 'sent' ? `${f.to}${f.masqueraded ? ' masqueraded' : ''}` : f.kind));
  return [...new Set(words)].sort().join(', ');
}

const masqueraded = (text: string): string =>
  text
    .split(', ')
    .map((t) => `${t} masqueraded`)
    .join(', ');

/** Expected in every mode, or by mode. */
type Expected = string | Readonly<Record<Mode, string>>;

const CASES: readonly (readonly [string, ServiceFacts, readonly [string, string, number], Expected])[] = [
  ['an off-cluster client of the cluster address is masqueraded', BASE, [OUTSIDE, VIP, 80], masqueraded(BOTH)],
  ['policy Cluster: external address, from outside', BASE, [OUTSIDE, EXTERNAL, 80], masqueraded(BOTH)],
  ['policy Cluster: external address, from a pod', BASE, [POD, EXTERNAL, 80], masqueraded(BOTH)],
  ['policy Cluster: load balancer, from outside', BASE, [OUTSIDE, BALANCER, 80], masqueraded(BOTH)],
  ['policy Local: cluster address as ever', LOCAL, [POD, VIP, 80], BOTH],
  ['policy Local: from outside to the node port, here only and as it is', LOCAL, [OUTSIDE, NODE, 3001], HERE],
  ['policy Local: from outside to the load balancer, the same', LOCAL, [OUTSIDE, BALANCER, 80], HERE],
  ['policy Local: from outside to the external address, the same', LOCAL, [OUTSIDE, EXTERNAL, 80], HERE],
  [
    'policy Local: from a pod everywhere and as it is',
    LOCAL,
    [POD, BALANCER, 80],
    // A virtual server has one set of real servers, whoever asks.
    { iptables: BOTH, nftables: BOTH, ipvs: HERE },
  ],
  [
    'policy Local without an endpoint here: dropped from outside',
    REMOTE_ONLY,
    [OUTSIDE, NODE, 3001],
    // IPVS answers for a virtual server without real servers.
    { iptables: 'DROP', nftables: 'DROP', ipvs: 'REJECT' },
  ],
  [
    'policy Local without an endpoint here: served from a pod',
    REMOTE_ONLY,
    [POD, BALANCER, 80],
    { iptables: ELSEWHERE, nftables: ELSEWHERE, ipvs: 'REJECT' },
  ],
  ['source ranges: who is in one', RANGES, [OUTSIDE, BALANCER, 80], masqueraded(BOTH)],
  ['source ranges: who is not', RANGES, [BLOCKED, BALANCER, 80], 'DROP'],
  ['source ranges: a pod is not', RANGES, [POD, BALANCER, 80], 'DROP'],
  ['source ranges do not keep anybody from the node port', RANGES, [BLOCKED, NODE, 3001], masqueraded(BOTH)],
  [
    'internalTrafficPolicy Local: endpoints of this node',
    { ...BASE, spec: { internalTrafficPolicy: 'Local' } },
    [POD, VIP, 80],
    HERE,
  ],
  [
    'internalTrafficPolicy Local without one',
    { ...REMOTE_ONLY, spec: { internalTrafficPolicy: 'Local' } },
    [POD, VIP, 80],
    { iptables: 'DROP', nftables: 'DROP', ipvs: 'REJECT' },
  ],
];

describe.each(MODES)('mode %s', (mode) => {
  it.each(CASES)('%s', (_title, facts, flow, expected) => {
    expect(fate(mode, facts, flow)).toBe(typeof expected === 'string' ? expected : expected[mode]);
  });

  it('masqueradeAll: pods as well', () => {
    expect(fate(mode, BASE, [POD, VIP, 80], { masqueradeAll: true })).toBe(masqueraded(BOTH));
  });

  it('ClientIP: one client, one endpoint; other clients, others', () => {
    const sticky: ServiceFacts = { ...BASE, spec: { sessionAffinity: 'ClientIP', sessionAffinityTimeout: 60 } };
    node = startProxy(mode, [sticky]);
    const seen = new Set<string>();
    for (let client = 1; client <= 12; client++) {
      const to = new Set(
        Array.from({ length: 5 }, () => {
          const f = node!.send(`203.0.113.${client}`, NODE, 3001, 'TCP');
          return f.kind === 'sent' ? f.to : f.kind;
        }),
      );
      expect(to.size).toBe(1);
      seen.add([...to][0]!);
    }
    expect([...seen].sort()).toEqual([HERE, ELSEWHERE]);
  });

  it('ClientIP: forgotten when its time is over', () => {
    const sticky: ServiceFacts = { ...BASE, spec: { sessionAffinity: 'ClientIP', sessionAffinityTimeout: 60 } };
    node = startProxy(mode, [sticky]);
    const seen = new Set<string>();
    for (let i = 0; i < 12; i++) {
      const f = node.send(OUTSIDE, NODE, 3001, 'TCP');
      seen.add(f.kind === 'sent' ? f.to : f.kind);
      // Longer than the connection of IPVS that keeps the template alive.
      node.net.run(400);
    }
    expect([...seen].sort()).toEqual([HERE, ELSEWHERE]);
  });
});
