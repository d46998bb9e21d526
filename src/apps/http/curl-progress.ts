// curl's progress meter: two lines of headings, the state at the begin and at the end (its updates in between, once a second
// at the most, are left out).

import { NS_PER_S, type Ns } from '../../sim/sim.ts';
import { speed } from './curl-write-out.ts';

export const METER_HEAD =
  '  % Total    % Received % Xferd  Average Speed   Time    Time     Time  Current\n' +
  '                                 Dload  Upload   Total   Spent    Left  Speed\n';

const KIB = 1024;

/** Five characters for a number of bytes (max5data). */
function five(bytes: number): string {
  if (bytes < 100_000) return String(bytes).padStart(5);
  if (bytes < 10_000 * KIB) return `${String(Math.floor(bytes / KIB)).padStart(4)}k`;
  const mib = bytes / KIB ** 2;
  if (mib < 100) return `${String(Math.floor(mib)).padStart(2)}.${Math.floor((mib % 1) * 10)}M`;
  if (mib < 10_000) return `${String(Math.floor(mib)).padStart(4)}M`;
  return `${(mib / KIB).toFixed(1).padStart(4)}G`;
}

function clock(ns: Ns): string {
  const s = Math.floor(ns / NS_PER_S);
  if (s <= 0) return '--:--:--';
  const two = (n: number): string => String(n).padStart(2, '0');
  return `${String(Math.floor(s / 3600)).padStart(2)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
}

export interface MeterState {
  /** bytes expected; null: unknown */
  readonly size: number | null;
  readonly received: number;
  readonly sent: number;
  readonly spent: Ns;
}

export function meterLine({ size, received, sent, spent }: MeterState): string {
  const expected = size === null ? received + sent : size + sent;
  const done = received + sent;
  const share = size === null || size === 0 ? 0 : Math.floor((received * 100) / size);
  const total = size === null ? (done > 0 ? 100 : 0) : expected === 0 ? 0 : Math.floor((done * 100) / expected);
  const rate = speed(received, spent);
  const percent = (n: number): string => String(n).padStart(3);
  return `\r${percent(total)} ${five(expected)}  ${percent(share)} ${five(received)}  ${percent(sent > 0 ? 100 : 0)} ${five(sent)}  ${five(rate)}  ${five(speed(sent, spent))} --:--:-- ${clock(spent)} --:--:-- ${five(rate)}`;
}
