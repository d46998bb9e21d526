// -j REJECT (extensions/libipt_REJECT.c, net/ipv4/netfilter/ipt_REJECT.c): the packet is dropped, and its sender is told.

import { Hook } from '../../hook.ts';
import { Verdict } from '../../verdict.ts';
import type { CompileContext } from '../compile-context.ts';
import { type OptionValue, RuleError } from '../extension-option.ts';
import type { Rule } from '../rule.ts';
import type { Action, Target, TargetType } from '../target.ts';

const { DROP } = Verdict;
const TCP = 6;

/** Names of --reject-with with their ICMP codes (RFC 792, RFC 1812 section 5.2.7.1); -1: a TCP reset. */
const KINDS: readonly (readonly [name: string, alias: string, code: number])[] = [
  ['icmp-net-unreachable', 'net-unreach', 0],
  ['icmp-host-unreachable', 'host-unreach', 1],
  ['icmp-proto-unreachable', 'proto-unreach', 2],
  ['icmp-port-unreachable', 'port-unreach', 3],
  ['icmp-net-prohibited', 'net-prohib', 9],
  ['icmp-host-prohibited', 'host-prohib', 10],
  ['tcp-reset', 'tcp-rst', -1],
  ['icmp-admin-prohibited', 'admin-prohib', 13],
];

class RejectTarget implements Target {
  readonly name = 'REJECT';
  #with = 'icmp-port-unreachable';
  #code = 3;

  parse(option: OptionValue): void {
    const text = option.value.toLowerCase();
    const kind = KINDS.find(([name, alias]) => name.startsWith(text) || alias.startsWith(text));
    if (kind === undefined) throw new RuleError(`unknown reject type "${option.value}"`);
    [this.#with, , this.#code] = kind;
  }

  finish(): void {}

  refused(rule: Rule): boolean {
    return this.#code < 0 && (rule.protocol !== TCP || rule.protocolInverted);
  }

  save(): string {
    return ` --reject-with ${this.#with}`;
  }

  list(): string {
    return ` reject-with ${this.#with}`;
  }

  compile(context: CompileContext): Action {
    const { host } = context;
    const code = this.#code;
    return (p) => {
      if (code < 0) host.sendReset(p.frame, p.hook, p.inDevice);
      else host.sendUnreach(p.frame, code, p.hook, p.inDevice);
      return DROP;
    };
  }
}

export const rejectTarget: TargetType = {
  name: 'REJECT',
  options: [{ name: 'reject-with', argument: 'required' }],
  tables: ['filter'],
  hooks: (1 << Hook.LOCAL_IN) | (1 << Hook.FORWARD) | (1 << Hook.LOCAL_OUT),
  create: () => new RejectTarget(),
};
