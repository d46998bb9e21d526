// flanneld of one node (flannel pkg/backend/vxlan, pkg/backend/hostgw): its lease, its device, and what it programs for the
// lease of every other node. Nothing is learned and nothing is asked: each remote lease is three static entries,
//
//   route      <remote podCIDR> via <its network address> dev flannel.N onlink
//   neighbour  <its network address> -> MAC of its flannel.N, permanent
//   FDB        that MAC -> the node's public address, permanent
//
// so that no ARP ever crosses the overlay. host-gw, and vxlan with directRouting on one link, need only a route.

import type { Ipv4, Ipv4Prefix } from '../addr/ipv4.ts';
import type { Mac } from '../addr/mac.ts';
import type { NetDevice } from '../link/device.ts';
import { createVxlan, type Vxlan } from '../overlay/vxlan.ts';
import type { NetNamespace } from '../stack/netns.ts';
import type { FlannelSpec } from './cluster-spec.ts';
import { ensureAddress, ensureNoRoute, ensurePermanentNeighbour, ensureRoute, ensureUp } from './ensure.ts';
import type { OnDevice } from './host.ts';
import { randomMac } from './random-mac.ts';

/** encapOverhead: outer IPv4 20, UDP 8, VXLAN 8, inner Ethernet 14 bytes. */
const VXLAN_OVERHEAD = 50;

/** What a node says of itself in the annotations flannel.alpha.coreos.com/ (backend-data, public-ip) and spec.podCIDR. */
export interface FlannelLease {
  readonly publicIp: Ipv4;
  readonly subnet: Ipv4Prefix;
  /** null with host-gw */
  readonly vtepMac: Mac | null;
}

export interface FlannelNode {
  readonly netns: NetNamespace;
  readonly external: NetDevice;
  readonly settings: FlannelSpec;
  readonly lease: FlannelLease;
  /** null with host-gw */
  readonly vtep: Vxlan | null;
  /** FLANNEL_MTU: of the pods */
  readonly mtu: number;
}

export interface FlannelOptions {
  readonly netns: NetNamespace;
  readonly external: NetDevice;
  readonly publicIp: Ipv4;
  readonly podCIDR: Ipv4Prefix;
  readonly settings: FlannelSpec;
  readonly mtu: number;
  readonly onDevice: OnDevice;
}

/** MTU that the backend leaves for pods on an interface of this MTU. */
export function flannelMtu(backend: FlannelSpec['backend'], externalMtu: number): number {
  return backend === 'vxlan' ? externalMtu - VXLAN_OVERHEAD : externalMtu;
}

/** Starts flanneld: the backend's device, its address, the lease that the others will see. */
export function startFlannel(options: FlannelOptions): FlannelNode {
  const { netns, external, publicIp, podCIDR, settings, mtu, onDevice } = options;
  if (settings.backend === 'host-gw') {
    return { netns, external, settings, mtu, vtep: null, lease: { publicIp, subnet: podCIDR, vtepMac: null } };
  }
  const name = `flannel.${settings.vni}`;
  const mac = randomMac(netns.world, `${netns.label}/${name}`);
  const vtep = createVxlan(netns, {
    name,
    mac,
    // The device itself takes what the external interface leaves, whatever the pods are told.
    mtu: flannelMtu('vxlan', external.mtu),
    vni: settings.vni,
    local: publicIp,
    link: external,
    port: settings.port,
    learning: false,
  });
  onDevice(vtep.dev);
  ensureAddress(netns.inDevice(vtep.dev), { local: podCIDR.address, length: 32, broadcast: 0 });
  ensureUp(vtep.dev);
  return { netns, external, settings, mtu, vtep, lease: { publicIp, subnet: podCIDR, vtepMac: mac } };
}

/** A lease of another node was added or renewed: programs the way to it. */
export function syncLease(local: FlannelNode, remote: FlannelLease): void {
  const { netns, vtep } = local;
  if (vtep === null || remote.vtepMac === null || isDirect(local, remote)) {
    ensureRoute(netns, {
      destination: remote.subnet,
      gateway: remote.publicIp,
      out: netns.inDevice(local.external),
      onlink: false,
    });
    return;
  }
  const out = netns.inDevice(vtep.dev);
  ensurePermanentNeighbour(out, remote.subnet.address, remote.vtepMac);
  vtep.setEntry('replace', remote.vtepMac, 'permanent', { ip: remote.publicIp });
  ensureRoute(netns, { destination: remote.subnet, gateway: remote.subnet.address, out, onlink: true });
}

/** The lease is gone: the reverse. */
export function removeLease(local: FlannelNode, remote: FlannelLease): void {
  const { netns, vtep } = local;
  ensureNoRoute(netns, remote.subnet);
  if (vtep === null || remote.vtepMac === null || isDirect(local, remote)) return;
  const entry = netns.neighbours.lookup(netns.inDevice(vtep.dev), remote.subnet.address);
  if (entry !== null) netns.neighbours.remove(entry);
  vtep.deleteEntry(remote.vtepMac, remote.publicIp);
}

/** DirectRouting: the kernel's route to the peer's public address has no gateway. */
function isDirect(local: FlannelNode, remote: FlannelLease): boolean {
  if (!local.settings.directRouting) return false;
  const route = local.netns.fib.lookup(remote.publicIp);
  return route !== null && route.nexthop.gateway === 0;
}
