// Dissection of VXLAN (RFC 7348 section 5) with the group policy bits of draft-smith-vxlan-group-policy.

import { type Dissector, hex16, TUNNELS_MAX } from './dissection.ts';

/** Flag bits of the first 16 bits, most significant first: name and mask. */
const FLAGS = [
  ['vxlan.flag_g', 0x8000],
  ['vxlan.flag_i', 0x0800],
  ['vxlan.flag_d', 0x0040],
  ['vxlan.flag_a', 0x0008],
] as const;
const FLAGS_KNOWN = 0x8848;

export function dissectVxlan(d: Dissector, at: number, end: number): number {
  const r = d.layer('vxlan', 'Virtual eXtensible Local Area Network', at, end);
  if (r === null) return end;
  const flags = r.u16('vxlan.flags', hex16);
  if (!r.ok) return end;
  for (const [name, mask] of FLAGS) r.add(name, flags & mask ? 1 : 0);
  r.add('vxlan.flags_reserved', hex16(flags & ~FLAGS_KNOWN & 0xffff));
  r.u16('vxlan.gbp');
  const vni = r.u24('vxlan.vni');
  r.u8('vxlan.reserved8');
  if (!r.ok) return end;
  r.layer.info = `VNI ${vni}`;
  if (d.tunnels >= TUNNELS_MAX) {
    r.flaw(`too many layers (limit ${TUNNELS_MAX} tunnels)`);
    return end;
  }
  d.tunnels++;
  if (end > r.at) d.tables.ethernet(d, r.at, end);
  return end;
}
