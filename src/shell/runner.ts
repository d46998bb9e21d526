// The runner lets programs and virtual time take turns. The rule: the simulator moves only when every program waits.
//
//   runnable FIFO:  [B] [C]        A holds the token -> A waits -> B -> C -> all wait -> simulator events until one resumes
//
// Programs are asynchronous JavaScript (just-bash), and what they await besides virtual time (a module being loaded, a
// promise of the in-memory file system) finishes after a while of host time. The order never depends on that while: only
// the holder of the token runs, and the runner waits for it to give the token back, however long the host takes.

import { assert } from '../base/assert.ts';
import { type Ns, RunOutcome, type Sim } from '../sim/sim.ts';
import { Process, Signal } from './process.ts';

/** Why a run ended. */
export const RunEnd = {
  DONE: 'done',
  EVENTS: 'max-events',
  TIME: 'max-time',
  STUCK: 'stuck',
  STOPPED: 'stopped',
} as const;
export type RunEnd = (typeof RunEnd)[keyof typeof RunEnd];

export interface RunLimits {
  /** Simulator events over the whole run. */
  readonly maxEvents: number;
  /** Virtual time at which the run is ended. */
  readonly maxTime: Ns;
}

/** Choice: half a billion events are minutes of host time and more than any script here needs. */
export const DEFAULT_MAX_EVENTS = 500_000_000;
/** Choice: one virtual day in nanoseconds. */
export const DEFAULT_MAX_TIME: Ns = 86_400 * 1_000_000_000;
/** Events between two looks at the host (^C, progress). Choice: some 20 ms of work. Does not change the order of anything. */
const SLICE_EVENTS = 50_000;
/** The same in rounds of programs and events: programs run in microtasks, which would keep the host from its signals. */
const SLICE_ROUNDS = 64;
/** Linux's default pid_max is 32768 (kernel/pid.c); 1 is init. */
const FIRST_PID = 1000;
/** Choice: as `ulimit -u` on a small machine. */
export const MAX_PROCESSES = 4096;

interface Runnable {
  readonly process: Process;
  readonly go: () => void;
}

export class Runner {
  readonly sim: Sim;
  /** The process that holds the token, or null while the simulator runs. */
  current: Process | null = null;
  /** Called before a process gets the token: writes out what streaming commands have printed so far. */
  beforeTurn: (() => Promise<void>) | null = null;
  /** Called as a process gets the token; what it returns is called when the token is back. */
  hideHost: (() => () => void) | null = null;
  /** Called when every program waits, before events are handled. */
  beforeEvents: (() => void) | null = null;
  /** Called between slices of events (progress); never from inside an event. */
  onSlice: (() => void) | null = null;
  #nextPid = FIRST_PID;
  #live = new Set<Process>();
  readonly #queue: Runnable[] = [];
  #yielded: (() => void) | null = null;
  #failure: unknown = null;
  #stopRequested = false;

  constructor(sim: Sim) {
    this.sim = sim;
  }

  /** A fresh process id. */
  allocatePid(): number {
    return this.#nextPid++;
  }

  /** The process with this id that is alive, or null. */
  find(pid: number): Process | null {
    for (const process of this.#live) if (process.pid === pid) return process;
    return null;
  }

  /** Processes that are alive, in the order in which they were started. */
  processes(): Process[] {
    return [...this.#live];
  }

  get processCount(): number {
    return this.#live.size;
  }

  /**
   * Starts a process; it runs when its turn in the FIFO comes. The body returns its exit status.
   * @returns null when MAX_PROCESSES are alive
   */
  spawn(label: string, parent: Process | null, body: (process: Process) => Promise<number>): Process | null {
    if (this.#live.size >= MAX_PROCESSES) return null;
    const process = new Process(this, this.allocatePid(), parent, label);
    this.#live.add(process);
    this.makeRunnable(process, () => {
      body(process).then(
        (status) => this.#ended(process, status),
        (error: unknown) => {
          this.#failure ??= error;
          this.#ended(process, 70);
        },
      );
    });
    return process;
  }

  /** @internal */
  makeRunnable(process: Process, go: () => void): void {
    this.#queue.push({ process, go });
    // A program that became runnable runs before the next event.
    if (this.current === null) this.sim.stop();
  }

  /** @internal */
  yieldToken(process: Process): void {
    assert(this.current === process, 'only the holder gives the token back');
    this.current = null;
    this.#yielded?.();
  }

  /** A bug of ours came up where it cannot be thrown (just-bash turns it into a message): run() throws it. */
  fail(error: unknown): void {
    this.#failure ??= error;
  }

  /** Makes run() end at its next turn (^C). */
  stop(): void {
    this.#stopRequested = true;
    this.sim.stop();
    // A program that never waits finds out when it prints or starts another.
    this.current?.signal(Signal.KILL);
  }

  /**
   * Runs until `main` has ended, or a limit, or nothing can ever happen again. Whatever is left alive is then killed, in
   * the order in which it was started.
   * @throws whatever a program threw that was not Killed: a bug of ours
   */
  async run(main: Process, limits: RunLimits): Promise<RunEnd> {
    let end: RunEnd = RunEnd.DONE;
    let rounds = 0;
    while (!main.ended && this.#failure === null) {
      await this.#turns(main);
      if (main.ended || this.#failure !== null) break;
      if (this.#stopRequested) {
        end = RunEnd.STOPPED;
        break;
      }
      const left = limits.maxEvents - this.sim.events;
      if (left <= 0) {
        end = RunEnd.EVENTS;
        break;
      }
      this.beforeEvents?.();
      const outcome = this.sim.runUntil(limits.maxTime, Math.min(left, SLICE_EVENTS));
      if (outcome === RunOutcome.TIME) {
        end = RunEnd.TIME;
        break;
      }
      if (outcome === RunOutcome.IDLE && this.#queue.length === 0) {
        end = RunEnd.STUCK;
        break;
      }
      if (outcome === RunOutcome.EVENTS || ++rounds % SLICE_ROUNDS === 0) {
        this.onSlice?.();
        await new Promise<void>((resolve) => setImmediate(resolve));
      }
    }
    if (this.#stopRequested && main.killedBy !== null) end = RunEnd.STOPPED;
    await this.#killAll();
    if (this.#failure !== null) throw this.#failure;
    return end;
  }

  async #turns(main: Process): Promise<void> {
    while (this.#queue.length > 0 && !main.ended) await this.#turn(this.#queue.shift()!);
  }

  async #turn(next: Runnable): Promise<void> {
    if (this.beforeTurn !== null) await this.beforeTurn();
    const yielded = new Promise<void>((resolve) => {
      this.#yielded = resolve;
    });
    this.current = next.process;
    const show = this.hideHost?.();
    try {
      next.go();
      await yielded;
    } finally {
      show?.();
    }
  }

  #ended(process: Process, status: number): void {
    this.#live.delete(process);
    process.end(status);
    if (this.current === process) this.yieldToken(process);
  }

  /** No virtual time passes any more: every wait rejects, every body returns with what it has. */
  async #killAll(): Promise<void> {
    while (this.#live.size > 0) {
      for (const process of this.#live) process.signal(Signal.KILL);
      assert(this.#queue.length > 0, 'a killed process becomes runnable');
      while (this.#queue.length > 0) await this.#turn(this.#queue.shift()!);
    }
  }
}
