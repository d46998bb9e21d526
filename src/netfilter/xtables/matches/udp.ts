// -m udp and -m sctp (extensions/libxt_udp.c, libxt_sctp.c; net/netfilter/xt_tcpudp.c, xt_sctp.c): ports.

import { IpProtocol } from '../../../wire/ipv4.ts';
import { type OptionValue, RuleError } from '../extension-option.ts';
import type { Match, MatchType, Test } from '../match.ts';
import type { Rule } from '../rule.ts';
import { PortRange, portsTest } from './port-range.ts';

const { UDP } = IpProtocol;
const SCTP = 132;
const UDP_HEADER = 8;
const SCTP_HEADER = 12;

class PortsMatch implements Match {
  readonly name: string;
  readonly #protocol: number;
  /** hotdrop is an effect */
  get pure(): boolean {
    return this.#native;
  }

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
    if (!this.#native) return;
    this.#source.normalise();
    this.#destination.normalise();
  }

  refused(rule: Rule): boolean {
    return !this.#fits(rule);
  }

  #fits(rule: Rule): boolean {
    return rule.protocol === this.#protocol && !rule.protocolInverted;
  }

  get exactDestinationPort(): number {
    return this.#native ? this.#destination.exact : -1;
  }

  save(): string {
    return `${this.#source.save('sport')}${this.#destination.save('dport')}`;
  }

  list(numeric: boolean): string {
    const source = this.#source.list('spt', this.#protocol, numeric);
    return ` ${this.name}${source}${this.#destination.list('dpt', this.#protocol, numeric)}`;
  }

  /** iptables makes payload expressions of UDP ports; a bare -m udp, and sctp, stay with their xt matches. */
  get #native(): boolean {
    return this.#protocol === UDP && (!this.#source.any || !this.#destination.any);
  }

  compile(): Test {
    const source = this.#source.any ? null : this.#source;
    const destination = this.#destination.any ? null : this.#destination;
    if (this.#native) {
      const port = this.#destination.exact;
      if (source === null && port >= 0) return (p) => p.rawDestinationPort === port;
      const ports = portsTest(this.#source, this.#destination);
      return (p) => ports(p.rawSourcePort, p.rawDestinationPort);
    }
    const header = this.#protocol === UDP ? UDP_HEADER : SCTP_HEADER;
    return (p) => {
      // udp_mt(), sctp_mt(): a header cut short is dropped.
      if (p.fragment !== 0) return false;
      if (p.transport + header > p.end) {
        p.hotDrop = true;
        return false;
      }
      return (
        (source === null || source.matches(p.sourcePort)) &&
        (destination === null || destination.matches(p.destinationPort))
      );
    };
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
