// How kubelet and kube-proxy notice that somebody flushed the tables (pkg/util/iptables Monitor): a chain of theirs that nobody
// uses, in three tables. When it is gone from the first, they wait for the others to go as well, and write everything anew.
//
// The real ones look every so often. Here the tables tell of a change, and only then is there a time at which to look: a
// cluster in which nothing happens has no timers.

import type { TableName } from '../netfilter/xtables/ip-table.ts';
import type { IpTables } from '../netfilter/xtables/ip-tables.ts';
import { NS_PER_MS, NS_PER_S, type Ns, type Sim, type Timer } from '../sim/sim.ts';
import { ensureChain } from './ensure-rules.ts';

const TABLES: readonly TableName[] = ['mangle', 'nat', 'filter'];
/** iptablesFlushPollTime, iptablesFlushTimeout */
const FLUSH_POLL: Ns = 200 * NS_PER_MS;
const FLUSH_TIMEOUT: Ns = 5 * NS_PER_S;

export interface CanaryOptions {
  readonly sim: Sim;
  readonly tables: IpTables;
  readonly chain: string;
  /** between two looks, counted from the start */
  readonly interval: Ns;
  /** writes everything that was flushed */
  readonly reload: () => void;
}

/** Makes the chains, and calls `reload` whenever they were flushed. */
export function monitorTables(options: CanaryOptions): void {
  const { sim, tables, chain, interval, reload } = options;
  const began = sim.now;
  let pending: Timer | null = null;
  const sing = (): void => {
    for (const table of TABLES) ensureChain(tables, table, chain);
  };
  const gone = (table: TableName): boolean => tables.table(table)?.chains.has(chain) !== true;
  const reloadNow = (): void => {
    pending = null;
    sing();
    reload();
  };
  const waitForAll = (until: Ns): void => {
    if (TABLES.every(gone) || sim.now >= until) reloadNow();
    else pending = sim.after(FLUSH_POLL, () => waitForAll(until));
  };
  const look = (): void => {
    pending = null;
    if (gone(TABLES[0]!)) waitForAll(sim.now + FLUSH_TIMEOUT);
  };
  sing();
  const told = tables.onChange;
  tables.onChange = () => {
    told?.();
    if (pending !== null || !gone(TABLES[0]!)) return;
    pending = sim.after(interval - ((sim.now - began) % interval), look);
  };
}
