// python3: no interpreter, but `-m http.server`, and the small scripts of the stimuli, which have built-in commands of the
// same name.

import { parseIpv4 } from '../../addr/ipv4.ts';
import { PythonHttpServer } from '../../apps/http/python-http-server.ts';
import { osErrorTraceback, traceback } from '../../apps/python-text.ts';
import type { ShellCommand, ShellContext } from '../command.ts';
import type { CommandContext } from '../command-context.ts';
import { PYTHON_START_COST } from '../exec-cost.ts';
import { NO_RESOLVER } from './inet-address.ts';
import { runWithFiles } from './program-files.ts';

const HTTP_USAGE = 'usage: server.py [-h] [--cgi] [-b ADDRESS] [-d DIRECTORY] [-p VERSION] [port]\n';
const PORT_MAX = 65_535;

async function httpServer(args: readonly string[], ctx: ShellContext): Promise<number> {
  const usage = (message: string): number => {
    ctx.err(`${HTTP_USAGE}server.py: error: ${message}\n`);
    return 2;
  };
  let bind = '';
  let directory = ctx.cwd;
  let portText: string | null = null;
  for (let i = 0; i < args.length; i++) {
    const match = /^(--bind|--directory|--protocol|-b|-d|-p)(?:=(.*))?$/.exec(args[i]!);
    if (match !== null) {
      const value = match[2] ?? args[++i];
      if (value === undefined) return usage(`argument ${match[1]}: expected one argument`);
      if (match[1] === '--bind' || match[1] === '-b') bind = value;
      else if (match[1] === '--directory' || match[1] === '-d') directory = ctx.resolve(value);
      else if (value !== 'HTTP/1.0') return usage(`podwire's http.server speaks HTTP/1.0 only, not ${value}`);
    } else if (args[i]!.startsWith('-') || portText !== null) return usage(`unrecognized arguments: ${args[i]}`);
    else portText = args[i]!;
  }
  const port = /^\d+$/.test(portText ?? '8000') ? Number(portText ?? '8000') : null;
  if (port === null) return usage(`argument port: invalid int value: '${portText}'`);
  if (port < 0 || port > PORT_MAX) {
    ctx.err(traceback('OverflowError: bind(): port must be 0-65535.'));
    return 1;
  }
  const address = bind === '' ? 0 : parseIpv4(bind);
  if (address === null) {
    ctx.err(traceback(`socket.gaierror: [Errno -3] ${NO_RESOLVER}`));
    return 1;
  }
  if (address !== 0 && !ctx.netns.isLocal(address)) {
    ctx.err(osErrorTraceback('EADDRNOTAVAIL'));
    return 1;
  }
  return runWithFiles(ctx, (files) => new PythonHttpServer(ctx, { address, port, directory, files }));
}

async function python(args: readonly string[], ctx: ShellContext): Promise<number> {
  let i = 0;
  while (args[i] === '-u') i++;
  const script = args[i];
  if (script === '-m' && args[i + 1] === 'http.server') {
    await ctx.process.sleep(PYTHON_START_COST);
    return httpServer(args.slice(i + 2), ctx);
  }
  if (script === '--version' || script === '-V') {
    ctx.out('Python 3.11.2\n');
    return 0;
  }
  if (script === undefined || script.startsWith('-')) {
    ctx.err(
      `${ctx.name}: there is no Python in the emulated machine; only -m http.server and scripts that have a built-in command can be run\n`,
    );
    return 1;
  }
  const name = script.slice(script.lastIndexOf('/') + 1);
  if (!(ctx as CommandContext).shell.isCommand(name)) {
    ctx.err(`${ctx.name}: ${script}: no built-in command has this script's name, and there is no Python here\n`);
    return 1;
  }
  return ctx.runIn(ctx.netns, [name, ...args.slice(i + 1)]);
}

const summary = 'runs -m http.server, or the built-in command of the script’s name';

export const commands: readonly ShellCommand[] = [
  { name: 'python3', summary, run: python },
  { name: 'python', summary, run: python },
];
