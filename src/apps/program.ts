// A program that runs in a namespace: a state machine on the simulator. It starts, reacts to timers and to its sockets,
// writes text, and ends once with an exit status. Nothing here waits: whoever started it is told through `exit`.

import type { Ns, Sim, Timer } from '../sim/sim.ts';
import type { NetNamespace } from '../stack/netns.ts';

/** What a program is given. */
export interface ProgramHost {
  readonly sim: Sim;
  readonly netns: NetNamespace;
  /** process id; ping and traceroute put it into their echo identifiers */
  readonly pid: number;
  /** what it runs as (argv[0] without its directory) */
  readonly name?: string;
  out(text: string): void;
  err(text: string): void;
  /** nanoseconds since 1970 on the virtual wall clock */
  wallClock(): bigint;
}

/**
 * From the event that wakes a sleeping program (a packet, a timer) to its next system call. A choice of the order of what
 * the golden captures show between a reply and the next packet of the same program (20 to 60 us); what matters is that it
 * is not zero: timers of the same jiffy and packets of the same instant are handled before the program goes on.
 */
export const WAKE_LATENCY: Ns = 20_000;

/**
 * From one send to the next in a program that does not wait between them. Origin: probes of one burst of traceroute stand
 * 40 to 65 us apart in golden case 09d.
 */
export const SEND_INTERVAL: Ns = 50_000;

/** signal(7) */
export const SIGINT = 2;

export abstract class Program {
  protected readonly host: ProgramHost;
  readonly #timers = new Set<Timer>();
  #exit: ((status: number) => void) | null = null;
  #ended = false;

  constructor(host: ProgramHost) {
    this.host = host;
  }

  /** Begins. `exit` is called once with the exit status, perhaps before start returns. */
  start(exit: (status: number) => void): void {
    this.#exit = exit;
    this.begin();
  }

  /** A signal: the program ends itself through `exit` when it handles it (ping at SIGINT); otherwise it is dropped. */
  signal(number: number): void {
    if (this.#ended) return;
    if (number === SIGINT && this.onInterrupt()) return;
    this.#end();
  }

  protected abstract begin(): void;

  /** Closes sockets and cancels what is not a timer of after(). */
  protected abstract release(): void;

  /** SIGINT. True when the program has handled it. */
  protected onInterrupt(): boolean {
    return false;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Calls back after `delay`, unless the program has ended by then. */
  protected after(delay: Ns, fire: () => void): Timer {
    const timer = this.host.sim.after(delay, () => {
      this.#timers.delete(timer);
      fire();
    });
    this.#timers.add(timer);
    return timer;
  }

  protected cancel(timer: Timer): void {
    timer.cancel();
    this.#timers.delete(timer);
  }

  protected exit(status: number): void {
    if (this.#ended) return;
    this.#end();
    this.#exit?.(status);
  }

  #end(): void {
    this.#ended = true;
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
    this.release();
  }
}
