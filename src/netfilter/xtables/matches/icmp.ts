// -m icmp (extensions/libipt_icmp.c): type and code.

import * as frames from '../../../link/frame.ts';
import { type OptionValue, RuleError } from '../extension-option.ts';
import type { Match, MatchType, Test } from '../match.ts';
import { unsigned } from '../option-text.ts';
import type { Rule } from '../rule.ts';

const { view } = frames;
const ICMP = 1;
/** no type: every message */
const ANY = 255;

/** Names of types and codes (RFC 792, RFC 1256, RFC 1812), in the order in which an abbreviation finds them. */
const NAMES: readonly (readonly [name: string, type: number, codeMin: number, codeMax: number])[] = [
  ['any', ANY, 0, 255],
  ['echo-reply', 0, 0, 255],
  ['pong', 0, 0, 255],
  ['destination-unreachable', 3, 0, 255],
  ['network-unreachable', 3, 0, 0],
  ['host-unreachable', 3, 1, 1],
  ['protocol-unreachable', 3, 2, 2],
  ['port-unreachable', 3, 3, 3],
  ['fragmentation-needed', 3, 4, 4],
  ['source-route-failed', 3, 5, 5],
  ['network-unknown', 3, 6, 6],
  ['host-unknown', 3, 7, 7],
  ['network-prohibited', 3, 9, 9],
  ['host-prohibited', 3, 10, 10],
  ['TOS-network-unreachable', 3, 11, 11],
  ['TOS-host-unreachable', 3, 12, 12],
  ['communication-prohibited', 3, 13, 13],
  ['host-precedence-violation', 3, 14, 14],
  ['precedence-cutoff', 3, 15, 15],
  ['source-quench', 4, 0, 255],
  ['redirect', 5, 0, 255],
  ['network-redirect', 5, 0, 0],
  ['host-redirect', 5, 1, 1],
  ['TOS-network-redirect', 5, 2, 2],
  ['TOS-host-redirect', 5, 3, 3],
  ['echo-request', 8, 0, 255],
  ['ping', 8, 0, 255],
  ['router-advertisement', 9, 0, 255],
  ['router-solicitation', 10, 0, 255],
  ['time-exceeded', 11, 0, 255],
  ['ttl-exceeded', 11, 0, 255],
  ['ttl-zero-during-transit', 11, 0, 0],
  ['ttl-zero-during-reassembly', 11, 1, 1],
  ['parameter-problem', 12, 0, 255],
  ['ip-header-bad', 12, 0, 0],
  ['required-option-missing', 12, 1, 1],
  ['timestamp-request', 13, 0, 255],
  ['timestamp-reply', 14, 0, 255],
  ['address-mask-request', 17, 0, 255],
  ['address-mask-reply', 18, 0, 255],
];

class IcmpMatch implements Match {
  readonly name = 'icmp';
  readonly pure = true;
  #type = ANY;
  #codeMin = 0;
  #codeMax = 255;
  #inverted = false;

  parse(option: OptionValue): void {
    this.#inverted = option.inverted;
    const text = option.value.toLowerCase();
    const begun = NAMES.filter(([name]) => name.toLowerCase().startsWith(text));
    const named = NAMES.find(([name]) => name.toLowerCase() === text) ?? begun[0];
    if (named !== undefined && text !== '') {
      if (begun.length > 1 && named[0].toLowerCase() !== text) {
        throw new RuleError(`Ambiguous ICMP type \`${option.value}': \`${begun[0]![0]}' or \`${begun[1]![0]}'?`);
      }
      [, this.#type, this.#codeMin, this.#codeMax] = named;
      return;
    }
    const [type = '', code] = option.value.split('/', 2);
    const number = unsigned(type, 255);
    if (number === null) throw new RuleError(`Unknown ICMP type \`${option.value}'`);
    this.#type = number;
    if (code === undefined) return;
    const codeNumber = unsigned(code, 255);
    if (codeNumber === null) throw new RuleError(`Unknown ICMP type \`${option.value}'`);
    this.#codeMin = codeNumber;
    this.#codeMax = codeNumber;
  }

  finish(): void {}

  refused(rule: Rule): boolean {
    return rule.protocol !== ICMP || rule.protocolInverted;
  }

  save(): string {
    const code = this.#codeMin === 0 && this.#codeMax === 255 ? '' : `/${this.#codeMin}`;
    const type = this.#type === ANY ? 'any' : `${this.#type}${code}`;
    return `${this.#inverted ? ' !' : ''} --icmp-type ${type}`;
  }

  list(numeric: boolean): string {
    if (!numeric) {
      const named = NAMES.find(
        ([, t, low, high]) => t === this.#type && low === this.#codeMin && high === this.#codeMax,
      );
      if (named !== undefined) return ` icmp ${this.#inverted ? '!' : ''}${named[0]}`;
    }
    let text = ` icmp${this.#inverted ? ' !' : ''}type ${this.#type}`;
    if (this.#codeMin === this.#codeMax) text += ` code ${this.#codeMin}`;
    else if (this.#codeMin !== 0 || this.#codeMax !== 255) text += ` codes ${this.#codeMin}-${this.#codeMax}`;
    return text;
  }

  compile(): Test | null {
    const type = this.#type;
    const low = this.#codeMin;
    const high = this.#codeMax;
    const inverted = this.#inverted;
    return (p) => {
      if (p.fragment !== 0) return false;
      if (p.transport + 2 > p.end) return false;
      const found = view.getUint8(p.transport);
      const code = view.getUint8(p.transport + 1);
      return (type === ANY || (found === type && code >= low && code <= high)) !== inverted;
    };
  }
}

export const icmpMatch: MatchType = {
  name: 'icmp',
  options: [{ name: 'icmp-type', argument: 'required', invertible: true, mandatory: true }],
  create: () => new IcmpMatch(),
};
