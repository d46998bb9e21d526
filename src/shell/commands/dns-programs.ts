// Programs about names: getent, and the small ones of the reference stimuli (coredns.py, gai.py).

import { type Ipv4, parseIpv4 } from '../../addr/ipv4.ts';
import { Gai } from '../../apps/gai.ts';
import { Getent, type GetentDatabase } from '../../apps/getent.ts';
import { traceback } from '../../apps/python-text.ts';
import { ScriptDns } from '../../apps/script-dns.ts';
import type { ShellCommand, ShellContext } from '../command.ts';
import { runProgram } from './run-program.ts';

const DATABASES: ReadonlySet<string> = new Set(['hosts', 'ahosts', 'ahostsv4', 'ahostsv6']);
/** Databases that glibc's getent has besides. */
const OTHERS: ReadonlySet<string> = new Set([
  ...['aliases', 'ethers', 'group', 'gshadow', 'initgroups', 'netgroup', 'networks', 'passwd', 'protocols', 'rpc'],
  ...['services', 'shadow'],
]);

async function getent(args: readonly string[], ctx: ShellContext): Promise<number> {
  const [database, ...keys] = args.filter((a) => a !== '-i' && a !== '--no-idn');
  if (database === undefined) {
    ctx.err("getent: wrong number of arguments\nTry `getent --help' or `getent --usage' for more information.\n");
    return 1;
  }
  if (OTHERS.has(database)) {
    ctx.err(`getent: podwire has the databases ${[...DATABASES].join(', ')}, not ${database}\n`);
    return 1;
  }
  if (!DATABASES.has(database)) {
    ctx.err(`Unknown database: ${database}\nTry \`getent --help' or \`getent --usage' for more information.\n`);
    return 1;
  }
  if (keys.length === 0) {
    ctx.err(`getent: podwire does not list ${database} whole; name what is looked for\n`);
    return 1;
  }
  return runProgram(ctx, new Getent(ctx, database as GetentDatabase, keys));
}

async function gai(args: readonly string[], ctx: ShellContext): Promise<number> {
  const [name] = args;
  if (name === undefined) {
    ctx.err(traceback('IndexError: list index out of range'));
    return 1;
  }
  return runProgram(ctx, new Gai(ctx, name));
}

async function scriptDns(args: readonly string[], ctx: ShellContext): Promise<number> {
  const [portText, ...pairs] = args;
  const records = new Map<string, Ipv4>();
  for (const pair of pairs) {
    const [name, text, ...more] = pair.split('=');
    if (text === undefined || more.length > 0) {
      ctx.err(
        traceback(
          `ValueError: dictionary update sequence element #${records.size} has length ${text === undefined ? 1 : 2 + more.length}; 2 is required`,
        ),
      );
      return 1;
    }
    const address = parseIpv4(text);
    if (address === null) {
      ctx.err(traceback('OSError: illegal IP address string passed to inet_aton'));
      return 1;
    }
    records.set(name!.toLowerCase().replace(/\.+$/, ''), address);
  }
  if (portText === undefined) {
    ctx.err(traceback('IndexError: list index out of range'));
    return 1;
  }
  if (!/^\d{1,5}$/.test(portText) || Number(portText) > 65_535) {
    ctx.err(traceback(`ValueError: invalid literal for int() with base 10: '${portText}'`));
    return 1;
  }
  return runProgram(ctx, new ScriptDns(ctx, { port: Number(portText), records }));
}

export const commands: readonly ShellCommand[] = [
  { name: 'getent', summary: 'looks names and addresses up as libc does', run: getent },
  { name: 'gai', summary: 'asks getaddrinfo for a name', run: gai },
  { name: 'gai.py', summary: 'asks getaddrinfo for a name', run: gai },
  { name: 'coredns.py', summary: 'a small DNS server with a table', run: scriptDns },
];
