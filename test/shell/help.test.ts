// Proves that `help` lists what can be typed and nothing else, and that `podwire lab --help` names only what there is.

import { describe, expect, it } from 'vitest';
import { registerLab } from '../../src/cli/lab.ts';
import { createProgram, runProgram } from '../../src/cli/program.ts';
import { loadScenario, runScenario } from '../../src/scenario/index.ts';
import { SOUND } from '../scenario/text.ts';

async function onNode(command: string): Promise<{ stdout: string; stderr: string; exit: number | null }> {
  const text = SOUND.replace('run: ip route', `run: ${JSON.stringify(command)}`);
  const { scenario, problems } = loadScenario(text, 'test.yaml');
  expect(problems).toEqual([]);
  const result = await runScenario(scenario!, { capture: null, overwrite: false });
  return result.steps[0]!;
}

describe('help', () => {
  it('lists the commands of the network, of the machine and of text, none that is missing or internal', async () => {
    const { stdout, exit } = await onNode('help');
    expect(exit).toBe(0);
    const names = stdout.split(/\s+/);
    for (const name of ['kubectl', 'ip', 'bridge', 'ping', 'traceroute', 'hostname', 'timeout', 'kill', 'grep', 'awk'])
      expect(names).toContain(name);
    for (const name of ['ps', 'yes', 'docker', 'tcpdump']) expect(names).not.toContain(name);
    expect(stdout).not.toContain('__');
    expect(Math.max(...stdout.split('\n').map((l) => l.length))).toBeLessThanOrEqual(80);
  });

  it('says what one command does, and fails for one that is not there', async () => {
    expect((await onNode('help ip')).stdout).toMatch(/^ip: .+\n$/);
    const { stderr, exit } = await onNode('help no-such-thing');
    expect([stderr, exit]).toEqual(['help: podwire does not emulate no-such-thing; `help` lists what there is\n', 1]);
  });

  it.each(['ps', 'yes', 'top', 'systemctl'])('is not needed to learn that %s is not emulated', async (name) => {
    const { stderr, exit } = await onNode(`${name} -a`);
    expect([stderr, exit]).toEqual([`${name}: podwire does not emulate this command yet\n`, 1]);
  });
});

describe('podwire lab --help', () => {
  it('names commands that are all there', async () => {
    let out = '';
    const write = process.stdout.write;
    process.stdout.write = ((text: string) => {
      out += text;
      return true;
    }) as typeof write;
    try {
      await runProgram(createProgram([registerLab]), ['node', 'podwire', 'lab', '--help'], () => {});
    } finally {
      process.stdout.write = write;
    }
    const listed = /^Commands: (.*?),\s+bash\s/ms.exec(out)![1]!.split(/,\s+/);
    expect(listed.length).toBeGreaterThan(10);
    const names = (await onNode('help')).stdout.split(/\s+/);
    for (const name of listed) expect(names).toContain(name.split(' ')[0]);
  });
});
