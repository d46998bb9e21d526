// -j DNAT and -j SNAT (extensions/libxt_NAT.c, net/netfilter/xt_nat.c): the mapping of a new connection.

import { natSetupInfo } from '../../conntrack/nat.ts';
import { type NatRange, natRange } from '../../conntrack/nat-range.ts';
import { ctOf } from '../../conntrack/nf-conn.ts';
import { Hook } from '../../hook.ts';
import { Verdict } from '../../verdict.ts';
import type { OptionValue } from '../extension-option.ts';
import type { Rule } from '../rule.ts';
import type { Action, Target, TargetType } from '../target.ts';
import { natFlagsText, natRangeText, parseNatFlag, parseNatRange } from './nat-range-text.ts';

const { ACCEPT } = Verdict;

class NatTarget implements Target {
  readonly name: string;
  readonly #option: string;
  readonly #manip: 'src' | 'dst';
  #range: NatRange = natRange({});

  constructor(name: string, option: string, manip: 'src' | 'dst') {
    this.name = name;
    this.#option = option;
    this.#manip = manip;
  }

  parse(option: OptionValue, rule: Rule): void {
    if (parseNatFlag(option.name, this.#range)) return;
    const { flags } = this.#range;
    this.#range = parseNatRange(option.value, rule.protocol, rule.protocolInverted);
    this.#range.flags |= flags;
  }

  finish(): void {}

  save(): string {
    return ` --${this.#option} ${natRangeText(this.#range)}${natFlagsText(this.#range, ' --')}`;
  }

  list(): string {
    return ` to:${natRangeText(this.#range)}${natFlagsText(this.#range, ' ')}`;
  }

  compile(): Action {
    const range = this.#range;
    const manip = this.#manip;
    return (p) => {
      const ct = ctOf(p.frame);
      // NAT comes only to packets of connections.
      if (ct !== null) natSetupInfo(ct, range, manip);
      return ACCEPT;
    };
  }
}

const FLAGS = [
  { name: 'random', argument: 'none' },
  { name: 'random-fully', argument: 'none' },
  { name: 'persistent', argument: 'none' },
] as const;

export const dnatTarget: TargetType = {
  name: 'DNAT',
  options: [{ name: 'to-destination', argument: 'required', mandatory: true }, FLAGS[0], FLAGS[2]],
  tables: ['nat'],
  hooks: (1 << Hook.PRE_ROUTING) | (1 << Hook.LOCAL_OUT),
  usesConntrack: true,
  create: () => new NatTarget('DNAT', 'to-destination', 'dst'),
};

export const snatTarget: TargetType = {
  name: 'SNAT',
  options: [{ name: 'to-source', argument: 'required', mandatory: true }, ...FLAGS],
  tables: ['nat'],
  hooks: (1 << Hook.POST_ROUTING) | (1 << Hook.LOCAL_IN),
  usesConntrack: true,
  create: () => new NatTarget('SNAT', 'to-source', 'src'),
};
