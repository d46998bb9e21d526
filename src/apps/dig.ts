// dig of BIND 9.18 (bin/dig/dig.c): one or more lookups and their replies in full.

import { formatIpv4, type Ipv4 } from '../addr/ipv4.ts';
import { type DigSections, digMessage } from '../dns/dig-text.ts';
import { parseResolvConf } from '../dns/resolv-conf.ts';
import { NS_PER_MS } from '../sim/sim.ts';
import { DnsClass, DnsFlag, DnsRcode, DnsType, EdnsOption } from '../wire/dns.ts';
import { type DnsMessage, dnsQuery, rcodeOf } from '../wire/dns-message.ts';
import { isAbsolute, nameLabels, parseDnsName } from '../wire/dns-name.ts';
import { dataText } from '../wire/dns-text.ts';
import { DigQuery, type DigQueryOptions, type DigReply } from './dig-query.ts';
import { Program, type ProgramHost } from './program.ts';
import { resolverRng, serverText } from './stub-sockets.ts';
import { readSystemFile } from './system-files.ts';

/** What dig calls itself: the version whose output the golden captures hold. */
export const DIG_VERSION = '9.18.49-1~deb12u3-Debian';
/** UDP size that dig offers (DEFAULT_EDNS_BUFSIZE) */
export const EDNS_SIZE = 1232;
const COOKIE_BYTES = 8;
/** Exit status: no reply from any server. */
const NO_REPLY = 9;
const DNSSEC_OK = 0x8000;

export interface DigLookup {
  readonly name: string;
  readonly type: number;
  readonly cls: number;
  readonly query: Omit<DigQueryOptions, 'servers'> & { readonly servers: readonly Ipv4[] | null };
  readonly show: DigSections & { readonly cmd: boolean; readonly stats: boolean; readonly short: boolean };
  readonly recurse: boolean;
  /** null: no OPT record */
  readonly edns: { readonly size: number; readonly cookie: boolean; readonly dnssec: boolean } | null;
  readonly search: boolean;
  readonly checkingDisabled: boolean;
  readonly authenticData: boolean;
}

export class Dig extends Program {
  readonly #lookups: DigLookup[];
  /** words of the command line, for the greeting */
  readonly #words: string;
  #greeted = false;
  #running: DigQuery | null = null;
  #status = 0;

  constructor(host: ProgramHost, lookups: readonly DigLookup[], words: readonly string[]) {
    super(host);
    this.#lookups = [...lookups];
    this.#words = words.join(' ');
  }

  protected begin(): void {
    const lookup = this.#lookups.shift();
    if (lookup === undefined) {
      this.exit(this.#status);
      return;
    }
    const conf = parseResolvConf(readSystemFile(this.host.netns, '/etc/resolv.conf'));
    this.#ask(
      lookup,
      lookup.search ? searchNames(lookup.name, conf.search, conf.ndots) : [lookup.name],
      conf.nameservers,
    );
  }

  protected release(): void {
    this.#running?.cancel();
  }

  #greet({ show, query }: DigLookup): void {
    if (this.#greeted || !show.cmd) return;
    this.#greeted = true;
    this.host.out(`\n; <<>> DiG ${DIG_VERSION} <<>> ${this.#words}\n`);
    if (query.servers !== null) this.host.out('; (1 server found)\n');
    this.host.out(';; global options: +cmd\n');
  }

  /** Asks for the first of the names, and for the next when it does not exist. */
  #ask(lookup: DigLookup, names: readonly string[], system: readonly Ipv4[]): void {
    const name = parseDnsName(names[0]!);
    if (name === null) {
      this.host.out(`dig: '${names[0]!}' is not a legal name (unexpected end of input)\n`);
      this.exit(10);
      return;
    }
    const rng = resolverRng(this.host.netns);
    const cookie = Uint8Array.from({ length: COOKIE_BYTES }, () => rng.below(256));
    const message = queryMessage(lookup, name, rng.below(0x10000), cookie);
    const options = { ...lookup.query, servers: lookup.query.servers ?? system };
    this.#running = new DigQuery(this.host, message, options, {
      comment: (text) => {
        if (lookup.show.comments || !lookup.show.short) this.host.out(`${text}\n`);
      },
      done: (reply) => {
        if (reply === null) this.#unreached(lookup);
        else if (rcodeOf(reply.message.flags) === DnsRcode.NXDOMAIN && names.length > 1) {
          this.#ask(lookup, names.slice(1), system);
          return;
        } else this.#print(lookup, reply, lookup.edns?.cookie === true ? hex(cookie) : null);
        this.begin();
      },
    });
    this.#running.start();
  }

  #unreached(lookup: DigLookup): void {
    this.#greet(lookup);
    this.host.out(';; no servers could be reached\n');
    this.#status = NO_REPLY;
  }

  #print(lookup: DigLookup, reply: DigReply, cookie: string | null): void {
    const { show } = lookup;
    if (show.short) {
      for (const r of reply.message.answers) this.host.out(`${dataText(r.data)}\n`);
      return;
    }
    this.#greet(lookup);
    this.host.out(digMessage(reply.message, show, cookie));
    if (!show.stats) return;
    const server = serverText(reply.server, lookup.query.port);
    this.host.out(`;; Query time: ${Math.floor(reply.took / NS_PER_MS)} msec\n`);
    this.host.out(`;; SERVER: ${server}(${formatIpv4(reply.server)}) (${reply.tcp ? 'TCP' : 'UDP'})\n`);
    this.host.out(`;; WHEN: ${dateText(this.host.wallClock())}\n`);
    this.host.out(`;; MSG SIZE  rcvd: ${reply.size}\n\n`);
  }
}

function queryMessage(lookup: DigLookup, name: string, id: number, cookie: Uint8Array): DnsMessage {
  const { edns, type, cls } = lookup;
  const query = dnsQuery(id, { name, type, cls });
  let flags = lookup.recurse ? query.flags : query.flags & ~DnsFlag.RD;
  if (lookup.authenticData) flags |= DnsFlag.AD;
  if (lookup.checkingDisabled) flags |= DnsFlag.CD;
  if (edns === null) return { ...query, flags };
  const options = edns.cookie ? [{ code: EdnsOption.COOKIE, data: cookie }] : [];
  const opt = {
    name: '.',
    type: DnsType.OPT,
    cls: edns.size,
    ttl: edns.dnssec ? DNSSEC_OK : 0,
    data: { kind: 'opt', options },
  } as const;
  return { ...query, flags, additionals: [opt] };
}

/** The names that BIND's tools try: the list and then the name itself, unless it has dots enough or is absolute. */
export function searchNames(name: string, search: readonly string[], ndots: number): string[] {
  const dots = nameLabels(isAbsolute(name) ? name : `${name}.`).length - 1;
  if (isAbsolute(name) || dots >= ndots) return [name];
  return [...search.map((suffix) => `${name}.${suffix}`), name];
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');
}

/** "Sun Nov 22 18:03:58 UTC 2026" */
function dateText(ns: bigint): string {
  const [day, date, month, year, time] = new Date(Number(ns / 1_000_000n)).toUTCString().replace(',', '').split(' ');
  return `${day} ${month} ${date} ${time} UTC ${year}`;
}

/** The class IN, for callers that set nothing else. */
export const DEFAULT_CLASS = DnsClass.IN;
