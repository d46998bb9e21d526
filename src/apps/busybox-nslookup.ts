// nslookup of busybox 1.35 (networking/nslookup.c, the big variant): all questions go out at once, a name without a dot is
// asked for with every suffix and no other, a name with a dot only as it is.

import { formatIpv4, type Ipv4 } from '../addr/ipv4.ts';
import { parseResolvConf } from '../dns/resolv-conf.ts';
import type { StubTimer, UdpChannel } from '../dns/stub-network.ts';
import { NS_PER_S, type Ns } from '../sim/sim.ts';
import { ERRNO_TEXT } from '../stack/errno.ts';
import { DnsClass, DnsFlag, DnsRcode, DnsType, dnsRcodeName } from '../wire/dns.ts';
import { type DnsMessage, dnsQuery, isDnsFault, parseDnsBytes, rcodeOf, writeDns } from '../wire/dns-message.ts';
import { parseDnsName } from '../wire/dns-name.ts';
import type { DnsRecord } from '../wire/dns-record.ts';
import { dataText } from '../wire/dns-text.ts';
import { Program, type ProgramHost } from './program.ts';
import { resolverRng, StubSockets } from './stub-sockets.ts';
import { readSystemFile } from './system-files.ts';

/** default_retry and default_timeout (seconds) of the original */
export const BUSYBOX_TRIES = 2;
export const BUSYBOX_TIMEOUT = 5;

export interface BusyboxNslookupOptions {
  readonly name: string;
  /** empty: A and AAAA, or PTR of an address */
  readonly types: readonly number[];
  readonly server: Ipv4 | null;
  readonly port: number;
  readonly tries: number;
  /** seconds, for each server */
  readonly timeout: number;
}

interface Question {
  readonly id: number;
  readonly name: string;
  readonly type: number;
  readonly packet: Uint8Array;
  reply: DnsMessage | null;
}

export class BusyboxNslookup extends Program {
  readonly #options: BusyboxNslookupOptions;
  #questions: Question[] = [];
  #servers: readonly Ipv4[] = [];
  #server = 0;
  #channel: UdpChannel | null = null;
  #timers: StubTimer[] = [];

  constructor(host: ProgramHost, options: BusyboxNslookupOptions) {
    super(host);
    this.#options = options;
  }

  protected begin(): void {
    const { name, types, server } = this.#options;
    const conf = parseResolvConf(readSystemFile(this.host.netns, '/etc/resolv.conf'));
    this.#servers = server === null ? conf.nameservers : [server];
    // resolv.conf is not read when a server is named: no suffixes then.
    const suffixes = server === null && !name.includes('.') && conf.search.length > 0 ? conf.search : null;
    const names = suffixes === null ? [name] : suffixes.map((s) => `${name}.${s}`);
    const wanted = types.length > 0 ? types : /\.in-addr\.arpa$/.test(name) ? [DnsType.PTR] : [DnsType.A, DnsType.AAAA];
    const rng = resolverRng(this.host.netns);
    for (const type of wanted) {
      for (const one of names) {
        const absolute = parseDnsName(one);
        if (absolute === null) {
          this.host.err(`nslookup: invalid name: '${one}'\n`);
          this.exit(1);
          return;
        }
        const id = rng.below(0x10000);
        const packet = writeDns(dnsQuery(id, { name: absolute, type, cls: DnsClass.IN }), false)!;
        this.#questions.push({ id, name: one, type, packet, reply: null });
      }
    }
    this.#ask();
  }

  protected release(): void {
    for (const timer of this.#timers) timer.cancel();
    this.#channel?.close();
  }

  get #address(): Ipv4 {
    return this.#servers[this.#server]!;
  }

