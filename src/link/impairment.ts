// What a cable may do to a frame, as settings of one direction, and the draws behind them. The model is netem
// (net/sched/sch_netem.c, tc-netem(8)) with three differences that are named at their fields: rate, jitter, reorder.

import type { Rng } from '../base/rng.ts';
import type { Ns } from '../sim/sim.ts';

/** Independent loss: each frame with this probability. */
export interface RandomLoss {
  readonly kind: 'random';
  readonly probability: number;
}

/** Bursts: Gilbert-Elliott, two states with a loss rate each (netem `loss gemodel p r 1-h 1-k`). */
export interface BurstLoss {
  readonly kind: 'burst';
  /** p: good to bad, per frame */
  readonly goodToBad: number;
  /** r: bad to good, per frame */
  readonly badToGood: number;
  /** 1-h: loss in the bad state */
  readonly lossInBad: number;
  /** 1-k: loss in the good state */
  readonly lossInGood: number;
}

/** One direction of a cable. Probabilities are 0 .. 1; 0 and null mean "does not happen". */
export interface Impairment {
  /** Propagation, beside the 2 us that a plain veth pair takes. */
  readonly latency: Ns;
  /**
   * Spread around the latency: uniform in latency +- jitter, or normal with this standard deviation; never below zero.
   * Other than in netem a frame that drew a short delay waits for the one in front of it, unless `jitterReorders`.
   */
  readonly jitter: Ns;
  readonly jitterShape: 'uniform' | 'normal';
  readonly jitterReorders: boolean;
  /** Bit/s on the wire, 0 = infinite. Each frame takes its length plus WIRE_OVERHEAD, and 60 bytes at least. */
  readonly rate: number;
  /** Frames, and bytes of frames, that may wait for the wire (behind the one on it); 0 = any number. Tail drop. */
  readonly queuePackets: number;
  readonly queueBytes: number;
  readonly loss: RandomLoss | BurstLoss | null;
  /** Probability that a frame goes twice. The copy runs through loss and the rest by itself, as in netem. */
  readonly duplicate: number;
  /** Probability that one random bit of a frame is flipped. */
  readonly corrupt: number;
  /**
   * Probability that a frame overtakes: it is sent without latency, jitter and serialisation, so it needs a latency to be
   * seen. With gap N > 1 only every N-th frame may (netem `reorder P% gap N`).
   */
  readonly reorder: number;
  readonly reorderGap: number;
  /** Longest payload that the cable carries, 0 = what the devices allow. */
  readonly mtu: number;
  /** Fault: nothing arrives, though both ends have carrier. */
  readonly partitioned: boolean;
}

/** A cable that does nothing of it. */
export const CLEAN: Impairment = Object.freeze({
  latency: 0,
  jitter: 0,
  jitterShape: 'uniform',
  jitterReorders: false,
  rate: 0,
  queuePackets: 0,
  queueBytes: 0,
  loss: null,
  duplicate: 0,
  corrupt: 0,
  reorder: 0,
  reorderGap: 0,
  mtu: 0,
  partitioned: false,
});

/** What a frame takes on an Ethernet wire beside itself: preamble 7, SFD 1, FCS 4, gap 12 bytes (IEEE 802.3 clause 4.4.2). */
export const WIRE_OVERHEAD = 24;
/** Shortest frame without its FCS; the sender pads to it. */
const WIRE_MINIMUM = 60;

/** Time that `length` bytes of frame occupy a wire of `rate` bit/s, rounded up to 1 ns. */
export function serialisation(length: number, rate: number): Ns {
  return Math.ceil(((Math.max(length, WIRE_MINIMUM) + WIRE_OVERHEAD) * 8 * 1e9) / rate);
}

/** The two-state chain of a burst loss, or plain chance. One per direction; keeps its state when settings change. */
export class LossModel {
  #bad = false;

  /** Whether this frame is lost. Draws as netem's loss_gilb_ell(): first the move, then the loss of the state left. */
  lost(loss: RandomLoss | BurstLoss | null, rng: Rng): boolean {
    if (loss === null) return false;
    if (loss.kind === 'random') return rng.chance(loss.probability);
    const bad = this.#bad;
    if (rng.unit() < (bad ? loss.badToGood : loss.goodToBad)) this.#bad = !bad;
    return rng.unit() < (bad ? loss.lossInBad : loss.lossInGood);
  }
}

/** Uniform draws whose sum approaches a normal variable: mean 6, variance 1 (Irwin-Hall with n = 12). */
const NORMAL_DRAWS = 12;

/**
 * Latency with its jitter, a whole number of ns, 0 or more. The normal shape is a sum of uniforms: Math.log and Math.cos may
 * differ in their last bit from one version of Node to another, additions do not.
 */
export function drawDelay(settings: Impairment, rng: Rng): Ns {
  const { latency, jitter } = settings;
  if (jitter === 0) return latency;
  let offset: number;
  if (settings.jitterShape === 'uniform') offset = (rng.unit() * 2 - 1) * jitter;
  else {
    let sum = 0;
    for (let i = 0; i < NORMAL_DRAWS; i++) sum += rng.unit();
    offset = (sum - NORMAL_DRAWS / 2) * jitter;
  }
  return Math.max(0, Math.round(latency + offset));
}

/** What is wrong with the settings: one sentence per mistake, with the field's name first; empty when all is well. */
export function impairmentMistakes(changes: Partial<Impairment>): string[] {
  const mistakes: string[] = [];
  const probability = (name: string, value: number | undefined): void => {
    if (value !== undefined && !(value >= 0 && value <= 1))
      mistakes.push(`${name}: a probability is 0 to 1, not ${value}`);
  };
  const whole = (name: string, value: number | undefined, unit: string): void => {
    if (value !== undefined && !(Number.isSafeInteger(value) && value >= 0)) {
      mistakes.push(`${name}: a whole number of ${unit}, 0 or more, not ${value}`);
    }
  };
  whole('latency', changes.latency, 'nanoseconds');
  whole('jitter', changes.jitter, 'nanoseconds');
  whole('queuePackets', changes.queuePackets, 'frames');
  whole('queueBytes', changes.queueBytes, 'bytes');
  whole('mtu', changes.mtu, 'bytes');
  whole('reorderGap', changes.reorderGap, 'frames');
  if (changes.rate !== undefined && !(changes.rate >= 0 && Number.isFinite(changes.rate))) {
    mistakes.push(`rate: bits per second, 0 or more, not ${changes.rate}`);
  }
  probability('duplicate', changes.duplicate);
  probability('corrupt', changes.corrupt);
  probability('reorder', changes.reorder);
  const { loss } = changes;
  if (loss?.kind === 'random') probability('loss.probability', loss.probability);
  else if (loss?.kind === 'burst') {
    probability('loss.goodToBad', loss.goodToBad);
    probability('loss.badToGood', loss.badToGood);
    probability('loss.lossInBad', loss.lossInBad);
    probability('loss.lossInGood', loss.lossInGood);
  }
  return mistakes;
}
