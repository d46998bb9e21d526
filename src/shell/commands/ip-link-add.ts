// `ip link add`: the words before the type, then those of the type (iproute2 6.1 ip/iplink.c iplink_modify, link_veth.c).

import type { Mac } from '../../addr/mac.ts';
import { Bridge } from '../../link/bridge.ts';
import type { NetDevice } from '../../link/device.ts';
import {
  addDummy,
  addVethPair,
  checkNewLink,
  ETH_DEFAULT_MTU,
  freeName,
  linkSettings,
  randomMac,
  setLinkMaster,
} from '../../stack/link-control.ts';
import { refuse } from '../../stack/netlink-error.ts';
import type { NetNamespace } from '../../stack/netns.ts';
import { type BridgeChange, readBridgeChanges } from './bridge-settings.ts';
import {
  type Arguments,
  accept,
  CommandFailure,
  deviceOf,
  EXIT_FAILED,
  invalid,
  macOfWord,
  matches,
  notEmulated,
  refused,
  usageError,
} from './ip-arguments.ts';
import type { IpCall } from './ip-call.ts';
import { linkWord } from './ip-link-set.ts';
import { addVxlan, NO_PORT_NOTICE, readVxlan } from './ip-link-vxlan.ts';

/** One end as its words describe it. */
interface NewLink {
  name: string | null;
  mac: Mac | null;
  mtu: number | null;
  txqueuelen: number | null;
  up: boolean;
  master: string | null;
  netns: NetNamespace;
}

/** Reads up to `type`; the peer of a veth has none. */
function readNewLink(call: IpCall, args: Arguments, isPeer: boolean): NewLink {
  const link: NewLink = {
    name: null,
    mac: null,
    mtu: null,
    txqueuelen: null,
    up: false,
    master: null,
    netns: call.netns,
  };
  while (!args.done && !(matches(args.peek, 'type') && !isPeer)) {
    const word = args.next();
    if (word === 'up') link.up = true;
    else if (word === 'down') link.up = false;
    else if (matches(word, 'address')) link.mac = macOfWord(args.next());
    else if (word === 'mtu') link.mtu = linkWord.mtu(args.next());
    else if (matches(word, 'txqueuelen') || word === 'qlen' || word === 'txqlen')
      link.txqueuelen = linkWord.queue(args.next());
    else if (word === 'master') link.master = args.next();
    else if (word === 'netns') link.netns = linkWord.netns(call.machine, args.next());
    else if (
      word === 'index' ||
      matches(word, 'link') ||
      word === 'numtxqueues' ||
      word === 'numrxqueues' ||
      word === 'broadcast'
    ) {
      throw notEmulated('ip', `link add ${word}`);
    } else {
      const name = word === 'name' || word === 'dev' ? args.next() : word;
      if (link.name !== null)
        throw usageError(`Error: either "${isPeer ? 'peer' : 'dev'}" is duplicate, or "${name}" is a garbage.`);
      if (/[/\s]/.test(name) || name === '')
        throw invalid(`"${word === 'name' ? 'name' : 'dev'}" not a valid ifname`, name);
      link.name = name;
    }
  }
  return link;
}

