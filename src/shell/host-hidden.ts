// While a program of the emulated machine has its turn, the host's clock and dice are out of its reach: just-bash's awk, jq,
// touch, find and ls ask Date and Math.random, and would tell each run's own time. Both give virtual values until the turn is
// over. Whoever else runs in this process meanwhile (a turn is mostly microtasks) sees them too; nobody sees them after it.

import type { Rng } from '../base/rng.ts';

const HostDate = globalThis.Date;

/** The class Date with another clock: `new Date()` and `Date.now()` ask it, everything else is as it was. */
function dateOf(nowMs: () => number): DateConstructor {
  return class extends HostDate {
    constructor(...args: readonly unknown[]) {
      if (args.length === 0) super(nowMs());
      else super(...(args as [number]));
    }
    static override now(): number {
      return nowMs();
    }
  } as unknown as DateConstructor;
}

/**
 * @param nowMs milliseconds since 1970 on the virtual clock
 * @param rng what Math.random draws from
 * @returns hides the host, and gives what shows it again
 */
export function hostHider(nowMs: () => number, rng: Rng): () => () => void {
  const VirtualDate = dateOf(nowMs);
  const draw = (): number => rng.unit();
  return () => {
    const { Date: date } = globalThis;
    const { random } = Math;
    globalThis.Date = VirtualDate;
    Math.random = draw;
    return () => {
      globalThis.Date = date;
      Math.random = random;
    };
  };
}
