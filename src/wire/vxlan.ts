// VXLAN: RFC 7348 section 5.
//
//    0       1           4          7   8
//   +-------+-----------+----------+---+----------------
//   | flags | reserved  |   VNI    | r | inner Ethernet
//   +-------+-----------+----------+---+----------------
//
// flags 0x08 (I): the VNI is valid. Reserved bits are sent as zero and ignored on receipt. The inner frame has no FCS.

export const VXLAN_HEADER = 8;
export const VXLAN_VNI = 4;
export const VXLAN_FLAG_VNI = 0x08;

/** IANA's port (RFC 7348 section 8) and the Linux default that Flannel uses. */
export const VXLAN_PORT = 4789;
export const VXLAN_PORT_LINUX = 8472;

/** Bytes that encapsulation adds: inner Ethernet is carried, outer IPv4 20 + UDP 8 + VXLAN 8 + inner Ethernet 14. */
export const VXLAN_OVERHEAD = 50;

// The same as constants of this module: V8 folds those into the packet path, exported ones it does not (link/frame.ts).
const HEADER = VXLAN_HEADER;
const VNI = VXLAN_VNI;
const FLAG_VNI = VXLAN_FLAG_VNI;

/** True when the header is whole and has the I flag. */
export function checkVxlan(view: DataView, at: number, end: number): boolean {
  return end - at >= HEADER && (view.getUint8(at) & FLAG_VNI) !== 0;
}

export function vxlanVni(view: DataView, at: number): number {
  return view.getUint32(at + VNI) >>> 8;
}

export function writeVxlan(view: DataView, at: number, vni: number): void {
  view.setInt32(at, FLAG_VNI << 24);
  view.setInt32(at + VNI, vni << 8);
}
