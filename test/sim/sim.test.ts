// Proves that events come in (time, sequence) order whatever they are made of, that timers fire when they say, and that the
// limits of a run hold.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type FrameReceiver, RunOutcome, Sim } from '../../src/sim/sim.ts';

class Log implements FrameReceiver {
  readonly sim: Sim;
  readonly lines: string[] = [];
  constructor(sim: Sim) {
    this.sim = sim;
  }
  receive(frame: number): void {
    this.lines.push(`${this.sim.now}:${frame}`);
  }
}

describe('order of events', () => {
  it('agrees with a stable sort by time, over delay lines, odd deliveries, timers and cancelled timers', () => {
    const step = fc.record({
      kind: fc.constantFrom('line' as const, 'at' as const, 'timer' as const, 'cancelled' as const, 'run' as const),
      delay: fc.constantFrom(0, 1, 2, 5, 2000),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const sim = new Sim();
        const log = new Log(sim);
        const wanted: { time: number; frame: number }[] = [];
        for (const [frame, { kind, delay }] of steps.entries()) {
          const time = sim.now + delay;
          if (kind === 'line') sim.line(delay).push(log, frame);
          else if (kind === 'at') sim.deliverAt(time, log, frame);
          else if (kind === 'timer') sim.after(delay, () => log.receive(frame));
          else if (kind === 'cancelled') sim.after(delay, () => log.receive(frame)).cancel();
          else sim.runUntil(time, 3);
          if (kind !== 'cancelled' && kind !== 'run') wanted.push({ time, frame });
        }
        sim.runUntil(Number.MAX_SAFE_INTEGER);
        // Array.sort is stable: equal times keep the order in which they were put in.
        const sorted = wanted.sort((a, b) => a.time - b.time).map((w) => `${w.time}:${w.frame}`);
        expect(log.lines).toEqual(sorted);
      }),
    );
  });

  it('what a handler puts in for now comes in the same instant, after what was there', () => {
    const sim = new Sim();
    const seen: string[] = [];
    sim.after(5, () => {
      seen.push('first');
      sim.after(0, () => seen.push('third'));
    });
    sim.after(5, () => seen.push('second'));
    sim.runUntil(5);
    expect(seen).toEqual(['first', 'second', 'third']);
    expect(sim.now).toBe(5);
  });

  it('beyond the delays that have a line of their own the order is the same, and the number of lines stays', () => {
    const sim = new Sim();
    const log = new Log(sim);
    const wanted: { time: number; frame: number }[] = [];
    for (let frame = 0; frame < 1000; frame++) {
      const delay = (frame * 37) % 101;
      sim.line(delay).push(log, frame);
      wanted.push({ time: sim.now + delay, frame });
      if (frame % 100 === 0) sim.runUntil(sim.now + 3);
    }
    sim.runUntil(1000);
    expect(log.lines).toEqual(wanted.sort((a, b) => a.time - b.time).map((w) => `${w.time}:${w.frame}`));
    expect(sim.lineCount).toBe(32);
    const released: number[] = [];
    for (const delay of [1, 97]) sim.line(delay).push(log, delay);
    sim.drain((frame) => released.push(frame));
    expect(released.sort((a, b) => a - b)).toEqual([1, 97]);
  });

  it('a delay line keeps its order through growth', () => {
    const sim = new Sim();
    const log = new Log(sim);
    const line = sim.line(10);
    for (let i = 0; i < 40; i++) line.push(log, i);
    sim.runUntil(10);
    for (let i = 40; i < 400; i++) line.push(log, i);
    sim.runUntil(20);
    expect(log.lines.map((l) => Number(l.split(':')[1]))).toEqual(Array.from({ length: 400 }, (_, i) => i));
  });

  it('one delay has one line, and a broken delay is our own bug', () => {
    const sim = new Sim();
    expect(sim.line(7)).toBe(sim.line(7));
    expect(sim.lineCount).toBe(1);
    expect(() => sim.line(-1)).toThrow(/whole number of nanoseconds/);
    expect(() => sim.line(0.5)).toThrow(/whole number of nanoseconds/);
  });
});

describe('timers', () => {
  it('fire on neither side of their time', () => {
    const sim = new Sim();
    let fired = 0;
    const timer = sim.after(100, () => fired++);
    sim.runUntil(99);
    expect([fired, timer.armed, sim.now]).toEqual([0, true, 99]);
    sim.runUntil(100);
    expect([fired, timer.armed, timer.due]).toEqual([1, false, -1]);
  });

  it('that are armed again fire once, at the new time; that are cancelled, never', () => {
    const sim = new Sim();
    const times: number[] = [];
    const timer = sim.timer(() => times.push(sim.now));
    timer.arm(10);
    timer.arm(30);
    timer.arm(20);
    expect(sim.runUntil(1000)).toBe(RunOutcome.IDLE);
    expect(times).toEqual([20]);
    timer.arm(10);
    timer.cancel();
    expect(sim.nextTime()).toBe(-1);
    expect(sim.runUntil(1000)).toBe(RunOutcome.IDLE);
    expect(times).toEqual([20]);
  });

  it('in the past fire now', () => {
    const sim = new Sim();
    const times: number[] = [];
    sim.after(50, () => sim.timer(() => times.push(sim.now)).armAt(10));
    sim.runUntil(60);
    expect(times).toEqual([50]);
  });
});

describe('a run', () => {
  it('ends idle, at its time, after its events, or when it is stopped', () => {
    const sim = new Sim();
    expect(sim.runUntil(10)).toBe(RunOutcome.IDLE);
    let n = 0;
    const tick = (): void => {
      n++;
      if (n === 50) sim.stop();
      sim.after(10, tick);
    };
    sim.after(10, tick);
    expect(sim.nextTime()).toBe(10);
    expect(sim.runUntil(105)).toBe(RunOutcome.TIME);
    expect([n, sim.now]).toEqual([10, 105]);
    expect(sim.runUntil(1_000_000, 5)).toBe(RunOutcome.EVENTS);
    expect([n, sim.events]).toEqual([15, 15]);
    expect(sim.runUntil(1_000_000)).toBe(RunOutcome.STOPPED);
    expect(n).toBe(50);
  });

  it('an endless exchange within one instant ends by the event limit', () => {
    const sim = new Sim();
    const line = sim.line(0);
    const echo: FrameReceiver = { receive: (frame) => line.push(echo, frame) };
    line.push(echo, 1);
    expect(sim.runUntil(1000, 10_000)).toBe(RunOutcome.EVENTS);
    expect(sim.now).toBe(0);
  });

  it('drain hands back every frame that is on its way, and nothing comes after', () => {
    const sim = new Sim();
    const log = new Log(sim);
    sim.line(5).push(log, 1);
    sim.line(9).push(log, 2);
    sim.deliverAt(7, log, 3);
    sim.after(8, () => log.receive(99));
    const released: number[] = [];
    sim.drain((f) => released.push(f));
    expect(released.sort()).toEqual([1, 2, 3]);
    expect(sim.runUntil(100)).toBe(RunOutcome.IDLE);
    expect(log.lines).toEqual([]);
  });
});
