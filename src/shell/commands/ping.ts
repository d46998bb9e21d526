// ping (iputils 20221126): options as its main() reads them, the rest is apps/ping.ts.

import { isMulticastIpv4, parseIpv4 } from '../../addr/ipv4.ts';
import { Ping } from '../../apps/ping.ts';
import { PING_DEFAULTS, type PingOptions } from '../../apps/ping-options.ts';
import { PathMtuDiscovery } from '../../stack/path-mtu-discovery.ts';
import type { ShellCommand, ShellContext } from '../command.ts';
import { getopt } from './getopt.ts';
import { type Parsed, parseInteger } from './iputils-number.ts';
import { lookupTarget } from './lookup-target.ts';
import { runProgram } from './run-program.ts';

/** Letters of the real tool; those it takes that podwire does not serve are refused by name. */
const SPEC = '46aAbBc:CdDe:fF:hi:I:l:Lm:M:nN:OqQ:Rs:S:t:T:UvVw:W:p:r';
const UNSERVED: Readonly<Record<string, string>> = {
  6: 'IPv6',
  R: 'record route',
  T: 'IP timestamps',
  m: 'marks',
  e: 'a chosen identifier',
  F: 'IPv6 flow labels',
  N: 'IPv6 node information',
};
/** Letters without an effect here: everything is numeric, nobody debugs the socket. */
const NO_EFFECT = 'BCdLnSUr4';
/** INT_MAX: the tool takes it and lets the kernel refuse what is longer than a packet. */
const SIZE_MAX = 0x7fffffff;
/** INT_MAX in seconds, for -w and -i. */
const SECONDS_MAX = 0x7fffffff;
/** Bytes of -p. */
const PATTERN_MAX = 16;
const PMTU_MODES: Readonly<Record<string, PathMtuDiscovery>> = {
  do: PathMtuDiscovery.DO,
  dont: PathMtuDiscovery.DONT,
  want: PathMtuDiscovery.WANT,
  probe: PathMtuDiscovery.PROBE,
};

const USAGE = `
Usage
  ping [options] <destination>

Options:
  <destination>      an IPv4 address
  -a                 use audible ping
  -A                 use adaptive ping
  -b                 allow pinging broadcast
  -c <count>         stop after <count> replies
  -D                 print timestamps
  -f                 flood ping
  -I <interface>     either interface name or address
  -i <interval>      seconds between sending each packet
  -l <preload>       send <preload> number of packages while waiting replies
  -M <pmtud opt>     define mtu discovery, can be one of <do|dont|want|probe>
  -n                 no dns name resolution
  -O                 report outstanding replies
  -p <pattern>       contents of padding byte
  -q                 quiet output
  -Q <tclass>        use quality of service <tclass> bits
  -s <size>          use <size> as number of data bytes to be sent
  -t <ttl>           define time to live
  -v                 verbose output
  -V                 print version and exit
  -w <deadline>      reply wait <deadline> in seconds
  -W <timeout>       time to wait for response

`;

type Draft = { -readonly [K in keyof PingOptions]: PingOptions[K] };

/** A refusal: what is printed behind `ping: ` and the exit status. */
class Refusal {
  readonly text: string;
  readonly status: number;
  constructor(text: string, status: number) {
    this.text = text;
    this.status = status;
  }
}

function whole(parsed: Parsed): number | Refusal {
  return 'error' in parsed ? new Refusal(parsed.error, 1) : parsed.value;
}

/** ping_strtod(): what can be read counts, the rest is complained about. */
function leadingSeconds(text: string, ctx: ShellContext): number {
  const head = /^(\d+\.?\d*|\.\d+)?/.exec(text)![0];
  if (head.length < text.length) {
    ctx.err(`ping: option argument contains garbage: ${text.slice(head.length)}\n`);
    ctx.err('ping: this will become fatal error in the future\n');
  }
  return head === '' ? 0 : Number(head);
}

