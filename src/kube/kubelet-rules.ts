// What the kubelet keeps in the tables of its node (pkg/kubelet/kubelet_network_linux.go): the rule against packets from
// outside to addresses of the loopback (CVE-2020-8558), its canaries, and the chain by which others tell which variant of
// iptables the node uses.

import type { IpTables } from '../netfilter/xtables/ip-tables.ts';
import { NS_PER_S, type Ns } from '../sim/sim.ts';
import { KUBE_FIREWALL } from './chain-name.ts';
import { ensureChain, ensureRule } from './ensure-rules.ts';

/** Its canary, and how often the kubelet looks at it. */
export const KUBELET_CANARY = 'KUBE-KUBELET-CANARY';
export const KUBELET_INTERVAL: Ns = 60 * NS_PER_S;
const HINT = 'KUBE-IPTABLES-HINT';
const MARTIAN =
  '! -s 127.0.0.0/8 -d 127.0.0.0/8 -m comment --comment "block incoming localnet connections" ' +
  '-m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP';

export function ensureKubeletRules(tables: IpTables): void {
  ensureChain(tables, 'mangle', HINT);
  ensureChain(tables, 'filter', KUBE_FIREWALL);
  ensureRule(tables, { table: 'filter', chain: KUBE_FIREWALL, at: 'last' }, MARTIAN);
  for (const chain of ['OUTPUT', 'INPUT']) {
    ensureRule(tables, { table: 'filter', chain, at: 'first' }, `-j ${KUBE_FIREWALL}`);
  }
  for (const table of ['mangle', 'nat', 'filter'] as const) ensureChain(tables, table, KUBELET_CANARY);
}
