// What a rule says of a packet (include/uapi/linux/netfilter.h NF_*, netfilter/x_tables.h XT_*). Inside a chain the
// numbers below; outside of a table only 0, a DropReason or HOOK_STOLEN.

import { HOOK_STOLEN } from './hook.ts';

export const Verdict = {
  /** the next rule */
  CONTINUE: -5,
  /** out of this table, on to the next hook */
  ACCEPT: -4,
  /** back to the chain that jumped here; in a built-in chain: its policy */
  RETURN: -3,
  DROP: -2,
  /** the target has taken over the frame */
  STOLEN: HOOK_STOLEN,
} as const;
export type Verdict = (typeof Verdict)[keyof typeof Verdict];
