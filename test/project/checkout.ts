// Where the checkout is, and programs run in it, for the tests of the project as a whole.

import { type SpawnSyncOptions, spawnSync } from 'node:child_process';
import { join, resolve } from 'node:path';

export const CHECKOUT = resolve(import.meta.dirname, '../..');

export interface Ended {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

export function run(command: string, args: readonly string[], options: SpawnSyncOptions = {}): Ended {
  const child = spawnSync(command, args, { stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 1 << 26, ...options });
  if (child.error !== undefined) throw child.error;
  return { status: child.status, out: String(child.stdout ?? ''), err: String(child.stderr ?? '') };
}

/** Arguments for Node that run the command line from its sources: what is tested is what is there, built or not. */
export const PODWIRE_SOURCE: readonly string[] = ['--import', 'tsx', join(CHECKOUT, 'src/cli/main.ts')];

/** Runs podwire from its sources, in the checkout unless told otherwise. */
export function podwire(args: readonly string[], options: SpawnSyncOptions = {}): Ended {
  return run(process.execPath, [...PODWIRE_SOURCE, ...args], { cwd: CHECKOUT, ...options });
}
