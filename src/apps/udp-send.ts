// udpsend: sends datagrams of given sizes from one socket and prints what comes back: the reply, the error, the entries
// of the error queue, the path MTU. Byte i of a datagram of n bytes is (i + n) mod 256.

import { formatIpv4, type Ipv4 } from '../addr/ipv4.ts';
import { NS_PER_MS, NS_PER_S, type Ns, type Timer } from '../sim/sim.ts';
import type { Errno } from '../stack/errno.ts';
import type { PathMtuDiscovery } from '../stack/path-mtu-discovery.ts';
import { type Datagram, UdpSocket } from '../stack/udp-socket.ts';
import { Program, type ProgramHost, SEND_INTERVAL, WAKE_LATENCY } from './program.ts';
import { osErrorText, osErrorTraceback, traceback } from './python-text.ts';

/** Shortest wait for a reply of a burst. */
const SHORTEST_WAIT: Ns = 10 * NS_PER_MS;
const PORT_MAX = 65_535;

export interface UdpSendOptions {
  /** null: a name that cannot be resolved */
  readonly destination: Ipv4 | null;
  readonly port: number;
  /** bytes of each datagram */
  readonly sizes: readonly number[];
  readonly pathMtuDiscovery: PathMtuDiscovery | null;
  /** 0: any */
  readonly sourcePort: number;
  readonly connect: boolean;
  readonly wait: Ns;
  readonly gap: Ns;
  readonly noReply: boolean;
  readonly burst: boolean;
  readonly tos: number | null;
  readonly ttl: number | null;
  readonly recvErr: boolean;
}

/** What a receive ends with. */
type Outcome = Datagram | Errno | 'timeout';

export class UdpSend extends Program {
  readonly #o: UdpSendOptions;
  readonly #socket: UdpSocket;
  #receive: { readonly done: (outcome: Outcome) => void; readonly timer: Timer } | null = null;
  #errorWait: { readonly done: () => void; readonly timer: Timer } | null = null;

  constructor(host: ProgramHost, options: UdpSendOptions) {
    super(host);
    this.#o = options;
    this.#socket = new UdpSocket(host.netns);
  }

  protected begin(): void {
    const o = this.#o;
    const socket = this.#socket;
    if (o.pathMtuDiscovery !== null) socket.pathMtuDiscovery = o.pathMtuDiscovery;
    if (o.tos !== null) socket.tos = o.tos;
    if (o.ttl !== null) socket.ttl = o.ttl;
    socket.recvErr = o.recvErr;
    socket.onReady = () => this.#ready();
    const failure = this.#bindAndConnect();
    if (failure !== null) {
      this.host.err(failure);
      this.exit(1);
      return;
    }
    this.#step(0);
  }

