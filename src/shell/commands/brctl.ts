// brctl(8): the old way to bridges (bridge-utils 1.7).

import { formatMac, type Mac } from '../../addr/mac.ts';
import { Bridge, bridgeOf } from '../../link/bridge.ts';
import { type BridgePort, PortState } from '../../link/bridge-port.ts';
import { DeviceKind } from '../../link/device.ts';
import { JIFFY, jiffiesAt } from '../../sim/jiffies.ts';
import { NS_PER_S, type Ns } from '../../sim/sim.ts';
import { deleteLink, ETH_DEFAULT_MTU, linkSettings, randomMac, validDeviceName } from '../../stack/link-control.ts';
import { NETLINK_WORDS, type NetlinkErrno } from '../../stack/netlink-error.ts';
import type { ShellCommand, ShellContext } from '../command.ts';
import { CommandFailure, EXIT_FAILED, notEmulated } from './ip-arguments.ts';
import { guarded } from './ip-call.ts';
import { timer, timerLeft } from './ip-link-details.ts';

type Action = (ctx: ShellContext, words: readonly string[]) => void;

/** Verb, number of words, how they read, what they do. */
const ACTIONS: readonly (readonly [verb: string, words: number, usage: string, action: Action])[] = [
  ['addbr', 1, '<bridge>', addBridge],
  ['delbr', 1, '<bridge>', deleteBridge],
  ['addif', 2, '<bridge> <device>', addPort],
  ['delif', 2, '<bridge> <device>', deletePort],
  ['hairpin', 3, '<bridge> <port> {on|off}', hairpin],
  ['setageing', 2, '<bridge> <time>', setTime('ageing')],
  ['setbridgeprio', 2, '<bridge> <prio>', setBridgePriority],
  ['setfd', 2, '<bridge> <time>', setTime('forward delay')],
  ['sethello', 2, '<bridge> <time>', setTime('hello')],
  ['setmaxage', 2, '<bridge> <time>', setTime('max age')],
  ['setpathcost', 3, '<bridge> <port> <cost>', setPort('pathCost')],
  ['setportprio', 3, '<bridge> <port> <prio>', setPort('priority')],
  ['show', 0, '[ <bridge> ]', show],
  ['showmacs', 1, '<bridge>', showMacs],
  ['showstp', 1, '<bridge>', showStp],
  ['stp', 2, '<bridge> {on|off}', stp],
];

function usage(): string {
  return `Usage: brctl [commands]\ncommands:\n${ACTIONS.map(([verb, , words]) => `\t${verb.padEnd(10)}\t${words}`).join('\n')}`;
}

async function run(args: readonly string[], ctx: ShellContext): Promise<number> {
  return guarded(ctx, () => {
    const [verb, ...words] = args;
    if (verb === undefined) throw new CommandFailure(usage(), EXIT_FAILED);
    if (verb === '-V' || verb === '--version') {
      ctx.out('bridge-utils, 1.7\n');
      return 0;
    }
    const found = ACTIONS.find(([name]) => name === verb);
    if (found === undefined) throw new CommandFailure(`never heard of command [${verb}]\n${usage()}`, EXIT_FAILED);
    const [, count, how, action] = found;
    if (words.length < count) {
      throw new CommandFailure(`Incorrect number of arguments for command\nUsage: brctl ${verb} ${how}`, EXIT_FAILED);
    }
    action(ctx, words);
    return 0;
  });
}

function failed(text: string): CommandFailure {
  return new CommandFailure(text, EXIT_FAILED);
}

function findBridge(ctx: ShellContext, name: string): Bridge | null {
  const dev = ctx.netns.device(name);
  return dev === null ? null : bridgeOf(dev);
}

function bridgeNamed(ctx: ShellContext, name: string): Bridge {
  const bridge = findBridge(ctx, name);
  if (bridge === null) throw failed(`bridge ${name} does not exist!`);
  return bridge;
}

function portNamed(ctx: ShellContext, bridge: Bridge, name: string): BridgePort {
  const dev = ctx.netns.device(name);
  if (dev === null) throw failed(`interface ${name} does not exist!`);
  const port = bridge.port(dev);
  if (port === null) throw failed(`device ${name} is not a port of ${bridge.dev.name}`);
  return port;
}

