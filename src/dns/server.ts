// What every DNS server here is: something that is given a query and, at once or later, gives a reply. CoreDNS's plugins
// are such handlers, each with the next one behind it. Which bytes are a query at all, and what a reply's bytes are, is
// decided here, as github.com/miekg/dns and CoreDNS's server do it.

import {
  DNS_MESSAGE_MAX,
  DNS_UDP_MAX,
  DnsClass,
  DnsFlag,
  DnsOpcode,
  DnsRcode,
  DnsType,
  EdnsOption,
} from '../wire/dns.ts';
import {
  type DnsMessage,
  type DnsQuestion,
  dnsLength,
  ednsOf,
  isDnsFault,
  opcodeOf,
  parseDnsBytes,
  writeDns,
} from '../wire/dns-message.ts';
import { type DnsName, foldName, nameLength } from '../wire/dns-name.ts';
import { type DnsRecord, dataLength, RECORD_FIXED } from '../wire/dns-record.ts';

export type DnsProtocol = 'udp' | 'tcp';

export interface DnsRequest {
  readonly message: DnsMessage;
  readonly question: DnsQuestion;
  /** the question's name, folded */
  readonly name: DnsName;
  readonly protocol: DnsProtocol;
}

/** Answers a query: calls `done` once, at once or later. A number is an rcode without anything else. */
export interface DnsHandler {
  serve(request: DnsRequest, done: (reply: DnsMessage | DnsRcodeOnly) => void): void;
}

export type DnsRcodeOnly = (typeof DnsRcode)[keyof typeof DnsRcode];

/** An answer without flags: SetReply of miekg/dns. */
export function replyTo(
  request: DnsRequest,
  sections: {
    readonly rcode?: number;
    readonly flags?: number;
    readonly answers?: readonly DnsRecord[];
    readonly authorities?: readonly DnsRecord[];
    readonly additionals?: readonly DnsRecord[];
  },
): DnsMessage {
  const { message, question } = request;
  const copied = message.flags & (DnsFlag.RD | DnsFlag.CD);
  return {
    id: message.id,
    flags: DnsFlag.QR | copied | (sections.flags ?? 0) | (sections.rcode ?? DnsRcode.NOERROR),
    questions: [question],
    answers: sections.answers ?? [],
    authorities: sections.authorities ?? [],
    additionals: sections.additionals ?? [],
  };
}

/**
 * Hands the bytes of a query to a handler and its reply's bytes to `done`; null: there is no reply (it was none, or a
 * response).
 */
export function serveDns(
  bytes: Uint8Array,
  protocol: DnsProtocol,
  handler: DnsHandler,
  done: (reply: Uint8Array | null) => void,
): void {
  const refusal = refusalOf(bytes);
  if (refusal !== undefined) {
    done(refusal);
    return;
  }
  const message = parseDnsBytes(bytes);
  if (isDnsFault(message)) {
    done(message.header === null ? null : headerOnly(message.header.id, message.header.flags, DnsRcode.FORMERR));
    return;
  }
  const question = message.questions[0]!;
  const request: DnsRequest = { message, question, name: foldName(question.name), protocol };
  const opt = ednsOf(message);
  const finish = (reply: DnsMessage): void => done(writeReply(request, reply));
  // EDNS of another version (RFC 6891 section 6.1.3).
  if (opt !== null && ((opt.ttl >>> 16) & 0xff) !== 0) {
    const extended = DnsRcode.BADVERS >>> 4;
    finish(replyTo(request, { additionals: [{ ...opt, ttl: extended << 24, data: { kind: 'opt', options: [] } }] }));
    return;
  }
  if (question.cls !== DnsClass.IN) {
    finish(replyTo(request, { rcode: DnsRcode.REFUSED }));
    return;
  }
  handler.serve(request, (reply) => finish(typeof reply === 'number' ? replyTo(request, { rcode: reply }) : reply));
}

