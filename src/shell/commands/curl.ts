// curl over HTTP: the command around apps/curl.ts. Files are written when curl has ended.

import { Curl } from '../../apps/http/curl.ts';
import { join } from '../../apps/http/http-message.ts';
import type { ShellCommand, ShellContext } from '../command.ts';
import { curlArguments } from './curl-arguments.ts';
import { runProgram } from './run-program.ts';

const VERSION = `curl 7.88.1 (x86_64-pc-linux-gnu) podwire, without TLS
Protocols: http
`;
const HELP = `Usage: curl [options...] <url>
 -d, --data <data>          HTTP POST data
 -f, --fail                 Fail fast with no output on HTTP errors
 -h, --help                 Get help for commands
 -i, --include              Include protocol response headers in the output
 -o, --output <file>        Write to file instead of stdout
 -O, --remote-name          Write output to a file named as the remote file
 -s, --silent               Silent mode
 -u, --user <user:password> Server user and password
 -A, --user-agent <name>    Send User-Agent <name> to server
 -v, --verbose              Make the operation more talkative
 -V, --version              Show version number and quit
`;
const WRITE_FAILED = 23;

async function run(args: readonly string[], ctx: ShellContext): Promise<number> {
  if (args.includes('--version') || args.includes('-V')) {
    ctx.out(VERSION);
    return 0;
  }
  if (args.includes('--help') || args.includes('-h')) {
    ctx.out(HELP);
    return 0;
  }
  const options = await curlArguments(args, async (path) => {
    if (path === '-') return new TextEncoder().encode(ctx.stdin);
    try {
      return await ctx.fs.readFileBuffer(ctx.resolve(path));
    } catch {
      ctx.err(`Warning: Couldn't read data from file "${path}", this makes an empty POST.\n`);
      return null;
    }
  });
  if ('usage' in options) {
    ctx.err(options.usage);
    return options.usage.startsWith('curl: (49)') ? 49 : 2;
  }
  const curl = new Curl(ctx, options);
  let status: number;
  try {
    status = await runProgram(ctx, curl);
  } finally {
    for (const { path, chunks } of curl.files) {
      if (path === '/dev/null') continue;
      await ctx.fs.writeFile(ctx.resolve(path), join(chunks)).catch(() => {
        ctx.err(`curl: (${WRITE_FAILED}) Failure writing output to destination\n`);
      });
    }
  }
  return status;
}

export const commands: readonly ShellCommand[] = [{ name: 'curl', summary: 'transfers over HTTP', run }];
