// -m multiport (extensions/libxt_multiport.c, net/netfilter/xt_multiport.c): up to fifteen ports; a range counts as two.

import { type OptionValue, RuleError } from '../extension-option.ts';
import type { Match, MatchType, Test } from '../match.ts';
import { parsePort } from '../option-text.ts';
import { serviceName } from '../protocol-names.ts';
import type { Rule } from '../rule.ts';

/** XT_MULTI_PORTS */
const PORTS_MAX = 15;
/** UDP, TCP, UDP-Lite, SCTP, DCCP */
const PROTOCOLS: readonly number[] = [6, 17, 136, 132, 33];

type Kind = 'sports' | 'dports' | 'ports';

class MultiportMatch implements Match {
  readonly name = 'multiport';
  readonly pure = true;
  #kind: Kind = 'ports';
  #ranges: readonly (readonly [low: number, high: number])[] = [];
  #inverted = false;
  #given = false;
  #protocol = 0;

  parse(option: OptionValue, rule: Rule): void {
    this.#protocol = rule.protocol;
    checkProtocol(rule);
    this.#given = true;
    this.#kind = option.name.startsWith('s') ? 'sports' : option.name.startsWith('d') ? 'dports' : 'ports';
    this.#inverted = option.inverted;
    let used = 0;
    this.#ranges = option.value.split(',').map((text) => {
      const [low = '', high] = text.split(':', 2);
      used += high === undefined ? 1 : 2;
      if (used > PORTS_MAX) throw new RuleError('too many ports specified');
      const first = parsePort(low, rule.protocol);
      const last = high === undefined ? first : parsePort(high, rule.protocol);
      if (high !== undefined && first >= last) throw new RuleError('invalid portrange specified');
      return [first, last] as const;
    });
  }

  finish(rule: Rule): void {
    if (!this.#given) throw new RuleError('multiport expection an option');
    checkProtocol(rule);
  }

  save(): string {
    return `${this.#inverted ? ' !' : ''} --${this.#kind} ${this.#text((port) => String(port))}`;
  }

  list(numeric: boolean): string {
    const text = this.#text((port) => (numeric ? null : serviceName(port, this.#protocol)) ?? String(port));
    return ` multiport ${this.#kind} ${this.#inverted ? ' !' : ''}${text}`;
  }

  #text(port: (n: number) => string): string {
    return this.#ranges.map(([low, high]) => (low === high ? port(low) : `${port(low)}:${port(high)}`)).join(',');
  }

  compile(): Test {
    const lows = Int32Array.from(this.#ranges, ([low]) => low);
    const highs = Int32Array.from(this.#ranges, ([, high]) => high);
    const asksSource = this.#kind !== 'dports';
    const asksDestination = this.#kind !== 'sports';
    const inverted = this.#inverted;
    return (p) => {
      if (p.destinationPort < 0) {
        // ports_match: a first fragment too short for its ports is dropped; a later one does not match.
        if (p.fragment === 0) p.hotDrop = true;
        return false;
      }
      for (let i = 0; i < lows.length; i++) {
        const low = lows[i]!;
        const high = highs[i]!;
        if (asksSource && p.sourcePort >= low && p.sourcePort <= high) return !inverted;
        if (asksDestination && p.destinationPort >= low && p.destinationPort <= high) return !inverted;
      }
      return inverted;
    };
  }
}

function checkProtocol(rule: Rule): void {
  if (rule.protocolInverted || !PROTOCOLS.includes(rule.protocol)) {
    throw new RuleError("multiport needs `-p tcp', `-p udp', `-p udplite', `-p sctp' or `-p dccp'");
  }
}

const KINDS = ['source-ports', 'destination-ports', 'ports'];

const option = (name: string, alias?: string) =>
  ({
    name,
    argument: 'required',
    invertible: true,
    ...(alias === undefined ? { excludes: KINDS.filter((n) => n !== name) } : { alias }),
  }) as const;

export const multiportMatch: MatchType = {
  name: 'multiport',
  options: [
    option('source-ports'),
    option('sports', 'source-ports'),
    option('destination-ports'),
    option('dports', 'destination-ports'),
    option('ports'),
  ],
  create: () => new MultiportMatch(),
};