/** DefaultMsgAcceptFunc: decided by the header alone. undefined: go on; null: say nothing. */
function refusalOf(bytes: Uint8Array): Uint8Array | null | undefined {
  if (bytes.length < 12) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const id = view.getUint16(0);
  const flags = view.getUint16(2);
  if ((flags & DnsFlag.QR) !== 0) return null;
  const opcode = opcodeOf(flags);
  if (opcode !== DnsOpcode.QUERY && opcode !== DnsOpcode.NOTIFY) return headerOnly(id, flags, DnsRcode.NOTIMP);
  const counts = [view.getUint16(4), view.getUint16(6), view.getUint16(8), view.getUint16(10)] as const;
  if (counts[0] !== 1 || counts[1] > 1 || counts[2] > 1 || counts[3] > 2)
    return headerOnly(id, flags, DnsRcode.FORMERR);
  return undefined;
}

function headerOnly(id: number, flags: number, rcode: number): Uint8Array {
  const kept = flags & (DnsFlag.RD | DnsFlag.CD | (0xf << 11));
  const message = {
    id,
    flags: DnsFlag.QR | kept | rcode,
    questions: [],
    answers: [],
    authorities: [],
    additionals: [],
  };
  return writeDns(message, false)!;
}

/** EDNS options that CoreDNS sends back as they came (plugin/pkg/edns supportedOptions). */
const ECHOED: ReadonlySet<number> = new Set([
  EdnsOption.NSID,
  EdnsOption.EXPIRE,
  EdnsOption.COOKIE,
  EdnsOption.TCP_KEEPALIVE,
  EdnsOption.PADDING,
]);
/** The DO bit of an OPT record's TTL. */
const DNSSEC_OK = 0x8000;
/** Above this even a message that fits is compressed (request.Scrub: 1480 less IP and UDP headers). */
const COMPRESS_ABOVE = 1452;

/** Longest reply that the client takes (request.Size). */
export function replySize(request: DnsRequest): number {
  if (request.protocol === 'tcp') return DNS_MESSAGE_MAX;
  return Math.max(ednsOf(request.message)?.cls ?? 0, DNS_UDP_MAX);
}

/** SizeAndDo and Scrub: the OPT record of the request comes back, and what does not fit is cut off. */
function writeReply(request: DnsRequest, reply: DnsMessage): Uint8Array | null {
  const asked = ednsOf(request.message);
  const others = reply.additionals.filter((r) => r.type !== DnsType.OPT);
  const own = ednsOf(reply);
  let opt = own;
  if (asked !== null && asked.data.kind === 'opt') {
    const options = asked.data.options.filter((o) => ECHOED.has(o.code));
    opt = { ...asked, ttl: (own?.ttl ?? 0) | (asked.ttl & DNSSEC_OK), data: { kind: 'opt', options } };
  } else opt = null;
  const whole = { ...reply, additionals: opt === null ? others : [...others, opt] };
  const size = replySize(request);
  const length = dnsLength(whole);
  if (length <= size) return writeDns(whole, request.protocol === 'udp' && length > COMPRESS_ABOVE);
  return writeDns(truncate({ ...reply, additionals: others }, opt, size), true);
}

/** Msg.Truncate of miekg/dns: record by record while the compressed message fits; TC when one is left out. */
function truncate(reply: DnsMessage, opt: DnsRecord | null, size: number): DnsMessage {
  const budget = size - (opt === null ? 0 : nameLength(opt.name) + RECORD_FIXED + dataLength(opt.data));
  let kept: DnsMessage = { ...reply, answers: [], authorities: [], additionals: [] };
  let cut = false;
  for (const section of ['answers', 'authorities', 'additionals'] as const) {
    const list: DnsRecord[] = [];
    for (const record of reply[section]) {
      const bytes = writeDns({ ...kept, [section]: [...list, record] }, true);
      if (bytes === null || bytes.length > budget) break;
      list.push(record);
    }
    if (list.length < reply[section].length) cut = true;
    kept = { ...kept, [section]: list };
  }
  const additionals = opt === null ? kept.additionals : [...kept.additionals, opt];
  return { ...kept, flags: kept.flags | (cut ? DnsFlag.TC : 0), additionals };
}
