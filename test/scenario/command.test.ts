// Proves `podwire run` and `podwire schema` as people call them: exit statuses, where captures go and what is never
// overwritten, reports, manifests beside the file.

import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { SOUND } from './text.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const base = mkdtempSync(join(tmpdir(), 'podwire-run-'));
afterAll(() => rmSync(base, { recursive: true, force: true }));
let directory = '';
let n = 0;
beforeEach(() => {
  directory = join(base, String(n++));
  mkdirSync(directory);
});

function podwire(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const main = join(ROOT, 'src/cli/main.ts');
  const env = { ...process.env, GITHUB_ACTIONS: '', NO_COLOR: '1' };
  return spawnSync(process.execPath, ['--import', import.meta.resolve('tsx'), main, ...args], {
    cwd: directory,
    encoding: 'utf8',
    env,
  });
}

function file(name: string, text: string): string {
  const path = join(directory, name);
  mkdirSync(resolve(path, '..'), { recursive: true });
  writeFileSync(path, text);
  return path;
}

describe('podwire run', () => {
  it('ends with 0, tells the story and names the capture', () => {
    file('a.yaml', SOUND);
    const { status, stdout, stderr } = podwire('run', 'a.yaml');
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout).toContain('passed sound: 2 steps');
    expect(stdout).toContain('captures/sound.pcapng');
    expect(existsSync(join(directory, 'captures/sound.pcapng'))).toBe(true);
  });

  it('takes the next free name for the capture, and the same one with --force', () => {
    file('a.yaml', SOUND);
    for (let i = 0; i < 3; i++) podwire('run', 'a.yaml', '--out', 'out');
    expect(readdirSync(join(directory, 'out')).sort()).toEqual(['sound-2.pcapng', 'sound-3.pcapng', 'sound.pcapng']);
    const first = readFileSync(join(directory, 'out/sound.pcapng'));
    expect(podwire('run', 'a.yaml', '--out', 'out', '--force', '--seed', '5').status).toBe(0);
    expect(readdirSync(join(directory, 'out'))).toHaveLength(3);
    expect(readFileSync(join(directory, 'out/sound.pcapng')).equals(first)).toBe(false);
    expect(readFileSync(join(directory, 'out/sound-2.pcapng')).equals(first)).toBe(true);
  });

  it('writes one file for each interface into a directory of its own', () => {
    file('a.yaml', `${SOUND}capture: {file: per-interface}\n`);
    expect(podwire('run', 'a.yaml').status).toBe(0);
    const names = readdirSync(join(directory, 'captures/sound'));
    expect(names).toContain('node-1.flannel.1.pcapng');
    expect(names).toContain('pod-a.eth0.pcapng');
  });

  it('ends with 1 when an expectation fails, in JSON and JUnit as well', () => {
    file('a.yaml', SOUND.replace('{wait: 1s}', "{run: 'false'}"));
    const { status, stdout } = podwire('run', 'a.yaml', '--no-capture', '--json', '--junit', 'report.xml');
    expect(status).toBe(1);
    const report = JSON.parse(stdout) as { failed: number; scenarios: { capture: unknown }[] };
    expect([report.failed, report.scenarios[0]!.capture]).toEqual([1, null]);
    expect(readFileSync(join(directory, 'report.xml'), 'utf8')).toContain('failures="1"');
    expect(existsSync(join(directory, 'captures'))).toBe(false);
  });

  it('ends with 1 when a limit of the command line ends the run', () => {
    file('a.yaml', SOUND.replace('wait: 1s', 'wait: 1h'));
    const { status, stdout } = podwire('run', 'a.yaml', '--no-capture', '--max-time', '5s');
    expect(status).toBe(1);
    expect(stdout).toContain('stopped at 5 s of virtual time');
  });

  it('ends with 2 and runs nothing when one of several files has a mistake; all mistakes are told', () => {
    file('a.yaml', SOUND);
    file('b.yaml', SOUND.replace('kind: Scenario', 'kind: Other').replace('vni: 1', 'vni: 0'));
    const { status, stdout, stderr } = podwire('run', 'a.yaml', 'b.yaml', 'c.yaml');
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toContain('b.yaml:2:7: kind is "Other"');
    expect(stderr).toContain('b.yaml:9:34: cluster.network.vni is 0');
    expect(stderr).toContain('c.yaml: no such file');
    expect(stderr).toContain('2 mistakes, nothing was run');
    expect(existsSync(join(directory, 'captures'))).toBe(false);
  });

  it('ends with 3 when the capture cannot be written', () => {
    file('a.yaml', SOUND);
    file('taken', 'a file');
    const { status, stderr } = podwire('run', 'a.yaml', '--out', 'taken');
    expect(status).toBe(3);
    expect(stderr).toContain('taken: is not a directory');
  });

  it('replaces an older report of its own, and nothing else unless it is asked to', () => {
    file('a.yaml', SOUND);
    const once = () => podwire('run', 'a.yaml', '--no-capture', '--junit', 'report.xml');
    expect(once().status).toBe(0);
    expect(once().status).toBe(0);
    const notes = file('notes.xml', '<?xml version="1.0" encoding="UTF-8"?>\n<notes/>\n');
    const refused = podwire('run', 'a.yaml', '--no-capture', '--junit', 'notes.xml');
    expect([refused.status, refused.stdout]).toEqual([3, '']);
    expect(refused.stderr).toContain('notes.xml: exists already and is no report of podwire; give --force');
    expect(readFileSync(notes, 'utf8')).toContain('<notes/>');
    expect(podwire('run', 'a.yaml', '--no-capture', '--junit', 'notes.xml', '--force').status).toBe(0);
    expect(readFileSync(notes, 'utf8')).toContain('<testsuites');
    expect(readdirSync(directory).sort()).toEqual(['a.yaml', 'notes.xml', 'report.xml']);
  });

  it('does not follow a link that stands where the capture would go', () => {
    file('a.yaml', SOUND);
    mkdirSync(join(directory, 'captures'));
    symlinkSync(join(directory, 'elsewhere'), join(directory, 'captures/sound.pcapng'));
    for (const more of [[], ['--force']]) {
      const { status, stderr } = podwire('run', 'a.yaml', ...more);
      expect(status).toBe(3);
      expect(stderr).toContain('symbolic link');
    }
    expect(existsSync(join(directory, 'elsewhere'))).toBe(false);
  });

  it('reads manifests beside the file, and none through a link that leads out', () => {
    file('s/a.yaml', `${SOUND}manifests: [pods/c.yaml]\n`);
    file('s/pods/c.yaml', 'apiVersion: v1\nkind: Pod\nmetadata: {name: pod-c}\n');
    expect(podwire('run', 's/a.yaml', '--no-capture').stdout).toContain('3 pods');
    rmSync(join(directory, 's/pods/c.yaml'));
    file('outside.yaml', 'apiVersion: v1\nkind: Pod\nmetadata: {name: pod-c}\n');
    symlinkSync(join(directory, 'outside.yaml'), join(directory, 's/pods/c.yaml'));
    const { status, stderr } = podwire('run', 's/a.yaml', '--no-capture');
    expect(status).toBe(2);
    expect(stderr).toContain('it lies outside of the directory of the scenario');
  });

  it('prints GitHub annotations when asked', () => {
    file('a.yaml', SOUND.replace('{wait: 1s}', "{run: 'false'}"));
    expect(podwire('run', 'a.yaml', '--no-capture', '--annotate', 'github').stdout).toMatch(
      /^::error file=a\.yaml,line=17,/m,
    );
  });

  it('reads a scenario from standard input', () => {
    const main = join(ROOT, 'src/cli/main.ts');
    const ran = spawnSync(
      process.execPath,
      ['--import', import.meta.resolve('tsx'), main, 'run', '-', '--no-capture'],
      {
        cwd: directory,
        encoding: 'utf8',
        input: SOUND,
      },
    );
    expect(ran.status).toBe(0);
  });
});

describe('podwire schema', () => {
  it('prints a JSON Schema', () => {
    const { status, stdout } = podwire('schema');
    expect(status).toBe(0);
    const schema = JSON.parse(stdout) as { $schema: string; required: string[] };
    expect(schema.$schema).toBe('https://json-schema.org/draft/2020-12/schema');
    expect(schema.required).toEqual(['apiVersion', 'kind', 'metadata', 'cluster', 'steps']);
  });
});
