// Commands that have to do with time, on the virtual clock: date, sleep, timeout, and what `time` becomes.

import { NS_PER_MS, NS_PER_S, type Ns } from '../sim/sim.ts';
import type { ShellCommand, ShellContext } from './command.ts';
import type { CommandContext } from './command-context.ts';
import { DEFAULT_FORMAT, formatDate, parseMoment } from './date-format.ts';
import { parseSignal } from './jobs.ts';
import { Signal } from './process.ts';
import { WALL_EPOCH_S } from './wall-clock.ts';

/** Exit statuses of timeout(1). */
const TIMED_OUT = 124;
const TIMEOUT_FAILED = 125;
/** Bash's $SECONDS and $RANDOM; the latter is 15 bits wide. */
const RANDOM_RANGE = 32_768;
const UNIT_S: Readonly<Record<string, number>> = { '': 1, s: 1, m: 60, h: 3600, d: 86_400 };
/** Longest time that virtual time can tell to the nanosecond (2^53 ns). */
const LONGEST_S = 9_007_199;

/** `1.5`, `200ms` is not one; `2m`, `infinity`: in nanoseconds, or null when it is no interval. */
export function parseInterval(text: string): Ns | null {
  if (/^inf(inity)?$/i.test(text)) return LONGEST_S * NS_PER_S;
  const match = /^(\d+\.?\d*|\.\d+)([smhd]?)$/.exec(text);
  if (match === null) return null;
  return Math.round(Math.min(Number(match[1]) * UNIT_S[match[2]!]!, LONGEST_S) * NS_PER_S);
}

async function sleep(args: readonly string[], ctx: ShellContext): Promise<number> {
  if (args.length === 0) {
    ctx.err("sleep: missing operand\nTry 'sleep --help' for more information.\n");
    return 1;
  }
  let total = 0;
  for (const word of args) {
    const interval = parseInterval(word);
    if (interval === null) {
      ctx.err(`sleep: invalid time interval ‘${word}’\nTry 'sleep --help' for more information.\n`);
      return 1;
    }
    total += interval;
  }
  await ctx.process.sleep(total);
  return 0;
}

const ISO_FORMATS: Readonly<Record<string, string>> = {
  '': '%Y-%m-%d',
  date: '%Y-%m-%d',
  hours: '%Y-%m-%dT%H%:z',
  minutes: '%Y-%m-%dT%H:%M%:z',
  seconds: '%Y-%m-%dT%H:%M:%S%:z',
  ns: '%Y-%m-%dT%H:%M:%S,%N%:z',
};

async function date(args: readonly string[], ctx: ShellContext): Promise<number> {
  let moment = ctx.wallClock();
  let format = DEFAULT_FORMAT;
  for (let i = 0; i < args.length; i++) {
    const word = args[i]!;
    const described = /^(?:-d|--date=)(.*)$/s.exec(word)?.[1];
    const iso = /^(?:-I|--iso-8601=?)(.*)$/.exec(word)?.[1];
    if (word.startsWith('+')) format = word.slice(1);
    else if (word === '-u' || word === '--utc' || word === '--universal') continue;
    else if (word === '-R' || word === '--rfc-email') format = '%a, %d %b %Y %H:%M:%S %z';
    else if (iso !== undefined && Object.hasOwn(ISO_FORMATS, iso)) format = ISO_FORMATS[iso]!;
    else if (described !== undefined) {
      const text = word === '-d' ? (args[++i] ?? '') : described;
      const parsed = parseMoment(text, moment);
      if (parsed === null) {
        ctx.err(`date: invalid date ‘${text}’\n`);
        return 1;
      }
      moment = parsed;
    } else {
      ctx.err(`date: ${word.startsWith('-') ? 'unsupported option' : 'the virtual clock cannot be set:'} ${word}\n`);
      return 1;
    }
  }
  ctx.out(`${formatDate(format, moment)}\n`);
  return 0;
}

interface TimeoutOptions {
  signal: Signal;
  killAfter: Ns | null;
  preserveStatus: boolean;
  limit: Ns;
  argv: readonly string[];
}

