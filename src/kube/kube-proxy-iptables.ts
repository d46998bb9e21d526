// kube-proxy in iptables mode (pkg/proxy/iptables/proxier.go): a full sync ensures chains and jumps and writes every rule, a
// partial one writes the fixed chains and those of the Services that changed. Chains that nobody uses any more go with it.

import type { TableName } from '../netfilter/xtables/ip-table.ts';
import type { IpTables } from '../netfilter/xtables/ip-tables.ts';
import {
  isServiceChain,
  KUBE_EXTERNAL_SERVICES,
  KUBE_FIREWALL,
  KUBE_FORWARD,
  KUBE_NODEPORTS,
  KUBE_POSTROUTING,
  KUBE_PROXY_CANARY,
  KUBE_PROXY_FIREWALL,
  KUBE_SERVICES,
} from './chain-name.ts';
import { ensureChain, ensureRule, restore } from './ensure-rules.ts';
import type { ProxyMode } from './kube-proxy.ts';
import { type ProxyRuleSettings, proxyRules } from './proxy-rules.ts';
import type { ProxyPort } from './proxy-state.ts';

const NEW = '-m conntrack --ctstate NEW ';

/** iptablesJumpChains: each is put first, so the last of a chain comes out on top. */
const JUMPS: readonly (readonly [table: TableName, from: string, match: string, comment: string, to: string])[] = [
  ['filter', 'INPUT', NEW, 'kubernetes externally-visible service portals', KUBE_EXTERNAL_SERVICES],
  ['filter', 'FORWARD', NEW, 'kubernetes externally-visible service portals', KUBE_EXTERNAL_SERVICES],
  ['filter', 'INPUT', '', 'kubernetes health check service ports', KUBE_NODEPORTS],
  ['filter', 'FORWARD', NEW, 'kubernetes service portals', KUBE_SERVICES],
  ['filter', 'OUTPUT', NEW, 'kubernetes service portals', KUBE_SERVICES],
  ['filter', 'FORWARD', '', 'kubernetes forwarding rules', KUBE_FORWARD],
  ['filter', 'INPUT', NEW, 'kubernetes load balancer firewall', KUBE_PROXY_FIREWALL],
  ['filter', 'OUTPUT', NEW, 'kubernetes load balancer firewall', KUBE_PROXY_FIREWALL],
  ['filter', 'FORWARD', NEW, 'kubernetes load balancer firewall', KUBE_PROXY_FIREWALL],
  ['nat', 'OUTPUT', '', 'kubernetes service portals', KUBE_SERVICES],
  ['nat', 'PREROUTING', '', 'kubernetes service portals', KUBE_SERVICES],
  ['nat', 'POSTROUTING', '', 'kubernetes postrouting rules', KUBE_POSTROUTING],
  ['filter', 'INPUT', '', '', KUBE_FIREWALL],
  ['filter', 'OUTPUT', '', '', KUBE_FIREWALL],
];

export class IptablesMode implements ProxyMode {
  readonly #tables: IpTables;
  readonly #settings: () => ProxyRuleSettings;

  /** @param settings asked at each sync: addresses of the node may have changed */
  constructor(tables: IpTables, settings: () => ProxyRuleSettings) {
    this.#tables = tables;
    this.#settings = settings;
  }

  sync(ports: readonly ProxyPort[], changed: ReadonlySet<string> | null): void {
    const tables = this.#tables;
    if (changed === null) {
      for (const [table, from, match, comment, to] of JUMPS) {
        ensureChain(tables, table, to);
        const label = comment === '' ? '' : `-m comment --comment "${comment}" `;
        ensureRule(tables, { table, chain: from, at: 'first' }, `${match}${label}-j ${to}`);
      }
      for (const table of ['mangle', 'nat', 'filter'] as const) ensureChain(tables, table, KUBE_PROXY_CANARY);
    }
    const planned = ports.map(({ port, choice }) => ({
      port,
      choice,
      changed: changed === null || changed.has(port.service),
    }));
    const existing = [...(tables.table('nat')?.chains.keys() ?? [])].filter(isServiceChain);
    restore(tables, proxyRules(planned, this.#settings(), existing).text);
  }
}
