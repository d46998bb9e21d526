// Why a frame ended. One closed table for the whole house: the packet comment, the trace, the counters, the failed
// expectation and the documentation all read it. Names follow include/net/dropreason-core.h and
// include/net/vxlan.h (vxlan_drop_reasons) where Linux has the case; ours carry no other meaning than the sentence here.
// 0 means "not dropped: go on" (the kernel's SKB_NOT_DROPPED_YET pattern).

const TABLE = [
  ['NOT_DROPPED', 'not dropped'],
  // -- frames and links
  ['PKT_TOO_SMALL', 'the frame is shorter than the header that must be there'],
  ['PKT_TOO_BIG', 'the frame is longer than the receiving interface accepts'],
  ['DEV_DOWN', 'the interface is down'],
  ['NO_CARRIER', 'the other end of the cable is down'],
  ['LINK_LOSS', 'lost on the cable (impairment)'],
  ['LINK_QUEUE_FULL', 'the cable queue was full'],
  ['LINK_PARTITION', 'the cable is partitioned (fault)'],
  ['NO_BUFFER', 'the frame pool is exhausted'],
  ['OTHERHOST', 'the frame was for another MAC address'],
  ['UNHANDLED_PROTO', 'nobody handles this EtherType here'],
  ['MAC_INVALID_SOURCE', 'the source MAC is a group or zero address, or our own'],
  // -- bridge
  ['BRIDGE_PORT_STATE', 'the bridge port is not in forwarding state'],
  ['BRIDGE_NO_FLOOD', 'unknown destination and flooding is off on every other port'],
  ['BRIDGE_SAME_PORT', 'the destination is behind the port the frame came from and hairpin is off'],
  ['BRIDGE_ISOLATED', 'both ports are isolated'],
  ['BRIDGE_LINK_LOCAL', 'link-local group address: never forwarded by a bridge'],
  ['BRIDGE_NO_PORT', 'the bridge has no other port to send to'],
  // -- VXLAN
  ['VXLAN_INVALID_HDR', 'VXLAN header without the I flag or cut short'],
  ['VXLAN_VNI_NOT_FOUND', 'no device here has this VNI on this port'],
  ['VXLAN_NO_REMOTE', 'no FDB entry says which VTEP has this MAC'],
  ['VXLAN_RECURSION', 'too many tunnel layers (limit 4)'],
  ['VXLAN_ENTRY_EXISTS', 'the source MAC has a static FDB entry behind another VTEP'],
  ['IP_TUNNEL_ECN', 'congestion marked outside the tunnel, and the packet inside cannot carry the mark (RFC 6040)'],
  ['TUNNEL_NO_ROUTE', 'no route to the remote tunnel endpoint'],
  ['TUNNEL_TX_LOOP', 'the tunnel would send through itself'],
  // -- ARP and neighbours
  ['ARP_INVALID', 'ARP with a hardware or protocol format other than Ethernet/IPv4'],
  ['ARP_IGNORED', 'not answered because of arp_ignore, arp_filter or a missing route'],
  ['NEIGH_FAILED', 'the neighbour did not answer'],
  ['NEIGH_QUEUEFULL', 'the queue of packets waiting for this neighbour was full'],
  ['NEIGH_TABLE_FULL', 'the neighbour table is at gc_thresh3'],
  ['NEIGH_DEAD', 'the neighbour entry was removed while the packet waited'],
  // -- IPv4
  ['IP_INHDR', 'the IPv4 header is malformed'],
  ['IP_CSUM', 'the IPv4 header checksum is wrong'],
  ['IP_INADDRERRORS', 'the destination address is not acceptable here'],
  ['IP_INNOROUTES', 'no route for the received packet'],
  ['IP_OUTNOROUTES', 'no route for a packet made here'],
  ['IP_BLACKHOLE', 'a blackhole route'],
  ['IP_UNREACHABLE_ROUTE', 'an unreachable route'],
  ['IP_PROHIBIT', 'a prohibit route'],
  ['IP_MARTIAN_SOURCE', 'the source address is impossible on this interface'],
  ['IP_MARTIAN_DEST', 'the destination address is impossible on a wire'],
  ['IP_RPFILTER', 'reverse-path filter: the route back goes elsewhere (rp_filter)'],
  ['IP_FORWARDING_OFF', 'ip_forward is 0 on the interface it came in'],
  ['UNICAST_IN_L2_MULTICAST', 'a unicast packet in a group frame (drop_unicast_in_l2_multicast)'],
  ['IP_TTL_EXCEEDED', 'the TTL ran out'],
  ['IP_FRAG_NEEDED', 'too big for the next link and DF is set'],
  ['IP_OPTION_INVALID', 'an IPv4 option is malformed'],
  ['IP_SOURCE_ROUTE', 'source routing is off (accept_source_route)'],
  ['IP_NOPROTO', 'no handler for this IP protocol'],
  ['IP_MULTICAST_NOT_MEMBER', 'multicast for a group that nobody joined here'],
  ['FRAG_REASM_TIMEOUT', 'the other fragments did not come within the time-out'],
  ['FRAG_REASM_DUPLICATE', 'the fragment came before'],
  ['FRAG_REASM_OVERLAP', 'the fragment overlaps another one'],
  ['FRAG_REASM_INVALID', 'the fragment is impossible'],
  ['FRAG_REASM_MEMORY', 'reassembly memory is used up (ipfrag_high_thresh)'],
  ['FRAG_REASM_DIST', 'too many newer datagrams from the same source (ipfrag_max_dist)'],
  // -- ICMP
  ['ICMP_CSUM', 'the ICMP checksum is wrong'],
  ['ICMP_INHDR', 'the ICMP message is cut short'],
  ['ICMP_UNKNOWN_TYPE', 'an ICMP type that is not handled'],
  ['ICMP_IGNORED', 'ignored by a sysctl (icmp_echo_ignore_all, icmp_echo_ignore_broadcasts)'],
  // -- sockets
  ['UDP_CSUM', 'the UDP checksum is wrong'],
  ['UDP_INHDR', 'the UDP header is malformed'],
  ['TCP_CSUM', 'the TCP checksum is wrong'],
  ['NO_SOCKET', 'nobody listens on this port'],
  ['SOCKET_RCVBUFF', 'the receive buffer of the socket was full'],
  // -- netfilter
  ['NETFILTER_DROP', 'a netfilter rule dropped it'],
  ['IPVS_NO_DESTINATION', 'IPVS: the virtual service has no real server that may take it'],
  ['IPVS_OLD_CONNTRACK', 'IPVS: the port pair is reused while conntrack still knows the old connection'],
  ['CONNTRACK_FULL', 'the connection tracking table is full (nf_conntrack_max)'],
  ['CONNTRACK_INVALID', 'connection tracking refused the packet'],
  ['CONNTRACK_CLASH', 'another packet of the same flow was confirmed first (insert_failed)'],
  ['NAT_ICMP_INVALID', 'an ICMP error that NAT cannot carry over'],
  ['NAT_DEVICE_CHANGED', 'masqueraded to the address of another device than it leaves by'],
  ['NAT_TOO_SHORT', 'NAT has to rewrite a transport header that is cut short'],
] as const;

export type DropReasonName = (typeof TABLE)[number][0];
/** A number from the table; 0 is "not dropped". */
export type DropReason = number;

export const DropReason: Readonly<Record<DropReasonName, DropReason>> = Object.freeze(
  Object.fromEntries(TABLE.map(([name], i) => [name, i])) as Record<DropReasonName, DropReason>,
);

export const DROP_REASON_COUNT = TABLE.length;

export function dropReasonName(reason: DropReason): DropReasonName {
  return TABLE[reason]?.[0] ?? 'NOT_DROPPED';
}

/** The sentence that a person reads. */
export function dropReasonText(reason: DropReason): string {
  return TABLE[reason]?.[1] ?? `unknown reason ${reason}`;
}

/** Every reason with its sentence, in table order (for `podwire schema`, documentation and look-ups by name). */
export function dropReasons(): readonly { name: DropReasonName; text: string }[] {
  return TABLE.map(([name, text]) => ({ name, text }));
}
