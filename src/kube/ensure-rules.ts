// Rules and chains that daemons keep in tables they share with others (pkg/util/iptables EnsureChain and EnsureRule): made
// when they are not there, left alone when they are.

import { assert } from '../base/assert.ts';
import type { TableName } from '../netfilter/xtables/ip-table.ts';
import type { IpTables } from '../netfilter/xtables/ip-tables.ts';
import { saveRule } from '../netfilter/xtables/rule-text.ts';

export function ensureChain(tables: IpTables, table: TableName, chain: string): void {
  if (tables.ensure(table).chains.has(chain)) return;
  restore(tables, `*${table}\n:${chain} - [0:0]\nCOMMIT\n`);
}

/**
 * @param rule behind the chain's name, in the form in which iptables-save writes it
 */
export function ensureRule(
  tables: IpTables,
  where: { readonly table: TableName; readonly chain: string; readonly at: 'first' | 'last' },
  rule: string,
): void {
  const { table, chain, at } = where;
  const rules = tables.ensure(table).chains.get(chain)?.rules ?? [];
  if (rules.some((r) => saveRule(r).trim() === rule)) return;
  restore(tables, `*${table}\n${at === 'first' ? '-I' : '-A'} ${chain} ${rule}\nCOMMIT\n`);
}

/** Rules of our own making are always taken. */
export function restore(tables: IpTables, text: string): void {
  const error = tables.restore(text, { noFlush: true, counters: true });
  assert(error === null, `iptables-restore: ${JSON.stringify(error)}`);
}
