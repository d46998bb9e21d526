// The program: its name, what it is for, its commands, and what every ending looks like.
//
// A command's own file says its options and help (register...) and imports what it works with inside its action, so that
// `podwire --help` and a mistyped option load nothing of the emulator.

import { type Command, CommanderError } from 'commander';
import { VERSION } from '../base/version.ts';
import { CommandError, describeInternalError, ExitStatus } from './exit.ts';
import { PodwireCommand } from './help.ts';

const STATUSES = `
Exit status:
  0   everything that was asked for came true
  1   the run went through and an expectation failed
  2   wrong usage, or an input that cannot be taken
  3   the machine lacks something: a permission, a device, room on the disk
  70  a bug of podwire, with what repeats it (PODWIRE_DEBUG=1 adds the stack)`;

/** What registers a command on the program. */
export type Register = (program: Command) => void;

export function createProgram(registers: readonly Register[]): Command {
  const program = new PodwireCommand('podwire');
  program
    .description('A Kubernetes pod network inside one process: real frames, virtual time, captures for Wireshark.')
    .version(VERSION, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [command]', 'print help for a command')
    .exitOverride()
    .addHelpText('after', STATUSES);
  for (const register of registers) register(program);
  return program;
}

/**
 * Runs the program and says how it ended; every error is printed here and nowhere else.
 * @param argv as process.argv: Node, the script, then what was typed
 * @param err where messages go
 */
export async function runProgram(
  program: Command,
  argv: readonly string[],
  err: (text: string) => void = (text) => process.stderr.write(text),
): Promise<ExitStatus> {
  const before = process.exitCode;
  try {
    if (argv.length <= 2) program.error(`no command given (${program.commands.map((c) => c.name()).join(', ')})`);
    await program.parseAsync([...argv]);
  } catch (error) {
    return ending(error, err);
  }
  const after = process.exitCode;
  // A command that went through sets process.exitCode to its verdict.
  return after === before || after === undefined ? ExitStatus.OK : (Number(after) as ExitStatus);
}

/** Prints what an error means to the person and gives its exit status. */
export function ending(error: unknown, err: (text: string) => void): ExitStatus {
  if (error instanceof CommandError) {
    // A message that begins with a place stays as editors and terminals look for it: file:line:column first.
    const placed = error.message.startsWith('podwire') || /^[^\s:]+:\d+:\d+: /.test(error.message);
    err(`${placed ? '' : 'podwire: '}${error.message}\n`);
    return error.status;
  }
  // Help and version end the parse this way, their text already printed.
  if (error instanceof CommanderError) return error.exitCode === 0 ? ExitStatus.OK : ExitStatus.USAGE;
  // The reader of our output went away: no error (terminal.ts).
  if ((error as NodeJS.ErrnoException | null)?.code === 'EPIPE') return ExitStatus.OK;
  err(`${describeInternalError(error)}\n`);
  return ExitStatus.INTERNAL;
}
