// Kernel timers: the timer wheel of kernel/time/timer.c, seen from outside. A timer_list never fires at the moment asked
// for: time is counted in jiffies, and a timer further away lands in a coarser bucket, so it comes late by up to one
// bucket (a 1 s timer by at most 32 ms, a 5 s timer by at most 256 ms).
//
//   level   0        1         2          3           ...   bucket width 8^level jiffies
//   delta  <63     <504     <4032     <32256    jiffies     64 buckets each
//
// What one bucket holds fires newest first: enqueue_timer() puts a timer at the head of its bucket's list and
// expire_timers() takes from the head. Golden case 02 shows it: three neighbours that enter DELAY in the order pod-b,
// node-2, node-1 within one bucket probe in the order node-1, node-2, pod-b. Where buckets of several levels end in the
// same jiffy, the coarsest level goes first.
//
// One wheel serves a whole Sim, as one CPU would. Limit: the wheel reaches WHEEL_TIMEOUT_MAX jiffies (48 days); a longer
// delay is cut to that, as in calc_wheel_index().

import { HZ } from './config-hz.ts';
import { NS_PER_S, type Ns, type Sim, type Timer } from './sim.ts';

export { HZ };
/** Length of a jiffy: 4 ms. */
export const JIFFY: Ns = NS_PER_S / HZ;

/** LVL_CLK_SHIFT: a level is 8 times as coarse as the one before it. */
const LEVEL_CLOCK_SHIFT = 3;
/** LVL_SIZE: buckets of a level. */
const LEVEL_SIZE = 64;
/** LVL_DEPTH for HZ > 100. */
const LEVEL_DEPTH = 9;
/** LVL_START(n), in jiffies, as a double: 63 * 8^(n - 1). */
function levelStart(level: number): number {
  return (LEVEL_SIZE - 1) * 2 ** ((level - 1) * LEVEL_CLOCK_SHIFT);
}
/** WHEEL_TIMEOUT_CUTOFF and WHEEL_TIMEOUT_MAX, jiffies. */
const TIMEOUT_CUTOFF = levelStart(LEVEL_DEPTH);
const TIMEOUT_MAX = TIMEOUT_CUTOFF - 2 ** ((LEVEL_DEPTH - 1) * LEVEL_CLOCK_SHIFT);

/** The jiffies counter at virtual time `now`; it starts at 0, in phase with every level of the wheel. */
export function jiffiesAt(now: Ns): number {
  return Math.floor(now / JIFFY);
}

/** A delay in jiffies, rounded up (msecs_to_jiffies, timespec64_to_jiffies). */
export function toJiffies(delay: Ns): number {
  return Math.ceil(delay / JIFFY);
}

/** The level that holds a timer `delta` jiffies away (calc_wheel_index). */
function wheelLevel(delta: number): number {
  let level = 0;
  while (level < LEVEL_DEPTH - 1 && delta >= levelStart(level + 1)) level++;
  return level;
}

/** The jiffy in which a bucket of this level that holds `expires` is handled (calc_index). */
function bucketExpiry(expires: number, level: number): number {
  const width = 2 ** (level * LEVEL_CLOCK_SHIFT);
  return (Math.floor(expires / width) + 1) * width;
}

function cut(delta: number): number {
  return delta >= TIMEOUT_CUTOFF ? TIMEOUT_MAX : delta;
}

/** When a timer armed at `now` for `delay` ns fires. */
export function wheelExpiry(now: Ns, delay: Ns): Ns {
  const delta = cut(toJiffies(delay));
  return bucketExpiry(jiffiesAt(now) + delta, wheelLevel(delta)) * JIFFY;
}

/** When schedule_timeout(delay) called at `now` returns, as SO_RCVTIMEO and poll's coarse waits use it: the same wheel. */
export function schedulingTimeout(now: Ns, delay: Ns): Ns {
  return wheelExpiry(now, delay);
}

/** The buckets that end in one jiffy: per level the newest timer, linked by `next`. */
interface Tick {
  jiffy: number;
  readonly heads: (KernelTimer | null)[];
  count: number;
  readonly timer: Timer;
}

/** Empty ticks kept for reuse: a delayed ACK is armed and cancelled again with every other segment. A choice. */
const SPARE_TICKS = 64;

/** Jiffy to the buckets that end in it. Entries live only while they hold a timer. */
class TimerWheel {
  readonly #sim: Sim;
  readonly #ticks = new Map<number, Tick>();
  readonly #spare: Tick[] = [];
  /** the one whose timers are being fired: it is no spare before that is over */
  #expiring: Tick | null = null;

