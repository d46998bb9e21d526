// ARP for Ethernet and IPv4: RFC 826; probes and announcements RFC 5227.
//
//    0    2    4   5   6     8           14       18          24       28
//   +----+----+---+---+-----+-----------+--------+-----------+--------+
//   | ht | pt |hl |pl | op  |    sha    |  spa   |    tha    |  tpa   |
//   +----+----+---+---+-----+-----------+--------+-----------+--------+

export const ARP_LENGTH = 28;
export const ARP_HARDWARE = 0;
export const ARP_PROTOCOL = 2;
export const ARP_HARDWARE_LENGTH = 4;
export const ARP_PROTOCOL_LENGTH = 5;
export const ARP_OPERATION = 6;
export const ARP_SENDER_MAC = 8;
export const ARP_SENDER_IP = 14;
export const ARP_TARGET_MAC = 18;
export const ARP_TARGET_IP = 24;

export const ArpOperation = { REQUEST: 1, REPLY: 2 } as const;

/** Hardware types of Ethernet: as everybody says it, and IEEE 802, which Linux takes for the same (arp_process). */
export const ArpHardware = { ETHERNET: 1, IEEE802: 6 } as const;

/** True for a complete Ethernet/IPv4 ARP in [at, end); trailing padding is allowed. */
export function checkArp(view: DataView, at: number, end: number): boolean {
  if (end - at < ARP_LENGTH) return false;
  const hardware = view.getUint16(at + ARP_HARDWARE);
  return (
    (hardware === ArpHardware.ETHERNET || hardware === ArpHardware.IEEE802) &&
    view.getUint16(at + ARP_PROTOCOL) === 0x0800 &&
    view.getUint8(at + ARP_HARDWARE_LENGTH) === 6 &&
    view.getUint8(at + ARP_PROTOCOL_LENGTH) === 4
  );
}

export interface ArpFields {
  readonly operation: number;
  readonly senderMac: number;
  readonly senderIp: number;
  readonly targetMac: number;
  readonly targetIp: number;
}

/** Writes all 28 bytes. */
export function writeArp(view: DataView, at: number, f: ArpFields): void {
  view.setUint16(at + ARP_HARDWARE, ArpHardware.ETHERNET);
  view.setUint16(at + ARP_PROTOCOL, 0x0800);
  view.setUint8(at + ARP_HARDWARE_LENGTH, 6);
  view.setUint8(at + ARP_PROTOCOL_LENGTH, 4);
  view.setUint16(at + ARP_OPERATION, f.operation);
  view.setUint16(at + ARP_SENDER_MAC, Math.floor(f.senderMac / 0x1_0000_0000));
  view.setInt32(at + ARP_SENDER_MAC + 2, f.senderMac | 0);
  view.setInt32(at + ARP_SENDER_IP, f.senderIp);
  view.setUint16(at + ARP_TARGET_MAC, Math.floor(f.targetMac / 0x1_0000_0000));
  view.setInt32(at + ARP_TARGET_MAC + 2, f.targetMac | 0);
  view.setInt32(at + ARP_TARGET_IP, f.targetIp);
}
