// `bridge fdb`: show, add, append, replace, del, get (iproute2 6.1 bridge/fdb.c; net/core/rtnetlink.c rtnl_fdb_dump). The
// order is the kernel's: devices by index; for each what its bridge knows behind it, then what it has itself.

import { formatIpv4, type Ipv4 } from '../../addr/ipv4.ts';
import { formatMac, isGroupMac, type Mac, parseMac } from '../../addr/mac.ts';
import { type Bridge, bridgeOf } from '../../link/bridge.ts';
import type { NetDevice } from '../../link/device.ts';
import type { FdbEntry } from '../../link/fdb.ts';
import { vxlanOf } from '../../overlay/vxlan.ts';
import type { VxlanEntry, VxlanRemote } from '../../overlay/vxlan-fdb.ts';
import { JIFFY, jiffiesAt } from '../../sim/jiffies.ts';
import { NS_PER_S, type Ns } from '../../sim/sim.ts';
import { multicastMacs } from '../../stack/link-control.ts';
import { type NetlinkErrno, netlinkErrorText, refuse } from '../../stack/netlink-error.ts';
import { extraMacs } from './bridge-fdb-self.ts';
import {
  Arguments,
  addressOf,
  CommandFailure,
  EXIT_USAGE,
  matches,
  notEmulated,
  numberOf,
  usageError,
} from './ip-arguments.ts';
import type { IpCall } from './ip-call.ts';
import type { Printer } from './ip-printer.ts';

const USAGE = `Usage: bridge fdb { add | append | replace | del } MAC dev NAME [ self | master ] [ permanent | static | dynamic ]
                  [ sticky ] [ use ] [ dst ADDRESS [ port N ] [ vni N ] [ via NAME ] ]
       bridge fdb [ show ] [ br BRIDGE ] [ brport NAME ] [ dev NAME ] [ state STATE ] [ dynamic ]
       bridge fdb get MAC { br BRIDGE | brport NAME }`;

export function bridgeFdb(call: IpCall, words: readonly string[]): number {
  const verb = words[0] ?? 'show';
  const args = new Arguments(words.slice(1));
  if (matches(verb, 'add')) return modify(call, args, 'add');
  if (matches(verb, 'append')) return modify(call, args, 'append');
  if (matches(verb, 'replace')) return modify(call, args, 'replace');
  if (matches(verb, 'delete')) return modify(call, args, 'delete');
  if (matches(verb, 'get')) return get(call, args);
  if (matches(verb, 'show') || matches(verb, 'lst') || matches(verb, 'list')) return show(call, args);
  if (matches(verb, 'flush')) throw notEmulated('bridge', 'fdb flush');
  if (matches(verb, 'help')) throw usageError(USAGE);
  throw usageError(`Command "${verb}" is unknown, try "bridge fdb help".`);
}

// -- show ----------------------------------------------------------------------------------------------------------

/** One line of the dump. */
interface Line {
  readonly mac: Mac;
  readonly dev: NetDevice;
  readonly remote: VxlanRemote | null;
  /** seconds since use and since change; null when the kernel does not say */
  readonly ages: readonly [number, number] | null;
  readonly self: boolean;
  readonly sticky: boolean;
  readonly master: NetDevice | null;
  readonly state: 'permanent' | 'static' | 'stale' | '';
}

function ageOfTicks(now: Ns, ticks: number): number {
  return Math.floor(((jiffiesAt(now) - ticks) * JIFFY) / NS_PER_S);
}

function bridgeLine(bridge: Bridge, dev: NetDevice, entry: FdbEntry): Line {
  const now = bridge.dev.host.sim.now;
  const state = entry.state === 'dynamic' ? (bridge.expired(entry) ? 'stale' : '') : entry.state;
  return {
    mac: entry.mac,
    dev,
    remote: null,
    ages: [ageOfTicks(now, entry.used), ageOfTicks(now, entry.updated)],
    self: false,
    sticky: entry.sticky,
    master: bridge.dev,
    state,
  };
}

