// wget as GNU's, and busybox's under `busybox wget`.

import { Wget } from '../../apps/http/wget.ts';
import { NS_PER_S } from '../../sim/sim.ts';
import type { ShellCommand, ShellContext } from '../command.ts';
import { runProgram } from './run-program.ts';

const USAGE = "Usage: wget [OPTION]... [URL]...\n\nTry `wget --help' for more options.\n";
/** read_timeout, tries and max_redirect of GNU Wget; busybox's default for -T */
const TIMEOUT_S = { gnu: 900, busybox: 900 } as const;
const TRIES = 20;
const MAX_REDIRECTS = 20;
const SECONDS_MAX = 1_000_000;

const LONG: Readonly<Record<string, string>> = {
  quiet: 'q',
  'no-verbose': 'nv',
  'output-document': 'O',
  'server-response': 'S',
  timeout: 'T',
  tries: 't',
  'user-agent': 'U',
  'inet4-only': '4',
};
const VALUED = new Set([
  'O',
  'T',
  't',
  'U',
  'header',
  'post-data',
  'max-redirect',
  'connect-timeout',
  'read-timeout',
  'P',
]);
const FLAGS = new Set(['q', 'nv', 'S', 'spider', '4', 'no-check-certificate', 'no-proxy', 'no-cache']);

async function run(style: 'gnu' | 'busybox', args: readonly string[], ctx: ShellContext): Promise<number> {
  const values = new Map<string, string>();
  const flags = new Set<string>();
  const headers: string[] = [];
  const urls: string[] = [];
  const usage = (text: string): number => {
    ctx.err(`wget: ${text}\n${USAGE}`);
    return style === 'gnu' ? 2 : 1;
  };
  for (let i = 0; i < args.length; i++) {
    const word = args[i]!;
    if (word === '-' || !word.startsWith('-')) {
      urls.push(word);
      continue;
    }
    let letters = [word === '-nv' ? 'nv' : ''];
    let attached: string | undefined;
    if (word.startsWith('--')) {
      const [name, value] = word.slice(2).split(/=(.*)/s, 2) as [string, string?];
      letters = [LONG[name] ?? name];
      attached = value;
    } else if (word !== '-nv') {
      letters = [];
      for (let k = 1; k < word.length; k++) {
        letters.push(word[k]!);
        if (VALUED.has(word[k]!)) {
          attached = word.slice(k + 1) || undefined;
          break;
        }
      }
    }
    for (const letter of letters) {
      if (FLAGS.has(letter)) flags.add(letter);
      else if (!VALUED.has(letter)) return usage(`unrecognized option '${word}'`);
      else {
        const value = attached ?? args[++i];
        if (value === undefined) return usage(`option requires an argument -- '${letter}'`);
        if (letter === 'header') headers.push(value);
        else values.set(letter, value);
      }
    }
  }
  const [url] = urls;
  if (url === undefined) {
    ctx.err(`wget: missing URL\n${USAGE}`);
    return 1;
  }
  if (urls.length > 1) return usage("podwire's wget takes one URL at a time");
  const number = (name: string, otherwise: number): number | null => {
    const text = values.get(name);
    if (text === undefined) return otherwise;
    return /^\d+(\.\d+)?$/.test(text) ? Math.min(Number(text), SECONDS_MAX) : null;
  };
  const timeout = number('T', TIMEOUT_S[style]);
  const tries = number('t', TRIES);
  const maxRedirects = number('max-redirect', MAX_REDIRECTS);
  if (timeout === null || tries === null || maxRedirects === null) return usage('Invalid number');
  const wget = new Wget(ctx, {
    style,
    url,
    output: values.get('O') ?? null,
    quiet: flags.has('q'),
    terse: flags.has('nv'),
    serverResponse: flags.has('S'),
    spider: flags.has('spider'),
    timeout: Math.round(timeout * NS_PER_S),
    tries,
    maxRedirects,
    userAgent: values.get('U') ?? (style === 'gnu' ? 'Wget/1.21.3' : 'Wget'),
    headers,
    post: values.get('post-data') ?? null,
  });
  let status: number;
  try {
    status = await runProgram(ctx, wget);
  } finally {
    const { file } = wget;
    if (file !== null && file.path !== '/dev/null') await ctx.fs.writeFile(ctx.resolve(file.path), file.content);
  }
  return status;
}

export function busyboxWget(args: readonly string[], ctx: ShellContext): Promise<number> {
  return run('busybox', args, ctx);
}

export const commands: readonly ShellCommand[] = [
  { name: 'wget', summary: 'fetches a file over HTTP', run: (args, ctx) => run('gnu', args, ctx) },
];
