// IP identification for packets without a connected socket (net/ipv4/route.c __ip_select_ident): counters in hash
// buckets keyed by source, destination and protocol. The kernel adds a random jump that grows with idle time; here a
// bucket starts at a seeded value and counts by one, so that a run repeats. 0 is left out: a reader takes it for "none".

import type { Ipv4 } from '../addr/ipv4.ts';
import type { NetNamespace } from './netns.ts';

/** ip_idents_mask of a small machine: 2048 buckets. */
const BUCKETS = 2_048;

export class IpIdentification {
  readonly #netns: NetNamespace;
  readonly #key: number;
  #counters: Uint16Array | null = null;

  constructor(netns: NetNamespace) {
    this.#netns = netns;
    this.#key = netns.world.rng(`${netns.label}/ip-id`).u32() | 0;
  }

  /** 1..65535 */
  next(source: Ipv4, destination: Ipv4, protocol: number): number {
    let counters = this.#counters;
    if (counters === null) {
      counters = new Uint16Array(BUCKETS);
      const rng = this.#netns.world.rng(`${this.#netns.label}/ip-id/start`);
      for (let i = 0; i < BUCKETS; i++) counters[i] = rng.u32();
      this.#counters = counters;
    }
    let h = Math.imul(source ^ this.#key, 0x7feb352d) ^ destination;
    h = Math.imul(h ^ (h >>> 15), 0x846ca68b) ^ protocol;
    h ^= h >>> 16;
    const i = h & (BUCKETS - 1);
    let id = (counters[i]! + 1) & 0xffff;
    if (id === 0) id = 1;
    counters[i] = id;
    return id;
  }
}
