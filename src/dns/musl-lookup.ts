// Names as musl's resolver finds them (src/network/lookup_name.c, res_msend.c, musl 1.2.5): A and AAAA go to all name servers
// at once from one socket, the first acceptable answer of any counts, the whole takes at most `timeout` seconds with
// `attempts` rounds in them. The search list is left out for a name with `ndots` dots, and a name that exists without the
// type asked for ends the walk.

import type { Ipv4 } from '../addr/ipv4.ts';
import { NS_PER_S, type Ns } from '../sim/sim.ts';
import { DnsClass, DnsFlag, DnsRcode } from '../wire/dns.ts';
import { type DnsMessage, dnsQuery, isDnsFault, parseDnsBytes, rcodeOf, writeDns } from '../wire/dns-message.ts';
import { parseDnsName } from '../wire/dns-name.ts';
import { framed } from './glibc-send.ts';
import type { ResolvConf } from './resolv-conf.ts';
import type { StubNetwork, StubTimer, TcpChannel, UdpChannel } from './stub-network.ts';
import { TcpFraming } from './tcp-framing.ts';

export type MuslError = 'EAI_NONAME' | 'EAI_AGAIN' | 'EAI_FAIL' | 'EAI_NODATA';

export interface MuslResult {
  /** one for each type, in the order asked; empty on failure */
  readonly answers: readonly DnsMessage[];
  /** the name that was found, absolute */
  readonly name: string | null;
  readonly error: MuslError | null;
}

export class MuslLookup {
  readonly #network: StubNetwork;
  readonly #conf: ResolvConf;
  readonly #types: readonly number[];
  readonly #done: (result: MuslResult) => void;
  readonly #names: string[];
  #sending: MuslSend | null = null;

  constructor(
    network: StubNetwork,
    conf: ResolvConf,
    question: { readonly name: string; readonly types: readonly number[] },
    done: (result: MuslResult) => void,
  ) {
    this.#network = network;
    this.#conf = conf;
    this.#types = question.types;
    this.#done = done;
    const dots = [...question.name].filter((c) => c === '.').length;
    const whole = dots >= conf.ndots || question.name.endsWith('.');
    this.#names = [...(whole ? [] : conf.search.map((s) => `${question.name}.${s}`)), question.name];
  }

  start(): void {
    this.#next();
  }

  cancel(): void {
    this.#sending?.cancel();
  }

  #fail(error: MuslError): void {
    this.#done({ answers: [], name: null, error });
  }

  #next(): void {
    const text = this.#names.shift();
    const name = text === undefined ? null : parseDnsName(text);
    if (name === null) {
      this.#fail('EAI_NONAME');
      return;
    }
    const packets = this.#types.map((type) => {
      const id = this.#network.randomId();
      return { id, bytes: writeDns(dnsQuery(id, { name, type, cls: DnsClass.IN }), false)! };
    });
    this.#sending = new MuslSend(this.#network, this.#conf, packets, (answers) => {
      this.#sending = null;
      for (const answer of answers) {
        const rcode = answer === null ? DnsRcode.SERVFAIL : rcodeOf(answer.flags);
        // Nothing in time, or a failure: the walk ends.
        if (rcode === DnsRcode.SERVFAIL) {
          this.#fail('EAI_AGAIN');
          return;
        }
        if (rcode === DnsRcode.NXDOMAIN) {
          this.#next();
          return;
        }
        if (rcode !== DnsRcode.NOERROR) {
          this.#fail('EAI_FAIL');
          return;
        }
      }
      const sound = answers.flatMap((a) => (a === null ? [] : [a]));
      if (sound.some((a) => a.answers.some((r) => r.data.kind === 'a' || r.data.kind === 'aaaa'))) {
        this.#done({ answers: sound, name, error: null });
      } else this.#fail('EAI_NODATA');
    });
    this.#sending.start();
  }
}

interface Packet {
  readonly id: number;
  readonly bytes: Uint8Array;
}

/** __res_msend_rc() */
class MuslSend {
  readonly #network: StubNetwork;
  readonly #conf: ResolvConf;
  readonly #packets: readonly Packet[];
  readonly #done: (answers: readonly (DnsMessage | null)[]) => void;
  readonly #answers: (DnsMessage | null)[];
  #socket: UdpChannel | null = null;
  readonly #streams: TcpChannel[] = [];
  /** questions that are asked over TCP now: datagrams count for them no more (alens[i] is -1) */
  readonly #overStream: boolean[];
  #timers: StubTimer[] = [];
  #servfailRetry = 0;
  #ended = false;
  /** replies that come while the loop still sends: they are read after it */
  #early: { readonly bytes: Uint8Array; readonly from: Ipv4 }[] | null = null;

