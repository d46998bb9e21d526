// What multicast snooping looks at before a bridge floods a group (br_multicast_ipv4_rcv: net/bridge/br_multicast.c, and
// ip_mc_check_igmp: net/ipv4/igmp.c). Without a querier no group is pruned, but what is malformed goes no further.

import { EtherType } from '../wire/ethernet.ts';
import { IPV4_HEADER, IPV4_LENGTH, IPV4_PROTOCOL, IpProtocol } from '../wire/ipv4.ts';
import { sumArena, view } from './frame.ts';

/** Length of an IGMP message of versions 1 and 2 (RFC 2236 section 2). */
const IGMP_LENGTH = 8;

/** True when snooping drops the packet of EtherType `type` in [at, end). */
export function snoopingRefuses(type: number, at: number, end: number): boolean {
  if (type !== EtherType.IPV4) return false;
  if (end - at < IPV4_HEADER) return true;
  const first = view.getUint8(at);
  const header = (first & 15) * 4;
  if (first >>> 4 !== 4 || header < IPV4_HEADER || end - at < header) return true;
  const length = view.getUint16(at + IPV4_LENGTH);
  if (length < header || length > end - at || sumArena(at, at + header) !== 0xffff) return true;
  if (view.getUint8(at + IPV4_PROTOCOL) !== IpProtocol.IGMP) return false;
  return length - header < IGMP_LENGTH || sumArena(at + header, at + length) !== 0xffff;
}
