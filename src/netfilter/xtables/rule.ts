// A rule: what ip_tables' struct ipt_entry holds. The header part (addresses, interfaces, protocol, fragments) is plain
// fields, because nearly every rule has it and the chain's program compares it without a call; matches and the target are
// objects of their extensions (match.ts, target.ts).

import type { Ipv4 } from '../../addr/ipv4.ts';
import type { Match } from './match.ts';
import type { Target } from './target.ts';

/** Protocol 0 in a rule: any. */
export const ANY_PROTOCOL = 0;

export class Rule {
  source: Ipv4 = 0;
  sourceMask: Ipv4 = 0;
  sourceInverted = false;
  destination: Ipv4 = 0;
  destinationMask: Ipv4 = 0;
  destinationInverted = false;
  /** name; a `+` at its end stands for anything that follows; '' for any */
  inInterface = '';
  inInverted = false;
  outInterface = '';
  outInverted = false;
  protocol = ANY_PROTOCOL;
  protocolInverted = false;
  /** -f: only second and later fragments */
  fragment = false;
  fragmentInverted = false;
  readonly matches: Match[] = [];
  /** -j or -g CHAIN, ACCEPT, DROP, RETURN, QUEUE: its name; '' without a target */
  jump = '';
  /** -g instead of -j */
  goto = false;
  /** the extension that `jump` names, null for chains and standard verdicts */
  target: Target | null = null;
  /** a match or the target needs conntrack in the namespace */
  usesConntrack = false;
  packets = 0;
  bytes = 0;

  /** The same rule, jumping to another chain. */
  redirected(to: string): Rule {
    const rule = Object.assign(new Rule(), this);
    rule.jump = to;
    return rule;
  }
}