function addBridge(ctx: ShellContext, words: readonly string[]): void {
  const name = words[0]!;
  const { netns } = ctx;
  if (netns.device(name) !== null) {
    throw failed(`device ${name} already exists; can't create bridge with the same name`);
  }
  if (!validDeviceName(name)) throw failed(`add bridge failed: ${NETLINK_WORDS.EINVAL}`);
  const mac = randomMac(ctx.machine);
  const bridge = new Bridge(netns.world, { name, mac, macGiven: false, mtu: ETH_DEFAULT_MTU, owner: netns.label });
  netns.addDevice(bridge.dev);
  linkSettings(bridge.dev);
}

function deleteBridge(ctx: ShellContext, words: readonly string[]): void {
  const bridge = findBridge(ctx, words[0]!);
  if (bridge === null) throw failed(`bridge ${words[0]} doesn't exist; can't delete it`);
  if (bridge.dev.up) throw failed(`bridge ${words[0]} is still up; can't delete it`);
  deleteLink(bridge.dev);
}

function addPort(ctx: ShellContext, words: readonly string[]): void {
  const bridge = bridgeNamed(ctx, words[0]!);
  for (const name of words.slice(1)) {
    const dev = ctx.netns.device(name);
    if (dev === null) throw failed(`interface ${name} does not exist!`);
    const result = bridge.addPort(dev);
    if (result === 'EBUSY') {
      throw failed(`device ${name} is already a member of a bridge; can't add it to bridge ${words[0]}.`);
    }
    if (result === 'ELOOP') throw failed(`device ${name} is a bridge device itself; can't add a bridge to a bridge.`);
    if (result !== 'ok') throw failed(`can't add ${name} to bridge ${words[0]}: ${errnoText(result)}`);
  }
}

function errnoText(errno: NetlinkErrno): string {
  return NETLINK_WORDS[errno];
}

function deletePort(ctx: ShellContext, words: readonly string[]): void {
  const bridge = bridgeNamed(ctx, words[0]!);
  for (const name of words.slice(1)) bridge.removePort(portNamed(ctx, bridge, name).dev);
}

function onOff(word: string): boolean {
  if (['on', 'yes', '1'].includes(word)) return true;
  if (['off', 'no', '0'].includes(word)) return false;
  throw failed(`expect on/off for argument`);
}

function hairpin(ctx: ShellContext, words: readonly string[]): void {
  const bridge = bridgeNamed(ctx, words[0]!);
  portNamed(ctx, bridge, words[1]!).hairpin = onOff(words[2]!);
}

function stp(ctx: ShellContext, words: readonly string[]): void {
  bridgeNamed(ctx, words[0]!);
  if (onOff(words[1]!)) throw notEmulated('brctl', 'the spanning tree protocol');
}

/** A time in seconds, with a fraction if need be. */
function seconds(word: string): Ns {
  if (!/^\d+(\.\d*)?$/.test(word)) throw failed(`bad time value`);
  return Math.round(Number(word) * 100) * (NS_PER_S / 100);
}

function setTime(which: 'ageing' | 'forward delay' | 'hello' | 'max age'): Action {
  return (ctx, words) => {
    const bridge = bridgeNamed(ctx, words[0]!);
    const time = seconds(words[1]!);
    if (which === 'ageing') bridge.setAgeingTime(time);
    else if (which === 'forward delay') bridge.forwardDelay = time;
    else if (which === 'hello') bridge.helloTime = time;
    else bridge.maxAge = time;
  };
}

function whole(word: string, max: number): number {
  const n = /^\d+$/.test(word) ? Number(word) : Number.NaN;
  if (!(n <= max)) throw failed(`bad number '${word}'`);
  return n;
}

function setBridgePriority(ctx: ShellContext, words: readonly string[]): void {
  bridgeNamed(ctx, words[0]!).priority = whole(words[1]!, 0xffff);
}

function setPort(field: 'pathCost' | 'priority'): Action {
  return (ctx, words) => {
    const bridge = bridgeNamed(ctx, words[0]!);
    const port = portNamed(ctx, bridge, words[1]!);
    port[field] = whole(words[2]!, field === 'priority' ? 63 : 65_535);
  };
}

/** "8000.0a580af40101" */
function bridgeId(bridge: Bridge): string {
  const mac: Mac = bridge.dev.mac;
  return `${bridge.priority.toString(16).padStart(4, '0')}.${mac.toString(16).padStart(12, '0')}`;
}