function vxlanLine(dev: NetDevice, entry: VxlanEntry, remote: VxlanRemote): Line {
  const now = dev.host.sim.now;
  const age = (then: Ns): number => ageOfTicks(now, jiffiesAt(then));
  const state = entry.state === 'reachable' ? '' : entry.state;
  const ages = [age(entry.used), age(entry.updated)] as const;
  return { mac: entry.mac, dev, remote, ages, self: true, sticky: false, master: null, state };
}

function selfLine(dev: NetDevice, mac: Mac): Line {
  return { mac, dev, remote: null, ages: null, self: true, sticky: false, master: null, state: 'permanent' };
}

/** What the device has itself: a VXLAN's table, or the addresses it listens to. */
function ownLines(dev: NetDevice): Line[] {
  const vxlan = vxlanOf(dev);
  if (vxlan !== null) return vxlan.fdb.entries().flatMap((e) => e.remotes.map((r) => vxlanLine(dev, e, r)));
  return [...extraMacs(dev), ...multicastMacs(dev)].map((mac) => selfLine(dev, mac));
}

/** @param bridgeOnly lines of this bridge and its ports only */
function linesOf(dev: NetDevice, bridgeOnly: Bridge | null): Line[] {
  const master = dev.master === null ? null : bridgeOf(dev.master);
  const own = bridgeOf(dev);
  if (bridgeOnly !== null && master !== bridgeOnly && own !== bridgeOnly) return [];
  const lines: Line[] = [];
  const port = master?.port(dev) ?? null;
  if (master !== null && port !== null) {
    for (const e of master.fdbEntries(port)) lines.push(bridgeLine(master, dev, e));
  }
  lines.push(...ownLines(dev));
  if (own !== null) for (const e of own.fdbEntries(null)) lines.push(bridgeLine(own, dev, e));
  return lines;
}

interface FdbFilter {
  bridge: Bridge | null;
  dev: NetDevice | null;
  state: string | null;
  dynamic: boolean;
}

function readFilter(call: IpCall, args: Arguments): FdbFilter {
  const f: FdbFilter = { bridge: null, dev: null, state: null, dynamic: false };
  while (!args.done) {
    const word = args.next();
    if (word === 'br') f.bridge = bridgeNamed(call, args.next());
    else if (word === 'brport' || word === 'dev') f.dev = device(call, args.next());
    else if (word === 'state') {
      const state = args.next();
      if (state === 'all') f.state = null;
      else if (state === 'permanent' || state === 'local') f.state = 'permanent';
      else if (state === 'static' || state === 'stale') f.state = state;
      else if (state === 'temp' || state === 'dynamic' || state === 'reachable') f.state = '';
      else throw usageError(`Error: argument "${state}" is wrong: invalid state\n`);
    } else if (word === 'dynamic') f.dynamic = true;
    else if (word === 'vlan') throw notEmulated('bridge', 'fdb filter vlan');
    else if (word === 'help') throw usageError(USAGE);
    else {
      if (f.dev !== null) throw usageError(`Error: duplicate "dev": "${word}" is the second value.`);
      f.dev = device(call, word);
    }
  }
  return f;
}

function device(call: IpCall, name: string): NetDevice {
  const dev = call.netns.device(name);
  if (dev === null) throw new CommandFailure(`Cannot find device "${name}"`, EXIT_USAGE);
  return dev;
}

function bridgeNamed(call: IpCall, name: string): Bridge {
  const dev = call.netns.device(name);
  if (dev === null) throw new CommandFailure(`Cannot find bridge device "${name}"`, EXIT_USAGE);
  const bridge = bridgeOf(dev);
  if (bridge === null) throw refusal('EINVAL');
  return bridge;
}

function show(call: IpCall, args: Arguments): number {
  const f = readFilter(call, args);
  const p = call.printer();
  p.list(() => {
    for (const dev of call.netns.devices()) {
      if (f.dev !== null && dev !== f.dev) continue;
      for (const line of linesOf(dev, f.bridge)) {
        if (f.state !== null && line.state !== f.state) continue;
        if (f.dynamic && line.state === 'permanent') continue;
        printLine(call, p, line, f.dev === null);
      }
    }
  });
  return 0;
}

