// traceroute (2.1.2): options; the rest is apps/traceroute.ts.

import { parseIpv4 } from '../../addr/ipv4.ts';
import { Traceroute, type TracerouteOptions } from '../../apps/traceroute.ts';
import { NS_PER_MS, NS_PER_S } from '../../sim/sim.ts';
import type { ShellCommand, ShellContext } from '../command.ts';
import { getopt } from './getopt.ts';
import { NO_RESOLVER } from './inet-address.ts';
import { lookupTarget } from './lookup-target.ts';
import { runProgram } from './run-program.ts';

const SPEC = '46dFITnreAUDVf:g:i:m:N:p:t:l:w:q:s:z:M:O:P:';
/** Long names of the options served, with the letter they stand for. */
const LONG: Readonly<Record<string, string>> = {
  'dont-fragment': 'F',
  first: 'f',
  icmp: 'I',
  interface: 'i',
  'max-hops': 'm',
  'sim-queries': 'N',
  port: 'p',
  tos: 't',
  wait: 'w',
  queries: 'q',
  source: 's',
  sendwait: 'z',
  version: 'V',
};
/** What the tool calls the values of its options. */
const VALUE_NAME: Readonly<Record<string, string>> = {
  f: 'first_ttl',
  i: 'device',
  m: 'max_ttl',
  N: 'squeries',
  p: 'port',
  q: 'nqueries',
  s: 'src_addr',
  t: 'tos',
  w: 'MAX,HERE,NEAR',
  z: 'sendwait',
};
/** DEF_START_PORT of UDP. */
const FIRST_PORT = 33_434;
/** Bytes of an IPv4 header and the data that is sent by default. */
const DEFAULT_LENGTH = 60;
const MIN_LENGTH = 28;
const MAX_LENGTH = 65_000;
const MAX_HOPS = 255;
const MAX_QUERIES = 10;

const USAGE = `Usage:
  traceroute [ -4FIn ] [ -f first_ttl ] [ -i device ] [ -m max_ttl ] [ -N squeries ] [ -p port ] [ -t tos ] [ -w MAX,HERE,NEAR ] [ -q nqueries ] [ -s src_addr ] [ -z sendwait ] host [ packetlen ]
`;

type Draft = { -readonly [K in keyof TracerouteOptions]: TracerouteOptions[K] };

/** `--name=value` and `--name value` to their letters. */
function shorten(args: readonly string[]): string[] | string {
  const words: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const word = args[i]!;
    if (!word.startsWith('--') || word === '--') {
      words.push(word);
      continue;
    }
    const equals = word.indexOf('=');
    const letter = LONG[word.slice(2, equals < 0 ? undefined : equals)];
    if (letter === undefined) return word;
    words.push(`-${letter}`);
    if (equals >= 0) words.push(word.slice(equals + 1));
  }
  return words;
}

/** Applies one option; what is wrong with it, or null. */
function apply(o: Draft, letter: string, value: string, argc: number): string | null {
  const bad = `Cannot handle \`-${letter}' option with arg \`${value}' (argc ${argc})`;
  const whole = /^\d+$/.test(value) ? Number(value) : Number.NaN;
  const fraction = /^(\d+\.?\d*|\.\d+)$/.test(value) ? Number(value) : Number.NaN;
  switch (letter) {
    case '4':
    case 'd':
      return null;
    case 'n':
      o.numeric = true;
      return null;
    case 'F':
      o.dontFragment = true;
      return null;
    case 'I':
      o.icmp = true;
      return null;
    case 'i':
      o.device = value;
      return null;
    case 's': {
      const address = parseIpv4(value);
      if (address === null) return `${value}: ${NO_RESOLVER}\n${bad}`;
      o.source = address;
      return null;
    }
    case 'z':
      if (Number.isNaN(fraction)) return bad;
      o.sendWait = Math.round(fraction > 10 ? fraction * NS_PER_MS : fraction * NS_PER_S);
      return null;
    case 'w': {
      const parts = value.split(',');
      const numbers = parts.map((p) => (/^(\d+\.?\d*|\.\d+)$/.test(p) ? Number(p) : Number.NaN));
      if (parts.length > 3 || numbers.some(Number.isNaN)) return bad;
      // A single number switches the other two off.
      o.wait = { maxS: numbers[0]!, here: numbers[1] ?? 0, near: numbers[2] ?? 0 };
      return null;
    }
    case 'f':
    case 'm':
    case 'N':
    case 'p':
    case 'q':
    case 't':
      if (Number.isNaN(whole)) return bad;
      if (letter === 'f') o.firstHop = whole;
      else if (letter === 'm') o.maxHops = whole;
      else if (letter === 'N') o.simultaneous = whole;
      else if (letter === 'p') o.first = whole;
      else if (letter === 'q') o.queries = whole;
      else o.tos = whole & 0xff;
      return null;
    default:
      return `podwire's traceroute has no -${letter}`;
  }
}

