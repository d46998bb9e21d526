// What a match or target may use when it compiles itself: the namespace, and the tables that outlive a rule.

import type { NetfilterHost } from './netfilter-host.ts';

export interface CompileContext {
  readonly host: NetfilterHost;
  /** name of the table that the rule stands in */
  readonly table: string;
}
