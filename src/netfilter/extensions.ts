// The matches and targets there are, by name.

import type { MatchType } from './match.ts';
import { addrtypeMatch } from './matches/addrtype.ts';
import { commentMatch } from './matches/comment.ts';
import { connmarkMatch } from './matches/connmark.ts';
import { conntrackMatch } from './matches/conntrack.ts';
import { icmpMatch } from './matches/icmp.ts';
import { markMatch } from './matches/mark.ts';
import { multiportMatch } from './matches/multiport.ts';
import { sctpMatch } from './matches/sctp.ts';
import { stateMatch } from './matches/state.ts';
import { statisticMatch } from './matches/statistic.ts';
import { tcpMatch } from './matches/tcp.ts';
import { udpMatch } from './matches/udp.ts';
import type { TargetType } from './target.ts';
import { markTarget } from './targets/mark.ts';
import { masqueradeTarget, redirectTarget } from './targets/masquerade.ts';
import { dnatTarget, snatTarget } from './targets/nat.ts';
import { rejectTarget } from './targets/reject.ts';

const MATCHES: readonly MatchType[] = [
  addrtypeMatch,
  commentMatch,
  connmarkMatch,
  conntrackMatch,
  icmpMatch,
  markMatch,
  multiportMatch,
  sctpMatch,
  stateMatch,
  statisticMatch,
  tcpMatch,
  udpMatch,
];

const TARGETS: readonly TargetType[] = [
  dnatTarget,
  markTarget,
  masqueradeTarget,
  redirectTarget,
  rejectTarget,
  snatTarget,
];

const MATCH_BY_NAME = new Map(MATCHES.map((m) => [m.name, m] as const));
const TARGET_BY_NAME = new Map(TARGETS.map((t) => [t.name, t] as const));

export const extensionTypes = {
  match: (name: string): MatchType | null => MATCH_BY_NAME.get(name) ?? null,
  target: (name: string): TargetType | null => TARGET_BY_NAME.get(name) ?? null,
} as const;

/** For the help text. */
export const extensionNames = {
  matches: MATCHES.map((m) => m.name),
  targets: TARGETS.map((t) => t.name),
} as const;
