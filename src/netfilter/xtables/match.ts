// What a match extension of a rule is (struct xtables_match in user space, struct xt_match in the kernel): it takes its
// options, writes itself the two ways iptables does, and compiles itself into a test of a packet.

import type { Hook } from '../hook.ts';
import type { Packet } from '../packet.ts';
import type { CompileContext, SharedTables } from './compile-context.ts';
import type { ExtensionOption, OptionValue } from './extension-option.ts';
import type { Rule } from './rule.ts';

/** True when the packet matches. May set packet.hotDrop. */
export type Test = (packet: Packet) => boolean;

export interface Match {
  readonly name: string;
  /** False when evaluating it changes something (counts, draws, tables): then it must be asked exactly when Linux would. */
  readonly pure: boolean;
  /** The one destination port that it matches; -1 or left out: not one. Lets a long chain find its rules by port. */
  readonly exactDestinationPort?: number;
  /** Takes one of its options; the rule is as far as it was read. @throws RuleError */
  parse(option: OptionValue, rule: Rule): void;
  /** Called when the rule is complete. @throws RuleError */
  finish(rule: Rule): void;
  /** Takes the table that it shares with rules of the same name into use; called after each change. @returns its key */
  claim?(shared: SharedTables): string;
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
  /** null: matches every packet (a comment). */
  compile(context: CompileContext): Test | null;
}

export interface MatchType {
  readonly name: string;
  readonly options: readonly ExtensionOption[];
  /** Needs conntrack in the namespace (nf_ct_netns_get in its checkentry). */
  readonly usesConntrack?: boolean;
  create(): Match;
}
