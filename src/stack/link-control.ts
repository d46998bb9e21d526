// Links as the kernel's rtnetlink side sees them (net/core/rtnetlink.c, net/core/dev.c, link_watch.c): creating, deleting,
// moving and changing devices with the kernel's checks, and what it reports of them beside the device itself.

import { isGroupMac, type Mac, macOf } from '../addr/mac.ts';
import { bridgeOf } from '../link/bridge.ts';
import { DeviceEvent, DeviceKind, type DeviceStats, type NetDevice } from '../link/device.ts';
import { createDummy } from '../link/dummy.ts';
import { createVethPair, vethPeer } from '../link/veth.ts';
import type { InDevice } from './in-device.ts';
import type { Machine } from './machine.ts';
import { type NetlinkError, refuse } from './netlink-error.ts';
import type { NetNamespace } from './netns.ts';

/** DEFAULT_TX_QUEUE_LEN */
const DEFAULT_TXQUEUELEN = 1000;
/** ETH_DATA_LEN */
export const ETH_DEFAULT_MTU = 1500;
/** ETH_MIN_MTU and ETH_MAX_MTU */
const ETH_MIN_MTU = 68;
const ETH_MAX_MTU = 65_535;
/** IFNAMSIZ with its closing zero */
const IFNAMSIZ = 16;

/** What struct net_device keeps beside what the packet path needs. */
export interface LinkSettings {
  txqueuelen: number;
  /** ip link set promisc on (gflags): shown as PROMISC */
  promisc: boolean;
  /** was up once: it has got its queueing discipline */
  activated: boolean;
  alias: string;
  carrierChanges: number;
}

const settings = new WeakMap<NetDevice, LinkSettings>();

/** The settings of a device; from the first call on they follow it. */
export function linkSettings(dev: NetDevice): LinkSettings {
  let s = settings.get(dev);
  if (s === undefined) {
    const made: LinkSettings = {
      txqueuelen: DEFAULT_TXQUEUELEN,
      promisc: false,
      activated: dev.up,
      alias: '',
      carrierChanges: 0,
    };
    dev.listen((event) => {
      if (event === DeviceEvent.UP) made.activated = true;
      if (event === DeviceEvent.CARRIER) made.carrierChanges++;
    });
    settings.set(dev, made);
    s = made;
  }
  return s;
}

// -- what is reported ----------------------------------------------------------------------------------------------

export type OperState = 'UNKNOWN' | 'DOWN' | 'LOWERLAYERDOWN' | 'UP';

/** IFLA_OPERSTATE (RFC 2863): default_operstate() of link_watch.c; devices whose carrier never changes stay UNKNOWN. */
export function operState(netns: NetNamespace, dev: NetDevice): OperState {
  if (!dev.up) return 'DOWN';
  if (dev.kind !== DeviceKind.VETH && dev.kind !== DeviceKind.BRIDGE) return 'UNKNOWN';
  // A bridge starts with carrier and says nothing of it until its first port comes.
  if (dev.carrier) return bridgeOf(dev)?.ports.length === 0 ? 'UNKNOWN' : 'UP';
  const peer = vethPeer(dev);
  // The kernel takes the peer's index for one of this namespace.
  const lower = peer === null ? null : netns.deviceByIndex(peer.index);
  return lower === null || lower.carrier ? 'DOWN' : 'LOWERLAYERDOWN';
}

/** Flags of the device in the order in which iproute2 names them. */
export function linkFlags(dev: NetDevice): string[] {
  const flags: string[] = [];
  if (dev.up && !dev.carrier) flags.push('NO-CARRIER');
  if (dev.kind === DeviceKind.LOOPBACK) flags.push('LOOPBACK');
  else {
    flags.push('BROADCAST');
    if (dev.kind !== DeviceKind.DUMMY) flags.push('MULTICAST');
  }
  if (dev.kind === DeviceKind.DUMMY) flags.push('NOARP');
  if (linkSettings(dev).promisc) flags.push('PROMISC');
  if (dev.up) flags.push('UP');
  if (dev.up && dev.carrier) flags.push('LOWER_UP');
  return flags;
}

/** Ethernet header: what some kinds of device leave out of their byte counts. */
const ETH_HLEN = 14;

/**
 * Counters as the kernel reports them. Loopback and VXLAN count what is behind the Ethernet header; so does a bridge for
 * what it hands up (loopback_xmit, vxlan_rcv, iptunnel_xmit_stats, br_pass_frame_up: after the header was pulled).
 */
export function linkStats(dev: NetDevice): DeviceStats {
  const s = { ...dev.stats };
  const { kind } = dev;
  const headerless = kind === DeviceKind.LOOPBACK || kind === DeviceKind.VXLAN;
  if (headerless || kind === DeviceKind.BRIDGE) s.rxBytes -= ETH_HLEN * s.rxPackets;
  if (headerless) s.txBytes -= ETH_HLEN * s.txPackets;
  return s;
}

