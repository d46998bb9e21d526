// What the rules of a table of nftables stand on: its chains and sets by name, the namespace, and the NAT engine.

import type { Ipv4 } from '../../addr/ipv4.ts';
import type { NetfilterHost } from '../netfilter-host.ts';
import type { Packet } from '../packet.ts';
import type { NftChain } from './nft-chain.ts';
import type { NftSet } from './nft-set.ts';
import type { NftToken } from './nft-token.ts';

/** What nat statements do; flags are NatRangeFlag bits. Each answers with a verdict. */
export interface NftNat {
  /** `manip`: which end is changed; port 0: it stays */
  map(packet: Packet, manip: 'src' | 'dst', address: Ipv4, port: number, flags: number): number;
  masquerade(packet: Packet, flags: number): number;
  redirect(packet: Packet, port: number, flags: number): number;
}

export interface NftContext {
  readonly host: NetfilterHost;
  readonly nat: NftNat;
  /** the chain of this name @throws NftError when the table has none */
  chain(name: string, at: NftToken): NftChain;
  set(name: string, at: NftToken): NftSet;
  /** the table's name, for notes */
  readonly table: string;
}
