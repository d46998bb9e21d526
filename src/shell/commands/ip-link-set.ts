// `ip link set`: all words are read first, then done in the kernel's order (net/core/rtnetlink.c do_setlink).

import { bridgeOf } from '../../link/bridge.ts';
import type { NetDevice } from '../../link/device.ts';
import {
  linkSettings,
  moveLink,
  renameLink,
  setLinkMac,
  setLinkMaster,
  setLinkMtu,
  setLinkPromisc,
} from '../../stack/link-control.ts';
import type { Machine } from '../../stack/machine.ts';
import { refuse } from '../../stack/netlink-error.ts';
import type { NetNamespace } from '../../stack/netns.ts';
import { type PortChange, readBridgeChanges, readPortChange } from './bridge-settings.ts';
import {
  type Arguments,
  accept,
  deviceOf,
  garbage,
  invalid,
  macOfWord,
  matches,
  notEmulated,
  onOff,
  parseNumber,
  refused,
  usageError,
} from './ip-arguments.ts';
import type { IpCall } from './ip-call.ts';

/** Values that `add` and `set` read alike. */
export const linkWord = {
  mtu(word: string): number {
    const mtu = parseNumber(word, 0x7fffffff);
    if (mtu === null) throw invalid('Invalid "mtu" value\n', word);
    return mtu;
  },
  queue(word: string): number {
    const length = parseNumber(word, 0x7fffffff);
    if (length === null) throw invalid('Invalid "txqueuelen" value\n', word);
    return length;
  },
  netns(machine: Machine, word: string): NetNamespace {
    const netns = word === '1' ? machine.root : machine.namespace(word);
    if (netns === null) throw invalid('Invalid "netns" value\n', word);
    return netns;
  },
} as const;

/** Steps in the order in which the kernel takes them, whatever the order of the words. */
const ORDER = ['netns', 'address', 'mtu', 'name', 'alias', 'flags', 'master', 'queue', 'type'] as const;
type Step = (typeof ORDER)[number];

export function linkSet(call: IpCall, args: Arguments): number {
  const steps = new Map<Step, (dev: NetDevice) => void>();
  let name: string | null = null;
  let target = call.netns;
  let newName: string | null = null;
  while (!args.done) {
    const word = args.next();
    if (word === 'up' || word === 'down') steps.set('flags', (dev) => dev.setUp(word === 'up'));
    else if (matches(word, 'address')) {
      const mac = macOfWord(args.next());
      steps.set('address', (dev) => accept(setLinkMac(dev, mac)));
    } else if (word === 'mtu') {
      const mtu = linkWord.mtu(args.next());
      steps.set('mtu', (dev) => accept(setLinkMtu(dev, mtu)));
    } else if (word === 'name') {
      newName = args.next();
      if (/[/\s]/.test(newName) || newName === '') throw invalid('"name" not a valid ifname', newName);
    } else if (word === 'netns') {
      target = linkWord.netns(call.machine, args.next());
    } else if (word === 'master') {
      const masterName = args.next();
      const master = call.netns.device(masterName);
      if (master === null) throw invalid('Device does not exist\n', masterName);
      steps.set('master', (dev) => accept(setLinkMaster(dev, master)));
    } else if (word === 'nomaster') {
      steps.set('master', (dev) => accept(setLinkMaster(dev, null)));
    } else if (word === 'promisc') {
      const on = onOff(args.next(), word);
      steps.set(
        'flags',
        also(steps.get('flags'), (dev) => setLinkPromisc(dev, on)),
      );
    } else if (word === 'arp' || word === 'multicast') {
      if (!onOff(args.next(), word)) throw notEmulated('ip', `link set ${word} off`);
    } else if (word === 'allmulticast' || word === 'dynamic' || word === 'trailers' || word === 'protodown') {
      if (onOff(args.next(), word)) throw notEmulated('ip', `link set ${word} on`);
    } else if (matches(word, 'txqueuelen') || word === 'qlen' || word === 'txqlen') {
      const length = linkWord.queue(args.next());
      steps.set('queue', (dev) => {
        linkSettings(dev).txqueuelen = length;
      });
    } else if (word === 'alias') {
      const alias = args.next();
      steps.set('alias', (dev) => {
        linkSettings(dev).alias = alias;
      });
    } else if (word === 'addrgenmode') {
      const mode = args.next();
      if (mode !== 'none' && mode !== 'eui64') throw notEmulated('ip', `link set addrgenmode ${mode}`);
      throw notEmulated('ip', 'IPv6 (addrgenmode)');
    } else if (word === 'type') {
      steps.set('type', typeStep(args));
    } else if (REFUSED.has(word)) {
      throw notEmulated('ip', `link set ${word}`);
    } else {
      const value = word === 'dev' ? args.next() : word;
      if (name !== null) throw garbage('dev', value);
      name = value;
    }
  }
  if (name === null) throw usageError('Not enough information: "dev" argument is required.');
  const dev = deviceOf(call.netns, name);
  if (target !== call.netns) {
    accept(moveLink(call.netns, dev, target, newName ?? dev.name));
  } else if (newName !== null) {
    const fresh = newName;
    steps.set('name', (d) => accept(renameLink(target, d, fresh)));
  }
  for (const step of ORDER) steps.get(step)?.(dev);
  return 0;
}

function also(first: ((dev: NetDevice) => void) | undefined, then: (dev: NetDevice) => void): (dev: NetDevice) => void {
  return (dev) => {
    first?.(dev);
    then(dev);
  };
}

const REFUSED: ReadonlySet<string> = new Set([
  'group',
  'broadcast',
  'brd',
  'carrier',
  'mode',
  'state',
  'vf',
  'xdp',
  'xdpgeneric',
  'xdpdrv',
  'vrf',
  'link-netns',
  'link-netnsid',
  'protodown_reason',
  'gso_max_size',
  'gso_max_segs',
  'gro_max_size',
]);

function typeStep(args: Arguments): (dev: NetDevice) => void {
  const type = args.next();
  if (type === 'bridge') {
    const changes = readBridgeChanges(args);
    return (dev) => {
      const bridge = bridgeOf(dev);
      if (bridge === null) throw refused(refuse('EOPNOTSUPP'));
      for (const change of changes) change(bridge);
    };
  }
  if (type === 'bridge_slave') {
    const changes: PortChange[] = [];
    while (!args.done) {
      const change = readPortChange('ip', args);
      if (change === null) throw usageError(`bridge_slave: unknown option "${args.peek}"?`);
      changes.push(change);
    }
    return (dev) => {
      const port = dev.master === null ? null : (bridgeOf(dev.master)?.port(dev) ?? null);
      if (port === null) throw refused(refuse('EOPNOTSUPP'));
      for (const change of changes) change(port);
    };
  }
  throw notEmulated('ip', `link set type ${type}`);
}
