// nc (OpenBSD netcat), the UDP part: nc -u HOST PORT, nc -u -l PORT. TCP is refused by name until there is TCP.

import { parseIpv4 } from '../../addr/ipv4.ts';
import { Netcat } from '../../apps/netcat.ts';
import { NS_PER_S } from '../../sim/sim.ts';
import type { ShellCommand, ShellContext } from '../command.ts';
import { getopt } from './getopt.ts';
import { NO_RESOLVER, parseInetAddress } from './inet-address.ts';
import { runProgram } from './run-program.ts';

const SPEC = '46ulnvNkp:w:q:s:z';
const USAGE =
  'usage: nc -u [-nv] [-p source_port] [-s source] [-w timeout] destination port\n       nc -u -l [-nv] [-w timeout] [address] port\n';

function parsePort(text: string): number | null {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  return port >= 1 && port <= 65_535 ? port : null;
}

async function run(args: readonly string[], ctx: ShellContext): Promise<number> {
  const parsed = getopt(args, SPEC);
  const fail = (message: string): number => {
    ctx.err(`nc: ${message}\n`);
    return 1;
  };
  if (parsed.error !== null) {
    ctx.err(`nc: ${parsed.error}\n${USAGE}`);
    return 1;
  }
  const given = new Map(parsed.options.map(([letter, value]) => [letter, value] as const));
  if (!given.has('u')) return fail('podwire has no TCP connections yet: only -u works; TCP comes with a later version');
  for (const letter of ['z', '6', 'k']) if (given.has(letter)) return fail(`podwire's nc has no -${letter}`);
  const listen = given.has('l');
  const words = [...parsed.operands];
  // `nc -l -p PORT` is the older way to say `nc -l PORT`.
  if (listen && given.has('p') && words.length === 0) words.push(given.get('p')!);
  const portText = words.pop();
  const host = words.pop();
  if (portText === undefined || (!listen && host === undefined) || words.length > 0) {
    ctx.err(USAGE);
    return 1;
  }
  const port = parsePort(portText);
  if (port === null) return fail(`port number invalid: ${portText}`);
  const address = host === undefined ? 0 : parseInetAddress(host);
  if (address === null) return fail(`getaddrinfo for host "${host}" port ${portText}: ${NO_RESOLVER}`);
  const sourceText = given.get('s');
  const source = sourceText === undefined ? 0 : parseIpv4(sourceText);
  if (source === null) return fail(`getaddrinfo: ${NO_RESOLVER}`);
  const sourcePort = !listen && given.has('p') ? parsePort(given.get('p')!) : 0;
  if (sourcePort === null) return fail(`port number invalid: ${given.get('p')}`);
  const wait = given.get('w') ?? '0';
  if (!/^\d{1,7}$/.test(wait)) return fail(`timeout invalid: ${wait}`);
  return runProgram(
    ctx,
    new Netcat(ctx, {
      listen,
      address,
      port,
      source,
      sourcePort,
      idle: Number(wait) * NS_PER_S,
      input: new TextEncoder().encode(ctx.stdin),
    }),
  );
}

const nc: ShellCommand = { name: 'nc', summary: 'sends and receives UDP datagrams', run };

export const commands: readonly ShellCommand[] = [nc];
