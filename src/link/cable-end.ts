// One direction of an impaired cable: a wrapper that stands directly above a veth end and does the crossing itself, so the
// end below keeps saying who the peer is. A frame goes through these, in the order of netem_enqueue():
//
//   partition -> MTU -> duplicate -> loss -> corrupt -> [ reorder: overtake ] -> queue limit -> wire (rate) -> latency, jitter
//
// Every draw comes from the stream cable/<label>/<direction>/<what>, so that switching one impairment on does not shift
// what another draws.

import { DropReason } from '../base/drop-reason.ts';
import type { Rng } from '../base/rng.ts';
import type { DelayLine, Ns } from '../sim/sim.ts';
import type { LinkHost, NetDevice, WrappingTransmitter } from './device.ts';
import * as frames from './frame.ts';
import { cloneFrame, type Frame, scrubFrame } from './frame.ts';
import { CLEAN, drawDelay, type Impairment, LossModel, serialisation } from './impairment.ts';
import { VETH_DELAY, type VethEnd } from './veth.ts';

// Constants of this module: V8 folds those into the packet path, imported bindings it does not (link/frame.ts).
const { frameEnd, frameHash, frameStart, NO_FRAME, u8 } = frames;

/** Ethernet header and one VLAN tag beside the MTU: is_skb_forwardable() (net/core/dev.c), as for a plain veth. */
const L2_ALLOWANCE = 18;

/** What happened on one direction since it was impaired. */
export interface CableStats {
  /** Frames given to the cable by the device. */
  offered: number;
  /** Frames put on their way, copies included. */
  sent: number;
  lost: number;
  duplicated: number;
  corrupted: number;
  overtook: number;
  queueDropped: number;
}

export class CableEnd implements WrappingTransmitter {
  /** The plain end below; asked for the peer, not used to transmit. */
  inner: VethEnd;
  readonly stats: CableStats = {
    offered: 0,
    sent: 0,
    lost: 0,
    duplicated: 0,
    corrupted: 0,
    overtook: 0,
    queueDropped: 0,
  };
  readonly #host: LinkHost;
  readonly #stream: string;
  #settings: Impairment = CLEAN;
  /** Line of the constant latency, null while jitter or rate make every delay its own. */
  #line: DelayLine | null;
  readonly #lossModel = new LossModel();
  #lossRng: Rng;
  #duplicateRng: Rng;
  #corruptRng: Rng;
  #reorderRng: Rng;
  #jitterRng: Rng;
  /** When the wire is free again. */
  #wireFree: Ns = 0;
  /** When the last frame arrives: the next one is not earlier, unless jitterReorders. */
  #lastArrival: Ns = 0;
  /** Frames since one overtook (netem's counter). */
  #sinceOvertaking = 0;
  /** Ring of the frames that wait for the wire: when each one's transmission begins, and its length. */
  #starts = new Float64Array(16);
  #lengths = new Int32Array(16);
  #head = 0;
  #waiting = 0;
  #waitingBytes = 0;

  constructor(host: LinkHost, inner: VethEnd, stream: string) {
    this.#host = host;
    this.inner = inner;
    this.#stream = stream;
    this.#line = host.sim.line(VETH_DELAY);
    this.#lossRng = this.#rng('loss');
    this.#duplicateRng = this.#rng('duplicate');
    this.#corruptRng = this.#rng('corrupt');
    this.#reorderRng = this.#rng('reorder');
    this.#jitterRng = this.#rng('jitter');
  }

  get settings(): Impairment {
    return this.#settings;
  }

  /** Frames that wait for the wire now. */
  get queued(): number {
    this.#leave(this.#host.sim.now);
    return this.#waiting;
  }

  /** Changes what is named; frames that are on their way stay as they are. */
  change(changes: Partial<Impairment>): void {
    this.#settings = { ...this.#settings, ...changes };
    const { latency, jitter, rate } = this.#settings;
    this.#line = jitter === 0 && rate === 0 ? this.#host.sim.line(VETH_DELAY + latency) : null;
  }

  transmit(frame: Frame, dev: NetDevice): void {
    const settings = this.#settings;
    this.stats.offered++;
    if (settings.partitioned) {
      dev.end(frame, DropReason.LINK_PARTITION);
      return;
    }
    const peer = this.inner.peer;
    const length = frameEnd[frame]! - frameStart[frame]!;
    if (length > peer.mtu + L2_ALLOWANCE) {
      peer.stats.rxDropped++;
      dev.end(frame, DropReason.PKT_TOO_BIG);
      return;
    }
    if (settings.mtu > 0 && length > settings.mtu + L2_ALLOWANCE) {
      this.#note(frame, `longer than the cable carries (MTU ${settings.mtu})`);
      dev.end(frame, DropReason.PKT_TOO_BIG);
      return;
    }
    // What a kernel knows of a packet does not travel with its bytes.
    frameHash[frame] = 0;
    scrubFrame(frame, true);
    if (this.#duplicateRng.chance(settings.duplicate)) {
      const copy = cloneFrame(frame);
      if (copy !== NO_FRAME) {
        this.stats.duplicated++;
        this.#note(copy, 'duplicated on the cable');
        this.#cross(copy, dev, settings);
      }
    }
    this.#cross(frame, dev, settings);
  }

