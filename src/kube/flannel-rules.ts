// flanneld's masquerading and forwarding (flannel pkg/trafficmngr/iptables): pods talk to each other with their own addresses,
// to everybody else with the node's.

import { formatIpv4Prefix, type Ipv4Prefix } from '../addr/ipv4.ts';
import type { IpTables } from '../netfilter/ip-tables.ts';
import { ensureChain, ensureRule } from './ensure-rules.ts';
import { MASQUERADE_MARK } from './proxy-rules.ts';

const POSTRTG = 'FLANNEL-POSTRTG';
const FWD = 'FLANNEL-FWD';
const NOTE = '-m comment --comment "flanneld masq"';
const FORWARD_NOTE = '-m comment --comment "flanneld forward"';

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