/** Applies one option; a refusal, or null. */
function apply(o: Draft, letter: string, value: string, ctx: ShellContext): Refusal | null {
  const number = (min: number, max: number, set: (n: number) => void, shownMax?: string): Refusal | null => {
    const n = whole(parseInteger(value, min, max, shownMax));
    if (n instanceof Refusal) return n;
    set(n);
    return null;
  };
  switch (letter) {
    case 'a':
      o.audible = true;
      return null;
    case 'A':
      o.adaptive = true;
      return null;
    case 'b':
      o.broadcast = true;
      return null;
    case 'c':
      return number(1, Number.MAX_SAFE_INTEGER, (n) => (o.count = n), '9223372036854775807');
    case 'D':
      o.timestamps = true;
      return null;
    case 'f':
      o.flood = true;
      return null;
    case 'i': {
      const seconds = leadingSeconds(value, ctx);
      if (seconds > SECONDS_MAX / 1000) return new Refusal(`bad timing interval: ${value}`, 2);
      o.intervalMs = Math.floor(seconds * 1000);
      o.intervalGiven = true;
      return null;
    }
    case 'I': {
      const address = parseIpv4(value);
      if (address === null) o.device = value;
      else o.source = address;
      return null;
    }
    case 'l':
      return number(1, 65_536, (n) => (o.preload = n));
    case 'M': {
      const mode = PMTU_MODES[value];
      if (mode === undefined) return new Refusal(`invalid -M argument: ${value}`, 2);
      o.pathMtuDiscovery = mode;
      return null;
    }
    case 'O':
      o.outstanding = true;
      return null;
    case 'p':
      return pattern(o, value);
    case 'q':
      o.quiet = true;
      return null;
    case 'Q': {
      const tos = parseInteger(value, 0, SECONDS_MAX);
      if ('error' in tos) return new Refusal(`bad TOS value: ${value}`, 2);
      if (tos.value > 255) {
        return new Refusal(`the decimal value of TOS bits must be in range 0-255: ${tos.value}`, 2);
      }
      o.tos = tos.value;
      return null;
    }
    case 's':
      return number(0, SIZE_MAX, (n) => (o.size = n));
    case 't':
      return number(0, 255, (n) => (o.ttl = n));
    case 'v':
      o.verbose = true;
      return null;
    case 'w':
      return number(0, SECONDS_MAX, (n) => (o.deadlineS = n));
    case 'W': {
      if (value.startsWith('-')) return new Refusal(`bad linger time: ${value}`, 2);
      const seconds = leadingSeconds(value, ctx);
      if (seconds > SECONDS_MAX / 1000) return new Refusal(`bad linger time: ${value}`, 2);
      o.lingerMs = Math.floor(seconds * 1000);
      return null;
    }
    default:
      if (NO_EFFECT.includes(letter)) return null;
      return new Refusal(`podwire's ping does not do ${UNSERVED[letter] ?? ctx.name} (-${letter})`, 2);
  }
}

function pattern(o: Draft, value: string): Refusal | null {
  if (!/^[0-9a-fA-F]*$/.test(value)) return new Refusal(`patterns must be specified as hex digits: ${value}`, 2);
  const bytes: number[] = [];
  for (let i = 0; i < value.length && bytes.length < PATTERN_MAX; i += 2) {
    bytes.push(Number.parseInt(value.slice(i, i + 2), 16));
  }
  o.pattern = Uint8Array.from(bytes);
  return null;
}

async function run(args: readonly string[], ctx: ShellContext): Promise<number> {
  const parsed = getopt(args, SPEC);
  const o: Draft = { ...PING_DEFAULTS, target: '', destination: 0 };
  for (const [letter, value] of parsed.options) {
    if (letter === 'V') {
      ctx.out(
        'ping from iputils 20221126\nlibcap: yes, IDN: yes, NLS: no, error.h: yes, getrandom(): yes, __fpending(): yes\n',
      );
      return 0;
    }
    if (letter === 'h') {
      ctx.err(USAGE);
      return 2;
    }
    const refusal = apply(o, letter, value, ctx);
    if (refusal !== null) {
      ctx.err(`ping: ${refusal.text}\n`);
      return refusal.status;
    }
  }
  if (parsed.error !== null) {
    ctx.err(`ping: ${parsed.error}\n${USAGE}`);
    return 2;
  }
  if (parsed.operands.length === 0) {
    ctx.err('ping: usage error: Destination address required\n');
    return 1;
  }
  if (parsed.operands.length > 1) {
    ctx.err('ping: podwire has no source-routed requests: give one destination\n');
    return 2;
  }
  const found = await lookupTarget(ctx, parsed.operands[0]!);
  if ('error' in found) {
    ctx.err(`ping: ${parsed.operands[0]!}: ${found.error}\n`);
    return 2;
  }
  const destination = found.address;
  o.target = found.canonical;
  // 0.0.0.0 is this host (connect() makes it the loopback address).
  o.destination = destination === 0 ? 0x7f000001 : destination;
  if (isMulticastIpv4(destination)) o.broadcast = true;
  if (o.pattern !== null && !o.quiet) {
    ctx.out(`PATTERN: 0x${[...o.pattern].map((b) => b.toString(16).padStart(2, '0')).join('')}\n`);
  }
  return runProgram(ctx, new Ping(ctx, o));
}

const ping: ShellCommand = { name: 'ping', summary: 'sends ICMP echo requests', run };

export const commands: readonly ShellCommand[] = [ping];