function printLine(call: IpCall, p: Printer, line: Line, showDev: boolean): void {
  p.object(null, () => {
    p.put('mac', formatMac(line.mac), `${formatMac(line.mac)} `);
    if (showDev) p.put('ifname', line.dev.name, `dev ${line.dev.name} `);
    if (line.remote !== null) {
      const { ip, port, vni, ifindex } = line.remote;
      p.put('dst', formatIpv4(ip), `dst ${formatIpv4(ip)} `);
      if (port !== 0) p.put('port', port, `port ${port} `);
      if (vni >= 0) p.put('vni', vni, `vni ${vni} `);
      const via = ifindex === 0 ? null : call.netns.deviceByIndex(ifindex);
      if (via !== null) p.put('viaIf', via.name, `via ${via.name} `);
    }
    if (line.ages !== null && call.options.stats > 0) {
      p.json('used', line.ages[0]);
      p.json('updated', line.ages[1]);
      p.text(`used ${line.ages[0]}/${line.ages[1]} `);
    }
    p.array('flags', () => {
      for (const [on, flag] of [
        [line.self, 'self'],
        [line.sticky, 'sticky'],
      ] as const) {
        if (!on) continue;
        p.json(null, flag);
        p.text(`${flag} `);
      }
    });
    if (line.master !== null) p.put('master', line.master.name, `master ${line.master.name} `);
    p.put('state', line.state, line.state);
  });
  p.text('\n');
}

// -- changes -------------------------------------------------------------------------------------------------------

type Mode = 'add' | 'append' | 'replace' | 'delete';

interface FdbWords {
  mac: string | null;
  dev: string | null;
  self: boolean;
  master: boolean;
  state: 'permanent' | 'static' | 'dynamic';
  sticky: boolean;
  use: boolean;
  dst: Ipv4 | null;
  port: number;
  vni: number | null;
  via: NetDevice | null;
}

function readEntry(call: IpCall, args: Arguments): FdbWords {
  const w: FdbWords = {
    mac: null,
    dev: null,
    self: false,
    master: false,
    state: 'permanent',
    sticky: false,
    use: false,
    dst: null,
    port: 0,
    vni: null,
    via: null,
  };
  while (!args.done) {
    const word = args.next();
    if (word === 'dev') w.dev = args.next();
    else if (word === 'dst') w.dst = addressOf(args.next());
    else if (word === 'port') w.port = numberOf(args.next(), 'invalid "port" value', 65_535, 1);
    else if (word === 'vni') w.vni = numberOf(args.next(), 'invalid VNI\n', 0xff_ffff);
    else if (word === 'via') w.via = device(call, args.next());
    else if (word === 'self') w.self = true;
    else if (matches(word, 'master')) w.master = true;
    else if (matches(word, 'local') || matches(word, 'permanent')) w.state = 'permanent';
    else if (matches(word, 'temp') || matches(word, 'static')) w.state = 'static';
    else if (matches(word, 'dynamic')) w.state = 'dynamic';
    else if (matches(word, 'use')) w.use = true;
    else if (matches(word, 'sticky')) w.sticky = true;
    else if (['vlan', 'router', 'extern_learn', 'offloaded', 'src_vni', 'nhid'].includes(word))
      throw notEmulated('bridge', `fdb ${word}`);
    else if (word === 'help') throw usageError(USAGE);
    else {
      const text = word === 'to' ? args.next() : word;
      if (w.mac !== null) throw usageError(`Error: duplicate "to": "${text}" is the second value.`);
      w.mac = text;
    }
  }
  return w;
}

function refusal(errno: NetlinkErrno, message: string | null = null): CommandFailure {
  return new CommandFailure(netlinkErrorText(refuse(errno, message)), EXIT_USAGE);
}

/** rtnl_fdb_add(): `master` names the bridge of the port; the device itself is meant otherwise. */
function modify(call: IpCall, args: Arguments, mode: Mode): number {
  const w = readEntry(call, args);
  if (w.mac === null || w.dev === null) throw usageError('Device and address are required arguments.');
  const mac = parseMac(w.mac);
  if (mac === null) throw usageError(`Invalid mac address ${w.mac}`);
  const dev = device(call, w.dev);
  const toMaster = w.master;
  const toSelf = w.self || !w.master;
  if (toMaster) modifyMaster(dev, mac, w, mode);
  if (toSelf) modifySelf(dev, mac, w, mode);
  return 0;
}

