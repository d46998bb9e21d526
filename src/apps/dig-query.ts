// One lookup of BIND's tools (bin/dig/dighost.c): a query over UDP or TCP to a list of servers, with its tries, and over TCP
// again when the reply is truncated.

import type { Ipv4 } from '../addr/ipv4.ts';
import { framed } from '../dns/glibc-send.ts';
import type { StubTimer, TcpChannel, UdpChannel } from '../dns/stub-network.ts';
import { TcpFraming } from '../dns/tcp-framing.ts';
import type { Ns } from '../sim/sim.ts';
import type { Errno } from '../stack/errno.ts';
import { PathMtuDiscovery } from '../stack/path-mtu-discovery.ts';
import { DnsFlag, DnsRcode } from '../wire/dns.ts';
import { type DnsMessage, isDnsFault, parseDnsBytes, rcodeOf, writeDns } from '../wire/dns-message.ts';
import { foldName } from '../wire/dns-name.ts';
import type { ProgramHost } from './program.ts';
import { StubSockets, serverText } from './stub-sockets.ts';

export interface DigQueryOptions {
  readonly servers: readonly Ipv4[];
  readonly port: number;
  readonly source: Ipv4;
  readonly sourcePort: number;
  /** how often the whole is tried */
  readonly tries: number;
  readonly timeout: Ns;
  readonly tcp: boolean;
  /** +ignore: a truncated reply will do */
  readonly ignoreTruncation: boolean;
  /** a reply without RA counts as no answer while another server is left (nslookup) */
  readonly checkRecursion: boolean;
}

export interface DigReply {
  readonly message: DnsMessage;
  readonly server: Ipv4;
  readonly tcp: boolean;
  /** from the query that was answered */
  readonly took: Ns;
  readonly size: number;
}

export interface DigEvents {
  /** a line for people, ";; " included, without a newline */
  comment(text: string): void;
  /** null: no server could be reached */
  done(reply: DigReply | null): void;
}

/** isc_result texts of what a socket reports */
const RESULT_TEXT: Readonly<Partial<Record<Errno, string>>> = {
  ECONNREFUSED: 'connection refused',
  ENETUNREACH: 'network unreachable',
  EHOSTUNREACH: 'host unreachable',
  EACCES: 'permission denied',
};

export class DigQuery {
  readonly #host: ProgramHost;
  readonly #options: DigQueryOptions;
  readonly #query: DnsMessage;
  readonly #events: DigEvents;
  readonly #sockets: StubSockets;
  #channel: UdpChannel | TcpChannel | null = null;
  #timer: StubTimer | null = null;
  #server = 0;
  #left: number;
  #tcp: boolean;
  #sent: Ns = 0;
  #ended = false;

  constructor(host: ProgramHost, query: DnsMessage, options: DigQueryOptions, events: DigEvents) {
    this.#host = host;
    this.#options = options;
    this.#query = query;
    this.#events = events;
    this.#left = options.tries;
    this.#tcp = options.tcp;
    this.#sockets = new StubSockets(host, {
      port: options.port,
      source: options.source,
      sourcePort: options.sourcePort,
      pathMtuDiscovery: PathMtuDiscovery.DONT,
    });
  }

  start(): void {
    this.#send();
  }

  cancel(): void {
    this.#ended = true;
    this.#close();
  }

  #close(): void {
    this.#timer?.cancel();
    this.#channel?.close();
    this.#channel = null;
  }

  #finish(reply: DigReply | null): void {
    if (this.#ended) return;
    this.cancel();
    this.#events.done(reply);
  }

  get #address(): Ipv4 {
    return this.#options.servers[this.#server]!;
  }

  #send(): void {
    this.#close();
    const packet = writeDns(this.#query, false);
    if (packet === null) {
      this.#finish(null);
      return;
    }
    this.#sent = this.#host.sim.now;
    if (this.#tcp) {
      this.#sendTcp(packet);
      return;
    }
    const opened = this.#sockets.openUdp(this.#address, {
      message: (bytes) => this.#received(bytes),
      error: (errno) => this.#failed(RESULT_TEXT[errno] ?? errno),
    });
    if (typeof opened === 'string') {
      const server = serverText(this.#address, this.#options.port);
      const bare = server.replace(/#.*/, '');
      const name = this.#query.questions[0]?.name.replace(/(.)\.$/, '$1') ?? '';
      this.#events.comment(
        `;; UDP setup with ${server}(${bare}) for ${name} failed: ${RESULT_TEXT[opened] ?? opened}.`,
      );
      this.#nextServer();
      return;
    }
    this.#channel = opened;
    this.#timer = this.#sockets.after(this.#options.timeout, () => this.#failed('timed out'));
    const errno = opened.send(packet);
    if (errno !== null) this.#failed(RESULT_TEXT[errno] ?? errno);
  }

  #sendTcp(packet: Uint8Array): void {
    const framing = new TcpFraming();
    const opened = this.#sockets.openTcp(this.#address, {
      open: () => void (this.#channel as TcpChannel | null)?.send(framed([packet])),
      data: (bytes) => {
        const taken = framing.push(bytes);
        if ('messages' in taken) for (const message of taken.messages) this.#received(message);
      },
      end: () => this.#failed('end of file'),
      error: (errno) => this.#failed(RESULT_TEXT[errno] ?? errno),
    });
    if (typeof opened === 'string') {
      this.#failed(RESULT_TEXT[opened] ?? opened);
      return;
    }
    this.#channel = opened;
    this.#timer = this.#sockets.after(this.#options.timeout, () => this.#failed('timed out'));
  }

  /** This try is over: the next one, then the next server. */
  #failed(why: string): void {
    if (this.#ended) return;
    this.#close();
    this.#events.comment(`;; communications error to ${serverText(this.#address, this.#options.port)}: ${why}`);
    if (--this.#left > 0) this.#send();
    else this.#nextServer();
  }

  #nextServer(): void {
    this.#close();
    if (this.#server + 1 >= this.#options.servers.length) {
      this.#finish(null);
      return;
    }
    this.#server++;
    this.#left = this.#options.tries;
    this.#send();
  }

  #received(bytes: Uint8Array): void {
    if (this.#ended) return;
    const message = parseDnsBytes(bytes);
    const question = this.#query.questions[0]!;
    // A reply that is none of this query's is passed over.
    if (isDnsFault(message) || message.id !== this.#query.id || (message.flags & DnsFlag.QR) === 0) return;
    const asked = message.questions[0];
    if (asked !== undefined && (asked.type !== question.type || foldName(asked.name) !== foldName(question.name)))
      return;
    if ((message.flags & DnsFlag.TC) !== 0 && !this.#options.ignoreTruncation && !this.#tcp) {
      this.#events.comment(';; Truncated, retrying in TCP mode.');
      this.#tcp = true;
      this.#send();
      return;
    }
    const server = this.#address;
    const failed = rcodeOf(message.flags) === DnsRcode.SERVFAIL;
    const deaf = this.#options.checkRecursion && (message.flags & DnsFlag.RA) === 0;
    if (deaf || (failed && this.#options.checkRecursion)) {
      const what = failed ? 'SERVFAIL reply' : 'recursion not available';
      const more = this.#server + 1 < this.#options.servers.length;
      const text = `;; Got ${what} from ${serverText(server, 0).replace(/#0$/, '')}`;
      this.#events.comment(more ? `${text}, trying next server` : text);
      if (more) {
        this.#nextServer();
        return;
      }
    }
    this.#finish({ message, server, tcp: this.#tcp, took: this.#host.sim.now - this.#sent, size: bytes.length });
  }
}
