// `ip neighbour`: add, change, replace, del, get, show, flush (iproute2 6.1 ip/ipneigh.c). IPv4 only.

import { formatIpv4, type Ipv4, type Ipv4Prefix, ipv4InPrefix, maskIpv4 } from '../../addr/ipv4.ts';
import { formatMac, type Mac } from '../../addr/mac.ts';
import type { NetDevice } from '../../link/device.ts';
import { DeviceKind } from '../../link/device.ts';
import { JIFFY, jiffiesAt } from '../../sim/jiffies.ts';
import { NS_PER_S, type Ns } from '../../sim/sim.ts';
import { addNeighbour, addProxy, deleteNeighbour, deleteProxy } from '../../stack/neigh-control.ts';
import { type Neighbour, NUD_VALID, Nud } from '../../stack/neighbour.ts';
import { refuse } from '../../stack/netlink-error.ts';
import {
  Arguments,
  accept,
  addressOf,
  CommandFailure,
  deviceOf,
  EXIT_FAILED,
  garbage,
  invalid,
  macOfWord,
  matches,
  notEmulated,
  prefixOf,
  refused,
  usageError,
} from './ip-arguments.ts';
import type { IpCall } from './ip-call.ts';
import type { Printer } from './ip-printer.ts';

const USAGE = `Usage: ip neigh { add | change | replace } ADDRESS lladdr MAC [ nud STATE ] dev NAME
       ip neigh { add | del } proxy ADDRESS dev NAME
       ip neigh { del | get } ADDRESS dev NAME
       ip neigh { show | flush } [ proxy ] [ [ to ] PREFIX ] [ dev NAME ] [ nud STATE ]
STATE := { permanent | noarp | stale | reachable | none | incomplete | delay | probe | failed }`;

/** States by the words of the command. */
const STATES: ReadonlyMap<string, number> = new Map([
  ['none', Nud.NONE],
  ['incomplete', Nud.INCOMPLETE],
  ['reachable', Nud.REACHABLE],
  ['stale', Nud.STALE],
  ['delay', Nud.DELAY],
  ['probe', Nud.PROBE],
  ['failed', Nud.FAILED],
  ['noarp', Nud.NOARP],
  ['permanent', Nud.PERMANENT],
]);

/** States whose entries hold a running timer, and with it a reference. */
const IN_TIMER = Nud.INCOMPLETE | Nud.REACHABLE | Nud.DELAY | Nud.PROBE;

export function ipNeigh(call: IpCall, words: readonly string[]): number {
  const verb = words[0] ?? 'show';
  const args = new Arguments(words.slice(1));
  if (matches(verb, 'add')) return modify(call, args, 'add');
  if (matches(verb, 'change') || verb === 'chg') return modify(call, args, 'change');
  if (matches(verb, 'replace')) return modify(call, args, 'replace');
  if (matches(verb, 'delete')) return modify(call, args, 'delete');
  if (matches(verb, 'get')) return get(call, args);
  if (matches(verb, 'show') || matches(verb, 'lst') || matches(verb, 'list')) return show(call, args);
  if (matches(verb, 'flush')) return flush(call, args);
  if (matches(verb, 'help')) throw usageError(USAGE);
  throw usageError(`Command "${verb}" is unknown, try "ip neigh help".`);
}

// -- changes -------------------------------------------------------------------------------------------------------

