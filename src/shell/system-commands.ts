// Commands about the machine, and commands that only run another: uname, hostname, whoami, id, which, sudo, nohup, nice,
// stdbuf, python3.

import type { ShellCommand, ShellContext } from './command.ts';
import type { CommandContext } from './command-context.ts';

/** What the emulated kernel calls itself. The release is the one whose behaviour the golden captures show. */
const UNAME = {
  s: 'Linux',
  r: '6.18.44-podwire',
  v: '#1 SMP PREEMPT_DYNAMIC',
  m: 'x86_64',
  p: 'unknown',
  i: 'unknown',
  o: 'GNU/Linux',
} as const;

async function uname(args: readonly string[], ctx: ShellContext): Promise<number> {
  const letters = args.length === 0 ? 's' : args.map((a) => a.replace(/^-/, '')).join('');
  const all = letters.includes('a');
  const fields: string[] = [];
  for (const letter of ['s', 'n', 'r', 'v', 'm', 'p', 'i', 'o'] as const) {
    const value = letter === 'n' ? ctx.machine.name : UNAME[letter];
    if (all ? value !== 'unknown' : letters.includes(letter)) fields.push(value);
  }
  ctx.out(`${fields.join(' ')}\n`);
  return 0;
}

async function hostname(args: readonly string[], ctx: ShellContext): Promise<number> {
  const name = args.find((a) => !a.startsWith('-'));
  if (name !== undefined) {
    ctx.err('hostname: the name of an emulated machine cannot be changed\n');
    return 1;
  }
  ctx.out(`${ctx.machine.name}\n`);
  return 0;
}

async function which(args: readonly string[], context: ShellContext): Promise<number> {
  const ctx = context as CommandContext;
  let status = 0;
  for (const name of args.filter((a) => !a.startsWith('-'))) {
    if (ctx.shell.isCommand(name) || ctx.isBundled(name)) ctx.out(`/usr/bin/${name}\n`);
    else status = 1;
  }
  return status;
}

const NAME_LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

async function mktemp(args: readonly string[], ctx: ShellContext): Promise<number> {
  const random = ctx.machine.world.rng(`${ctx.machine.name}/mktemp`);
  const template = args.find((a) => !a.startsWith('-')) ?? '/tmp/tmp.XXXXXXXXXX';
  if (!/XXX+$/.test(template)) {
    ctx.err(`mktemp: too few X's in template ‘${template}’\n`);
    return 1;
  }
  const name = template.replace(/X+$/, (x) =>
    [...x].map(() => NAME_LETTERS[random.below(NAME_LETTERS.length)]).join(''),
  );
  const path = ctx.resolve(name.includes('/') || !args.includes('-t') ? name : `/tmp/${name}`);
  try {
    if (args.includes('-d')) await ctx.fs.mkdir(path);
    else if (!args.includes('-u')) await ctx.fs.writeFile(path, '');
  } catch {
    ctx.err(`mktemp: failed to create file via template ‘${template}’: No such file or directory\n`);
    return 1;
  }
  ctx.out(`${path}\n`);
  return 0;
}

/** A command that runs the command in its arguments; `skip` says how many of them are its own. */
function wrapper(name: string, summary: string, skip: (args: readonly string[]) => number): ShellCommand {
  return { name, summary, run: (args, ctx) => ctx.runIn(ctx.netns, args.slice(skip(args))) };
}

/** Leading options; those in `valued` take the next word as their value. */
function leadingOptions(args: readonly string[], valued: readonly string[] = []): number {
  let i = 0;
  while (i < args.length && args[i]!.startsWith('-')) i += valued.includes(args[i]!) ? 2 : 1;
  return i;
}

/** No interpreter of Python: scripts of the stimuli have built-in commands of the same name. */
async function python(args: readonly string[], ctx: ShellContext): Promise<number> {
  const script = args[leadingOptions(args)];
  const name = script?.slice(script.lastIndexOf('/') + 1);
  if (script === undefined || name === undefined || args[0] === '-c' || args[0] === '-m') {
    ctx.err(
      `${ctx.name}: there is no Python in the emulated machine; only scripts that have a built-in command can be run\n`,
    );
    return 1;
  }
  if (!(ctx as CommandContext).shell.isCommand(name)) {
    ctx.err(`${ctx.name}: ${script}: no built-in command has this script's name, and there is no Python here\n`);
    return 1;
  }
  return ctx.runIn(ctx.netns, [name, ...args.slice(args.indexOf(script) + 1)]);
}

export const systemCommands: readonly ShellCommand[] = [
  { name: 'uname', summary: 'names the emulated kernel', run: uname },
  { name: 'hostname', summary: 'names the machine', run: hostname },
  {
    name: 'whoami',
    summary: 'root',
    run: async (_args, ctx) => {
      ctx.out('root\n');
      return 0;
    },
  },
  {
    name: 'id',
    summary: 'user and group ids',
    run: async (args, ctx) => {
      ctx.out(args[0] === '-u' || args[0] === '-g' ? '0\n' : 'uid=0(root) gid=0(root) groups=0(root)\n');
      return 0;
    },
  },
  { name: 'mktemp', summary: 'makes a temporary file', run: mktemp },
  { name: 'which', summary: 'where a command is', run: which },
  wrapper('sudo', 'runs a command; everybody is root here', (args) => leadingOptions(args, ['-u', '-g'])),
  wrapper('nohup', 'runs a command', (args) => leadingOptions(args)),
  wrapper('nice', 'runs a command', (args) => leadingOptions(args, ['-n'])),
  wrapper('stdbuf', 'runs a command', (args) => leadingOptions(args, ['-o', '-i', '-e'])),
  wrapper('setsid', 'runs a command', (args) => leadingOptions(args)),
  { name: 'python3', summary: 'runs the built-in command of the script’s name', run: python },
  { name: 'python', summary: 'runs the built-in command of the script’s name', run: python },
];
