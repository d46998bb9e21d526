// dig's command line (bin/dig/dig.c parse_args): @server, name, type and class in any order, -x, -p, -b, -t, -c, -q, -4,
// +options with `no` in front of them; what is not emulated is refused by name.

import { type Ipv4, parseIpv4 } from '../../addr/ipv4.ts';
import { DEFAULT_CLASS, Dig, type DigLookup, EDNS_SIZE } from '../../apps/dig.ts';
import { resolveHost } from '../../apps/resolve.ts';
import { reverseName } from '../../dns/kubernetes-zone.ts';
import { NS_PER_S } from '../../sim/sim.ts';
import { DNS_PORT, DnsType, parseDnsClass, parseDnsType } from '../../wire/dns.ts';
import type { ShellCommand, ShellContext } from '../command.ts';
import { runProgram } from './run-program.ts';

interface Settings {
  name: string | null;
  type: number | null;
  cls: number | null;
  server: string | null;
  port: number;
  source: Ipv4;
  sourcePort: number;
  timeout: number;
  tries: number;
  size: number;
  readonly flags: Map<string, boolean>;
}

/** +options that are on or off, with what they begin as. */
const FLAGS: Readonly<Record<string, boolean>> = {
  additional: true,
  adflag: true,
  answer: true,
  authority: true,
  cdflag: false,
  cmd: true,
  comments: true,
  cookie: true,
  dnssec: false,
  edns: true,
  ignore: false,
  question: true,
  recurse: true,
  search: false,
  short: false,
  stats: true,
  tcp: false,
};
const SYNONYMS: Readonly<Record<string, string>> = { vc: 'tcp', rec: 'recurse', do: 'dnssec', rdflag: 'recurse' };
const SECTIONS = ['additional', 'answer', 'authority', 'cmd', 'comments', 'question', 'stats'];

/** A usage error; printed with dig's hint. */
class Refused extends Error {}

function begin(): Settings {
  return {
    name: null,
    type: null,
    cls: null,
    server: null,
    port: DNS_PORT,
    source: 0,
    sourcePort: 0,
    timeout: 5,
    tries: 3,
    size: EDNS_SIZE,
    flags: new Map(Object.entries(FLAGS)),
  };
}

function number(text: string | undefined, what: string, max: number): number {
  if (text === undefined || !/^\d{1,7}$/.test(text) || Number(text) > max) throw new Refused(`Couldn't parse ${what}`);
  return Number(text);
}

/** `+[no]name[=value]` */
function plusOption(word: string, s: Settings): void {
  const [full = '', value] = word.split('=');
  const off = full.startsWith('no');
  const given = off ? full.slice(2) : full;
  const name = SYNONYMS[given] ?? given;
  if (name === 'all') for (const section of SECTIONS) s.flags.set(section, !off);
  else if (name === 'time' || name === 'timeout') s.timeout = Math.max(1, number(value, 'timeout', 65_535));
  else if (name === 'tries') s.tries = Math.max(1, number(value, 'tries', 65_535));
  else if (name === 'retry') s.tries = number(value, 'tries', 65_535) + 1;
  else if (name === 'bufsize') s.size = number(value ?? String(EDNS_SIZE), 'buffer size', 65_535);
  else if (Object.hasOwn(FLAGS, name)) {
    s.flags.set(name, !off);
    if (name === 'short' && !off) for (const section of SECTIONS) s.flags.set(section, section === 'answer');
  } else throw new Refused(`Invalid option: +${word}`);
}

