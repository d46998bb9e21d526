// Processes in virtual time. A process is one thread of control: a shell, a background job, the child of `timeout`. At
// any moment at most one of them runs (holds the token); the others wait in the FIFO of the runner or for an event of the
// simulator. Virtual time stands still while a process runs. See shell/runner.ts for who gives the token to whom.

import { assert } from '../base/assert.ts';
import { NS_PER_S, type Ns, type Timer } from '../sim/sim.ts';
import type { Runner } from './runner.ts';

/** Signals that scripts send here, with Linux's numbers (signal(7)). */
export const Signal = { HUP: 1, INT: 2, QUIT: 3, KILL: 9, USR1: 10, USR2: 12, ALRM: 14, TERM: 15 } as const;
export type Signal = (typeof Signal)[keyof typeof Signal];

/** Rejects the wait of a process that a signal ends. Exit status of the program: 128 + signal. */
export class Killed extends Error {
  override readonly name = 'Killed';
  readonly signal: Signal;
  constructor(signal: Signal) {
    super(`killed by signal ${signal}`);
    this.signal = signal;
  }
}

/**
 * Called with the signal when the process is killed while it waits. It must take down what the wait started (timers,
 * sockets). If it calls `resume` before it returns, the program has handled the signal and goes on (as ping does with
 * SIGINT to print its statistics); otherwise the wait rejects with Killed. SIGKILL cannot be handled.
 */
export type StopHook = (signal: Signal) => void;

interface PendingWait {
  settled: boolean;
  stop: StopHook | null;
  reject: (error: Error) => void;
}

export class Process {
  readonly runner: Runner;
  readonly pid: number;
  readonly parent: Process | null;
  /** What it runs, for messages. */
  readonly label: string;
  /** The program that runs in it, innermost last, as `ps` would show each. */
  readonly programs: string[] = [];
  /** Exit status once it has ended, else null. */
  exitStatus: number | null = null;
  /** Set when a signal has ended the program that ran; the shell of this process stops at its next command. */
  killedBy: Signal | null = null;
  #pending: PendingWait | null = null;
  readonly #watchers: (() => void)[] = [];

  /** @internal use Runner.spawn */
  constructor(runner: Runner, pid: number, parent: Process | null, label: string) {
    this.runner = runner;
    this.pid = pid;
    this.parent = parent;
    this.label = label;
  }

  get ended(): boolean {
    return this.exitStatus !== null;
  }

  /**
   * Gives up the token until `resume` is called, from a simulator event as a rule. `start` runs at once; what it returns
   * is the stop hook. Resuming twice is ignored; one wait at a time.
   * @throws Killed (as rejection) when a signal ends the process
   */
  wait<T>(start: (resume: (value: T) => void) => StopHook | undefined): Promise<T> {
    assert(this.runner.current === this, `a process waits only while it runs (${this.label})`);
    assert(this.#pending === null, `a process waits for one thing at a time (${this.label})`);
    if (this.killedBy !== null) return Promise.reject(new Killed(this.killedBy));
    return new Promise<T>((resolve, reject) => {
      const pending: PendingWait = { settled: false, stop: null, reject };
      this.#pending = pending;
      const resume = (value: T): void => {
        if (pending.settled) return;
        pending.settled = true;
        this.runner.makeRunnable(this, () => {
          this.#pending = null;
          resolve(value);
        });
      };
      pending.stop = start(resume) ?? null;
      this.runner.yieldToken(this);
    });
  }

  /** Waits for exactly `ns` of virtual time (a high-resolution timer, as nanosleep(2) uses). */
  async sleep(ns: Ns): Promise<void> {
    await this.wait<void>((resume) => {
      const timer: Timer = this.runner.sim.after(ns, () => resume());
      return () => timer.cancel();
    });
  }

  /** sleep in seconds, rounded to a nanosecond. */
  sleepSeconds(seconds: number): Promise<void> {
    return this.sleep(Math.round(seconds * NS_PER_S));
  }

  /** Waits until `other` has ended and returns its exit status. */
  async waitFor(other: Process): Promise<number> {
    if (other.exitStatus !== null) return other.exitStatus;
    await this.wait<void>((resume) => {
      other.onEnd(() => resume());
      return undefined;
    });
    return other.exitStatus ?? 0;
  }

  /** Calls back when the process has ended. */
  onEnd(watcher: () => void): void {
    if (this.ended) watcher();
    else this.#watchers.push(watcher);
  }

  /** Sends a signal: the process ends, unless what it waits for handles it. Nothing happens to one that has ended. */
  signal(signal: Signal): void {
    if (this.ended || this.killedBy !== null) return;
    const pending = this.#pending;
    if (pending === null || pending.settled) {
      // It runs or is about to: it finds out at its next wait.
      this.killedBy = signal;
      return;
    }
    // From here on a SIGKILL lets nobody resume.
    if (signal === Signal.KILL) pending.settled = true;
    pending.stop?.(signal);
    if (pending.settled && signal !== Signal.KILL) return;
    pending.settled = true;
    this.killedBy = signal;
    this.runner.makeRunnable(this, () => {
      this.#pending = null;
      pending.reject(new Killed(signal));
    });
  }

  /** @internal the runner's word that the body has returned */
  end(status: number): void {
    this.exitStatus = status;
    for (const watcher of this.#watchers) watcher();
    this.#watchers.length = 0;
  }
}
