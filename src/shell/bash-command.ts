// `bash` and `sh`: a script from -c, a file or standard input, in a session of its own.

import type { ShellCommand } from './command.ts';
import type { CommandContext } from './command-context.ts';

/** Options that take a value in the next word. */
const WITH_VALUE: ReadonlySet<string> = new Set(['-o', '+o', '-O', '+O', '--rcfile', '--init-file']);

async function bash(args: readonly string[], ctx: CommandContext): Promise<number> {
  const setOptions: string[] = [];
  let command = false;
  let fromInput = false;
  let i = 0;
  for (; i < args.length; i++) {
    const word = args[i]!;
    if (word === '--' || word === '-') {
      i++;
      break;
    }
    if (!/^[-+]./.test(word)) break;
    if (WITH_VALUE.has(word)) {
      const value = args[++i] ?? '';
      if (word === '-o' || word === '+o') setOptions.push(`${word} ${value}`);
      continue;
    }
    if (word.startsWith('--')) continue;
    for (const letter of word.slice(1)) {
      if (letter === 'c') command = true;
      else if (letter === 's') fromInput = true;
      else if ('eufxvnCab'.includes(letter)) setOptions.push(`${word[0]}${letter}`);
      else if (letter === 'o') setOptions.push(`${word[0]}o ${args[++i] ?? ''}`);
      else if (!'lip'.includes(letter)) {
        ctx.err(`${ctx.name}: ${word}: invalid option\n`);
        return 2;
      }
    }
  }
  const rest = args.slice(i);
  if (command) {
    const source = rest[0];
    if (source === undefined) {
      ctx.err(`${ctx.name}: -c: option requires an argument\n`);
      return 2;
    }
    return ctx.script(source, rest[1] ?? ctx.name, rest.slice(2), setOptions);
  }
  const file = fromInput ? undefined : rest[0];
  if (file === undefined) return ctx.withoutInput().script(ctx.stdin, ctx.name, fromInput ? rest : [], setOptions);
  const path = ctx.resolve(file);
  if (!(await ctx.fs.exists(path))) {
    ctx.err(`${ctx.name}: ${file}: No such file or directory\n`);
    return 127;
  }
  if ((await ctx.fs.stat(path)).isDirectory) {
    ctx.err(`${ctx.name}: ${file}: Is a directory\n`);
    return 126;
  }
  return ctx.script(await ctx.fs.readFile(path), file, rest.slice(1), setOptions);
}

/** `__path PATH ARGS...`: a command that was called by its path. */
async function path(args: readonly string[], ctx: CommandContext): Promise<number> {
  return ctx.runIn(ctx.netns, args);
}

function shell(name: string): ShellCommand {
  return { name, summary: 'runs a shell script', run: (args, ctx) => bash(args, ctx as CommandContext) };
}

export const bashCommands: readonly ShellCommand[] = [
  shell('bash'),
  shell('sh'),
  { name: '__path', summary: 'runs a command by its path', run: (args, ctx) => path(args, ctx as CommandContext) },
];
