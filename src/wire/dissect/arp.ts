// Dissection of ARP (RFC 826) for any hardware and protocol, with the address lengths that the packet itself states.

import { formatIpv4 } from '../../addr/ipv4.ts';
import { formatMac } from '../../addr/mac.ts';
import { ArpOperation } from '../arp.ts';
import { EtherType, readMac } from '../ethernet.ts';
import { dissectData } from './data.ts';
import { type Dissector, hex16, type LayerReader } from './dissection.ts';

/** Hardware types whose six-byte addresses are MAC addresses (IANA: Ethernet, IEEE 802). */
const MAC_HARDWARE: ReadonlySet<number> = new Set([1, 6]);

/** ATM ARP has a header of another shape (RFC 2225 section 8.1); its bytes are shown as they are. */
const HARDWARE_ATM = 19;

export function dissectArp(d: Dissector, at: number, end: number): number {
  const stop = Math.min(end, d.bytes.length);
  if (stop - at >= 2 && d.view.getUint16(at) === HARDWARE_ATM) return dissectData(d, at, end);
  const r = d.layer('arp', 'Address Resolution Protocol', at, end);
  if (r === null) return end;
  const addresses = stop - at >= 6 ? 2 * (d.view.getUint8(at + 4) + d.view.getUint8(at + 5)) : 0;
  if (at + 8 + addresses <= end && !r.need(8 + addresses)) return end;
  const hardware = r.u16('arp.hw.type');
  const protocol = r.u16('arp.proto.type', hex16);
  const hardwareLength = r.u8('arp.hw.size');
  const protocolLength = r.u8('arp.proto.size');
  const operation = r.u16('arp.opcode');
  const mac = hardwareLength === 6 && MAC_HARDWARE.has(hardware);
  const ip = protocolLength === 4 && protocol === EtherType.IPV4;
  if (!r.need(addresses)) return end;
  const senderMac = hardwareAddress(r, 'arp.src.hw', hardwareLength, mac);
  const senderIp = protocolAddress(r, 'arp.src.proto', protocolLength, ip);
  hardwareAddress(r, 'arp.dst.hw', hardwareLength, mac);
  const targetIp = protocolAddress(r, 'arp.dst.proto', protocolLength, ip);
  if (r.ok && ip) {
    if (operation === ArpOperation.REQUEST) r.layer.info = `Who has ${targetIp}? Tell ${senderIp}`;
    else if (operation === ArpOperation.REPLY) r.layer.info = `${senderIp} is at ${senderMac}`;
  }
  if (r.layer.info === '') r.layer.info = `operation ${operation}`;
  return Math.min(end, at + 8 + addresses);
}

function hardwareAddress(r: LayerReader, name: string, length: number, mac: boolean): string {
  if (!mac) {
    r.octets(name, length);
    return '';
  }
  if (!r.need(6)) return '';
  const text = formatMac(readMac(r.d.view, r.at));
  r.add(`${name}_mac`, text);
  r.at += 6;
  return text;
}

function protocolAddress(r: LayerReader, name: string, length: number, ip: boolean): string {
  if (!ip) {
    r.octets(name, length);
    return '';
  }
  if (!r.need(4)) return '';
  const text = formatIpv4(r.d.view.getInt32(r.at));
  r.add(`${name}_ipv4`, text);
  r.at += 4;
  return text;
}
