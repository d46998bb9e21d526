// Proves that a person at a terminal is told once how to open the capture, and a pipe or --json never.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { createProgram, runProgram } from '../../src/cli/program.ts';
import { openingHint, registerRun } from '../../src/cli/run.ts';
import { SOUND } from '../scenario/text.ts';

const directory = mkdtempSync(join(tmpdir(), 'podwire-hint-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
const scenario = join(directory, 'a.yaml');
writeFileSync(scenario, SOUND);

async function printed(isTTY: boolean, ...args: string[]): Promise<string> {
  let out = '';
  const write = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += String(text);
    return true;
  });
  const before = process.stdout.isTTY;
  process.stdout.isTTY = isTTY;
  try {
    const argv = ['node', 'podwire', 'run', '--force', '--out', directory, ...args];
    await runProgram(createProgram([registerRun]), argv, (text) => {
      out += text;
    });
  } finally {
    process.stdout.isTTY = before;
    write.mockRestore();
  }
  return out;
}

describe('how to open the capture', () => {
  it('is told once at a terminal, however many scenarios there are', async () => {
    const out = await printed(true, scenario, scenario);
    expect(out.match(/passed/g)!.length).toBeGreaterThanOrEqual(2);
    expect(out.split(`wireshark -C podwire ${join(directory, 'sound.pcapng')}`)).toHaveLength(2);
  });

  it('is not told into a pipe, with --json, or where nothing was written', async () => {
    for (const out of [
      await printed(false, scenario),
      await printed(true, '--json', scenario),
      await printed(true, '--no-capture', scenario),
    ]) {
      expect(out).toContain('sound');
      expect(out).not.toContain('wireshark -C');
    }
  });

  it('quotes names that a shell would take apart', () => {
    expect(openingHint("it's here/a b.pcapng")).toContain(`wireshark -C podwire 'it'\\''s here/a b.pcapng' `);
  });
});
