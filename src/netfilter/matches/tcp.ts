// -m tcp (extensions/libxt_tcp.c, net/netfilter/xt_tcpudp.c). A packet without a whole TCP header matches nothing, not even
// inverted: nf_tables' payload expression ends the rule.

import * as frames from '../../link/frame.ts';
import { IpProtocol } from '../../wire/ipv4.ts';
import { type OptionValue, RuleError } from '../extension-option.ts';
import type { Match, MatchType, Test } from '../match.ts';
import { uintOption } from '../option-text.ts';
import type { Rule } from '../rule.ts';
import { PortRange } from './port-range.ts';

const { view } = frames;
const { TCP } = IpProtocol;
const TCP_HEADER = 20;
/** byte of the data offset, and of the flags (RFC 9293 section 3.1) */
const DATA_OFFSET = 12;
const FLAGS = 13;

const FLAG_NAMES: readonly (readonly [name: string, bits: number])[] = [
  ['FIN', 0x01],
  ['SYN', 0x02],
  ['RST', 0x04],
  ['PSH', 0x08],
  ['ACK', 0x10],
  ['URG', 0x20],
  ['ALL', 0x3f],
  ['NONE', 0],
];
/** --syn: of FIN, SYN, RST and ACK only SYN */
const SYN_MASK = 0x17;
const SYN = 0x02;

class TcpMatch implements Match {
  readonly name = 'tcp';
  readonly pure = true;
  readonly #source = new PortRange();
  readonly #destination = new PortRange();
  #mask = 0;
  #flags = 0;
  #flagsInverted = false;
  /** 0: none */
  #option = 0;
  #optionInverted = false;

  parse(option: OptionValue): void {
    switch (option.name) {
      case 'source-port':
        this.#source.parse(option, TCP);
        break;
      case 'destination-port':
        this.#destination.parse(option, TCP);
        break;
      case 'syn':
        this.#mask = SYN_MASK;
        this.#flags = SYN;
        this.#flagsInverted = option.inverted;
        break;
      case 'tcp-flags': {
        const [mask = '', flags = ''] = option.value.split(' ');
        this.#mask = parseFlags(mask);
        this.#flags = parseFlags(flags);
        this.#flagsInverted = option.inverted;
        break;
      }
      case 'tcp-option':
        this.#option = uintOption(option, 1, 255);
        this.#optionInverted = option.inverted;
        break;
    }
  }

  finish(rule: Rule): void {
    if (rule.protocol !== TCP || rule.protocolInverted) throw new RuleError("TCP match requires '-p tcp'");
  }

  get exactDestinationPort(): number {
    return this.#destination.exact;
  }

  save(): string {
    const option = this.#option === 0 ? '' : `${this.#optionInverted ? ' !' : ''} --tcp-option ${this.#option}`;
    const flags =
      this.#mask === 0 && !this.#flagsInverted
        ? ''
        : `${this.#flagsInverted ? ' !' : ''} --tcp-flags ${flagNames(this.#mask)} ${flagNames(this.#flags)}`;
    return `${this.#source.save('sport')}${this.#destination.save('dport')}${option}${flags}`;
  }

  list(numeric: boolean): string {
    let text = ` tcp${this.#source.list('spt', TCP, numeric)}${this.#destination.list('dpt', TCP, numeric)}`;
    if (this.#option !== 0) text += ` option=${this.#optionInverted ? '!' : ''}${this.#option}`;
    if (this.#mask !== 0 || this.#flagsInverted) {
      const shown = (bits: number): string =>
        numeric ? `0x${bits.toString(16).toUpperCase().padStart(2, '0')}` : flagNames(bits);
      text += ` flags:${this.#flagsInverted ? '!' : ''}${shown(this.#mask)}/${shown(this.#flags)}`;
    }
    return text;
  }

  compile(): Test | null {
    const source = this.#source;
    const destination = this.#destination;
    const flagged = this.#mask !== 0 || this.#flagsInverted;
    if (source.any && !flagged && this.#option === 0) {
      if (destination.any) return null;
      const port = destination.exact;
      // A later fragment has port -1 and matches no port.
      if (port >= 0) return (p) => p.destinationPort === port;
      return (p) => p.destinationPort >= 0 && destination.matches(p.destinationPort);
    }
    const mask = this.#mask;
    const flags = this.#flags;
    const inverted = this.#flagsInverted;
    const kind = this.#option;
    const optionInverted = this.#optionInverted;
    return (p) => {
      if (p.destinationPort < 0 || p.transport + TCP_HEADER > p.end) return false;
      if (!source.matches(p.sourcePort) || !destination.matches(p.destinationPort)) return false;
      if (flagged && ((view.getUint8(p.transport + FLAGS) & mask) === flags) === inverted) return false;
      return kind === 0 || hasOption(p.transport, p.end, kind) !== optionInverted;
    };
  }
}

/** tcp_find_option: true when the option stands in the header. */
function hasOption(transport: number, end: number, kind: number): boolean {
  const headerEnd = Math.min(transport + (view.getUint8(transport + DATA_OFFSET) >>> 4) * 4, end);
  for (let at = transport + TCP_HEADER; at < headerEnd; ) {
    const found = view.getUint8(at);
    if (found === kind) return true;
    // Kinds 0 and 1 are one byte long; a length of 0 would not advance.
    at += found < 2 ? 1 : at + 1 < headerEnd ? view.getUint8(at + 1) || 1 : 1;
  }
  return false;
}

function parseFlags(text: string): number {
  let bits = 0;
  for (const name of text.split(',')) {
    if (name === '') continue;
    const flag = FLAG_NAMES.find(([n]) => n === name.toUpperCase());
    if (flag === undefined) throw new RuleError(`Unknown TCP flag \`${name}'`);
    bits |= flag[1];
  }
  return bits;
}

function flagNames(bits: number): string {
  const names = FLAG_NAMES.slice(0, 6).filter(([, bit]) => (bits & bit) !== 0);
  return names.length === 0 ? 'NONE' : names.map(([n]) => n).join(',');
}

export const tcpMatch: MatchType = {
  name: 'tcp',
  options: [
    { name: 'source-port', argument: 'required', invertible: true },
    { name: 'sport', argument: 'required', alias: 'source-port', invertible: true },
    { name: 'destination-port', argument: 'required', invertible: true },
    { name: 'dport', argument: 'required', alias: 'destination-port', invertible: true },
    { name: 'syn', argument: 'none', invertible: true },
    { name: 'tcp-flags', argument: 'required', words: 2, invertible: true },
    { name: 'tcp-option', argument: 'required', invertible: true },
  ],
  create: () => new TcpMatch(),
};
