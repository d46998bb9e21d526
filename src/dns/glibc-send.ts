// res_send of glibc 2.36 (resolv/res_send.c): one query, or A and AAAA together, to the name servers of resolv.conf, over
// one UDP socket per server, with its tries, its fall back to TCP, and its fall back to one question at a time when a
// server answers only one of two.
//
//   try 1: server 1 (timeout), server 2 (2 x timeout / servers), ...     try 2: the same again
//
// The state carries the names of the original: recvresp1/2, single_request, gotsomewhere, v_circuit.

import type { Ipv4 } from '../addr/ipv4.ts';
import { NS_PER_S, type Ns } from '../sim/sim.ts';
import type { Errno } from '../stack/errno.ts';
import { DNS_TCP_PREFIX, DnsFlag, DnsRcode } from '../wire/dns.ts';
import { type DnsMessage, dnsQuery, isDnsFault, parseDnsBytes, rcodeOf, writeDns } from '../wire/dns-message.ts';
import { foldName } from '../wire/dns-name.ts';
import type { ResolvConf } from './resolv-conf.ts';
import type { StubNetwork, StubTimer, TcpChannel, UdpChannel } from './stub-network.ts';
import { TcpFraming } from './tcp-framing.ts';

/** One question and, in the end, its answer. */
export interface StubQuery {
  readonly name: string;
  readonly type: number;
  readonly cls: number;
}

export interface SendResult {
  /** for each query the answer that counts, or null */
  readonly answers: readonly (DnsMessage | null)[];
  /** why there is none; null when there is one */
  readonly errno: Errno | null;
}

/** What a resolver keeps from one call to the next (struct __res_state): a broken server is remembered, rotation goes on. */
export class ResolverState {
  readonly conf: ResolvConf;
  /** RES_SNGLKUP, RES_SNGLKUPREOP */
  singleRequest: boolean;
  singleRequestReopen: boolean;
  #rotation = -1;

  constructor(conf: ResolvConf) {
    this.conf = conf;
    // A new socket for each question means one question at a time.
    this.singleRequest = conf.singleRequest || conf.singleRequestReopen;
    this.singleRequestReopen = conf.singleRequestReopen;
  }

  /** nameserver_offset(): where this query begins. */
  offset(network: StubNetwork): number {
    if (!this.conf.rotate) return 0;
    const count = this.conf.nameservers.length;
    this.#rotation = this.#rotation < 0 ? network.randomId() % count : (this.#rotation + 1) % count;
    return this.#rotation;
  }
}

export class GlibcSend {
  readonly #network: StubNetwork;
  readonly #state: ResolverState;
  readonly #queries: readonly StubQuery[];
  readonly #packets: readonly Uint8Array[];
  readonly #ids: readonly number[];
  readonly #done: (result: SendResult) => void;
  /** EXT(statp).nssocks */
  readonly #sockets: (UdpChannel | null)[];
  readonly #offset: number;
  #tcp: TcpChannel | null = null;
  #timers: StubTimer[] = [];
  #attempt = 0;
  #shift = 0;
  #vCircuit: boolean;
  #gotSomewhere = false;
  #answers: (DnsMessage | null)[];
  #received: boolean[];
  /** one of two questions has a usable answer (resplen > 1) */
  #good = false;
  #ended = false;
  #stream = new TcpFraming();