function modify(call: IpCall, args: Arguments, mode: 'add' | 'change' | 'replace' | 'delete'): number {
  let ip: Ipv4 | null = null;
  let mac: Mac | null = null;
  let state: number = Nud.PERMANENT;
  let devName: string | null = null;
  let proxy = false;
  while (!args.done) {
    const word = args.next();
    if (matches(word, 'lladdr')) mac = macOfWord(args.next());
    else if (word === 'nud') {
      const name = args.next();
      const value =
        STATES.get(name) ??
        (matches(name, 'permanent') ? Nud.PERMANENT : matches(name, 'reachable') ? Nud.REACHABLE : undefined);
      if (value === undefined) throw invalid('nud state is bad', name);
      state = value;
    } else if (matches(word, 'proxy')) {
      if (args.done) throw usageError('Command line is not complete. Try option "help"');
      proxy = true;
      ip = addressOf(args.next());
    } else if (word === 'dev') devName = args.next();
    else if (['router', 'use', 'managed', 'extern_learn', 'protocol'].includes(word))
      throw notEmulated('ip', `neigh ${word}`);
    else if (word === 'help') throw usageError(USAGE);
    else {
      const text = word === 'to' ? args.next() : word;
      if (ip !== null) throw garbage('to', text);
      ip = addressOf(text);
    }
  }
  if (devName === null || ip === null) throw usageError('Device and destination are required arguments.');
  const out = call.netns.inDevice(deviceOf(call.netns, devName));
  if (proxy) {
    if (mode === 'delete') accept(deleteProxy(call.netns, out, ip));
    else addProxy(call.netns, out, ip);
    return 0;
  }
  if (mode === 'delete') accept(deleteNeighbour(call.netns, out, ip));
  else accept(addNeighbour(call.netns, { out, ip, mac, state, mode }));
  return 0;
}

function get(call: IpCall, args: Arguments): number {
  let ip: Ipv4 | null = null;
  let dev: NetDevice | null = null;
  let proxy = false;
  while (!args.done) {
    const word = args.next();
    if (word === 'dev') dev = deviceOf(call.netns, args.next());
    else if (matches(word, 'proxy')) {
      proxy = true;
      ip = addressOf(args.next());
    } else ip = addressOf(word === 'to' ? args.next() : word);
  }
  if (ip === null || dev === null) throw usageError('Device and address are required arguments.');
  const out = call.netns.inDevice(dev);
  const p = call.printer();
  if (proxy) {
    const found = call.netns.neighbours.proxies.find((n) => n.ip === ip && n.out === out);
    if (found === undefined) throw refused(refuse('ENOENT', 'Proxy neighbour entry not found'));
    p.list(() => printProxy(p, { ip: found.ip, dev, showDev: true }));
    return 0;
  }
  const entry = call.netns.neighbours.lookup(out, ip);
  if (entry === null) throw refused(refuse('ENOENT', 'Neighbour entry not found'));
  p.list(() => printEntry(call, p, entry, true));
  return 0;
}

// -- show and flush ------------------------------------------------------------------------------------------------

interface NeighFilter {
  to: Ipv4Prefix | null;
  dev: NetDevice | null;
  /** bits of states; 0x100 stands for NONE */
  states: number;
  statesGiven: boolean;
  proxy: boolean;
  unused: boolean;
}

const NONE_BIT = 0x100;

function readFilter(call: IpCall, args: Arguments, states: number): NeighFilter {
  const f: NeighFilter = { to: null, dev: null, states, statesGiven: false, proxy: false, unused: false };
  while (!args.done) {
    const word = args.next();
    if (word === 'dev') {
      if (f.dev !== null) throw garbage('dev', args.peek);
      f.dev = deviceOf(call.netns, args.next());
    } else if (word === 'unused') f.unused = true;
    else if (word === 'nud') {
      const name = args.next();
      if (!f.statesGiven) f.states = 0;
      f.statesGiven = true;
      const value = name === 'all' ? 0x1ff : name === 'none' ? NONE_BIT : STATES.get(name);
      if (value === undefined) throw invalid('nud state is bad', name);
      f.states |= value;
    } else if (word === 'proxy') f.proxy = true;
    else if (['master', 'vrf', 'nomaster', 'protocol'].includes(word)) throw notEmulated('ip', `neigh filter ${word}`);
    else if (word === 'help') throw usageError(USAGE);
    else {
      const text = word === 'to' ? args.next() : word;
      if (text === 'all' || text === 'any' || text === 'default') continue;
      const prefix = prefixOf(text);
      f.to = { address: prefix.address & maskIpv4(prefix.length), length: prefix.length };
    }
  }
  return f;
}

