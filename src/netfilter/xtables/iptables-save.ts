// iptables-save: a table as iptables-restore takes it (iptables 1.8.9, nf_tables: xtables-save.c, nft.c nft_chain_save).

import type { Chain } from './chain.ts';
import type { IpTable } from './ip-table.ts';
import { saveRule } from './rule-text.ts';

/** Built-in chains by hook, then the users' by name: the order in which nf_tables' iptables keeps them. */
export function orderedChains(table: IpTable): readonly Chain[] {
  const own = [...table.chains.values()];
  return [
    ...own.filter((c) => c.hook !== null),
    ...own.filter((c) => c.hook === null).sort((a, b) => (a.name < b.name ? -1 : 1)),
  ];
}

export function formatTable(table: IpTable, options: { readonly counters: boolean }): string {
  const chains = orderedChains(table);
  let text = `*${table.name}\n`;
  for (const chain of chains) {
    text += `:${chain.name} ${chain.hook === null ? '-' : chain.policy} [${chain.packets}:${chain.bytes}]\n`;
  }
  for (const chain of chains) {
    for (const rule of chain.rules) {
      if (options.counters) text += `[${rule.packets}:${rule.bytes}] `;
      text += `-A ${chain.name}${saveRule(rule)}\n`;
    }
  }
  return `${text}COMMIT\n`;
}