function show(ctx: ShellContext, words: readonly string[]): void {
  const named = words.map((name) => {
    const dev = ctx.netns.device(name);
    if (dev === null || dev.kind !== DeviceKind.BRIDGE) throw failed(`bridge ${name} does not exist!`);
    return dev;
  });
  const devices = named.length > 0 ? named : ctx.netns.devices();
  const bridges = devices
    .map((dev) => bridgeOf(dev))
    .filter((b) => b !== null)
    .sort((a, b) => (a.dev.name < b.dev.name ? -1 : 1));
  if (bridges.length === 0) return;
  ctx.out('bridge name\tbridge id\t\tSTP enabled\tinterfaces\n');
  for (const bridge of bridges) {
    const ports = bridge.ports.map((p) => p.dev.name).sort();
    ctx.out(`${bridge.dev.name}\t\t${bridgeId(bridge)}\tno\t\t${ports[0] ?? ''}\n`);
    for (const name of ports.slice(1)) ctx.out(`\t\t\t\t\t\t\t${name}\n`);
  }
}

function showMacs(ctx: ShellContext, words: readonly string[]): void {
  const bridge = findBridge(ctx, words[0]!);
  if (bridge === null) throw failed(`read of forward table failed: ${NETLINK_WORDS.ENODEV}`);
  const now = jiffiesAt(ctx.sim.now);
  const entries = bridge.ports
    .flatMap((port) => bridge.fdbEntries(port))
    .sort((a, b) => a.mac - b.mac || a.portNo - b.portNo);
  ctx.out('port no\tmac addr\t\tis local?\tageing timer\n');
  for (const e of entries) {
    const age = e.state === 'dynamic' ? (now - e.updated) * JIFFY : 0;
    const local = e.state === 'permanent' ? 'yes' : 'no';
    ctx.out(`${String(e.portNo).padStart(3)}\t${formatMac(e.mac)}\t${local}\t\t${timer(age).text}\n`);
  }
}

function portStateName(state: PortState): string {
  for (const [name, value] of Object.entries(PortState)) if (value === state) return name.toLowerCase();
  return String(state);
}

function showStp(ctx: ShellContext, words: readonly string[]): void {
  const bridge = bridgeNamed(ctx, words[0]!);
  const id = bridgeId(bridge);
  const t = (time: Ns): string => timer(time).text;
  const zero = t(0);
  // The values of a root bridge by itself: 802.1D's timers as they would be without the bridge's own settings.
  ctx.out(`${bridge.dev.name}
 bridge id\t\t${id}
 designated root\t${id}
 root port\t\t   0\t\t\tpath cost\t\t   0
 max age\t\t${t(bridge.maxAge)}\t\t\tbridge max age\t\t${t(bridge.maxAge)}
 hello time\t\t${t(bridge.helloTime)}\t\t\tbridge hello time\t${t(bridge.helloTime)}
 forward delay\t\t${t(bridge.forwardDelay)}\t\t\tbridge forward delay\t${t(bridge.forwardDelay)}
 ageing time\t\t${t(bridge.ageingTime)}
 hello timer\t\t${zero}\t\t\ttcn timer\t\t${zero}
 topology change timer\t${zero}\t\t\tgc timer\t\t${t(bridge.gcTimer)}
 flags\t\t\t\n\n\n`);
  for (const port of [...bridge.ports].sort((a, b) => a.portNo - b.portNo)) showPort(ctx, bridge, port);
}

function showPort(ctx: ShellContext, bridge: Bridge, port: BridgePort): void {
  const id = port.portId.toString(16).padStart(4, '0');
  const zero = timer(0).text;
  const delay = timer(timerLeft(port.forwardDelayTimer, ctx.sim.now)).text;
  const cost = String(port.pathCost).padStart(4);
  ctx.out(`${port.dev.name} (${port.portNo})
 port id\t\t${id}\t\t\tstate\t\t${portStateName(port.state).padStart(15)}
 designated root\t${bridgeId(bridge)}\tpath cost\t\t${cost}
 designated bridge\t${bridgeId(bridge)}\tmessage age timer\t${zero}
 designated port\t${id}\t\t\tforward delay timer\t${delay}
 designated cost\t   0\t\t\thold timer\t\t${zero}
 flags\t\t\t\n\n`);
}

const brctl: ShellCommand = { name: 'brctl', summary: 'show and change bridges (the old command)', run };

export const commands: readonly ShellCommand[] = [brctl];
