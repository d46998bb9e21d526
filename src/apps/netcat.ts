// nc -u (OpenBSD netcat): standard input as datagrams to a peer, or a port that listens, takes the first sender as its
// peer and prints what comes.

import type { Ipv4 } from '../addr/ipv4.ts';
import type { Ns, Timer } from '../sim/sim.ts';
import { ERRNO_TEXT } from '../stack/errno.ts';
import { UdpSocket } from '../stack/udp-socket.ts';
import { Program, type ProgramHost, SEND_INTERVAL, WAKE_LATENCY } from './program.ts';

/** BUFSIZE of netcat: what one read of standard input gives, and so one datagram. */
const CHUNK = 16_384;

export interface NetcatOptions {
  readonly listen: boolean;
  /** client: the peer; server: the address to listen on (0: any) */
  readonly address: Ipv4;
  readonly port: number;
  /** client: -s and -p */
  readonly source: Ipv4;
  readonly sourcePort: number;
  /** -w: ends after so long without traffic; 0: never */
  readonly idle: Ns;
  readonly input: Uint8Array;
}

export class Netcat extends Program {
  readonly #o: NetcatOptions;
  readonly #socket: UdpSocket;
  readonly #decoder = new TextDecoder();
  #idleTimer: Timer | null = null;

  constructor(host: ProgramHost, options: NetcatOptions) {
    super(host);
    this.#o = options;
    this.#socket = new UdpSocket(host.netns);
  }

  protected begin(): void {
    const { listen, address, port, source, sourcePort } = this.#o;
    const socket = this.#socket;
    if (listen || source !== 0 || sourcePort !== 0) {
      const errno = listen ? socket.bind(address, port) : socket.bind(source, sourcePort);
      if (errno !== null) {
        this.#fail(listen ? ERRNO_TEXT[errno] : `bind failed: ${ERRNO_TEXT[errno]}`);
        return;
      }
    }
    if (!listen) {
      const errno = socket.connect(address, port);
      if (errno !== null) {
        this.#fail(ERRNO_TEXT[errno]);
        return;
      }
    }
    socket.onReady = () => this.after(WAKE_LATENCY, () => this.#receive());
    if (!listen) this.#sendInput(0);
    this.#touch();
  }

  protected release(): void {
    this.#socket.close();
  }

  #fail(message: string): void {
    this.host.err(`nc: ${message}\n`);
    this.exit(1);
  }

  #touch(): void {
    if (this.#o.idle === 0) return;
    if (this.#idleTimer !== null) this.cancel(this.#idleTimer);
    this.#idleTimer = this.after(this.#o.idle, () => this.exit(0));
  }

  #sendInput(at: number): void {
    const { input } = this.#o;
    if (at >= input.length) return;
    const errno = this.#socket.send(input.subarray(at, at + CHUNK));
    if (errno !== null) {
      this.#fail(`write failed: ${ERRNO_TEXT[errno]}`);
      return;
    }
    this.#touch();
    this.after(SEND_INTERVAL, () => this.#sendInput(at + CHUNK));
  }

  #receive(): void {
    if (this.ended) return;
    if (this.#socket.takeError() !== null) {
      // read() fails: netcat ends without a word.
      this.exit(1);
      return;
    }
    const datagram = this.#socket.recv();
    if (datagram === null) return;
    if (this.#socket.remotePort === 0) {
      this.#socket.connect(datagram.source, datagram.sourcePort);
      this.#sendInput(0);
    }
    this.host.out(this.#decoder.decode(datagram.payload, { stream: true }));
    this.#touch();
  }
}
