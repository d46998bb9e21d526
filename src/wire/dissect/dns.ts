// Dissection of DNS (RFC 1035 section 4.1, EDNS RFC 6891) over UDP and over TCP. Names stand without the dot at their end, as
// Wireshark shows them, and with what is not printable as \DDD: a label may hold anything, a terminal must not.

import { formatIpv4 } from '../../addr/ipv4.ts';
import { formatIpv6 } from '../../addr/ipv6.ts';
import { DNS_HEADER, DNS_TCP_PREFIX, DnsFlag, DnsType, dnsRcodeName, dnsTypeName } from '../dns.ts';
import { opcodeOf, rcodeOf } from '../dns-message.ts';
import { NameReader } from '../dns-name.ts';
import { type DnsData, parseData, RECORD_FIXED } from '../dns-record.ts';
import { dataText } from '../dns-text.ts';
import { dissectData } from './data.ts';
import { type Dissector, hex8, hex16, type LayerReader } from './dissection.ts';

const TITLE = 'Domain Name System';

/** Flags that tshark shows of every message, and those of a response only. */
const FLAGS = [
  ['dns.flags.truncated', DnsFlag.TC, false],
  ['dns.flags.recdesired', DnsFlag.RD, false],
  ['dns.flags.recavail', DnsFlag.RA, true],
  ['dns.flags.z', DnsFlag.Z, false],
  ['dns.flags.authenticated', DnsFlag.AD, true],
  ['dns.flags.checkdisable', DnsFlag.CD, false],
] as const;

/** Field of the name in a record's data, by type. */
const NAME_FIELDS: ReadonlyMap<number, string> = new Map([
  [DnsType.NS, 'dns.ns'],
  [DnsType.CNAME, 'dns.cname'],
  [DnsType.PTR, 'dns.ptr.domain_name'],
  [DnsType.DNAME, 'dns.dname'],
]);

/** Addresses and targets that the line of a packet names. Choice: more would not be read. */
const SHOWN_MAX = 6;

export function dissectDns(d: Dissector, at: number, end: number): number {
  const r = d.layer('dns', TITLE, at, end);
  if (r === null) return end;
  message(r, at);
  return end;
}

/** Each message behind its length; what does not begin with a whole one (the middle of a stream) is shown as bytes. */
export function dissectDnsTcp(d: Dissector, at: number, end: number): number {
  let i = at;
  while (end - i >= DNS_TCP_PREFIX + DNS_HEADER && i + DNS_TCP_PREFIX <= d.bytes.length) {
    const length = d.view.getUint16(i);
    const stop = i + DNS_TCP_PREFIX + length;
    if (length < DNS_HEADER || stop > end || stop > d.bytes.length) break;
    if (!plausible(d, i + DNS_TCP_PREFIX, length)) break;
    const r = d.layer('dns', TITLE, i, stop);
    if (r === null) return end;
    // However many messages a segment holds, tshark's list of protocols has one.
    if (i > at) d.protocols.pop();
    r.u16('dns.length');
    message(r, r.at);
    i = stop;
  }
  if (i < end) dissectData(d, i, end);
  return end;
}

/** In the middle of a stream any bytes may stand: counts that cannot be tell most of them. */
function plausible(d: Dissector, at: number, length: number): boolean {
  const counts = [4, 6, 8, 10].map((offset) => d.view.getUint16(at + offset));
  return DNS_HEADER + counts[0]! * 5 + (counts[1]! + counts[2]! + counts[3]!) * 11 <= length;
}

/** @param start where pointers count from */
function message(r: LayerReader, start: number): void {
  // What brings a dissection back to bytes is the message as it is: compression is the writer's choice.
  r.hide('dns.message', r.d.hex(start, r.end));
  read(r, start);
  r.layer.rest = '';
}

function read(r: LayerReader, start: number): void {
  const { view } = r.d;
  if (!r.need(DNS_HEADER)) return;
  const id = r.u16('dns.id', hex16);
  const flags = view.getUint16(r.at);
  const response = (flags & DnsFlag.QR) !== 0;
  r.at += 2;
  r.add('dns.flags', hex16(flags));
  r.add('dns.flags.response', response ? 1 : 0);
  r.add('dns.flags.opcode', opcodeOf(flags));
  if (response) r.add('dns.flags.authoritative', flags & DnsFlag.AA ? 1 : 0);
  for (const [name, mask, onlyResponse] of FLAGS) {
    if (response || !onlyResponse) r.add(name, flags & mask ? 1 : 0);
  }
  if (response) r.add('dns.flags.rcode', rcodeOf(flags));
  const counts = ['dns.count.queries', 'dns.count.answers', 'dns.count.auth_rr', 'dns.count.add_rr'].map((name) =>
    r.u16(name),
  );
  const names = new NameReader(view, start, r.capturedEnd);
  const said: string[] = [];
  r.layer.info = `${response ? 'response' : 'query'} ${hex16(id)}`;
  if (response && rcodeOf(flags) !== 0) r.layer.info += ` ${dnsRcodeName(rcodeOf(flags))}`;
  for (let k = 0; k < counts[0]! && r.ok; k++) question(r, names);
  for (let section = 1; section < counts.length && r.ok; section++) {
    for (let k = 0; k < counts[section]! && r.ok; k++) record(r, names, section === 1 ? said : null);
  }
  if (said.length > 0) {
    const more = said.length > SHOWN_MAX ? `, and ${said.length - SHOWN_MAX} more` : '';
    r.layer.info += `: ${said.slice(0, SHOWN_MAX).join(', ')}${more}`;
  }
  if (response && (flags & DnsFlag.TC) !== 0) r.layer.info += ' (truncated)';
}

