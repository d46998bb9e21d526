// The sets of a namespace by name (net/netfilter/ipset/ip_set_core.c). A rule or a list:set holds a slot, not a set: `swap`
// exchanges what two slots hold, and rules that name one see the other's elements from then on.

import type { Sim } from '../../sim/sim.ts';
import { IpSet, type SetOptions } from './ip-set.ts';
import type { SetType } from './set-type.ts';

export class SetSlot {
  name: string;
  set: IpSet;
  readonly number: number;

  constructor(name: string, set: IpSet, number: number) {
    this.name = name;
    this.set = set;
    this.number = number;
  }
}

/** A question of the kernel side that ipset answers in a sentence (lib/errcode.c). */
export class SetError extends Error {}

export class IpSets {
  readonly sim: Sim;
  /** How many rules name the set; netfilter's tables answer. */
  ruleReferences: (name: string) => number = () => 0;
  readonly #slots = new Map<string, SetSlot>();
  #numbers = 0;

  constructor(sim: Sim) {
    this.sim = sim;
  }

  /** In the order in which they were made, list:set last, as ipset lists them. */
  slots(): readonly SetSlot[] {
    const all = [...this.#slots.values()];
    const isList = (s: SetSlot): boolean => s.set.type.name === 'list:set';
    return [...all.filter((s) => !isList(s)), ...all.filter(isList)];
  }

  find(name: string): SetSlot | null {
    return this.#slots.get(name) ?? null;
  }

  /** @throws SetError */
  slot(name: string): SetSlot {
    const slot = this.#slots.get(name);
    if (slot === undefined) throw new SetError('The set with the given name does not exist');
    return slot;
  }

  /** The caller has looked that the name is free. */
  create(name: string, type: SetType, options: SetOptions): SetSlot {
    const slot = new SetSlot(name, new IpSet(type, options, this.sim), this.#numbers++);
    this.#slots.set(name, slot);
    return slot;
  }

  /** Rules and lists that hold the set. */
  references(slot: SetSlot): number {
    let count = this.ruleReferences(slot.name);
    for (const other of this.#slots.values()) {
      if (other.set.type.name !== 'list:set') continue;
      for (const e of other.set.elements()) if (e.member === slot) count++;
    }
    return count;
  }

  /** @throws SetError */
  destroy(name: string): void {
    const slot = this.slot(name);
    if (this.references(slot) > 0) throw new SetError('Set cannot be destroyed: it is in use by a kernel component');
    this.#slots.delete(name);
  }

  /** All or none. @throws SetError */
  destroyAll(): void {
    const lists = this.slots().filter((s) => this.ruleReferences(s.name) > 0);
    if (lists.length > 0) throw new SetError('Set cannot be destroyed: it is in use by a kernel component');
    this.#slots.clear();
  }

  /** @throws SetError */
  rename(from: string, to: string): void {
    const slot = this.slot(from);
    if (this.references(slot) > 0) throw new SetError('Set cannot be renamed: it is in use by another system');
    if (this.#slots.has(to)) throw new SetError('Set cannot be renamed: a set with the new name already exists');
    const renamed = [...this.#slots].map(([name, s]) => [name === from ? to : name, s] as const);
    this.#slots.clear();
    for (const [name, s] of renamed) this.#slots.set(name, s);
    slot.name = to;
  }

  /** @throws SetError */
  swap(from: string, to: string): void {
    const a = this.slot(from);
    const b = this.#slots.get(to);
    if (b === undefined) throw new SetError('Sets cannot be swapped: the second set does not exist');
    if (a.set.type !== b.set.type) throw new SetError('The sets cannot be swapped: their type does not match');
    [a.set, b.set] = [b.set, a.set];
  }
}
