// flanneld's masquerading and forwarding (flannel pkg/trafficmngr/iptables): pods talk to each other with their own addresses,
// to everybody else with the node's.

import { formatIpv4Prefix, type Ipv4Prefix } from '../addr/ipv4.ts';
import type { IpTables } from '../netfilter/xtables/ip-tables.ts';
import { NS_PER_S, type Ns, type Sim } from '../sim/sim.ts';
import { ensureChain, ensureRule, restore } from './ensure-rules.ts';
import { MASQUERADE_MARK } from './proxy-rules.ts';

const POSTRTG = 'FLANNEL-POSTRTG';
const FWD = 'FLANNEL-FWD';
const NOTE = '-m comment --comment "flanneld masq"';
const FORWARD_NOTE = '-m comment --comment "flanneld forward"';

/** iptables-resync: how often flanneld looks at its rules. */
const RESYNC: Ns = 5 * NS_PER_S;
/** Rules of its chains. */
const RULES = { nat: 6, filter: 2 } as const;

/** Writes the rules, and again at the next look when somebody took one away (as canary.ts: no timer without a change). */
export function keepFlannelRules(
  tables: IpTables,
  where: { readonly sim: Sim; readonly podCIDR: Ipv4Prefix; readonly clusterCIDR: Ipv4Prefix },
): void {
  const { sim, podCIDR, clusterCIDR } = where;
  ensureFlannelRules(tables, podCIDR, clusterCIDR);
  const began = sim.now;
  let pending = false;
  const whole = (): boolean => {
    const chain = (table: 'nat' | 'filter', name: string) => tables.table(table)?.chains.get(name)?.rules ?? [];
    const jumps = (table: 'nat' | 'filter', from: string, to: string): boolean =>
      chain(table, from).some((r) => r.jump === to);
    return (
      chain('nat', POSTRTG).length === RULES.nat &&
      chain('filter', FWD).length === RULES.filter &&
      jumps('nat', 'POSTROUTING', POSTRTG) &&
      jumps('filter', 'FORWARD', FWD)
    );
  };
  const told = tables.onChange;
  tables.onChange = () => {
    told?.();
    if (pending || whole()) return;
    pending = true;
    sim.after(RESYNC - ((sim.now - began) % RESYNC), () => {
      // What is left of the chains goes first: their order counts.
      for (const [table, name] of [
        ['nat', POSTRTG],
        ['filter', FWD],
      ] as const) {
        if (!whole()) restore(tables, `*${table}\n:${name} - [0:0]\nCOMMIT\n`);
      }
      ensureFlannelRules(tables, podCIDR, clusterCIDR);
      pending = false;
    });
  };
}

export function ensureFlannelRules(tables: IpTables, podCIDR: Ipv4Prefix, clusterCIDR: Ipv4Prefix): void {
  const own = formatIpv4Prefix(podCIDR);
  const all = formatIpv4Prefix(clusterCIDR);
  ensureChain(tables, 'nat', POSTRTG);
  ensureRule(tables, { table: 'nat', chain: 'POSTROUTING', at: 'last' }, `${NOTE} -j ${POSTRTG}`);
  for (const rule of [
    // kube-proxy masquerades these itself.
    `-m mark --mark ${MASQUERADE_MARK}/${MASQUERADE_MARK} ${NOTE} -j RETURN`,
    `-s ${own} -d ${all} ${NOTE} -j RETURN`,
    `-s ${all} -d ${own} ${NOTE} -j RETURN`,
    `! -s ${all} -d ${own} ${NOTE} -j RETURN`,
    `-s ${all} ! -d 224.0.0.0/4 ${NOTE} -j MASQUERADE --random-fully`,
    `! -s ${all} -d ${all} ${NOTE} -j MASQUERADE --random-fully`,
  ]) {
    ensureRule(tables, { table: 'nat', chain: POSTRTG, at: 'last' }, rule);
  }
  ensureChain(tables, 'filter', FWD);
  ensureRule(tables, { table: 'filter', chain: 'FORWARD', at: 'last' }, `${FORWARD_NOTE} -j ${FWD}`);
  for (const rule of [`-s ${all} ${FORWARD_NOTE} -j ACCEPT`, `-d ${all} ${FORWARD_NOTE} -j ACCEPT`]) {
    ensureRule(tables, { table: 'filter', chain: FWD, at: 'last' }, rule);
  }
}