  /** All questions without a reply, to the next server, over one socket. */
  #ask(): void {
    this.release();
    const sockets = new StubSockets(this.host, { port: this.#options.port });
    const opened = sockets.openUdp(this.#address, {
      message: (bytes) => this.#received(bytes),
      error: (errno) => {
        this.host.err(
          `nslookup: read error from ${formatIpv4(this.#address)}:${this.#options.port}: ${ERRNO_TEXT[errno]}\n`,
        );
        this.#next();
      },
    });
    if (typeof opened === 'string') {
      this.host.err(`nslookup: can't connect to remote host (${formatIpv4(this.#address)}): ${ERRNO_TEXT[opened]}\n`);
      this.exit(1);
      return;
    }
    this.#channel = opened;
    const { timeout, tries } = this.#options;
    const total: Ns = timeout * NS_PER_S;
    for (let k = 0; k < tries; k++) {
      if (k === 0) this.#send(sockets, 0);
      else this.#timers.push(sockets.after(Math.floor((total * k) / tries), () => this.#send(sockets, 0)));
    }
    this.#timers.push(sockets.after(total, () => this.#next()));
  }

  /** One question after the other, as a loop over sendto() does. */
  #send(sockets: StubSockets, from: number): void {
    const index = this.#questions.findIndex((q, i) => i >= from && q.reply === null);
    if (index < 0) return;
    this.#channel?.send(this.#questions[index]!.packet);
    this.#timers.push(sockets.after(sockets.sendInterval, () => this.#send(sockets, index + 1)));
  }

  #next(): void {
    if (this.ended) return;
    if (this.#questions.every((q) => q.reply !== null)) this.#print();
    else if (this.#server + 1 < this.#servers.length) {
      this.#server++;
      this.#ask();
    } else this.#print();
  }

  #received(bytes: Uint8Array): void {
    const message = parseDnsBytes(bytes);
    if (isDnsFault(message)) return;
    const question = this.#questions.find((q) => q.id === message.id && q.reply === null);
    if (question === undefined) return;
    question.reply = message;
    if (this.#questions.every((q) => q.reply !== null)) this.#next();
  }

  #print(): void {
    const out = (text: string): void => this.host.out(`${text}\n`);
    const answered = this.#questions.filter((q) => q.reply !== null);
    if (answered.length === 0) {
      out(';; connection timed out; no servers could be reached\n');
      this.exit(1);
      return;
    }
    out(`Server:\t\t${formatIpv4(this.#address)}`);
    out(`Address:\t${formatIpv4(this.#address)}:${this.#options.port}\n`);
    let failed = false;
    for (const { name, reply } of this.#questions) {
      if (reply === null) {
        out(`*** Can't find ${name}: No answer\n`);
        failed = true;
        continue;
      }
      const rcode = rcodeOf(reply.flags);
      if (rcode !== DnsRcode.NOERROR) {
        out(`** server can't find ${name}: ${dnsRcodeName(rcode)}\n`);
        failed = true;
        continue;
      }
      if ((reply.flags & DnsFlag.AA) === 0) out('Non-authoritative answer:');
      for (const r of reply.answers) for (const line of recordLines(r)) out(line);
      out('');
    }
    this.exit(failed ? 1 : 0);
  }
}

function bare(name: string): string {
  return name.replace(/(.)\.$/, '$1');
}

/** dns_print_reply of the original; types that it does not know are left out. */
function recordLines({ name, type, data }: DnsRecord): string[] {
  const owner = bare(name);
  switch (data.kind) {
    case 'a':
    case 'aaaa':
      return [`Name:\t${owner}`, `Address: ${dataText(data)}`];
    case 'name': {
      const verb = type === DnsType.CNAME ? 'canonical name' : type === DnsType.PTR ? 'name' : 'nameserver';
      return [`${owner}\t${verb} = ${bare(data.name)}`];
    }
    case 'mx':
      return [`${owner}\tmail exchanger = ${data.preference} ${bare(data.exchange)}`];
    case 'srv':
      return [`${owner}\tservice = ${data.priority} ${data.weight} ${data.port} ${bare(data.target)}`];
    case 'txt':
      // Of several strings only the first.
      return [`${owner}\ttext = ${dataText({ kind: 'txt', strings: data.strings.slice(0, 1) })}`];
    case 'soa':
      return [
        owner,
        `\torigin = ${bare(data.mname)}`,
        `\tmail addr = ${bare(data.rname)}`,
        ...(['serial', 'refresh', 'retry', 'expire', 'minimum'] as const).map((field) => `\t${field} = ${data[field]}`),
      ];
    default:
      return [];
  }
}
