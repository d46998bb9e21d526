// A world for tests of link/: a clock, seeded streams, and an observer that writes down every drop and every note.

import { parseMac } from '../../src/addr/mac.ts';
import { type DropReason, dropReasonName } from '../../src/base/drop-reason.ts';
import { Rng } from '../../src/base/rng.ts';
import type { Handler, LinkHost, NetDevice, Observer, Transmitter } from '../../src/link/device.ts';
import { type Frame, frameBytes, frameFromBytes, framesInUse, freeFrame } from '../../src/link/frame.ts';
import { createVethPair } from '../../src/link/veth.ts';
import { type Ns, Sim } from '../../src/sim/sim.ts';

export class TestWorld implements LinkHost, Observer {
  readonly sim = new Sim();
  readonly observer: Observer = this;
  wantsNotes = true;
  /** "DEV_DOWN at host/eth0" */
  readonly drops: string[] = [];
  readonly notes: string[] = [];
  readonly #seed: number;
  readonly #streams = new Map<string, Rng>();
  readonly #framesBefore = framesInUse();
  #packetId = 0;

  constructor(seed = 1) {
    this.#seed = seed;
  }

  rng(name: string): Rng {
    let rng = this.#streams.get(name);
    if (rng === undefined) this.#streams.set(name, (rng = new Rng(this.#seed, name)));
    return rng;
  }

  streamNames(): string[] {
    return [...this.#streams.keys()].sort();
  }

  nextPacketId(): number {
    return ++this.#packetId;
  }

  drop(_frame: Frame, reason: DropReason, where: string, dev: NetDevice | null): void {
    this.drops.push(`${dropReasonName(reason)} at ${dev === null ? where : dev.label}`);
  }

  note(_frame: Frame, text: string): void {
    this.notes.push(text);
  }

  /** Frames handed out since this world began and not yet freed. */
  framesHeld(): number {
    return framesInUse() - this.#framesBefore;
  }

  /** Runs for `ns`, and to the end of it even when nothing is left to do. */
  advance(ns: Ns): void {
    const until = this.sim.now + ns;
    this.sim.after(ns, () => {});
    this.sim.runUntil(until);
  }

  /** Two ends, both up. */
  veth(left: string, right: string, mtu = 1500): [NetDevice, NetDevice] {
    const [leftOwner, leftName] = left.split('/') as [string, string];
    const [rightOwner, rightName] = right.split('/') as [string, string];
    const pair = createVethPair(
      this,
      { owner: leftOwner, name: leftName, mac: mac('02:00:00:00:0a:01'), mtu },
      { owner: rightOwner, name: rightName, mac: mac('02:00:00:00:0a:02'), mtu },
    );
    pair[0].setUp(true);
    pair[1].setUp(true);
    return pair;
  }
}

/** Takes what arrives, keeps a copy, frees it. */
export class Sink implements Handler {
  readonly frames: Uint8Array[] = [];
  readonly times: number[] = [];
  input(frame: Frame, dev: NetDevice): void {
    this.frames.push(frameBytes(frame));
    this.times.push(dev.host.sim.now);
    freeFrame(frame);
  }
}

/** Stands above or below a device and writes down what passes. */
export class Tap implements Handler, Transmitter {
  // biome-ignore lint/suspicious/noExplicitAny: one tap stands on either side
  inner: any;
  readonly #write: (frame: Frame) => void;
  constructor(inner: Handler | Transmitter, write: (frame: Frame) => void) {
    this.inner = inner;
    this.#write = write;
  }
  input(frame: Frame, dev: NetDevice): void {
    this.#write(frame);
    this.inner.input(frame, dev);
  }
  transmit(frame: Frame, dev: NetDevice): void {
    this.#write(frame);
    this.inner.transmit(frame, dev);
  }
}

/** Calls back for every frame that the device receives ('<') and transmits ('>'). */
export function tap(dev: NetDevice, write: (direction: '<' | '>', frame: Frame) => void): void {
  dev.upper = new Tap(dev.upper, (f) => write('<', f));
  dev.lower = new Tap(dev.lower, (f) => write('>', f));
}

export function mac(text: string): number {
  const value = parseMac(text);
  if (value === null) throw new Error(`not a MAC: ${text}`);
  return value;
}

/** An Ethernet frame of type 0x88b5 (local experimental). */
export function ethernet(destination: string, source: string, payload = 46): Uint8Array {
  const bytes = new Uint8Array(14 + payload);
  const put = (at: number, text: string): void => {
    for (const [i, part] of text.split(':').entries()) bytes[at + i] = Number.parseInt(part, 16);
  };
  put(0, destination);
  put(6, source);
  bytes[12] = 0x88;
  bytes[13] = 0xb5;
  for (let i = 14; i < bytes.length; i++) bytes[i] = i & 0xff;
  return bytes;
}

export function send(dev: NetDevice, bytes: Uint8Array): void {
  dev.transmit(frameFromBytes(bytes));
}
