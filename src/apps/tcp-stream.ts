// System calls of a program on one TCP connection, as a blocking program makes them: connect, read, write, each with a
// callback for its return. A call that has to wait is woken by the socket and goes on after the program's wake latency, with
// whatever has come by then; one that need not wait returns CALL_COST later. One read and one write may be under way at a time.

import type { Ipv4 } from '../addr/ipv4.ts';
import { assert } from '../base/assert.ts';
import type { Ns, Timer } from '../sim/sim.ts';
import type { Errno } from '../stack/errno.ts';
import type { TcpSocket } from '../stack/tcp/tcp-socket.ts';
import { WAKE_LATENCY } from './program.ts';

/**
 * A system call that does not wait, up to the program's next one. A choice of the order of what recv and send of some
 * kilobytes take; it is not zero, so that a program in a loop lets the world go on.
 */
export const CALL_COST: Ns = 5_000;

export type ReadResult = Uint8Array | Errno | 'timeout';
export type WriteResult = Errno | 'timeout' | null;

/** Program.after of the program that makes the calls. */
export type Schedule = (delay: Ns, fire: () => void) => Timer;

interface Waiting {
  /** tries again; true when the call has returned */
  attempt(): boolean;
  timer: Timer | null;
}

export class TcpStream {
  readonly socket: TcpSocket;
  readonly #after: Schedule;
  #reading: Waiting | null = null;
  #writing: Waiting | null = null;
  #wake: Timer | null = null;
  #closed = false;
  readonly #wakeLatency: Ns;

  /** @param wakeLatency from the event to the call that goes on */
  constructor(after: Schedule, socket: TcpSocket, wakeLatency: Ns = WAKE_LATENCY) {
    this.#after = after;
    this.socket = socket;
    this.#wakeLatency = wakeLatency;
    socket.onReady = () => this.#ready();
  }

  get closed(): boolean {
    return this.#closed;
  }

  /**
   * connect(2). The callback may come before connect returns, with an error of the call itself.
   * @param timeout 0: as long as the kernel tries
   * @param asks the program does not wait in connect(2) and asks for SO_ERROR soon after: it learns of an ICMP error that
   *   came while the call was under way, which a blocking connect does not (sk_err_soft)
   */
  connect(address: Ipv4, port: number, timeout: Ns, done: (result: WriteResult) => void, asks = false): void {
    const errno = this.socket.connect(address, port);
    if (errno !== null) {
      done(errno);
      return;
    }
    const attempt = (): boolean => {
      const error = this.socket.takeError();
      if (error === null && !this.socket.writable) return false;
      this.#endWrite();
      done(error);
      return true;
    };
    this.#writing = this.#wait(attempt, timeout, () => {
      this.#endWrite();
      done('timeout');
    });
    if (this.socket.writable || this.socket.hungUp) this.#ready();
    else if (asks) {
      const waiting = this.#writing;
      this.#after(CALL_COST, () => {
        const error = this.#writing === waiting ? this.socket.takeSoftError() : null;
        if (error === null) return;
        this.#endWrite();
        done(error);
      });
    }
  }

  /**
   * recv(2): at most `max` bytes; none at the end of the stream.
   * @param timeout 0: for ever
   */
  read(max: number, timeout: Ns, done: (result: ReadResult) => void): void {
    assert(this.#reading === null, 'a stream reads once at a time');
    const first = this.socket.recv(max);
    if (first !== 'EAGAIN') {
      this.#return(() => done(first));
      return;
    }
    const attempt = (): boolean => {
      const result = this.socket.recv(max);
      if (result === 'EAGAIN') return false;
      this.#endRead();
      done(result);
      return true;
    };
    this.#reading = this.#wait(attempt, timeout, () => {
      this.#endRead();
      done('timeout');
    });
  }

  /** send(2) until all is in the send buffer. */
  write(bytes: Uint8Array, timeout: Ns, done: (result: WriteResult) => void): void {
    assert(this.#writing === null, 'a stream writes once at a time');
    let at = 0;
    let result: WriteResult = null;
    // False when the buffer is full.
    const push = (): boolean => {
      while (at < bytes.length) {
        const sent = this.socket.send(at === 0 ? bytes : bytes.subarray(at));
        if (sent === 'EAGAIN') return false;
        if (typeof sent === 'string') {
          result = sent;
          return true;
        }
        at += sent;
      }
      return true;
    };
    if (push()) {
      this.#return(() => done(result));
      return;
    }
    const attempt = (): boolean => {
      if (!push()) return false;
      this.#endWrite();
      done(result);
      return true;
    };
    this.#writing = this.#wait(attempt, timeout, () => {
      this.#endWrite();
      done('timeout');
    });
  }

  /** Gives up a read that waits. */
  cancelRead(): void {
    this.#endRead();
  }

  /** close(2); calls under way never return. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#endRead();
    this.#endWrite();
    this.#wake?.cancel();
    this.socket.onReady = null;
    this.socket.close();
  }

  #wait(attempt: () => boolean, timeout: Ns, expired: () => void): Waiting {
    const timer = timeout > 0 ? this.#after(timeout, expired) : null;
    return { attempt, timer };
  }

  #endRead(): void {
    this.#reading?.timer?.cancel();
    this.#reading = null;
  }

  #endWrite(): void {
    this.#writing?.timer?.cancel();
    this.#writing = null;
  }

  #return(done: () => void): void {
    this.#after(CALL_COST, () => {
      if (!this.#closed) done();
    });
  }

  #ready(): void {
    if (this.#wake !== null || this.#closed) return;
    const { socket } = this;
    const useful =
      (this.#reading !== null && (socket.readable || socket.hungUp)) ||
      (this.#writing !== null && (socket.writable || socket.hungUp));
    if (!useful) return;
    this.#wake = this.#after(this.#wakeLatency, () => {
      this.#wake = null;
      if (!this.#closed) this.#writing?.attempt();
      if (!this.#closed) this.#reading?.attempt();
      // What was ready for the other call only, or became so meanwhile.
      if (!this.#closed) this.#ready();
    });
  }
}
