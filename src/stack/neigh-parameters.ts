// Timers and limits of a device's neighbours (struct neigh_parms, net/core/neighbour.c; net/ipv4/arp.c arp_tbl), under
// their sysctl names. Values are kept in the unit that /proc/sys shows.

export const NEIGH_DEFAULTS = {
  /** milliseconds */
  base_reachable_time_ms: 30_000,
  /** milliseconds */
  retrans_time_ms: 1_000,
  /** seconds */
  delay_first_probe_time: 5,
  /** seconds */
  gc_stale_time: 60,
  mcast_solicit: 3,
  ucast_solicit: 3,
  app_solicit: 0,
  mcast_resolicit: 0,
  /** packets of about 1500 bytes; the other view of unres_qlen_bytes */
  unres_qlen: 101,
  /** bytes of buffer (truesize) */
  unres_qlen_bytes: 212_992,
  proxy_qlen: 64,
  /** 1/100 s */
  anycast_delay: 100,
  /** 1/100 s */
  proxy_delay: 80,
  /** 1/100 s */
  locktime: 100,
} as const;
export type NeighParameterName = keyof typeof NEIGH_DEFAULTS;

const MS = 1_000_000;
/** SKB_TRUESIZE(ETH_FRAME_LEN), the kernel's packet for converting unres_qlen to bytes: 212992 / 101. */
const UNRES_PACKET = 2_108;

export class NeighParameters {
  readonly #values: Record<NeighParameterName, number> = { ...NEIGH_DEFAULTS };

  clone(): NeighParameters {
    const copy = new NeighParameters();
    Object.assign(copy.#values, this.#values);
    return copy;
  }

  read(name: NeighParameterName): string {
    return String(this.#values[name]);
  }

  /** False when the value is out of range. */
  write(name: NeighParameterName, value: number): boolean {
    if (value < 0 || value > 0x7fffffff) return false;
    this.#values[name] = value;
    if (name === 'unres_qlen') this.#values.unres_qlen_bytes = value * UNRES_PACKET;
    if (name === 'unres_qlen_bytes') this.#values.unres_qlen = Math.floor(value / UNRES_PACKET);
    return true;
  }

  get baseReachableTime(): number {
    return this.#values.base_reachable_time_ms * MS;
  }
  get retransTime(): number {
    return this.#values.retrans_time_ms * MS;
  }
  get delayProbeTime(): number {
    return this.#values.delay_first_probe_time * 1_000 * MS;
  }
  get gcStaleTime(): number {
    return this.#values.gc_stale_time * 1_000 * MS;
  }
  get lockTime(): number {
    return this.#values.locktime * 10 * MS;
  }
  get proxyDelay(): number {
    return this.#values.proxy_delay * 10 * MS;
  }
  get multicastProbes(): number {
    return this.#values.mcast_solicit;
  }
  get unicastProbes(): number {
    return this.#values.ucast_solicit;
  }
  get multicastReprobes(): number {
    return this.#values.mcast_resolicit;
  }
  get queueBytes(): number {
    return this.#values.unres_qlen_bytes;
  }
  get proxyQueue(): number {
    return this.#values.proxy_qlen;
  }
}
