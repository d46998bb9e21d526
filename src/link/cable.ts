// Cables: the impairments of a veth pair, switched on and off while frames run. A pair that was never impaired is a plain
// cable: nothing of this stands in its way.
//
//   a  --- CableEnd (a to b) --- VethEnd --->  b        each direction has its own settings, streams and queue
//   a  <--- VethEnd --- CableEnd (b to a) ---  b        the plug (up or down) is the cable's

import { assert } from '../base/assert.ts';
import { CableEnd, type CableStats } from './cable-end.ts';
import { DeviceEvent, type NetDevice, type Transmitter, type WrappingTransmitter } from './device.ts';
import { CLEAN, type Impairment, impairmentMistakes } from './impairment.ts';
import { VethEnd, vethPeer } from './veth.ts';

/** Which way: frames that the first end sends, that the second sends, or both. */
export type CableDirection = 'forth' | 'back' | 'both';

/**
 * Impairs what `dev` sends; may be called again, and changes only what is named.
 * @param label names the random streams; two runs with the same label, seed and frames draw the same
 * @returns the end that stands below the device now
 */
export function impair(dev: NetDevice, changes: Partial<Impairment>, label = cableLabel(dev)): CableEnd {
  const mistakes = impairmentMistakes(changes);
  assert(mistakes.length === 0, mistakes.join('; '));
  const end = cableEnd(dev) ?? insertEnd(dev, label);
  end.change(changes);
  return end;
}

/** Takes the impairment off; frames on their way still arrive when they would have. */
export function clean(dev: NetDevice): void {
  const end = cableEnd(dev);
  if (end !== null) replace(dev, end, end.inner);
}

/** The impaired end below the device, or null while its cable is plain. */
export function cableEnd(dev: NetDevice): CableEnd | null {
  for (let at: Transmitter | undefined = dev.lower; at !== undefined; at = innerOf(at)) {
    if (at instanceof CableEnd) return at;
  }
  return null;
}

/** Puts a wrapper directly above the real thing below `dev`, or above the cable's impairment where there is one. */
export function insertBelow(dev: NetDevice, wrap: (inner: Transmitter) => WrappingTransmitter): WrappingTransmitter {
  let at: Transmitter = dev.lower;
  for (let inner = innerOf(at); inner !== undefined && !(at instanceof CableEnd); inner = innerOf(at)) at = inner;
  const wrapper = wrap(at);
  replace(dev, at, wrapper);
  return wrapper;
}

/** Takes a wrapper out of the chain below `dev`; false when it is not there. */
export function removeBelow(dev: NetDevice, wrapper: WrappingTransmitter): boolean {
  for (let at: Transmitter | undefined = dev.lower; at !== undefined; at = innerOf(at)) {
    if (at !== wrapper) continue;
    replace(dev, wrapper, wrapper.inner);
    return true;
  }
  return false;
}

/** `a--b` with the labels of both ends in sorted order: the same from either end. */
export function cableLabel(dev: NetDevice): string {
  const peer = vethPeer(dev);
  assert(peer !== null, `${dev.label} is no end of a cable`);
  return [dev.label, peer.label].sort().join('--');
}

/** A cable as scenarios speak of it: both directions, the plug, and what happened on it. */
export class Cable {
  readonly a: NetDevice;
  readonly b: NetDevice;
  readonly label: string;
  #plugged = true;
  readonly #holdDown: (event: DeviceEvent, dev: NetDevice) => void;

  /** @param a one end of a veth pair; the cable's `forth` is from here to the other end */
  constructor(a: NetDevice, label = cableLabel(a)) {
    const b = vethPeer(a);
    assert(b !== null, `${a.label} is no end of a cable`);
    this.a = a;
    this.b = b;
    this.label = label;
    // veth gives both ends carrier whenever both are up; an unplugged cable takes it back at once.
    this.#holdDown = (event, dev) => {
      if (event === DeviceEvent.CARRIER && dev.carrier) dev.setCarrier(false);
    };
  }

  change(changes: Partial<Impairment>, direction: CableDirection = 'both'): void {
    if (direction !== 'back') impair(this.a, changes, this.label);
    if (direction !== 'forth') impair(this.b, changes, this.label);
  }

  /** Settings of one direction; CLEAN while it is plain. */
  settings(direction: 'forth' | 'back'): Impairment {
    return cableEnd(direction === 'forth' ? this.a : this.b)?.settings ?? CLEAN;
  }

  /** Counters of one direction, null while it was not impaired. */
  stats(direction: 'forth' | 'back'): CableStats | null {
    return cableEnd(direction === 'forth' ? this.a : this.b)?.stats ?? null;
  }

  /** Back to a plain cable in both directions; the plug stays as it is. */
  clean(): void {
    clean(this.a);
    clean(this.b);
  }

  get plugged(): boolean {
    return this.#plugged;
  }

  /** Pulls the plug (both ends lose carrier) or puts it in. What is on the cable still arrives. */
  setPlugged(plugged: boolean): void {
    if (plugged === this.#plugged) return;
    this.#plugged = plugged;
    if (plugged) {
      this.a.unlisten(this.#holdDown);
      this.b.unlisten(this.#holdDown);
      const on = this.a.up && this.b.up;
      this.a.setCarrier(on);
      this.b.setCarrier(on);
    } else {
      this.a.setCarrier(false);
      this.b.setCarrier(false);
      this.a.listen(this.#holdDown);
      this.b.listen(this.#holdDown);
    }
  }

  /** A partition: both ends keep carrier, nothing gets through. */
  setPartitioned(partitioned: boolean, direction: CableDirection = 'both'): void {
    this.change({ partitioned }, direction);
  }
}

function insertEnd(dev: NetDevice, label: string): CableEnd {
  let at: Transmitter = dev.lower;
  for (let inner = innerOf(at); inner !== undefined; inner = innerOf(at)) at = inner;
  assert(at instanceof VethEnd, `${dev.label} is no end of a cable`);
  const end = new CableEnd(dev.host, at, `cable/${label}/${dev.label}`);
  replace(dev, at, end);
  return end;
}

function innerOf(transmitter: Transmitter): Transmitter | undefined {
  return (transmitter as Transmitter & { inner?: Transmitter }).inner;
}

/** Puts `next` where `old` stands in the chain below the device. */
function replace(dev: NetDevice, old: Transmitter, next: Transmitter): void {
  if (dev.lower === old) {
    dev.lower = next;
    return;
  }
  for (let at: Transmitter | undefined = dev.lower; at !== undefined; at = innerOf(at)) {
    if (innerOf(at) === old) {
      (at as WrappingTransmitter).inner = next;
      return;
    }
  }
}