  #cross(frame: Frame, dev: NetDevice, settings: Impairment): void {
    if (this.#lossModel.lost(settings.loss, this.#lossRng)) {
      this.stats.lost++;
      this.#note(frame, 'lost on the cable');
      dev.end(frame, DropReason.LINK_LOSS);
      return;
    }
    if (this.#corruptRng.chance(settings.corrupt)) this.#corrupt(frame);
    if (this.#overtakes(settings)) {
      this.stats.overtook++;
      this.stats.sent++;
      this.#note(frame, 'overtook the frames on the cable');
      this.#host.sim.line(VETH_DELAY).push(this.inner.peer, frame);
      return;
    }
    if (this.#line !== null) {
      this.stats.sent++;
      const arrival = this.#host.sim.now + this.#line.delay;
      // After a change from a slower setting the frames of before may still be on their way: keep the order.
      if (arrival < this.#lastArrival) this.#host.sim.deliverAt(this.#lastArrival, this.inner.peer, frame);
      else {
        this.#lastArrival = arrival;
        this.#line.push(this.inner.peer, frame);
      }
      return;
    }
    this.#schedule(frame, dev, settings);
  }

  /** Through the wire, then the latency: an arrival time of its own. */
  #schedule(frame: Frame, dev: NetDevice, settings: Impairment): void {
    const now = this.#host.sim.now;
    let left = now;
    if (settings.rate > 0) {
      const length = frameEnd[frame]! - frameStart[frame]!;
      this.#leave(now);
      const start = Math.max(now, this.#wireFree);
      if (start > now && !this.#enqueue(start, length, settings)) {
        this.stats.queueDropped++;
        dev.stats.txDropped++;
        dev.end(frame, DropReason.LINK_QUEUE_FULL);
        return;
      }
      left = start + serialisation(length, settings.rate);
      this.#wireFree = left;
    }
    let arrival = left + VETH_DELAY + drawDelay(settings, this.#jitterRng);
    if (arrival < this.#lastArrival && !settings.jitterReorders) arrival = this.#lastArrival;
    if (arrival > this.#lastArrival) this.#lastArrival = arrival;
    this.stats.sent++;
    this.#host.sim.deliverAt(arrival, this.inner.peer, frame);
  }

  /** False when a limit is reached. */
  #enqueue(start: Ns, length: number, settings: Impairment): boolean {
    const { queuePackets, queueBytes } = settings;
    if (queuePackets > 0 && this.#waiting >= queuePackets) return false;
    if (queueBytes > 0 && this.#waitingBytes + length > queueBytes) return false;
    if (this.#waiting === this.#starts.length) this.#grow();
    const i = (this.#head + this.#waiting) % this.#starts.length;
    this.#starts[i] = start;
    this.#lengths[i] = length;
    this.#waiting++;
    this.#waitingBytes += length;
    return true;
  }

  /** Frames whose transmission has begun no longer wait. */
  #leave(now: Ns): void {
    while (this.#waiting > 0 && this.#starts[this.#head]! <= now) {
      this.#waitingBytes -= this.#lengths[this.#head]!;
      this.#head = (this.#head + 1) % this.#starts.length;
      this.#waiting--;
    }
  }

  #grow(): void {
    const n = this.#starts.length;
    const starts = new Float64Array(n * 2);
    const lengths = new Int32Array(n * 2);
    for (let i = 0; i < n; i++) {
      starts[i] = this.#starts[(this.#head + i) % n]!;
      lengths[i] = this.#lengths[(this.#head + i) % n]!;
    }
    this.#starts = starts;
    this.#lengths = lengths;
    this.#head = 0;
  }

  #overtakes(settings: Impairment): boolean {
    if (settings.reorder === 0) return false;
    if (settings.reorderGap > 1 && this.#sinceOvertaking < settings.reorderGap - 1) {
      this.#sinceOvertaking++;
      return false;
    }
    if (!this.#reorderRng.chance(settings.reorder)) {
      this.#sinceOvertaking++;
      return false;
    }
    this.#sinceOvertaking = 0;
    return true;
  }

  #corrupt(frame: Frame): void {
    const at = frameStart[frame]!;
    const length = frameEnd[frame]! - at;
    if (length === 0) return;
    const bit = this.#corruptRng.below(length * 8);
    u8[at + (bit >> 3)]! ^= 0x80 >> (bit & 7);
    this.stats.corrupted++;
    this.#note(frame, `corrupted on the cable: bit ${bit & 7} of byte ${bit >> 3}`);
  }

  #note(frame: Frame, text: string): void {
    const { observer } = this.#host;
    if (observer.wantsNotes) observer.note(frame, text);
  }

  #rng(what: string): Rng {
    return this.#host.rng(`${this.#stream}/${what}`);
  }
}
