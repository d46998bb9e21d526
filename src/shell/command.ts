// What a command of the emulated machine is, and what it is given. One command per file in shell/commands/, found by name
// through shell/registry.ts. A command is an asynchronous function only because the shell (just-bash) is: it waits for
// nothing but the virtual clock, and only through ctx.process (see shell/process.ts). The packet work itself is done by
// event-driven code (apps/, stack/) on the simulator; the command starts it, waits for it and prints.

import type { IFileSystem } from 'just-bash';
import type { Ns, Sim } from '../sim/sim.ts';
import type { Machine } from '../stack/machine.ts';
import type { NetNamespace } from '../stack/netns.ts';
import type { Process } from './process.ts';

export interface ShellContext {
  /** The emulated machine (one kernel: root namespace and named ones). `machine.world` reaches everything else. */
  readonly machine: Machine;
  /** The network namespace the command runs in. */
  readonly netns: NetNamespace;
  /** The virtual clock and event queue. Set timers and start apps on it; never run it. */
  readonly sim: Sim;
  /** The thread of control the command runs in: wait, sleep, kill. */
  readonly process: Process;
  /** Process id of this command (each external command has its own, as on Linux: ping uses it as its echo id). */
  readonly pid: number;
  /** The name it was called by: argv[0] without its directory. */
  readonly name: string;
  /** Exported variables. */
  readonly env: ReadonlyMap<string, string>;
  /** Working directory, absolute. */
  readonly cwd: string;
  /** All of standard input as text ('' when there is none). */
  readonly stdin: string;
  /** The emulated file system (absolute paths; use resolve() for what a user typed). Nothing of the host is in it. */
  readonly fs: IFileSystem;
  /** Absolute path of what a user typed, relative to cwd. */
  resolve(path: string): string;
  /** Writes to standard output. May be called from simulator events while the command waits; no newline is added. */
  out(text: string): void;
  /** Writes to standard error, likewise. */
  err(text: string): void;
  /** Nanoseconds since 1970 on the virtual wall clock: WALL_EPOCH_S seconds + sim.now (shell/wall-clock.ts). */
  wallClock(): bigint;
  /**
   * Runs another program to its end in this process, in the given namespace, with the same standard streams:
   * what `ip netns exec NS CMD ARGS...` does. argv[0] is a command, a path, or `bash`.
   * @returns its exit status (127 when there is no such command, with bash's message on standard error)
   */
  runIn(netns: NetNamespace, argv: readonly string[], options?: RunOptions): Promise<number>;
}

export interface RunOptions {
  /** Replaces standard input ('' for none). */
  readonly stdin?: string;
  /** Variables set for this program on top of env. */
  readonly env?: ReadonlyMap<string, string>;
}

export interface ShellCommand {
  /** The name people type. */
  readonly name: string;
  /** One line for `help`. */
  readonly summary: string;
  /**
   * @param args argv without argv[0]
   * @returns exit status 0..255. A command that cannot do what it is asked says so on ctx.err and returns non-zero;
   *   it throws only for our own bugs. When its process is killed, the pending wait rejects with Killed: let it pass.
   */
  run(args: readonly string[], ctx: ShellContext): Promise<number>;
}

/**
 * A module in shell/commands/ exports its commands by name, several if they share code:
 * `export const commands: readonly ShellCommand[] = [ping]`.
 */
export interface CommandModule {
  readonly commands: readonly ShellCommand[];
}

/** Nanoseconds; re-exported so that a command needs one import for its contract. */
export type { Ns };
