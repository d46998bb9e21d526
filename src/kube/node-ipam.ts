// Node IPAM of kube-controller-manager (pkg/controller/nodeipam/ipam/range_allocator.go, cidrset/cidr_set.go): cuts the
// cluster CIDR into one block per node.
//
// One bitmap; a cursor that only moves forward, so that a freed block is not handed out again before the cursor has
// wrapped. The controller's 30 workers race for blocks; here nodes are served in the order in which they joined.

import { type Ipv4Prefix, maskIpv4 } from '../addr/ipv4.ts';

export const CIDR_EXHAUSTED =
  'CIDR allocation failed; there are no remaining CIDRs left to allocate in the accepted range';

export type CidrAllocation = { readonly cidr: Ipv4Prefix } | { readonly error: string };

export class CidrSet {
  readonly cluster: Ipv4Prefix;
  readonly nodeMaskSize: number;
  /** blocks in the cluster CIDR */
  readonly max: number;
  readonly #used = new Set<number>();
  #next = 0;

  /** @param nodeMaskSize at least cluster.length, at most 16 more (cidr_set.go: clusterSubnetMaxDiff) */
  constructor(cluster: Ipv4Prefix, nodeMaskSize: number) {
    this.cluster = cluster;
    this.nodeMaskSize = nodeMaskSize;
    this.max = 2 ** (nodeMaskSize - cluster.length);
  }

  /** Blocks not handed out. */
  get free(): number {
    return this.max - this.#used.size;
  }

  /** The next free block at or after the cursor. */
  allocateNext(): CidrAllocation {
    for (let scanned = 0; scanned < this.max; scanned++) {
      const i = (this.#next + scanned) % this.max;
      if (this.#used.has(i)) continue;
      this.#used.add(i);
      this.#next = (i + 1) % this.max;
      return { cidr: this.#block(i) };
    }
    return { error: CIDR_EXHAUSTED };
  }

  /** Marks every block that the prefix touches as used (a node's own spec.podCIDR); false when it lies outside. */
  occupy(cidr: Ipv4Prefix): boolean {
    const range = this.#blocks(cidr);
    if (range === null) return false;
    for (let i = range.first; i <= range.last; i++) this.#used.add(i);
    return true;
  }

  /** Frees the blocks of a deleted node. The cursor stays where it is. */
  release(cidr: Ipv4Prefix): void {
    const range = this.#blocks(cidr);
    if (range === null) return;
    for (let i = range.first; i <= range.last; i++) this.#used.delete(i);
  }

  #block(i: number): Ipv4Prefix {
    return { address: (this.cluster.address + (i << (32 - this.nodeMaskSize))) | 0, length: this.nodeMaskSize };
  }

  #blocks(cidr: Ipv4Prefix): { first: number; last: number } | null {
    if (((cidr.address ^ this.cluster.address) & maskIpv4(this.cluster.length)) !== 0) return null;
    if (cidr.length < this.cluster.length) return null;
    const shift = 32 - this.nodeMaskSize;
    const first = ((cidr.address - this.cluster.address) >>> 0) >>> shift;
    const blocks = cidr.length >= this.nodeMaskSize ? 1 : 2 ** (this.nodeMaskSize - cidr.length);
    return { first, last: first + blocks - 1 };
  }
}

/**
 * What the controller does at its start and then for each node: blocks that nodes have already are marked, the others
 * get the next free one in order.
 * @returns for each node its podCIDR, or the message of the event CIDRNotAvailable's cause
 */
export function assignNodeCidrs(
  set: CidrSet,
  nodes: readonly { readonly podCIDR: Ipv4Prefix | null }[],
): CidrAllocation[] {
  const given = nodes.map((node): CidrAllocation | null => {
    if (node.podCIDR === null) return null;
    return set.occupy(node.podCIDR)
      ? { cidr: node.podCIDR }
      : { error: 'cidr is out of the range of the cluster cidr' };
  });
  return given.map((g) => {
    if (g !== null) return g;
    const next = set.allocateNext();
    return 'error' in next ? { error: `failed to allocate cidr from cluster cidr at idx:0: ${next.error}` } : next;
  });
}
