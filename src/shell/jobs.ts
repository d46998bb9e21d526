// Background jobs: `CMD &`, wait, kill, jobs, trap. A job is a process with a session of its own; it inherits a copy of the
// shell's variables, functions, options and working directory, as a fork would. What it writes to the terminal goes there
// at once.

import type { ShellCommand } from './command.ts';
import type { CommandContext } from './command-context.ts';
import { type Process, Signal } from './process.ts';
import { Session } from './session.ts';
import { inheritedOptions, scalars } from './shell-variables.ts';

export class Job {
  readonly process: Process;
  readonly number: number;
  /** The shell whose terminal it writes to, or null when that has gone. */
  #owner: Session | null;

  constructor(process: Process, number: number, owner: Session) {
    this.process = process;
    this.number = number;
    this.#owner = owner;
  }

  /** The owner's shell has ended: what comes from now on goes to its parent's terminal. */
  handOver(parent: Session | null): void {
    this.#owner = parent;
    if (parent !== null && !this.process.ended) parent.jobs.push(this);
  }

  out(text: string): void {
    this.#owner?.streams.out(text);
  }

  err(text: string): void {
    this.#owner?.streams.err(text);
  }
}

/** What our commands of this file get: the full context, not only the public contract. */
type Run = (args: readonly string[], ctx: CommandContext) => Promise<number>;

function builtin(name: string, summary: string, run: Run): ShellCommand {
  return { name, summary, run: (args, ctx) => run(args, ctx as CommandContext) };
}

/** `__job N ARRAYS "$@"`: starts the statement number N; prints the process id. */
async function startJob(args: readonly string[], ctx: CommandContext): Promise<number> {
  const [number, declarations = '', ...positional] = args;
  const { shell, session } = ctx;
  const body = shell.jobBody(Number(number));
  if (body === null) return 1;
  // just-bash takes its variables back when this command has ended, which is before the job begins.
  const setOptions = inheritedOptions(ctx.variables.get('SHELLOPTS') ?? '');
  const variables = scalars(ctx.variables);
  for (const name of ctx.env.keys()) variables.delete(name);
  let job: Job | null = null;
  const process = shell.runner.spawn(`job ${number}`, ctx.process, (self) => {
    const jobSession = new Session(shell, {
      process: self,
      netns: ctx.netns,
      streams: { out: (text) => job?.out(text), err: (text) => job?.err(text) },
      merged: session.merged,
      argv0: session.argv0,
      args: positional,
      env: ctx.env,
      variables,
      declarations: arrays(declarations),
      functions: body.functions,
      setOptions,
      cwd: ctx.cwd,
      stdin: '',
      parent: session,
    });
    return jobSession.runStatements([body.statement]);
  });
  if (process === null) {
    ctx.err('bash: fork: Resource temporarily unavailable\n');
    return 1;
  }
  job = new Job(process, session.jobs.length + 1, session);
  session.jobs.push(job);
  ctx.out(`${process.pid}\n`);
  return 0;
}

/** Of the output of `declare -p` the arrays, as assignments: `declare -a X=(...)` splits quoted words in just-bash. */
function arrays(declarations: string): string {
  const lines: string[] = [];
  for (const declaration of declarations.split(/\n(?=declare )/)) {
    const match = /^declare -[a-zA-Z]*([aA])[a-zA-Z]* ([A-Za-z_]\w*)=(.*)$/s.exec(declaration.trimEnd());
    if (match === null || SHELL_ARRAYS.has(match[2]!)) continue;
    if (match[1] === 'A') lines.push(`declare -A ${match[2]}`);
    lines.push(`${match[2]}=${match[3]}`);
  }
  return lines.join('\n');
}

const SHELL_ARRAYS: ReadonlySet<string> = new Set([
  'BASH_ARGC',
  'BASH_ARGV',
  'BASH_LINENO',
  'BASH_SOURCE',
  'BASH_VERSINFO',
  'DIRSTACK',
  'FUNCNAME',
  'GROUPS',
  'PIPESTATUS',
]);

function findJob(session: Session, word: string): Job | null {
  const jobs = session.jobs;
  if (word === '%%' || word === '%+' || word === '%') return jobs.at(-1) ?? null;
  if (word.startsWith('%')) return jobs.find((j) => j.number === Number(word.slice(1))) ?? null;
  return jobs.find((j) => j.process.pid === Number(word)) ?? null;
}

async function wait(args: readonly string[], ctx: CommandContext): Promise<number> {
  const { session, process } = ctx;
  if (args[0] === '-n') {
    const running = session.jobs.filter((j) => !j.process.ended);
    if (running.length === 0) return 127;
    return process.wait<number>((resume) => {
      for (const job of running) job.process.onEnd(() => resume(job.process.exitStatus ?? 0));
      return undefined;
    });
  }
  if (args.length === 0) {
    for (const job of [...session.jobs]) await process.waitFor(job.process);
    session.jobs.length = 0;
    return 0;
  }
  let status = 0;
  for (const word of args) {
    const job = findJob(session, word);
    if (job === null) {
      ctx.err(
        word.startsWith('%')
          ? `bash: wait: ${word}: no such job\n`
          : /^\d+$/.test(word)
            ? `bash: wait: pid ${word} is not a child of this shell\n`
            : `bash: wait: \`${word}': not a pid or valid job spec\n`,
      );
      status = /^\d+$|^%/.test(word) ? 127 : 1;
    } else {
      status = await process.waitFor(job.process);
    }
  }
  return status;
}

