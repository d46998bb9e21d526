// ip(8): its options, and which object gets the rest (iproute2 6.1 ip/ip.c). One file per object: ip-link.ts, ...

import type { ShellCommand, ShellContext } from '../command.ts';
import { ipAddress } from './ip-address.ts';
import { CommandFailure, EXIT_FAILED, matches, notEmulated, usageError } from './ip-arguments.ts';
import { guarded, IpCall, type IpOptions, openNamespace } from './ip-call.ts';
import { ipLink } from './ip-link.ts';
import { ipNeigh } from './ip-neigh.ts';
import { ipNetns } from './ip-netns.ts';
import { ipRoute } from './ip-route.ts';
import { ipRule } from './ip-rule.ts';

const USAGE = `Usage: ip [ OPTIONS ] OBJECT { COMMAND | help }
OBJECT := { address | link | neighbour | netns | route | rule }
OPTIONS := { -4 | -s[tatistics] | -d[etails] | -br[ief] | -o[neline] | -j[son] | -p[retty] | -n[etns] NAME | -a[ll] |
             -c[olor] | -N[umeric] | -V[ersion] }`;

/** What podwire answers as: the version whose behaviour it follows. */
const VERSION = 'ip utility, iproute2-6.1.0';

type IpObject = (call: IpCall, words: readonly string[]) => number | Promise<number>;

/** In the order in which a shortened name is looked up. */
const OBJECTS: readonly (readonly [string, IpObject])[] = [
  ['address', ipAddress],
  ['maddress', refuse('maddress')],
  ['route', ipRoute],
  ['rule', ipRule],
  ['neighbor', ipNeigh],
  ['neighbour', ipNeigh],
  ['ntable', refuse('ntable')],
  ['ntbl', refuse('ntbl')],
  ['link', ipLink],
  ['l2tp', refuse('l2tp')],
  ['fou', refuse('fou')],
  ['ila', refuse('ila')],
  ['macsec', refuse('macsec')],
  ['tunnel', refuse('tunnel')],
  ['tunl', refuse('tunl')],
  ['tuntap', refuse('tuntap')],
  ['tap', refuse('tap')],
  ['token', refuse('token')],
  ['tcpmetrics', refuse('tcp_metrics')],
  ['tcp_metrics', refuse('tcp_metrics')],
  ['monitor', refuse('monitor')],
  ['xfrm', refuse('xfrm')],
  ['mroute', refuse('mroute')],
  ['mrule', refuse('mrule')],
  ['netns', ipNetns],
  ['netconf', refuse('netconf')],
  ['vrf', refuse('vrf')],
  ['sr', refuse('sr')],
  ['nexthop', refuse('nexthop')],
  ['mptcp', refuse('mptcp')],
  ['ioam', refuse('ioam')],
  ['stats', refuse('stats')],
];

function refuse(object: string): IpObject {
  return () => {
    throw notEmulated('ip', `the object ${object}`);
  };
}

interface CommandLine {
  readonly options: IpOptions;
  readonly netns: string | null;
  readonly words: readonly string[];
  readonly version: boolean;
}

/** Options up to the first word without a dash. `-s` may be doubled. */
export function readOptions(program: 'ip' | 'bridge', args: readonly string[]): CommandLine {
  const options: IpOptions = {
    inet: false,
    stats: 0,
    details: false,
    brief: false,
    json: false,
    pretty: false,
    oneLine: false,
    numeric: false,
    all: false,
  };
  let netns: string | null = null;
  let at = 0;
  for (; at < args.length && args[at]!.startsWith('-'); at++) {
    const option = args[at]!.replace(/^--?/, '');
    if (args[at] === '--') {
      at++;
      break;
    }
    if (option === '4') options.inet = true;
    else if (option === '6' || option === '0' || option === 'M' || option === 'B')
      throw notEmulated(program, `-${option}`);
    else if (matches(option, 'family')) {
      at++;
      if (args[at] !== 'inet') throw notEmulated(program, `-family ${args[at] ?? ''}`);
      options.inet = true;
    } else if (matches(option, 'stats') || matches(option, 'statistics')) options.stats++;
    else if (option === 'ss') options.stats += 2;
    else if (matches(option, 'details')) options.details = true;
    else if (matches(option, 'oneline')) options.oneLine = true;
    else if (option === 'br' || (option.length > 1 && matches(option, 'brief'))) options.brief = true;
    else if (matches(option, 'json')) options.json = true;
    else if (matches(option, 'pretty')) options.pretty = true;
    else if (option === 'N' || option === 'Numeric') options.numeric = true;
    else if (matches(option, 'netns')) {
      at++;
      netns = args[at] ?? null;
      if (netns === null) throw usageError('Command line is not complete. Try option "help"');
    } else if (matches(option, 'all')) options.all = true;
    else if (/^c(o|ol|olo|olor)?(=.*)?$/.test(option) || option === 'compressvlans') continue;
    else if (option === 'V' || option === 'Version') return { options, netns, words: [], version: true };
    else if (matches(option, 'help'))
      throw usageError(program === 'ip' ? USAGE : 'Usage: bridge [ OPTIONS ] OBJECT { COMMAND | help }');
    else if (
      ['force', 'batch', 'loops', 'rcvbuf', 'resolve', 'human', 'iec', 'timestamp', 'tshort'].some((o) =>
        matches(option, o),
      )
    ) {
      throw notEmulated(program, args[at]!);
    } else throw usageError(`Option "${args[at]}" is unknown, try "${program} -help".`);
  }
  return { options, netns, words: args.slice(at), version: false };
}

async function run(args: readonly string[], ctx: ShellContext): Promise<number> {
  return guarded(ctx, async () => {
    const { options, netns: name, words, version } = readOptions('ip', args);
    if (version) {
      ctx.out(`${VERSION}\n`);
      return 0;
    }
    const object = words[0];
    if (object === undefined || matches(object, 'help')) throw usageError(USAGE);
    const netns = name === null ? ctx.netns : openNamespace(ctx.machine, name);
    const found = OBJECTS.find(([word]) => matches(object, word));
    if (found === undefined) throw new CommandFailure(`Object "${object}" is unknown, try "ip help".`, EXIT_FAILED);
    return found[1](new IpCall(ctx, netns, options), words.slice(1));
  });
}

const ip: ShellCommand = {
  name: 'ip',
  summary: 'show and change links, addresses, routes, neighbours, rules and network namespaces',
  run,
};

export const commands: readonly ShellCommand[] = [ip];
