// -m conntrack (extensions/libxt_conntrack.c, net/netfilter/xt_conntrack.c revision 3): what conntrack says of the packet.

import { formatIpv4, type Ipv4 } from '../../../addr/ipv4.ts';
import * as frames from '../../../link/frame.ts';
import { CtDir, CtStatus, ctDirection, ctInfoOf, ctOf, isUntracked, type NfConn } from '../../conntrack/nf-conn.ts';
import { type OptionValue, RuleError } from '../extension-option.ts';
import type { Match, MatchType, Test } from '../match.ts';
import { type AddressMask, parseAddresses, parsePort, rangeOption, unsigned } from '../option-text.ts';
import { protocolNumber } from '../protocol-names.ts';
import { prefixLength } from '../rule-text.ts';

/** Bits of --ctstate, in the order in which they are written. */
const State = { INVALID: 1, NEW: 2, RELATED: 4, ESTABLISHED: 8, UNTRACKED: 16, SNAT: 32, DNAT: 64 } as const;
const STATE_NAMES = Object.keys(State) as (keyof typeof State)[];

/** Bits of --ctstatus (IPS_*), in the order in which they are written. */
const STATUS_NAMES: readonly (readonly [name: string, bit: number])[] = [
  ['EXPECTED', CtStatus.EXPECTED],
  ['SEEN_REPLY', CtStatus.SEEN_REPLY],
  ['ASSURED', CtStatus.ASSURED],
  ['CONFIRMED', CtStatus.CONFIRMED],
];

/** By CtInfo: ESTABLISHED, RELATED, NEW, and the two replies. */
const STATE_OF_INFO: readonly number[] = [
  State.ESTABLISHED,
  State.RELATED,
  State.NEW,
  State.ESTABLISHED,
  State.RELATED,
];

// Constants of this module: V8 folds those into the packet path, imported bindings it does not (link/frame.ts).
const { frameCt, frameCtInfo } = frames;
const { DST_NAT, SRC_NAT } = CtStatus;
const { DNAT, INVALID, SNAT, UNTRACKED } = State;

/** State bits of the packet of this frame. */
export function stateOf(frame: number): number {
  const info = frameCtInfo[frame]!;
  const ct = info === 0 ? null : (frameCt[frame] as NfConn | null);
  if (ct === null) return isUntracked(frame) ? UNTRACKED : INVALID;
  let bits = STATE_OF_INFO[info - 1]!;
  const { status } = ct;
  if ((status & SRC_NAT) !== 0) bits |= SNAT;
  if ((status & DST_NAT) !== 0) bits |= DNAT;
  return bits;
}

/** @param allowed the names that the match knows */
export function parseStates(text: string, what: string, allowed: readonly string[]): number {
  let bits = 0;
  for (const name of text.split(',')) {
    const found = allowed.find((n) => name !== '' && n === name.toUpperCase());
    if (found === undefined) throw new RuleError(`Bad ${what} "${name}"`);
    bits |= State[found as keyof typeof State];
  }
  return bits;
}

export function stateText(bits: number): string {
  return STATE_NAMES.filter((n) => (bits & State[n]) !== 0).join(',');
}

const ADDRESSES = ['ctorigsrc', 'ctorigdst', 'ctreplsrc', 'ctrepldst'] as const;
const PORTS = ['ctorigsrcport', 'ctorigdstport', 'ctreplsrcport', 'ctrepldstport'] as const;

const ADDRESS_OF: readonly ((ct: NfConn) => Ipv4)[] = [(c) => c.oSrc, (c) => c.oDst, (c) => c.rSrc, (c) => c.rDst];
const PORT_OF: readonly ((ct: NfConn) => number)[] = [
  (c) => c.oSport,
  (c) => c.oDport,
  (c) => c.rSport,
  (c) => c.rDport,
];

interface Range {
  readonly low: number;
  readonly high: number;
}

class ConntrackMatch implements Match {
  readonly name = 'conntrack';
  readonly pure = true;
  readonly #inverted = new Set<string>();
  #states: number | null = null;
  #protocol: number | null = null;
  readonly #addresses: (AddressMask | null)[] = [null, null, null, null];
  readonly #ports: (Range | null)[] = [null, null, null, null];
  #status: number | null = null;
  #expires: Range | null = null;
  #direction: CtDir | null = null;

  parse(option: OptionValue): void {
    const { name, value } = option;
    if (option.inverted) this.#inverted.add(name);
    const address = (ADDRESSES as readonly string[]).indexOf(name);
    const port = (PORTS as readonly string[]).indexOf(name);
    if (address >= 0) {
      const parsed = parseAddresses(value);
      if (parsed.length !== 1) throw new RuleError('conntrack: one address or network is wanted');
      this.#addresses[address] = parsed[0]!;
    } else if (port >= 0) {
      const [low = '', high] = value.split(':', 2);
      const first = low === '' ? 0 : parsePort(low, 0);
      this.#ports[port] = { low: first, high: high === undefined ? first : high === '' ? 0xffff : parsePort(high, 0) };
    } else if (name === 'ctstate') this.#states = parseStates(value, 'ctstate', STATE_NAMES);
    else if (name === 'ctproto') {
      const number = unsigned(value, 255) ?? protocolNumber(value.toLowerCase());
      if (number === null) throw new RuleError(`unknown protocol "${value}" specified`);
      if (number === 0 && option.inverted) throw new RuleError('conntrack: rule would never match protocol');
      this.#protocol = number;
    } else if (name === 'ctstatus') this.#status = parseStatus(value);
    else if (name === 'ctexpire') this.#expires = rangeOption(option, 0xffff_ffff);
    else if (name === 'ctdir') {
      const direction = value.toUpperCase();
      if (direction !== 'ORIGINAL' && direction !== 'REPLY') {
        throw new RuleError(`conntrack: Bad value for "--ctdir" option: "${value}"`);
      }
      this.#direction = CtDir[direction];
    }
  }

