// printf '%(FORMAT)T' reads the clock: that has to be the virtual one. All else of printf is just-bash's own.

import type { ExecResult, ResolvedCommandContext } from 'just-bash';
import type { Ns } from '../sim/sim.ts';
import { formatDate, parseMoment } from './date-format.ts';
import { wallClockNs } from './wall-clock.ts';

/** A conversion that takes an argument, or %%; the group is the format of a date. */
const CONVERSION = /%%|%\(([^)]*)\)T|%[-+ #0-9.*]*[a-zA-Z]/g;

/** @param now virtual time: what -1 and no argument stand for */
export async function printf(args: readonly string[], context: ResolvedCommandContext, now: Ns): Promise<ExecResult> {
  const at = args[0] === '-v' ? 2 : args[0] === '--' ? 1 : 0;
  const values = args.slice(at + 1);
  const wall = wallClockNs(now);
  let index = 0;
  const format = args[at]?.replace(CONVERSION, (conversion, date: string | undefined) => {
    if (date === undefined) {
      if (conversion !== '%%') index++;
      return conversion;
    }
    const [value = '-1'] = values.splice(index, 1);
    const moment = value === '-1' || value === '-2' ? wall : (parseMoment(`@${value}`, wall) ?? 0n);
    const text = formatDate(date === '' ? '%H:%M:%S' : date, moment);
    return text.replaceAll('%', '%%').replaceAll('\\', '\\\\');
  });
  const words = format === undefined ? [...args] : [...args.slice(0, at), format, ...values];
  return (await context.origCommand?.(words)) ?? { stdout: '', stderr: 'bash: printf: not found\n', exitCode: 127 };
}
