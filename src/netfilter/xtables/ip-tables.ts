// The rules of one namespace: the five tables of IPv4, and what outlives a rule (interface patterns). Made with the first
// rule; netfilter.ts asks the tables, hook by hook, in the order of their priorities.

import type { Conntrack } from '../conntrack/conntrack.ts';
import { IpSets } from '../ipset/ip-sets.ts';
import type { NetfilterHost } from '../netfilter-host.ts';
import { SharedTables } from './compile-context.ts';
import { InterfacePatterns } from './interface-matcher.ts';
import { IpTable, TABLE_NAMES, type TableName } from './ip-table.ts';
import { type RestoreError, type RestoreOptions, restoreTables } from './iptables-restore.ts';
import { formatTable } from './iptables-save.ts';
import { RecentTable } from './recent-table.ts';

export type { RestoreError, RestoreOptions } from './iptables-restore.ts';

export class IpTables {
  readonly host: NetfilterHost;
  /** Called after each change of rules, chains or policies (not of counters): hooks and conntrack may be needed anew. */
  onChange: (() => void) | null = null;
  /** ipset's sets of this namespace */
  readonly sets: IpSets;
  readonly #shared = new SharedTables();
  readonly #patterns: InterfacePatterns;
  readonly #indexed: boolean;
  readonly #conntrack: Conntrack | null;
  readonly #tables = new Map<TableName, IpTable>();

  /** @param options.indexed false: chains are walked rule by rule as Linux does (the oracle of tests and benchmarks) */
  constructor(host: NetfilterHost, options: { readonly indexed?: boolean; readonly conntrack?: Conntrack } = {}) {
    this.host = host;
    this.sets = new IpSets(host.sim);
    this.sets.ruleReferences = (name) => this.#rulesWithSet(name);
    this.#patterns = new InterfacePatterns(host);
    this.#indexed = options.indexed ?? true;
    this.#conntrack = options.conntrack ?? null;
  }

  /** The table, null as long as no command has named it. */
  table(name: TableName): IpTable | null {
    return this.#tables.get(name) ?? null;
  }

  /** The table; made when it is not there (nft_xt_builtin_init). */
  ensure(name: TableName): IpTable {
    const table = this.#tables.get(name) ?? this.unmade(name);
    this.#tables.set(name, table);
    return table;
  }

  /** An empty table of this name that packets do not see: what commands that only look are shown. */
  unmade(name: TableName): IpTable {
    return new IpTable(name, {
      host: this.host,
      patterns: this.#patterns,
      context: { host: this.host, shared: this.#shared, sets: this.sets, conntrack: this.#conntrack, table: name },
      indexed: this.#indexed,
    });
  }

  /** Takes in a table that was made with unmade(). */
  add(table: IpTable): void {
    this.#tables.set(table.name, table);
  }

  /** Rules, chains or policies have changed: what rules share by name is there while one names it. */
  changed(): void {
    const named = new Set<string>();
    for (const table of this.#tables.values()) {
      for (const chain of table.chains.values()) {
        for (const rule of chain.rules) {
          for (const match of rule.matches) if (match.claim !== undefined) named.add(match.claim(this.#shared));
        }
      }
    }
    this.#shared.keepOnly(named);
    this.onChange?.();
  }

  /** The lists of -m recent, in the order in which they were made. */
  recentTables(): readonly RecentTable[] {
    const tables = this.#shared.keys().map((key) => this.#shared.find(key));
    return tables.filter((table) => table instanceof RecentTable);
  }

  #rulesWithSet(name: string): number {
    let count = 0;
    for (const table of this.#tables.values()) {
      for (const chain of table.chains.values()) {
        for (const rule of chain.rules) {
          for (const user of [...rule.matches, rule.target]) if (user?.sets?.includes(name) === true) count++;
        }
      }
    }
    return count;
  }

  /** True when a rule or a table needs conntrack in this namespace (the nat table, -m conntrack, -j CT ...). */
  get usesConntrack(): boolean {
    if (this.#tables.has('nat')) return true;
    for (const table of this.#tables.values()) if (table.usesConntrack) return true;
    return false;
  }

  /**
   * iptables-restore: all of `text` or nothing of the table in which the mistake is.
   * @returns null, or what is wrong and where (line and column from 1)
   */
  restore(text: string, options: RestoreOptions): RestoreError | null {
    return restoreTables(this, text, options);
  }

  /** iptables-save: the tables that are there, in the order of nf_tables, or one. Without comments (no dates). */
  save(name: TableName | null, options: { readonly counters: boolean }): string {
    const names = name === null ? TABLE_NAMES : [name];
    return names
      .map((n) => this.table(n))
      .filter((table) => table !== null)
      .map((table) => formatTable(table, options))
      .join('');
  }
}
