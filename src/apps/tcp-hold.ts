// tcphold, the client: connects, sends so many times so many bytes, waits for the echo of each and then pauses, and closes,
// with a RST if asked to (SO_LINGER 0). It tells when each thing happened. Byte i of the alphabet is what message i consists of.

import { formatIpv4, type Ipv4 } from '../addr/ipv4.ts';
import { NS_PER_MS, NS_PER_S, type Ns } from '../sim/sim.ts';
import type { Errno } from '../stack/errno.ts';
import { TcpSocket } from '../stack/tcp/tcp-socket.ts';
import { Program, type ProgramHost } from './program.ts';
import { osErrorText, osErrorTraceback } from './python-text.ts';
import { ownSocket } from './socket-owner.ts';
import { TcpStream, type WriteResult } from './tcp-stream.ts';

/** The least time-out that the script sets. */
const SHORTEST_WAIT: Ns = 50 * NS_PER_MS;
const READ_SIZE = 65_536;
const LETTERS = 26;
const LETTER_A = 65;

export interface TcpHoldOptions {
  readonly destination: Ipv4;
  readonly port: number;
  /** 0: any */
  readonly sourcePort: number;
  readonly count: number;
  /** wait for an echo, and pause after it */
  readonly gap: Ns;
  /** bytes of a message */
  readonly size: number;
  /** close with a RST */
  readonly linger: boolean;
}

export class TcpHold extends Program {
  readonly #o: TcpHoldOptions;
  readonly #stream: TcpStream;
  readonly #began: Ns;

  constructor(host: ProgramHost, options: TcpHoldOptions) {
    super(host);
    this.#o = options;
    this.#stream = new TcpStream((delay, fire) => this.after(delay, fire), ownSocket(host, new TcpSocket(host.netns)));
    this.#began = host.sim.now;
  }

  protected begin(): void {
    const { destination, port, sourcePort } = this.#o;
    const { socket } = this.#stream;
    if (sourcePort !== 0) {
      const errno = socket.bind(0, sourcePort);
      if (errno !== null) {
        this.host.err(osErrorTraceback(errno));
        this.exit(1);
        return;
      }
    }
    this.#stream.connect(destination, port, 0, (result) => {
      if (result !== null) {
        this.#failed(result);
        return;
      }
      const local = `('${formatIpv4(socket.localAddress)}', ${socket.localPort})`;
      const remote = `('${formatIpv4(socket.remoteAddress)}', ${socket.remotePort})`;
      this.#say(`connected from ${local} to ${remote}`);
      this.#message(0);
    });
  }

  protected release(): void {
    this.#stream.close();
  }

  #say(text: string): void {
    this.host.out(`${((this.host.sim.now - this.#began) / NS_PER_S).toFixed(3)} ${text}\n`);
  }

  #failed(result: Errno | 'timeout'): void {
    this.#say(result === 'timeout' ? 'TimeoutError timed out' : `${result} ${osErrorText(result)}`);
    this.exit(0);
  }

  #message(i: number): void {
    const { count, gap, size, linger } = this.#o;
    const stream = this.#stream;
    if (i >= count) {
      if (linger) stream.socket.linger = 0;
      stream.close();
      this.#say('closed');
      this.exit(0);
      return;
    }
    const wait = Math.max(gap, SHORTEST_WAIT);
    const bytes = new Uint8Array(size).fill(LETTER_A + (i % LETTERS));
    stream.write(bytes, wait, (sent: WriteResult) => {
      if (sent !== null) {
        this.#failed(sent);
        return;
      }
      stream.read(READ_SIZE, wait, (result) => {
        if (typeof result === 'string' && result !== 'timeout') {
          this.#failed(result);
          return;
        }
        this.#say(`echo ${i}: ${result === 'timeout' ? result : `${result.length} bytes`}`);
        this.after(gap, () => this.#message(i + 1));
      });
    });
  }
}
