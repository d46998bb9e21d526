// ^C, and the signal that asks a program to end (a cancelled CI job): the run ends at its next turn, its
// captures are closed properly, and the exit status is 128 + the signal's number, as a shell says it. A second one ends the
// process at once.

import { constants } from 'node:os';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

let status: number | null = null;

/** Calls `stop` on the first of these signals while `body` runs. */
export async function stoppable<T>(stop: () => void, body: () => Promise<T>): Promise<T> {
  const handlers = SIGNALS.map((signal) => {
    const handler = (): void => {
      status = 128 + constants.signals[signal];
      release();
      stop();
    };
    process.on(signal, handler);
    return { signal, handler };
  });
  const release = (): void => {
    for (const { signal, handler } of handlers) process.off(signal, handler);
  };
  try {
    return await body();
  } finally {
    release();
  }
}

/** Exit status of a run that was stopped: of the signal that stopped it. */
export function stoppedStatus(): number {
  return status ?? 128 + constants.signals.SIGINT;
}