  constructor(
    network: StubNetwork,
    state: ResolverState,
    queries: readonly StubQuery[],
    done: (result: SendResult) => void,
  ) {
    this.#network = network;
    this.#state = state;
    this.#queries = queries;
    this.#done = done;
    this.#ids = queries.map(() => network.randomId());
    this.#packets = queries.map((q, i) => {
      const message = dnsQuery(this.#ids[i]!, q, state.conf.edns0 ? [EDNS] : []);
      const flags = message.flags | (state.conf.trustAd ? DnsFlag.AD : 0);
      return writeDns({ ...message, flags }, false)!;
    });
    this.#sockets = state.conf.nameservers.map(() => null);
    this.#answers = queries.map(() => null);
    this.#received = queries.map(() => false);
    this.#offset = state.offset(network);
    this.#vCircuit = state.conf.useVc;
  }

  start(): void {
    this.#serve();
  }

  cancel(): void {
    this.#ended = true;
    this.#close();
  }

  get #server(): number {
    return (this.#shift + this.#offset) % this.#state.conf.nameservers.length;
  }

  #serve(): void {
    if (this.#vCircuit) this.#sendVc();
    else this.#sendDg();
  }

  /** `continue` of the loop over servers and tries. */
  #nextServer(): void {
    this.#stopTimers();
    const { nameservers, attempts } = this.#state.conf;
    // send_vc sets the number of tries to the last: TCP is tried once per server.
    if (this.#vCircuit) this.#attempt = attempts;
    if (++this.#shift >= nameservers.length) {
      this.#shift = 0;
      this.#attempt++;
      if (this.#attempt >= attempts) {
        this.#finish(this.#gotSomewhere || this.#vCircuit ? 'ETIMEDOUT' : 'ECONNREFUSED');
        return;
      }
    }
    this.#serve();
  }

  #finish(errno: Errno | null): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#close();
    // Beside a good answer a failure counts for nothing.
    const answers =
      errno === null && this.#good ? this.#answers.map((a) => (a !== null && failed(a) ? null : a)) : this.#answers;
    this.#done({ answers, errno });
  }

  #close(): void {
    this.#stopTimers();
    for (const socket of this.#sockets) socket?.close();
    this.#sockets.fill(null);
    this.#tcp?.close();
    this.#tcp = null;
  }

  #stopTimers(): void {
    for (const timer of this.#timers) timer.cancel();
    this.#timers = [];
  }

  #after(delay: Ns, fire: () => void): void {
    this.#timers.push(this.#network.after(delay, fire));
  }

  // --- UDP -----------------------------------------------------------------------------------------------------------

  /** send_dg: from `retry` on. */
  #sendDg(): void {
    this.#stopTimers();
    this.#received = this.#queries.map(() => false);
    this.#good = false;
    const server = this.#server;
    if (!this.#reopen(server)) {
      this.#nextServer();
      return;
    }
    const { conf } = this.#state;
    let seconds = conf.timeout * 2 ** this.#shift;
    if (this.#shift > 0) seconds = Math.floor(seconds / conf.nameservers.length);
    this.#after(Math.max(seconds, 1) * NS_PER_S, () => this.#timeout());
    this.#write(server, 0);
    if (this.#queries.length > 1 && !this.#state.singleRequest) {
      this.#after(this.#network.sendInterval, () => this.#write(server, 1));
    }
  }

  #reopen(server: number): boolean {
    if (this.#sockets[server] !== null) return true;
    const opened = this.#network.openUdp(this.#state.conf.nameservers[server]!, {
      message: (bytes) => this.#datagram(server, bytes),
      error: () => this.#socketError(server),
    });
    if (typeof opened === 'string') return false;
    this.#sockets[server] = opened;
    return true;
  }

  #write(server: number, index: number): void {
    const errno = this.#sockets[server]?.send(this.#packets[index]!) ?? null;
    if (errno !== null) this.#socketError(server);
  }

  /** Any error of the socket: it is closed, and the next server is asked (close_and_return_error). */
  #socketError(server: number): void {
    if (this.#ended || this.#vCircuit || server !== this.#server) return;
    this.#closeUdp(server);
    this.#nextServer();
  }

  #closeUdp(server: number): void {
    this.#sockets[server]?.close();
    this.#sockets[server] = null;
  }

  #timeout(): void {
    if (this.#good) {
      // There are servers, and firewalls, that lose one of two questions from one port. First one question at a time,
      // then each from a socket of its own.
      if (!this.#state.singleRequest) {
        this.#state.singleRequest = true;
        this.#sendDg();
        return;
      }
      if (!this.#state.singleRequestReopen) {
        this.#state.singleRequestReopen = true;
        this.#closeUdp(this.#server);
        this.#sendDg();
        return;
      }
      this.#finish(null);
      return;
    }
    this.#gotSomewhere = true;
    this.#nextServer();
  }

  #datagram(server: number, bytes: Uint8Array): void {
    if (this.#ended || this.#vCircuit || server !== this.#server) return;
    const message = parseDnsBytes(bytes);
    // What is no message, or answers no question of ours, is passed over: the wait goes on.
    if (isDnsFault(message)) return;
    const index = this.#matching(message);
    if (index < 0) return;
    this.#gotSomewhere = true;
    if (failed(message)) {
      this.#answers[index] = message;
      this.#received[index] = true;
      const both = this.#queries.length > 1 && !this.#state.singleRequest;
      // The other one is good: what there is has to do.
      if (this.#good) this.#finish(null);
      else if (!both) {
        this.#closeUdp(server);
        this.#nextServer();
      } else if (this.#received.every((r) => r)) this.#nextServer();
      return;
    }
    if ((message.flags & DnsFlag.TC) !== 0) {
      this.#vCircuit = true;
      this.#closeUdp(server);
      this.#stopTimers();
      this.#answers = this.#queries.map(() => null);
      this.#serve();
      return;
    }
    this.#answers[index] = message;
    this.#received[index] = true;
    this.#good = true;
    if (this.#received.every((r) => r)) this.#finish(null);
    else this.#proceed(server, index);
  }

  /** One answer is here and one is not: with single_request the other question goes out only now. */
  #proceed(server: number, index: number): void {
    if (!this.#state.singleRequest || index !== 0) return;
    if (this.#state.singleRequestReopen) {
      this.#closeUdp(server);
      if (!this.#reopen(server)) {
        this.#nextServer();
        return;
      }
    }
    this.#write(server, 1);
  }

  /** The unanswered query that the message answers (res_queriesmatch), or -1. */
  #matching(message: DnsMessage): number {
    if ((message.flags & DnsFlag.QR) === 0) return -1;
    for (const [i, query] of this.#queries.entries()) {
      if (this.#received[i] || message.id !== this.#ids[i]) continue;
      const asked = message.questions[0];
      if (message.questions.length !== 1 || asked === undefined) continue;
      if (asked.type === query.type && asked.cls === query.cls && foldName(asked.name) === foldName(query.name))
        return i;
    }
    return -1;
  }

  // --- TCP -----------------------------------------------------------------------------------------------------------

  /** send_vc: both questions in one stream, each behind its length. */
  #sendVc(): void {
    this.#tcp?.close();
    this.#tcp = null;
    this.#received = this.#queries.map(() => false);
    this.#stream = new TcpFraming();
    const fail = (): void => {
      if (this.#ended) return;
      this.#tcp?.close();
      this.#tcp = null;
      this.#nextServer();
    };
    const address: Ipv4 = this.#state.conf.nameservers[this.#server]!;
    const opened = this.#network.openTcp(address, {
      open: () => {
        if (this.#tcp?.send(framed(this.#packets)) !== null) fail();
      },
      data: (bytes) => this.#streamed(bytes, fail),
      end: fail,
      error: fail,
    });
    if (typeof opened === 'string') this.#after(0, fail);
    else this.#tcp = opened;
  }

  #streamed(bytes: Uint8Array, fail: () => void): void {
    if (this.#ended) return;
    const taken = this.#stream.push(bytes);
    for (const raw of taken.messages) {
      const message = parseDnsBytes(raw);
      if (isDnsFault(message)) continue;
      const index = this.#matching(message);
      if (index < 0) continue;
      this.#answers[index] = message;
      this.#received[index] = true;
    }
    if (this.#received.every((r) => r)) this.#finish(null);
    // A message shorter than its header: the connection is closed, and the next server is asked.
    else if ('error' in taken) fail();
  }
}

/** SERVFAIL, NOTIMP, REFUSED, or a referral without a word: a lame delegation. The next server is asked. */
function failed(message: DnsMessage): boolean {
  const rcode = rcodeOf(message.flags);
  if (rcode === DnsRcode.SERVFAIL || rcode === DnsRcode.NOTIMP || rcode === DnsRcode.REFUSED) return true;
  return (
    rcode === DnsRcode.NOERROR &&
    message.answers.length === 0 &&
    (message.flags & (DnsFlag.AA | DnsFlag.RA)) === 0 &&
    message.additionals.length === 0
  );
}

/** RES_USE_EDNS0: an OPT record with room for 1200 octets (RESOLV_EDNS_BUFFER_SIZE). */
const EDNS = { name: '.', type: 41, cls: 1200, ttl: 0, data: { kind: 'opt', options: [] } } as const;

/** Messages for a stream, each behind its length. */
export function framed(packets: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(packets.reduce((sum, p) => sum + DNS_TCP_PREFIX + p.length, 0));
  let at = 0;
  for (const packet of packets) {
    out[at] = packet.length >>> 8;
    out[at + 1] = packet.length & 0xff;
    out.set(packet, at + DNS_TCP_PREFIX);
    at += DNS_TCP_PREFIX + packet.length;
  }
  return out;
}
