// nslookup as BIND's and as busybox's: a container image brings one or the other. `nslookup` is that of
// the pod's image, else BIND's, and `busybox nslookup` always the other.

import { type Ipv4, parseIpv4 } from '../../addr/ipv4.ts';
import { BUSYBOX_TIMEOUT, BUSYBOX_TRIES, BusyboxNslookup } from '../../apps/busybox-nslookup.ts';
import { Nslookup } from '../../apps/nslookup.ts';
import { resolveHost } from '../../apps/resolve.ts';
import { readSystemFile } from '../../apps/system-files.ts';
import { reverseName } from '../../dns/kubernetes-zone.ts';
import { DNS_PORT, parseDnsType } from '../../wire/dns.ts';
import type { ShellCommand, ShellContext } from '../command.ts';
import { runProgram } from './run-program.ts';

interface Parsed {
  readonly words: string[];
  readonly options: Map<string, string>;
}

/** `-name=value` and `-name`; words are what is left. */
function split(args: readonly string[]): Parsed {
  const words: string[] = [];
  const options = new Map<string, string>();
  for (const arg of args) {
    if (!arg.startsWith('-') || arg === '-') words.push(arg);
    else {
      const [name = '', value = ''] = arg.slice(1).split('=');
      options.set(name.toLowerCase(), value);
    }
  }
  return { words, options };
}

function count(text: string | undefined, standard: number, max: number): number | null {
  if (text === undefined) return standard;
  return /^\d{1,5}$/.test(text) && Number(text) <= max ? Number(text) : null;
}

/** The address of a server that was named, asked for as any program would. */
function serverAddress(ctx: ShellContext, server: string): Promise<Ipv4 | null> {
  return ctx.process.wait<Ipv4 | null>((resume) => {
    const cancel = resolveHost(ctx, server, 'inet', (result) => {
      resume('error' in result ? null : (result.addresses[0] ?? null));
    });
    return () => cancel();
  });
}

function queryName(word: string): string {
  const address = parseIpv4(word);
  return address === null ? word : reverseName(address).replace(/\.$/, '');
}

async function nslookup(args: readonly string[], ctx: ShellContext): Promise<number> {
  // An Alpine or busybox image has no other.
  if (/^ID=(alpine|busybox)$/m.test(readSystemFile(ctx.netns, '/etc/os-release') ?? ''))
    return busyboxNslookup(args, ctx);
  const { words, options } = split(args);
  const [name, server] = words;
  if (name === undefined || name === '-') {
    ctx.err("nslookup: podwire's nslookup is not interactive; name what is looked for\n");
    return 1;
  }
  const typeText =
    options.get('type') ?? options.get('querytype') ?? options.get('query') ?? options.get('q') ?? options.get('ty');
  const type = typeText === undefined ? null : parseDnsType(typeText);
  if (typeText !== undefined && type === null) ctx.out(`unknown query type: ${typeText}\n`);
  const port = count(options.get('port'), DNS_PORT, 65_535);
  const timeout = count(options.get('timeout'), 5, 65_535);
  const retry = count(options.get('retry'), 2, 65_535);
  if (port === null || timeout === null || retry === null) {
    ctx.out('*** Invalid option\n');
    return 1;
  }
  let address: Ipv4 | null = null;
  if (server !== undefined) {
    address = await serverAddress(ctx, server);
    if (address === null) {
      ctx.err(`nslookup: couldn't get address for '${server}': not found\n`);
      return 1;
    }
  }
  return runProgram(
    ctx,
    new Nslookup(ctx, {
      name: queryName(name),
      type,
      server: address === null ? null : { address, name: server! },
      port,
      timeout: Math.max(1, timeout),
      tries: retry + 1,
      search: !options.has('nosearch') && parseIpv4(name) === null,
      tcp: options.has('vc'),
    }),
  );
}

const BUSYBOX_USAGE = `BusyBox v1.35.0 (Debian 1:1.35.0-4+deb12u1) multi-call binary.

Usage: nslookup [-type=QUERY_TYPE] [-debug] HOST [DNS_SERVER]

Query DNS about HOST

QUERY_TYPE: soa,ns,a,aaaa,cname,mx,txt,ptr,srv,any
`;

export async function busyboxNslookup(args: readonly string[], ctx: ShellContext): Promise<number> {
  const { words, options } = split(args);
  const [name, server] = words;
  if (name === undefined) {
    ctx.err(BUSYBOX_USAGE);
    return 1;
  }
  const typeText = options.get('type') ?? options.get('querytype');
  const type = typeText === undefined ? null : parseDnsType(typeText);
  if (typeText !== undefined && type === null) {
    ctx.err(`nslookup: invalid query type "${typeText}"\n`);
    return 1;
  }
  const port = count(options.get('port'), DNS_PORT, 65_535);
  const timeout = count(options.get('timeout'), BUSYBOX_TIMEOUT, 65_535);
  const tries = count(options.get('retry'), BUSYBOX_TRIES, 65_535);
  if (port === null || timeout === null || tries === null) {
    ctx.err(BUSYBOX_USAGE);
    return 1;
  }
  const address = server === undefined ? null : await serverAddress(ctx, server);
  if (server !== undefined && address === null) {
    ctx.err(`nslookup: bad address '${server}'\n`);
    return 1;
  }
  return runProgram(
    ctx,
    new BusyboxNslookup(ctx, {
      name: queryName(name),
      types: type === null ? [] : [type],
      server: address,
      port,
      tries: Math.max(1, tries),
      timeout: Math.max(1, timeout),
    }),
  );
}

export const commands: readonly ShellCommand[] = [
  { name: 'nslookup', summary: 'looks a name up as BIND does', run: nslookup },
];
