// nc over TCP (OpenBSD netcat): connects or listens, copies standard input to the connection and the connection to standard
// output, until both inputs have ended, or that of a server's connection has.

import { formatIpv4, type Ipv4 } from '../addr/ipv4.ts';
import type { Ns, Timer } from '../sim/sim.ts';
import { ERRNO_TEXT, type Errno } from '../stack/errno.ts';
import { TcpSocket } from '../stack/tcp/tcp-socket.ts';
import { Program, type ProgramHost, WAKE_LATENCY } from './program.ts';
import { ownSocket } from './socket-owner.ts';
import { type Schedule, TcpStream } from './tcp-stream.ts';

/** BUFSIZE of netcat: bytes of one read of either side. */
const BUFFER = 16_384;
/** listen(s, 1) */
const BACKLOG = 1;

export interface NetcatTcpOptions {
  readonly listen: boolean;
  /** -k */
  readonly keepListening: boolean;
  /** -z */
  readonly scan: boolean;
  readonly verbose: boolean;
  /** client: the peer; server: the address to listen on (0: any) */
  readonly address: Ipv4;
  /** the peer as the user wrote it */
  readonly name: string;
  /** client: one after the other; server: the first */
  readonly ports: readonly number[];
  readonly source: Ipv4;
  readonly sourcePort: number;
  /** -w: for connecting, and for silence afterwards; 0: never */
  readonly idle: Ns;
  /** -N: shutdown at the end of standard input */
  readonly shutdown: boolean;
  /** -q: ends so long after the end of standard input; null: not because of it */
  readonly quit: Ns | null;
  readonly input: Uint8Array;
  /** name of a port in /etc/services, `*` when it has none */
  service(port: number): string;
  /** what a program that is not nc says instead */
  readonly texts?: {
    connected(): void;
    failed(why: Errno | 'timeout'): void;
    /** the peer has ended the connection */
    ended(): void;
  };
}

export class NetcatTcp extends Program {
  readonly #o: NetcatTcpOptions;
  readonly #after: Schedule = (delay, fire) => this.after(delay, fire);
  #listener: TcpSocket | null = null;
  #stream: TcpStream | null = null;
  #decoder = new TextDecoder();
  #idle: Timer | null = null;
  #inputEnded = false;
  #networkEnded = false;
  #status = 1;

  constructor(host: ProgramHost, options: NetcatTcpOptions) {
    super(host);
    this.#o = options;
  }

  protected begin(): void {
    if (this.#o.listen) this.#listen();
    else this.#connect(0);
  }

  protected release(): void {
    this.#stream?.close();
    this.#listener?.close();
  }

  #note(text: string): void {
    if (this.#o.verbose) this.host.err(`${text}\n`);
  }

  #connect(i: number): void {
    const { address, name, ports, source, sourcePort, idle, scan, service } = this.#o;
    // connection_info(): the address only when it tells something.
    const number = formatIpv4(address);
    const peer = name === number ? name : `${name} (${number})`;
    const port = ports[i];
    if (port === undefined) {
      this.exit(this.#status);
      return;
    }
    const stream = new TcpStream(this.#after, ownSocket(this.host, new TcpSocket(this.host.netns)));
    this.#stream = stream;
    if (source !== 0 || sourcePort !== 0) {
      stream.socket.reuseAddress = true;
      const errno = stream.socket.bind(source, sourcePort);
      if (errno !== null) {
        this.host.err(`nc: bind failed: ${ERRNO_TEXT[errno]}\n`);
        this.exit(1);
        return;
      }
    }
    stream.connect(address, port, idle, (result) => {
      if (result !== null) {
        this.#o.texts?.failed(result);
        const why = result === 'timeout' ? 'timed out: Operation now in progress' : `failed: ${ERRNO_TEXT[result]}`;
        if (this.#o.texts === undefined) this.#note(`nc: connect to ${peer} port ${port} (tcp) ${why}`);
        stream.close();
        this.#connect(i + 1);
        return;
      }
      this.#status = 0;
      if (this.#o.texts !== undefined) this.#o.texts.connected();
      else this.#note(`Connection to ${peer} ${port} port [tcp/${service(port)}] succeeded!`);
      if (scan) {
        stream.close();
        this.#connect(i + 1);
      } else this.#copy(stream);
    });
  }

  #listen(): void {
    const { address, ports } = this.#o;
    const listener = ownSocket(this.host, new TcpSocket(this.host.netns));
    this.#listener = listener;
    listener.reuseAddress = true;
    const errno = listener.bind(address, ports[0]!) ?? listener.listen(BACKLOG);
    if (errno !== null) {
      this.host.err(`nc: ${ERRNO_TEXT[errno]}\n`);
      this.exit(1);
      return;
    }
    this.#note(`Listening on ${formatIpv4(address)} ${ports[0]}`);
    this.#await(listener);
  }

  #await(listener: TcpSocket): void {
    const accept = (): void => {
      const socket = listener.accept();
      if (socket === null) {
        listener.onReady = ready;
        return;
      }
      if (!this.#o.keepListening) listener.close();
      this.#note(`Connection received on ${formatIpv4(socket.remoteAddress)} ${socket.remotePort}`);
      this.#decoder = new TextDecoder();
      this.#inputEnded = false;
      this.#networkEnded = false;
      this.#stream = new TcpStream(this.#after, socket);
      this.#copy(this.#stream);
    };
    const ready = (): void => {
      listener.onReady = null;
      this.after(WAKE_LATENCY, accept);
    };
    accept();
  }

  /** readwrite() */
  #copy(stream: TcpStream): void {
    this.#touch(stream);
    this.#fromNetwork(stream);
    this.#fromInput(stream, 0);
  }

  #touch(stream: TcpStream): void {
    const { idle } = this.#o;
    if (idle === 0) return;
    if (this.#idle !== null) this.cancel(this.#idle);
    this.#idle = this.after(idle, () => this.#done(stream));
  }

  #fromNetwork(stream: TcpStream): void {
    stream.read(BUFFER, 0, (result) => {
      if (this.#stream !== stream) return;
      if (typeof result === 'string' || result.length === 0) {
        this.#networkEnded = true;
        this.#o.texts?.ended();
        this.#check(stream);
        return;
      }
      this.host.out(this.#decoder.decode(result, { stream: true }));
      this.#touch(stream);
      this.#fromNetwork(stream);
    });
  }

  #fromInput(stream: TcpStream, at: number): void {
    const { input, shutdown, quit } = this.#o;
    const bytes = input.subarray(at, at + BUFFER);
    if (bytes.length === 0) {
      this.#inputEnded = true;
      // Debian's -q does both.
      if (shutdown || quit !== null) stream.socket.shutdown('wr');
      if (quit !== null) this.after(quit, () => this.#done(stream));
      this.#check(stream);
      return;
    }
    stream.write(bytes, 0, (result) => {
      if (this.#stream !== stream) return;
      this.#touch(stream);
      if (result === null) this.#fromInput(stream, at + BUFFER);
      else {
        this.#inputEnded = true;
        this.#check(stream);
      }
    });
  }

  #check(stream: TcpStream): void {
    if (this.#networkEnded && (this.#inputEnded || this.#o.listen)) this.#done(stream);
  }

  #done(stream: TcpStream): void {
    if (this.#stream !== stream) return;
    this.#stream = null;
    if (this.#idle !== null) this.cancel(this.#idle);
    stream.close();
    if (this.#o.listen && this.#o.keepListening) this.#await(this.#listener!);
    else this.exit(0);
  }
}