function selected(call: IpCall, f: NeighFilter): Neighbour[] {
  // The kernel's dump goes by hash; here by age.
  return call.netns.neighbours.entries().filter((n) => {
    if (f.dev !== null && n.out.dev !== f.dev) return false;
    if (f.to !== null && !ipv4InPrefix(n.ip, f.to)) return false;
    if (f.unused && (n.state & IN_TIMER) !== 0) return false;
    return n.state === Nud.NONE ? (f.states & NONE_BIT) !== 0 : (f.states & n.state) !== 0;
  });
}

function show(call: IpCall, args: Arguments): number {
  const f = readFilter(call, args, 0xff & ~Nud.NOARP);
  const p = call.printer();
  p.list(() => {
    if (f.proxy) {
      for (const { ip, out } of call.netns.neighbours.proxies) {
        if (f.dev !== null && out !== null && out.dev !== f.dev) continue;
        printProxy(p, { ip, dev: out?.dev ?? null, showDev: f.dev === null });
      }
      return;
    }
    for (const n of selected(call, f)) printEntry(call, p, n, f.dev === null);
  });
  return 0;
}

function printProxy(p: Printer, proxy: { ip: Ipv4; dev: NetDevice | null; showDev: boolean }): void {
  p.object(null, () => {
    p.put('dst', formatIpv4(proxy.ip), `${formatIpv4(proxy.ip)} `);
    if (proxy.dev !== null && proxy.showDev) p.put('dev', proxy.dev.name, `dev ${proxy.dev.name} `);
    p.put('proxy', null, 'proxy ');
  });
  p.text('\n');
}

/** Whole seconds since `then`, both rounded down to ticks as the kernel's times are. */
function secondsSince(now: Ns, then: Ns): number {
  return Math.floor(((jiffiesAt(now) - jiffiesAt(then)) * JIFFY) / NS_PER_S);
}

function stateNames(state: number): string[] {
  const names: string[] = [];
  for (const [name, bit] of STATES) if (bit !== 0 && (state & bit) !== 0) names.push(name.toUpperCase());
  return names;
}

function printEntry(call: IpCall, p: Printer, n: Neighbour, showDev: boolean): void {
  const now = call.netns.world.sim.now;
  const known = (n.state & NUD_VALID) !== 0;
  // Loopback has an all-zeros address, which is an address all the same.
  const shown = known && (n.mac !== 0 || n.out.dev.kind === DeviceKind.LOOPBACK);
  p.object(null, () => {
    p.put('dst', formatIpv4(n.ip), `${formatIpv4(n.ip)} `);
    if (showDev) p.put('dev', n.out.dev.name, `dev ${n.out.dev.name} `);
    if (shown) p.put('lladdr', formatMac(n.mac), `lladdr ${formatMac(n.mac)} `);
    if (call.options.stats > 0) {
      if ((n.state & IN_TIMER) !== 0) p.put('refcnt', 1, ' ref 1');
      const used = secondsSince(now, n.used);
      const confirmed = secondsSince(now, n.confirmed);
      const updated = secondsSince(now, n.updated);
      p.json('used', used);
      p.json('confirmed', confirmed);
      p.json('updated', updated);
      p.text(` used ${used}/${confirmed}/${updated}`);
      p.put('probes', n.probes, `probes ${n.probes} `);
    }
    if (n.state === Nud.NONE) return;
    p.array('state', () => {
      for (const name of stateNames(n.state)) {
        p.json(null, name);
        p.text(`${name} `);
      }
    });
  });
  p.text('\n');
}

function flush(call: IpCall, args: Arguments): number {
  if (args.done) throw new CommandFailure('Flush requires arguments.', EXIT_FAILED);
  const f = readFilter(call, args, (0xff & ~(Nud.PERMANENT | Nud.NOARP)) | NONE_BIT);
  const doomed = selected(call, f);
  for (const n of doomed) accept(deleteNeighbour(call.netns, n.out, n.ip));
  if (call.options.stats > 0) {
    if (doomed.length === 0) call.ctx.out('Nothing to flush.\n');
    else {
      call.ctx.out(`\n*** Round 1, deleting ${doomed.length} entries ***\n*** Flush is complete after 1 round ***\n`);
    }
  }
  return 0;
}
