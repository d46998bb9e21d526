// One shell: what one `bash` process executes. A session runs one script (or the statements of one background job) in one
// process and one network namespace, with just-bash as the interpreter. `bash -c` and background jobs get sessions of
// their own; functions and subshells do not.

import type { CustomCommand, ExecResult, ResolvedCommandContext, StatementNode } from 'just-bash';
import { Bash, decodeBytesToUtf8, defineCommand } from 'just-bash';
import type { NetNamespace } from '../stack/netns.ts';
import type { ShellContext } from './command.ts';
import { CommandContext } from './command-context.ts';
import { execCost } from './exec-cost.ts';
import type { Job } from './jobs.ts';
import { explainLimits } from './limit-message.ts';
import type { MachineShell } from './machine-shell.ts';
import { Collected, merged, type Streams } from './output.ts';
import { printf } from './printf.ts';
import { fileSystemOf } from './proc-fs.ts';
import { Killed, type Process } from './process.ts';
import { quoteWord, quoteWords } from './quote.ts';
import { ARGV0, Mark, type RewriteHost, rewriteScript, toTerminal } from './rewrite.ts';
import { type FunctionDefNode, functionsIn, statementsOf } from './script-ast.ts';
import { inheritedOptions, scalars } from './shell-variables.ts';
import { noteSystemFiles } from './system-files.ts';

export interface SessionOptions {
  readonly process: Process;
  readonly netns: NetNamespace;
  readonly streams: Streams;
  /** Standard error goes where standard output goes. */
  readonly merged: boolean;
  /** $0 */
  readonly argv0: string;
  /** $1 ... */
  readonly args: readonly string[];
  /** Exported variables. */
  readonly env: ReadonlyMap<string, string>;
  /** Shell variables that are not exported. */
  readonly variables?: ReadonlyMap<string, string>;
  /** Text of `declare` statements for arrays. */
  readonly declarations?: string;
  readonly functions?: readonly FunctionDefNode[];
  /** Options as `set` takes them: `-e`, `-o pipefail`. */
  readonly setOptions?: readonly string[];
  readonly cwd: string;
  readonly stdin: string;
  /** The session whose job or child this is. */
  readonly parent: Session | null;
}

/** just-bash counts and times everything; here virtual time and the runner's limits do. */
const NO_LIMIT = Number.POSITIVE_INFINITY;
const LIMITS = {
  // A loop of builtins takes no virtual time: this limit, not --max-time, ends one that runs away. Choice: seconds of host time.
  maxLoopIterations: 250_000,
  maxCommandCount: 1_000_000,
  maxWorkUnits: NO_LIMIT,
  // Commands allocate by what is left of it, so it has to be a length that a buffer can have.
  maxInputBytes: 512 * 1024 * 1024,
  maxExecutionTimeMs: NO_LIMIT,
};
/** What just-bash says when we stop it; a shell that is killed says nothing. */
const ABORT_MESSAGE = 'bash: execution aborted\n';

export class Session {
  readonly shell: MachineShell;
  readonly process: Process;
  readonly netns: NetNamespace;
  readonly streams: Streams;
  readonly parent: Session | null;
  readonly merged: boolean;
  readonly argv0: string;
  /** Jobs started here, in order, until `wait` has collected them. */
  readonly jobs: Job[] = [];
  /** Handlers of `trap`, by signal name. */
  readonly traps = new Map<string, string>();
  readonly startedAt: number;
  readonly #options: SessionOptions;
  readonly #bash: Bash;
  readonly #abort = new AbortController();
  #terminal = { stdout: '', stderr: '' };
  #replacement: StatementNode[] | null = null;
  #started = false;
  /** Functions that the handler of a trap may call. */
  #defined: readonly FunctionDefNode[];
  #lastVariables: ReadonlyMap<string, string> | null = null;
  #lastOptions = '';

