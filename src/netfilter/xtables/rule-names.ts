// Names and numbers of a rule's own options: protocols, interfaces, chains, rule numbers (iptables 1.8.9 iptables/xshared.c,
// libxtables/xtables.c).

import { RuleError } from './extension-option.ts';
import { extensionTypes } from './extensions.ts';
import { STANDARD_TARGETS } from './iptables-call.ts';
import { unsigned } from './option-text.ts';
import { protocolNumber } from './protocol-names.ts';

/** XT_EXTENSION_MAXNAMELEN: names of chains, matches and targets, with the zero at the end. */
export const NAME_MAX = 29;
/** IFNAMSIZ with the zero at the end. */
const IFNAME_MAX = 16;
const INT_MAX = 0x7fff_ffff;

export function parseProtocol(text: string): number {
  const lower = text.toLowerCase();
  const number = unsigned(lower, 255);
  if (number !== null) return number;
  const named = protocolNumber(lower);
  if (named === null) throw new RuleError(`unknown protocol "${lower}" specified`);
  return named;
}

export function parseInterface(name: string, inverted: boolean): string {
  if (name.length >= IFNAME_MAX) {
    throw new RuleError(`interface name \`${name}' must be shorter than IFNAMSIZ (${IFNAME_MAX - 1})`);
  }
  if (name === '+' && inverted) throw new RuleError('rule would never match the interface');
  return name === '+' ? '' : name;
}

export function parseRuleNumber(text: string): number {
  const number = unsigned(text, INT_MAX);
  if (number === null || number === 0) throw new RuleError(`Invalid rule number \`${text}'`);
  return number;
}

/** parse_chain (iptables/xshared.c). */
export function checkChainName(name: string): void {
  if (name.startsWith('-') || name.startsWith('!')) {
    throw new RuleError(`chain name not allowed to start with \`${name[0]!}'`);
  }
  if (STANDARD_TARGETS.includes(name) || extensionTypes.target(name) !== null) {
    throw new RuleError('chain name may not clash with target name');
  }
  if (name.length >= NAME_MAX) {
    throw new RuleError(`chain name \`${name}' too long (must be under ${NAME_MAX} chars)`);
  }
  if (/\s/.test(name)) throw new RuleError(`Invalid chain name \`${name}'`);
}
