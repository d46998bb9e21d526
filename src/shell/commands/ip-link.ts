// `ip link`: show, delete, and the way to add and set (iproute2 6.1 ip/iplink.c).

import { bridgeOf } from '../../link/bridge.ts';
import type { NetDevice } from '../../link/device.ts';
import { deleteLink } from '../../stack/link-control.ts';
import {
  Arguments,
  accept,
  CommandFailure,
  deviceOf,
  EXIT_FAILED,
  EXIT_USAGE,
  garbage,
  invalid,
  matches,
  notEmulated,
  usageError,
} from './ip-arguments.ts';
import type { IpCall } from './ip-call.ts';
import { linkAdd } from './ip-link-add.ts';
import { isCard } from './ip-link-details.ts';
import { linkSet } from './ip-link-set.ts';
import { printBrief, printLink } from './ip-link-show.ts';

const USAGE = `Usage: ip link add [ dev ] NAME [ address MAC ] [ mtu MTU ] [ up ] type TYPE [ OPTIONS ]
       ip link delete [ dev ] NAME
       ip link set [ dev ] NAME [ up | down ] [ address MAC ] [ mtu MTU ] [ name NAME ] [ master BRIDGE | nomaster ]
                   [ netns NAME ] [ promisc { on | off } ] [ txqueuelen N ] [ alias TEXT ] [ type TYPE OPTIONS ]
       ip link show [ [ dev ] NAME ] [ up ] [ master NAME | nomaster ] [ type TYPE ]
TYPE := { veth | bridge | bridge_slave | vxlan | dummy }`;

export function ipLink(call: IpCall, words: readonly string[]): number {
  const verb = words[0] ?? 'show';
  const args = new Arguments(words.slice(1));
  if (matches(verb, 'add')) return linkAdd(call, args);
  if (matches(verb, 'set') || matches(verb, 'change')) return linkSet(call, args);
  if (matches(verb, 'replace')) throw notEmulated('ip', 'link replace');
  if (matches(verb, 'delete')) return linkDelete(call, args);
  if (matches(verb, 'show') || matches(verb, 'lst') || matches(verb, 'list')) return linkShow(call, args);
  if (matches(verb, 'xstats') || matches(verb, 'afstats') || matches(verb, 'property')) {
    throw notEmulated('ip', `link ${verb}`);
  }
  if (matches(verb, 'help')) throw usageError(USAGE);
  throw usageError(`Command "${verb}" is unknown, try "ip link help".`);
}

function linkDelete(call: IpCall, args: Arguments): number {
  let name: string | null = null;
  while (!args.done) {
    const word = args.next();
    if (word === 'type' || matches(word, 'type')) {
      args.next();
      break;
    }
    if (word === 'group') throw notEmulated('ip', 'link delete group');
    const value = word === 'dev' ? args.next() : word;
    if (name !== null) throw garbage('dev', value);
    name = value;
  }
  if (name === null) throw usageError('Not enough information: "dev" argument is required.');
  accept(deleteLink(deviceOf(call.netns, name)));
  return 0;
}

export interface LinkFilter {
  name: string | null;
  up: boolean;
  /** undefined: any; null: none */
  master: NetDevice | null | undefined;
  type: string | null;
}

/** Takes a word of the filter that `ip link show` and `ip addr show` share; false when it is none. */
export function readLinkFilter(call: IpCall, args: Arguments, filter: LinkFilter): boolean {
  if (args.takes('up')) filter.up = true;
  else if (args.takes('master')) {
    const name = args.next();
    const master = call.netns.device(name);
    if (master === null) throw invalid('Device does not exist\n', name);
    filter.master = master;
  } else if (args.takes('nomaster')) filter.master = null;
  else if (args.takes('type')) filter.type = args.next();
  else if (args.takes('group')) {
    const group = args.next();
    if (group !== 'default' && group !== '0') throw invalid('Invalid "group" value\n', group);
  } else if (args.takes('vrf')) throw notEmulated('ip', 'vrf');
  else return false;
  return true;
}

/** The devices that the filter lets through, by index. */
export function filterLinks(call: IpCall, filter: LinkFilter): NetDevice[] {
  const { name } = filter;
  if (name !== null && call.netns.device(name) === null) {
    throw new CommandFailure(`Device "${name}" does not exist.`, EXIT_FAILED);
  }
  return call.netns.devices().filter((dev) => {
    if (name !== null && dev.name !== name) return false;
    if (filter.up && !dev.up) return false;
    if (filter.master !== undefined && dev.master !== filter.master) return false;
    if (filter.type === null) return true;
    if (filter.type === 'bridge_slave') return dev.master !== null && bridgeOf(dev.master) !== null;
    return dev.kind === filter.type && !isCard(call, dev);
  });
}

export function emptyLinkFilter(): LinkFilter {
  return { name: null, up: false, master: undefined, type: null };
}

function linkShow(call: IpCall, args: Arguments): number {
  const filter = emptyLinkFilter();
  while (!args.done) {
    if (readLinkFilter(call, args, filter)) continue;
    args.takes('dev');
    const name = args.next();
    if (matches(name, 'help') && name === 'help') throw new CommandFailure(USAGE, EXIT_USAGE);
    if (filter.name !== null) throw garbage('dev', name);
    filter.name = name;
  }
  const links = filterLinks(call, filter);
  const p = call.printer();
  p.list(() => {
    for (const dev of links) {
      p.object(null, () => (call.options.brief ? printBrief(call, p, dev, true) : printLink(call, p, dev, true)));
      p.text('\n');
    }
  });
  return 0;
}
