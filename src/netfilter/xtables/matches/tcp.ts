// -m tcp (extensions/libxt_tcp.c; net/netfilter/nft_payload.c, xt_tcpudp.c).

import * as frames from '../../../link/frame.ts';
import { IpProtocol } from '../../../wire/ipv4.ts';
import { type OptionValue, RuleError } from '../extension-option.ts';
import type { Match, MatchType, Test } from '../match.ts';
import { uintOption } from '../option-text.ts';
import type { Rule } from '../rule.ts';
import { PortRange, portsTest } from './port-range.ts';

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
  /** hotdrop is an effect */
  get pure(): boolean {
    return this.#native;
  }

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
    if (!this.#native) return;
    this.#source.normalise();
    this.#destination.normalise();
  }

  /** A bare or an --tcp-option match may drop the packet (hotdrop): then it must be asked. */
  get exactDestinationPort(): number {
    return this.#native ? this.#destination.exact : -1;
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

  /** iptables makes payload expressions of ports and flags; --tcp-option, and a bare -m tcp, stay with xt_tcp. */
  get #native(): boolean {
    const flagged = this.#mask !== 0 || this.#flagsInverted;
    return this.#option === 0 && (flagged || !this.#source.any || !this.#destination.any);
  }

  compile(): Test {
    const source = this.#source.any ? null : this.#source;
    const destination = this.#destination.any ? null : this.#destination;
    const flagged = this.#mask !== 0 || this.#flagsInverted;
    const mask = this.#mask;
    const flags = this.#flags;
    const inverted = this.#flagsInverted;
    if (this.#native) {
      const port = this.#destination.exact;
      if (source === null && !flagged && port >= 0) return (p) => p.rawDestinationPort === port;
      const ports = source === null && destination === null ? null : portsTest(this.#source, this.#destination);
      return (p) => {
        if (ports !== null && !ports(p.rawSourcePort, p.rawDestinationPort)) return false;
        if (!flagged) return true;
        const at = p.transport + FLAGS;
        return at < p.end && ((view.getUint8(at) & mask) === flags) !== inverted;
      };
    }
    const kind = this.#option;
    const optionInverted = this.#optionInverted;
    return (p) => {
      // tcp_mt(): a fragment that would overwrite the flags is dropped, and so is a header cut short.
      if (p.fragment !== 0 || p.transport + TCP_HEADER > p.end) {
        p.hotDrop = p.fragment <= 1;
        return false;
      }
      if (source !== null && !source.matches(p.sourcePort)) return false;
      if (destination !== null && !destination.matches(p.destinationPort)) return false;
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
