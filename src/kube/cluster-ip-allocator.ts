// Cluster addresses of Services (pkg/registry/core/service/ipallocator): the service CIDR without its network and broadcast
// address. A lower band is kept free for addresses that people choose; automatic allocation draws above it and goes into the
// band only when nothing else is left (KEP-3070).

import { formatIpv4, formatIpv4Prefix, type Ipv4, type Ipv4Prefix, ipv4InPrefix } from '../addr/ipv4.ts';
import type { Rng } from '../base/rng.ts';

export type ClusterIpAllocation = { readonly address: Ipv4 } | { readonly error: string };

/** min(max(16, size/16), 256), 0 up to 16 addresses (ipallocator.go calculateRangeOffset) */
export function clusterIpBand(size: number): number {
  return size <= 16 ? 0 : Math.min(Math.max(16, Math.floor(size / 16)), 256);
}

export class ClusterIpAllocator {
  readonly cidr: Ipv4Prefix;
  /** addresses that can be given */
  readonly max: number;
  readonly #band: number;
  readonly #used = new Set<Ipv4>();
  readonly #rng: Rng;

  constructor(cidr: Ipv4Prefix, rng: Rng) {
    this.cidr = cidr;
    this.#rng = rng;
    const size = 2 ** (32 - cidr.length);
    this.max = Math.max(0, size - 2);
    this.#band = clusterIpBand(size);
  }

  /** The address of the Service `kubernetes`. */
  get first(): Ipv4 {
    return (this.cidr.address + 1) | 0;
  }

  /** The one that is asked for. */
  take(address: Ipv4): ClusterIpAllocation {
    const offset = (address - this.cidr.address) >>> 0;
    if (!ipv4InPrefix(address, this.cidr) || offset === 0 || offset > this.max) {
      const range = formatIpv4Prefix(this.cidr);
      const what = formatIpv4(address);
      return { error: `the provided IP (${what}) is not in the valid range. The range of valid IPs is ${range}` };
    }
    if (this.#used.has(address)) return { error: 'provided IP is already allocated' };
    this.#used.add(address);
    return { address };
  }

  /** Any free one: drawn above the band, the next free one from there; then the same in the band. */
  next(): ClusterIpAllocation {
    // Offsets 1..max of the range; those up to the band are for people.
    const address = this.#free(this.#band + 1, this.max) ?? this.#free(1, Math.min(this.#band, this.max));
    return address === null ? { error: 'range is full' } : this.take(address);
  }

  #free(from: number, to: number): Ipv4 | null {
    const size = to - from + 1;
    if (size <= 0) return null;
    const start = this.#rng.below(size);
    for (let i = 0; i < size; i++) {
      const address = (this.cidr.address + from + ((start + i) % size)) | 0;
      if (!this.#used.has(address)) return address;
    }
    return null;
  }

  release(address: Ipv4): void {
    this.#used.delete(address);
  }
}
