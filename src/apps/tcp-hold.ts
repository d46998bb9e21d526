// tcphold, the client: connects. What follows on a connection comes with TCP itself, so this version ends with the
// attempt: the error that a refusal, an unreachable peer or silence gives, or a plain word that the peer would have
// accepted.

import type { Ipv4 } from '../addr/ipv4.ts';
import { NS_PER_S } from '../sim/sim.ts';
import { type ConnectOutcome, TcpConnect } from '../stack/tcp-connect.ts';
import { Program, type ProgramHost, WAKE_LATENCY } from './program.ts';
import { osErrorText, osErrorTraceback } from './python-text.ts';

export interface TcpHoldOptions {
  readonly destination: Ipv4;
  readonly port: number;
  /** 0: any */
  readonly sourcePort: number;
}

export class TcpHold extends Program {
  readonly #o: TcpHoldOptions;
  readonly #attempt: TcpConnect;

  constructor(host: ProgramHost, options: TcpHoldOptions) {
    super(host);
    this.#o = options;
    this.#attempt = new TcpConnect(host.netns);
  }

  protected begin(): void {
    const { destination, port, sourcePort } = this.#o;
    const began = this.host.sim.now;
    if (sourcePort !== 0) {
      const errno = this.#attempt.bind(0, sourcePort);
      if (errno !== null) {
        this.host.err(osErrorTraceback(errno));
        this.exit(1);
        return;
      }
    }
    const ended = (outcome: ConnectOutcome): void => {
      if (outcome === 'accepted') {
        this.host.err(
          'tcphold: the peer accepts, but podwire has no TCP connections yet: they come with a later version\n',
        );
        this.exit(1);
        return;
      }
      const seconds = ((this.host.sim.now - began) / NS_PER_S).toFixed(3);
      this.host.out(`${seconds} ${outcome} ${osErrorText(outcome)}\n`);
      this.exit(0);
    };
    const errno = this.#attempt.connect(destination, port, (outcome) => this.after(WAKE_LATENCY, () => ended(outcome)));
    if (errno !== null) ended(errno);
  }

  protected release(): void {
    this.#attempt.close();
  }
}
