// Node ports (pkg/registry/core/service/portallocator): --service-node-port-range, one space for all protocols but that two
// ports of one Service with the same number and different protocols share it. As with cluster addresses a lower band is left
// to people (KEP-3668).

import type { Rng } from '../base/rng.ts';

export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** --service-node-port-range */
export const NODE_PORT_RANGE: PortRange = { first: 30_000, last: 32_767 };

export type NodePortAllocation = { readonly port: number } | { readonly error: string };

/** min(max(16, size/32), 128), 0 up to 32 ports (portallocator calculateRangeOffset) */
export function nodePortBand(size: number): number {
  return size <= 32 ? 0 : Math.min(Math.max(16, Math.floor(size / 32)), 128);
}

export class NodePortAllocator {
  readonly range: PortRange;
  readonly #band: number;
  readonly #used = new Set<number>();
  readonly #rng: Rng;

  constructor(range: PortRange, rng: Rng) {
    this.range = range;
    this.#rng = rng;
    this.#band = nodePortBand(range.last - range.first + 1);
  }

  take(port: number): NodePortAllocation {
    const { first, last } = this.range;
    if (port < first || port > last) {
      return { error: `provided port is not in the valid range. The range of valid ports is ${first}-${last}` };
    }
    if (this.#used.has(port)) return { error: 'provided port is already allocated' };
    this.#used.add(port);
    return { port };
  }

  next(): NodePortAllocation {
    const { first, last } = this.range;
    const port = this.#free(first + this.#band, last) ?? this.#free(first, first + this.#band - 1);
    return port === null ? { error: 'range is full' } : this.take(port);
  }

  #free(from: number, to: number): number | null {
    const size = to - from + 1;
    if (size <= 0) return null;
    const start = this.#rng.below(size);
    for (let i = 0; i < size; i++) {
      const port = from + ((start + i) % size);
      if (!this.#used.has(port)) return port;
    }
    return null;
  }

  release(port: number): void {
    this.#used.delete(port);
  }
}
