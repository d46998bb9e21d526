// What a match or target may use when it compiles itself: the namespace, and the tables that outlive a rule.

import type { Conntrack } from '../conntrack/conntrack.ts';
import type { IpSets } from '../ipset/ip-sets.ts';
import type { NetfilterHost } from '../netfilter-host.ts';

/** What rules share by name: lists of -m recent, tables of -m hashlimit. There while a rule names it. */
export class SharedTables {
  readonly #tables = new Map<string, unknown>();

  /** The table of this key; `make` is called when it is not there. A key has one type: it begins with its match's name. */
  table<T>(key: string, make: () => T): T {
    if (!this.#tables.has(key)) this.#tables.set(key, make());
    return this.#tables.get(key) as T;
  }

  /** The table of this key, null when there is none. */
  find(key: string): unknown {
    return this.#tables.get(key) ?? null;
  }

  keys(): readonly string[] {
    return [...this.#tables.keys()];
  }

  /** Forgets those that no rule names any more. */
  keepOnly(keys: ReadonlySet<string>): void {
    for (const key of [...this.#tables.keys()]) if (!keys.has(key)) this.#tables.delete(key);
  }
}

export interface CompileContext {
  readonly host: NetfilterHost;
  readonly shared: SharedTables;
  readonly sets: IpSets;
  /** null where nobody tracks (tests of tables alone) */
  readonly conntrack: Conntrack | null;
  /** name of the table that the rule stands in */
  readonly table: string;
}
