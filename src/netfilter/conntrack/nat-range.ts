// What a NAT target asks for (struct nf_nat_range2, include/uapi/linux/netfilter/nf_nat.h): one address or a range of them,
// ports or none. Made once per rule; MASQUERADE fills one per new connection.

import type { Ipv4 } from '../../addr/ipv4.ts';

/** NF_NAT_RANGE_* */
export const NatRangeFlag = {
  MAP_IPS: 1 << 0,
  PROTO_SPECIFIED: 1 << 1,
  PROTO_RANDOM: 1 << 2,
  PERSISTENT: 1 << 3,
  PROTO_RANDOM_FULLY: 1 << 4,
  PROTO_OFFSET: 1 << 5,
  NETMAP: 1 << 6,
} as const;

export interface NatRange {
  /** NatRangeFlag bits */
  flags: number;
  minAddress: Ipv4;
  maxAddress: Ipv4;
  /** 0..65535; ICMP: identifier */
  minPort: number;
  maxPort: number;
  /** PROTO_OFFSET: the port to which minPort corresponds (`--to-destination 10.0.0.1:1000-2000/1000`) */
  basePort: number;
}

export function natRange(given: Partial<NatRange>): NatRange {
  return { flags: 0, minAddress: 0, maxAddress: 0, minPort: 0, maxPort: 0, basePort: 0, ...given };
}
