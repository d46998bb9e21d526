// sysctl(8): read and set the values of a namespace (procps-ng 4.0).

import type { ShellCommand, ShellContext } from '../command.ts';
import { CommandFailure, EXIT_FAILED, notEmulated } from './ip-arguments.ts';
import { guarded } from './ip-call.ts';

const USAGE = 'Usage: sysctl [ -a | -e | -n | -N | -q | -w | -r PATTERN ] [ NAME[=VALUE] ... ]';

interface Options {
  all: boolean;
  /** -e: unknown names are passed over */
  ignore: boolean;
  valuesOnly: boolean;
  namesOnly: boolean;
  quiet: boolean;
  write: boolean;
  binary: boolean;
  dryRun: boolean;
  pattern: RegExp | null;
}

const LONG: Readonly<Record<string, string>> = {
  '--all': 'a',
  '--ignore': 'e',
  '--values': 'n',
  '--names': 'N',
  '--quiet': 'q',
  '--write': 'w',
  '--binary': 'b',
  '--dry-run': '%',
  '--pattern': 'r',
  '--load': 'p',
  '--help': 'h',
};

/** "net/ipv4/ip_forward" and "net.ipv4.ip_forward": the first separator says which of the two is one. */
export function canonicalName(word: string): string {
  const first = /[./]/.exec(word)?.[0];
  if (first !== '/') return word;
  return word.replace(/[./]/g, (c) => (c === '/' ? '.' : '/'));
}

/** The file that stands for a name. */
function procPath(name: string): string {
  return `/proc/sys/${name.replace(/[./]/g, (c) => (c === '.' ? '/' : '.'))}`;
}

class Run {
  readonly ctx: ShellContext;
  readonly o: Options;
  status = 0;

  constructor(ctx: ShellContext, o: Options) {
    this.ctx = ctx;
    this.o = o;
  }

  fail(text: string): void {
    this.ctx.err(`${text}\n`);
    this.status = EXIT_FAILED;
  }

  missing(name: string): void {
    if (!this.o.ignore) this.fail(`sysctl: cannot stat ${procPath(name)}: No such file or directory`);
  }

  print(name: string, value: string): void {
    if (this.o.namesOnly) this.ctx.out(`${name}\n`);
    else if (this.o.binary) this.ctx.out(value);
    else this.ctx.out(this.o.valuesOnly ? `${value}\n` : `${name} = ${value}\n`);
  }

  /** A name, or a directory of names. */
  read(word: string): void {
    const name = canonicalName(word);
    const value = this.ctx.netns.sysctl.get(name);
    if (value !== null) {
      this.print(name, value);
      return;
    }
    const below = this.ctx.netns.sysctl.list().filter((entry) => entry.name.startsWith(`${name}.`));
    if (below.length === 0) this.missing(name);
    for (const entry of below) this.print(entry.name, entry.value);
  }

  write(word: string): void {
    const at = word.indexOf('=');
    const name = canonicalName(word.slice(0, at).trim());
    const value = word.slice(at + 1).trim();
    const { sysctl } = this.ctx.netns;
    if (sysctl.get(name) === null) {
      this.missing(name);
      return;
    }
    const error = this.o.dryRun ? null : sysctl.set(name, value);
    if (error !== null) this.fail(`sysctl: setting key "${name}": ${error}`);
    else if (!this.o.quiet) this.print(name, value);
  }
}

async function run(args: readonly string[], ctx: ShellContext): Promise<number> {
  return guarded(ctx, () => {
    const o: Options = {
      all: false,
      ignore: false,
      valuesOnly: false,
      namesOnly: false,
      quiet: false,
      write: false,
      binary: false,
      dryRun: false,
      pattern: null,
    };
    const words = readOptions(args, o);
    const r = new Run(ctx, o);
    if (o.all) {
      for (const { name, value } of ctx.netns.sysctl.list()) if (o.pattern?.test(name) ?? true) r.print(name, value);
      return 0;
    }
    if (words.length === 0) throw new CommandFailure(USAGE, EXIT_FAILED);
    for (const word of words) {
      if (word.includes('=')) r.write(word);
      else if (o.write) r.fail(`sysctl: "${word}" must be of the form name=value`);
      else r.read(word);
    }
    return r.status;
  });
}

function readOptions(args: readonly string[], o: Options): string[] {
  const words: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!;
    if (!arg.startsWith('-') || arg === '-') {
      words.push(arg);
      continue;
    }
    const [long, inline] = arg.split('=', 2);
    const letters = arg.startsWith('--') ? LONG[long!] : arg.slice(1);
    if (letters === undefined) throw new CommandFailure(`sysctl: unrecognized option '${arg}'\n${USAGE}`, EXIT_FAILED);
    for (const letter of letters) {
      if (letter === 'r') {
        const text = inline ?? args[++i] ?? '';
        try {
          o.pattern = new RegExp(text);
        } catch {
          throw new CommandFailure(`sysctl: "${text}" is no regular expression`, EXIT_FAILED);
        }
      } else if (!setOption(letter, o)) {
        throw new CommandFailure(`sysctl: invalid option -- '${letter}'\n${USAGE}`, EXIT_FAILED);
      }
    }
  }
  return words;
}

function setOption(letter: string, o: Options): boolean {
  if (letter === 'a' || letter === 'A' || letter === 'X') o.all = true;
  else if (letter === 'e') o.ignore = true;
  else if (letter === 'n') o.valuesOnly = true;
  else if (letter === 'N') o.namesOnly = true;
  else if (letter === 'q') o.quiet = true;
  else if (letter === 'w') o.write = true;
  else if (letter === 'b') o.binary = true;
  else if (letter === '%') o.dryRun = true;
  else if (letter === 'p' || letter === 'f') throw notEmulated('sysctl', `-${letter} (settings from a file)`);
  else if (letter === 'h' || letter === 'd') throw new CommandFailure(USAGE, 0);
  else return letter === 'o' || letter === 'x';
  return true;
}

const sysctl: ShellCommand = { name: 'sysctl', summary: "show and set the namespace's kernel parameters", run };

export const commands: readonly ShellCommand[] = [sysctl];
