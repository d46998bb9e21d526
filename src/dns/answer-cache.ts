// CoreDNS's plugin cache (plugin/cache): replies by name, type and the DO bit. It maps a question to the last reply, so
// that a name outside the cluster costs one query upstream for each TTL.
//
// Limit: 9984 replies of each kind (defaultCap); when full, the oldest goes. Ageing: the least TTL of the reply, at most
// that of the Corefile (`cache 30`), at least 5 s.

import { NS_PER_S, type Ns } from '../sim/sim.ts';
import { DnsFlag, DnsRcode, DnsType } from '../wire/dns.ts';
import { type DnsMessage, ednsOf, rcodeOf } from '../wire/dns-message.ts';
import { type DnsName, isWithin } from '../wire/dns-name.ts';
import type { DnsRecord } from '../wire/dns-record.ts';
import type { DnsHandler, DnsRequest } from './server.ts';

/** defaultCap, replies */
const CAPACITY = 9984;
/** minTTL, seconds */
const TTL_MIN = 5;
/** servfail: how long a SERVFAIL is kept, seconds */
const SERVFAIL_TTL = 5;

export interface CacheOptions {
  /** longest time that a reply is kept, seconds */
  readonly ttl: number;
  /** zones whose replies are not kept (`disable success` and `disable denial`) */
  readonly except: readonly DnsName[];
  readonly now: () => Ns;
}

interface Entry {
  readonly reply: DnsMessage;
  readonly stored: Ns;
  /** seconds */
  readonly ttl: number;
}

export class AnswerCache implements DnsHandler {
  readonly #options: CacheOptions;
  readonly #next: DnsHandler;
  readonly #success = new Map<string, Entry>();
  readonly #denial = new Map<string, Entry>();

  constructor(options: CacheOptions, next: DnsHandler) {
    this.#options = options;
    this.#next = next;
  }

  serve(request: DnsRequest, done: Parameters<DnsHandler['serve']>[1]): void {
    const { name, question, message } = request;
    const dnssec = ((ednsOf(message)?.ttl ?? 0) & 0x8000) !== 0;
    const key = `${name} ${question.type} ${dnssec ? 1 : 0} ${message.flags & DnsFlag.CD}`;
    const hit = this.#lookup(this.#denial, key) ?? this.#lookup(this.#success, key);
    if (hit !== null) {
      done(this.#aged(request, hit));
      return;
    }
    this.#next.serve(request, (reply) => {
      if (typeof reply !== 'number') this.#store(request, key, reply);
      done(reply);
    });
  }

  #lookup(table: Map<string, Entry>, key: string): Entry | null {
    const entry = table.get(key);
    if (entry === undefined) return null;
    if (this.#left(entry) > 0) return entry;
    table.delete(key);
    return null;
  }

  #left(entry: Entry): number {
    return entry.ttl - Math.floor((this.#options.now() - entry.stored) / NS_PER_S);
  }

  /** The reply with what is left of its TTL. AA is set, because some clients throw away what does not have it. */
  #aged(request: DnsRequest, entry: Entry): DnsMessage {
    const ttl = this.#left(entry);
    const aged = (records: readonly DnsRecord[]): DnsRecord[] =>
      records.map((r) => (r.type === DnsType.OPT ? r : { ...r, ttl }));
    const { reply } = entry;
    const copied = request.message.flags & (DnsFlag.RD | DnsFlag.CD);
    return {
      ...reply,
      id: request.message.id,
      flags: (reply.flags & ~(DnsFlag.RD | DnsFlag.CD)) | copied | DnsFlag.AA,
      questions: [request.question],
      answers: aged(reply.answers),
      authorities: aged(reply.authorities),
      additionals: aged(reply.additionals),
    };
  }

  #store(request: DnsRequest, key: string, reply: DnsMessage): void {
    if ((reply.flags & DnsFlag.TC) !== 0 || this.#options.except.some((zone) => isWithin(request.name, zone))) return;
    const rcode = rcodeOf(reply.flags);
    const denied = rcode === DnsRcode.NXDOMAIN || (rcode === DnsRcode.NOERROR && reply.answers.length === 0);
    let ttl: number;
    if (rcode === DnsRcode.SERVFAIL) ttl = Math.min(SERVFAIL_TTL, this.#options.ttl);
    else if (denied) {
      // RFC 2308 section 5: a denial without an SOA is not kept.
      const soa = reply.authorities.find((r) => r.data.kind === 'soa');
      if (soa === undefined || soa.data.kind !== 'soa') return;
      ttl = Math.min(soa.ttl, soa.data.minimum);
    } else if (rcode === DnsRcode.NOERROR) {
      const all = [...reply.answers, ...reply.authorities, ...reply.additionals].filter((r) => r.type !== DnsType.OPT);
      ttl = Math.min(...all.map((r) => r.ttl));
    } else return;
    ttl = Math.min(Math.max(ttl, TTL_MIN), this.#options.ttl);
    const table = denied || rcode === DnsRcode.SERVFAIL ? this.#denial : this.#success;
    if (table.size >= CAPACITY) {
      const [oldest] = table.keys();
      if (oldest !== undefined) table.delete(oldest);
    }
    table.set(key, { reply, stored: this.#options.now(), ttl });
  }
}
