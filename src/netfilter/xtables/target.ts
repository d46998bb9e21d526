// What a target extension of a rule is (struct xtables_target in user space, struct xt_target in the kernel).

import type { Hook } from '../hook.ts';
import type { Packet } from '../packet.ts';
import type { Verdict } from '../verdict.ts';
import type { CompileContext } from './compile-context.ts';
import type { ExtensionOption, OptionValue } from './extension-option.ts';
import type { Rule } from './rule.ts';

/** Does its work on a packet that matched. */
export type Action = (packet: Packet) => Verdict;

export interface Target {
  readonly name: string;
  /** what iptables -L calls it, when that is not its name */
  readonly listName?: string;
  /** Takes one of its options; the rule is as far as it was read. @throws RuleError */
  parse(option: OptionValue, rule: Rule): void;
  /** Called when the rule is complete. @throws RuleError */
  finish(rule: Rule): void;
  /** names of the ipset sets that it asks */
  readonly sets?: readonly string[];
  /** What only the kernel refuses (checkentry): true makes it "Invalid argument". */
  refused?(rule: Rule): boolean;
  /** The same for a chain that is reached from this hook. */
  refusedAt?(hook: Hook): boolean;
  /** Its options as iptables-save writes them, with a blank in front; '' for none. */
  save(): string;
  /** Its column text in iptables -L, with a blank in front; '' for none. */
  list(numeric: boolean): string;
  compile(context: CompileContext): Action;
}

export interface TargetType {
  readonly name: string;
  readonly options: readonly ExtensionOption[];
  /** The tables it may stand in; undefined: any. */
  readonly tables?: readonly string[];
  /** The hooks it may be reached from (bits 1 << Hook); undefined: any. */
  readonly hooks?: number;
  readonly usesConntrack?: boolean;
  create(): Target;
}
