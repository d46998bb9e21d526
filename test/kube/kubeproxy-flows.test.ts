// Proves that packets fare as upstream's own tests of kube-proxy expect (pkg/proxy/iptables/proxier_test.go, the facts in
// ../shared/corpora/k8s-kubeproxy): each flow is a packet through an emulated node, judged by the bytes that leave it.

import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { parseIpv4Prefix } from '../../src/addr/ipv4.ts';
import type { KubeProxySpec } from '../../src/kube/kube-proxy-spec.ts';
import type { Fate, FlowNode, FlowProtocol } from './flow-node.ts';
import { type ServiceFacts, startProxy } from './proxy-rig.ts';

const file = resolve(import.meta.dirname, '../../../shared/corpora/k8s-kubeproxy/flows-a.yaml');
const present = existsSync(file);
if (!present) console.warn('skipped: ../shared/corpora/k8s-kubeproxy is not there, which holds the expected flows');

type Flow = readonly [
  source: string,
  destination: string,
  port: number,
  protocol: FlowProtocol,
  output: string,
  masquerade?: boolean | null,
];
interface Case {
  readonly test: string;
  readonly service?: ServiceFacts;
  readonly services?: readonly ServiceFacts[];
  readonly flows: readonly Flow[];
}

const cases: readonly Case[] = present ? parse(readFileSync(file, 'utf8')) : [];
/** Enough that every endpoint of a few has its turn. */
const TRIES = 40;

let node: FlowNode | null = null;
afterEach(() => {
  const left = node?.close() ?? 0;
  node = null;
  expect(left).toBe(0);
});

function start(
  mode: KubeProxySpec['mode'],
  facts: readonly ServiceFacts[],
  given: Partial<KubeProxySpec> = {},
): FlowNode {
  node = startProxy(mode, facts, given);
  return node;
}

/** What became of a flow, in the words of the corpus; a flow with a choice is tried until every choice has come. */
function outcome(
  on: FlowNode,
  [source, destination, port, protocol]: Flow,
  output: string,
): { output: string; masquerade: boolean | null } {
  const fates: Fate[] = [];
  const tries = output.includes(',') ? TRIES : 1;
  for (let i = 0; i < tries; i++) fates.push(on.send(source, destination, port, protocol));
  const [first] = fates;
  if (first!.kind !== 'sent') {
    expect(fates.every((f) => f.kind === first!.kind)).toBe(true);
    return { output: first!.kind === 'untouched' ? '' : first!.kind, masquerade: null };
  }
  const sent = fates.filter((f) => f.kind === 'sent');
  expect(sent).toHaveLength(fates.length);
  const masquerade = sent[0]!.masqueraded;
  expect(sent.every((f) => f.masqueraded === masquerade)).toBe(true);
  return { output: [...new Set(sent.map((f) => f.to))].sort().join(', '), masquerade };
}

/**
 * Where a mode differs by design, and how (k8s-behaviour 6.5, 6.6, upstream's own tests of that mode). The corpus has the flows
 * of TestNodePorts for IPv6 too: they apply when the stack has IPv6.
 */
const DIFFERENT: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  iptables: {},
  ipvs: {
    // A limit of podwire, not of Linux: its IPVS has no SCTP, so the packet is the node's own and goes nowhere.
    '10.180.0.2 172.30.0.42 53 SCTP': '',
    // A virtual address is one of the node's own: ports that no Service has are rejected there (kubernetes#72236).
    '10.180.0.2 172.30.0.42 80 UDP': 'REJECT',
    '10.180.0.2 172.30.0.41 443 TCP': 'REJECT',
    // Node ports never answered at the loopback address in this mode.
    '127.0.0.1 127.0.0.1 3001 TCP': '',
  },
  nftables: {
    '10.180.0.2 172.30.0.42 80 UDP': 'REJECT',
    '10.180.0.2 172.30.0.41 443 TCP': 'REJECT',
    // By default node ports answer at the primary address only, and never at the loopback address.
    '127.0.0.1 127.0.0.1 3001 TCP': '',
    '203.0.113.2 192.168.1.2 3001 TCP': '',
  },
};

const MODES = ['iptables', 'ipvs', 'nftables'] as const;

describe.each(MODES)('mode %s', (mode) => {
  it('leaves alone what is no Service of its', () => {
    expect(start(mode, []).send('10.0.0.2', '203.0.113.9', 80, 'TCP').kind).toBe('untouched');
  });

  describe.each(cases.map((c) => [c.test.replace(/ .*/, ''), c] as const))('%s', (_name, facts) => {
    const services = facts.services ?? [facts.service!];
    const flows = facts.flows.map((flow) => {
      const different = DIFFERENT[mode]![flow.slice(0, 4).join(' ')];
      const output = different === undefined ? flow[4] : different;
      const title = `${flow[0]} -> ${flow[1]}:${flow[2]}/${flow[3]}: ${output === '' ? 'left alone' : output}`;
      return { title, flow, output };
    });
    for (const { title, flow, output } of flows) {
      it(title, () => {
        const seen = outcome(start(mode, services), flow, output);
        expect(seen.output).toBe(output);
        if (typeof flow[5] === 'boolean' && seen.masquerade !== null) expect(seen.masquerade).toBe(flow[5]);
      });
    }
  });
});

describe.skipIf(!present)('settings that change the fate of node ports', () => {
  const facts = cases.find((c) => c.test.startsWith('TestNodePorts'));
  const services = facts === undefined ? [] : [facts.service!];

  it('localhostNodePorts false: 127.0.0.1 is left alone', () => {
    const on = start('iptables', services, { localhostNodePorts: false });
    expect(on.send('127.0.0.1', '127.0.0.1', 3001, 'TCP').kind).toBe('untouched');
    expect(on.send('203.0.113.2', '192.168.0.2', 3001, 'TCP').kind).toBe('sent');
  });

  it.each(MODES)('nodePortAddresses without the second address: there it is left alone (%s)', (mode) => {
    const on = start(mode, services, { nodePortAddresses: [parseIpv4Prefix('192.168.0.0/24')!] });
    expect(on.send('203.0.113.2', '192.168.1.2', 3001, 'TCP').kind).toBe('untouched');
    expect(on.send('203.0.113.2', '192.168.0.2', 3001, 'TCP').kind).toBe('sent');
  });
});

describe('the corpus', () => {
  it.skipIf(!present)('has the flows that this file was written for', () => {
    expect(cases.map((c) => [c.test.replace(/ .*/, ''), c.flows.length])).toEqual([
      ['TestNoEndpointsReject', 6],
      ['TestClusterIPGeneral', 9],
      ['TestNodePorts', 5],
    ]);
  });
});