/** The name at r.at as Wireshark shows it, or null when it cannot be read. */
function name(r: LayerReader, names: NameReader): string | null {
  if (!r.ok) return null;
  const fault = names.read(r.at, r.capturedEnd);
  if (fault !== null) {
    r.ok = false;
    // Where the capture or a quote ends, a name that is cut is nobody's mistake.
    const cut = /cut$/.test(fault);
    if (cut && r.end > r.d.bytes.length) r.d.truncated ??= { layer: 'dns', message: 'cut by the snap length' };
    else if (!(cut && (r.d.quoted || r.d.fragmented))) r.flaw(fault);
    return null;
  }
  r.at = names.next;
  return shown(names.name);
}

function shown(text: string): string {
  return text === '.' ? '<Root>' : text.replace(/\.$/, '');
}

function question(r: LayerReader, names: NameReader): void {
  const text = name(r, names);
  if (text === null || !r.need(4)) return;
  r.add('dns.qry.name', text);
  const type = r.u16('dns.qry.type');
  r.u16('dns.qry.class', hex16);
  r.layer.info += ` ${dnsTypeName(type)} ${text}`;
}

/** @param said what the answers say, for the packet's line */
function record(r: LayerReader, names: NameReader, said: string[] | null): void {
  const text = name(r, names);
  if (text === null || !r.need(RECORD_FIXED) || !r.need(RECORD_FIXED + r.d.view.getUint16(r.at + 8))) return;
  if (r.d.view.getUint16(r.at) === DnsType.SRV) serviceName(r, text);
  else r.add('dns.resp.name', text);
  const type = r.u16('dns.resp.type');
  if (type === DnsType.OPT) {
    r.u16('dns.rr.udp_payload_size');
    r.u8('dns.resp.ext_rcode', hex8);
    r.u8('dns.resp.edns0_version');
    const z = r.u16('dns.resp.z', hex16);
    r.add('dns.resp.z.do', z >>> 15);
  } else {
    r.u16('dns.resp.class', hex16);
    r.u32('dns.resp.ttl');
  }
  const length = r.u16('dns.resp.len');
  const end = r.at + length;
  const data = parseData(r.d.view, names, { type, at: r.at, end });
  r.at = end;
  if (typeof data === 'string') {
    r.flaw(data);
    r.ok = false;
    return;
  }
  fields(r, type, data);
  if (data.kind !== 'opt') said?.push(`${dnsTypeName(type)} ${dataText(data)}`);
}

/** The name of an SRV record, as _service._proto.name (RFC 2782); a shorter one has fewer parts. */
function serviceName(r: LayerReader, text: string): void {
  const [service = '', proto, ...name] = text.split('.');
  r.add('dns.srv.service', service);
  if (proto !== undefined) r.add('dns.srv.proto', proto);
  if (name.length > 0) r.add('dns.srv.name', name.join('.'));
}

function fields(r: LayerReader, type: number, data: DnsData): void {
  switch (data.kind) {
    case 'a':
      r.add('dns.a', formatIpv4(data.address));
      break;
    case 'aaaa':
      r.add('dns.aaaa', formatIpv6(data.address));
      break;
    case 'name':
      r.add(NAME_FIELDS.get(type)!, shown(data.name));
      break;
    case 'soa':
      r.add('dns.soa.mname', shown(data.mname));
      r.add('dns.soa.rname', shown(data.rname));
      r.add('dns.soa.serial_number', data.serial);
      r.add('dns.soa.refresh_interval', data.refresh);
      r.add('dns.soa.retry_interval', data.retry);
      r.add('dns.soa.expire_limit', data.expire);
      r.add('dns.soa.minimum_ttl', data.minimum);
      break;
    case 'mx':
      r.add('dns.mx.preference', data.preference);
      r.add('dns.mx.mail_exchange', shown(data.exchange));
      break;
    case 'srv':
      r.add('dns.srv.priority', data.priority);
      r.add('dns.srv.weight', data.weight);
      r.add('dns.srv.port', data.port);
      r.add('dns.srv.target', shown(data.target));
      break;
    case 'txt':
      for (const string of data.strings) {
        r.add('dns.txt.length', string.length);
        r.add('dns.txt', printable(string));
      }
      break;
    case 'opt':
      for (const option of data.options) {
        r.add('dns.opt.code', option.code);
        r.add('dns.opt.len', option.data.length);
      }
      break;
    default:
  }
}

/** Printable ASCII as it is, all else as \DDD. */
function printable(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) {
    text += byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `\\${String(byte).padStart(3, '0')}`;
  }
  return text;
}
