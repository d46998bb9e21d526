// Proves that a signal stops a run once, in order, and that its number makes the exit status.

import { describe, expect, it } from 'vitest';
import { stoppable, stoppedStatus } from '../../src/cli/interrupt.ts';

describe('stoppable', () => {
  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('calls stop on %s, and the status is %i', async (signal, status) => {
    const before = process.listenerCount(signal);
    let stopped = 0;
    const result = await stoppable(
      () => {
        stopped++;
      },
      async () => {
        process.emit(signal);
        // From now on another one is the host's again.
        expect(process.listenerCount(signal)).toBe(before);
        return 'closed';
      },
    );
    expect([result, stopped, stoppedStatus()]).toEqual(['closed', 1, status]);
    expect(process.listenerCount(signal)).toBe(before);
  });

  it('leaves no handler behind when the run fails', async () => {
    const before = process.listenerCount('SIGINT');
    await expect(
      stoppable(
        () => {},
        () => Promise.reject(new Error('broken')),
      ),
    ).rejects.toThrow('broken');
    expect(process.listenerCount('SIGINT')).toBe(before);
  });
});
