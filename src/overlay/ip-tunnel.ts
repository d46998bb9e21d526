// What a tunnel carries over between the inner and the outer IP header (include/net/ip_tunnels.h, include/net/inet_ecn.h;
// RFC 6040): the traffic class with its ECN field, the TTL, DF. The inner header may be IPv4 or IPv6.

import * as frames from '../link/frame.ts';
import { update16 } from '../wire/checksum.ts';
import * as ethernet from '../wire/ethernet.ts';
import * as ipv4 from '../wire/ipv4.ts';

// Constants of this module: V8 folds those into the packet path, imported bindings it does not (link/frame.ts).
const { view } = frames;
const { EtherType } = ethernet;
const { IPV4_CHECKSUM, IPV4_DF, IPV4_FRAGMENT, IPV4_HEADER, IPV4_TOS, IPV4_TTL } = ipv4;

/** ECN field (RFC 3168): ECT(1) is 1, ECT(0) is 2, congestion experienced is 3. */
const ECN_MASK = 3;
const ECN_ECT1 = 1;
const ECN_ECT0 = 2;
const ECN_CE = 3;

/** Fixed IPv6 header, and its hop limit; the traffic class is bits 4 to 11 of the first word (RFC 8200 section 3). */
const IPV6_HEADER = 40;
const IPV6_HOP_LIMIT = 7;
const IPV6_CLASS_SHIFT = 4;

/** EtherType of the payload at `at` when [at, end) holds its whole fixed IP header; 0 for anything else. */
export function innerProtocol(type: number, at: number, end: number): number {
  if (type === EtherType.IPV4) return end - at >= IPV4_HEADER ? type : 0;
  if (type === EtherType.IPV6) return end - at >= IPV6_HEADER ? type : 0;
  return 0;
}

/** ip_tunnel_get_dsfield(): TOS or traffic class; 0 for what is not IP. */
export function innerDsfield(protocol: number, at: number): number {
  if (protocol === EtherType.IPV4) return view.getUint8(at + IPV4_TOS);
  if (protocol === EtherType.IPV6) return (view.getUint16(at) >>> IPV6_CLASS_SHIFT) & 0xff;
  return 0;
}

/** ip_tunnel_get_ttl() */
export function innerTtl(protocol: number, at: number): number {
  if (protocol === EtherType.IPV4) return view.getUint8(at + IPV4_TTL);
  if (protocol === EtherType.IPV6) return view.getUint8(at + IPV6_HOP_LIMIT);
  return 0;
}

/** Whether the inner packet must not be fragmented: DF, and every IPv6 packet (vxlan_xmit_one, `df inherit`). */
export function innerDf(protocol: number, at: number): boolean {
  if (protocol === EtherType.IPV4) return (view.getUint16(at + IPV4_FRAGMENT) & IPV4_DF) !== 0;
  return protocol === EtherType.IPV6;
}

/** INET_ECN_encapsulate(): a CE inside becomes ECT(0) outside (RFC 6040 section 4.1, its compatibility mode). */
export function ecnEncapsulate(outer: number, inner: number): number {
  const ecn = inner & ECN_MASK;
  return (outer & ~ECN_MASK) | (ecn === ECN_CE ? ECN_ECT0 : ecn);
}

/**
 * INET_ECN_decapsulate(): what the way outside marked reaches the inner packet (RFC 6040 section 4.2).
 * @returns false for congestion outside around a packet that cannot carry it: to be dropped
 */
export function ecnDecapsulate(outer: number, protocol: number, at: number): boolean {
  const mark = outer & ECN_MASK;
  if (protocol === 0 || (mark !== ECN_CE && mark !== ECN_ECT1)) return true;
  const inner = innerDsfield(protocol, at) & ECN_MASK;
  if (inner === 0) return mark !== ECN_CE;
  // ECT(1) outside is the lesser mark: it replaces ECT(0) only (INET_ECN_set_ect1).
  if (mark === ECN_CE ? inner !== ECN_CE : inner === ECN_ECT0) setEcn(protocol, at, inner, mark);
  return true;
}

function setEcn(protocol: number, at: number, from: number, to: number): void {
  const word = view.getUint16(at);
  const shift = protocol === EtherType.IPV6 ? IPV6_CLASS_SHIFT : 0;
  const marked = word ^ ((from ^ to) << shift);
  view.setUint16(at, marked);
  if (protocol !== EtherType.IPV4) return;
  view.setUint16(at + IPV4_CHECKSUM, update16(view.getUint16(at + IPV4_CHECKSUM), word, marked));
}
