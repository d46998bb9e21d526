// arp(8): the neighbours in the old form (net-tools 2.10). Entries that need no resolution (NOARP) are not in
// /proc/net/arp, so they are not here either.

import { formatIpv4, type Ipv4, parseIpv4 } from '../../addr/ipv4.ts';
import { formatMac, parseMac } from '../../addr/mac.ts';
import type { InDevice } from '../../stack/in-device.ts';
import { addNeighbour, addProxy, deleteNeighbour, deleteProxy } from '../../stack/neigh-control.ts';
import { type Neighbour, NUD_VALID, Nud } from '../../stack/neighbour.ts';
import { NETLINK_WORDS } from '../../stack/netlink-error.ts';
import { DstKind } from '../../stack/route-cache.ts';
import type { ShellCommand, ShellContext } from '../command.ts';
import { CommandFailure, EXIT_USAGE, notEmulated } from './ip-arguments.ts';
import { guarded } from './ip-call.ts';

const USAGE = `Usage: arp [ -a | -e | -n | -v ] [ -i NAME ] [ ADDRESS ]
       arp [ -i NAME ] -s ADDRESS MAC [ temp ] [ pub ]
       arp [ -i NAME ] -d ADDRESS [ pub ]`;

interface Options {
  bsd: boolean;
  verbose: boolean;
  set: boolean;
  delete: boolean;
  dev: string | null;
  words: string[];
}

function readOptions(args: readonly string[]): Options {
  const o: Options = { bsd: false, verbose: false, set: false, delete: false, dev: null, words: [] };
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!;
    if (!arg.startsWith('-') || arg === '-') {
      o.words.push(arg);
      continue;
    }
    const letters = LONG[arg] ?? arg.slice(1);
    for (const letter of letters) {
      if (letter === 'a') o.bsd = true;
      else if (letter === 's') o.set = true;
      else if (letter === 'd') o.delete = true;
      else if (letter === 'v') o.verbose = true;
      else if (letter === 'i') o.dev = args[++i] ?? null;
      else if (letter === 'H' || letter === 't') {
        const type = args[++i];
        if (type !== 'ether') throw notEmulated('arp', `the hardware type ${type ?? ''}`);
      } else if (letter === 'f' || letter === 'D') throw notEmulated('arp', `-${letter}`);
      else if (letter !== 'n' && letter !== 'e') {
        throw new CommandFailure(`arp: invalid option -- '${letter}'\n${USAGE}`, EXIT_USAGE);
      }
    }
  }
  return o;
}

const LONG: Readonly<Record<string, string>> = {
  '--all': 'a',
  '--numeric': 'n',
  '--verbose': 'v',
  '--set': 's',
  '--delete': 'd',
  '--device': 'i',
};

async function run(args: readonly string[], ctx: ShellContext): Promise<number> {
  return guarded(ctx, () => {
    const o = readOptions(args);
    if (o.set) return set(ctx, o);
    if (o.delete) return remove(ctx, o);
    return show(ctx, o);
  });
}

function addressOf(word: string): Ipv4 {
  const ip = parseIpv4(word);
  if (ip === null) throw new CommandFailure(`${word}: Unknown host`, EXIT_USAGE);
  return ip;
}

// -- show ----------------------------------------------------------------------------------------------------------

/** ATF_*: completed, permanent, published */
const Flag = { COM: 0x02, PERM: 0x04, PUBL: 0x08 } as const;

interface Line {
  readonly ip: Ipv4;
  /** "" for a published entry */
  readonly mac: string;
  readonly flags: number;
  readonly dev: string;
}

function line(n: Neighbour): Line {
  const flags = n.state === Nud.PERMANENT ? Flag.COM | Flag.PERM : (n.state & NUD_VALID) !== 0 ? Flag.COM : 0;
  return { ip: n.ip, mac: formatMac(n.mac), flags, dev: n.out.dev.name };
}

