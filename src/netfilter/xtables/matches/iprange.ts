// -m iprange (extensions/libxt_iprange.c): addresses from one to another.

import { formatIpv4 } from '../../../addr/ipv4.ts';
import { type OptionValue, RuleError } from '../extension-option.ts';
import type { Match, MatchType, Test } from '../match.ts';
import { numericAddress } from '../option-text.ts';

interface Range {
  /** unsigned */
  readonly low: number;
  readonly high: number;
  readonly inverted: boolean;
}

class IprangeMatch implements Match {
  readonly name = 'iprange';
  readonly pure = true;
  #source: Range | null = null;
  #destination: Range | null = null;

  parse(option: OptionValue): void {
    const [first = '', last = first] = option.value.split('-', 2);
    const read = (text: string): number => {
      const address = numericAddress(text);
      if (address !== null) return address >>> 0;
      throw new RuleError(`iprange: Bad value for "--${option.name}" option: "${text}"`);
    };
    const range = { low: read(first), high: read(last), inverted: option.inverted };
    if (option.name === 'src-range') this.#source = range;
    else this.#destination = range;
  }

  finish(): void {
    if (this.#source === null && this.#destination === null) {
      throw new RuleError("iprange match: You must specify `--src-range' or `--dst-range'");
    }
  }

  save(): string {
    const text = (r: Range | null, name: string): string =>
      r === null ? '' : `${r.inverted ? ' !' : ''} --${name} ${rangeText(r)}`;
    return text(this.#source, 'src-range') + text(this.#destination, 'dst-range');
  }

  list(): string {
    const text = (r: Range | null, name: string): string =>
      r === null ? '' : ` ${name} IP range${r.inverted ? ' !' : ''} ${rangeText(r)}`;
    return text(this.#source, 'source') + text(this.#destination, 'destination');
  }

  compile(): Test {
    const source = this.#source;
    const destination = this.#destination;
    return (p) => {
      if (source !== null) {
        const a = p.source >>> 0;
        if ((a >= source.low && a <= source.high) === source.inverted) return false;
      }
      if (destination === null) return true;
      const a = p.destination >>> 0;
      return (a >= destination.low && a <= destination.high) !== destination.inverted;
    };
  }
}

function rangeText(r: Range): string {
  return `${formatIpv4(r.low | 0)}-${formatIpv4(r.high | 0)}`;
}

export const iprangeMatch: MatchType = {
  name: 'iprange',
  options: [
    { name: 'src-range', argument: 'required', invertible: true },
    { name: 'dst-range', argument: 'required', invertible: true },
  ],
  create: () => new IprangeMatch(),
};
