// A program that listens on a TCP port and serves each connection by itself, in a thread or process of its own or in an
// event loop. What a connection does is the subclass's.

import type { Ipv4 } from '../addr/ipv4.ts';
import { NS_PER_MS, type Ns } from '../sim/sim.ts';
import type { Errno } from '../stack/errno.ts';
import { TcpSocket } from '../stack/tcp/tcp-socket.ts';
import { Program, type ProgramHost, WAKE_LATENCY } from './program.ts';
import { ownSocket } from './socket-owner.ts';
import { CALL_COST, TcpStream } from './tcp-stream.ts';

/**
 * From accept() to the first call of the thread or child that serves the connection. Origin: golden case 08c, where the first
 * echo of a connection comes 2 to 8 ms after the data, and later ones after 0.1 ms.
 */
export const SPAWN_COST: Ns = 2 * NS_PER_MS;

export interface Listen {
  /** 0: any */
  readonly address: Ipv4;
  readonly port: number;
  readonly backlog: number;
  readonly reuseAddress: boolean;
  /** between accept() and serve() */
  readonly spawnCost: Ns;
}

export abstract class TcpServer extends Program {
  readonly #listen: Listen;
  readonly #listener: TcpSocket;
  readonly #streams = new Set<TcpStream>();
  #busy = false;

  constructor(host: ProgramHost, listen: Listen) {
    super(host);
    this.#listen = listen;
    this.#listener = ownSocket(host, new TcpSocket(host.netns));
  }

  /** The port it listens on. */
  protected get port(): number {
    return this.#listener.localPort;
  }

  protected begin(): void {
    const { address, port, backlog, reuseAddress } = this.#listen;
    const listener = this.#listener;
    listener.reuseAddress = reuseAddress;
    const errno = listener.bind(address, port) ?? listener.listen(backlog);
    if (errno !== null) {
      this.refused(errno);
      return;
    }
    listener.onReady = () => this.#ready();
    this.listening();
  }

  protected release(): void {
    this.#listener.close();
    for (const stream of this.#streams) stream.close();
    this.#streams.clear();
  }

  /** bind() or listen() failed. */
  protected abstract refused(errno: Errno): void;

  /** It listens: the place for what the program prints then. */
  protected listening(): void {}

  /** A connection, accepted. The subclass ends it with hangUp(). */
  protected abstract serve(stream: TcpStream): void;

  /** Number of connections that are served. */
  protected get connections(): number {
    return this.#streams.size;
  }

  /** Stops listening; what is served goes on. */
  protected stopListening(): void {
    this.#listener.close();
  }

  protected hangUp(stream: TcpStream): void {
    this.#streams.delete(stream);
    stream.close();
  }

  #ready(): void {
    if (this.#busy) return;
    this.#busy = true;
    this.after(WAKE_LATENCY, () => this.#accept());
  }

  #accept(): void {
    const socket = this.#listener.accept();
    if (socket === null) {
      this.#busy = false;
      return;
    }
    const stream = new TcpStream((delay, fire) => this.after(delay, fire), ownSocket(this.host, socket));
    this.#streams.add(stream);
    const { spawnCost } = this.#listen;
    if (spawnCost === 0) this.serve(stream);
    else this.after(spawnCost, () => this.serve(stream));
    if (!this.ended) this.after(CALL_COST, () => this.#accept());
  }
}
