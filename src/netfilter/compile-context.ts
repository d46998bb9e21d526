// What a match or target may use when it compiles itself: the namespace, and the tables that outlive a rule.

import type { NatRange } from './nat-range.ts';
import type { NetfilterHost } from './netfilter-host.ts';
import type { NfConn } from './nf-conn.ts';
import type { Verdict } from './verdict.ts';

/** nf_nat_setup_info(): gives a new connection its mapping. @returns ACCEPT, or DROP when there is no free tuple */
export type NatSetup = (ct: NfConn, range: NatRange, manip: 'src' | 'dst') => Verdict;

export interface CompileContext {
  readonly host: NetfilterHost;
  readonly setupNat: NatSetup;
  /** name of the table that the rule stands in */
  readonly table: string;
}
