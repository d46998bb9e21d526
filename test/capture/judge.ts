// The outside judges of captures: tshark, capinfos and mergecap of Wireshark, and the shared folder beside the checkout.

import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll } from 'vitest';

const SHARED = resolve(import.meta.dirname, '../../../shared');
export const CORPORA = join(SHARED, 'corpora');

function runs(tool: string): boolean {
  return spawnSync(tool, ['--version'], { stdio: 'ignore' }).error === undefined;
}

/** True when the condition holds; else says loudly what is not tested and why. */
function orSkip(condition: boolean, why: string): boolean {
  if (!condition) console.warn(`skipped in test/capture: ${why}`);
  return condition;
}

export const haveWireshark = orSkip(
  runs('tshark') && runs('capinfos') && runs('mergecap'),
  'tshark, capinfos or mergecap is not installed',
);
export const haveCorpora = orSkip(existsSync(CORPORA), 'there is no ../shared/corpora beside the checkout');
export const isRoot = orSkip(process.getuid?.() === 0, 'a full disk needs a mount of its own, and that root');

let folder: string | null = null;
afterAll(() => {
  if (folder !== null) rmSync(folder, { recursive: true, force: true });
  folder = null;
});

/** A path in a folder of this test file's own, removed afterwards. */
export function temporary(name: string): string {
  folder ??= mkdtempSync(join(tmpdir(), 'podwire-capture-'));
  return join(folder, name);
}

export function written(name: string, bytes: Uint8Array): string {
  const path = temporary(name);
  writeFileSync(path, bytes);
  return path;
}

/** Rows of tab-separated fields, one a packet; a field that occurs twice has its values joined by "|". */
export function tsharkFields(path: string, fields: readonly string[], more: readonly string[] = []): string[][] {
  const args = ['-n', '-r', path, '-T', 'fields', '-E', 'aggregator=|', ...fields.flatMap((f) => ['-e', f]), ...more];
  const out = execFileSync('tshark', args, {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return out
    .split('\n')
    .filter(Boolean)
    .map((line) => line.split('\t'));
}

/** What capinfos says of a file: its exit status, everything on stderr but the warning about root, and the packets. */
export function capinfos(path: string): { status: number | null; complaint: string; packets: number; text: string } {
  const run = spawnSync('capinfos', ['-M', path], { encoding: 'utf8', maxBuffer: 1 << 26 });
  const complaint = run.stderr
    .split('\n')
    .filter((line) => line !== '' && !line.includes('Running as user'))
    .join('\n');
  const packets = Number(/Number of packets:\s+(\d+)/.exec(run.stdout)?.[1] ?? '-1');
  return { status: run.status, complaint, packets, text: run.stdout };
}
