// A whole DNS message as a value, read from bytes and written back: RFC 1035 section 4.1, EDNS RFC 6891. Counts are
// checked against what is left before anything is read by them, every read is bounded by the record it belongs to, and
// what is wrong comes back as a fault, never as an exception.

import {
  DNS_ANCOUNT,
  DNS_ARCOUNT,
  DNS_FLAGS,
  DNS_HEADER,
  DNS_MESSAGE_MAX,
  DNS_NSCOUNT,
  DNS_OPCODE_MASK,
  DNS_OPCODE_SHIFT,
  DNS_QDCOUNT,
  DNS_RCODE_MASK,
  DnsFlag,
  DnsType,
} from './dns.ts';
import { type DnsName, NameReader, NameWriter, nameLength } from './dns-name.ts';
import { type DnsRecord, dataLength, parseData, RECORD_FIXED, writeData } from './dns-record.ts';

export interface DnsQuestion {
  readonly name: DnsName;
  readonly type: number;
  readonly cls: number;
}

export interface DnsMessage {
  /** 16 bits */
  readonly id: number;
  /** DnsFlag bits, opcode and rcode: the second word of the header */
  readonly flags: number;
  readonly questions: readonly DnsQuestion[];
  readonly answers: readonly DnsRecord[];
  readonly authorities: readonly DnsRecord[];
  readonly additionals: readonly DnsRecord[];
}

/** Why bytes are no DNS message. */
export interface DnsFault {
  /** from the start of the message */
  readonly offset: number;
  /** a sentence's part, for people */
  readonly reason: string;
  /** the header was there: a server may answer FORMERR with this id and these flags */
  readonly header: { readonly id: number; readonly flags: number } | null;
}

export const opcodeOf = (flags: number): number => (flags >>> DNS_OPCODE_SHIFT) & DNS_OPCODE_MASK;
export const rcodeOf = (flags: number): number => flags & DNS_RCODE_MASK;

/** Least bytes of a question (root, type, class) and of a record (root, fixed part). */
const QUESTION_MIN = 5;
const RECORD_MIN = 1 + RECORD_FIXED;

/** Reads the message [at, end); bytes behind its last record are allowed, as every server does. */
export function parseDns(view: DataView, at: number, end: number): DnsMessage | DnsFault {
  if (end - at < DNS_HEADER) return { offset: end - at, reason: `${end - at} bytes are no header`, header: null };
  const id = view.getUint16(at);
  const flags = view.getUint16(at + DNS_FLAGS);
  const names = new NameReader(view, at, end);
  let i = at + DNS_HEADER;
  let reason: string | null = null;
  const fail = (why: string): DnsFault => ({ offset: i - at, reason: why, header: { id, flags } });
  const enough = (count: number, least: number): boolean => count * least <= end - i;

  const questions: DnsQuestion[] = [];
  const asked = view.getUint16(at + DNS_QDCOUNT);
  if (!enough(asked, QUESTION_MIN)) return fail(`${asked} questions do not fit into ${end - i} bytes`);
  for (let k = 0; k < asked; k++) {
    reason = names.read(i, end);
    if (reason !== null) return fail(reason);
    const { next } = names;
    if (next + 4 > end) return fail('a question is cut');
    questions.push({ name: names.name, type: view.getUint16(next), cls: view.getUint16(next + 2) });
    i = next + 4;
  }

  const section = (count: number): DnsRecord[] | null => {
    const records: DnsRecord[] = [];
    if (!enough(count, RECORD_MIN)) {
      reason = `${count} records do not fit into ${end - i} bytes`;
      return null;
    }
    for (let k = 0; k < count; k++) {
      reason = names.read(i, end);
      if (reason !== null) return null;
      const { name, next } = names;
      const data = next + RECORD_FIXED;
      const stop = data <= end ? data + view.getUint16(next + 8) : end + 1;
      if (stop > end) {
        reason = 'a record is cut';
        return null;
      }
      const type = view.getUint16(next);
      const parsed = parseData(view, names, { type, at: data, end: stop });
      if (typeof parsed === 'string') {
        reason = parsed;
        return null;
      }
      records.push({ name, type, cls: view.getUint16(next + 2), ttl: view.getUint32(next + 4), data: parsed });
      i = stop;
    }
    return records;
  };
  const answers = section(view.getUint16(at + DNS_ANCOUNT));
  if (answers === null) return fail(reason ?? '');
  const authorities = section(view.getUint16(at + DNS_NSCOUNT));
  if (authorities === null) return fail(reason ?? '');
  const additionals = section(view.getUint16(at + DNS_ARCOUNT));
  if (additionals === null) return fail(reason ?? '');
  return { id, flags, questions, answers, authorities, additionals };
}

