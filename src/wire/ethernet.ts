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
