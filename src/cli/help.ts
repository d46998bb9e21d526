// commander, made to speak podwire's way: a usage error is one line that names the command, suggests the nearest flag or
// command and points to --help; it is thrown as CommandError (exit status 2) instead of ending the process.

import { Command, type ErrorOptions, Help } from 'commander';
import { usageError } from './exit.ts';

/** Help is laid out for at most this many columns, and for this many when it goes to a file. Choice. */
const HELP_WIDTH = 100;

export class PodwireCommand extends Command {
  override createCommand(name?: string): Command {
    return new PodwireCommand(name);
  }

  override createHelp(): Help {
    const help = new Help();
    help.helpWidth = Math.min(process.stdout.columns ?? HELP_WIDTH, HELP_WIDTH);
    return help;
  }

  /** `podwire run`, as it was typed. */
  get path(): string {
    const names: string[] = [];
    for (let at: Command | null = this; at !== null; at = at.parent) names.unshift(at.name());
    return names.join(' ');
  }

  override error(message: string, _options?: ErrorOptions): never {
    throw usageError(`${this.path}: ${oneLine(message)}; see '${this.path} --help'`);
  }
}

/** commander says "error: ...\n(Did you mean ...?)"; here it is one line. */
function oneLine(message: string): string {
  return message
    .replace(/^error: /, '')
    .replaceAll(/\s*\n\s*/g, ' ')
    .replace(/\.?$/, '');
}