  finish(): void {
    if (this.#text('').length === 0) throw new RuleError('conntrack: At least one option is required');
  }

  save(): string {
    return this.#text('--');
  }

  list(): string {
    return this.#text('');
  }

  #text(prefix: string): string {
    let text = '';
    const add = (name: string, value: string | null): void => {
      if (value !== null) text += `${this.#inverted.has(name) ? ' !' : ''} ${prefix}${name} ${value}`;
    };
    add('ctstate', this.#states === null ? null : stateText(this.#states));
    add('ctproto', this.#protocol === null ? null : String(this.#protocol));
    ADDRESSES.forEach((name, i) => {
      const a = this.#addresses[i]!;
      if (a === null) return;
      const length = prefixLength(a.mask);
      add(name, `${formatIpv4(a.address)}${length === 32 ? '' : `/${length ?? formatIpv4(a.mask)}`}`);
    });
    PORTS.forEach((name, i) => {
      add(name, rangeText(this.#ports[i]!));
    });
    add('ctstatus', this.#status === null ? null : statusText(this.#status));
    add('ctexpire', rangeText(this.#expires));
    if (this.#direction !== null) text += ` ${prefix}ctdir ${this.#direction === CtDir.REPLY ? 'REPLY' : 'ORIGINAL'}`;
    return text;
  }

  compile(): Test {
    const states = this.#states;
    const statesInverted = this.#inverted.has('ctstate');
    const more = this.#compileMore();
    if (states !== null && more.length === 0) return (p) => ((stateOf(p.frame) & states) !== 0) !== statesInverted;
    return (p) => {
      if (states !== null && ((stateOf(p.frame) & states) !== 0) === statesInverted) return false;
      const ct = ctOf(p.frame);
      // conntrack_mt: without a connection, a state that fits is all there is to match.
      if (ct === null) return states !== null;
      for (let i = 0; i < more.length; i++) if (!more[i]!(ct, p.frame)) return false;
      return true;
    };
  }

  #compileMore(): readonly ((ct: NfConn, frame: number) => boolean)[] {
    const tests: ((ct: NfConn, frame: number) => boolean)[] = [];
    const direction = this.#direction;
    if (direction !== null) tests.push((_ct, frame) => ctDirection(ctInfoOf(frame) as 0) === direction);
    this.#addresses.forEach((a, i) => {
      if (a === null) return;
      const of = ADDRESS_OF[i]!;
      const inverted = this.#inverted.has(ADDRESSES[i]!);
      tests.push((ct) => ((of(ct) & a.mask) === a.address) !== inverted);
    });
    const protocol = this.#protocol;
    const protocolInverted = this.#inverted.has('ctproto');
    if (protocol !== null) tests.push((ct) => (ct.proto === protocol) !== protocolInverted);
    this.#ports.forEach((range, i) => {
      if (range === null) return;
      const of = PORT_OF[i]!;
      const inverted = this.#inverted.has(PORTS[i]!);
      tests.push((ct) => (of(ct) >= range.low && of(ct) <= range.high) !== inverted);
    });
    const status = this.#status;
    const statusInverted = this.#inverted.has('ctstatus');
    if (status !== null) tests.push((ct) => ((ct.status & status) !== 0) !== statusInverted);
    const expires = this.#expires;
    const expiresInverted = this.#inverted.has('ctexpire');
    if (expires !== null) {
      tests.push((ct) => {
        const seconds = ct.conntrack.expiresIn(ct);
        return (seconds >= expires.low && seconds <= expires.high) !== expiresInverted;
      });
    }
    return tests;
  }
}

function rangeText(range: Range | null): string | null {
  if (range === null) return null;
  return range.low === range.high ? String(range.low) : `${range.low}:${range.high}`;
}

function parseStatus(text: string): number {
  let bits = 0;
  for (const name of text.split(',')) {
    const found = STATUS_NAMES.find(([n]) => n === name.toUpperCase());
    if (found === undefined && name.toUpperCase() !== 'NONE') throw new RuleError(`Bad ctstatus "${name}"`);
    bits |= found?.[1] ?? 0;
  }
  return bits;
}

function statusText(bits: number): string {
  const names = STATUS_NAMES.filter(([, bit]) => (bits & bit) !== 0).map(([n]) => n);
  return names.length === 0 ? 'NONE' : names.join(',');
}

const option = (name: string, invertible = true) => ({ name, argument: 'required', invertible }) as const;

export const conntrackMatch: MatchType = {
  name: 'conntrack',
  options: [
    option('ctstate'),
    option('ctproto'),
    ...ADDRESSES.map((name) => option(name)),
    ...PORTS.map((name) => option(name)),
    option('ctstatus'),
    option('ctexpire'),
    option('ctdir', false),
  ],
  usesConntrack: true,
  create: () => new ConntrackMatch(),
};
