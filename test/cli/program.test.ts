// Proves how podwire ends: every wrong use is status 2 and one line that names the command, suggests what was meant and
// points to --help; a bug of podwire is status 70 with what repeats it; help and version are status 0.

import type { Command } from 'commander';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { InternalError } from '../../src/base/assert.ts';
import { VERSION } from '../../src/base/version.ts';
import { CommandError, ExitStatus, environmentError, setRunPosition, usageError } from '../../src/cli/exit.ts';
import { createProgram, runProgram } from '../../src/cli/program.ts';
import { parseCount, parseDuration, parseSeed } from '../../src/cli/values.ts';

let seen: { files: string[]; options: Record<string, unknown> } | null = null;

function registerTry(program: Command): void {
  program
    .command('try')
    .description('tries something')
    .argument('<file...>', 'files')
    .option('--seed <n>', 'seed', parseSeed)
    .option('--max-time <time>', 'limit', parseDuration)
    .option('--max-events <n>', 'limit', parseCount)
    .option('--out <dir>', 'where to')
    .action((files: string[], options: Record<string, unknown>) => {
      seen = { files, options };
      const [first] = files;
      if (first === 'usage') throw usageError('usage: not like this');
      if (first === 'place') throw usageError('file.yaml:1:2: not like this');
      if (first === 'environment') throw environmentError('no permission: run it as root');
      if (first === 'failed') throw new CommandError(ExitStatus.FAILED, 'one expectation failed');
      if (first === 'verdict') process.exitCode = ExitStatus.FAILED;
      if (first === 'broken') throw new InternalError('a frame is freed once');
      if (first === 'thrown') throw new TypeError('x is not a function');
      if (first === 'pipe') throw Object.assign(new Error('write EPIPE'), { code: 'EPIPE' });
    });
  program.command('other').description('something else');
}

async function podwire(...typed: string[]): Promise<{ status: number; err: string; out: string }> {
  let err = '';
  let out = '';
  const write = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += String(text);
    return true;
  });
  seen = null;
  const before = process.exitCode;
  try {
    const status = await runProgram(createProgram([registerTry]), ['node', 'podwire', ...typed], (text) => {
      err += text;
    });
    return { status, err, out };
  } finally {
    process.exitCode = before;
    write.mockRestore();
  }
}

afterEach(() => setRunPosition(null));

describe('wrong use', () => {
  it.each([
    ['no command', [], 'no command given (try, other)'],
    ['an unknown command', ['tyr'], "unknown command 'tyr' (Did you mean try?)"],
    ['an unknown flag', ['try', '--sed', '3', 'f'], "unknown option '--sed' (Did you mean --seed?)"],
    ['an unknown global flag', ['--vresion'], "unknown option '--vresion' (Did you mean --version?)"],
    ['a flag without its value', ['try', 'f', '--seed'], "option '--seed <n>' argument missing"],
    ['no file', ['try'], "missing required argument 'file'"],
    ['a seed that is no number', ['try', 'f', '--seed', 'abc'], "'abc' is invalid. A seed is a whole number"],
    ['a negative seed', ['try', 'f', '--seed', '-1'], "'-1' is invalid. A seed is a whole number"],
    ['a seed with a fraction', ['try', 'f', '--seed', '1.5'], 'A seed is a whole number'],
    ['an empty seed', ['try', 'f', '--seed', ''], 'A seed is a whole number'],
    ['a time without a unit that is known', ['try', 'f', '--max-time', '3 weeks'], 'A time is a number with'],
    ['a count of nothing', ['try', 'f', '--max-events', '0'], 'A count is a whole number, 1 or more'],
    ['arguments for a command that takes none', ['other', 'f'], 'too many arguments'],
  ])('%s is status 2 and one line with a pointer to --help', async (_name, typed, expected) => {
    const { status, err, out } = await podwire(...typed);
    expect(status).toBe(2);
    expect(err).toContain(expected);
    expect(err).toMatch(/^podwire[^\n]*; see 'podwire[^\n]*--help'\n$/);
    expect(out).toBe('');
    expect(seen).toBeNull();
  });

  it('names the command whose help to read', async () => {
    expect((await podwire('try', '--nope', 'f')).err).toContain("podwire try: unknown option '--nope'");
    expect((await podwire('try', '--nope', 'f')).err).toContain("see 'podwire try --help'");
  });
});

describe('endings', () => {
  it('is 0 when the command went through, with its values checked', async () => {
    const typed = ['try', 'a', 'b', '--seed', '0x10', '--max-time', '1.5ms', '--max-events', '1e6'];
    expect(await podwire(...typed)).toEqual({ status: 0, err: '', out: '' });
    expect(seen).toEqual({ files: ['a', 'b'], options: { seed: 16, maxTime: 1_500_000, maxEvents: 1_000_000 } });
  });

  it.each([
    ['failed', 1, 'podwire: one expectation failed\n'],
    ['usage', 2, 'podwire: usage: not like this\n'],
    ['place', 2, 'file.yaml:1:2: not like this\n'],
    ['environment', 3, 'podwire: no permission: run it as root\n'],
  ])('an error of a command: %s is its status and its one line', async (file, status, err) => {
    expect(await podwire('try', file)).toEqual({ status, err, out: '' });
  });

  it('takes the verdict that a command leaves in process.exitCode', async () => {
    expect((await podwire('try', 'verdict')).status).toBe(1);
  });

  it('is quiet when the reader of the output went away', async () => {
    expect(await podwire('try', 'pipe')).toEqual({ status: 0, err: '', out: '' });
  });

  it.each([
    [['--help'], 'Usage: podwire [options] [command]'],
    [['help'], 'Usage: podwire [options] [command]'],
    [['try', '--help'], 'Usage: podwire try [options] <file...>'],
    [['help', 'try'], 'Usage: podwire try [options] <file...>'],
    [['--version'], VERSION],
  ])('%j prints on standard output and is 0', async (typed, expected) => {
    const { status, err, out } = await podwire(...typed);
    expect({ status, err }).toEqual({ status: 0, err: '' });
    expect(out).toContain(expected);
  });
});

describe('a bug of podwire', () => {
  it('is status 70, with the message, the version and where the run stood, and no stack', async () => {
    setRunPosition(() => ({ seed: 7, now: 1_500_000_000, events: 42 }));
    const { status, err } = await podwire('try', 'broken');
    expect(status).toBe(70);
    expect(err).toContain('podwire: internal error: a frame is freed once\n');
    expect(err).toContain(`podwire ${VERSION}, Node ${process.versions.node}, a broken invariant, seed 7`);
    expect(err).toContain('virtual time 1.500000000 s, event 42');
    expect(err).toContain('This is a bug of podwire');
    expect(err).not.toContain('    at ');
  });

  it('is any other throw too', async () => {
    const { status, err } = await podwire('try', 'thrown');
    expect(status).toBe(70);
    expect(err).toContain('podwire: internal error: x is not a function\n');
    expect(err).toContain('TypeError');
  });

  it('still reports when the broken run cannot say where it is', async () => {
    setRunPosition(() => {
      throw new Error('gone');
    });
    expect((await podwire('try', 'broken')).err).toContain('internal error: a frame is freed once');
  });

  it('shows the stack under PODWIRE_DEBUG=1', async () => {
    vi.stubEnv('PODWIRE_DEBUG', '1');
    try {
      expect((await podwire('try', 'broken')).err).toContain('program.test.ts');
    } finally {
      vi.unstubAllEnvs();
    }
  });
});