  #bindAndConnect(): string | null {
    const { sourcePort, connect, destination, port } = this.#o;
    if (sourcePort !== 0) {
      const errno = this.#socket.bind(0, sourcePort);
      if (errno !== null) return osErrorTraceback(errno);
    }
    if (!connect) return null;
    if (destination === null) return traceback('socket.gaierror: [Errno -3] Temporary failure in name resolution');
    if (port > PORT_MAX) return traceback('OverflowError: connect(): port must be 0-65535.');
    const errno = this.#socket.connect(destination, port);
    return errno === null ? null : osErrorTraceback(errno);
  }

  protected release(): void {
    this.#socket.close();
  }

  #step(i: number): void {
    const o = this.#o;
    const size = o.sizes[i];
    if (size === undefined) {
      if (o.burst && !o.noReply) this.#collect(this.host.sim.now + o.wait);
      else this.exit(0);
      return;
    }
    const payload = new Uint8Array(size);
    for (let k = 0; k < size; k++) payload[k] = k + size;
    const began = this.host.sim.now;
    if (!o.connect && o.port > PORT_MAX) {
      this.host.err(traceback('OverflowError: sendto(): port must be 0-65535.'));
      this.exit(1);
      return;
    }
    if (o.destination === null) {
      this.#print(` -> ${size} bytes: gaierror ([Errno -3] Temporary failure in name resolution) after 0.000s\n`);
      this.#next(i);
      return;
    }
    const errno = o.connect ? this.#socket.send(payload) : this.#socket.sendTo(payload, o.destination, o.port);
    if (errno !== null) {
      this.#failed(i, size, errno, began);
      return;
    }
    this.#print(`sent ${size} bytes`);
    if (o.noReply || o.burst) {
      this.#print('\n');
      this.#next(i);
      return;
    }
    this.#await(o.wait, (outcome) => {
      if (typeof outcome === 'string') {
        this.#failed(i, size, outcome, began);
        return;
      }
      const same = outcome.payload.length === size && outcome.payload.every((b, k) => b === payload[k]);
      const from = `${formatIpv4(outcome.source)}:${outcome.sourcePort}`;
      this.#print(` -> reply ${outcome.payload.length} bytes from ${from} same=${same ? 'True' : 'False'}\n`);
      this.#next(i);
    });
  }

  #failed(i: number, size: number, outcome: Errno | 'timeout', began: Ns): void {
    const what = outcome === 'timeout' ? 'TimeoutError (timed out)' : `${outcome} (${osErrorText(outcome)})`;
    const seconds = ((this.host.sim.now - began) / NS_PER_S).toFixed(3);
    this.#print(` -> ${size} bytes: ${what} after ${seconds}s\n`);
    if (this.#o.recvErr) this.#awaitError(() => this.#next(i));
    else this.#next(i);
  }

  /** recvmsg(MSG_ERRQUEUE) on a socket with a time-out polls first: with an empty queue it waits in vain. */
  #awaitError(done: () => void): void {
    if (this.#printError()) {
      done();
      return;
    }
    const timer = this.after(this.#o.wait, () => {
      this.#errorWait = null;
      done();
    });
    this.#errorWait = { done, timer };
  }

  /** One entry of the error queue. False when there is none. */
  #printError(): boolean {
    const e = this.#socket.errorQueue.shift();
    if (e === undefined) return false;
    // Reading the last ICMP error clears the socket's pending one (sock_dequeue_err_skb).
    if (e.origin === 'icmp' && !this.#socket.errorQueue.some((left) => left.origin === 'icmp'))
      this.#socket.takeError();
    const origin = e.origin === 'local' ? 1 : 2;
    this.#print(
      `  errqueue: errno=${e.errno} origin=${origin} type=${e.type} code=${e.code} info=${e.info} ` +
        `offender=${formatIpv4(e.offender)} quoted=${e.payload.length}\n`,
    );
    return true;
  }

  #next(i: number): void {
    if (this.#o.connect) this.#print(`  IP_MTU ${this.#socket.pathMtu}\n`);
    this.after(this.#o.burst ? SEND_INTERVAL : this.#o.gap, () => this.#step(i + 1));
  }

  /** The replies and errors of a burst, until nothing comes any more. */
  #collect(end: Ns): void {
    const left = end - this.host.sim.now;
    if (left <= 0) {
      this.exit(0);
      return;
    }
    this.#await(Math.max(SHORTEST_WAIT, left), (outcome) => {
      if (outcome === 'timeout') {
        this.#print('recv: TimeoutError timed out\n');
        this.exit(0);
        return;
      }
      if (typeof outcome === 'string') this.#print(`recv: ${outcome} ${osErrorText(outcome)}\n`);
      else {
        const from = `${formatIpv4(outcome.source)}:${outcome.sourcePort}`;
        this.#print(`reply ${outcome.payload.length} bytes from ${from}\n`);
      }
      this.#collect(end);
    });
  }

  // -- receiving with a time-out -------------------------------------------------------------------------------------

  #await(wait: Ns, done: (outcome: Outcome) => void): void {
    const outcome = this.#take();
    if (outcome !== null) {
      done(outcome);
      return;
    }
    const timer = this.after(wait, () => {
      this.#receive = null;
      done('timeout');
    });
    this.#receive = { done, timer };
  }

  #ready(): void {
    const waiting = this.#errorWait;
    if (waiting !== null) {
      this.after(WAKE_LATENCY, () => {
        if (this.#errorWait !== waiting || !this.#printError()) return;
        this.#errorWait = null;
        this.cancel(waiting.timer);
        waiting.done();
      });
      return;
    }
    const receive = this.#receive;
    if (receive === null) return;
    this.after(WAKE_LATENCY, () => {
      if (this.#receive !== receive) return;
      const outcome = this.#take();
      if (outcome === null) return;
      this.#receive = null;
      this.cancel(receive.timer);
      receive.done(outcome);
    });
  }

  #take(): Datagram | Errno | null {
    return this.#socket.takeError() ?? this.#socket.recv();
  }

  #print(text: string): void {
    this.host.out(text);
  }
}