  constructor(shell: MachineShell, options: SessionOptions) {
    this.shell = shell;
    this.process = options.process;
    this.netns = options.netns;
    this.streams = options.merged ? merged(options.streams) : options.streams;
    this.parent = options.parent;
    this.startedAt = shell.sim.now;
    this.#defined = options.functions ?? [];
    this.#options = options;
    this.merged = options.merged;
    this.argv0 = options.argv0;
    this.#bash = new Bash({
      fs: fileSystemOf(shell.fs, options.netns, (text) => this.streams.err(text)),
      cwd: options.cwd,
      env: Object.fromEntries(options.env),
      customCommands: this.#commands(),
      executionLimits: LIMITS,
      defenseInDepth: false,
      processInfo: { pid: options.process.pid, ppid: options.process.parent?.pid ?? 1, uid: 0, gid: 0 },
    });
    this.#bash.registerTransformPlugin({
      name: 'podwire',
      transform: ({ ast }) => {
        // The first script is ours; the others are what bundled commands run (xargs), whose output is not the terminal's.
        const first = !this.#started;
        this.#started = true;
        this.#defined = [...this.#defined, ...functionsIn(ast)];
        const host: RewriteHost = {
          functions: options.functions ?? [],
          isCommand: (name) => shell.isCommand(name),
          addJob: (body) => shell.addJobBody(body),
        };
        if (first && this.#replacement !== null) {
          // A job's statements were rewritten with their script; they may run again with another terminal.
          ast.statements = structuredClone(this.#replacement);
          toTerminal(ast.statements, host, this.#terminal);
        } else {
          rewriteScript(ast, host, first ? this.#terminal : null);
        }
        if (first) ast.statements.unshift(...this.#prologue());
        return { ast };
      },
    });
  }

  /** Runs a script; its exit status. */
  run(source: string): Promise<number> {
    return this.#run(source);
  }

  /** Runs statements that a script of the parent put in the background. */
  runStatements(statements: readonly StatementNode[]): Promise<number> {
    this.#replacement = [...statements];
    return this.#run(':');
  }

  async #run(source: string): Promise<number> {
    const { fs } = this.shell;
    const out = fs.addDevice((text) => this.#print(text, 'out'));
    const err = this.#options.merged ? out : fs.addDevice((text) => this.#print(text, 'err'));
    this.#terminal = { stdout: out, stderr: err };
    try {
      let status = await this.#exec(source);
      const trap = this.traps.get('EXIT');
      if (trap !== undefined && trap !== '' && !this.#abort.signal.aborted) {
        this.traps.delete('EXIT');
        status = await this.#runTrap(trap, status);
      }
      return status;
    } finally {
      for (const job of this.jobs) job.handOver(this.parent);
      this.jobs.length = 0;
      fs.removeDevice(out);
      if (err !== out) fs.removeDevice(err);
    }
  }

  /** What a builtin prints; one that goes on after its process was killed (^C) is stopped here. */
  #print(text: string, stream: 'out' | 'err'): void {
    if (this.process.killedBy === null) this.streams[stream](stream === 'err' ? explainLimits(text) : text);
    else this.#abort.abort();
  }

  async #exec(source: string): Promise<number> {
    try {
      const result = await this.#bash.exec(source, {
        rawScript: true,
        stdin: this.#options.stdin,
        signal: this.#abort.signal,
      });
      if (this.#abort.signal.aborted) {
        this.#write({ ...result, stderr: result.stderr.replace(ABORT_MESSAGE, '') });
        return this.#killedStatus();
      }
      this.#write(result);
      // After `exit` just-bash gives back the variables of the start.
      if (result.env['?'] !== undefined) this.#remember(new Map(Object.entries(result.env)));
      return result.exitCode;
    } catch (error) {
      if (!this.#abort.signal.aborted) {
        // The emulated file system is full, or the interpreter gave up on this script.
        this.streams.err(explainLimits(`bash: ${error instanceof Error ? error.message : String(error)}\n`));
        return 1;
      }
      const { stdout, stderr } = error as Partial<ExecResult>;
      this.#write({ stdout: stdout ?? '', stderr: (stderr ?? '').replace(ABORT_MESSAGE, '') });
      return this.#killedStatus();
    }
  }

  /** What the handler of a trap will see. */
  #remember(env: ReadonlyMap<string, string>): void {
    this.#lastVariables = scalars(env);
    this.#lastOptions = env.get('SHELLOPTS') ?? '';
  }

  /** What did not go through the devices: mostly messages of just-bash about the script itself. */
  #write(result: { stdout: string; stderr: string; stdoutKind?: 'text' | 'bytes' }): void {
    if (result.stdout !== '') this.streams.out(result.stdout);
    if (result.stderr !== '') this.streams.err(explainLimits(result.stderr));
  }

  #killedStatus(): number {
    return 128 + (this.process.killedBy ?? 0);
  }

  /** `trap ... EXIT`: a session of its own with the variables as they were last seen. */
  async #runTrap(handler: string, status: number): Promise<number> {
    const variables = new Map(this.#lastVariables ?? []);
    const session = new Session(this.shell, {
      ...this.#options,
      merged: false,
      streams: this.streams,
      variables,
      functions: this.#defined,
      setOptions: inheritedOptions(this.#lastOptions),
    });
    // The status stays what it was, unless the handler itself exits with another.
    return session.run(`(exit ${status}) && :\n${handler}\nexit ${status}`);
  }

  /** Statements that give a new shell what bash would have inherited. */
  #prologue(): StatementNode[] {
    const { variables, declarations, args, setOptions, argv0 } = this.#options;
    const lines: string[] = [];
    for (const [name, value] of variables ?? []) lines.push(`${name}=${quoteWord(value)}`);
    lines.push(`${ARGV0}=${quoteWord(argv0)}`);
    if (declarations !== undefined && declarations !== '') lines.push(declarations);
    if (args.length > 0) lines.push(`set -- ${quoteWords(args)}`);
    for (const option of setOptions ?? []) lines.push(`set ${option}`);
    const functions = (this.#options.functions ?? []).map((f) => {
      const statement = statementsOf(':')[0]!;
      statement.pipelines[0]!.commands = [f];
      return statement;
    });
    return [...functions, ...statementsOf(lines.join('\n'))];
  }

  #commands(): CustomCommand[] {
    const ours = this.shell
      .commandNames()
      .map((name) => defineCommand(name, (args, context) => this.#command(name, args, context)));
    return [...ours, defineCommand('printf', (args, context) => printf(args, context, this.shell.sim.now))];
  }

  /** What just-bash calls for each of our commands. */
  async #command(name: string, args: string[], context: ResolvedCommandContext): Promise<ExecResult> {
    const collected = new Collected();
    if (this.process.killedBy !== null) {
      this.#abort.abort();
      return { stdout: '', stderr: '', exitCode: this.#killedStatus() };
    }
    if (this.traps.size > 0) this.#remember(context.env);
    const env = new Map(Object.entries(context.exportedEnv ?? {}));
    const live = env.get(Mark.LIVE) === '1';
    const merge = env.get(Mark.MERGE) === '1';
    const tee = env.get(Mark.TEE);
    for (const mark of Object.values(Mark)) env.delete(mark);
    let streams: Streams = live ? this.streams : collected;
    const path = tee === undefined ? null : this.shell.fs.resolvePath(context.cwd, tee);
    if (path !== null) streams = this.shell.openFiles.tee(path, streams);
    if (merge) streams = merged(streams);
    const ctx = new CommandContext(this, {
      netns: this.netns,
      name,
      env,
      variables: context.env,
      cwd: context.cwd,
      stdin: decodeBytesToUtf8(context.stdin),
      streams,
      merged: merge || (live && this.#options.merged),
    });
    const exitCode = await runCommand(name, args, ctx);
    if (path !== null) this.shell.openFiles.close(path);
    return { stdout: collected.stdout, stderr: collected.stderr, exitCode };
  }
}

/** Starts a command of ours in its process: its cost, its pid, its end by a signal. */
export async function runCommand(name: string, args: readonly string[], ctx: CommandContext): Promise<number> {
  const { shell, process } = ctx;
  try {
    const command = await shell.command(name);
    if (command === null) {
      ctx.err(`bash: ${name}: command not found\n`);
      return 127;
    }
    if (!shell.isBuiltin(name)) {
      ctx.pid = shell.runner.allocatePid();
      await process.sleep(execCost(name));
      await noteSystemFiles(shell.fs, ctx.netns);
    }
    process.programs.push([name, ...args].join(' '));
    try {
      return await command.run(args, ctx as ShellContext);
    } finally {
      process.programs.pop();
    }
  } catch (error) {
    if (error instanceof Killed) return 128 + error.signal;
    shell.runner.fail(error);
    return 70;
  }
}
