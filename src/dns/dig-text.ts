// How dig 9.18 prints a message (bin/dig/dig.c printmessage, lib/dns/masterdump.c): sections, comments, columns.

import { DnsFlag, DnsType, dnsClassName, dnsOpcodeName, dnsRcodeName, dnsTypeName, EdnsOption } from '../wire/dns.ts';
import { type DnsMessage, type DnsQuestion, ednsOf, fullRcode, opcodeOf } from '../wire/dns-message.ts';
import { foldName, isWithin } from '../wire/dns-name.ts';
import type { DnsRecord } from '../wire/dns-record.ts';
import { dataText } from '../wire/dns-text.ts';

export interface DigSections {
  readonly comments: boolean;
  readonly question: boolean;
  readonly answer: boolean;
  readonly authority: boolean;
  readonly additional: boolean;
}

/** Columns of TTL, class, type and data (dig's master style); TTL's stands for a question's class too when it is short. */
const TTL_COLUMN = 24;
const CLASS_COLUMN = 32;
const TYPE_COLUMN = 40;
const DATA_COLUMN = 48;
const TAB = 8;

const FLAG_NAMES = [
  ['qr', DnsFlag.QR],
  ['aa', DnsFlag.AA],
  ['tc', DnsFlag.TC],
  ['rd', DnsFlag.RD],
  ['ra', DnsFlag.RA],
  ['ad', DnsFlag.AD],
  ['cd', DnsFlag.CD],
] as const;
const DNSSEC_OK = 0x8000;

/** Text with the column at which it ends. */
class Columns {
  text = '';
  #column = 0;

  add(text: string): void {
    this.text += text;
    this.#column += text.length;
  }

  /** indent(): tabs and spaces up to a column, at least one. */
  to(wanted: number): void {
    const target = this.#column >= wanted ? this.#column + 1 : wanted;
    const tabs = Math.floor(target / TAB) - Math.floor(this.#column / TAB);
    this.text += tabs > 0 ? '\t'.repeat(tabs) + ' '.repeat(target % TAB) : ' '.repeat(target - this.#column);
    this.#column = target;
  }
}

/** "web.default.svc.cluster.local. 30 IN\tA\t10.96.0.77" */
export function digRecord(r: DnsRecord): string {
  const line = new Columns();
  line.add(r.name);
  line.to(TTL_COLUMN);
  line.add(String(r.ttl));
  line.to(CLASS_COLUMN);
  line.add(dnsClassName(r.cls));
  line.to(TYPE_COLUMN);
  line.add(dnsTypeName(r.type));
  line.to(DATA_COLUMN);
  line.add(dataText(r.data));
  return line.text;
}

function digQuestion(q: DnsQuestion): string {
  const line = new Columns();
  line.add(q.name);
  line.to(CLASS_COLUMN);
  line.add(dnsClassName(q.cls));
  line.to(TYPE_COLUMN);
  line.add(dnsTypeName(q.type));
  return `;${line.text}`;
}

/** @param cookie the client cookie that was sent, in hex; null: none */
export function digMessage(message: DnsMessage, show: DigSections, cookie: string | null): string {
  let out = '';
  const opt = ednsOf(message);
  if (show.comments) out += header(message);
  if (show.comments && opt !== null) out += ednsText(opt, cookie);
  const section = (title: string, lines: readonly string[], shown: boolean): void => {
    if (!shown || lines.length === 0) return;
    if (show.comments) out += `;; ${title} SECTION:\n`;
    out += lines.map((line) => `${line}\n`).join('');
    if (show.comments) out += '\n';
  };
  section('QUESTION', message.questions.map(digQuestion), show.question);
  section('ANSWER', message.answers.map(digRecord), show.answer);
  section('AUTHORITY', message.authorities.map(digRecord), show.authority);
  const additionals = message.additionals.filter((r) => r.type !== DnsType.OPT);
  section('ADDITIONAL', additionals.map(digRecord), show.additional);
  return out;
}

function header(message: DnsMessage): string {
  const { flags } = message;
  let out = ';; Got answer:\n';
  const name = message.questions[0]?.name;
  if (name !== undefined && isWithin(foldName(name), 'local.')) {
    out += ';; WARNING: .local is reserved for Multicast DNS\n';
    out += ';; You are currently testing what happens when an mDNS query is leaked to DNS\n';
  }
  out += `;; ->>HEADER<<- opcode: ${dnsOpcodeName(opcodeOf(flags))}, status: ${dnsRcodeName(fullRcode(message))}, id: ${message.id}\n`;
  const set = FLAG_NAMES.filter(([, bit]) => (flags & bit) !== 0).map(([name]) => ` ${name}`);
  const counts = `QUERY: ${message.questions.length}, ANSWER: ${message.answers.length}, AUTHORITY: ${message.authorities.length}, ADDITIONAL: ${message.additionals.length}`;
  out += `;; flags:${set.join('')}; ${counts}\n`;
  if ((flags & DnsFlag.RD) !== 0 && (flags & DnsFlag.RA) === 0) {
    out += ';; WARNING: recursion requested but not available\n';
  }
  return `${out}\n`;
}

function ednsText(opt: DnsRecord, cookie: string | null): string {
  const dnssec = (opt.ttl & DNSSEC_OK) !== 0 ? ' do' : '';
  let out = `;; OPT PSEUDOSECTION:\n; EDNS: version: ${(opt.ttl >>> 16) & 0xff}, flags:${dnssec}; udp: ${opt.cls}\n`;
  if (opt.data.kind !== 'opt') return out;
  for (const { code, data } of opt.data.options) {
    const hex = Array.from(data, (b) => b.toString(16).padStart(2, '0')).join('');
    if (code === EdnsOption.COOKIE) out += `; COOKIE: ${hex}${cookieNote(hex, cookie)}\n`;
    else out += `; OPT=${code}: ${hex.replace(/(..)(?=.)/g, '$1 ')}\n`;
  }
  return out;
}

/** A server that knows cookies puts its own behind the client's; one that does not sends it back as it came. */
function cookieNote(hex: string, sent: string | null): string {
  if (sent === null) return '';
  if (hex === sent) return ' (echoed)';
  return hex.startsWith(sent) ? ' (good)' : ' (bad)';
}