  constructor(
    network: StubNetwork,
    conf: ResolvConf,
    packets: readonly Packet[],
    done: (answers: readonly (DnsMessage | null)[]) => void,
  ) {
    this.#network = network;
    this.#conf = conf;
    this.#packets = packets;
    this.#done = done;
    this.#answers = packets.map(() => null);
    this.#overStream = packets.map(() => false);
  }

  start(): void {
    const opened = this.#network.openUdp(null, {
      message: (bytes, from) => this.#received(bytes, from),
      // An unconnected socket hears of no error: a refusal is waited out.
      error: () => {},
    });
    if (typeof opened === 'string') {
      this.#finish();
      return;
    }
    this.#socket = opened;
    const total: Ns = this.#conf.timeout * NS_PER_S;
    const interval = Math.floor(total / this.#conf.attempts);
    for (let round = 0; round * interval < total; round++) {
      if (round === 0) this.#round();
      else this.#after(round * interval, () => this.#round());
    }
    this.#after(total, () => this.#finish());
  }

  cancel(): void {
    this.#ended = true;
    for (const timer of this.#timers) timer.cancel();
    this.#timers = [];
    this.#socket?.close();
    for (const stream of this.#streams) stream.close();
  }

  #after(delay: Ns, fire: () => void): void {
    this.#timers.push(this.#network.after(delay, fire));
  }

  #finish(): void {
    if (this.#ended) return;
    this.cancel();
    this.#done(this.#answers);
  }

  /** Every question without an answer, to every server. */
  #round(): void {
    this.#servfailRetry = 2 * this.#packets.length;
    let delay = 0;
    this.#early = [];
    for (const [i, packet] of this.#packets.entries()) {
      if (this.#answers[i] !== null || this.#overStream[i]) continue;
      for (const server of this.#conf.nameservers) {
        if (delay === 0) this.#socket?.send(packet.bytes, server);
        else this.#after(delay, () => this.#socket?.send(packet.bytes, server));
        delay += this.#network.sendInterval;
      }
    }
    this.#after(Math.max(0, delay - this.#network.sendInterval), () => {
      const early = this.#early ?? [];
      this.#early = null;
      for (const { bytes, from } of early) this.#received(bytes, from);
    });
  }

  #received(bytes: Uint8Array, from: Ipv4): void {
    if (this.#ended || !this.#conf.nameservers.includes(from)) return;
    if (this.#early !== null) {
      this.#early.push({ bytes, from });
      return;
    }
    const message = parseDnsBytes(bytes);
    if (isDnsFault(message)) return;
    const index = this.#packets.findIndex((p) => p.id === message.id);
    if (index < 0 || this.#answers[index] !== null || this.#overStream[index]) return;
    const rcode = rcodeOf(message.flags);
    if (rcode === DnsRcode.SERVFAIL && this.#servfailRetry > 0) {
      this.#servfailRetry--;
      this.#socket?.send(this.#packets[index]!.bytes, from);
    }
    // Refusals and failures are passed over: another server may know, or a later round.
    if (rcode !== DnsRcode.NOERROR && rcode !== DnsRcode.NXDOMAIN) return;
    if ((message.flags & DnsFlag.TC) !== 0) {
      this.#overTcp(index, from);
      return;
    }
    this.#accept(index, message);
  }

  #accept(index: number, message: DnsMessage): void {
    this.#answers[index] = message;
    if (this.#answers.every((a) => a !== null)) this.#finish();
  }

  /** A truncated answer: the same question to the same server over TCP (start_tcp). */
  #overTcp(index: number, server: Ipv4): void {
    const framing = new TcpFraming();
    const { bytes, id } = this.#packets[index]!;
    const opened = this.#network.openTcp(server, {
      open: () => void channel?.send(framed([bytes])),
      data: (data) => {
        const taken = framing.push(data);
        if (this.#ended) return;
        for (const raw of taken.messages) {
          const message = parseDnsBytes(raw);
          if (!isDnsFault(message) && message.id === id && this.#answers[index] === null) this.#accept(index, message);
        }
      },
      end: () => {},
      error: () => {},
    });
    const channel = typeof opened === 'string' ? null : opened;
    if (channel === null) return;
    this.#overStream[index] = true;
    this.#streams.push(channel);
  }
}