export function linkAdd(call: IpCall, args: Arguments): number {
  const link = readNewLink(call, args, false);
  if (args.done) throw new CommandFailure('Not enough information: "type" argument is required', EXIT_FAILED);
  args.next();
  const type = args.next();
  switch (type) {
    case 'veth':
      addVeth(call, link, args);
      break;
    case 'bridge': {
      const dev = addBridge(call, link, readBridgeChanges(args));
      finish(link, dev);
      break;
    }
    case 'vxlan': {
      const words = readVxlan(args);
      if (words.port === null && words.vni !== null) call.ctx.err(NO_PORT_NOTICE);
      const { netns } = link;
      const name = link.name ?? freeName(netns, 'vxlan');
      accept(checkNewLink(netns, name, link.mac, link.mtu));
      finish(link, addVxlan(netns, { name, mac: link.mac ?? randomMac(call.machine), mtu: link.mtu }, words));
      break;
    }
    case 'dummy': {
      if (!args.done) throw new CommandFailure(`dummy: unknown command "${args.peek}"?`, EXIT_FAILED);
      const name = link.name ?? freeName(link.netns, 'dummy');
      const made = addDummy(link.netns, {
        name,
        mac: link.mac ?? randomMac(call.machine),
        mtu: link.mtu ?? ETH_DEFAULT_MTU,
      });
      if ('errno' in made) throw refused(made);
      finish(link, made);
      break;
    }
    default:
      if (KNOWN_TYPES.has(type)) throw notEmulated('ip', `link type ${type}`);
      throw refused(refuse('EOPNOTSUPP', 'Unknown device type'));
  }
  return 0;
}

/** Kinds of link that Linux has and podwire does not. */
const KNOWN_TYPES: ReadonlySet<string> = new Set(
  (
    'bareudp bond bond_slave can dsa erspan geneve gre gretap gtp hsr ifb ip6erspan ip6gre ip6gretap ip6tnl ipip ipoib ' +
    'ipvlan ipvtap lowpan macsec macvlan macvtap netdevsim netkit nlmon rmnet sit team vcan vlan vrf vti vti6 vxcan wireguard xfrm'
  ).split(' '),
);

function addVeth(call: IpCall, link: NewLink, args: Arguments): void {
  let peer: NewLink = readPeerless(call, link);
  if (!args.done) {
    const word = args.next();
    if (word !== 'peer') throw new CommandFailure(`veth: unknown command "${word}"?`, EXIT_FAILED);
    peer = readNewLink(call, args, true);
  }
  const mac = (): Mac => randomMac(call.machine);
  // Two unnamed ends in one namespace get two numbers: the kernel registers the peer first.
  const peerName = peer.name ?? freeName(peer.netns, 'veth', link.name);
  const name = link.name ?? freeName(link.netns, 'veth', peer.netns === link.netns ? peerName : null);
  const made = addVethPair(
    { netns: link.netns, name, mac: link.mac ?? mac(), mtu: link.mtu ?? ETH_DEFAULT_MTU },
    { netns: peer.netns, name: peerName, mac: peer.mac ?? mac(), mtu: peer.mtu ?? ETH_DEFAULT_MTU },
  );
  if ('errno' in made) throw refused(made);
  finish(link, made[0]);
  finish(peer, made[1]);
}

/** A peer that is not spoken of takes the words of the first end (veth_newlink), its name and address apart. */
function readPeerless(call: IpCall, link: NewLink): NewLink {
  return { name: null, mac: null, mtu: link.mtu, txqueuelen: null, up: link.up, master: null, netns: call.netns };
}

function addBridge(call: IpCall, link: NewLink, changes: readonly BridgeChange[]): NetDevice {
  const { netns } = link;
  const name = link.name ?? freeName(netns, 'bridge');
  accept(checkNewLink(netns, name, link.mac, link.mtu));
  const bridge = new Bridge(netns.world, {
    name,
    mac: link.mac ?? randomMac(call.machine),
    macGiven: link.mac !== null,
    mtu: link.mtu ?? ETH_DEFAULT_MTU,
    owner: netns.label,
  });
  netns.addDevice(bridge.dev);
  linkSettings(bridge.dev);
  for (const change of changes) change(bridge);
  return bridge.dev;
}

/** What the words ask for beside the device itself. */
function finish(link: NewLink, dev: NetDevice): void {
  if (link.txqueuelen !== null) linkSettings(dev).txqueuelen = link.txqueuelen;
  if (link.master !== null) accept(setLinkMaster(dev, deviceOf(link.netns, link.master)));
  if (link.up) dev.setUp(true);
}
