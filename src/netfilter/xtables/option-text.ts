// How libxtables reads numbers, marks, ports and addresses of options (libxtables/xtables.c, xtoptions.c), with its words
// for what it cannot read.

import { type Ipv4, maskIpv4 } from '../../addr/ipv4.ts';
import { type OptionValue, RuleError, RuleErrorKind } from './extension-option.ts';
import { servicePort } from './protocol-names.ts';

const U32_MAX = 0xffff_ffff;

/** strtoul() with base 0 over the whole text: decimal, 0x, and octal behind a 0; null for anything else. */
export function unsigned(text: string, max: number): number | null {
  let value: number;
  if (/^0[xX][0-9a-fA-F]+$/.test(text)) value = Number.parseInt(text, 16);
  else if (/^0[0-7]*$/.test(text)) value = Number.parseInt(text, 8);
  else if (/^[1-9]\d*$/.test(text)) value = Number(text);
  else return null;
  return value <= max ? value : null;
}

/** A number in min..max (XTTYPE_UINT*). */
export function uintOption(option: OptionValue, min: number, max: number): number {
  const value = unsigned(option.value, max);
  if (value === null || value < min) {
    throw new RuleError(
      `${option.extension}: bad value for option "--${option.name}", or out of range (${min}-${max}).\n`,
    );
  }
  return value;
}

/** "a", "a:b", ":b", "a:" (XTTYPE_UINT32RC and shorter). */
export function rangeOption(option: OptionValue, max: number): { readonly low: number; readonly high: number } {
  const bad = (): RuleError =>
    new RuleError(`${option.extension}: bad value for option "--${option.name}", or out of range (0-${max}).\n`);
  const parts = option.value.split(':');
  if (parts.length > 2) throw bad();
  const read = (text: string, otherwise: number): number => {
    if (text === '') return otherwise;
    const value = unsigned(text, max);
    if (value === null) throw bad();
    return value;
  };
  const low = read(parts[0]!, 0);
  return { low, high: parts.length === 1 ? low : read(parts[1]!, max) };
}

export interface MarkMask {
  /** signed 32 bits */
  readonly mark: number;
  readonly mask: number;
}

/** "value[/mask]" (XTTYPE_MARKMASK32); without a mask: all bits. */
export function markOption(option: OptionValue): MarkMask {
  const slash = option.value.indexOf('/');
  const mark = unsigned(slash < 0 ? option.value : option.value.slice(0, slash), U32_MAX);
  const mask = slash < 0 ? U32_MAX : unsigned(option.value.slice(slash + 1), U32_MAX);
  if (mark === null || mask === null) {
    throw new RuleError(`${option.extension}: bad integer value for option "--${option.name}", or out of range.\n`);
  }
  return { mark: mark | 0, mask: mask | 0 };
}

/** 0x.. of 32 bits. */
export function hex(value: number): string {
  return `0x${(value >>> 0).toString(16)}`;
}

/** A port by number or name (xtables_parse_port). @param protocol 0: any */
export function parsePort(text: string, protocol: number): number {
  const number = unsigned(text, 0xffff);
  if (number !== null) return number;
  const named = servicePort(text, protocol);
  if (named === null) throw new RuleError(`invalid port/service \`${text}' specified`);
  return named;
}

/** Four decimal parts (xtables_numeric_to_ipaddr); null for anything else. */
export function numericAddress(text: string): Ipv4 | null {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((p) => /^\d{1,3}$/.test(p) && Number(p) <= 255)) return null;
  return parts.reduce((value, p) => (value << 8) | Number(p), 0);
}

/** inet_aton(): one to four parts, the last of which fills the rest. */
function looseAddress(text: string): Ipv4 | null {
  const parts = text.split('.').map((p) => unsigned(p, U32_MAX));
  if (parts.length > 4) return null;
  let value = 0;
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i];
    if (part === null || part === undefined) return null;
    const last = i === parts.length - 1;
    if (part > (last ? 2 ** (8 * (4 - i)) - 1 : 255)) return null;
    value |= last ? part : part << (8 * (3 - i));
  }
  return value | 0;
}

export interface AddressMask {
  readonly address: Ipv4;
  readonly mask: Ipv4;
}

/** The mask behind a slash: a length or four parts. */
function parseMask(text: string): Ipv4 {
  const dotted = numericAddress(text);
  if (dotted !== null) return dotted;
  const length = unsigned(text, 32);
  if (length === null) throw new RuleError(`invalid mask \`${text}' specified`);
  return maskIpv4(length);
}

/**
 * "a[/mask][,...]" of -s and -d (xtables_ipparse_multiple), masked, each pair once. Names are not looked up: there is no
 * resolver on this side of the kernel; localhost is in every hosts file.
 */
export function parseAddresses(text: string): readonly AddressMask[] {
  const found: AddressMask[] = [];
  for (const entry of text.split(',')) {
    const slash = entry.indexOf('/');
    const name = slash < 0 ? entry : entry.slice(0, slash);
    const mask = slash < 0 ? -1 : parseMask(entry.slice(slash + 1));
    let address = numericAddress(name);
    // Networks may leave out their last parts: 10/8 (numeric_to_ipaddr of xtables_ipparse_any pads them).
    if (address === null && slash >= 0 && /^\d{1,3}(\.\d{1,3}){0,2}$/.test(name)) {
      address = numericAddress(`${name}${'.0'.repeat(3 - (name.match(/\./g)?.length ?? 0))}`);
    }
    if (name === 'localhost') address = 0x7f000001;
    address ??= looseAddress(name);
    if (address === null) throw new RuleError(`host/network \`${name}' not found`);
    const masked = { address: address & mask, mask };
    if (!found.some((f) => f.address === masked.address && f.mask === mask)) found.push(masked);
  }
  return found;
}

/** A name that this floor knows about and does not have. */
export function notEmulated(what: string): RuleError {
  return new RuleError(`podwire does not emulate ${what} yet`, RuleErrorKind.OTHER);
}
