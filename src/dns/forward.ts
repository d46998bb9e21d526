// CoreDNS's plugin forward (plugin/forward/forward.go, plugin/pkg/proxy): a query goes on to one of the upstream servers, in
// the protocol in which it came, and to the next one when that fails, until the time is up.

import type { Ipv4 } from '../addr/ipv4.ts';
import { NS_PER_MS, NS_PER_S, type Ns } from '../sim/sim.ts';
import { DnsRcode } from '../wire/dns.ts';
import { type DnsMessage, isDnsFault, parseDnsBytes, writeDns } from '../wire/dns-message.ts';
import { foldName } from '../wire/dns-name.ts';
import { framed } from './glibc-send.ts';
import type { DnsHandler, DnsRequest } from './server.ts';
import type { StubNetwork, StubTimer, TcpChannel, UdpChannel } from './stub-network.ts';
import { TcpFraming } from './tcp-framing.ts';

/** defaultTimeout: how long a query is tried in all */
const DEADLINE: Ns = 5 * NS_PER_S;
/** maxTimeout of proxy.Connect: how long one upstream is waited for */
const READ_TIMEOUT: Ns = 2 * NS_PER_S;
/** `max_concurrent 1000` of kubeadm's Corefile: more are REFUSED */
const CONCURRENT_MAX = 1000;
/** Between two tries after an error that came at once; a choice: the plugin spins on. */
const RETRY: Ns = NS_PER_MS;

export class Forward implements DnsHandler {
  readonly #network: StubNetwork;
  readonly #upstreams: readonly Ipv4[];
  #running = new Set<Attempt>();

  constructor(network: StubNetwork, upstreams: readonly Ipv4[]) {
    this.#network = network;
    this.#upstreams = upstreams;
  }

  serve(request: DnsRequest, done: Parameters<DnsHandler['serve']>[1]): void {
    if (this.#upstreams.length === 0) {
      done(DnsRcode.SERVFAIL);
      return;
    }
    if (this.#running.size >= CONCURRENT_MAX) {
      done(DnsRcode.REFUSED);
      return;
    }
    const attempt = new Attempt(this.#network, this.#upstreams, request, (reply) => {
      this.#running.delete(attempt);
      done(reply ?? DnsRcode.SERVFAIL);
    });
    this.#running.add(attempt);
    attempt.start();
  }

  /** The server ends: nothing is answered any more. */
  stop(): void {
    for (const attempt of this.#running) attempt.stop();
    this.#running.clear();
  }
}

class Attempt {
  readonly #network: StubNetwork;
  readonly #upstreams: readonly Ipv4[];
  readonly #request: DnsRequest;
  readonly #done: (reply: DnsMessage | null) => void;
  readonly #packet: Uint8Array;
  #next: number;
  #channel: UdpChannel | TcpChannel | null = null;
  #timer: StubTimer | null = null;
  #deadline: StubTimer | null = null;
  #stream = new TcpFraming();
  #ended = false;

  constructor(
    network: StubNetwork,
    upstreams: readonly Ipv4[],
    request: DnsRequest,
    done: (reply: DnsMessage | null) => void,
  ) {
    this.#network = network;
    this.#upstreams = upstreams;
    this.#request = request;
    this.#done = done;
    // The message goes on as it came, its id included.
    this.#packet = writeDns(request.message, false) ?? new Uint8Array(0);
    // policy random: the first one is drawn, the others follow.
    this.#next = upstreams.length > 1 ? network.randomId() % upstreams.length : 0;
  }

  start(): void {
    this.#deadline = this.#network.after(DEADLINE, () => this.#finish(null));
    this.#try();
  }

  stop(): void {
    this.#ended = true;
    this.#timer?.cancel();
    this.#deadline?.cancel();
    this.#channel?.close();
  }

  #finish(reply: DnsMessage | null): void {
    if (this.#ended) return;
    this.stop();
    this.#done(reply);
  }

  #fail(): void {
    if (this.#ended) return;
    this.#channel?.close();
    this.#channel = null;
    this.#timer?.cancel();
    this.#timer = this.#network.after(RETRY, () => this.#try());
  }

  #try(): void {
    const server = this.#upstreams[this.#next++ % this.#upstreams.length]!;
    this.#stream = new TcpFraming();
    this.#timer = this.#network.after(READ_TIMEOUT, () => this.#fail());
    if (this.#request.protocol === 'udp') {
      const opened = this.#network.openUdp(server, {
        message: (bytes) => this.#received(bytes),
        error: () => this.#fail(),
      });
      if (typeof opened === 'string' || opened.send(this.#packet) !== null) {
        this.#fail();
        return;
      }
      this.#channel = opened;
      return;
    }
    const opened = this.#network.openTcp(server, {
      open: () => void (this.#channel as TcpChannel | null)?.send(framed([this.#packet])),
      data: (bytes) => this.#streamed(bytes),
      end: () => this.#fail(),
      error: () => this.#fail(),
    });
    if (typeof opened === 'string') this.#fail();
    else this.#channel = opened;
  }

  #streamed(bytes: Uint8Array): void {
    const taken = this.#stream.push(bytes);
    for (const message of taken.messages) this.#received(message);
    if ('error' in taken) this.#fail();
  }

  #received(bytes: Uint8Array): void {
    const reply = parseDnsBytes(bytes);
    const { message, question, name } = this.#request;
    // Another id is passed over; another question is a FORMERR to the client, as it came from no honest server.
    if (isDnsFault(reply) || reply.id !== message.id) return;
    const asked = reply.questions[0];
    if (asked === undefined || asked.type !== question.type || foldName(asked.name) !== name) return;
    this.#finish({ ...reply, questions: [question] });
  }
}