/** The signal of `TERM`, `SIGTERM` or `15`; 0 is a signal for kill -0; null when there is none such. */
export function parseSignal(text: string): Signal | 0 | null {
  const name = text.toUpperCase().replace(/^SIG/, '');
  const known: Readonly<Record<string, Signal>> = Signal;
  if (Object.hasOwn(known, name)) return known[name]!;
  if (text === '0') return 0;
  return Object.values(known).find((s) => String(s) === text) ?? null;
}

async function kill(args: readonly string[], ctx: CommandContext): Promise<number> {
  let signal: Signal | 0 = Signal.TERM;
  let rest = [...args];
  const option = rest[0];
  if (option === '-l' || option === '-L') {
    ctx.out(
      `${Object.entries(Signal)
        .map(([name, number]) => `${number}) SIG${name}`)
        .join('\n')}\n`,
    );
    return 0;
  }
  if (option === '--') rest = rest.slice(1);
  else if (option !== undefined && /^-./.test(option)) {
    const separate = option === '-s' || option === '-n';
    const name = separate ? (rest[1] ?? '') : option.slice(1);
    const parsed = parseSignal(name);
    if (parsed === null) {
      ctx.err(`bash: kill: ${name}: invalid signal specification\n`);
      return 1;
    }
    signal = parsed;
    rest = rest.slice(separate ? 2 : 1);
  }
  if (rest.length === 0) {
    ctx.err('kill: usage: kill [-s sigspec | -n signum | -sigspec] pid | jobspec ... or kill -l [sigspec]\n');
    return 2;
  }
  let status = 0;
  for (const word of rest) {
    const pid = /^-?\d+$/.test(word) ? Math.abs(Number(word)) : null;
    const target = word.startsWith('%') ? findJob(ctx.session, word)?.process : ctx.shell.runner.find(pid ?? -1);
    if (target === undefined || target === null) {
      if (word.startsWith('%')) ctx.err(`bash: kill: ${word}: no such job\n`);
      else if (pid === null) ctx.err(`bash: kill: ${word}: arguments must be process or job IDs\n`);
      else ctx.err(`bash: kill: (${word}) - No such process\n`);
      status = 1;
    } else if (signal !== 0) {
      target.signal(signal);
    }
  }
  return status;
}

async function jobs(args: readonly string[], ctx: CommandContext): Promise<number> {
  const running = ctx.session.jobs.filter((j) => !j.process.ended);
  for (const job of running) {
    if (args[0] === '-p') ctx.out(`${job.process.pid}\n`);
    else ctx.out(`[${job.number}]${job === running.at(-1) ? '+' : '-'}  Running                 ${job.process.pid}\n`);
  }
  return 0;
}

/** Handlers that exist as names here but never run: nobody presses a key, and a killed shell ends at once. */
const SILENT_TRAPS: ReadonlySet<string> = new Set(['HUP', 'INT', 'QUIT', 'TERM', 'USR1', 'USR2', 'PIPE']);

async function trap(args: readonly string[], ctx: CommandContext): Promise<number> {
  const { traps } = ctx.session;
  const words = args[0] === '--' ? args.slice(1) : args;
  if (words.length === 0 || words[0] === '-p') {
    for (const [name, handler] of traps) ctx.out(`trap -- '${handler}' ${name}\n`);
    return 0;
  }
  const reset = words.length === 1 || words[0] === '-';
  const handler = reset ? null : words[0]!;
  const names = words.length === 1 ? words : words.slice(1);
  let status = 0;
  for (const word of names) {
    const name = word === '0' ? 'EXIT' : word.toUpperCase().replace(/^SIG/, '');
    if (name !== 'EXIT' && !SILENT_TRAPS.has(name)) {
      ctx.err(`trap: ${word}: this emulator runs handlers of EXIT only\n`);
      status = 1;
    } else if (handler === null) traps.delete(name);
    else traps.set(name, handler);
  }
  return status;
}

/** `__snapshot STATUS`: the session has seen the variables (before an exit); $? stays what it was. */
async function snapshot(args: readonly string[]): Promise<number> {
  return Number(args[0]);
}

export const jobCommands: readonly ShellCommand[] = [
  builtin('__job', 'starts a background job', startJob),
  builtin('__wait', 'waits for background jobs', wait),
  builtin('__trap', 'sets what runs when the shell ends', trap),
  builtin('__snapshot', 'keeps the variables for a trap', snapshot),
  builtin('kill', 'sends a signal to a process or job', kill),
  builtin('jobs', 'lists background jobs', jobs),
];
