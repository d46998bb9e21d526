// nslookup of BIND 9.18 (bin/dig/nslookup.c), not interactive: A and then AAAA of a name along the search list, or one type.

import { formatIpv4, type Ipv4 } from '../addr/ipv4.ts';
import { parseResolvConf } from '../dns/resolv-conf.ts';
import { NS_PER_S } from '../sim/sim.ts';
import { DnsClass, DnsFlag, DnsRcode, DnsType, dnsRcodeName } from '../wire/dns.ts';
import { type DnsMessage, dnsQuery, rcodeOf } from '../wire/dns-message.ts';
import { foldName, parseDnsName } from '../wire/dns-name.ts';
import type { DnsRecord } from '../wire/dns-record.ts';
import { dataText } from '../wire/dns-text.ts';
import { searchNames } from './dig.ts';
import { DigQuery, type DigReply } from './dig-query.ts';
import { Program, type ProgramHost } from './program.ts';
import { resolverRng, serverText } from './stub-sockets.ts';
import { readSystemFile } from './system-files.ts';

export interface NslookupOptions {
  readonly name: string;
  /** null: A and AAAA, or PTR for an address */
  readonly type: number | null;
  /** null: those of resolv.conf */
  readonly server: { readonly address: Ipv4; readonly name: string } | null;
  readonly port: number;
  /** seconds */
  readonly timeout: number;
  /** tries in all */
  readonly tries: number;
  readonly search: boolean;
  readonly tcp: boolean;
}

/** What stands between a name and its data, by type. */
const VERBS: ReadonlyMap<number, string> = new Map([
  [DnsType.CNAME, 'canonical name'],
  [DnsType.PTR, 'name'],
  [DnsType.NS, 'nameserver'],
  [DnsType.MX, 'mail exchanger'],
  [DnsType.TXT, 'text'],
  [DnsType.SRV, 'service'],
]);

export class Nslookup extends Program {
  readonly #options: NslookupOptions;
  readonly #default: boolean;
  #running: DigQuery | null = null;
  #failed = false;
  /** A had no answer: AAAA has to say so when it has none either */
  #noAnswer = false;

  constructor(host: ProgramHost, options: NslookupOptions) {
    super(host);
    this.#options = options;
    this.#default = options.type === null;
  }

  protected begin(): void {
    const { name, type, search } = this.#options;
    const conf = parseResolvConf(readSystemFile(this.host.netns, '/etc/resolv.conf'));
    const names = search ? searchNames(name, conf.search, conf.ndots) : [name];
    const reverse = this.#default && /\.in-addr\.arpa\.?$/.test(name);
    this.#ask(names, type ?? (reverse ? DnsType.PTR : DnsType.A), conf.nameservers);
  }

  protected release(): void {
    this.#running?.cancel();
  }

  #ask(names: readonly string[], type: number, system: readonly Ipv4[]): void {
    const { server, port, timeout, tries, tcp } = this.#options;
    const name = parseDnsName(names[0]!);
    if (name === null) {
      this.host.out(`nslookup: '${names[0]!}' is not a legal name (unexpected end of input)\n`);
      this.exit(1);
      return;
    }
    const query = dnsQuery(resolverRng(this.host.netns).below(0x10000), { name, type, cls: DnsClass.IN });
    this.#running = new DigQuery(
      this.host,
      query,
      {
        servers: server === null ? system : [server.address],
        port,
        source: 0,
        sourcePort: 0,
        tries,
        timeout: timeout * NS_PER_S,
        tcp,
        ignoreTruncation: false,
        // A server that was named is taken as it is.
        checkRecursion: server === null,
      },
      {
        comment: (text) => this.host.out(`${text}\n`),
        done: (reply) => this.#answered(reply, names, type, system),
      },
    );
    this.#running.start();
  }

  #answered(reply: DigReply | null, names: readonly string[], type: number, system: readonly Ipv4[]): void {
    if (reply === null) {
      this.host.out(';; no servers could be reached\n\n');
      this.exit(1);
      return;
    }
    const rcode = rcodeOf(reply.message.flags);
    // Only an error leads on along the list; SERVFAIL ends it.
    if (rcode !== DnsRcode.NOERROR && rcode !== DnsRcode.SERVFAIL && names.length > 1) {
      this.#ask(names.slice(1), type, system);
      return;
    }
    const next = this.#print(reply, parseDnsName(names[0]!)!, type);
    if (next !== null) {
      this.#ask([next], DnsType.AAAA, system);
      return;
    }
    this.host.out('\n');
    this.exit(this.#failed ? 1 : 0);
  }

  /** @returns the name whose AAAA is asked for next, or null */
  #print(reply: DigReply, name: string, type: number): string | null {
    const { message } = reply;
    const out = (line: string): void => this.host.out(`${line}\n`);
    const first = !this.#default || type === DnsType.A;
    if (first) {
      out(`Server:\t\t${this.#options.server?.name ?? formatIpv4(reply.server)}`);
      out(`Address:\t${serverText(reply.server, this.#options.port)}\n`);
    }
    const rcode = rcodeOf(message.flags);
    if (rcode !== DnsRcode.NOERROR) {
      out(`** server can't find ${bare(name)}: ${dnsRcodeName(rcode)}`);
      this.#failed = true;
      return null;
    }
    const authoritative = (message.flags & DnsFlag.AA) !== 0;
    if (!authoritative && first) out('Non-authoritative answer:');
    if (message.answers.length > 0) for (const r of message.answers) out(recordText(r));
    else if (this.#default && type === DnsType.A) this.#noAnswer = true;
    else if (!this.#default || (type === DnsType.AAAA && this.#noAnswer)) {
      out(`*** Can't find ${bare(name)}: No answer`);
    }
    if (!authoritative && type !== DnsType.A && type !== DnsType.AAAA) {
      out('\nAuthoritative answers can be found from:');
      for (const r of [...message.authorities, ...message.additionals]) out(recordText(r));
    }
    return this.#default && type === DnsType.A ? lastOfChain(message, name) : null;
  }
}

/** chase_cnamechain(): where the CNAMEs lead. */
function lastOfChain(message: DnsMessage, name: string): string {
  let last = name;
  for (const r of message.answers) {
    if (r.type === DnsType.CNAME && r.data.kind === 'name' && foldName(r.name) === foldName(last)) last = r.data.name;
  }
  return last;
}

function bare(name: string): string {
  return name.replace(/(.)\.$/, '$1');
}

function recordText(r: DnsRecord): string {
  const owner = bare(r.name);
  if (r.data.kind === 'a' || r.data.kind === 'aaaa') return `Name:\t${owner}\nAddress: ${dataText(r.data)}`;
  if (r.data.kind === 'soa') {
    const { mname, rname, serial, refresh, retry, expire, minimum } = r.data;
    return `${owner}\n\torigin = ${bare(mname)}\n\tmail addr = ${bare(rname)}\n\tserial = ${serial}\n\trefresh = ${refresh}\n\tretry = ${retry}\n\texpire = ${expire}\n\tminimum = ${minimum}`;
  }
  const verb = VERBS.get(r.type) ?? `rdata_${r.type}`;
  return `${owner}\t${verb} = ${dataText(r.data)}`;
}
