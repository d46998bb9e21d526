// A captured packet and its dissection, put into words: as one JSON object with Wireshark's field names (what
// `podwire decode --json` prints), as one line for people, and as the indented layers under it.

import type { Dissection, Layer } from '../wire/dissect.ts';
import type { CapturedPacket, CaptureInterface } from './captured-packet.ts';

/** LINKTYPE_ETHERNET (the only link type that is taken apart). */
export const LINKTYPE_ETHERNET = 1;

/** Field name to value form; an array where the field occurs more than once. */
export type PacketRecord = Record<string, string | string[]>;

/** Seconds with nine decimals, as tshark prints frame.time_epoch. */
export function formatEpoch(seconds: number, nanos: number): string {
  if (seconds < 0 && nanos > 0) return `-${-seconds - 1}.${String(1_000_000_000 - nanos).padStart(9, '0')}`;
  return `${seconds}.${String(nanos).padStart(9, '0')}`;
}

/**
 * The packet as an object.
 * @param dissection null when its link type is not taken apart; only frame.* is there then
 * @param interfaceIds true for pcapng; a classic pcap file describes no interfaces
 */
export function packetRecord(
  packet: CapturedPacket,
  from: CaptureInterface | undefined,
  dissection: Dissection | null,
  interfaceIds = false,
): PacketRecord {
  const record: PacketRecord = Object.create(null);
  record['frame.number'] = String(packet.number);
  if (packet.hasTime) record['frame.time_epoch'] = formatEpoch(packet.timeSeconds, packet.timeNanos);
  record['frame.len'] = String(packet.length);
  record['frame.cap_len'] = String(packet.bytes.length);
  if (interfaceIds) record['frame.interface_id'] = String(packet.interfaceIndex);
  if (from?.name != null) record['frame.interface_name'] = from.name;
  if (from?.description != null) record['frame.interface_description'] = from.description;
  if (packet.direction !== 0) record['frame.packet_flags_direction'] = `0x0000000${packet.direction}`;
  if (packet.packetId !== null) record['frame.packet_id'] = String(packet.packetId);
  for (const comment of packet.comments) add(record, 'frame.comment', comment);
  if (dissection === null) return record;
  record['frame.protocols'] = dissection.protocols;
  for (const layer of dissection.layers) {
    for (const field of layer.fields) if (field.shown) add(record, field.name, field.value);
  }
  if (dissection.malformed !== null) {
    record._malformed = dissection.malformed.layer;
    record._malformed_reason = dissection.malformed.message;
  }
  if (dissection.truncated !== null) record._truncated = dissection.truncated.layer;
  return record;
}

function add(record: PacketRecord, name: string, value: string): void {
  const have = record[name];
  if (have === undefined) record[name] = value;
  else if (typeof have === 'string') record[name] = [have, value];
  else have.push(value);
}

const PROTOCOL_NAMES: Readonly<Record<string, string>> = {
  eth: 'Ethernet',
  vlan: 'VLAN',
  ieee8021ad: '802.1ad',
  llc: 'LLC',
  arp: 'ARP',
  ip: 'IPv4',
  ipv6: 'IPv6',
  'ipv6.hopopts': 'IPv6',
  'ipv6.routing': 'IPv6',
  'ipv6.fraghdr': 'IPv6',
  'ipv6.dstopts': 'IPv6',
  icmp: 'ICMP',
  igmp: 'IGMP',
  tcp: 'TCP',
  udp: 'UDP',
  vxlan: 'VXLAN',
  dns: 'DNS',
  data: 'Data',
};

/**
 * One line in the manner of tcpdump: number, time, source, destination, protocol, length, what it says.
 * @param time as the caller wants it shown; empty when the record has none
 */
export function packetLine(
  packet: CapturedPacket,
  from: CaptureInterface | undefined,
  dissection: Dissection | null,
  time: string,
): string {
  const parts = [String(packet.number).padStart(5), time.padStart(14)];
  if (dissection === null) {
    parts.push(`link type ${from?.linkType ?? '?'}`, `length ${packet.length}`);
  } else {
    const layers = dissection.layers.filter((l) => !l.quoted && l.name !== 'data');
    const top = layers.at(-1);
    parts.push(endpoints(layers), PROTOCOL_NAMES[top?.name ?? 'data'] ?? top?.name ?? '', String(packet.length));
    const tunnels = layers.flatMap((l, i) => (l.name === 'vxlan' && i < layers.length - 1 ? [tunnel(layers, i)] : []));
    parts.push([...tunnels, top?.info ?? ''].filter((t) => t !== '').join(' | '));
    if (dissection.malformed !== null) {
      parts.push(`[malformed ${dissection.malformed.layer}: ${dissection.malformed.message}]`);
    } else if (dissection.truncated !== null) parts.push(`[${dissection.truncated.layer} cut by the snap length]`);
  }
  if (from?.name != null) parts.push(`(${from.name}${['', ' in', ' out'][packet.direction]})`);
  for (const comment of packet.comments) parts.push(`# ${comment}`);
  return parts.filter((p) => p !== '').join(' ');
}

/** Source and destination of the innermost header that has some. */
function endpoints(layers: readonly Layer[]): string {
  const ip = layers.findLast((l) => value(l, 'ip.src') !== '' || value(l, 'ipv6.src') !== '');
  const eth = layers.findLast((l) => l.name === 'eth');
  if (ip !== undefined && layers.lastIndexOf(ip) > (eth === undefined ? -1 : layers.lastIndexOf(eth))) {
    return ends(ip);
  }
  return eth === undefined ? '' : `${value(eth, 'eth.src')} → ${value(eth, 'eth.dst')}`;
}

function ends(ip: Layer): string {
  const source = value(ip, 'ip.src') || value(ip, 'ipv6.src');
  return `${source} → ${value(ip, 'ip.dst') || value(ip, 'ip.cur_rt') || value(ip, 'ipv6.dst')}`;
}

function tunnel(layers: readonly Layer[], at: number): string {
  const ip = layers.slice(0, at).findLast((l) => l.name === 'ip' || l.name === 'ipv6');
  return `VXLAN${ip === undefined ? '' : ` ${ends(ip)}`} ${layers[at]!.info}`;
}

function value(layer: Layer, name: string): string {
  return layer.fields.find((f) => f.name === name)?.value ?? '';
}

/** The layers of a packet with their fields, indented: what --verbose shows under the line. */
export function packetDetails(dissection: Dissection): string[] {
  const lines: string[] = [];
  for (const layer of dissection.layers) {
    lines.push(`    ${layer.quoted ? 'quoted: ' : ''}${layer.title}${layer.info === '' ? '' : `, ${layer.info}`}`);
    for (const field of layer.fields) if (field.shown) lines.push(`        ${field.name}: ${shorten(field.value)}`);
  }
  return lines;
}

/** Characters of a value that a line shows (24 octets with colons and what follows). Choice. */
const VALUE_SHOWN = 96;

function shorten(text: string): string {
  return text.length <= VALUE_SHOWN ? text : `${text.slice(0, VALUE_SHOWN)}… (${text.length} characters)`;
}
