// Proves that kernel timers fire in the jiffy and in the order of the kernel's timer wheel (kernel/time/timer.c).

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HZ, JIFFY, jiffiesAt, KernelTimer, schedulingTimeout, toJiffies, wheelExpiry } from '../../src/sim/jiffies.ts';
import { NS_PER_MS, NS_PER_S, RunOutcome, Sim } from '../../src/sim/sim.ts';

/** Lateness beyond the jiffy asked for, in jiffies. */
function late(jiffies: number, delta: number): number {
  const at = wheelExpiry(jiffies * JIFFY, delta * JIFFY) / JIFFY;
  return at - (jiffies + delta);
}

describe('wheelExpiry', () => {
  it('counts in jiffies of 4 ms', () => {
    expect(HZ).toBe(250);
    expect(JIFFY).toBe(4 * NS_PER_MS);
    expect(jiffiesAt(JIFFY - 1)).toBe(0);
    expect(jiffiesAt(JIFFY)).toBe(1);
    expect(toJiffies(1)).toBe(1);
    expect(toJiffies(JIFFY)).toBe(1);
    expect(toJiffies(JIFFY + 1)).toBe(2);
  });

  it('never fires in the jiffy of arming, not even for a delay of 0', () => {
    expect(wheelExpiry(0, 0)).toBe(JIFFY);
    expect(wheelExpiry(JIFFY - 1, 0)).toBe(JIFFY);
    expect(wheelExpiry(JIFFY, 0)).toBe(2 * JIFFY);
  });

  it.each([
    [62, 1, 1],
    [63, 1, 8],
    [503, 1, 8],
    [504, 8, 64],
    [4031, 8, 64],
    [4032, 64, 512],
    [32_255, 64, 512],
    [32_256, 512, 4096],
    [258_047, 512, 4096],
    [258_048, 4096, 32_768],
  ])('a timer %i jiffies away is late by a bucket of its level', (delta, _least, width) => {
    // Over all phases of the counter the lateness takes every value from 1 to the width of the bucket.
    const seen = new Set<number>();
    for (let phase = 0; phase < width; phase++) seen.add(late(width * 3 + phase, delta));
    expect(Math.min(...seen)).toBe(1);
    expect(Math.max(...seen)).toBe(width);
    expect(seen.size).toBe(width);
  });

  it('makes 1 s at most 32 ms late and 5 s at most 256 ms, and never early', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 10 ** 12 }), (now) => {
        const one = wheelExpiry(now, NS_PER_S) - now - NS_PER_S;
        const five = wheelExpiry(now, 5 * NS_PER_S) - now - 5 * NS_PER_S;
        return one > 0 && one <= 32 * NS_PER_MS && five > 0 && five <= 256 * NS_PER_MS;
      }),
    );
  });

  it('cuts what the wheel cannot hold to its capacity', () => {
    const capacity = 63 * 8 ** 8 - 8 ** 8;
    expect(wheelExpiry(0, 10 ** 17)).toBe((Math.floor(capacity / 8 ** 8) + 1) * 8 ** 8 * JIFFY);
  });

  it('schedule_timeout waits on the same wheel', () => {
    expect(schedulingTimeout(123_456_789, NS_PER_S)).toBe(wheelExpiry(123_456_789, NS_PER_S));
  });
});

