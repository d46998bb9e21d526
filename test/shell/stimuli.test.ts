// Proves that every form of stimulus in topology.json runs as it was run on the real kernel: run, sleep, start, stop and
// shell, with what they share (one shell, its jobs and variables), and that mistakes of the file are all named.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { ShellCommand } from '../../src/shell/command.ts';
import { EXEC_COST } from '../../src/shell/exec-cost.ts';
import { parseTopology, type Stimulus, stimulusScript } from '../../src/shell/lab-case.ts';
import { LabInputError } from '../../src/shell/lab-files.ts';
import { type Ran, runShell } from './rig.ts';

/** Of ip(8) what the stimuli need. */
const ip: ShellCommand = {
  name: 'ip',
  summary: 'netns exec only',
  async run(args, ctx) {
    const name = args[2] ?? '';
    return ctx.runIn(ctx.machine.namespace(name) ?? ctx.machine.addNamespace(name), args.slice(3));
  },
};

function runStimuli(stimuli: readonly Stimulus[]): Promise<Ran> {
  return runShell(stimulusScript(stimuli), { commands: [ip], argv0: '/lab/case/stimulus.sh', cwd: '/lab' });
}

/** Without the announcements. */
function output(ran: Ran): string {
  return ran.stdout.replace(/^### .*\n/gm, '');
}

function announcements(ran: Ran): string[] {
  return [...ran.stdout.matchAll(/^### \d+\.\d{9} (.*)$/gm)].map((m) => m[1]!);
}

describe('a stimulus', () => {
  it('run: in its namespace, announced, both streams, exit status', async () => {
    const ran = await runStimuli([
      { kind: 'run', netns: 'pod-a', cmd: '$TOOLS/show.py \'a b\' "$HOME"; both x; (exit 5)' },
      { kind: 'run', netns: 'pod-b', cmd: 'no-such-command' },
    ]);
    expect(announcements(ran)).toEqual([
      'step [pod-a] $TOOLS/show.py \'a b\' "$HOME"; both x; (exit 5)',
      'rc=5',
      'step [pod-b] no-such-command',
      'rc=127',
    ]);
    expect(output(ran)).toBe(
      'show.py [a b|/root] cwd=/lab netns=pod-a\nout x\nerr x\nbash: no-such-command: command not found\n',
    );
    expect(ran.stderr).toBe('');
  });

  it('run: a loop that reads the clock', async () => {
    const ran = await runStimuli([
      {
        kind: 'run',
        netns: 'a',
        cmd: 'for i in $(seq 1 3); do sleep 1; echo "$(date +%s.%N) $(both y 2>/dev/null)"; done',
      },
    ]);
    const times = output(ran).trimEnd().split('\n');
    expect(times).toHaveLength(3);
    const seconds = times.map((line) => Number(line.split(' ')[0]));
    expect(seconds[1]! - seconds[0]!).toBeCloseTo(1 + (3 * EXEC_COST) / 1e9, 6);
    expect(times[0]).toMatch(/out y$/);
  });

  it('run: pipes, and a subshell', async () => {
    const ran = await runStimuli([
      {
        kind: 'run',
        netns: 'a',
        cmd: 'tick 4 0.1 | grep -v "tick 2" | head -2 | awk \'{print $2}\'; (sleep 0.1); echo rc=$?',
      },
    ]);
    expect(output(ran)).toBe('1\n3\nrc=0\n');
  });

  it('run: a job that is killed after a while', async () => {
    const ran = await runStimuli([
      { kind: 'run', netns: 'a', cmd: 'tick 99 0.5 & sleep 1.6; kill $! 2>/dev/null; wait' },
      { kind: 'run', netns: 'a', cmd: '$TOOLS/show.py client & kill $!; echo next' },
    ]);
    expect(output(ran).match(/^tick/gm)).toHaveLength(3);
    expect(output(ran)).toMatch(/next\n$/);
  });

  it('sleep: exactly as long as it says', async () => {
    const short = await runStimuli([]);
    const long = await runStimuli([
      { kind: 'sleep', seconds: 1.6 },
      { kind: 'sleep', seconds: 7 },
      { kind: 'sleep', seconds: 1e-7 },
    ]);
    expect(long.now - short.now).toBe(8.6e9 + 100 + 3 * EXEC_COST);
  });

  it('start and stop: in the background until the signal, its log afterwards', async () => {
    const ran = await runStimuli([
      { kind: 'start', tag: 'echo', netns: 'pod-b', cmd: 'tick 100 0.25' },
      { kind: 'sleep', seconds: 0.3 },
      { kind: 'run', netns: 'pod-b', cmd: 'cat /var/tmp/bg.echo.log' },
      { kind: 'sleep', seconds: 0.3 },
      { kind: 'stop', tag: 'echo', signal: 'TERM' },
      { kind: 'start', tag: 'by-int', netns: 'pod-b', cmd: 'tick 100 0.25' },
      { kind: 'sleep', seconds: 0.3 },
      { kind: 'stop', tag: 'by-int', signal: 'INT' },
    ]);
    const lines = output(ran)
      .split('\n')
      .map((line) => line.replace(/ at .*/, ''));
    expect(lines).toEqual([
      'tick 1',
      '--- log of echo',
      'tick 1',
      'tick 2',
      '--- log of by-int',
      'tick 1',
      'stopped',
      '',
    ]);
    expect(announcements(ran).filter((a) => !/^(step|rc)/.test(a))).toEqual([
      'start [pod-b] (echo) tick 100 0.25',
      'kill -TERM (echo)',
      'start [pod-b] (by-int) tick 100 0.25',
      'kill -INT (by-int)',
    ]);
  });

  it('shell: a job in a file that a later stimulus waits for', async () => {
    const ran = await runStimuli([
      { kind: 'shell', text: 'ip netns exec pod-a tick 4 0.5 > /var/tmp/ping.txt 2>&1 & PP=$!' },
      { kind: 'sleep', seconds: 1.2 },
      { kind: 'shell', text: 'echo "so far $(grep -c tick /var/tmp/ping.txt)"' },
      { kind: 'shell', text: 'wait $PP; echo "--- rc $?"; cat /var/tmp/ping.txt' },
    ]);
    expect(output(ran).replace(/ at .*/g, '')).toBe('so far 2\n--- rc 0\ntick 1\ntick 2\ntick 3\ntick 4\n');
  });

  it('shell: programs found by their names', async () => {
    const ran = await runStimuli([
      { kind: 'shell', text: 'ip netns exec c tick 9 1 > /tmp/t 2>&1 & P=$!; tick 9 1 >/dev/null & sleep 2.5' },
      {
        kind: 'shell',
        text: '[ "$(pgrep -f "tick 9" | head -1)" = $P ] && echo found; pidof tick | wc -w; pkill -f tick; wait $P; echo $?',
      },
      { kind: 'shell', text: 'pgrep tick; echo $?; killall tick' },
    ]);
    expect(output(ran)).toBe('found\n2\n143\n1\n');
    expect(ran.stderr).toBe('tick: no process found\n');
  });

  it('shell: two jobs, one killed', async () => {
    const ran = await runStimuli([
      {
        kind: 'shell',
        text: 'ip netns exec c tick 3 0.5 > /var/tmp/t1.txt 2>&1 & P1=$!; ip netns exec c tick 50 0.6 > /var/tmp/t2.txt 2>&1 & P2=$!',
      },
      { kind: 'sleep', seconds: 1 },
      {
        kind: 'shell',
        text: 'kill $P2 2>/dev/null; wait $P1; wait $P2; echo "rc $?"; cat /var/tmp/t1.txt /var/tmp/t2.txt',
      },
    ]);
    expect(output(ran).replace(/ at .*/g, '')).toBe('rc 143\ntick 1\ntick 2\ntick 3\ntick 1\n');
  });
});

describe('topology.json', () => {
  function mistakes(value: unknown): string[] {
    try {
      parseTopology(typeof value === 'string' ? value : JSON.stringify(value), 't.json');
    } catch (error) {
      expect(error).toBeInstanceOf(LabInputError);
      return (error as Error).message.split('\n');
    }
    return [];
  }

  it('is refused when it is not JSON, with the place', () => {
    expect(mistakes('{"captures":\n [}')).toEqual(['t.json:2:3: not JSON']);
  });

  it('has all its mistakes named at once', () => {
    const found = mistakes({
      captures: [{ netns: '../etc', ifname: 'eth0' }, { netns: 'a', ifname: 'a/b' }, { netns: 'a' }],
      stimuli: [{ kind: 'run', netns: 'a' }, { kind: 'sleep', seconds: -1 }, { kind: 'jump' }],
    });
    expect(found.map((m) => m.split(': ')[1])).toEqual([
      'captures[0].netns',
      'captures[1].ifname',
      'captures[2].ifname',
      'stimuli[0].cmd',
      'stimuli[1].seconds',
      'stimuli[2].kind',
    ]);
  });

  it('may only stop what it has started', () => {
    const stimuli = [{ kind: 'stop', tag: 'x', signal: 'TERM' }];
    expect(mistakes({ captures: [], stimuli })).toEqual(['t.json:1:48: stimuli[0].tag: x has not been started before']);
  });

  const golden = join(import.meta.dirname, '../../../shared/golden');
  const there = existsSync(golden);
  if (!there) console.warn(`SKIPPED: ${golden} is not there`);
  it.skipIf(!there)('of every golden case is taken', () => {
    const cases = readdirSync(golden).filter((name) => existsSync(join(golden, name, 'topology.json')));
    expect(cases.length).toBeGreaterThan(20);
    for (const name of cases) {
      const file = join(golden, name, 'topology.json');
      expect(parseTopology(readFileSync(file, 'utf8'), file).stimuli.length).toBeGreaterThan(0);
    }
  });
});
