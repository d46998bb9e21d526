// -m udp (extensions/libxt_udp.c, net/netfilter/xt_tcpudp.c).

import { IpProtocol } from '../../wire/ipv4.ts';
import { type OptionValue, RuleError } from '../extension-option.ts';
import type { Match, MatchType, Test } from '../match.ts';
import type { Rule } from '../rule.ts';
import { PortRange } from './port-range.ts';

const { UDP } = IpProtocol;

class UdpMatch implements Match {
  readonly name = 'udp';
  readonly pure = true;
  readonly #source = new PortRange();
  readonly #destination = new PortRange();

  parse(option: OptionValue): void {
    (option.name.startsWith('s') ? this.#source : this.#destination).parse(option, UDP);
  }

  finish(rule: Rule): void {
    if (rule.protocol !== UDP || rule.protocolInverted) throw new RuleError("UDP match requires '-p udp'");
  }

  get exactDestinationPort(): number {
    return this.#destination.exact;
  }

  save(): string {
    return `${this.#source.save('sport')}${this.#destination.save('dport')}`;
  }

  list(numeric: boolean): string {
    return ` udp${this.#source.list('spt', UDP, numeric)}${this.#destination.list('dpt', UDP, numeric)}`;
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

export const udpMatch: MatchType = {
  name: 'udp',
  options: [
    { name: 'source-port', argument: 'required', invertible: true },
    { name: 'sport', argument: 'required', invertible: true },
    { name: 'destination-port', argument: 'required', invertible: true },
    { name: 'dport', argument: 'required', invertible: true },
  ],
  create: () => new UdpMatch(),
};
