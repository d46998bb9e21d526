// `help`: what the emulated machine offers. bash's own `help` describes builtins; here it answers what can be typed at all.

import { getCommandNames } from 'just-bash';
import type { ShellCommand, ShellContext } from './command.ts';
import type { CommandContext } from './command-context.ts';
import { isMissingCommand } from './not-yet.ts';
import { commandNames } from './registry.ts';

/** Columns of a list, as a terminal has. */
const WIDTH = 80;
const INDENT = '  ';

/** Names of the emulated machine in three groups: the network, processes and the machine, text and files. */
export function availableCommands(names: readonly string[]): { network: string[]; machine: string[]; text: string[] } {
  const shown = names.filter((n) => !n.startsWith('__') && !isMissingCommand(n));
  const network = commandNames().filter((n) => shown.includes(n));
  const machine = shown.filter((n) => !network.includes(n)).sort();
  const text = getCommandNames().filter((n) => !names.includes(n));
  return { network, machine, text: [...text].sort() };
}

function columns(names: readonly string[]): string {
  let out = '';
  let line = INDENT;
  for (const name of names) {
    if (line !== INDENT && line.length + name.length > WIDTH) {
      out += `${line.trimEnd()}\n`;
      line = INDENT;
    }
    line += `${name} `;
  }
  return `${out}${line.trimEnd()}\n`;
}

async function help(args: readonly string[], context: ShellContext): Promise<number> {
  const { shell } = context as CommandContext;
  const asked = args.filter((a) => !a.startsWith('-'));
  if (asked.length === 0) {
    const { network, machine, text } = availableCommands(shell.commandNames());
    context.out(`Commands of podwire's emulated machine (\`help NAME\` says what one does).\n\n`);
    context.out(`Network, over the emulated kernel:\n${columns(network)}`);
    context.out(`Processes and the machine:\n${columns(machine)}`);
    context.out(`Text and files (just-bash), beside the builtins of bash:\n${columns(text)}`);
    context.out('Others are not emulated.\n');
    return 0;
  }
  let status = 0;
  for (const name of asked) {
    const command = name.startsWith('__') ? null : await shell.command(name);
    if (command !== null) context.out(`${name}: ${command.summary}\n`);
    else if (getCommandNames().some((n) => n === name)) context.out(`${name}: see \`${name} --help\`\n`);
    else {
      context.err(`help: podwire does not emulate ${name}; \`help\` lists what there is\n`);
      status = 1;
    }
  }
  return status;
}

export const helpCommands: readonly ShellCommand[] = [
  // Renamed by shell/rewrite.ts: the shell's own `help` knows none of these.
  { name: '__help', summary: 'lists the commands of the emulated machine', run: help },
];
