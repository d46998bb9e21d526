// How IPVS rewrites a packet (net/netfilter/ipvs/ip_vs_xmit.c, ip_vs_core.c ip_vs_nat_icmp): addresses, ports, the TTL, and the
// packet that an ICMP error quotes.

import type { Ipv4 } from '../../addr/ipv4.ts';
import * as frames from '../../link/frame.ts';
import { sumArena } from '../../link/frame.ts';
import { finish, update16, update32 } from '../../wire/checksum.ts';
import { ICMP_CHECKSUM, ICMP_HEADER, ICMP_TYPE, IcmpType } from '../../wire/icmp.ts';
import * as ipv4 from '../../wire/ipv4.ts';
import { TCP_CHECKSUM } from '../../wire/tcp.ts';
import { UDP_CHECKSUM } from '../../wire/udp.ts';

// Constants of this module: V8 folds those into the packet path, imported bindings it does not (link/frame.ts).
const { view } = frames;
const { IPV4_CHECKSUM, IPV4_FRAGMENT, IPV4_HEADER, IPV4_OFFSET, IPV4_PROTOCOL, IPV4_TTL, IpProtocol } = ipv4;
const TCP = IpProtocol.TCP;
const UDP = IpProtocol.UDP;
/** Where an ICMP error's quoted ports end. */
const QUOTED_PORTS = 4;

/** Where the packet quoted by an ICMP error begins, 0 when this is none, or one about nothing that IPVS carries. */
export function quotedPacket(icmp: number, end: number): number {
  if (icmp + ICMP_HEADER + IPV4_HEADER > end) return 0;
  const type = view.getUint8(icmp + ICMP_TYPE);
  if (type !== IcmpType.DEST_UNREACH && type !== IcmpType.SOURCE_QUENCH && type !== IcmpType.TIME_EXCEEDED) return 0;
  const quoted = icmp + ICMP_HEADER;
  const header = (view.getUint8(quoted) & 15) * 4;
  if (header < IPV4_HEADER || quoted + header + QUOTED_PORTS > end) return 0;
  const protocol = view.getUint8(quoted + IPV4_PROTOCOL);
  if (protocol !== TCP && protocol !== UDP) return 0;
  return (view.getUint16(quoted + IPV4_FRAGMENT) & IPV4_OFFSET) === 0 ? quoted : 0;
}

export function setAddress(at: number, field: number, address: Ipv4): void {
  const sum = update32(view.getUint16(at + IPV4_CHECKSUM), view.getInt32(at + field), address);
  view.setInt32(at + field, address);
  view.setUint16(at + IPV4_CHECKSUM, sum);
}

export function icmpChecksum(icmp: number, end: number): void {
  view.setUint16(icmp + ICMP_CHECKSUM, 0);
  view.setUint16(icmp + ICMP_CHECKSUM, finish(sumArena(icmp, end)));
}

/** ip_decrease_ttl: the sum grows by 0x0100 (RFC 1624). */
export function decrementTtl(at: number): void {
  view.setUint8(at + IPV4_TTL, view.getUint8(at + IPV4_TTL) - 1);
  let sum = view.getUint16(at + IPV4_CHECKSUM) + 0x100;
  sum = (sum & 0xffff) + (sum >>> 16);
  view.setUint16(at + IPV4_CHECKSUM, sum === 0xffff ? 0 : sum);
}

/** Puts an address and port into the packet; sums are corrected, a UDP checksum of zero stays. */
export function rewrite(
  at: number,
  transport: number,
  protocol: number,
  field: number,
  portField: number,
  address: Ipv4,
  port: number,
): void {
  const checksum = transport + (protocol === TCP ? TCP_CHECKSUM : UDP_CHECKSUM);
  const before = view.getUint16(checksum);
  if (protocol === TCP || before !== 0) {
    let sum = update32(before, view.getInt32(at + field), address);
    sum = update16(sum, view.getUint16(transport + portField), port);
    view.setUint16(checksum, protocol === UDP && sum === 0 ? 0xffff : sum);
  }
  view.setUint16(transport + portField, port);
  setAddress(at, field, address);
}
