// Commands about the machine, and commands that only run another: uname, hostname, whoami, id, which, sudo, nohup, nice,
// stdbuf.

import { formatIpv4 } from '../addr/ipv4.ts';
import { clusterOf } from '../kube/cluster.ts';
import { Scope } from '../stack/fib.ts';
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

/** A pod is named by its sandbox's UTS namespace, a pod in the host's network and everything else by the machine. */
function hostName({ machine, netns }: ShellContext): string {
  if (netns === machine.root) return machine.name;
  for (const pod of clusterOf(machine.world)?.pods.values() ?? []) if (pod.netns === netns) return pod.spec.name;
  return machine.name;
}

async function uname(args: readonly string[], ctx: ShellContext): Promise<number> {
  const letters = args.length === 0 ? 's' : args.map((a) => a.replace(/^-/, '')).join('');
  const all = letters.includes('a');
  const fields: string[] = [];
  for (const letter of ['s', 'n', 'r', 'v', 'm', 'p', 'i', 'o'] as const) {
    const value = letter === 'n' ? hostName(ctx) : UNAME[letter];
    if (all ? value !== 'unknown' : letters.includes(letter)) fields.push(value);
  }
  ctx.out(`${fields.join(' ')}\n`);
  return 0;
}

async function hostname(args: readonly string[], ctx: ShellContext): Promise<number> {
  const letters = args.filter((a) => a.startsWith('-')).map((a) => HOSTNAME_OPTIONS.get(a) ?? a.slice(1));
  const unknown = letters.find((l) => !/^[siIf]$/.test(l));
  if (unknown !== undefined) {
    ctx.err(`hostname: podwire has the options -s, -f, -i and -I, not -${unknown}\n`);
    return 1;
  }
  if (args.length > letters.length) {
    ctx.err('hostname: the name of an emulated machine cannot be changed\n');
    return 1;
  }
  const addresses = ctx.netns
    .inDevices()
    .flatMap((d) => (d.dev.up ? d.addresses : []))
    .filter((a) => a.scope !== Scope.HOST)
    .map((a) => formatIpv4(a.local));
  if (letters.includes('I')) ctx.out(`${addresses.map((a) => `${a} `).join('')}\n`);
  else if (!letters.includes('i')) ctx.out(`${hostName(ctx)}\n`);
  else if (addresses[0] !== undefined) {
    // What the kubelet writes into a pod's /etc/hosts, and an installer into a node's: the first address that is not lo's.
    ctx.out(`${addresses[0]}\n`);
  } else {
    ctx.err('hostname: Name or service not known\n');
    return 1;
  }
  return 0;
}

/** Long options of net-tools' hostname, by the letter that means the same. */
const HOSTNAME_OPTIONS: ReadonlyMap<string, string> = new Map([
  ['--short', 's'],
  ['--fqdn', 'f'],
  ['--long', 'f'],
  ['--ip-address', 'i'],
  ['--all-ip-addresses', 'I'],
]);

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

export const systemCommands: readonly ShellCommand[] = [
  { name: 'uname', summary: 'names the emulated kernel', run: uname },
  { name: 'hostname', summary: 'names the machine or the pod, -i its address', run: hostname },
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
];
