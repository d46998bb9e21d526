// ipset(8), version 7.17. What it does stands in netfilter/ipset/; here are the namespace, the streams and the files.

import { runIpset } from '../../netfilter/ipset/ipset-run.ts';
import { netfilterOf } from '../../stack/netfilter-host.ts';
import type { ShellCommand, ShellContext } from '../command.ts';

async function run(args: readonly string[], ctx: ShellContext): Promise<number> {
  // -f is read before the call: the emulated file system answers later, ipset at once.
  const at = args.findIndex((a) => a === '-f' || a === '-file' || a === '--file');
  const file = at < 0 ? '' : (args[at + 1] ?? '');
  let text: string | null = ctx.stdin;
  if (file !== '') {
    try {
      text = await ctx.fs.readFile(ctx.resolve(file));
    } catch {
      text = null;
    }
  }
  const io = { name: ctx.name, out: (t: string) => ctx.out(t), err: (t: string) => ctx.err(t) };
  return runIpset(netfilterOf(ctx.netns).tables.sets, args, io, { input: () => text });
}

export const commands: readonly ShellCommand[] = [
  { name: 'ipset', summary: 'sets of addresses, networks and ports for rules', run },
];
