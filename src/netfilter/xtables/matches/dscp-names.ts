// Names of differentiated-services classes (RFC 2474, RFC 2597, RFC 3246) and of the old types of service (RFC 1349).

import { type OptionValue, RuleError } from '../extension-option.ts';
import { unsigned } from '../option-text.ts';

const CLASSES: Readonly<Record<string, number>> = {
  ...Object.fromEntries(Array.from({ length: 8 }, (_, i) => [`CS${i}`, i * 8])),
  BE: 0,
  AF11: 10,
  AF12: 12,
  AF13: 14,
  AF21: 18,
  AF22: 20,
  AF23: 22,
  AF31: 26,
  AF32: 28,
  AF33: 30,
  AF41: 34,
  AF42: 36,
  AF43: 38,
  EF: 46,
};

export function dscpOfClass(name: string): number {
  const dscp = CLASSES[name.toUpperCase()];
  if (dscp === undefined) throw new RuleError(`Invalid DSCP value \`${name}'`);
  return dscp;
}

const TOS_NAMES: readonly (readonly [name: string, value: number])[] = [
  ['Minimize-Delay', 0x10],
  ['Maximize-Throughput', 0x08],
  ['Maximize-Reliability', 0x04],
  ['Minimize-Cost', 0x02],
  ['Normal-Service', 0x00],
];
/** Names mean the bits below the precedence, ECN's two among them as RFC 1349 had it. */
const TOS_MASK = 0x3f;

export function parseTos(option: OptionValue): readonly [value: number, mask: number] {
  const named = TOS_NAMES.find(([name]) => name.toLowerCase() === option.value.toLowerCase());
  if (named !== undefined) return [named[1], TOS_MASK];
  const [value = '', mask] = option.value.split('/', 2);
  const v = unsigned(value, 255);
  const m = mask === undefined ? 255 : unsigned(mask, 255);
  if (v === null || m === null) {
    throw new RuleError(`${option.extension}: Bad value for "--${option.name}" option: "${option.value}"`);
  }
  return [v, m];
}

export function tosName(value: number, mask: number): string | null {
  return mask === TOS_MASK ? (TOS_NAMES.find(([, v]) => v === value)?.[0] ?? null) : null;
}

export function hexByte(value: number): string {
  return `0x${value.toString(16).padStart(2, '0')}`;
}
