// -m udp and -m sctp (extensions/libxt_udp.c, libxt_sctp.c; net/netfilter/xt_tcpudp.c, xt_sctp.c): ports.

import { IpProtocol } from '../../wire/ipv4.ts';
import { type OptionValue, RuleError } from '../extension-option.ts';
import type { Match, MatchType, Test } from '../match.ts';
import type { Rule } from '../rule.ts';
import { PortRange } from './port-range.ts';

const { UDP } = IpProtocol;
const SCTP = 132;

class PortsMatch implements Match {
  readonly name: string;
  readonly #protocol: number;
  readonly pure = true;
  readonly #source = new PortRange();
  readonly #destination = new PortRange();

  constructor(name: string, protocol: number) {
    this.name = name;
    this.#protocol = protocol;
  }

  parse(option: OptionValue): void {
    (option.name.startsWith('s') ? this.#source : this.#destination).parse(option, this.#protocol);
  }

  finish(rule: Rule): void {
    if (this.#protocol === UDP && !this.#fits(rule)) throw new RuleError("UDP match requires '-p udp'");
  }

  refused(rule: Rule): boolean {
    return !this.#fits(rule);
  }

  #fits(rule: Rule): boolean {
    return rule.protocol === this.#protocol && !rule.protocolInverted;
  }

  get exactDestinationPort(): number {
    return this.#destination.exact;
  }

  save(): string {
    return `${this.#source.save('sport')}${this.#destination.save('dport')}`;
  }

  list(numeric: boolean): string {
    const source = this.#source.list('spt', this.#protocol, numeric);
    return ` ${this.name}${source}${this.#destination.list('dpt', this.#protocol, numeric)}`;
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

const OPTIONS = [
  { name: 'source-port', argument: 'required', invertible: true },
  { name: 'sport', argument: 'required', alias: 'source-port', invertible: true },
  { name: 'destination-port', argument: 'required', invertible: true },
  { name: 'dport', argument: 'required', alias: 'destination-port', invertible: true },
] as const;

export const udpMatch: MatchType = { name: 'udp', options: OPTIONS, create: () => new PortsMatch('udp', UDP) };
export const sctpMatch: MatchType = { name: 'sctp', options: OPTIONS, create: () => new PortsMatch('sctp', SCTP) };