function parseTimeout(args: readonly string[]): TimeoutOptions | string {
  const found: TimeoutOptions = { signal: Signal.TERM, killAfter: null, preserveStatus: false, limit: 0, argv: [] };
  let i = 0;
  for (; i < args.length && /^-./.test(args[i]!); i++) {
    const word = args[i]!;
    const value = (short: string, long: string): string | null => {
      if (word === short || word === long) return args[++i] ?? '';
      if (word.startsWith(`${long}=`)) return word.slice(long.length + 1);
      return word.startsWith(short) && !word.startsWith('--') ? word.slice(2) : null;
    };
    const signalName = value('-s', '--signal');
    const killAfter = signalName === null ? value('-k', '--kill-after') : null;
    if (signalName !== null) {
      const signal = parseSignal(signalName);
      if (signal === null || signal === 0) return `‘${signalName}’: invalid signal`;
      found.signal = signal;
    } else if (killAfter !== null) {
      found.killAfter = parseInterval(killAfter);
      if (found.killAfter === null) return `invalid time interval ‘${killAfter}’`;
    } else if (word === '--preserve-status') found.preserveStatus = true;
    else if (word !== '--foreground' && word !== '-v' && word !== '--verbose') return `unrecognized option '${word}'`;
  }
  const limit = parseInterval(args[i] ?? '');
  if (args[i] === undefined || args[i + 1] === undefined) return 'missing operand';
  if (limit === null) return `invalid time interval ‘${args[i]}’`;
  found.limit = limit;
  found.argv = args.slice(i + 1);
  return found;
}

async function timeout(args: readonly string[], context: ShellContext): Promise<number> {
  const ctx = context as CommandContext;
  const options = parseTimeout(args);
  if (typeof options === 'string') {
    ctx.err(`timeout: ${options}\nTry 'timeout --help' for more information.\n`);
    return TIMEOUT_FAILED;
  }
  const child = ctx.shell.runner.spawn(options.argv.join(' '), ctx.process, (self) =>
    ctx.runAs(self, ctx.netns, options.argv),
  );
  if (child === null) {
    ctx.err('timeout: fork system call failed: Resource temporarily unavailable\n');
    return TIMEOUT_FAILED;
  }
  let timedOut = false;
  const status = await ctx.process.wait<number>((resume) => {
    // A limit of 0 is no limit.
    const limit = ctx.sim.timer(() => {
      timedOut = true;
      child.signal(options.signal);
      if (options.killAfter !== null) kill.arm(options.killAfter);
    });
    const kill = ctx.sim.timer(() => child.signal(Signal.KILL));
    if (options.limit > 0) limit.arm(options.limit);
    child.onEnd(() => {
      limit.cancel();
      kill.cancel();
      resume(child.exitStatus ?? 0);
    });
    return (signal) => {
      limit.cancel();
      kill.cancel();
      child.signal(signal);
    };
  });
  if (!timedOut || options.preserveStatus) return status;
  return status === 128 + Signal.KILL ? status : TIMED_OUT;
}

/** `__now`: virtual nanoseconds. */
async function now(_args: readonly string[], ctx: ShellContext): Promise<number> {
  ctx.out(`${ctx.sim.now}\n`);
  return 0;
}

/** `__time -p|-- START STATUS`: what the keyword `time` prints; nothing here uses a processor. */
async function time(args: readonly string[], ctx: ShellContext): Promise<number> {
  const [style, start, status] = args;
  const ns = ctx.sim.now - Number(start);
  if (style === '-p') {
    ctx.err(`real ${(ns / NS_PER_S).toFixed(2)}\nuser 0.00\nsys 0.00\n`);
  } else {
    const ms = Math.floor(ns / NS_PER_MS);
    const minutes = Math.floor(ms / 60_000);
    ctx.err(`\nreal\t${minutes}m${((ms - minutes * 60_000) / 1000).toFixed(3)}s\nuser\t0m0.000s\nsys\t0m0.000s\n`);
  }
  return Number(status);
}

/** `__variable NAME`: shell variables that the host would otherwise give a value. */
async function variable(args: readonly string[], context: ShellContext): Promise<number> {
  const ctx = context as CommandContext;
  const random = ctx.machine.world.rng(`${ctx.machine.name}/shell`);
  const wall = ctx.wallClock();
  switch (args[0]) {
    case 'RANDOM':
      ctx.out(`${random.below(RANDOM_RANGE)}\n`);
      return 0;
    case 'SRANDOM':
      ctx.out(`${random.u32()}\n`);
      return 0;
    case 'SECONDS':
      ctx.out(`${Math.floor((ctx.sim.now - ctx.session.startedAt) / NS_PER_S)}\n`);
      return 0;
    case 'EPOCHSECONDS':
      ctx.out(`${WALL_EPOCH_S + Math.floor(ctx.sim.now / NS_PER_S)}\n`);
      return 0;
    default:
      ctx.out(`${formatDate('%s.%6N', wall)}\n`);
      return 0;
  }
}

export const timeCommands: readonly ShellCommand[] = [
  { name: 'sleep', summary: 'waits in virtual time', run: sleep },
  { name: 'date', summary: 'prints the virtual date and time', run: date },
  { name: 'timeout', summary: 'runs a command with a time limit', run: timeout },
  { name: '__now', summary: 'virtual nanoseconds', run: now },
  { name: '__time', summary: 'what time prints', run: time },
  { name: '__variable', summary: 'a variable that changes by itself', run: variable },
];
