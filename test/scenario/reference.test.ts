// Proves that podwire still writes what it wrote when captures/reference was made: the same bytes, whatever day, machine and
// version of Node. What changes a capture on purpose renews the reference with `npm run reference`, and the commit says why.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { CaptureReader } from '../../src/capture/reader.ts';
import { captureOutput, loadScenario, ScenarioRun } from '../../src/scenario/index.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const NAME = 'pod-to-pod-vxlan';
const directory = mkdtempSync(join(tmpdir(), 'podwire-reference-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** One line for each frame: what differs is then told by frame, not by offset. */
function frames(bytes: Uint8Array): string[] {
  const reader = new CaptureReader(bytes);
  const lines = [...reader].map((p) => {
    const time = `${p.timeSeconds}.${String(p.timeNanos).padStart(9, '0')}`;
    const where = reader.interfaces[p.interfaceIndex]!.name;
    const hex = Buffer.from(p.bytes).toString('hex');
    return `${p.number} ${time} ${where} ${p.direction} ${p.packetId} ${hex} ${p.comments.join('; ')}`;
  });
  expect(reader.error).toBeNull();
  return lines;
}

it('writes the reference capture again, byte for byte', async () => {
  const text = readFileSync(join(ROOT, `scenarios/${NAME}.yaml`), 'utf8');
  const { scenario } = loadScenario(text, `scenarios/${NAME}.yaml`);
  const run = new ScenarioRun(scenario!, { capture: captureOutput(scenario!, directory, false), overwrite: false });
  const result = await run.run();
  expect(result.passed).toBe(true);
  const [path] = result.capture!.outputs;
  const written = readFileSync(path!);
  const reference = readFileSync(join(ROOT, `captures/reference/${NAME}.pcapng`));
  expect(frames(written)).toEqual(frames(reference));
  expect(written.equals(reference)).toBe(true);
});
