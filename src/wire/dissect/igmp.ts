// Dissection of IGMP: version 1 (RFC 1112 appendix I), 2 (RFC 2236 section 2), 3 (RFC 3376 section 4). What else uses the
// protocol number (DVMRP, PIM version 1, mtrace) is shown as bytes.

import { formatIpv4 } from '../../addr/ipv4.ts';
import { fold, sum } from '../checksum.ts';
import { IGMP_RECORD, IGMP_REPORT } from '../igmp.ts';
import { dissectData } from './data.ts';
import { ChecksumStatus, type Dissector, hex8, hex16, type LayerReader } from './dissection.ts';

const QUERY = 0x11;
const REPORT_V1 = 0x12;
const REPORT_V2 = 0x16;
const LEAVE = 0x17;
const NAMES: ReadonlyMap<number, string> = new Map([
  [QUERY, 'membership query'],
  [REPORT_V1, 'membership report v1'],
  [REPORT_V2, 'membership report v2'],
  [LEAVE, 'leave group'],
  [IGMP_REPORT, 'membership report v3'],
]);
/** A query of this length or more is of version 3 (RFC 3376 section 7.1). */
const QUERY_V3 = 12;

export function dissectIgmp(d: Dissector, at: number, end: number): number {
  if (at < Math.min(end, d.bytes.length) && !NAMES.has(d.view.getUint8(at))) return dissectData(d, at, end);
  const r = d.layer('igmp', 'Internet Group Management Protocol', at, end);
  if (r === null || !r.need(2)) return end;
  // tshark's list has the protocol and the version's reading of it, under one name.
  d.protocols.push('igmp');
  const type = d.view.getUint8(at);
  const response = d.view.getUint8(at + 1);
  const version =
    type === IGMP_REPORT ? 3 : type === REPORT_V1 ? 1 : type === QUERY ? queryVersion(end - at, response) : 2;
  r.add('igmp.version', version);
  r.u8('igmp.type', hex8);
  if (version === 1 || type === IGMP_REPORT) r.octets('igmp.reserved', 1);
  else maximumResponse(r, version);
  checksum(r, at, end);
  r.layer.info = NAMES.get(type)!;
  if (type === IGMP_REPORT) records(r);
  else {
    const group = address(r, 'igmp.maddr');
    if (r.ok) r.layer.info += ` ${group}`;
    if (version === 3) querySources(r);
  }
  if (r.ok) dissectData(d, r.at, end);
  return end;
}

/** In tenths of a second; from 128 on version 3 counts with an exponent (RFC 3376 section 4.1.1). */
function maximumResponse(r: LayerReader, version: number): void {
  const code = r.d.view.getUint8(r.at++);
  if (version < 3 || code < 128) {
    r.add('igmp.max_resp', code);
    return;
  }
  r.add('igmp.max_resp', ((code & 15) | 16) << (((code >>> 4) & 7) + 3));
  r.hide('igmp.max_resp', code);
}

function queryVersion(length: number, response: number): number {
  return length >= QUERY_V3 ? 3 : response === 0 ? 1 : 2;
}

function address(r: LayerReader, name: string): string {
  if (!r.need(4)) return '';
  const text = formatIpv4(r.d.view.getInt32(r.at));
  r.add(name, text);
  r.at += 4;
  return text;
}

/** The part that version 3 added to queries. */
function querySources(r: LayerReader): void {
  if (!r.need(1)) return;
  const flags = r.d.view.getUint8(r.at++);
  r.hide('igmp.query', flags);
  r.add('igmp.s', (flags >>> 3) & 1);
  r.add('igmp.qrv', flags & 7);
  r.u8('igmp.qqic');
  const sources = r.u16('igmp.num_src');
  for (let i = 0; i < sources && r.ok; i++) address(r, 'igmp.saddr');
}

/** Group records; every one takes at least eight bytes, so the packet bounds them. */
function records(r: LayerReader): void {
  r.octets('igmp.reserved', 2);
  const count = r.u16('igmp.num_grp_recs');
  for (let i = 0; i < count && r.need(IGMP_RECORD); i++) {
    r.u8('igmp.record_type');
    const auxiliary = r.u8('igmp.aux_data_len');
    const sources = r.u16('igmp.num_src');
    const group = address(r, 'igmp.maddr');
    if (r.ok) r.layer.info += ` ${group}`;
    for (let k = 0; k < sources && r.ok; k++) address(r, 'igmp.saddr');
    r.octets('igmp.aux_data', 4 * auxiliary);
  }
}

function checksum(r: LayerReader, at: number, end: number): void {
  const d = r.d;
  r.u16('igmp.checksum', hex16);
  if (!r.ok) return;
  let status: number = ChecksumStatus.UNVERIFIED;
  if (!d.fragmented && end <= d.bytes.length) {
    status = fold(sum(d.view, at, end)) === 0xffff ? ChecksumStatus.GOOD : ChecksumStatus.BAD;
    if (status === ChecksumStatus.BAD) r.flaw('wrong checksum');
  }
  r.add('igmp.checksum.status', status);
}
