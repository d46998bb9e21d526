// Dissection of ICMP for IPv4 (RFC 792; RFC 950, 1191, 1256, 4884, 8335): one row of the table says what the four bytes
// behind the checksum hold and whether a packet is quoted after them.

import { formatIpv4 } from '../../addr/ipv4.ts';
import { fold, sum } from '../checksum.ts';
import { ICMP_TYPES, IcmpType, IcmpUnreach, isIcmpError } from '../icmp.ts';
import { dissectData } from './data.ts';
import { ChecksumStatus, type Dissector, hex8, hex16, type LayerReader } from './dissection.ts';

export function dissectIcmp(d: Dissector, at: number, end: number): number {
  const r = d.layer('icmp', 'Internet Control Message Protocol', at, end);
  if (r === null) return end;
  // tshark shows nothing of a message that ends before the length byte of RFC 4884.
  if (!r.need(6)) return end;
  const type = r.u8('icmp.type');
  const code = r.u8('icmp.code');
  checksum(r, at, end);
  if (!r.ok) return end;
  r.layer.info = ICMP_TYPES.get(type)?.name ?? `type ${type}`;
  if (code !== 0) r.layer.info += ` code ${code}`;
  const row = ICMP_TYPES.get(type);
  switch (row?.rest) {
    case 'echo':
      both(r, 'icmp.ident');
      both(r, 'icmp.seq');
      if (r.ok) r.layer.info += ` id ${d.view.getUint16(r.at - 4)} seq ${d.view.getUint16(r.at - 2)}`;
      break;
    case 'extended-echo':
      both(r, 'icmp.ident');
      r.u8('icmp.ext.echo.seq');
      extendedEchoBits(r, type);
      break;
    case 'gateway':
      if (r.need(4)) r.add('icmp.redir_gw', formatIpv4(r.d.view.getInt32(r.at)));
      r.at += 4;
      break;
    case 'pointer':
      r.u8('icmp.pointer');
      r.octets('icmp.unused', 3);
      break;
    case 'advertisement':
      r.u8('icmp.num_addrs');
      r.u8('icmp.addr_entry_size');
      r.u16('icmp.lifetime');
      break;
    case 'unused':
      if (type === IcmpType.DEST_UNREACH && code === IcmpUnreach.FRAG_NEEDED) {
        r.octets('icmp.unused', 2);
        const mtu = r.u16('icmp.mtu');
        if (r.ok) r.layer.info += ` mtu ${mtu}`;
      } else r.octets('icmp.unused', 4);
      break;
    default:
  }
  if (!r.ok) return end;
  if (isIcmpError(type)) quote(d, r, type === IcmpType.REDIRECT ? Math.min(end, redirectQuoteEnd(r)) : end, end);
  else if (row?.rest === 'echo' && row.times === true) times(r, end);
  else if (type === IcmpType.ADDRESS || type === IcmpType.ADDRESS_REPLY) mask(r, end);
  else dissectData(d, r.at, end);
  return end;
}

/** 16 bits in both byte orders, as tshark shows them: systems differ in how they fill them. */
function both(r: LayerReader, name: string): void {
  if (!r.need(2)) return;
  r.add(name, r.d.view.getUint16(r.at));
  r.add(`${name}_le`, r.d.view.getUint16(r.at, true));
  r.at += 2;
}

/** The last byte of an extended echo (RFC 8335 sections 2 and 3). */
function extendedEchoBits(r: LayerReader, type: number): void {
  if (!r.need(1)) return;
  const bits = r.d.view.getUint8(r.at++);
  if (type === IcmpType.EXTENDED_ECHO) {
    r.add('icmp.ext.echo.req.res', hex8(bits >>> 1));
    r.add('icmp.ext.echo.req.local', bits & 1);
    return;
  }
  r.add('icmp.ext.echo.rsp.state', bits >>> 5);
  r.add('icmp.ext.echo.rsp.res', hex8((bits >>> 3) & 3));
  r.add('icmp.ext.echo.rsp.active', (bits >>> 2) & 1);
  r.add('icmp.ext.echo.rsp.ipv4', (bits >>> 1) & 1);
  r.add('icmp.ext.echo.rsp.ipv6', bits & 1);
}

/** Timestamp messages: three times of day in milliseconds. */
function times(r: LayerReader, end: number): void {
  r.u32('icmp.originate_timestamp');
  r.u32('icmp.receive_timestamp');
  r.u32('icmp.transmit_timestamp');
  if (r.ok) dissectData(r.d, r.at, end);
}

function mask(r: LayerReader, end: number): void {
  if (!r.need(4)) return;
  r.add('icmp.address_mask', formatIpv4(r.d.view.getInt32(r.at)));
  r.at += 4;
  dissectData(r.d, r.at, end);
}

/** The quote may end where its last header begins: such a header is no layer, only bytes of the one before. */
function dropEmpty(d: Dissector): void {
  const last = d.layers.at(-1);
  const before = d.layers.at(-2);
  if (last === undefined || before === undefined || last.fields.length > 0 || !last.quoted) return;
  before.rest = last.rest + before.rest;
  d.layers.pop();
  d.protocols.pop();
}

/** A redirect quotes the header and eight bytes (RFC 792; tshark reads no more there, whatever Linux appends). */
function redirectQuoteEnd(r: LayerReader): number {
  const header = r.at < r.capturedEnd ? (r.d.view.getUint8(r.at) & 15) * 4 : 0;
  return r.at + header + 8;
}

/** The packet that the error is about: as much of it as was sent back, lengths and checksums unverifiable. */
function quote(d: Dissector, r: LayerReader, quoteEnd: number, end: number): void {
  if (end <= r.at) return;
  const wasQuoted = d.quoted;
  d.quoted = true;
  const stop = d.tables.ip(d, r.at, quoteEnd);
  d.quoted = wasQuoted;
  dropEmpty(d);
  if (stop < end) r.layer.rest = d.hex(stop, end);
}

function checksum(r: LayerReader, at: number, end: number): void {
  const d = r.d;
  r.u16('icmp.checksum', hex16);
  if (!r.ok) return;
  let status: number = ChecksumStatus.UNVERIFIED;
  if (!d.quoted && !d.fragmented && end <= d.bytes.length) {
    status = fold(sum(d.view, at, end)) === 0xffff ? ChecksumStatus.GOOD : ChecksumStatus.BAD;
  }
  r.add('icmp.checksum.status', status);
}