  constructor(sim: Sim) {
    this.#sim = sim;
  }

  enqueue(timer: KernelTimer): void {
    let tick = this.#ticks.get(timer.bucket);
    if (tick === undefined) {
      tick = this.#spare.pop() ?? this.#newTick();
      tick.jiffy = timer.bucket;
      this.#ticks.set(timer.bucket, tick);
      tick.timer.armAt(timer.bucket * JIFFY);
    }
    const head = tick.heads[timer.level]!;
    timer.next = head;
    timer.previous = null;
    if (head !== null) head.previous = timer;
    tick.heads[timer.level] = timer;
    tick.count++;
  }

  #newTick(): Tick {
    const tick: Tick = {
      jiffy: 0,
      heads: new Array<KernelTimer | null>(LEVEL_DEPTH).fill(null),
      count: 0,
      timer: this.#sim.timer(() => this.#expire(tick)),
    };
    return tick;
  }

  #keep(tick: Tick): void {
    if (this.#spare.length < SPARE_TICKS) this.#spare.push(tick);
  }

  detach(timer: KernelTimer): void {
    const tick = this.#ticks.get(timer.bucket)!;
    if (timer.previous !== null) timer.previous.next = timer.next;
    else tick.heads[timer.level] = timer.next;
    if (timer.next !== null) timer.next.previous = timer.previous;
    timer.next = null;
    timer.previous = null;
    if (--tick.count === 0) {
      tick.timer.cancel();
      this.#ticks.delete(timer.bucket);
      if (tick !== this.#expiring) this.#keep(tick);
    }
  }

  /** Handlers may arm and cancel freely: what they arm lies in a later jiffy, what they cancel leaves the lists here. */
  #expire(tick: Tick): void {
    this.#expiring = tick;
    for (let level = LEVEL_DEPTH - 1; level >= 0; level--) {
      for (let timer = tick.heads[level]!; timer !== null; timer = tick.heads[level]!) {
        timer.cancel();
        timer.fire();
      }
    }
    this.#expiring = null;
    this.#keep(tick);
  }
}

const wheels = new WeakMap<Sim, TimerWheel>();

function wheelOf(sim: Sim): TimerWheel {
  let wheel = wheels.get(sim);
  if (wheel === undefined) {
    wheel = new TimerWheel(sim);
    wheels.set(sim, wheel);
  }
  return wheel;
}

/** struct timer_list: armed at most once; may be armed again (mod_timer) and cancelled (timer_delete) at any time. */
export class KernelTimer {
  readonly #sim: Sim;
  readonly #wheel: TimerWheel;
  readonly fire: () => void;
  /** timer->expires in jiffies, -1 when not armed */
  #expires = -1;
  /** @internal the jiffy in which its bucket is handled */
  bucket = -1;
  /** @internal */
  level = 0;
  /** @internal */
  next: KernelTimer | null = null;
  /** @internal */
  previous: KernelTimer | null = null;

  constructor(sim: Sim, fire: () => void) {
    this.#sim = sim;
    this.#wheel = wheelOf(sim);
    this.fire = fire;
  }

  /** timer_pending() */
  get armed(): boolean {
    return this.#expires >= 0;
  }

  /** What was asked for (timer->expires, a whole jiffy) as virtual time; -1 when not armed. It fires at `due`. */
  get expires(): Ns {
    return this.#expires < 0 ? -1 : this.#expires * JIFFY;
  }

  /** When it will fire; -1 when not armed. */
  get due(): Ns {
    return this.#expires < 0 ? -1 : this.bucket * JIFFY;
  }

  /**
   * mod_timer(jiffies + delay). A timer that stays in its bucket keeps its place in it, as __mod_timer() leaves it.
   * @param delay ns, 0 or more
   */
  arm(delay: Ns): void {
    const delta = cut(toJiffies(delay));
    const expires = jiffiesAt(this.#sim.now) + delta;
    const level = wheelLevel(delta);
    const bucket = bucketExpiry(expires, level);
    if (this.#expires >= 0) {
      if (this.bucket === bucket && this.level === level) {
        this.#expires = expires;
        return;
      }
      this.#wheel.detach(this);
    }
    this.#expires = expires;
    this.level = level;
    this.bucket = bucket;
    this.#wheel.enqueue(this);
  }

  cancel(): void {
    if (this.#expires < 0) return;
    this.#wheel.detach(this);
    this.#expires = -1;
  }
}
