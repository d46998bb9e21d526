// Proves that a script with many processes repeats exactly: same output, same virtual times, same number of events,
// however busy the host is; and that another seed is another run.

import { describe, expect, it } from 'vitest';
import { runShell } from './rig.ts';

/** Ten processes that sleep, print, read what others have written, start jobs of their own and are killed. */
const TEN = `
log() { echo "$(date +%s.%N) $* $RANDOM"; }
for i in 1 2 3 4 5; do
  ( for j in 1 2 3; do sleep 0.$i; log "child $i.$j"; done ) &
done
tick 100 0.05 > /tmp/ticks 2>&1 & T=$!
{ sleep 0.33; wc -l < /tmp/ticks; grep -c at /tmp/ticks; } &
( tick 3 0.1 & tick 2 0.15 & wait; log nested ) &
bash -c 'sleep 0.2; echo inner; tick 2 0.1' &
timeout 0.4 tick 50 0.07 &
sleep 0.5
kill $T
wait $T; echo "rc $?"
ls -l /tmp/ticks
cat /tmp/ticks
wait
log end
`;

interface Trace {
  readonly output: string;
  readonly now: number;
  readonly events: number;
}

async function trace(seed: number): Promise<Trace> {
  const lines: string[] = [];
  const ran = await runShell(TEN, { seed, onOutput: (text, now) => lines.push(`${now}: ${text}`) });
  expect(ran.stderr).toBe('');
  return { output: lines.join(''), now: ran.now, events: ran.events };
}

/** Keeps the host busy with timers, immediates, microtasks and stretches of computing until stopped. */
function makeNoise(): () => void {
  let on = true;
  const spin = (): void => {
    if (!on) return;
    let x = 1;
    for (let i = 0; i < 20_000; i++) x = Math.imul(x, 48_271) + i;
    void Promise.resolve(x).then(() => {
      if (on) setImmediate(spin);
    });
    setTimeout(() => {}, x & 3);
  };
  for (let i = 0; i < 4; i++) spin();
  return () => {
    on = false;
  };
}

describe('a script with many processes', () => {
  it('repeats exactly, on a quiet host and on a busy one', async () => {
    const first = await trace(7);
    expect(first.output).toContain('child 5.3');
    expect(first.output).toContain('rc 143');
    expect(await trace(7)).toEqual(first);
    const quiet = makeNoise();
    try {
      expect(await trace(7)).toEqual(first);
    } finally {
      quiet();
    }
  });

  it('hides the clock and the dice of the host from the bundled programs', async () => {
    const script = `awk 'BEGIN{srand();print rand(), srand()}'; jq -n now; touch x; ls -l x; stat x; mktemp; find x -mtime -1`;
    const hostDate = globalThis.Date;
    const first = await runShell(script, { seed: 3, onOutput: () => {} });
    expect(first.stderr).toBe('');
    expect(first.stdout).toContain('Jan  1 00:00 x');
    expect(first.stdout).toContain('1767225600');
    expect(first.stdout).toMatch(/\nx\n$/);
    // Another second of the host.
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    expect((await runShell(script, { seed: 3, onOutput: () => {} })).stdout).toBe(first.stdout);
    expect(globalThis.Date).toBe(hostDate);
  });

  it('draws other random numbers with another seed', async () => {
    const [a, b] = [await trace(1), await trace(2)];
    expect(a.output).not.toBe(b.output);
    expect(a.now).toBe(b.now);
  });
});
