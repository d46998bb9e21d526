// Proves that `date` formats as coreutils does, that it reads the virtual clock, and that sleep, time and timeout take
// exactly the virtual time they say.

import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { formatDate, parseMoment } from '../../src/shell/date-format.ts';
import { EXEC_COST } from '../../src/shell/exec-cost.ts';
import { parseInterval } from '../../src/shell/time-commands.ts';
import { WALL_EPOCH_S } from '../../src/shell/wall-clock.ts';
import { runShell } from './rig.ts';

const version = spawnSync('date', ['--version'], { encoding: 'utf8' }).stdout ?? '';
const coreutils = version.includes('GNU coreutils');
if (!coreutils) console.warn('SKIPPED: there is no date of GNU coreutils on this machine to compare with');

const MOMENTS = [
  0, 1_767_225_600, 1_767_225_599, 951_782_400, 1_709_251_199, 1_230_768_000, 1_293_839_999, 4_102_444_800,
];
const FORMATS = [
  ...'aAbBcCdDeFgGhHIjklmMNpPqrRsSTuUVwWxXyYzZ'.split('').map((c) => `%${c}`),
  '%%',
  '%n%t',
  '%:z',
  '%s.%N',
  '%3N',
  '%-d %-m %_H %_m %03e %^a %-j %10Y %5S',
  'plain text 100%',
];

describe.skipIf(!coreutils)('date formats as coreutils does', () => {
  for (const seconds of MOMENTS) {
    it(`at ${seconds}.012345678`, () => {
      const format = FORMATS.join('|');
      const { stdout } = spawnSync('date', ['-u', '-d', `@${seconds}.012345678`, `+${format}`], {
        encoding: 'utf8',
        env: { LC_ALL: 'C', TZ: 'UTC' },
      });
      expect(formatDate(format, BigInt(seconds) * 1_000_000_000n + 12_345_678n)).toBe(stdout.slice(0, -1));
    });
  }
});

describe('the virtual clock', () => {
  it('starts at a fixed date and moves with sleep alone', async () => {
    const ran = await runShell(
      'date +%s.%N; sleep 1.6; date +%F_%T.%N; date -u -d @0 +%Y; date -R -d "2026-02-03 04:05:06"',
    );
    const first = `${WALL_EPOCH_S}.${String(EXEC_COST).padStart(9, '0')}`;
    const second = `2026-01-01_00:00:01.${String(600_000_000 + 3 * EXEC_COST).padStart(9, '0')}`;
    expect(ran.stdout).toBe(`${first}\n${second}\n1970\nTue, 03 Feb 2026 04:05:06 +0000\n`);
  });

  it('is what printf reads', async () => {
    const ran = await runShell(
      'sleep 3; printf "%s|%(%F %T)T|%d%%\\n" a -1 5; printf -v x "%(%s)T" 7; echo $x; printf "%s\\n" "%(no)T" b',
    );
    expect(ran.stdout).toBe('a|2026-01-01 00:00:03|5%\n7\n%(no)T\nb\n');
  });

  it('refuses what is no date, and does not let itself be set', async () => {
    const ran = await runShell('date -d nonsense; echo $?; date 0101; echo $?');
    expect(ran.stdout).toBe('1\n1\n');
    expect(ran.stderr).toContain('invalid date');
  });

  it('is what time measures', async () => {
    const ran = await runShell('time sleep 61.5\ntime -p sleep 2');
    const rest = (0.5 + EXEC_COST / 1e9 + 1).toFixed(3);
    expect(ran.stderr).toBe(`\nreal\t1m${rest}s\nuser\t0m0.000s\nsys\t0m0.000s\nreal 2.00\nuser 0.00\nsys 0.00\n`);
  });

  it('ends what timeout runs, to the nanosecond', async () => {
    const ran = await runShell('timeout 2.5 tick 9 1; echo $?');
    expect(ran.stdout.split('\n').slice(-2)).toEqual(['124', '']);
    expect(ran.now).toBe(2_500_000_000 + EXEC_COST);
  });
});

describe('parsing', () => {
  it('takes intervals with units', () => {
    expect(['1', '1.6', '.5', '2m', '1h', '0.001d', '1x', '', '-1', '1e3', '200ms'].map(parseInterval)).toEqual([
      1e9,
      1.6e9,
      5e8,
      120e9,
      3600e9,
      86.4e9,
      null,
      null,
      null,
      null,
      null,
    ]);
  });

  it('takes moments', () => {
    expect(parseMoment('@12.5', 0n)).toBe(12_500_000_000n);
    expect(parseMoment('1970-01-02', 0n)).toBe(86_400_000_000_000n);
    expect(parseMoment('next tuesday', 0n)).toBeNull();
  });
});