function modifyMaster(dev: NetDevice, mac: Mac, w: FdbWords, mode: Mode): void {
  const bridge = dev.master === null ? null : bridgeOf(dev.master);
  if (bridge === null) throw refusal('EOPNOTSUPP');
  changeBridge(bridge, dev, mac, w, mode);
}

function changeBridge(bridge: Bridge, dev: NetDevice, mac: Mac, w: FdbWords, mode: Mode): void {
  const port = bridge.port(dev);
  const { state, sticky, use } = w;
  const result =
    mode === 'delete' ? bridge.fdbDelete(mac, port) : bridge.fdbAdd({ mac, port, state, sticky, use, mode });
  if (result !== 'ok') throw refusal(result);
}

function modifySelf(dev: NetDevice, mac: Mac, w: FdbWords, mode: Mode): void {
  const bridge = bridgeOf(dev);
  if (bridge !== null) {
    changeBridge(bridge, dev, mac, w, mode);
    return;
  }
  const vxlan = vxlanOf(dev);
  if (vxlan !== null) {
    if (mode === 'delete') {
      if (!vxlan.deleteEntry(mac, w.dst)) throw refusal('ENOENT');
      return;
    }
    if (w.dst === null) throw refusal('EINVAL');
    const state = w.state === 'dynamic' ? 'reachable' : w.state;
    const remote = { ip: w.dst, port: w.port, vni: w.vni ?? -1, ifindex: w.via?.index ?? 0 };
    const errno = vxlan.setEntry(mode, mac, state, remote);
    if (errno !== null) throw refusal(errno === 'EEXIST' ? 'EEXIST' : 'EINVAL');
    return;
  }
  changeDevice(dev, mac, w, mode);
}

/** ndo_dflt_fdb_add(): an address that the device listens to beside its own. */
function changeDevice(dev: NetDevice, mac: Mac, w: FdbWords, mode: Mode): void {
  const extra = extraMacs(dev);
  const at = extra.indexOf(mac);
  if (mode === 'delete') {
    if (at < 0) throw refusal('ENOENT');
    extra.splice(at, 1);
    return;
  }
  if (w.state !== 'permanent') throw refusal('EINVAL');
  if (isGroupMac(mac)) throw notEmulated('bridge', 'a group address on a device');
  if (at >= 0) {
    if (mode === 'add') throw refusal('EEXIST');
    return;
  }
  extra.push(mac);
}

// -- get -----------------------------------------------------------------------------------------------------------

function get(call: IpCall, args: Arguments): number {
  let mac: Mac | null = null;
  let bridge: Bridge | null = null;
  let dev: NetDevice | null = null;
  while (!args.done) {
    const word = args.next();
    if (word === 'br') bridge = bridgeNamed(call, args.next());
    else if (word === 'brport' || word === 'dev') dev = device(call, args.next());
    else if (word === 'self' || word === 'master') continue;
    else if (word === 'vlan' || word === 'vni') throw notEmulated('bridge', `fdb get ${word}`);
    else {
      const text = word === 'to' ? args.next() : word;
      mac = parseMac(text);
      if (mac === null) throw usageError(`Invalid mac address ${text}`);
    }
  }
  if (mac === null) throw usageError('Device and address are required arguments.');
  bridge ??= dev?.master == null ? null : bridgeOf(dev.master);
  const wanted = mac;
  const owner = bridge;
  const lines =
    owner === null
      ? dev === null
        ? []
        : ownLines(dev)
      : [owner.dev, ...owner.ports.map((port) => port.dev)].flatMap((d) =>
          owner.fdbEntries(owner.port(d)).map((e) => bridgeLine(owner, d, e)),
        );
  const line = lines.find((l) => l.mac === wanted);
  if (line === undefined) throw refusal('ENOENT', 'Fdb entry not found');
  const p = call.printer();
  p.list(() => printLine(call, p, line, true));
  return 0;
}
