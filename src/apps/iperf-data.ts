// One data connection of iperf3: sends blocks as fast as they are taken, or at a rate, or counts what comes.

import { NS_PER_S, type Ns } from '../sim/sim.ts';
import type { Schedule, TcpStream } from './tcp-stream.ts';

/** Bytes of one recv. */
const READ_SIZE = 128 * 1024;
/** pacing_timer: a rate is kept by a look at the clock each millisecond */
const PACING: Ns = 1_000_000;

export interface IperfDataOptions {
  /** number in what is printed */
  readonly id: number;
  readonly blockSize: number;
  /** bits per second; 0: no limit */
  readonly rate: number;
  /** asked before each block: true when the test has what it wants */
  enough(): boolean;
  /** after each block or recv */
  moved(): void;
}

export class IperfData {
  readonly id: number;
  readonly stream: TcpStream;
  readonly #o: IperfDataOptions;
  readonly #after: Schedule;
  readonly #now: () => Ns;
  bytes = 0;
  /** bytes and retransmissions up to the last interval */
  bytesTold = 0;
  retransmitsTold = 0;
  #began: Ns = 0;
  #stopped = false;

  constructor(stream: TcpStream, after: Schedule, now: () => Ns, options: IperfDataOptions) {
    this.id = options.id;
    this.stream = stream;
    this.#o = options;
    this.#after = after;
    this.#now = now;
  }

  get retransmits(): number {
    return this.stream.socket.info().totalRetrans;
  }

  get cwnd(): number {
    const { sndCwnd, sndMss } = this.stream.socket.info();
    return sndCwnd * sndMss;
  }

  send(): void {
    this.#began = this.#now();
    const block = new Uint8Array(this.#o.blockSize);
    const next = (): void => {
      if (this.#stopped || this.stream.closed || this.#o.enough()) return;
      if (this.#ahead()) {
        this.#after(PACING, next);
        return;
      }
      this.stream.write(block, 0, (result) => {
        if (result !== null) return;
        this.bytes += block.length;
        this.#o.moved();
        next();
      });
    };
    next();
  }

  receive(): void {
    const next = (): void => {
      if (this.stream.closed) return;
      this.stream.read(READ_SIZE, 0, (result) => {
        if (typeof result === 'string' || result.length === 0) return;
        if (!this.#stopped) this.bytes += result.length;
        this.#o.moved();
        next();
      });
    };
    next();
  }

  /** What comes from now on is read but does not count. */
  stop(): void {
    this.#stopped = true;
  }

  /** iperf_check_throttle: more has been sent than the rate allows by now */
  #ahead(): boolean {
    const { rate } = this.#o;
    if (rate === 0) return false;
    const seconds = (this.#now() - this.#began) / NS_PER_S;
    return this.bytes * 8 > rate * seconds;
  }
}
