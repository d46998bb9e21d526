// The virtual clock and the event queue. Nothing here reads the host's clock; the order of events is (time, sequence),
// so a run is a pure function of what was put in.
//
//   frame deliveries   one FIFO per constant delay ("delay line"): time and sequence never decrease inside one, so the
//                      next delivery of all is at the head of one of them. 5 to 17 times faster than a heap.
//   timers and          a binary heap on (time, sequence); a cancelled timer stays in the heap, marked, and is skipped
//   odd delays          when it surfaces.
//
// Limits: maxEvents and maxTime end a run (outcome, never an exception).

import { assert } from '../base/assert.ts';

/** Virtual nanoseconds since the start of the run; integer, below 2^53 (104 days). */
export type Ns = number;

export const NS_PER_US = 1_000;
export const NS_PER_MS = 1_000_000;
export const NS_PER_S = 1_000_000_000;

/** What a delivery ends at. In practice a NetDevice: `receive` takes ownership of the frame. */
export interface FrameReceiver {
  receive(frame: number): void;
}

/** Why runUntil returned. */
export const RunOutcome = { IDLE: 'idle', TIME: 'time', EVENTS: 'events', STOPPED: 'stopped' } as const;
export type RunOutcome = (typeof RunOutcome)[keyof typeof RunOutcome];

/** FIFO of deliveries that all take the same time. Ring buffers, doubled when full. */
export class DelayLine {
  readonly delay: Ns;
  readonly #sim: Sim;
  /** @internal ring of delivery times */
  times = new Float64Array(64);
  /** @internal ring of sequence numbers */
  sequences = new Float64Array(64);
  /** @internal ring of frames */
  frames = new Int32Array(64);
  /** @internal ring of receivers */
  receivers: (FrameReceiver | null)[] = new Array<FrameReceiver | null>(64).fill(null);
  /** @internal */
  head = 0;
  /** @internal */
  count = 0;
  /** @internal */
  mask = 63;

  constructor(sim: Sim, delay: Ns) {
    this.#sim = sim;
    this.delay = delay;
  }

  /** Delivers the frame to the receiver after the line's delay. */
  push(receiver: FrameReceiver, frame: number): void {
    if (this.count > this.mask) this.#grow();
    const i = (this.head + this.count) & this.mask;
    this.times[i] = this.#sim.now + this.delay;
    this.sequences[i] = this.#sim.nextSequence++;
    this.frames[i] = frame;
    this.receivers[i] = receiver;
    this.count++;
  }

  #grow(): void {
    const n = this.mask + 1;
    const times = new Float64Array(n * 2);
    const sequences = new Float64Array(n * 2);
    const frames = new Int32Array(n * 2);
    const receivers = new Array<FrameReceiver | null>(n * 2).fill(null);
    for (let i = 0; i < n; i++) {
      const j = (this.head + i) & this.mask;
      times[i] = this.times[j]!;
      sequences[i] = this.sequences[j]!;
      frames[i] = this.frames[j]!;
      receivers[i] = this.receivers[j]!;
    }
    this.times = times;
    this.sequences = sequences;
    this.frames = frames;
    this.receivers = receivers;
    this.head = 0;
    this.mask = n * 2 - 1;
  }
}

/** Delay lines that runUntil looks at for each event; a choice. Cables that change their latency all the time pass it. */
const LINES_MAX = 32;

/** A delay line beyond LINES_MAX: the same order of events, by way of the heap. */
class HeapLine extends DelayLine {
  readonly #owner: Sim;

  constructor(sim: Sim, delay: Ns) {
    super(sim, delay);
    this.#owner = sim;
  }

  override push(receiver: FrameReceiver, frame: number): void {
    this.#owner.deliverAt(this.#owner.now + this.delay, receiver, frame);
  }
}

/** A timer with identity, like the kernel's timer_list: armed at most once, may be re-armed and cancelled at any time. */
export class Timer {
  readonly #sim: Sim;
  readonly fire: () => void;
  /** @internal generation: a heap slot with an older one is dead */
  generation = 0;
  /** Virtual time at which it will fire, or -1 when not armed. */
  due: Ns = -1;

  constructor(sim: Sim, fire: () => void) {
    this.#sim = sim;
    this.fire = fire;
  }

  get armed(): boolean {
    return this.due >= 0;
  }

  /** (Re-)arms to fire `delay` ns from now. */
  arm(delay: Ns): void {
    this.armAt(this.#sim.now + delay);
  }

  armAt(time: Ns): void {
    this.generation++;
    this.due = time < this.#sim.now ? this.#sim.now : time;
    this.#sim.scheduleTimer(this.due, this);
  }

  cancel(): void {
    this.generation++;
    this.due = -1;
  }
}

interface HeapSlot {
  time: Ns;
  sequence: number;
  timer: Timer | null;
  generation: number;
  receiver: FrameReceiver | null;
  frame: number;
}

export class Sim {
  now: Ns = 0;
  /** @internal */
  nextSequence = 0;
  /** Events handled since the start. */
  events = 0;
  /** Set by stop(): runUntil returns after the current event. */
  #stopRequested = false;
  readonly #lines: DelayLine[] = [];
  readonly #heap: HeapSlot[] = [];

