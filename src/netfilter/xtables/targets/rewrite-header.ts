// Targets that write into the IPv4 header: TTL, DSCP, TOS (extensions/libipt_TTL.c, libxt_DSCP.c, libxt_TOS.c); and CHECKSUM,
// which has nothing to do here, because packets leave their sender with whole checksums.

import * as frames from '../../../link/frame.ts';
import { IPV4_CHECKSUM, IPV4_TOS, IPV4_TTL } from '../../../wire/ipv4.ts';
import type { Packet } from '../../packet.ts';
import { Verdict } from '../../verdict.ts';
import { type OptionValue, RuleError } from '../extension-option.ts';
import { dscpOfClass, hexByte, parseTos, tosName } from '../matches/dscp-names.ts';
import { uintOption, unsigned } from '../option-text.ts';
import type { Action, Target, TargetType } from '../target.ts';

const { u8, view } = frames;
const { CONTINUE } = Verdict;

/** Replaces 16 bits of what a one's complement sum covers (RFC 1624 equation 3). */
export function replaceInChecksum(at: number, before: number, after: number): void {
  let sum = (~view.getUint16(at) & 0xffff) + (~before & 0xffff) + after;
  sum = (sum & 0xffff) + (sum >>> 16);
  sum = (sum & 0xffff) + (sum >>> 16);
  view.setUint16(at, ~sum & 0xffff);
}

/** Writes one byte of the IPv4 header; its checksum follows. */
function writeByte(p: Packet, offset: number, value: number): void {
  const word = p.at + (offset & ~1);
  const before = view.getUint16(word);
  u8[p.at + offset] = value;
  replaceInChecksum(p.at + IPV4_CHECKSUM, before, view.getUint16(word));
}

class TtlTarget implements Target {
  readonly name = 'TTL';
  #mode: '' | 'set' | 'inc' | 'dec' = '';
  #value = 0;

  parse(option: OptionValue): void {
    this.#mode = option.name.slice('ttl-'.length) as 'set';
    this.#value = uintOption(option, this.#mode === 'set' ? 0 : 1, 255);
  }

  finish(): void {
    if (this.#mode === '') throw new RuleError('TTL: You must specify an action');
  }

  save(): string {
    return ` --ttl-${this.#mode} ${this.#value}`;
  }

  list(): string {
    const verb = { '': '', set: 'set to', inc: 'increment by', dec: 'decrement by' }[this.#mode];
    return ` TTL ${verb} ${this.#value}`;
  }

  compile(): Action {
    const mode = this.#mode;
    const value = this.#value;
    return (p) => {
      const old = view.getUint8(p.at + IPV4_TTL);
      const wanted = mode === 'set' ? value : mode === 'inc' ? old + value : old - value;
      const ttl = Math.min(255, Math.max(0, wanted));
      if (ttl !== old) writeByte(p, IPV4_TTL, ttl);
      return CONTINUE;
    };
  }
}

const TTL_OPTIONS = ['ttl-set', 'ttl-dec', 'ttl-inc'];

export const ttlTarget: TargetType = {
  name: 'TTL',
  options: TTL_OPTIONS.map((name) => ({ name, argument: 'required', excludes: TTL_OPTIONS.filter((n) => n !== name) })),
  tables: ['mangle'],
  create: () => new TtlTarget(),
};

class DscpTarget implements Target {
  readonly name = 'DSCP';
  #dscp = -1;

  parse(option: OptionValue): void {
    this.#dscp = option.name === 'set-dscp' ? uintOption(option, 0, 63) : dscpOfClass(option.value);
  }

  finish(): void {
    if (this.#dscp < 0) throw new RuleError('DSCP target: Parameter --set-dscp is required');
  }

  save(): string {
    return ` --set-dscp ${hexByte(this.#dscp)}`;
  }

  list(): string {
    return ` DSCP set ${hexByte(this.#dscp)}`;
  }

  compile(): Action {
    const bits = this.#dscp << 2;
    return (p) => {
      writeByte(p, IPV4_TOS, (view.getUint8(p.at + IPV4_TOS) & 3) | bits);
      return CONTINUE;
    };
  }
}

export const dscpTarget: TargetType = {
  name: 'DSCP',
  options: [
    { name: 'set-dscp', argument: 'required', excludes: ['set-dscp-class'] },
    { name: 'set-dscp-class', argument: 'required', excludes: ['set-dscp'] },
  ],
  tables: ['mangle'],
  create: () => new DscpTarget(),
};

class TosTarget implements Target {
  readonly name = 'TOS';
  #given = false;
  #value = 0;
  #mask = 0;

  parse(option: OptionValue): void {
    this.#given = true;
    if (option.name === 'set-tos') {
      [this.#value, this.#mask] = parseTos(option);
      return;
    }
    const bits = unsigned(option.value, 255);
    if (bits === null) throw new RuleError(`TOS: bad value for option "--${option.name}", or out of range (0-255).\n`);
    if (option.name === 'and-tos') [this.#value, this.#mask] = [0, ~bits & 255];
    else if (option.name === 'or-tos') [this.#value, this.#mask] = [bits, bits];
    else [this.#value, this.#mask] = [bits, 0];
  }

  finish(): void {
    if (!this.#given) throw new RuleError('TOS: An action is required');
  }

  save(): string {
    return ` --set-tos ${hexByte(this.#value)}/${hexByte(this.#mask)}`;
  }

  list(numeric: boolean): string {
    const name = numeric ? null : tosName(this.#value, this.#mask);
    // As iptables 1.8.9 writes it: a blank too many in front, one too few behind.
    if (name !== null) return `  TOS set${name}`;
    return ` TOS set ${hexByte(this.#value)}/${hexByte(this.#mask)}`;
  }

  compile(): Action {
    const value = this.#value;
    const keep = ~this.#mask & 255;
    return (p) => {
      const old = view.getUint8(p.at + IPV4_TOS);
      const tos = (old & keep) ^ value;
      if (tos !== old) writeByte(p, IPV4_TOS, tos);
      return CONTINUE;
    };
  }
}

const TOS_OPTIONS = ['set-tos', 'and-tos', 'or-tos', 'xor-tos'];

export const tosTarget: TargetType = {
  name: 'TOS',
  options: TOS_OPTIONS.map((name) => ({ name, argument: 'required', excludes: TOS_OPTIONS.filter((n) => n !== name) })),
  tables: ['mangle'],
  create: () => new TosTarget(),
};

class ChecksumTarget implements Target {
  readonly name = 'CHECKSUM';

  parse(): void {}

  finish(): void {}

  save(): string {
    return ' --checksum-fill';
  }

  list(): string {
    return ' CHECKSUM fill';
  }

  compile(): Action {
    return () => CONTINUE;
  }
}

export const checksumTarget: TargetType = {
  name: 'CHECKSUM',
  options: [{ name: 'checksum-fill', argument: 'none', mandatory: true }],
  tables: ['mangle'],
  create: () => new ChecksumTarget(),
};
