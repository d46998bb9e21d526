// Proves that every file of scenarios/ loads, fits the published JSON Schema, comes true, gives the same bytes twice and
// every frame back, and writes a capture in which tshark finds nothing malformed and no wrong checksum,
// but where wrong checksums are the subject.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { MemorySink } from '../../src/capture/sink.ts';
import { framesInUse } from '../../src/link/frame.ts';
import {
  loadScenario,
  type RunResult,
  runScenario,
  type Scenario,
  scenarioJsonSchema,
} from '../../src/scenario/index.ts';

const DIRECTORY = resolve(import.meta.dirname, '../../scenarios');
const FILES = readdirSync(DIRECTORY)
  .filter((f) => f.endsWith('.yaml'))
  .sort();
/** Wrong checksums are what these are about: the cable turns bits, or NAT leaves a tunnel's outer checksum half done. */
const CORRUPTS = new Set(['corrupt.yaml', 'vxlan-checksum-63s.yaml']);

const haveTshark = spawnSync('tshark', ['--version'], { stdio: 'ignore' }).error === undefined;
if (!haveTshark) console.warn('skipped in test/scenario: tshark is not installed');

const folder = mkdtempSync(join(tmpdir(), 'podwire-scenarios-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function load(file: string): Scenario {
  const { scenario, problems } = loadScenario(readFileSync(join(DIRECTORY, file), 'utf8'), file);
  expect(problems).toEqual([]);
  return scenario!;
}

async function run(scenario: Scenario, seed?: number): Promise<{ result: RunResult; bytes: Buffer }> {
  const sink = new MemorySink();
  const result = await runScenario(scenario, { capture: { kind: 'sink', sink }, overwrite: false, seed });
  return { result, bytes: Buffer.from(sink.bytes) };
}

describe.each(FILES)('%s', (file) => {
  it('has the name of its file and fits the published JSON Schema', () => {
    const schema = z.fromJSONSchema(scenarioJsonSchema() as Parameters<typeof z.fromJSONSchema>[0]);
    expect(schema.safeParse(parse(readFileSync(join(DIRECTORY, file), 'utf8'))).error?.issues ?? []).toEqual([]);
    expect(load(file).name).toBe(file.replace(/\.yaml$/, ''));
  });

  it('comes true, the same bytes twice, and keeps no frame', async () => {
    const scenario = load(file);
    const before = framesInUse();
    const first = await run(scenario);
    const failed = first.result.steps.flatMap((s) => s.judgements.filter((j) => !j.passed));
    expect(failed).toEqual([]);
    expect(first.result.problem).toBeNull();
    expect(first.result.passed).toBe(true);
    expect(framesInUse()).toBe(before);
    const second = await run(scenario);
    expect(first.bytes.equals(second.bytes)).toBe(true);
    expect(first.result.steps.map((s) => s.stdout)).toEqual(second.result.steps.map((s) => s.stdout));
    expect(second.result.events).toBe(first.result.events);
  });

  it.skipIf(!haveTshark)('writes a capture that tshark has nothing to say against', async () => {
    const { bytes, result } = await run(load(file));
    const path = join(folder, `${file}.pcapng`);
    writeFileSync(path, bytes);
    const checksums = ['ip', 'udp', 'tcp', 'icmp'];
    const options = ['ip', 'udp', 'tcp'].flatMap((p) => ['-o', `${p}.check_checksum:TRUE`]);
    const fields = ['frame.number', '_ws.malformed', ...checksums.map((p) => `${p}.checksum.status`)];
    const ran = spawnSync(
      'tshark',
      ['-n', '-r', path, '-d', 'udp.port==8472,vxlan', ...options, '-T', 'fields', ...fields.flatMap((f) => ['-e', f])],
      { encoding: 'utf8', maxBuffer: 1 << 28 },
    );
    expect(ran.status, ran.stderr).toBe(0);
    const frames = ran.stdout.replace(/\n$/, '').split('\n');
    expect(frames.length).toBe(result.capture!.recorded);
    // number, nothing malformed, and no status but Good (1), Unverified (2) and Not present (3) at any layer
    const wrong = frames.filter((line) => !/^\d+\t(\t[123,]*){4}$/.test(line));
    if (CORRUPTS.has(file)) expect(wrong).not.toEqual([]);
    else expect(wrong).toEqual([]);
  });
});

describe('the seed', () => {
  it('changes the bytes, and is all that does', async () => {
    const scenario = load('lossy-cable.yaml');
    const [a, b, c] = [await run(scenario, 11), await run(scenario, 12), await run(scenario, 11)];
    expect(a.bytes.equals(b.bytes)).toBe(false);
    expect(a.bytes.equals(c.bytes)).toBe(true);
  });
});
