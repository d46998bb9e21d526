// nginx and agnhost netexec as commands. nginx without `daemon off;` goes on in the background.

import { Netexec } from '../../apps/http/netexec.ts';
import { Nginx } from '../../apps/http/nginx.ts';
import type { ShellCommand, ShellContext } from '../command.ts';
import { runWithFiles } from './program-files.ts';
import { runProgram } from './run-program.ts';

/** Where the image of nginx has its files. */
const ROOT = '/usr/share/nginx/html';
const PORT_MAX = 65_535;

async function nginx(args: readonly string[], ctx: ShellContext): Promise<number> {
  if (args.includes('-v') || args.includes('-V')) {
    ctx.err('nginx version: nginx/1.22.1\n');
    return 0;
  }
  let directives = '';
  for (let i = 0; i < args.length; i++) {
    if (args[i] === '-g') directives += ` ${args[++i] ?? ''}`;
    else {
      ctx.err(`nginx: podwire's nginx serves ${ROOT} on port 80; it takes only -g 'daemon off;' and -v\n`);
      return 1;
    }
  }
  const serve = (process: ShellContext['process']): Promise<number> =>
    runWithFiles(
      Object.create(ctx, { process: { value: process } }) as ShellContext,
      (files) => new Nginx(ctx, { address: 0, port: 80, root: ROOT, files, logs: true }),
    );
  if (/\bdaemon\s+off\s*;/.test(directives)) return serve(ctx.process);
  const daemon = ctx.process.runner.spawn('nginx', ctx.process, serve);
  if (daemon !== null) return 0;
  ctx.err('nginx: [alert] fork() failed (11: Resource temporarily unavailable)\n');
  return 1;
}

async function agnhost(args: readonly string[], ctx: ShellContext): Promise<number> {
  let port = 8080;
  const [mode, ...rest] = args;
  if (mode !== 'netexec') {
    ctx.err(`Error: podwire's agnhost has netexec only, not "${mode ?? ''}"\n`);
    return 1;
  }
  for (const word of rest) {
    const match = /^--http-port=(\d{1,5})$/.exec(word);
    if (match === null || Number(match[1]) > PORT_MAX) {
      ctx.err(`Error: podwire's netexec takes --http-port=PORT only, not ${word}\n`);
      return 1;
    }
    port = Number(match[1]);
  }
  const label = ctx.netns.label;
  return runProgram(ctx, new Netexec(ctx, { address: 0, port, hostname: label.slice(label.lastIndexOf('/') + 1) }));
}

export const commands: readonly ShellCommand[] = [
  { name: 'nginx', summary: 'serves files over HTTP on port 80', run: nginx },
  { name: 'agnhost', summary: 'netexec: a web server that says which pod it is', run: agnhost },
];
