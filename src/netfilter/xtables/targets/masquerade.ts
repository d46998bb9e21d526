// -j MASQUERADE and -j REDIRECT (extensions/libxt_NAT.c, net/netfilter/nf_nat_masquerade.c, nf_nat_redirect.c): NAT to an
// address of this namespace. A connection that was masqueraded remembers the device: when its address goes, so does it.

import { natMasquerade, natSetupInfo } from '../../conntrack/nat.ts';
import { NatRangeFlag, natRange } from '../../conntrack/nat-range.ts';
import { ctOf } from '../../conntrack/nf-conn.ts';
import { Hook } from '../../hook.ts';
import { Verdict } from '../../verdict.ts';
import type { CompileContext } from '../compile-context.ts';
import type { OptionValue } from '../extension-option.ts';
import { RuleError } from '../extension-option.ts';
import type { Rule } from '../rule.ts';
import type { Action, Target, TargetType } from '../target.ts';
import { natFlagsText, parseNatFlag, parsePorts, portsText } from './nat-range-text.ts';

const { ACCEPT, DROP } = Verdict;
const LOOPBACK = 0x7f000001;
/** TCP, UDP, SCTP, DCCP */
const WITH_PORTS: readonly number[] = [6, 17, 132, 33];

class OwnAddressTarget implements Target {
  readonly name: string;
  readonly #redirect: boolean;
  readonly #range = natRange({});

  constructor(name: string) {
    this.name = name;
    this.#redirect = name === 'REDIRECT';
  }

  parse(option: OptionValue, rule: Rule): void {
    if (parseNatFlag(option.name, this.#range)) return;
    if (rule.protocolInverted || !WITH_PORTS.includes(rule.protocol)) {
      throw new RuleError('Need TCP, UDP, SCTP or DCCP with port specification');
    }
    parsePorts(option.value, this.#range);
  }

  finish(): void {}

  get #hasPorts(): boolean {
    return (this.#range.flags & NatRangeFlag.PROTO_SPECIFIED) !== 0;
  }

  save(): string {
    return `${this.#hasPorts ? ` --to-ports ${portsText(this.#range)}` : ''}${natFlagsText(this.#range, ' --')}`;
  }

  list(): string {
    const label = this.#redirect ? 'redir ports' : 'masq ports:';
    return `${this.#hasPorts ? ` ${label} ${portsText(this.#range)}` : ''}${natFlagsText(this.#range, ' ')}`;
  }

  compile(context: CompileContext): Action {
    const { host } = context;
    if (!this.#redirect) {
      const range = this.#range;
      return (p) => {
        const ct = ctOf(p.frame);
        return ct === null || natMasquerade(ct, range, p.outDevice, p.destination) ? ACCEPT : DROP;
      };
    }
    // One range for all packets: NAT reads it and keeps nothing of it.
    const range = { ...this.#range, flags: this.#range.flags | NatRangeFlag.MAP_IPS };
    return (p) => {
      const ct = ctOf(p.frame);
      if (ct === null) return ACCEPT;
      const address = p.hook === Hook.LOCAL_OUT ? LOOPBACK : host.firstAddress(p.inDevice);
      if (address === 0) return DROP;
      range.minAddress = address;
      range.maxAddress = address;
      natSetupInfo(ct, range, 'dst');
      return ACCEPT;
    };
  }
}

export const masqueradeTarget: TargetType = {
  name: 'MASQUERADE',
  options: [
    { name: 'to-ports', argument: 'required' },
    { name: 'random', argument: 'none' },
    { name: 'random-fully', argument: 'none' },
  ],
  tables: ['nat'],
  hooks: 1 << Hook.POST_ROUTING,
  usesConntrack: true,
  create: () => new OwnAddressTarget('MASQUERADE'),
};

export const redirectTarget: TargetType = {
  name: 'REDIRECT',
  options: [
    { name: 'to-ports', argument: 'required' },
    { name: 'random', argument: 'none' },
  ],
  tables: ['nat'],
  hooks: (1 << Hook.PRE_ROUTING) | (1 << Hook.LOCAL_OUT),
  usesConntrack: true,
  create: () => new OwnAddressTarget('REDIRECT'),
};
