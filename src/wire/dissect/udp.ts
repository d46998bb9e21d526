// Dissection of UDP (RFC 768).

import { fold, sum } from '../checksum.ts';
import { IpProtocol } from '../ipv4.ts';
import { UDP_HEADER } from '../udp.ts';
import { dissectData } from './data.ts';
import { ChecksumStatus, type Dissector, hex16, type LayerReader } from './dissection.ts';

export function dissectUdp(d: Dissector, at: number, end: number): number {
  const r = d.layer('udp', 'User Datagram Protocol', at, end);
  if (r === null) return end;
  if (!r.need(4)) return end;
  const source = r.u16('udp.srcport');
  const destination = r.u16('udp.dstport');
  const length = r.u16('udp.length');
  if (!r.ok) return end;
  r.layer.info = `${source} > ${destination} length ${length}`;
  if (length < UDP_HEADER) {
    r.flaw(`length ${length} is below the header's ${UDP_HEADER}`);
    return end;
  }
  const partial = d.quoted || d.fragmented;
  if (at + length > end && !partial) r.flaw(`length ${length} exceeds the IP payload of ${end - at}`);
  checksum(r, at, length, end);
  if (!r.ok) return end;
  const stop = Math.min(end, at + length);
  const next = d.tables.udpPorts.get(destination) ?? d.tables.udpPorts.get(source);
  if (next !== undefined && Math.min(stop, d.bytes.length) > r.at) next(d, r.at, stop);
  else dissectData(d, r.at, stop);
  if (stop < end) r.layer.rest = d.hex(stop, end);
  return stop;
}

/** Verifies when the whole datagram is here; zero means that the sender made none, which IPv6 forbids. */
function checksum(r: LayerReader, at: number, length: number, end: number): void {
  const d = r.d;
  const field = r.u16('udp.checksum', hex16);
  if (!r.ok) return;
  let status: number = ChecksumStatus.UNVERIFIED;
  if (field === 0 && d.ipv6) {
    status = ChecksumStatus.ILLEGAL;
    r.flaw('no checksum over IPv6');
  } else if (field === 0) status = ChecksumStatus.NOT_PRESENT;
  else if (!d.fragmented && at + length <= end && end <= d.bytes.length) {
    const total = d.addressSum + IpProtocol.UDP + length + sum(d.view, at, at + length);
    status = fold(total) === 0xffff ? ChecksumStatus.GOOD : ChecksumStatus.BAD;
    if (status === ChecksumStatus.BAD) r.flaw('wrong checksum');
  }
  r.add('udp.checksum.status', status);
}