function parse(args: readonly string[]): Settings[] {
  const global = begin();
  let current = global;
  const lookups: Settings[] = [];
  const named = (name: string, type: number | null): void => {
    if (current.name !== null || lookups.length === 0) {
      current = { ...global, flags: new Map(global.flags), name, type: null, cls: null };
      lookups.push(current);
    } else current.name = name;
    if (type !== null) current.type = type;
  };
  let wantedType: number | null = null;
  let wantedClass: number | null = null;
  for (let i = 0; i < args.length; i++) {
    const word = args[i]!;
    const value = (): string => {
      const attached = word.slice(2);
      if (attached !== '') return attached;
      const next = args[++i];
      if (next === undefined) throw new Refused(`Invalid option: ${word}`);
      return next;
    };
    if (word.startsWith('@')) {
      current.server = word.slice(1);
      global.server = current.server;
    } else if (word.startsWith('+')) {
      plusOption(word.slice(1), current);
      if (current === global) continue;
      // Before the first name an option holds for all.
    } else if (word.startsWith('-') && word.length > 1) {
      const letter = word[1];
      if (letter === '4') continue;
      if (letter === 'x') {
        const address = parseIpv4(value());
        if (address === null) throw new Refused(`Invalid IP address ${word}`);
        named(reverseName(address), DnsType.PTR);
      } else if (letter === 'p') current.port = global.port = number(value(), 'port number', 65_535);
      else if (letter === 'q') named(value(), null);
      else if (letter === 't') {
        const type = parseDnsType(value());
        if (type === null) throw new Refused(`;; Warning, ignoring invalid type ${args[i]}`);
        if (lookups.length > 0) current.type = type;
        else wantedType = type;
      } else if (letter === 'c') {
        const cls = parseDnsClass(value());
        if (cls === null) throw new Refused(`;; Warning, ignoring invalid class ${args[i]}`);
        if (lookups.length > 0) current.cls = cls;
        else wantedClass = cls;
      } else if (letter === 'b') {
        const [address = '', port] = value().split('#');
        const source = parseIpv4(address);
        if (source === null) throw new Refused(`invalid address ${address}`);
        current.source = global.source = source;
        if (port !== undefined) current.sourcePort = global.sourcePort = number(port, 'port number', 65_535);
      } else throw new Refused(`Invalid option: ${word}`);
    } else {
      const type = parseDnsType(word);
      const cls = parseDnsClass(word);
      // A word that is a class or a type is one, once; dig takes the class first (ANY is both).
      if (type !== null && (lookups.length === 0 ? wantedType : current.type) === null) {
        if (lookups.length > 0) current.type = type;
        else wantedType = type;
      } else if (cls !== null && type === null) {
        if (lookups.length > 0) current.cls = cls;
        else wantedClass = cls;
      } else named(word, null);
    }
  }
  if (lookups.length === 0) named('.', wantedType ?? DnsType.NS);
  const [first] = lookups;
  first!.type ??= wantedType;
  first!.cls ??= wantedClass;
  return lookups;
}

function lookupOf(s: Settings, servers: readonly Ipv4[] | null): DigLookup {
  const on = (name: string): boolean => s.flags.get(name)!;
  return {
    name: s.name!,
    type: s.type ?? DnsType.A,
    cls: s.cls ?? DEFAULT_CLASS,
    query: {
      servers,
      port: s.port,
      source: s.source,
      sourcePort: s.sourcePort,
      tries: s.tries,
      timeout: s.timeout * NS_PER_S,
      tcp: on('tcp') || s.type === DnsType.AXFR,
      ignoreTruncation: on('ignore'),
      checkRecursion: false,
    },
    show: {
      comments: on('comments'),
      question: on('question'),
      answer: on('answer'),
      authority: on('authority'),
      additional: on('additional'),
      cmd: on('cmd'),
      stats: on('stats'),
      short: on('short'),
    },
    recurse: on('recurse'),
    edns: on('edns') ? { size: s.size, cookie: on('cookie'), dnssec: on('dnssec') } : null,
    search: on('search'),
    checkingDisabled: on('cdflag'),
    authenticData: on('adflag'),
  };
}

/** The address of `@server`, asked for as any program would. */
function serverAddress(ctx: ShellContext, server: string): Promise<Ipv4 | null> {
  return ctx.process.wait<Ipv4 | null>((resume) => {
    const cancel = resolveHost(ctx, server, 'inet', (result) => {
      resume('error' in result ? null : (result.addresses[0] ?? null));
    });
    return () => cancel();
  });
}

async function dig(args: readonly string[], ctx: ShellContext): Promise<number> {
  if (args.includes('-v')) {
    ctx.err('DiG 9.18.49-1~deb12u3-Debian\n');
    return 0;
  }
  let parsed: Settings[];
  try {
    parsed = parse(args);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    ctx.err(
      `${error.message}\nUsage:  dig [@global-server] [domain] [q-type] [q-class] {q-opt}\n            {global-d-opt} host [@local-server] {local-d-opt}\n            [ host [@local-server] {local-d-opt} [...]]\n\nUse "dig -h" (or "dig -h | more") for complete list of options\n`,
    );
    return 1;
  }
  const lookups: DigLookup[] = [];
  for (const s of parsed) {
    if (s.server === null) {
      lookups.push(lookupOf(s, null));
      continue;
    }
    const address = await serverAddress(ctx, s.server);
    if (address === null) {
      ctx.err(`dig: couldn't get address for '${s.server}': not found\n`);
      return 10;
    }
    lookups.push(lookupOf(s, [address]));
  }
  return runProgram(ctx, new Dig(ctx, lookups, args));
}

export const commands: readonly ShellCommand[] = [
  { name: 'dig', summary: 'asks name servers and prints all they say', run: dig },
];
