// nft(8) 1.0.6: the tables of nftables, from words, a file or standard input.

import { runNft } from '../../netfilter/nft/nft-command.ts';
import { nftOf } from '../../netfilter/nft/nft-hooks.ts';
import { NftError } from '../../netfilter/nft/nft-token.ts';
import { netfilterOf } from '../../stack/netfilter-host.ts';
import type { ShellCommand, ShellContext } from '../command.ts';

const EXIT_FAILURE = 1;

const HELP = `Usage: nft [ options ] [ cmds... ]

Options (general):
  -h, --help                      Show this help
  -v, --version                   Show version information
  -f, --file <filename>           Read input from <filename>, - for standard input
  -c, --check                     Check commands validity without actually applying the changes
  -a, --handle                    Output rule handles
  -s, --stateless                 Omit stateful information of ruleset
  -n, --numeric                   Print numbers (podwire always does)

cmds: add, create, insert, delete, destroy, flush, list: table, chain, rule, set, map, element, ruleset
`;

interface Call {
  file: string | null;
  check: boolean;
  handles: boolean;
  stateless: boolean;
  words: string[];
}

function parse(args: readonly string[], ctx: ShellContext): Call | number {
  const call: Call = { file: null, check: false, handles: false, stateless: false, words: [] };
  for (let i = 0; i < args.length; i++) {
    const word = args[i]!;
    if (!word.startsWith('-') || word === '-') {
      call.words = args.slice(i) as string[];
      break;
    }
    if (word === '-h' || word === '--help') {
      ctx.out(HELP);
      return 0;
    }
    if (word === '-v' || word === '--version') {
      ctx.out('nftables v1.0.6 (Lester Gooch #5), as podwire emulates it\n');
      return 0;
    }
    if (word === '-f' || word === '--file') {
      const file = args[++i];
      if (file === undefined) {
        ctx.err('nft: option requires an argument -- f\n');
        return EXIT_FAILURE;
      }
      call.file = file;
    } else if (word === '--check') call.check = true;
    else if (word === '--handle') call.handles = true;
    else if (word === '--stateless') call.stateless = true;
    else if (/^-[casnNSy]+$/.test(word)) {
      call.check ||= word.includes('c');
      call.handles ||= word.includes('a');
      call.stateless ||= word.includes('s');
    } else {
      ctx.err(`nft: invalid option ${word}\nTry nft --help.\n`);
      return EXIT_FAILURE;
    }
  }
  return call;
}

/** Thrown to undo a transaction that was only to be checked. */
class Checked extends Error {}

async function run(args: readonly string[], ctx: ShellContext): Promise<number> {
  const call = parse(args, ctx);
  if (typeof call === 'number') return call;
  let text: string;
  if (call.file === null) text = call.words.map(quoted).join(' ');
  else if (call.file === '-' || call.file === '/dev/stdin') text = ctx.stdin;
  else {
    const path = ctx.resolve(call.file);
    if (!(await ctx.fs.exists(path))) {
      ctx.err(`internal:0:0-0: Error: Could not open file "${call.file}": No such file or directory\n`);
      return EXIT_FAILURE;
    }
    text = await ctx.fs.readFile(path);
  }
  if (text.trim() === '') {
    if (call.file !== null) return 0;
    ctx.err(HELP);
    return EXIT_FAILURE;
  }
  const tables = nftOf(netfilterOf(ctx.netns));
  const options = { handles: call.handles, stateless: call.stateless };
  try {
    if (!call.check) ctx.out(runNft(tables, text, options));
    else {
      tables.transaction(() => {
        runNft(tables, text, options);
        throw new Checked();
      });
    }
  } catch (error) {
    if (error instanceof Checked) return 0;
    if (!(error instanceof NftError)) throw error;
    const source = call.file === null ? '<cmdline>' : call.file === '-' ? '/dev/stdin' : call.file;
    const line = text.split('\n')[error.line - 1];
    const where = error.line === 0 ? source : `${source}:${error.line}:${error.column}`;
    ctx.err(`${where}: Error: ${error.message}\n`);
    if (line !== undefined && error.line > 0) ctx.err(`${line}\n${' '.repeat(Math.max(0, error.column - 1))}^\n`);
    return EXIT_FAILURE;
  }
  return 0;
}

/** The shell has taken quotes away that a comment needs. */
function quoted(word: string, i: number, words: readonly string[]): string {
  const behind = words[i - 1];
  return (behind === 'comment' || behind === 'prefix') && !word.startsWith('"') ? `"${word}"` : word;
}

export const commands: readonly ShellCommand[] = [
  { name: 'nft', summary: 'tables, chains, sets and rules of nftables', run },
];
