// -m sctp (extensions/libxt_sctp.c, net/netfilter/xt_sctp.c): ports; kinds of chunks (--chunk-types) are not emulated.

import { type OptionValue, RuleError } from '../extension-option.ts';
import type { Match, MatchType, Test } from '../match.ts';
import type { Rule } from '../rule.ts';
import { PortRange } from './port-range.ts';

/** IPPROTO_SCTP */
const SCTP = 132;

class SctpMatch implements Match {
  readonly name = 'sctp';
  readonly pure = true;
  readonly #source = new PortRange();
  readonly #destination = new PortRange();

  parse(option: OptionValue): void {
    (option.name.startsWith('s') ? this.#source : this.#destination).parse(option, SCTP);
  }

  finish(rule: Rule): void {
    if (rule.protocol !== SCTP || rule.protocolInverted) throw new RuleError('sctp match: only valid for protocol 132');
  }

  get exactDestinationPort(): number {
    return this.#destination.exact;
  }

  save(): string {
    return `${this.#source.save('sport')}${this.#destination.save('dport')}`;
  }

  list(numeric: boolean): string {
    return ` sctp${this.#source.list('spt', SCTP, numeric)}${this.#destination.list('dpt', SCTP, numeric)}`;
  }

  compile(): Test | null {
    const source = this.#source;
    const destination = this.#destination;
    if (source.any && destination.any) return null;
    const port = destination.exact;
    if (source.any && port >= 0) return (p) => p.destinationPort === port;
    return (p) => p.destinationPort >= 0 && source.matches(p.sourcePort) && destination.matches(p.destinationPort);
  }
}

export const sctpMatch: MatchType = {
  name: 'sctp',
  options: [
    { name: 'source-port', argument: 'required', invertible: true },
    { name: 'sport', argument: 'required', invertible: true },
    { name: 'destination-port', argument: 'required', invertible: true },
    { name: 'dport', argument: 'required', invertible: true },
  ],
  create: () => new SctpMatch(),
};
