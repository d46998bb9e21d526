// iptables(8), iptables-save(8) and iptables-restore(8), iptables 1.8.9 with nf_tables. What they do stands in netfilter/;
// here are the namespace, the streams and the files.

import {
  parseRestoreArguments,
  runIptables,
  runIptablesRestore,
  runIptablesSave,
} from '../../netfilter/xtables/iptables-run.ts';
import { netfilterOf } from '../../stack/netfilter-host.ts';
import type { ShellCommand, ShellContext } from '../command.ts';
import { formatDate } from '../date-format.ts';

/** ctime(3) */
const CTIME = '%a %b %e %H:%M:%S %Y';
const NAMES = ['iptables', 'iptables-nft', 'iptables-legacy'] as const;

function io(ctx: ShellContext) {
  return { name: ctx.name, out: (text: string) => ctx.out(text), err: (text: string) => ctx.err(text) };
}

async function iptables(args: readonly string[], ctx: ShellContext): Promise<number> {
  return runIptables(netfilterOf(ctx.netns).tables, args, io(ctx));
}

async function save(args: readonly string[], ctx: ShellContext): Promise<number> {
  return runIptablesSave(netfilterOf(ctx.netns).tables, args, io(ctx), formatDate(CTIME, ctx.wallClock()));
}

async function restore(args: readonly string[], ctx: ShellContext): Promise<number> {
  const options = parseRestoreArguments(args, io(ctx));
  if (options.status !== null) return options.status;
  let text = ctx.stdin;
  if (options.file !== '') {
    try {
      text = await ctx.fs.readFile(ctx.resolve(options.file));
    } catch {
      ctx.err(`Can't open ${options.file}: No such file or directory\n`);
      return 1;
    }
  }
  return runIptablesRestore(netfilterOf(ctx.netns).tables, text, options, io(ctx));
}

/** IPv6 has no tables here yet; saying nothing would look like rules that are in force. */
async function ip6tables(_args: readonly string[], ctx: ShellContext): Promise<number> {
  ctx.err(`${ctx.name}: podwire filters IPv4 only; there are no IPv6 tables yet\n`);
  return 1;
}

export const commands: readonly ShellCommand[] = [
  ...NAMES.map((name) => ({ name, summary: 'rules for IPv4 packets: filter, NAT, marks', run: iptables })),
  ...NAMES.map((name) => ({ name: `${name}-save`, summary: 'print the rules of all tables', run: save })),
  ...NAMES.map((name) => ({ name: `${name}-restore`, summary: 'read rules from a file', run: restore })),
  ...['ip6tables', 'ip6tables-save', 'ip6tables-restore'].map((name) => ({
    name,
    summary: 'not there yet: IPv4 only',
    run: ip6tables,
  })),
];
