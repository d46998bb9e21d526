// A node as a Linux host before any pod network comes: one kernel, its lo up, eth0 plugged into the underlay with the
// node's address, and the sysctls that a distribution and kubeadm set.

import { type Ipv4, maskIpv4 } from '../addr/ipv4.ts';
import { assert } from '../base/assert.ts';
import type { NetDevice } from '../link/device.ts';
import { Machine } from '../stack/machine.ts';
import type { NetNamespace } from '../stack/netns.ts';
import type { World } from '../stack/world.ts';
import type { HostSpec } from './cluster-spec.ts';
import { ensureAddress, ensureRoute, ensureUp } from './ensure.ts';
import { randomMac } from './random-mac.ts';
import { plug, type Underlay } from './underlay.ts';

/** Told of each device before it first comes up: captures attach here. */
export type OnDevice = (dev: NetDevice) => void;

export interface Host {
  readonly machine: Machine;
  readonly eth0: NetDevice;
}

/** Boots the machine and plugs it in. `router`: it forwards, as nodes do. */
export function ensureHost(world: World, spec: HostSpec, underlay: Underlay, onDevice: OnDevice, router = true): Host {
  const known = world.machines.get(spec.name);
  const machine = known ?? new Machine(world, spec.name);
  const { root } = machine;
  const present = root.device('eth0');
  if (known !== undefined && present !== null) return { machine, eth0: present };
  // systemd's 50-default.conf: loose reverse-path filtering for every interface to come.
  setSysctl(root, 'net.ipv4.conf.default.rp_filter', '2');
  // kubeadm's preflight check asks for it.
  if (router) setSysctl(root, 'net.ipv4.ip_forward', '1');
  onDevice(root.loopback.dev);
  ensureUp(root.loopback.dev);
  const eth0 = plug(world, underlay, {
    netns: root,
    node: spec.name,
    mac: spec.mac ?? randomMac(world, `${spec.name}/eth0`),
    mtu: spec.mtu,
    onDevice,
  });
  ensureUp(eth0);
  ensureAddress(root.inDevice(eth0), {
    local: spec.address,
    length: spec.prefixLength,
    broadcast: broadcastOf(spec.address, spec.prefixLength),
  });
  const { gateway } = spec;
  if (gateway != null) {
    const destination = { address: 0, length: 0 };
    ensureRoute(root, { destination, gateway, out: root.inDevice(eth0), onlink: false });
  }
  return { machine, eth0 };
}

/** `brd +`: the last address of the subnet; none for /31 and /32. */
export function broadcastOf(address: Ipv4, length: number): Ipv4 {
  return length > 30 ? 0 : address | ~maskIpv4(length);
}

/** Sets a value that must exist. */
export function setSysctl(netns: NetNamespace, name: string, value: string): void {
  const error = netns.sysctl.set(name, value);
  assert(error === null, `sysctl ${name}=${value} in ${netns.label}: ${error}`);
}
