// Ethernet II (IEEE 802.3 clause 3; RFC 894) and VLAN tags (IEEE 802.1Q clause 9).
//
//    0               6               12     14
//   +---------------+---------------+------+---------
//   |  destination  |    source     | type | payload          no FCS, no padding: what a Linux tap shows
//   +---------------+---------------+------+---------
//
// A type below 1536 is an 802.3 length. Tags (TPID, TCI) stand between the source and the type, outermost first.

import type { Mac } from '../addr/mac.ts';

export const ETH_HEADER = 14;
export const ETH_DESTINATION = 0;
export const ETH_SOURCE = 6;
export const ETH_TYPE = 12;
export const VLAN_TAG = 4;

export const EtherType = {
  IPV4: 0x0800,
  ARP: 0x0806,
  VLAN: 0x8100,
  IPV6: 0x86dd,
  QINQ: 0x88a8,
} as const;

/** Stacked tags that are believed (802.1Q allows any number; Linux' __vlan_get_protocol_offset stops at 8). */
export const VLAN_TAGS_MAX = 8;

/** Tag control information, offset from the tag's TPID. */
export const VLAN_TCI = 2;

/** Types below this are 802.3 lengths (IEEE 802.3 clause 3.2.6). */
export const ETH_TYPE_MIN = 1536;

/** True when [at, end) holds an Ethernet header. */
export function checkEthernet(_view: DataView, at: number, end: number): boolean {
  return end - at >= ETH_HEADER;
}

export function ethernetType(view: DataView, at: number): number {
  return view.getUint16(at + ETH_TYPE);
}

export function readMac(view: DataView, at: number): Mac {
  return view.getUint16(at) * 0x1_0000_0000 + view.getUint32(at + 2);
}

export function writeMac(view: DataView, at: number, mac: Mac): void {
  view.setUint16(at, Math.floor(mac / 0x1_0000_0000));
  view.setInt32(at + 2, mac | 0);
}

export function writeEthernet(view: DataView, at: number, destination: Mac, source: Mac, type: number): void {
  writeMac(view, at + ETH_DESTINATION, destination);
  writeMac(view, at + ETH_SOURCE, source);
  view.setUint16(at + ETH_TYPE, type);
}

/** True for a tag protocol identifier: 802.1Q or 802.1ad. */
export function isVlanType(type: number): boolean {
  return type === EtherType.VLAN || type === EtherType.QINQ;
}

/** Outcomes of skipVlanTags that are not an offset. */
export const VlanWalk = { TRUNCATED: -1, TOO_MANY: -2 } as const;

/**
 * Offset of the type field behind all tags of the frame at `at` (at + 12 when there is none), or a VlanWalk value when a
 * tag is cut short or there are more than VLAN_TAGS_MAX. The header itself must have been checked.
 */
export function skipVlanTags(view: DataView, at: number, end: number): number {
  let type = at + ETH_TYPE;
  for (let tags = 0; isVlanType(view.getUint16(type)); tags++) {
    if (tags === VLAN_TAGS_MAX) return VlanWalk.TOO_MANY;
    if (end - type < VLAN_TAG + 2) return VlanWalk.TRUNCATED;
    type += VLAN_TAG;
  }
  return type;
}

/** Writes one tag over [at, at + 4): TPID and TCI; the next type follows it. */
export function writeVlanTag(
  view: DataView,
  at: number,
  tpid: number,
  priority: number,
  dei: number,
  id: number,
): void {
  view.setUint16(at, tpid);
  view.setUint16(at + VLAN_TCI, (priority << 13) | (dei << 12) | id);
}

/** True when the type field holds an 802.3 length; then LLC follows. */
export function isEthernetLength(type: number): boolean {
  return type < ETH_TYPE_MIN;
}
