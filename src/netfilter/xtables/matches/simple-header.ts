// Matches that ask one field of the IPv4 header: ttl, length, dscp, tos (extensions/libipt_ttl.c, libxt_length.c,
// libxt_dscp.c, libxt_tos.c).

import * as frames from '../../../link/frame.ts';
import { IPV4_TOS, IPV4_TTL } from '../../../wire/ipv4.ts';
import { type OptionValue, RuleError } from '../extension-option.ts';
import type { Match, MatchType, Test } from '../match.ts';
import { uintOption, unsigned } from '../option-text.ts';
import { dscpOfClass, hexByte, parseTos, tosName } from './dscp-names.ts';

const { view } = frames;

class TtlMatch implements Match {
  readonly name = 'ttl';
  readonly pure = true;
  #mode: '' | 'eq' | 'ne' | 'lt' | 'gt' = '';
  #ttl = 0;

  parse(option: OptionValue): void {
    this.#ttl = uintOption(option, 0, 255);
    if (option.name === 'ttl-lt') this.#mode = 'lt';
    else if (option.name === 'ttl-gt') this.#mode = 'gt';
    else this.#mode = option.inverted ? 'ne' : 'eq';
  }

  finish(): void {
    if (this.#mode === '') {
      throw new RuleError("TTL match: You must specify one of `--ttl-eq', `--ttl-lt', `--ttl-gt");
    }
  }

  save(): string {
    return this.#mode === 'ne' ? ` ! --ttl-eq ${this.#ttl}` : ` --ttl-${this.#mode} ${this.#ttl}`;
  }

  list(): string {
    const sign = { '': '', eq: '==', ne: '!=', lt: '<', gt: '>' }[this.#mode];
    return ` TTL match TTL ${sign} ${this.#ttl}`;
  }

  compile(): Test {
    const ttl = this.#ttl;
    switch (this.#mode) {
      case 'lt':
        return (p) => view.getUint8(p.at + IPV4_TTL) < ttl;
      case 'gt':
        return (p) => view.getUint8(p.at + IPV4_TTL) > ttl;
      case 'ne':
        return (p) => view.getUint8(p.at + IPV4_TTL) !== ttl;
      default:
        return (p) => view.getUint8(p.at + IPV4_TTL) === ttl;
    }
  }
}

const TTL_NAMES = ['ttl-eq', 'ttl-lt', 'ttl-gt'];

export const ttlMatch: MatchType = {
  name: 'ttl',
  options: [
    { name: 'ttl-lt', argument: 'required', excludes: TTL_NAMES.filter((n) => n !== 'ttl-lt') },
    { name: 'ttl-gt', argument: 'required', excludes: TTL_NAMES.filter((n) => n !== 'ttl-gt') },
    { name: 'ttl-eq', argument: 'required', invertible: true, excludes: TTL_NAMES.filter((n) => n !== 'ttl-eq') },
    { name: 'ttl', argument: 'required', alias: 'ttl-eq', invertible: true },
  ],
  create: () => new TtlMatch(),
};

const LENGTH_MAX = 0xffff;

class LengthMatch implements Match {
  readonly name = 'length';
  readonly pure = true;
  #low = 0;
  #high = LENGTH_MAX;
  #inverted = false;

  parse(option: OptionValue): void {
    const parts = option.value.split(':');
    const read = (text: string, otherwise: number): number => {
      const value = text === '' ? otherwise : unsigned(text, LENGTH_MAX);
      if (value !== null) return value;
      throw new RuleError(
        `length: bad value for option "--length" near "${text}", or out of range (0-${LENGTH_MAX}).\n`,
      );
    };
    this.#low = read(parts[0]!, 0);
    this.#high = parts[1] === undefined ? this.#low : read(parts[1], LENGTH_MAX);
    this.#inverted = option.inverted;
  }

  finish(): void {}

  #range(): string {
    return this.#low === this.#high ? `${this.#low}` : `${this.#low}:${this.#high}`;
  }

  save(): string {
    return `${this.#inverted ? ' !' : ''} --length ${this.#range()}`;
  }

  list(): string {
    return ` length ${this.#inverted ? '!' : ''}${this.#range()}`;
  }

  compile(): Test {
    const low = this.#low;
    const high = this.#high;
    const inverted = this.#inverted;
    return (p) => (p.length >= low && p.length <= high) !== inverted;
  }
}

export const lengthMatch: MatchType = {
  name: 'length',
  options: [{ name: 'length', argument: 'required', invertible: true, mandatory: true }],
  create: () => new LengthMatch(),
};

class DscpMatch implements Match {
  readonly name = 'dscp';
  readonly pure = true;
  #dscp = -1;
  #inverted = false;

  parse(option: OptionValue): void {
    this.#dscp = option.name === 'dscp' ? uintOption(option, 0, 63) : dscpOfClass(option.value);
    this.#inverted = option.inverted;
  }

  finish(): void {
    if (this.#dscp < 0) throw new RuleError('DSCP match: Parameter --dscp is required');
  }

  save(): string {
    return `${this.#inverted ? ' !' : ''} --dscp ${hexByte(this.#dscp)}`;
  }

  list(): string {
    return ` DSCP match ${this.#inverted ? '!' : ''}${hexByte(this.#dscp)}`;
  }

  compile(): Test {
    const dscp = this.#dscp;
    const inverted = this.#inverted;
    return (p) => (view.getUint8(p.at + IPV4_TOS) >>> 2 === dscp) !== inverted;
  }
}

export const dscpMatch: MatchType = {
  name: 'dscp',
  options: [
    { name: 'dscp', argument: 'required', invertible: true, excludes: ['dscp-class'] },
    { name: 'dscp-class', argument: 'required', invertible: true, excludes: ['dscp'] },
  ],
  create: () => new DscpMatch(),
};

class TosMatch implements Match {
  readonly name = 'tos';
  readonly pure = true;
  #value = 0;
  #mask = 0xff;
  #inverted = false;

  parse(option: OptionValue): void {
    [this.#value, this.#mask] = parseTos(option);
    this.#inverted = option.inverted;
  }

  finish(): void {}

  save(): string {
    return `${this.#inverted ? ' !' : ''} --tos ${hexByte(this.#value)}/${hexByte(this.#mask)}`;
  }

  list(numeric: boolean): string {
    const name = numeric ? null : tosName(this.#value, this.#mask);
    const text = name === null ? `${hexByte(this.#value)}/${hexByte(this.#mask)}` : ` ${name}`;
    return ` tos match${this.#inverted ? '!' : ''}${text}`;
  }

  compile(): Test {
    const value = this.#value;
    const mask = this.#mask;
    const inverted = this.#inverted;
    return (p) => ((view.getUint8(p.at + IPV4_TOS) & mask) === value) !== inverted;
  }
}

export const tosMatch: MatchType = {
  name: 'tos',
  options: [{ name: 'tos', argument: 'required', invertible: true, mandatory: true }],
  create: () => new TosMatch(),
};
