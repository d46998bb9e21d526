// What a command is given (shell/command.ts), and how it runs other programs.

import type { IFileSystem } from 'just-bash';
import { getCommandNames } from 'just-bash';
import type { Sim } from '../sim/sim.ts';
import type { Machine } from '../stack/machine.ts';
import type { NetNamespace } from '../stack/netns.ts';
import type { RunOptions, ShellContext } from './command.ts';
import type { MachineShell } from './machine-shell.ts';
import type { Streams } from './output.ts';
import type { Process } from './process.ts';
import { quoteWords } from './quote.ts';
import { runCommand, Session } from './session.ts';
import { wallClockNs } from './wall-clock.ts';

export interface ContextOptions {
  readonly netns: NetNamespace;
  readonly name: string;
  readonly env: ReadonlyMap<string, string>;
  /** All variables of the shell that calls, special parameters too. */
  readonly variables: ReadonlyMap<string, string>;
  readonly cwd: string;
  readonly stdin: string;
  readonly streams: Streams;
  /** Standard error goes where standard output goes. */
  readonly merged: boolean;
  /** The process, when it is not the session's (the child of `timeout`). */
  readonly process?: Process;
}

/** Programs of just-bash that a path or `ip netns exec` may name; made into a script of one command. */
const BUNDLED: ReadonlySet<string> = new Set([
  ...getCommandNames(),
  'echo',
  'printf',
  'test',
  '[',
  'true',
  'false',
  'pwd',
]);

export class CommandContext implements ShellContext {
  readonly session: Session;
  readonly shell: MachineShell;
  readonly machine: Machine;
  readonly netns: NetNamespace;
  readonly sim: Sim;
  readonly process: Process;
  pid: number;
  readonly name: string;
  readonly env: ReadonlyMap<string, string>;
  readonly variables: ReadonlyMap<string, string>;
  readonly cwd: string;
  readonly stdin: string;
  readonly fs: IFileSystem;
  readonly streams: Streams;
  readonly merged: boolean;

  readonly #options: ContextOptions;

  constructor(session: Session, options: ContextOptions) {
    this.#options = options;
    this.session = session;
    this.shell = session.shell;
    // A scenario's shell reaches into every node and pod of its cluster: the kernel is that of the namespace.
    this.machine = options.netns.machine;
    this.netns = options.netns;
    this.sim = session.shell.sim;
    this.process = options.process ?? session.process;
    this.pid = this.process.pid;
    this.name = options.name;
    this.env = options.env;
    this.variables = options.variables;
    this.cwd = options.cwd;
    this.stdin = options.stdin;
    this.fs = session.shell.fs;
    this.streams = options.streams;
    this.merged = options.merged;
  }

  resolve(path: string): string {
    return this.fs.resolvePath(this.cwd, path);
  }

  out(text: string): void {
    this.streams.out(text);
  }

  err(text: string): void {
    this.streams.err(text);
  }

  wallClock(): bigint {
    return wallClockNs(this.sim.now);
  }

  async runIn(netns: NetNamespace, argv: readonly string[], options: RunOptions = {}): Promise<number> {
    return this.runAs(this.process, netns, argv, options);
  }

  /** runIn in another process, which must hold the token. */
  async runAs(
    process: Process,
    netns: NetNamespace,
    argv: readonly string[],
    options: RunOptions = {},
  ): Promise<number> {
    const [program, ...args] = argv;
    if (program === undefined) return 0;
    const name = program.slice(program.lastIndexOf('/') + 1);
    const env = options.env === undefined ? this.env : new Map([...this.env, ...options.env]);
    const child = new CommandContext(this.session, {
      netns,
      name,
      env,
      variables: env,
      cwd: this.cwd,
      stdin: options.stdin ?? this.stdin,
      streams: this.streams,
      merged: this.merged,
      process,
    });
    if (program.includes('/') && !this.#isInstalled(program)) return child.#file(program, args);
    if (this.shell.isCommand(name)) return runCommand(name, args, child);
    if (this.isBundled(name)) return child.script(quoteWords([name, ...args]), 'bash', []);
    this.err(`bash: ${program}: command not found\n`);
    return 127;
  }

  /** A path where a distribution has a program that exists here without a file. */
  #isInstalled(program: string): boolean {
    const name = program.slice(program.lastIndexOf('/') + 1);
    return /^(\/usr(\/local)?)?\/s?bin\/[^/]+$/.test(program) && (this.shell.isCommand(name) || this.isBundled(name));
  }

  /** Runs a file: one of the small programs that are built in, or a shell script. */
  async #file(program: string, args: readonly string[]): Promise<number> {
    const refusal = await this.#cannotExecute(program);
    if (refusal !== null) {
      this.err(`bash: ${program}: ${refusal}\n`);
      return refusal === 'No such file or directory' ? 127 : 126;
    }
    if (this.shell.isCommand(this.name)) return runCommand(this.name, args, this);
    const source = await this.fs.readFile(this.resolve(program));
    const interpreter = /^#! *(\S+)(?: +(\S+))?/.exec(source);
    if (interpreter !== null && !/\b(ba|da)?sh$/.test(interpreter[0])) {
      this.err(`bash: ${program}: ${interpreter[1]}: bad interpreter: No such file or directory\n`);
      return 126;
    }
    return this.script(source, program, args);
  }

  /** True for programs that just-bash brings along. */
  isBundled(name: string): boolean {
    return BUNDLED.has(name);
  }

  /** The same with empty standard input. */
  withoutInput(): CommandContext {
    return new CommandContext(this.session, { ...this.#options, stdin: '' });
  }

  /** Runs a shell script as this program's work: what `bash FILE ARGS...` does after it has read FILE. */
  script(source: string, argv0: string, args: readonly string[], setOptions: readonly string[] = []): Promise<number> {
    const session = new Session(this.shell, {
      process: this.process,
      netns: this.netns,
      streams: this.streams,
      merged: this.merged,
      argv0,
      args,
      env: this.env,
      setOptions,
      cwd: this.cwd,
      stdin: this.stdin,
      parent: this.session,
    });
    return session.run(source);
  }

  async #cannotExecute(program: string): Promise<string | null> {
    const path = this.resolve(program);
    if (!(await this.fs.exists(path))) return 'No such file or directory';
    const stat = await this.fs.stat(path);
    if (stat.isDirectory) return 'Is a directory';
    return (stat.mode & 0o111) === 0 ? 'Permission denied' : null;
  }
}