describe('KernelTimer', () => {
  it('fires at the end of its bucket, once', () => {
    const sim = new Sim();
    const fired: number[] = [];
    const timer = new KernelTimer(sim, () => fired.push(sim.now));
    timer.arm(NS_PER_S);
    expect(timer.armed).toBe(true);
    expect(timer.expires).toBe(250 * JIFFY);
    expect(timer.due).toBe(256 * JIFFY);
    sim.runUntil(256 * JIFFY - 1);
    expect(fired).toEqual([]);
    expect(sim.runUntil(10 * NS_PER_S)).toBe(RunOutcome.IDLE);
    expect(fired).toEqual([256 * JIFFY]);
    expect(timer.armed).toBe(false);
    expect(timer.expires).toBe(-1);
  });

  it('timers of one bucket fire newest first', () => {
    const sim = new Sim();
    const fired: string[] = [];
    const arm = (name: string): void => new KernelTimer(sim, () => fired.push(name)).arm(5 * NS_PER_S);
    arm('first');
    sim.after(10 * NS_PER_MS, () => arm('second'));
    sim.after(20 * NS_PER_MS, () => arm('third'));
    sim.runUntil(10 * NS_PER_S);
    expect(fired).toEqual(['third', 'second', 'first']);
  });

  it('the coarsest level of a jiffy goes first', () => {
    const sim = new Sim();
    const fired: string[] = [];
    const times: number[] = [];
    const arm = (name: string, delay: number): void =>
      new KernelTimer(sim, () => {
        fired.push(name);
        times.push(sim.now / JIFFY);
      }).arm(delay);
    arm('level 1', 60 * JIFFY + 4 * JIFFY); // 64 -> bucket 72
    sim.after(20 * JIFFY, () => arm('level 0', 51 * JIFFY)); // 20 + 51 -> 72
    sim.runUntil(NS_PER_S);
    expect(times).toEqual([72, 72]);
    expect(fired).toEqual(['level 1', 'level 0']);
  });

  it('re-arming moves it; within its bucket it keeps its place', () => {
    const sim = new Sim();
    const fired: string[] = [];
    const a = new KernelTimer(sim, () => fired.push('a'));
    const b = new KernelTimer(sim, () => fired.push('b'));
    a.arm(NS_PER_S);
    b.arm(NS_PER_S);
    a.arm(NS_PER_S + JIFFY);
    expect(a.expires).toBe(251 * JIFFY);
    sim.runUntil(2 * NS_PER_S);
    expect(fired).toEqual(['b', 'a']);
    fired.length = 0;
    a.arm(NS_PER_S);
    b.arm(NS_PER_S);
    a.arm(2 * NS_PER_S);
    a.arm(NS_PER_S);
    sim.runUntil(4 * NS_PER_S);
    expect(fired).toEqual(['a', 'b']);
  });

  it('cancelling leaves nothing to wait for', () => {
    const sim = new Sim();
    const timer = new KernelTimer(sim, () => expect.unreachable());
    timer.arm(NS_PER_S);
    timer.cancel();
    timer.cancel();
    expect(timer.armed).toBe(false);
    expect(sim.runUntil(10 * NS_PER_S)).toBe(RunOutcome.IDLE);
    expect(sim.events).toBe(0);
  });

  it('a handler may cancel a neighbour in its bucket and arm itself and others again', () => {
    const sim = new Sim();
    const fired: string[] = [];
    let rounds = 0;
    const victim = new KernelTimer(sim, () => fired.push('victim'));
    const self: KernelTimer = new KernelTimer(sim, () => {
      fired.push('self');
      victim.cancel();
      if (++rounds < 3) self.arm(0);
    });
    victim.arm(20 * NS_PER_MS);
    self.arm(20 * NS_PER_MS);
    sim.runUntil(NS_PER_S);
    expect(fired).toEqual(['self', 'self', 'self']);
  });

  it('arms, cancels and fires like a list kept by hand', () => {
    const step = fc.record({ timer: fc.nat(7), wait: fc.nat(300), delay: fc.nat(2000), cancel: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const sim = new Sim();
        const fired: string[] = [];
        const timers = Array.from({ length: 8 }, (_, i) => new KernelTimer(sim, () => fired.push(`${i}@${sim.now}`)));
        // Oracle: one array per (jiffy, width), newest in front.
        const held: { jiffy: number; width: number; i: number }[] = [];
        const wanted: string[] = [];
        const expire = (upTo: number): void => {
          for (;;) {
            const due = held.filter((h) => h.jiffy <= upTo);
            if (due.length === 0) return;
            const jiffy = Math.min(...due.map((h) => h.jiffy));
            const batch = due.filter((h) => h.jiffy === jiffy);
            const width = Math.max(...batch.map((h) => h.width));
            const next = batch.find((h) => h.width === width)!;
            held.splice(held.indexOf(next), 1);
            wanted.push(`${next.i}@${jiffy * JIFFY}`);
          }
        };
        for (const s of steps) {
          const until = sim.now + s.wait * JIFFY + 1;
          sim.after(until - sim.now, () => {});
          sim.runUntil(until);
          const j = Math.floor(sim.now / JIFFY);
          expire(j);
          const old = held.findIndex((h) => h.i === s.timer);
          if (s.cancel) {
            timers[s.timer]!.cancel();
            if (old >= 0) held.splice(old, 1);
            continue;
          }
          timers[s.timer]!.arm(s.delay * JIFFY);
          const width = s.delay < 63 ? 1 : s.delay < 504 ? 8 : 64;
          const jiffy = (Math.floor((j + s.delay) / width) + 1) * width;
          if (old >= 0 && held[old]!.jiffy === jiffy && held[old]!.width === width) continue;
          if (old >= 0) held.splice(old, 1);
          held.unshift({ jiffy, width, i: s.timer });
        }
        sim.runUntil(Number.MAX_SAFE_INTEGER);
        expire(Number.MAX_SAFE_INTEGER);
        expect(fired).toEqual(wanted);
      }),
    );
  });
});
