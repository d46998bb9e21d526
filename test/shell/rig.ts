// A machine with a shell for the tests of this folder, and programs that show what they are given.

import type { ShellCommand } from '../../src/shell/command.ts';
import { MachineShell } from '../../src/shell/machine-shell.ts';
import { Signal } from '../../src/shell/process.ts';
import type { RunEnd, RunLimits } from '../../src/shell/runner.ts';
import { NS_PER_S } from '../../src/sim/sim.ts';
import { Machine } from '../../src/stack/machine.ts';
import { World } from '../../src/stack/world.ts';

/** `tick N SECONDS`: prints a line after each interval; SIGINT makes it print a last line and end with 0. */
const tick: ShellCommand = {
  name: 'tick',
  summary: 'prints N lines',
  async run(args, ctx) {
    const count = Number(args[0] ?? 1);
    const interval = Number(args[1] ?? 1) * NS_PER_S;
    for (let i = 1; i <= count; i++) {
      const stopped = await ctx.process.wait<boolean>((resume) => {
        const timer = ctx.sim.after(interval, () => resume(false));
        return (signal) => {
          timer.cancel();
          if (signal === Signal.INT) resume(true);
        };
      });
      if (stopped) {
        ctx.out('stopped\n');
        return 0;
      }
      ctx.out(`tick ${i} at ${ctx.sim.now}\n`);
    }
    return 0;
  },
};

/** `both TEXT`: one line to each stream. */
const both: ShellCommand = {
  name: 'both',
  summary: 'writes to both streams',
  async run(args, ctx) {
    ctx.out(`out ${args.join(' ')}\n`);
    ctx.err(`err ${args.join(' ')}\n`);
    return 0;
  },
};

/** `show ARGS`: what it was given. */
const show: ShellCommand = {
  name: 'show.py',
  summary: 'prints its arguments',
  async run(args, ctx) {
    ctx.out(`${ctx.name} [${args.join('|')}] cwd=${ctx.cwd} netns=${ctx.machine.nameOf(ctx.netns) ?? '-'}\n`);
    return args[0] === 'fail' ? Number(args[1]) : 0;
  },
};

/** `within NETNS CMD ...`: as `ip netns exec`. */
const inside: ShellCommand = {
  name: 'within',
  summary: 'runs a command in a namespace',
  async run(args, ctx) {
    const netns = ctx.machine.namespace(args[0] ?? '') ?? ctx.machine.addNamespace(args[0] ?? '');
    return ctx.runIn(netns, args.slice(1));
  },
};

/** `forever`: waits for something that never comes. */
const forever: ShellCommand = {
  name: 'forever',
  summary: 'never ends',
  async run(_args, ctx) {
    ctx.out('waiting\n');
    await ctx.process.wait<void>(() => undefined);
    return 0;
  },
};

export interface Ran {
  readonly stdout: string;
  readonly stderr: string;
  /** Both, in the order in which they were written. */
  readonly all: string;
  readonly status: number | null;
  readonly end: RunEnd;
  readonly now: number;
  readonly events: number;
  readonly shell: MachineShell;
}

export interface RigOptions {
  readonly commands?: readonly ShellCommand[];
  readonly seed?: number;
  readonly limits?: RunLimits;
  readonly files?: Readonly<Record<string, string>>;
  readonly argv0?: string;
  readonly args?: readonly string[];
  readonly cwd?: string;
  readonly setOptions?: readonly string[];
  readonly onOutput?: (text: string, now: number) => void;
}

export async function runShell(source: string, options: RigOptions = {}): Promise<Ran> {
  const machine = new Machine(new World(options.seed ?? 1), 'host');
  const shell = new MachineShell(machine, [tick, both, show, inside, forever, ...(options.commands ?? [])]);
  shell.addTools('/lab/tools');
  for (const [path, content] of Object.entries(options.files ?? {})) shell.fs.put(path, content);
  let stdout = '';
  let stderr = '';
  let all = '';
  const take = (text: string): void => {
    all += text;
    options.onOutput?.(text, shell.sim.now);
  };
  const main = shell.runner.spawn('main', null, (process) =>
    shell.runScript(process, {
      source,
      argv0: options.argv0 ?? 'bash',
      args: options.args ?? [],
      env: new Map([['TOOLS', '/lab/tools']]),
      cwd: options.cwd ?? '/root',
      stdin: '',
      setOptions: options.setOptions ?? [],
      streams: {
        out: (text) => {
          stdout += text;
          take(text);
        },
        err: (text) => {
          stderr += text;
          take(text);
        },
      },
    }),
  )!;
  const end = await shell.runner.run(main, options.limits ?? { maxEvents: 1_000_000, maxTime: 10_000 * NS_PER_S });
  return { stdout, stderr, all, status: main.exitStatus, end, now: shell.sim.now, events: shell.sim.events, shell };
}
