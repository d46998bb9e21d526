// Proves that programs and virtual time take turns: who runs when, exact sleeps, signals, limits, and what happens when
// nothing can happen any more.

import { describe, expect, it } from 'vitest';
import { InternalError } from '../../src/base/assert.ts';
import { Killed, type Process, Signal } from '../../src/shell/process.ts';
import { RunEnd, Runner } from '../../src/shell/runner.ts';
import { NS_PER_S, Sim } from '../../src/sim/sim.ts';

const NO_LIMITS = { maxEvents: 1e6, maxTime: 1e15 };

function start(runner: Runner, body: (p: Process) => Promise<number>, parent: Process | null = null): Process {
  return runner.spawn('test', parent, body)!;
}

describe('a runner', () => {
  it('gives turns in the order in which programs became runnable, and time only when all wait', async () => {
    const sim = new Sim();
    const runner = new Runner(sim);
    const seen: string[] = [];
    const say = (who: string): void => {
      seen.push(`${who}@${sim.now}`);
    };
    const main = start(runner, async (p) => {
      say('main');
      for (const name of ['b', 'c']) {
        start(runner, async (q) => {
          say(name);
          await q.sleep(5);
          say(name);
          return 0;
        });
      }
      say('main');
      await p.sleep(5);
      say('main');
      await p.sleep(10);
      return 3;
    });
    expect(await runner.run(main, NO_LIMITS)).toBe(RunEnd.DONE);
    expect(seen).toEqual(['main@0', 'main@0', 'b@0', 'c@0', 'main@5', 'b@5', 'c@5']);
    expect([main.exitStatus, sim.now]).toEqual([3, 15]);
  });

  it('lets the holder of the token finish what the host does for it before anybody else runs', async () => {
    const sim = new Sim();
    const runner = new Runner(sim);
    const seen: string[] = [];
    const main = start(runner, async (p) => {
      start(runner, async () => {
        seen.push('other');
        return 0;
      });
      await new Promise((resolve) => setTimeout(resolve, 20));
      seen.push('slow');
      await p.sleep(1);
      seen.push(`after ${sim.now}`);
      return 0;
    });
    await runner.run(main, NO_LIMITS);
    expect(seen).toEqual(['slow', 'other', 'after 1']);
  });

  it('wakes a sleeper at the very nanosecond, among other events', async () => {
    const sim = new Sim();
    const runner = new Runner(sim);
    let before = 0;
    sim.after(1_599_999_999, () => before++);
    sim.after(1_600_000_001, () => before++);
    const main = start(runner, async (p) => {
      await p.sleepSeconds(1.6);
      return before;
    });
    await runner.run(main, NO_LIMITS);
    expect([main.exitStatus, sim.now]).toEqual([1, 1.6 * NS_PER_S]);
  });

  it('ends at the limit of events and at the limit of time, with every program told', async () => {
    for (const [limits, end] of [
      [{ maxEvents: 10, maxTime: 1e15 }, RunEnd.EVENTS],
      [{ maxEvents: 1e6, maxTime: 42 }, RunEnd.TIME],
    ] as const) {
      const sim = new Sim();
      const runner = new Runner(sim);
      const killed: unknown[] = [];
      const main = start(runner, async (p) => {
        try {
          for (;;) await p.sleep(10);
        } catch (error) {
          killed.push(error);
          return 137;
        }
      });
      expect(await runner.run(main, limits)).toBe(end);
      expect(killed).toEqual([new Killed(Signal.KILL)]);
      expect(runner.processCount).toBe(0);
    }
  });

  it('says when every program waits and nothing is pending', async () => {
    const runner = new Runner(new Sim());
    const main = start(runner, async (p) => {
      await p.wait<void>(() => undefined).catch(() => {});
      return 0;
    });
    expect(await runner.run(main, NO_LIMITS)).toBe(RunEnd.STUCK);
  });

  it('kills what is left when the script has ended', async () => {
    const runner = new Runner(new Sim());
    const hooks: number[] = [];
    const main = start(runner, async (p) => {
      start(runner, (q) =>
        q
          .wait<void>(() => (signal) => hooks.push(signal))
          .then(
            () => 0,
            () => 137,
          ),
      );
      await p.sleep(1);
      return 0;
    });
    expect(await runner.run(main, NO_LIMITS)).toBe(RunEnd.DONE);
    expect(hooks).toEqual([Signal.KILL]);
    expect(runner.processCount).toBe(0);
  });

  it('passes an error of ours on', async () => {
    const runner = new Runner(new Sim());
    const main = start(runner, async () => {
      throw new InternalError('broken');
    });
    await expect(runner.run(main, NO_LIMITS)).rejects.toThrow('broken');
  });
});

describe('a signal', () => {
  async function signalled(signal: Signal, handle: boolean): Promise<{ status: number; seen: number[]; now: number }> {
    const sim = new Sim();
    const runner = new Runner(sim);
    const seen: number[] = [];
    const main = start(runner, async (p) => {
      const child = start(runner, async (q) => {
        try {
          const value = await q.wait<number>((resume) => (s) => {
            seen.push(s);
            if (handle) resume(7);
          });
          return value;
        } catch (error) {
          return 128 + (error as Killed).signal;
        }
      });
      await p.sleep(10);
      child.signal(signal);
      return p.waitFor(child);
    });
    await runner.run(main, NO_LIMITS);
    return { status: main.exitStatus!, seen, now: sim.now };
  }

  it('ends the wait, after its stop hook', async () => {
    expect(await signalled(Signal.TERM, false)).toEqual({ status: 143, seen: [Signal.TERM], now: 10 });
  });

  it('can be handled by the program that waits', async () => {
    expect(await signalled(Signal.INT, true)).toEqual({ status: 7, seen: [Signal.INT], now: 10 });
  });

  it('SIGKILL cannot be handled', async () => {
    expect((await signalled(Signal.KILL, true)).status).toBe(137);
  });

  it('reaches a program that runs at its next wait, and one that has ended not at all', async () => {
    const runner = new Runner(new Sim());
    const main = start(runner, async (p) => {
      p.signal(Signal.TERM);
      const error = await p.sleep(1).catch((e: unknown) => e);
      return error instanceof Killed ? 128 + error.signal : 0;
    });
    await runner.run(main, NO_LIMITS);
    main.signal(Signal.KILL);
    expect(main.exitStatus).toBe(143);
  });
});
