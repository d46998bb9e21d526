// Proves the reports of a run: JUnit that an XML parser takes whatever was printed, GitHub annotations at their lines, JSON,
// and a terminal that no escape sequence reaches.

import { spawnSync } from 'node:child_process';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  annotateProblems,
  annotateResult,
  formatHeader,
  formatStep,
  formatSummary,
  jsonReport,
  junitReport,
  loadScenario,
  type RunResult,
  runScenario,
} from '../../src/scenario/index.ts';
import { SOUND } from './text.ts';

const TEXT = SOUND.replace(/steps:[\s\S]*/, '').concat(`steps:
  - {name: good, run: echo fine}
  - name: "bad, 100% <&>"
    run: printf '\\033[31mred\\033[0m ]]> \\001 <tag> "q" \\n'
    expect: {exit: 3, stdout: {contains: "a:b,c"}}
  - {wait: 1h}
limits: {maxTime: 2s}
`);

let result: RunResult;
beforeAll(async () => {
  const { scenario, problems } = loadScenario(TEXT, 'dir/a,b.yaml');
  expect(problems).toEqual([]);
  result = await runScenario(scenario!, { capture: null, overwrite: false });
});

const plain = (_style: string, text: string): string => text;

describe('the terminal', () => {
  it('tells what failed, what came, and where in the file; escapes are shown, not sent', () => {
    const text = result.steps.map((s) => formatStep(s, plain)).join('');
    expect(text).not.toContain('\u001b');
    expect(text).toContain('\\x1b[31mred');
    expect(text).toMatch(/FAILED expected exit status 3\n +came exit status 0\n/);
    expect(text).toContain('at dir/a,b.yaml:17:5');
  });

  it('sums up the run', () => {
    expect(formatSummary(result, plain)).toMatch(
      /^FAILED sound: 3 steps, .* 2\.000 s of virtual time\n {2}stopped at 2 s/,
    );
    expect(formatHeader(result.scenario, 9, plain)).toContain('2 nodes, 2 pods, seed 9');
  });
});

describe('the terminal about output and drops', () => {
  it('shows what a command printed once, though two expectations on it failed', () => {
    const text = formatStep(result.steps[1]!, plain);
    expect(text.match(/FAILED expected/g)).toHaveLength(2);
    expect(text.match(/<tag>/g)).toHaveLength(2); // the command line and its output
  });

  it('folds drops by reason, what every start drops last', () => {
    const drops = [
      { reason: 'IP_MULTICAST_NOT_MEMBER', where: 'node-1/eth0', count: 9 },
      ...['a', 'b', 'c', 'd'].map((n) => ({ reason: 'LINK_LOSS', where: `${n}/eth0`, count: 2 })),
      { reason: 'NO_SOCKET', where: 'a/eth0', count: 3 },
    ];
    const lines = formatSummary({ ...result, drops }, plain).split('\n');
    expect(lines.filter((l) => l.startsWith('  dropped: '))).toEqual([
      expect.stringMatching(/8 x LINK_LOSS, .*: a\/eth0, b\/eth0, c\/eth0 and 1 more$/),
      expect.stringMatching(/3 x NO_SOCKET, .*: a\/eth0$/),
      expect.stringMatching(/9 x IP_MULTICAST_NOT_MEMBER, .*: node-1\/eth0$/),
    ]);
  });
});

describe('JUnit', () => {
  it('is well-formed and counts what failed', () => {
    const xml = junitReport([result]);
    expect(xml).toContain('tests="3" failures="2" errors="0" skipped="0"');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: what XML must not hold
    expect(xml).not.toMatch(/[\x00-\x08\x0b\x0c\x0e-\x1f]/);
    const python =
      'import sys,xml.etree.ElementTree as e;print([c.get("name") for c in e.fromstring(sys.stdin.buffer.read()).iter("testcase")])';
    const parsed = spawnSync('python3', ['-c', python], { input: xml, encoding: 'utf8' });
    if (parsed.error !== undefined)
      console.warn('test/scenario/report: python3 is not installed, the XML was not parsed');
    else expect(parsed.stdout).toBe("['good', 'bad, 100% <&>', 'wait 3600 s']\n");
  });
});

describe('GitHub annotations', () => {
  it('name file, line and column, escaped', () => {
    const lines = annotateResult(result);
    expect(lines[0]).toMatch(
      /^::error file=dir\/a%2Cb\.yaml,line=17,col=5,title=sound%3A bad%2C 100%25 <&>::expected exit status 3%0Acame /,
    );
    expect(lines.every((line) => !line.includes('\n'))).toBe(true);
  });

  it('are made of mistakes too', () => {
    const { problems } = loadScenario(TEXT.replace('kind: Scenario', 'kind: Other'), 'x.yaml');
    expect(annotateProblems(problems)).toEqual([
      '::error file=x.yaml,line=2,col=7,title=podwire%3A scenario::kind is "Other"; expected Scenario',
    ]);
  });
});

describe('JSON', () => {
  it('has every step with its expectations, and survives a round trip', () => {
    const report = JSON.parse(JSON.stringify(jsonReport(result))) as { steps: { status: string }[]; passed: boolean };
    expect(report.steps.map((s) => s.status)).toEqual(['passed', 'failed', 'failed']);
    expect(report.passed).toBe(false);
  });
});
