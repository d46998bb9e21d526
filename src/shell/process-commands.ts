// Commands that find processes by what they run: pkill, pgrep, killall, pidof.

import type { ShellCommand } from './command.ts';
import type { CommandContext } from './command-context.ts';
import { parseSignal } from './jobs.ts';
import { type Process, Signal } from './process.ts';

interface Search {
  signal: Signal | 0;
  full: boolean;
  exact: boolean;
  patterns: string[];
}

/** Options of pkill(1), pgrep(1) and killall(1) that choose processes; null for one that is not known. */
function parse(args: readonly string[]): Search | string {
  const search: Search = { signal: Signal.TERM, full: false, exact: false, patterns: [] };
  for (let i = 0; i < args.length; i++) {
    const word = args[i]!;
    if (!/^-./.test(word)) search.patterns.push(word);
    else if (word === '-f' || word === '--full') search.full = true;
    else if (word === '-x' || word === '--exact') search.exact = true;
    else if (word === '-q' || word === '-w' || word === '-e') continue;
    else {
      const signal = parseSignal(word === '-s' || word === '--signal' ? (args[++i] ?? '') : word.slice(1));
      if (signal === null) return word;
      search.signal = signal;
    }
  }
  return search;
}

/** Processes that run the program now; never the one that asks. */
function find(ctx: CommandContext, search: Search): Process[] {
  const matches = (program: string): boolean => {
    const name = program.split(' ')[0]!;
    return search.patterns.some((pattern) => {
      if (search.exact) return name === pattern;
      try {
        return new RegExp(pattern).test(search.full ? program : name);
      } catch {
        return name === pattern;
      }
    });
  };
  return ctx.shell.runner.processes().filter((p) => p !== ctx.process && p.programs.some(matches));
}

function command(
  name: string,
  summary: string,
  act: (found: Process[], search: Search, ctx: CommandContext) => void,
): ShellCommand {
  return {
    name,
    summary,
    async run(args, context) {
      const ctx = context as CommandContext;
      const search = parse(args);
      if (typeof search === 'string') {
        ctx.err(`${name}: invalid option or signal: ${search}\n`);
        return 2;
      }
      if (search.patterns.length === 0) {
        ctx.err(`${name}: no matching criteria specified\n`);
        return 2;
      }
      if (name === 'killall' || name === 'pidof') search.exact = true;
      const found = find(ctx, search);
      if (found.length === 0 && name === 'killall') ctx.err(`${search.patterns[0]}: no process found\n`);
      act(found, search, ctx);
      return found.length > 0 ? 0 : 1;
    },
  };
}

function signalAll(found: readonly Process[], { signal }: Search): void {
  if (signal !== 0) for (const process of found) process.signal(signal);
}

export const processCommands: readonly ShellCommand[] = [
  command('pkill', 'signals processes by name', signalAll),
  command('killall', 'signals processes by exact name', signalAll),
  command('pgrep', 'lists processes by name', (found, _search, ctx) => {
    for (const process of found) ctx.out(`${process.pid}\n`);
  }),
  command('pidof', 'lists processes by exact name', (found, _search, ctx) => {
    if (found.length > 0)
      ctx.out(
        `${found
          .map((p) => p.pid)
          .reverse()
          .join(' ')}\n`,
      );
  }),
];
