// A DNS server as a program: UDP and TCP on one port, a handler (dns/) behind both. Each query is handled by itself, as a
// goroutine of its own would; replies leave in the order in which they are ready.

import type { Ipv4 } from '../addr/ipv4.ts';
import { framed } from '../dns/glibc-send.ts';
import { type DnsHandler, serveDns } from '../dns/server.ts';
import { TcpFraming } from '../dns/tcp-framing.ts';
import { NS_PER_S, type Ns } from '../sim/sim.ts';
import { ERRNO_TEXT, type Errno } from '../stack/errno.ts';
import { TcpSocket } from '../stack/tcp/tcp-socket.ts';
import { UdpSocket } from '../stack/udp-socket.ts';
import { DNS_PORT } from '../wire/dns.ts';
import { Program, type ProgramHost, SEND_INTERVAL, WAKE_LATENCY } from './program.ts';
import { TcpStream } from './tcp-stream.ts';

/** CoreDNS (core/dnsserver/config.go): how long a connection waits for its first query, and for the next one. */
const READ_TIMEOUT: Ns = 3 * NS_PER_S;
const IDLE_TIMEOUT: Ns = 10 * NS_PER_S;
/** ... and for the client to take a reply. */
const WRITE_TIMEOUT: Ns = 5 * NS_PER_S;
/** SOMAXCONN, Go's backlog */
const BACKLOG = 4096;
/** Connections at a time; a choice: the process's file descriptors are the limit of the original. */
const CONNECTIONS_MAX = 1024;

export interface DnsServerOptions {
  readonly handler: DnsHandler;
  /** 0: any */
  readonly address: Ipv4;
  readonly port?: number;
  /** Stops what the handler has under way. */
  readonly onEnd?: () => void;
}

export class DnsServer extends Program {
  readonly #options: DnsServerOptions;
  readonly #udp: UdpSocket;
  readonly #listener: TcpSocket;
  readonly #connections = new Set<TcpStream>();
  /** replies that wait for the one that is being written */
  readonly #unsent = new Map<TcpStream, Uint8Array[]>();
  #reading = false;
  #accepting = false;

  constructor(host: ProgramHost, options: DnsServerOptions) {
    super(host);
    this.#options = options;
    this.#udp = new UdpSocket(host.netns);
    this.#listener = new TcpSocket(host.netns);
  }

  protected begin(): void {
    const { address, port = DNS_PORT } = this.#options;
    const listener = this.#listener;
    listener.reuseAddress = true;
    const errno = this.#udp.bind(address, port) ?? listener.bind(address, port) ?? listener.listen(BACKLOG);
    if (errno !== null) {
      this.#refused(errno, port);
      return;
    }
    this.#udp.onReady = () => {
      if (this.#reading) return;
      this.#reading = true;
      this.after(WAKE_LATENCY, () => this.#receive());
    };
    listener.onReady = () => {
      if (this.#accepting) return;
      this.#accepting = true;
      this.after(WAKE_LATENCY, () => this.#accept());
    };
  }

  protected release(): void {
    this.#udp.close();
    this.#listener.close();
    for (const stream of this.#connections) stream.close();
    this.#connections.clear();
    this.#options.onEnd?.();
  }

  #refused(errno: Errno, port: number): void {
    this.host.err(`Listen: listen tcp :${port}: bind: ${ERRNO_TEXT[errno].toLowerCase()}\n`);
    this.exit(1);
  }

  #receive(): void {
    const datagram = this.#udp.recv();
    if (datagram === null) {
      this.#reading = false;
      return;
    }
    const { payload, source, sourcePort } = datagram;
    serveDns(payload, 'udp', this.#options.handler, (reply) => {
      if (reply !== null && !this.ended) this.#udp.sendTo(reply, source, sourcePort);
    });
    this.after(SEND_INTERVAL, () => this.#receive());
  }

  #accept(): void {
    const socket = this.#listener.accept();
    if (socket === null) {
      this.#accepting = false;
      return;
    }
    const stream = new TcpStream((delay, fire) => this.after(delay, fire), socket);
    if (this.#connections.size >= CONNECTIONS_MAX) stream.close();
    else {
      this.#connections.add(stream);
      this.#serve(stream, new TcpFraming(), READ_TIMEOUT);
    }
    this.after(SEND_INTERVAL, () => this.#accept());
  }

  #hangUp(stream: TcpStream): void {
    this.#connections.delete(stream);
    this.#unsent.delete(stream);
    stream.close();
  }

  /** One reply after the other: a stream takes one write at a time. */
  #send(stream: TcpStream, bytes: Uint8Array): void {
    const waiting = this.#unsent.get(stream);
    if (waiting !== undefined) {
      waiting.push(bytes);
      return;
    }
    const queue = [bytes];
    this.#unsent.set(stream, queue);
    const next = (): void => {
      const first = queue.shift();
      if (first === undefined || stream.closed) {
        this.#unsent.delete(stream);
        return;
      }
      stream.write(first, WRITE_TIMEOUT, (result) => {
        if (result === null) next();
        else this.#hangUp(stream);
      });
    };
    next();
  }

  /** Reads queries until the stream ends, breaks its framing, or is silent for too long. */
  #serve(stream: TcpStream, framing: TcpFraming, timeout: Ns): void {
    stream.read(READ_MAX, timeout, (result) => {
      if (typeof result === 'string' || result.length === 0) {
        this.#hangUp(stream);
        return;
      }
      const taken = framing.push(result);
      if ('error' in taken) {
        this.#hangUp(stream);
        return;
      }
      for (const message of taken.messages) {
        serveDns(message, 'tcp', this.#options.handler, (reply) => {
          if (reply !== null && !stream.closed) this.#send(stream, framed([reply]));
        });
      }
      if (!stream.closed) this.#serve(stream, framing, IDLE_TIMEOUT);
    });
  }
}

/** Bytes taken at once. */
const READ_MAX = 65_537;
