// Proves which endpoints a node uses: policies, the last resort of terminating ones, hints of zones and nodes, as the rules of
// pkg/proxy/topology.go have it; and which UDP flows are forgotten.

import { describe, expect, it } from 'vitest';
import { parseIpv4 } from '../../src/addr/ipv4.ts';
import { serviceChains } from '../../src/kube/chain-name.ts';
import { chooseEndpoints } from '../../src/kube/endpoint-choice.ts';
import type { ServiceEndpoint, ServicePort } from '../../src/kube/service-port.ts';
import { staleFlows } from '../../src/kube/stale-conntrack.ts';
import type { NfConn } from '../../src/netfilter/conntrack/nf-conn.ts';

const ip = (text: string): number => parseIpv4(text)!;
const HERE = { name: 'node-1', zone: 'a' };

function port(change: Partial<ServicePort> = {}): ServicePort {
  return {
    name: 'default/web',
    service: 'default/web',
    portName: '',
    protocol: 'TCP',
    clusterIP: ip('10.96.0.10'),
    port: 80,
    nodePort: 0,
    externalIPs: [],
    loadBalancerVIPs: [],
    sourceRanges: [],
    affinity: 0,
    healthCheckNodePort: 0,
    internalLocal: false,
    externalLocal: false,
    chains: serviceChains('default/web', 'tcp'),
    ...change,
  };
}

/** `name node[ zone] flags`: r ready, s serving, t terminating; z:a hint of a zone, n:x of a node. */
function endpoint(text: string): ServiceEndpoint {
  const [name, nodeName, flags, ...hints] = text.split(' ') as [string, string, string, ...string[]];
  const of = (kind: string): string[] => hints.filter((h) => h.startsWith(kind)).map((h) => h.slice(2));
  return {
    address: ip('10.244.0.1'),
    port: 80,
    text: name,
    chain: '',
    ready: flags.includes('r'),
    serving: flags.includes('s'),
    terminating: flags.includes('t'),
    nodeName,
    zone: null,
    forZones: of('z:'),
    forNodes: of('n:'),
  };
}

function chosen(change: Partial<ServicePort>, ...texts: string[]): string {
  const { cluster, local, reachable, any } = chooseEndpoints(port(change), texts.map(endpoint), HERE);
  const names = (list: readonly ServiceEndpoint[]): string => list.map((e) => e.text).join('');
  return `cluster ${names(cluster)} local ${names(local)} reachable ${names(reachable)}${any ? '' : ' none'}`;
}

describe('the policy Cluster', () => {
  it('uses every ready endpoint', () => {
    expect(chosen({}, 'a node-1 rs', 'b node-2 rs', 'c node-2 -')).toBe('cluster ab local  reachable ab');
  });

  it('with no ready one anywhere, those that serve while they terminate', () => {
    expect(chosen({}, 'a node-1 st', 'b node-2 st', 'c node-2 t')).toBe('cluster ab local  reachable ab');
    expect(chosen({}, 'a node-1 st', 'b node-2 rs')).toBe('cluster b local  reachable b');
  });

  it('with none at all there is nobody', () => {
    expect(chosen({}, 'a node-1 -', 'b node-1 s')).toBe('cluster  local  reachable  none');
    expect(chosen({})).toBe('cluster  local  reachable  none');
  });
});

describe('the policy Local', () => {
  const external = { externalLocal: true, nodePort: 30_080 };

  it('keeps external traffic here and the rest everywhere', () => {
    expect(chosen(external, 'a node-1 rs', 'b node-2 rs')).toBe('cluster ab local a reachable ab');
  });

  it('uses terminating local endpoints when no local one is ready, and names them too', () => {
    expect(chosen(external, 'a node-1 st', 'b node-2 rs')).toBe('cluster b local a reachable ab');
  });

  it('knows that there are endpoints elsewhere: dropped, not rejected', () => {
    expect(chosen(external, 'b node-2 rs')).toBe('cluster b local  reachable b');
    expect(chosen({ internalLocal: true }, 'b node-2 rs')).toBe('cluster  local  reachable ');
    expect(chosen({ internalLocal: true }, 'b node-2 -')).toBe('cluster  local  reachable  none');
  });

  it('means nothing for external traffic that cannot come', () => {
    expect(chosen({ externalLocal: true }, 'a node-1 rs', 'b node-2 rs')).toBe('cluster ab local  reachable ab');
  });
});

describe('hints', () => {
  it('of zones count when every ready endpoint has one and one names this zone', () => {
    expect(chosen({}, 'a node-1 rs z:a', 'b node-2 rs z:b')).toBe('cluster a local  reachable a');
    expect(chosen({}, 'a node-1 rs z:a', 'b node-2 rs')).toBe('cluster ab local  reachable ab');
    expect(chosen({}, 'a node-1 rs z:b', 'b node-2 rs z:c')).toBe('cluster ab local  reachable ab');
  });

  it('of nodes come first; without one for this node the zones decide', () => {
    expect(chosen({}, 'a node-1 rs z:a n:node-1', 'b node-2 rs z:a n:node-2')).toBe('cluster a local  reachable a');
    expect(chosen({}, 'b node-2 rs z:a n:node-2', 'c node-3 rs z:b n:node-3')).toBe('cluster b local  reachable b');
  });
});

describe('flows to forget', () => {
  const flow = (proto: number, dst: string, dport: number, replySource: string, replyPort: number): NfConn =>
    ({ proto, oDst: ip(dst), oDport: dport, rSrc: ip(replySource), rSport: replyPort }) as NfConn;
  const dns = port({ protocol: 'UDP', port: 53, nodePort: 30_053, externalIPs: [ip('192.168.99.1')] });
  const serving = { ...endpoint('a node-1 rs'), address: ip('10.244.1.2'), port: 5353 };

  it('are UDP flows to a Service that no serving endpoint answers', () => {
    const stale = staleFlows([{ port: dns, endpoints: [serving], choice: chooseEndpoints(dns, [serving], HERE) }])!;
    expect(stale(flow(17, '10.96.0.10', 53, '10.244.1.2', 5353))).toBe(false);
    expect(stale(flow(17, '10.96.0.10', 53, '10.244.1.9', 5353))).toBe(true);
    // From a time without endpoints: not translated at all.
    expect(stale(flow(17, '10.96.0.10', 53, '10.96.0.10', 53))).toBe(true);
    expect(stale(flow(17, '192.168.99.1', 53, '10.244.1.9', 5353))).toBe(true);
    expect(stale(flow(17, '10.0.1.1', 30_053, '10.244.1.9', 5353))).toBe(true);
    expect(stale(flow(6, '10.96.0.10', 53, '10.244.1.9', 5353))).toBe(false);
    expect(stale(flow(17, '10.96.0.10', 54, '10.244.1.9', 5353))).toBe(false);
  });

  it('one that serves while it terminates keeps its flows', () => {
    const leaving = { ...serving, ready: false, terminating: true };
    const stale = staleFlows([{ port: dns, endpoints: [leaving], choice: chooseEndpoints(dns, [leaving], HERE) }])!;
    expect(stale(flow(17, '10.96.0.10', 53, '10.244.1.2', 5353))).toBe(false);
  });

  it('a Service without endpoints, and one of TCP, leave everything alone', () => {
    const none = chooseEndpoints(dns, [], HERE);
    expect(staleFlows([{ port: dns, endpoints: [], choice: none }])).toBeNull();
    expect(staleFlows([{ port: port(), endpoints: [serving], choice: none }])).toBeNull();
  });
});