/** Values that do not go together, in the tool's words. */
function check(o: Draft): string | null {
  if (o.firstHop < 1 || o.firstHop > o.maxHops) return 'first hop out of range';
  if (o.maxHops > MAX_HOPS) return `max hops cannot be more than ${MAX_HOPS}`;
  if (o.queries < 1 || o.queries > MAX_QUERIES) return `no more than ${MAX_QUERIES} probes per hop`;
  if (o.wait.maxS < 0 || o.wait.here < 0 || o.wait.near < 0) return 'bad wait specifications';
  if (o.length > MAX_LENGTH) return `too big packetlen ${o.length} specified`;
  return null;
}

async function run(args: readonly string[], ctx: ShellContext): Promise<number> {
  const refuse = (message: string): number => {
    ctx.err(`${message}\n`);
    return 2;
  };
  if (args.length === 0) {
    ctx.out(USAGE);
    return 0;
  }
  if (args.includes('--help')) {
    ctx.out(USAGE);
    return 0;
  }
  const words = shorten(args);
  if (typeof words === 'string') return refuse(`Bad option \`${words}' (argc ${args.indexOf(words) + 1})`);
  const parsed = getopt(words, SPEC);
  const o: Draft = {
    target: '',
    destination: 0,
    length: DEFAULT_LENGTH,
    tos: 0,
    dontFragment: false,
    source: 0,
    device: null,
    first: 0,
    icmp: false,
    numeric: false,
    firstHop: 1,
    maxHops: 30,
    queries: 3,
    simultaneous: 16,
    wait: { maxS: 5, here: 3, near: 10 },
    sendWait: 0,
  };
  for (const [letter, value, at] of parsed.options) {
    if (letter === 'V') {
      ctx.out('Modern traceroute for Linux, version 2.1.2\n');
      return 0;
    }
    const wrong = apply(o, letter, value, at);
    if (wrong !== null) return refuse(wrong);
  }
  if (parsed.wrong !== null) {
    const { letter, argc: at, valueMissing } = parsed.wrong;
    if (!valueMissing) return refuse(`Bad option \`-${letter}' (argc ${at})`);
    return refuse(
      `Option \`-${letter}' (argc ${at}) requires an argument: \`-${letter} ${VALUE_NAME[letter] ?? 'value'}'`,
    );
  }
  const [target, length] = parsed.operands;
  if (target === undefined) return refuse('Specify "host" missing argument.');
  const argc = args.indexOf(target) + 1;
  const found = await lookupTarget(ctx, target);
  if ('error' in found) {
    return refuse(
      `${target}: ${found.error}\nCannot handle "host" cmdline arg \`${target}' on position 1 (argc ${argc})`,
    );
  }
  if (length !== undefined) {
    if (!/^\d+$/.test(length)) {
      return refuse(`Cannot handle "packetlen" cmdline arg \`${length}' on position 2 (argc ${argc + 1})`);
    }
    o.length = Math.max(Number(length), MIN_LENGTH);
  }
  o.target = target;
  o.destination = found.address;
  if (o.first === 0) o.first = o.icmp ? 1 : FIRST_PORT;
  const wrong = check(o);
  if (wrong !== null) return refuse(wrong);
  return runProgram(ctx, new Traceroute(ctx, o));
}

const traceroute: ShellCommand = { name: 'traceroute', summary: 'shows the routers on the way to a host', run };

export const commands: readonly ShellCommand[] = [traceroute];