/** Limits of the MTU (min_mtu, max_mtu); 0 and 0: none. */
export function mtuLimits(dev: NetDevice): { readonly min: number; readonly max: number } {
  if (dev.kind === DeviceKind.LOOPBACK || dev.kind === DeviceKind.DUMMY) return { min: 0, max: 0 };
  return { min: ETH_MIN_MTU, max: ETH_MAX_MTU };
}

/** Groups that the device listens to (dev->mc), in the order in which the kernel joins them. */
export function multicastMacs(dev: NetDevice): Mac[] {
  if (dev.kind === DeviceKind.LOOPBACK) return [];
  // All-nodes of IPv6 from the start; all-systems of IPv4 while up; a bridge that is up snoops (RFC 4286: all-snoopers).
  const macs = [0x333300000001];
  if (dev.up && dev.kind === DeviceKind.BRIDGE) macs.push(0x01005e00006a, 0x33330000006a);
  if (dev.up) macs.push(0x01005e000001);
  return macs;
}

// -- namespace ids -------------------------------------------------------------------------------------------------

const nsids = new WeakMap<NetNamespace, Map<NetNamespace, number>>();

/** The id under which `other` is known in `netns` (net->netns_ids), allocated when it is first needed. */
export function netnsId(netns: NetNamespace, other: NetNamespace): number {
  let ids = nsids.get(netns);
  if (ids === undefined) {
    ids = new Map();
    nsids.set(netns, ids);
  }
  let id = ids.get(other);
  if (id === undefined) {
    id = ids.size;
    ids.set(other, id);
  }
  return id;
}

/** The id if there is one, else null. */
export function knownNetnsId(netns: NetNamespace, other: NetNamespace): number | null {
  return nsids.get(netns)?.get(other) ?? null;
}

/** The namespace of this machine that holds the device, or null. */
export function namespaceOf(machine: Machine, dev: NetDevice): NetNamespace | null {
  for (const netns of [machine.root, ...machine.namespaces.values()]) {
    if (netns.deviceByIndex(dev.index) === dev) return netns;
  }
  return null;
}

// -- changes -------------------------------------------------------------------------------------------------------

/** dev_valid_name() */
export function validDeviceName(name: string): boolean {
  return name !== '' && name.length < IFNAMSIZ && name !== '.' && name !== '..' && !/[/:\s]/.test(name);
}

/** eth_hw_addr_random(): locally administered, unicast; from the machine's seeded stream. */
export function randomMac(machine: Machine): Mac {
  const rng = machine.world.rng(`${machine.name}/hw-addr`);
  const hi = rng.u32() & 0xffff;
  return macOf((hi & 0xfeff) | 0x0200, rng.u32() | 0);
}

/** The first free name of the pattern veth0, veth1, ... that is not `taken` (dev_alloc_name). */
export function freeName(netns: NetNamespace, prefix: string, taken: string | null = null): string {
  for (let i = 0; ; i++) {
    const name = `${prefix}${i}`;
    if (name !== taken && netns.device(name) === null) return name;
  }
}

/** Whether a new device of this name and address may be made here. */
export function checkNewLink(
  netns: NetNamespace,
  name: string,
  mac: Mac | null,
  mtu: number | null,
): NetlinkError | null {
  if (!validDeviceName(name))
    return refuse('EINVAL', name.length >= IFNAMSIZ ? 'Attribute failed policy validation' : null);
  if (netns.device(name) !== null) return refuse('EEXIST');
  if (mac !== null && (isGroupMac(mac) || mac === 0)) return refuse('EADDRNOTAVAIL');
  if (mtu !== null && mtu < ETH_MIN_MTU) return refuse('EINVAL', 'mtu less than device minimum');
  if (mtu !== null && mtu > ETH_MAX_MTU) return refuse('EINVAL', 'mtu greater than device maximum');
  return null;
}

export interface VethEndOptions {
  readonly netns: NetNamespace;
  readonly name: string;
  readonly mac: Mac;
  readonly mtu: number;
}

/** veth_newlink(): the peer is registered first, as its lower index shows. */
export function addVethPair(end: VethEndOptions, peer: VethEndOptions): NetlinkError | readonly [NetDevice, NetDevice] {
  const bad =
    checkNewLink(peer.netns, peer.name, peer.mac, peer.mtu) ?? checkNewLink(end.netns, end.name, end.mac, end.mtu);
  if (bad !== null) return bad;
  if (peer.netns === end.netns && peer.name === end.name) return refuse('EEXIST');
  const side = (o: VethEndOptions) => ({ name: o.name, mac: o.mac, mtu: o.mtu, owner: o.netns.label });
  const [a, b] = createVethPair(end.netns.world, side(end), side(peer));
  peer.netns.addDevice(b);
  end.netns.addDevice(a);
  linkSettings(a);
  linkSettings(b);
  if (peer.netns !== end.netns) {
    netnsId(end.netns, peer.netns);
    netnsId(peer.netns, end.netns);
  }
  return [a, b];
}

export function addDummy(
  netns: NetNamespace,
  options: { name: string; mac: Mac; mtu: number },
): NetlinkError | NetDevice {
  const bad = checkNewLink(netns, options.name, options.mac, null);
  if (bad !== null) return bad;
  const dev = createDummy(netns.world, { ...options, owner: netns.label });
  netns.addDevice(dev);
  linkSettings(dev);
  return dev;
}