  /** The delay line for a constant delay: the same object for the same delay, for the first LINES_MAX delays. */
  line(delay: Ns): DelayLine {
    assert(Number.isInteger(delay) && delay >= 0, 'a delay is a whole number of nanoseconds, 0 or more');
    let line = this.#lines.find((l) => l.delay === delay);
    if (line !== undefined) return line;
    // Beyond a few dozen distinct delays scanning their heads would cost more than the heap saves.
    if (this.#lines.length >= LINES_MAX) return new HeapLine(this, delay);
    line = new DelayLine(this, delay);
    this.#lines.push(line);
    return line;
  }

  get lineCount(): number {
    return this.#lines.length;
  }

  timer(fire: () => void): Timer {
    return new Timer(this, fire);
  }

  /** Calls back once after `delay` ns. */
  after(delay: Ns, fire: () => void): Timer {
    const t = new Timer(this, fire);
    t.arm(delay);
    return t;
  }

  /** Delivers a frame at an arbitrary time (jitter, serialisation): through the heap. */
  deliverAt(time: Ns, receiver: FrameReceiver, frame: number): void {
    this.#push({
      time: time < this.now ? this.now : time,
      sequence: this.nextSequence++,
      timer: null,
      generation: 0,
      receiver,
      frame,
    });
  }

  /** @internal */
  scheduleTimer(time: Ns, timer: Timer): void {
    this.#push({ time, sequence: this.nextSequence++, timer, generation: timer.generation, receiver: null, frame: 0 });
  }

  /** Makes runUntil return after the event in progress. */
  stop(): void {
    this.#stopRequested = true;
  }

  /** Time of the next event, or -1 when nothing is pending. */
  nextTime(): Ns {
    this.#dropDead();
    let best = -1;
    for (const line of this.#lines) {
      if (line.count > 0) {
        const t = line.times[line.head]!;
        if (best < 0 || t < best) best = t;
      }
    }
    const top = this.#heap[0];
    if (top !== undefined && (best < 0 || top.time < best)) best = top.time;
    return best;
  }

  /**
   * Handles events in (time, sequence) order until none is left, the next lies after `until`, `maxEvents` were handled
   * in this call, or stop() was called. With outcome TIME the clock stands at `until`.
   */
  runUntil(until: Ns, maxEvents = Number.POSITIVE_INFINITY): RunOutcome {
    this.#stopRequested = false;
    const lines = this.#lines;
    const heap = this.#heap;
    let left = maxEvents;
    for (;;) {
      if (left <= 0) return RunOutcome.EVENTS;
      let best: DelayLine | null = null;
      let time = Number.POSITIVE_INFINITY;
      let sequence = 0;
      for (let i = 0; i < lines.length; i++) {
        const line = lines[i]!;
        if (line.count === 0) continue;
        const t = line.times[line.head]!;
        if (t < time || (t === time && line.sequences[line.head]! < sequence)) {
          best = line;
          time = t;
          sequence = line.sequences[line.head]!;
        }
      }
      const top = heap.length > 0 ? heap[0]! : null;
      if (top !== null && (top.time < time || (top.time === time && top.sequence < sequence))) {
        const timer = top.timer;
        if (timer !== null && timer.generation !== top.generation) {
          this.#pop();
          continue;
        }
        if (top.time > until) {
          if (this.now < until) this.now = until;
          return RunOutcome.TIME;
        }
        this.#pop();
        this.now = top.time;
        this.events++;
        left--;
        if (timer !== null) {
          timer.due = -1;
          timer.fire();
        } else {
          top.receiver!.receive(top.frame);
        }
      } else {
        if (best === null) return RunOutcome.IDLE;
        if (time > until) {
          if (this.now < until) this.now = until;
          return RunOutcome.TIME;
        }
        const head = best.head;
        const receiver = best.receivers[head]!;
        best.head = (head + 1) & best.mask;
        best.count--;
        this.now = time;
        this.events++;
        left--;
        receiver.receive(best.frames[head]!);
      }
      if (this.#stopRequested) return RunOutcome.STOPPED;
    }
  }

  /** Hands every frame that is still on its way to `release` and forgets all events (end of a run). */
  drain(release: (frame: number) => void): void {
    for (const line of this.#lines) {
      for (let i = 0; i < line.count; i++) release(line.frames[(line.head + i) & line.mask]!);
      line.count = 0;
      line.receivers.fill(null);
    }
    for (const slot of this.#heap) if (slot.receiver !== null) release(slot.frame);
    this.#heap.length = 0;
  }

  #dropDead(): void {
    while (this.#heap.length > 0) {
      const top = this.#heap[0]!;
      if (top.timer === null || top.timer.generation === top.generation) return;
      this.#pop();
    }
  }

  #push(slot: HeapSlot): void {
    const heap = this.#heap;
    let i = heap.length;
    heap.push(slot);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      const p = heap[parent]!;
      if (p.time < slot.time || (p.time === slot.time && p.sequence < slot.sequence)) break;
      heap[i] = p;
      i = parent;
    }
    heap[i] = slot;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    const n = heap.length;
    if (n === 0) return;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= n) break;
      const right = child + 1;
      if (right < n) {
        const l = heap[child]!;
        const r = heap[right]!;
        if (r.time < l.time || (r.time === l.time && r.sequence < l.sequence)) child = right;
      }
      const c = heap[child]!;
      if (last.time < c.time || (last.time === c.time && last.sequence < c.sequence)) break;
      heap[i] = c;
      i = child;
    }
    heap[i] = last;
  }
}
