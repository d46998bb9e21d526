// Proves the command line as a process (bad-inputs 39): help is on standard output and status 0; every wrong use of every
// command is status 2, one line on standard error, nothing on standard output, no stack trace; a reader that goes away and
// a standard input that is closed are no surprise.

import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { COMMANDS } from '../../src/cli/commands.ts';
import { createProgram } from '../../src/cli/program.ts';
import { CHECKOUT, type Ended, PODWIRE_SOURCE, podwire, run } from './checkout.ts';

const folder = mkdtempSync(join(tmpdir(), 'podwire-cli-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
chmodSync(folder, 0o755);
mkdirSync(join(folder, 'directory'));
writeFileSync(join(folder, 'secret'), 'x');
chmodSync(join(folder, 'secret'), 0);
writeFileSync(join(folder, 'latin'), Buffer.from('echo caf\xe9\n', 'latin1'));

const program = createProgram(COMMANDS);
const commands = program.commands.filter((c) => c.name() !== 'help').map((c) => c.name());
/** Commands that take a file. */
const takingFiles = program.commands
  .filter((c) => c.registeredArguments.some((a) => a.required) && c.name() !== 'help')
  .map((c) => c.name());
const withSeed = program.commands.filter((c) => c.options.some((o) => o.long === '--seed')).map((c) => c.name());

function expectUsage(ended: Ended, message: string | RegExp): void {
  expect(ended.err).toMatch(message);
  expect(ended.err.trimEnd().split('\n').length, ended.err).toBe(1);
  expect(ended.err).not.toMatch(/^\s+at /m);
  expect({ status: ended.status, out: ended.out }).toEqual({ status: 2, out: '' });
}

describe('help', () => {
  it.each([[['--help']], [['help']], ...commands.map((c) => [[c, '--help']])])('%j', (args) => {
    const { status, out, err } = podwire(args);
    expect({ status, err }).toEqual({ status: 0, err: '' });
    expect(out).toMatch(/^Usage: podwire/);
  });
});

describe.each(commands)('podwire %s', (command) => {
  it('refuses an unknown flag and says where to read', () => {
    expectUsage(podwire([command, '--nope']), `see 'podwire ${command} --help'`);
  });
});

describe.each(takingFiles)('podwire %s FILE', (command) => {
  it('says that a file is missing', () => {
    expectUsage(podwire([command]), /missing required argument/);
  });

  it('says that there is no such file', () => {
    expectUsage(podwire([command, join(folder, 'absent')]), /absent: no such file/);
  });

  it('says that a file cannot be read', () => {
    const args = [command, join(folder, 'secret')];
    if (process.getuid?.() !== 0) expectUsage(podwire(args), /secret: .*permission/);
    else {
      // root may read everything, unless the two capabilities for that are taken away
      const caps = '-dac_override,-dac_read_search';
      const drop = [`--inh-caps=${caps}`, `--bounding-set=${caps}`, process.execPath, ...PODWIRE_SOURCE, ...args];
      expectUsage(run('setpriv', drop, { cwd: CHECKOUT }), /secret: .*permission/);
    }
  });
});

describe.each(takingFiles.filter((c) => c !== 'lab'))('podwire %s DIRECTORY', (command) => {
  it('says that it is a directory', () => {
    expectUsage(podwire([command, join(folder, 'directory')]), /directory: is a directory/);
  });
});

describe.each(takingFiles.filter((c) => c !== 'decode'))('podwire %s with text that is not UTF-8', (command) => {
  it('says so', () => {
    expectUsage(podwire([command, join(folder, 'latin')]), /latin: .*not UTF-8/);
  });
});

describe.each(withSeed)('podwire %s --seed', (command) => {
  it.each([['abc'], ['-1'], ['1.5'], ['']])('refuses %j', (seed) => {
    expectUsage(podwire([command, 'x', '--seed', seed]), /A seed is a whole number from 0 to/);
  });

  it('wants a value', () => {
    expectUsage(podwire([command, 'x', '--seed']), /argument missing/);
  });
});

describe('standard streams', () => {
  it('a closed standard input is an input that cannot be taken', () => {
    const ended = run(
      'bash',
      ['-c', `exec 0<&-; exec "$@"`, 'bash', process.execPath, ...PODWIRE_SOURCE, 'decode', '-'],
      {
        cwd: CHECKOUT,
      },
    );
    expectUsage(ended, /./);
  });

  it('a reader that goes away is no error and no noise', () => {
    const script = 'set -o pipefail; "$@" | head -n 1';
    const capture = join(folder, 'long.pcap');
    writeFileSync(capture, longCapture(50_000));
    const args = [process.execPath, ...PODWIRE_SOURCE, 'decode', '--json', capture];
    const { status, out, err } = run('bash', ['-c', script, 'bash', ...args], { cwd: CHECKOUT });
    expect({ status, err }).toEqual({ status: 0, err: '' });
    expect(out.split('\n').length).toBe(2);
  });
});

/** A classic pcap of so many 60-byte frames. */
function longCapture(packets: number): Uint8Array {
  const bytes = new Uint8Array(24 + packets * 76);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0xa1b2c3d4);
  view.setUint16(4, 2);
  view.setUint16(6, 4);
  view.setUint32(16, 65_535);
  view.setUint32(20, 1);
  for (let n = 0; n < packets; n++) {
    const at = 24 + n * 76;
    view.setUint32(at, n);
    view.setUint32(at + 8, 60);
    view.setUint32(at + 12, 60);
    view.setUint16(at + 16 + 12, 0x88b5);
  }
  return bytes;
}
