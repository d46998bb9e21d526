// `bridge link`: show the ports, set their flags (iproute2 6.1 bridge/link.c).

import { bridgeOf } from '../../link/bridge.ts';
import type { BridgePort } from '../../link/bridge-port.ts';
import type { NetDevice } from '../../link/device.ts';
import { vethPeer } from '../../link/veth.ts';
import { linkFlags } from '../../stack/link-control.ts';
import { netlinkErrorText, refuse } from '../../stack/netlink-error.ts';
import { type PortChange, readPortChange } from './bridge-settings.ts';
import { Arguments, CommandFailure, EXIT_USAGE, matches, usageError } from './ip-arguments.ts';
import type { IpCall } from './ip-call.ts';
import { isCard, portStateName } from './ip-link-details.ts';
import type { Printer } from './ip-printer.ts';

const USAGE = `Usage: bridge link set dev NAME [ FLAG { on | off } ] ... [ state STATE ] [ cost N ] [ priority N ]
       bridge link [ show ] [ dev NAME ]
FLAG := { hairpin | learning | flood | mcast_flood | bcast_flood | isolated }`;

export function bridgeLink(call: IpCall, words: readonly string[]): number {
  const verb = words[0] ?? 'show';
  const args = new Arguments(words.slice(1));
  if (matches(verb, 'set') || matches(verb, 'change')) return set(call, args);
  if (matches(verb, 'show') || matches(verb, 'lst') || matches(verb, 'list')) return show(call, args);
  if (matches(verb, 'help')) throw usageError(USAGE);
  throw usageError(`Command "${verb}" is unknown, try "bridge link help".`);
}

function set(call: IpCall, args: Arguments): number {
  let name: string | null = null;
  const changes: PortChange[] = [];
  while (!args.done) {
    if (args.takes('dev')) {
      name = args.next();
      continue;
    }
    // Both say where the change is meant to go; a port has one place for it.
    if (args.takes('self', 'master')) continue;
    const change = readPortChange('bridge', args);
    if (change === null) throw usageError(USAGE);
    changes.push(change);
  }
  if (name === null) throw usageError('Device is a required argument.');
  const dev = call.netns.device(name);
  if (dev === null) throw new CommandFailure(`Cannot find bridge device "${name}"`, EXIT_USAGE);
  const port = portOf(dev);
  if (port === null) throw new CommandFailure(netlinkErrorText(refuse('EOPNOTSUPP')), EXIT_USAGE);
  try {
    for (const change of changes) change(port);
  } catch (error) {
    // `bridge` has one exit status for all that the kernel refuses.
    if (error instanceof CommandFailure) throw new CommandFailure(error.message, EXIT_USAGE);
    throw error;
  }
  return 0;
}

function portOf(dev: NetDevice): BridgePort | null {
  return dev.master === null ? null : (bridgeOf(dev.master)?.port(dev) ?? null);
}

function show(call: IpCall, args: Arguments): number {
  let only: NetDevice | null = null;
  while (!args.done) {
    const word = args.next();
    if (word === 'help') throw usageError(USAGE);
    const name = word === 'dev' ? args.next() : word;
    only = call.netns.device(name);
    if (only === null) throw new CommandFailure(`Cannot find device "${name}"`, EXIT_USAGE);
  }
  const p = call.printer();
  p.list(() => {
    for (const dev of call.netns.devices()) {
      const port = portOf(dev);
      if (port === null || (only !== null && dev !== only)) continue;
      p.object(null, () => printPort(call, p, port));
      p.text('\n');
    }
  });
  return 0;
}

function printPort(call: IpCall, p: Printer, port: BridgePort): void {
  const { dev, bridge } = port;
  p.put('ifindex', dev.index, `${dev.index}: `);
  const peer = vethPeer(dev);
  if (peer === null || isCard(call, dev)) p.put('ifname', dev.name, `${dev.name}: `);
  else {
    // The command looks the peer's index up in this namespace, wherever the peer is.
    const link = call.netns.deviceByIndex(peer.index)?.name ?? `if${peer.index}`;
    p.json('link', link);
    p.put('ifname', dev.name, `${dev.name}@${link}: `);
  }
  const flags = linkFlags(dev);
  p.array('flags', () => {
    for (const flag of flags) p.json(null, flag);
  });
  p.text(`<${flags.join(',')}> `);
  p.put('mtu', dev.mtu, `mtu ${dev.mtu} `);
  p.put('master', bridge.dev.name, `master ${bridge.dev.name} `);
  const state = portStateName(port.state);
  p.put('state', state, `state ${state} `);
  p.put('priority', port.priority, `priority ${port.priority} `);
  p.put('cost', port.pathCost, `cost ${port.pathCost} `);
  if (call.options.details) printFlags(p, port);
}

function printFlags(p: Printer, port: BridgePort): void {
  const flag = (key: string, on: boolean): void => p.put(key, on, `${key} ${on ? 'on' : 'off'} `);
  p.text(`${p.lineBreak}    `);
  flag('hairpin', port.hairpin);
  flag('guard', false);
  flag('root_block', false);
  flag('fastleave', false);
  flag('learning', port.learning);
  flag('flood', port.flood);
  flag('mcast_flood', port.mcastFlood);
  flag('bcast_flood', port.bcastFlood);
  p.put('mcast_router', 1, 'mcast_router 1 ');
  flag('mcast_to_unicast', false);
  flag('neigh_suppress', false);
  flag('vlan_tunnel', false);
  flag('isolated', port.isolated);
  flag('locked', false);
}
