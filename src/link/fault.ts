// Faults: wrappers that do one bad thing to chosen frames, for tests and scenarios. Where an impairment rolls dice, a fault
// says which frame: the n-th, or those whose bytes match. It stands above the cable (and below captures at the device, which
// therefore still show the frame go out).

import { DropReason } from '../base/drop-reason.ts';
import type { FrameReceiver, Ns } from '../sim/sim.ts';
import { insertBelow, removeBelow } from './cable.ts';
import type { NetDevice, Transmitter, WrappingTransmitter } from './device.ts';
import { cloneFrame, type Frame, frameEnd, frameStart, NO_FRAME, u8, view } from './frame.ts';

export type FaultAction =
  | { readonly kind: 'drop' }
  /** XORs one byte; an offset behind the frame's end leaves it as it is */
  | { readonly kind: 'corrupt'; readonly offset: number; readonly mask: number }
  | { readonly kind: 'delay'; readonly by: Ns }
  | { readonly kind: 'duplicate' };

export interface FaultRule {
  /** Whether the frame in [start, end) is meant; null: every frame. Must not write. */
  readonly match: ((bytes: DataView, start: number, end: number) => boolean) | null;
  /** Matching frames that go by unharmed first. */
  readonly skip: number;
  /** Matching frames that are hit after that; Infinity: all. */
  readonly count: number;
  readonly action: FaultAction;
}

export class Fault implements WrappingTransmitter, FrameReceiver {
  inner: Transmitter;
  readonly dev: NetDevice;
  readonly rule: FaultRule;
  /** Frames that matched, and those that were hit. */
  matched = 0;
  hits = 0;

  constructor(dev: NetDevice, inner: Transmitter, rule: FaultRule) {
    this.dev = dev;
    this.inner = inner;
    this.rule = rule;
  }

  transmit(frame: Frame, dev: NetDevice): void {
    if (this.#meant(frame)) this.#hit(frame, dev);
    else this.inner.transmit(frame, dev);
  }

  /** A delayed frame goes on. */
  receive(frame: Frame): void {
    this.inner.transmit(frame, this.dev);
  }

  #meant(frame: Frame): boolean {
    const { match, skip, count } = this.rule;
    if (match !== null && !match(view, frameStart[frame]!, frameEnd[frame]!)) return false;
    this.matched++;
    return this.matched > skip && this.matched - skip <= count;
  }

  #hit(frame: Frame, dev: NetDevice): void {
    const { action } = this.rule;
    const { sim, observer } = dev.host;
    this.hits++;
    switch (action.kind) {
      case 'drop':
        observer.note(frame, `lost by a fault: frame ${this.matched} that it looked at`);
        dev.end(frame, DropReason.LINK_LOSS);
        return;
      case 'corrupt': {
        const at = frameStart[frame]! + action.offset;
        if (at < frameEnd[frame]!) {
          observer.note(frame, `corrupted by a fault: byte ${action.offset}`);
          u8[at]! ^= action.mask;
        }
        break;
      }
      case 'delay':
        observer.note(frame, `held back by a fault for ${action.by} ns`);
        sim.deliverAt(sim.now + action.by, this, frame);
        return;
      case 'duplicate': {
        const copy = cloneFrame(frame);
        if (copy !== NO_FRAME) {
          observer.note(copy, 'duplicated by a fault');
          this.inner.transmit(copy, dev);
        }
        break;
      }
    }
    this.inner.transmit(frame, dev);
  }
}

/** Lets the rule loose on what `dev` sends. */
export function injectFault(dev: NetDevice, rule: FaultRule): Fault {
  return insertBelow(dev, (inner) => new Fault(dev, inner, rule)) as Fault;
}

/** Ends the fault; frames that it holds back still come. False when it was ended before. */
export function endFault(fault: Fault): boolean {
  return removeBelow(fault.dev, fault);
}