export function isDnsFault(parsed: DnsMessage | DnsFault): parsed is DnsFault {
  return 'reason' in parsed;
}

/** Reads a message that fills its array. */
export function parseDnsBytes(bytes: Uint8Array): DnsMessage | DnsFault {
  return parseDns(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0, bytes.length);
}

/** Octets of the message without compression. */
export function dnsLength(message: DnsMessage): number {
  let length = DNS_HEADER;
  for (const q of message.questions) length += nameLength(q.name) + 4;
  for (const section of [message.answers, message.authorities, message.additionals])
    for (const r of section) length += nameLength(r.name) + RECORD_FIXED + dataLength(r.data);
  return length;
}

/**
 * The message as bytes. Null when it is longer than 65,535.
 * @param compress names are written once and pointed to (BIND, libc's servers); CoreDNS compresses only what would not fit
 */
export function writeDns(message: DnsMessage, compress: boolean): Uint8Array | null {
  const bytes = new Uint8Array(dnsLength(message));
  const view = new DataView(bytes.buffer);
  view.setUint16(0, message.id);
  view.setUint16(DNS_FLAGS, message.flags);
  view.setUint16(DNS_QDCOUNT, message.questions.length);
  view.setUint16(DNS_ANCOUNT, message.answers.length);
  view.setUint16(DNS_NSCOUNT, message.authorities.length);
  view.setUint16(DNS_ARCOUNT, message.additionals.length);
  const names = new NameWriter(view, 0, compress);
  let i: number = DNS_HEADER;
  for (const q of message.questions) {
    i = names.write(i, q.name, true);
    view.setUint16(i, q.type);
    view.setUint16(i + 2, q.cls);
    i += 4;
  }
  for (const section of [message.answers, message.authorities, message.additionals]) {
    for (const r of section) {
      i = names.write(i, r.name, true);
      view.setUint16(i, r.type);
      view.setUint16(i + 2, r.cls);
      view.setUint32(i + 4, r.ttl);
      const data = i + RECORD_FIXED;
      i = writeData(view, names, data, r.data);
      view.setUint16(data - 2, i - data);
    }
  }
  return i > DNS_MESSAGE_MAX ? null : bytes.slice(0, i);
}

/** The OPT record of a message (RFC 6891 section 6.1.1: at most one), or null. */
export function ednsOf(message: DnsMessage): DnsRecord | null {
  return message.additionals.find((r) => r.type === DnsType.OPT) ?? null;
}

/** The full rcode: the header's four bits below the eight of the OPT record (RFC 6891 section 6.1.3). */
export function fullRcode(message: DnsMessage): number {
  const opt = ednsOf(message);
  return rcodeOf(message.flags) | (opt === null ? 0 : (opt.ttl >>> 24) << 4);
}

/** A query with recursion desired, as stub resolvers send it. */
export function dnsQuery(id: number, question: DnsQuestion, additionals: readonly DnsRecord[] = []): DnsMessage {
  return { id, flags: DnsFlag.RD, questions: [question], answers: [], authorities: [], additionals };
}
