// A machine: one Linux kernel with its initial namespace and the named ones of `ip netns`. Namespaces of one machine
// share what one kernel shares: the secret of the flow hash, jiffies, and the table of named namespaces.

import type { KernelBug } from './kernel-bug.ts';
import { NetNamespace } from './netns.ts';
import type { World } from './world.ts';

export class Machine {
  readonly world: World;
  readonly name: string;
  /** The initial namespace. Its label in captures is the machine's name. */
  readonly root: NetNamespace;
  /** Named namespaces (/run/netns), in the order in which they were added. */
  readonly namespaces = new Map<string, NetNamespace>();
  /** Key of the flow dissector's hash (net/core/flow_dissector.c hashrnd): per boot, here per seed. */
  readonly flowSecret: number;
  /** what this kernel gets wrong */
  readonly bugs = new Set<KernelBug>();

  constructor(world: World, name: string) {
    this.world = world;
    this.name = name;
    this.flowSecret = world.rng(`${name}/flow-hash`).u32() | 0;
    this.root = new NetNamespace(this, name);
    world.machines.set(name, this);
  }

  /** Makes a named namespace; the caller has checked that the name is free. Its label is `label`, by default its name. */
  addNamespace(name: string, label = name): NetNamespace {
    const netns = new NetNamespace(this, label);
    this.namespaces.set(name, netns);
    return netns;
  }

  /** The namespace of this name, or null. */
  namespace(name: string): NetNamespace | null {
    return this.namespaces.get(name) ?? null;
  }

  /** `ip netns del`: its devices go with it (a veth end takes its peer along). */
  deleteNamespace(name: string): boolean {
    const netns = this.namespaces.get(name);
    if (netns === undefined) return false;
    this.namespaces.delete(name);
    netns.dispose();
    return true;
  }

  /** The name under which a namespace of this machine is known, or null for the initial one. */
  nameOf(netns: NetNamespace): string | null {
    for (const [name, n] of this.namespaces) if (n === netns) return name;
    return null;
  }

  dispose(): void {
    for (const netns of this.namespaces.values()) netns.dispose();
    this.root.dispose();
  }
}
