// Conntrack's garbage collector (nf_conntrack_core.c gc_worker): comes by now and then, takes expired entries out, and
// decides from the time-outs of the others when to come again: between 1 and 60 seconds. It sleeps while the table is empty.

import { HZ, KernelTimer } from '../../sim/jiffies.ts';
import { NS_PER_S } from '../../sim/sim.ts';
import type { Conntrack } from './conntrack.ts';
import { tcpIsClosing } from './conntrack-tcp.ts';
import { CtStatus } from './nf-conn.ts';

/** GC_SCAN_INTERVAL_MIN, _MAX, _CLAMP: jiffies */
const INTERVAL_MIN = 1 * HZ;
const INTERVAL_MAX = 60 * HZ;
const INTERVAL_CLAMP = 300 * HZ;
/** GC_SCAN_INITIAL_COUNT: the average begins as if so many entries had INTERVAL_MAX left. */
const INITIAL_COUNT = 100;
/** Both tuples of an entry stand in the kernel's table, and both count in its average. */
const TUPLES = 2;
/** nf_conntrack_max95: above this share of the table closing connections may go early. */
const CROWDED = 0.95;

export class ConntrackCollector {
  /** The table was full: closing TCP connections may go before their time. */
  early = false;
  readonly #conntrack: Conntrack;
  readonly #timer: KernelTimer;

  constructor(conntrack: Conntrack) {
    this.#conntrack = conntrack;
    this.#timer = new KernelTimer(conntrack.host.sim, () => this.#run());
  }

  /** An entry came into the table. */
  start(): void {
    if (!this.#timer.armed) this.#timer.arm((INTERVAL_MAX / HZ) * NS_PER_S);
  }

  /** The namespace goes. */
  stop(): void {
    this.#timer.cancel();
  }

  #run(): void {
    const conntrack = this.#conntrack;
    const now = conntrack.jiffies;
    const crowded = this.early && conntrack.count > conntrack.settings.values.nf_conntrack_max * CROWDED;
    let next = INTERVAL_MAX;
    let count = INITIAL_COUNT;
    for (const ct of conntrack.entries()) {
      const left = ct.timeout - now;
      if (left <= 0 || (crowded && (tcpIsClosing(ct) || (ct.status & CtStatus.ASSURED) === 0))) {
        conntrack.kill(ct, false);
        continue;
      }
      const expires = Math.min(Math.max(left, INTERVAL_MIN), INTERVAL_CLAMP);
      for (let i = 0; i < TUPLES; i++) next += Math.trunc((expires - next) / ++count);
    }
    this.early = false;
    if (conntrack.count === 0) return;
    // One jiffy is taken off for the scan itself.
    next = Math.min(Math.max(next, INTERVAL_MIN), INTERVAL_MAX) - 1;
    this.#timer.arm((Math.max(next, 1) / HZ) * NS_PER_S);
  }
}
