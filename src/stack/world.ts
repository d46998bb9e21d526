// A world: one virtual clock, one seed, the observers, and the machines (kernels) that live in it. Everything random or
// numbered in a run comes from here, so that the same seed gives the same bytes.

import { assert } from '../base/assert.ts';
import { DROP_REASON_COUNT, type DropReason } from '../base/drop-reason.ts';
import { Rng } from '../base/rng.ts';
import type { LinkHost, NetDevice, Observer } from '../link/device.ts';
import { type Frame, freeFrame } from '../link/frame.ts';
import { Sim } from '../sim/sim.ts';
import type { Machine } from './machine.ts';

/** Passes what the packet path reports on to those who listen, in the order in which they came, and counts drops. */
class ObserverHub implements Observer {
  wantsNotes = false;
  /** Drops by reason, for the whole world. */
  readonly drops = new Float64Array(DROP_REASON_COUNT);
  readonly #observers: Observer[] = [];

  add(observer: Observer): void {
    this.#observers.push(observer);
    this.wantsNotes = this.#observers.some((o) => o.wantsNotes);
  }

  remove(observer: Observer): void {
    const i = this.#observers.indexOf(observer);
    if (i >= 0) this.#observers.splice(i, 1);
    this.wantsNotes = this.#observers.some((o) => o.wantsNotes);
  }

  drop(frame: Frame, reason: DropReason, where: string, dev: NetDevice | null): void {
    this.drops[reason]!++;
    for (const o of this.#observers) o.drop(frame, reason, where, dev);
  }

  note(frame: Frame, text: string): void {
    for (const o of this.#observers) if (o.wantsNotes) o.note(frame, text);
  }
}

export class World implements LinkHost {
  readonly sim = new Sim();
  readonly seed: number;
  readonly observer = new ObserverHub();
  /** Machines by name, in the order in which they were made. */
  readonly machines = new Map<string, Machine>();
  readonly #streams = new Map<string, Rng>();
  #packetId = 0;

  /** @param seed whole number 0 .. 2^53-1 */
  constructor(seed: number) {
    assert(Number.isSafeInteger(seed) && seed >= 0, 'a seed is a whole number from 0 to 2^53-1');
    this.seed = seed;
  }

  rng(name: string): Rng {
    let stream = this.#streams.get(name);
    if (stream === undefined) {
      stream = new Rng(this.seed, name);
      this.#streams.set(name, stream);
    }
    return stream;
  }

  nextPacketId(): number {
    return ++this.#packetId;
  }

  /** Ends the world: frames still on their way go back to the pool; nothing may be run in it afterwards. */
  dispose(): void {
    this.sim.drain(freeFrame);
    for (const machine of this.machines.values()) machine.dispose();
  }
}
