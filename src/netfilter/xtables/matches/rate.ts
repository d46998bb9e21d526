// Rates of the limit and hashlimit matches: packets per second, minute, hour or day.

import { RuleError } from '../extension-option.ts';
import { unsigned } from '../option-text.ts';

export interface Rate {
  readonly packets: number;
  /** seconds */
  readonly unit: number;
}

const UNITS: readonly (readonly [name: string, seconds: number, short: string])[] = [
  ['second', 1, 'sec'],
  ['minute', 60, 'min'],
  ['hour', 3600, 'hour'],
  ['day', 86_400, 'day'],
];
/** XT_LIMIT_SCALE: rates are kept in ten-thousandths of a second. */
const SCALE = 10_000;

export function parseRate(text: string): Rate {
  const bad = (): RuleError => new RuleError(`bad rate "${text}"'`);
  const [count = '', unit] = text.split('/', 2);
  const found =
    unit === undefined ? UNITS[0]! : UNITS.find(([name]) => unit !== '' && name.startsWith(unit.toLowerCase()));
  const packets = unsigned(count, 0xffff_ffff);
  if (found === undefined || packets === null || packets === 0) throw bad();
  if (packets / found[1] > SCALE) throw new RuleError(`Rate too fast "${text}"`);
  return { packets, unit: found[1] };
}

export function rateText(rate: Rate): string {
  return `${rate.packets}/${UNITS.find(([, seconds]) => seconds === rate.unit)![2]}`;
}
