// The network between the nodes: one switch (a machine `underlay` with a Linux bridge br0 and nothing else), one cable per
// node. Impairments and faults of a node's cable are set on that cable (link/cable.ts).
//
//   node-1/eth0 ======== underlay/p-node-1 [br0] underlay/p-node-2 ======== node-2/eth0

import type { Mac } from '../addr/mac.ts';
import { Bridge } from '../link/bridge.ts';
import { Cable } from '../link/cable.ts';
import type { NetDevice } from '../link/device.ts';
import { createVethPair, joinMachines } from '../link/veth.ts';
import { Machine } from '../stack/machine.ts';
import type { NetNamespace } from '../stack/netns.ts';
import type { World } from '../stack/world.ts';
import { ensureUp } from './ensure.ts';
import type { OnDevice } from './host.ts';
import { randomMac } from './random-mac.ts';

/** Name of the switch; no node and no pod may be called so. */
export const UNDERLAY = 'underlay';
/** IFNAMSIZ - 1 (include/uapi/linux/if.h) */
const IFNAME_MAX = 15;

export class Underlay {
  readonly machine: Machine;
  readonly bridge: Bridge;
  /** Cables by node, in the order in which the nodes were plugged in. */
  readonly cables = new Map<string, Cable>();

  constructor(machine: Machine, bridge: Bridge) {
    this.machine = machine;
    this.bridge = bridge;
  }
}

/** @param mtu of the switch's own device */
export function createUnderlay(world: World, mtu: number, onDevice: OnDevice): Underlay {
  const machine = new Machine(world, UNDERLAY);
  const mac = randomMac(world, `${UNDERLAY}/br0`);
  const bridge = new Bridge(world, { name: 'br0', mac, macGiven: true, mtu, owner: UNDERLAY });
  machine.root.addDevice(bridge.dev);
  onDevice(bridge.dev);
  ensureUp(machine.root.loopback.dev);
  ensureUp(bridge.dev);
  return new Underlay(machine, bridge);
}

export interface PlugOptions {
  /** where eth0 goes */
  readonly netns: NetNamespace;
  readonly node: string;
  readonly mac: Mac;
  /** of both ends */
  readonly mtu: number;
  readonly onDevice: OnDevice;
}

/** A cable from a new eth0 of the node to a new port of the switch; the port is up, eth0 is not yet. */
export function plug(world: World, underlay: Underlay, options: PlugOptions): NetDevice {
  const { netns, node, mac, mtu, onDevice } = options;
  const { machine, bridge } = underlay;
  const name = portName(machine.root, node);
  const portMac = randomMac(world, `${UNDERLAY}/${name}`);
  const [eth0, port] = createVethPair(
    world,
    { name: 'eth0', mac, mtu, owner: netns.label },
    { name, mac: portMac, mtu, owner: UNDERLAY },
  );
  joinMachines([eth0, port]);
  netns.addDevice(eth0);
  machine.root.addDevice(port);
  onDevice(eth0);
  onDevice(port);
  ensureUp(port);
  bridge.addPort(port);
  underlay.cables.set(node, new Cable(eth0));
  return eth0;
}

/** `p-<node>`; a name too long for an interface is cut and numbered. */
function portName(netns: NetNamespace, node: string): string {
  const full = `p-${node}`;
  if (full.length <= IFNAME_MAX && netns.device(full) === null) return full;
  for (let n = 1; ; n++) {
    const tail = `~${n}`;
    const name = full.slice(0, IFNAME_MAX - tail.length) + tail;
    if (netns.device(name) === null) return name;
  }
}
