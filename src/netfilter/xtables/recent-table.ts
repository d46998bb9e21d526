// Lists of addresses that were seen lately (net/netfilter/xt_recent.c): for each address of a list the times of its last
// packets. Rules of one name share a list; the list is there while a rule has it. kube-proxy keeps session affinity in them.
//
// Limits: ip_list_tot addresses per list, the one that was quiet longest goes first; as many times per address as the
// largest --hitcount asks for, rounded up to a power of two.

import { formatIpv4, type Ipv4 } from '../../addr/ipv4.ts';
import { HZ, jiffiesAt } from '../../sim/jiffies.ts';
import type { Ns } from '../../sim/sim.ts';

/** ip_list_tot (module parameter) */
const ENTRIES_MAX = 100;
/** Times kept per address where a rule does not say how many hits it asks for. */
const STAMPS_DEFAULT = 32;

export interface RecentEntry {
  readonly address: Ipv4;
  ttl: number;
  /** times of its packets, ns, oldest first from `index` on when the ring is full */
  readonly stamps: Ns[];
  /** where the next time goes */
  index: number;
}

export class RecentTable {
  readonly name: string;
  /** times kept per address, a power of two */
  stampsMax = 1;
  /** by address, the quietest first (the kernel's lru_list) */
  readonly entries = new Map<Ipv4, RecentEntry>();

  constructor(name: string) {
    this.name = name;
  }

  /** A rule asks for this many hits, 0 for any. A list that has to keep more times begins anew (recent_table_flush). */
  keep(hits: number): void {
    const wanted = hits === 0 ? STAMPS_DEFAULT : 2 ** Math.ceil(Math.log2(hits));
    if (wanted <= this.stampsMax) return;
    this.stampsMax = wanted;
    this.entries.clear();
  }

  find(address: Ipv4, ttl: number): RecentEntry | null {
    const entry = this.entries.get(address);
    return entry === undefined || (ttl !== 0 && entry.ttl !== 0 && entry.ttl !== ttl) ? null : entry;
  }

  add(address: Ipv4, ttl: number, now: Ns): RecentEntry {
    if (this.entries.size >= ENTRIES_MAX) {
      const [oldest] = this.entries.keys();
      this.entries.delete(oldest!);
    }
    const entry: RecentEntry = { address, ttl, stamps: [now], index: 1 % this.stampsMax };
    this.entries.set(address, entry);
    return entry;
  }

  update(entry: RecentEntry, now: Ns): void {
    entry.index %= this.stampsMax;
    entry.stamps[entry.index] = now;
    entry.index = (entry.index + 1) % this.stampsMax;
    this.entries.delete(entry.address);
    this.entries.set(entry.address, entry);
  }

  remove(entry: RecentEntry): void {
    this.entries.delete(entry.address);
  }

  /** recent_entry_reap(): at most the quietest address goes, when its newest time is older than this. */
  reap(before: Ns): void {
    const [oldest] = this.entries.values();
    if (oldest === undefined) return;
    const newest = oldest.stamps[(oldest.index + oldest.stamps.length - 1) % oldest.stamps.length]!;
    if (newest < before) this.remove(oldest);
  }
}

/** INITIAL_JIFFIES: the kernel's counter begins five minutes before its 32 bits wrap. */
const INITIAL_JIFFIES = 2 ** 32 - 300 * HZ;

/** A list as /proc/net/xt_recent shows it, times in jiffies (recent_seq_show). */
export function recentText(table: RecentTable): string {
  const jiffies = (at: Ns): number => INITIAL_JIFFIES + jiffiesAt(at);
  return [...table.entries.values()]
    .map((e) => {
      const newest = e.stamps[(e.index + e.stamps.length - 1) % e.stamps.length]!;
      const stamps = e.stamps.map((at) => jiffies(at)).join(', ');
      return `src=${formatIpv4(e.address)} ttl: ${e.ttl} last_seen: ${jiffies(newest)} oldest_pkt: ${e.index} ${stamps}\n`;
    })
    .join('');
}