/** Devices that have ended: each ends once. */
const gone = new WeakSet<NetDevice>();

/** rtnl_delete_link(): a veth end takes its peer along, in whatever namespace that is. */
export function deleteLink(dev: NetDevice): NetlinkError | null {
  if (dev.kind === DeviceKind.LOOPBACK) return refuse('EOPNOTSUPP');
  const peer = vethPeer(dev);
  gone.add(dev);
  dev.notify(DeviceEvent.UNREGISTER);
  if (peer !== null && !gone.has(peer)) {
    gone.add(peer);
    peer.notify(DeviceEvent.UNREGISTER);
  }
  return null;
}

/** A device that cannot outlive another (a tunnel bound to its lower device: vxlan_handle_lowerdev_unregister). */
export function endsWith(dev: NetDevice, lower: NetDevice): void {
  lower.listen((event) => {
    if (event === DeviceEvent.UNREGISTER && !gone.has(dev)) deleteLink(dev);
  });
}

/** `ip netns del`: its devices end first, so that the peers of its veth devices go too. */
export function deleteNamespace(machine: Machine, name: string): boolean {
  const netns = machine.namespace(name);
  if (netns === null) return false;
  for (const dev of netns.devices()) if (namespaceOf(machine, dev) === netns) deleteLink(dev);
  return machine.deleteNamespace(name);
}

/** dev_change_net_namespace(): the device loses its master, addresses, routes and neighbours, and comes up nowhere. */
export function moveLink(from: NetNamespace, dev: NetDevice, to: NetNamespace, name = dev.name): NetlinkError | null {
  if (from === to) return null;
  if (dev.kind === DeviceKind.LOOPBACK || dev.kind === DeviceKind.BRIDGE) {
    return refuse('EINVAL', 'The interface netns is immutable');
  }
  if (to.device(name) !== null) return refuse('EEXIST');
  if (dev.master !== null) bridgeOf(dev.master)?.removePort(dev);
  from.releaseDevice(dev);
  dev.name = name;
  to.addDevice(dev);
  linkSettings(dev).activated = false;
  const peer = vethPeer(dev);
  const peerNetns = peer === null ? null : namespaceOf(to.machine, peer);
  if (peerNetns !== null && peerNetns !== to) {
    netnsId(to, peerNetns);
    netnsId(peerNetns, to);
  }
  return null;
}

/** dev_change_name(): refused while a device of the name is there; allowed while the device is up (since Linux 6.2). */
export function renameLink(netns: NetNamespace, dev: NetDevice, name: string): NetlinkError | null {
  if (name === dev.name) return null;
  if (!validDeviceName(name)) return refuse('EINVAL');
  if (netns.device(name) !== null) return refuse('EEXIST');
  netns.renameDevice(dev, name);
  renameLabels(netns.inDevice(dev), name);
  return null;
}

/** inetdev_changename(): the first address is labelled with the name, the others with the name and what follows a colon. */
function renameLabels(idev: InDevice, name: string): void {
  idev.addresses = idev.addresses.map((a, i) => {
    if (i === 0) return { ...a, label: name };
    const colon = a.label.indexOf(':');
    const tail = colon < 0 ? `:${i + 1}` : a.label.slice(colon);
    return { ...a, label: name.slice(0, IFNAMSIZ - 1 - tail.length) + tail };
  });
}

/** dev_set_mtu_ext() */
export function setLinkMtu(dev: NetDevice, mtu: number): NetlinkError | null {
  const { min, max } = mtuLimits(dev);
  if (mtu < min) return refuse('EINVAL', 'mtu less than device minimum');
  if (max > 0 && mtu > max) return refuse('EINVAL', 'mtu greater than device maximum');
  if (mtu !== dev.mtu) dev.setMtu(mtu);
  return null;
}

/** eth_mac_addr() */
export function setLinkMac(dev: NetDevice, mac: Mac): NetlinkError | null {
  if (isGroupMac(mac) || mac === 0) return refuse('EADDRNOTAVAIL');
  dev.setMac(mac);
  return null;
}

/** do_set_master(): a port leaves its old bridge first. */
export function setLinkMaster(dev: NetDevice, master: NetDevice | null): NetlinkError | null {
  if (dev.master === master && master !== null) return null;
  const bridge = master === null ? null : bridgeOf(master);
  if (dev.master !== null) bridgeOf(dev.master)?.removePort(dev);
  if (master === null) return null;
  if (bridge === null) return refuse('EOPNOTSUPP');
  const result = bridge.addPort(dev);
  if (result === 'ok') return null;
  return refuse(result, result === 'ELOOP' ? 'Can not enslave a bridge to a bridge' : null);
}

export function setLinkPromisc(dev: NetDevice, on: boolean): void {
  const s = linkSettings(dev);
  if (s.promisc === on) return;
  s.promisc = on;
  dev.promiscuity += on ? 1 : -1;
}