function show(ctx: ShellContext, o: Options): number {
  const { netns } = ctx;
  const lines = netns.neighbours
    .entries()
    .filter((n) => (n.state & ~Nud.NOARP) !== 0)
    .map(line);
  for (const { ip, out } of netns.neighbours.proxies) {
    lines.push({ ip, mac: '', flags: Flag.PUBL | Flag.PERM, dev: out?.dev.name ?? '*' });
  }
  const only = o.words[0] === undefined ? null : addressOf(o.words[0]);
  const shown = lines.filter((l) => (only === null || l.ip === only) && (o.dev === null || l.dev === o.dev));
  if (!o.bsd && shown.length > 0) {
    ctx.out('Address                  HWtype  HWaddress           Flags Mask            Iface\n');
  }
  for (const l of shown) ctx.out(o.bsd ? bsdLine(l) : linuxLine(l));
  if (o.verbose) ctx.out(`Entries: ${lines.length}\tSkipped: ${lines.length - shown.length}\tFound: ${shown.length}\n`);
  if (shown.length === 0 && only !== null && !o.bsd) {
    ctx.out(`${formatIpv4(only)} (${formatIpv4(only)}) -- no entry\n`);
  } else if (shown.length === 0 && (only !== null || o.dev !== null)) {
    ctx.out(`arp: in ${lines.length} entries no match found.\n`);
  }
  return 0;
}

function bsdLine(l: Line): string {
  const published = (l.flags & Flag.PUBL) !== 0;
  const at = published ? '<from_interface>' : (l.flags & Flag.COM) === 0 ? '<incomplete>' : `${l.mac} [ether]`;
  const perm = (l.flags & Flag.PERM) !== 0 ? ' PERM' : '';
  return `? (${formatIpv4(l.ip)}) at ${at}${perm}${published ? ' PUB' : ''} on ${l.dev}\n`;
}

function linuxLine(l: Line): string {
  const published = (l.flags & Flag.PUBL) !== 0;
  const complete = (l.flags & Flag.COM) !== 0 || published;
  const letters = `${(l.flags & Flag.COM) !== 0 ? 'C' : ''}${(l.flags & Flag.PERM) !== 0 ? 'M' : ''}${published ? 'P' : ''}`;
  const mac = complete ? (published ? '*' : l.mac) : '(incomplete)';
  const type = complete && !published ? 'ether' : published ? '*' : '';
  return `${formatIpv4(l.ip).padEnd(25)}${type.padEnd(8)}${mac.padEnd(20)}${letters.padEnd(22)}${l.dev}\n`;
}

// -- changes -------------------------------------------------------------------------------------------------------

/** The device that the address is reached by, as the kernel chooses it when none is named (arp_req_set). */
function deviceFor(ctx: ShellContext, ip: Ipv4, name: string | null): InDevice | null {
  if (name !== null) {
    const dev = ctx.netns.device(name);
    return dev === null ? null : ctx.netns.inDevice(dev);
  }
  const dst = ctx.netns.routes.fresh(ip);
  return dst.kind === DstKind.UNICAST || dst.kind === DstKind.LOCAL ? dst.out : null;
}

function set(ctx: ShellContext, o: Options): number {
  const [address, hardware, ...flags] = o.words;
  if (address === undefined) throw new CommandFailure('arp: need host name', EXIT_USAGE);
  const ip = addressOf(address);
  if (hardware === undefined) throw new CommandFailure('arp: need hardware address', EXIT_USAGE);
  const mac = parseMac(hardware);
  if (mac === null) throw new CommandFailure('arp: invalid hardware address', EXIT_USAGE);
  const out = deviceFor(ctx, ip, o.dev);
  if (out === null) {
    const words = o.dev === null ? NETLINK_WORDS.ENETUNREACH : NETLINK_WORDS.ENODEV;
    throw new CommandFailure(`SIOCSARP: ${words}`, EXIT_USAGE);
  }
  if (flags.includes('pub')) {
    addProxy(ctx.netns, out, ip);
    return 0;
  }
  const state = flags.includes('temp') ? Nud.STALE : Nud.PERMANENT;
  const error = addNeighbour(ctx.netns, { out, ip, mac, state, mode: 'replace' });
  if (error !== null) throw new CommandFailure(`SIOCSARP: ${NETLINK_WORDS[error.errno]}`, EXIT_USAGE);
  return 0;
}

function remove(ctx: ShellContext, o: Options): number {
  const [address, ...flags] = o.words;
  if (address === undefined) throw new CommandFailure('arp: need host name', EXIT_USAGE);
  const ip = addressOf(address);
  const out = deviceFor(ctx, ip, o.dev);
  if (out === null) throw new CommandFailure(`SIOCDARP(dontpub): ${NETLINK_WORDS.ENETUNREACH}`, EXIT_USAGE);
  const gone = flags.includes('pub') ? deleteProxy(ctx.netns, out, ip) : deleteNeighbour(ctx.netns, out, ip);
  if (gone !== null) throw new CommandFailure(`No ARP entry for ${address}`, EXIT_USAGE);
  return 0;
}

const arp: ShellCommand = { name: 'arp', summary: 'show and change neighbours (the old command)', run };

export const commands: readonly ShellCommand[] = [arp];
