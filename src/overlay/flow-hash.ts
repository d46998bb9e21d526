// The flow hash that chooses a tunnel's UDP source port (net/core/flow_dissector.c, include/net/udp.h
// udp_flow_src_port): over EtherType, protocol, addresses and ports, the smaller of each pair first, so that both
// directions of a flow get the same value on one kernel. Fragments and protocols without ports hash without them.
//
// The kernel's function is SipHash over a key drawn at boot; ours is an integer mix over the machine's seeded secret:
// which port comes out is chance there and here, that equal flows share it is not.

import * as frames from '../link/frame.ts';
import * as ethernet from '../wire/ethernet.ts';
import * as ipv4 from '../wire/ipv4.ts';

// Constants of this module: V8 folds those into the packet path, imported bindings it does not (link/frame.ts).
const { view } = frames;
const { ETH_HEADER, ETH_TYPE, EtherType } = ethernet;
const { IPV4_DESTINATION, IPV4_FRAGMENT, IPV4_HEADER, IPV4_MF, IPV4_OFFSET, IPV4_PROTOCOL, IPV4_SOURCE, IpProtocol } =
  ipv4;

function mix(h: number, k: number): number {
  let x = Math.imul(h ^ k, 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return x ^ (x >>> 16);
}

/** Hash of the Ethernet frame in arena bytes [at, end): 32 bits, never 0. */
export function flowHash(secret: number, at: number, end: number): number {
  let type = view.getUint16(at + ETH_TYPE);
  let ip = at + ETH_HEADER;
  let h = secret;
  // One tag is looked through, as the dissector does; its VLAN id counts.
  if ((type === EtherType.VLAN || type === EtherType.QINQ) && ip + 4 <= end) {
    h = mix(h, view.getUint16(ip) & 0x0fff);
    type = view.getUint16(ip + 2);
    ip += 4;
  }
  h = mix(h, type);
  if (type !== EtherType.IPV4 || ip + IPV4_HEADER > end) return h === 0 ? 1 : h;
  const a = view.getInt32(ip + IPV4_SOURCE);
  const b = view.getInt32(ip + IPV4_DESTINATION);
  const protocol = view.getUint8(ip + IPV4_PROTOCOL);
  h = mix(mix(mix(h, protocol), a >>> 0 < b >>> 0 ? a : b), a >>> 0 < b >>> 0 ? b : a);
  const payload = ip + (view.getUint8(ip) & 15) * 4;
  const whole = (view.getUint16(ip + IPV4_FRAGMENT) & (IPV4_MF | IPV4_OFFSET)) === 0;
  if (whole && payload + 4 <= end && (protocol === IpProtocol.UDP || protocol === IpProtocol.TCP)) {
    const s = view.getUint16(payload);
    const d = view.getUint16(payload + 2);
    // __flow_hash_consistentify: ports are swapped when the addresses are, or when these are equal and the ports are not in order.
    const swap = a >>> 0 > b >>> 0 || (a === b && s > d);
    h = mix(h, swap ? (d << 16) | s : (s << 16) | d);
  }
  return h === 0 ? 1 : h;
}

/** udp_flow_src_port: the hash scaled into [low, high). */
export function flowSourcePort(hash: number, low: number, high: number): number {
  // The upper bits are folded in because the scaling below uses them alone.
  const h = (hash ^ (hash << 16)) >>> 0;
  return Math.floor((h * (high - low)) / 0x1_0000_0000) + low;
}
