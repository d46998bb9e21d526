// What expectations look at: frames on watched interfaces, and every drop. A probe is a wrapper of a device like the
// capture's (capture/tap.ts); it stands outside it and copies frames, so that they can be dissected afterwards, when
// somebody asks.
//
// Limits: FRAMES_MAX frames and BYTES_MAX bytes are kept, DROPS_MAX drops, the first of them with their bytes; beyond them what
// can no longer be judged says so.

import { DropReason } from '../base/drop-reason.ts';
import { matchesLabel } from '../capture/glob.ts';
import type {
  Handler,
  NetDevice,
  Observer,
  Transmitter,
  WrappingHandler,
  WrappingTransmitter,
} from '../link/device.ts';
import { type Frame, frameBytes, frameEnd, framePacketId, frameStart } from '../link/frame.ts';
import type { Ns } from '../sim/sim.ts';
import type { World } from '../stack/world.ts';
import { type Dissection, dissectFrame } from '../wire/dissect.ts';

/** Choices: some hundred megabytes of memory. */
const FRAMES_MAX = 500_000;
const BYTES_MAX = 256 * 1024 * 1024;
const DROPS_MAX = 1_000_000;
/** Drops whose bytes are kept, for reports. Choice. */
const DROPS_SHOWN_MAX = 10_000;
const NO_BYTES = new Uint8Array(0);

export type FrameDirection = 'in' | 'out';

export class ObservedFrame {
  /** `owner/ifname` */
  readonly label: string;
  readonly direction: FrameDirection;
  readonly time: Ns;
  readonly bytes: Uint8Array;
  readonly packetId: number;
  /** its number in the capture of the run, or null when it is not in one */
  readonly number: number | null;
  #dissection: Dissection | null = null;

  constructor(seen: {
    readonly label: string;
    readonly direction: FrameDirection;
    readonly time: Ns;
    readonly bytes: Uint8Array;
    readonly packetId: number;
    readonly number: number | null;
  }) {
    this.label = seen.label;
    this.direction = seen.direction;
    this.time = seen.time;
    this.bytes = seen.bytes;
    this.packetId = seen.packetId;
    this.number = seen.number;
  }

  get length(): number {
    return this.bytes.length;
  }

  get dissection(): Dissection {
    this.#dissection ??= dissectFrame(this.bytes);
    return this.#dissection;
  }
}

export interface ObservedDrop {
  readonly time: Ns;
  readonly reason: DropReason;
  /** `owner/ifname`, or the namespace where no device has to do with it */
  readonly where: string;
  readonly packetId: number;
  readonly bytes: Uint8Array;
}

/** Where a count begins: what came before is not looked at. */
export interface Mark {
  readonly time: Ns;
  readonly frames: number;
  readonly drops: number;
}

export class Observation implements Observer {
  readonly wantsNotes = false;
  readonly world: World;
  readonly frames: ObservedFrame[] = [];
  readonly drops: ObservedDrop[] = [];
  /** Drops that are not kept. */
  dropsBeyond = 0;
  /** Frames that are not kept. */
  framesBeyond = 0;
  #bytes = 0;
  readonly #patterns: readonly string[];
  readonly #numberOf: (dev: NetDevice) => number | null;

  /**
   * @param patterns interfaces to watch (capture/glob.ts); none watches nothing
   * @param numberOf the number that the frame passing `dev` now has in the capture, or null
   */
  constructor(world: World, patterns: readonly string[], numberOf: (dev: NetDevice) => number | null) {
    this.world = world;
    this.#patterns = patterns;
    this.#numberOf = numberOf;
  }

  /** Watches the device if a pattern says so. */
  attach(dev: NetDevice): void {
    if (this.#patterns.length === 0 || !matchesLabel(this.#patterns, dev.label)) return;
    dev.upper = new HandlerProbe(dev.upper, this);
    dev.lower = new TransmitterProbe(dev.lower, this);
  }

  mark(): Mark {
    return { time: this.world.sim.now, frames: this.frames.length, drops: this.drops.length };
  }

  /** @internal a frame passes a watched device */
  see(frame: Frame, dev: NetDevice, direction: FrameDirection): void {
    const length = frameEnd[frame]! - frameStart[frame]!;
    if (this.frames.length >= FRAMES_MAX || this.#bytes + length > BYTES_MAX) {
      this.framesBeyond++;
      return;
    }
    this.#bytes += length;
    if (framePacketId[frame] === 0) framePacketId[frame] = this.world.nextPacketId();
    this.frames.push(
      new ObservedFrame({
        label: dev.label,
        direction,
        time: this.world.sim.now,
        bytes: frameBytes(frame),
        packetId: framePacketId[frame]!,
        number: this.#numberOf(dev),
      }),
    );
  }

  drop(frame: Frame, reason: DropReason, where: string, dev: NetDevice | null): void {
    if (reason === DropReason.NOT_DROPPED) return;
    if (this.drops.length >= DROPS_MAX) {
      this.dropsBeyond++;
      return;
    }
    this.drops.push({
      time: this.world.sim.now,
      reason,
      where: dev === null ? where : dev.label,
      packetId: framePacketId[frame]!,
      bytes: this.drops.length < DROPS_SHOWN_MAX ? frameBytes(frame) : NO_BYTES,
    });
  }

  note(): void {}
}

class HandlerProbe implements WrappingHandler {
  inner: Handler;
  readonly #observation: Observation;

  constructor(inner: Handler, observation: Observation) {
    this.inner = inner;
    this.#observation = observation;
  }

  input(frame: Frame, dev: NetDevice): void {
    this.#observation.see(frame, dev, 'in');
    this.inner.input(frame, dev);
  }
}

class TransmitterProbe implements WrappingTransmitter {
  inner: Transmitter;
  readonly #observation: Observation;

  constructor(inner: Transmitter, observation: Observation) {
    this.inner = inner;
    this.#observation = observation;
  }

  transmit(frame: Frame, dev: NetDevice): void {
    this.#observation.see(frame, dev, 'out');
    this.inner.transmit(frame, dev);
  }
}
