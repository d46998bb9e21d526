// The matches and targets there are, by name.

import type { MatchType } from './match.ts';
import { addrtypeMatch } from './matches/addrtype.ts';
import { commentMatch } from './matches/comment.ts';
import { connmarkMatch } from './matches/connmark.ts';
import { conntrackMatch } from './matches/conntrack.ts';
import { hashlimitMatch } from './matches/hashlimit.ts';
import { icmpMatch } from './matches/icmp.ts';
import { iprangeMatch } from './matches/iprange.ts';
import { limitMatch } from './matches/limit.ts';
import { macMatch, pkttypeMatch } from './matches/link-header.ts';
import { markMatch } from './matches/mark.ts';
import { multiportMatch } from './matches/multiport.ts';
import { ownerMatch } from './matches/owner.ts';
import { physdevMatch } from './matches/physdev.ts';
import { recentMatch } from './matches/recent.ts';
import { rpfilterMatch } from './matches/rpfilter.ts';
import { setMatch } from './matches/set.ts';
import { dscpMatch, lengthMatch, tosMatch, ttlMatch } from './matches/simple-header.ts';
import { stateMatch } from './matches/state.ts';
import { statisticMatch } from './matches/statistic.ts';
import { tcpMatch } from './matches/tcp.ts';
import { sctpMatch, udpMatch } from './matches/udp.ts';
import type { TargetType } from './target.ts';
import { classifyTarget } from './targets/classify.ts';
import { connmarkTarget } from './targets/connmark.ts';
import { ctTarget, notrackTarget } from './targets/ct.ts';
import { logTarget, nflogTarget, traceTarget } from './targets/log.ts';
import { markTarget } from './targets/mark.ts';
import { masqueradeTarget, redirectTarget } from './targets/masquerade.ts';
import { dnatTarget, snatTarget } from './targets/nat.ts';
import { netmapTarget } from './targets/netmap.ts';
import { rejectTarget } from './targets/reject.ts';
import { checksumTarget, dscpTarget, tosTarget, ttlTarget } from './targets/rewrite-header.ts';
import { setTarget } from './targets/set.ts';
import { tcpmssTarget } from './targets/tcpmss.ts';

const MATCHES: readonly MatchType[] = [
  addrtypeMatch,
  commentMatch,
  connmarkMatch,
  conntrackMatch,
  dscpMatch,
  hashlimitMatch,
  icmpMatch,
  iprangeMatch,
  lengthMatch,
  limitMatch,
  macMatch,
  markMatch,
  multiportMatch,
  ownerMatch,
  physdevMatch,
  pkttypeMatch,
  recentMatch,
  rpfilterMatch,
  sctpMatch,
  setMatch,
  stateMatch,
  statisticMatch,
  tcpMatch,
  tosMatch,
  ttlMatch,
  udpMatch,
];

const TARGETS: readonly TargetType[] = [
  checksumTarget,
  classifyTarget,
  connmarkTarget,
  ctTarget,
  dnatTarget,
  dscpTarget,
  logTarget,
  markTarget,
  masqueradeTarget,
  netmapTarget,
  nflogTarget,
  notrackTarget,
  redirectTarget,
  rejectTarget,
  setTarget,
  snatTarget,
  tcpmssTarget,
  tosTarget,
  traceTarget,
  ttlTarget,
];

const MATCH_BY_NAME = new Map(MATCHES.map((m) => [m.name, m] as const));
const TARGET_BY_NAME = new Map(TARGETS.map((t) => [t.name, t] as const));

export const extensionTypes = {
  match: (name: string): MatchType | null => MATCH_BY_NAME.get(name) ?? null,
  target: (name: string): TargetType | null => TARGET_BY_NAME.get(name) ?? null,
} as const;

/** What iptables 1.8.9 has beside these: people who use one are told so, rather than that there is no such thing. */
const OTHER_MATCHES: readonly string[] = [
  ...['ah', 'bpf', 'cgroup', 'cluster', 'connbytes', 'connlabel', 'connlimit', 'cpu', 'dccp', 'devgroup', 'ecn', 'esp'],
  ...['helper', 'ipcomp', 'ipvs', 'nfacct', 'osf', 'policy', 'quota', 'rateest', 'realm', 'socket', 'string', 'tcpmss'],
  ...['time', 'u32'],
];
const OTHER_TARGETS: readonly string[] = [
  ...['AUDIT', 'CLUSTERIP', 'CONNSECMARK', 'ECN', 'HMARK', 'IDLETIMER', 'LED', 'NFQUEUE', 'RATEEST', 'SECMARK'],
  ...['SYNPROXY', 'TCPOPTSTRIP', 'TEE', 'TPROXY', 'ULOG'],
];

export const otherExtensions = {
  isMatch: (name: string): boolean => OTHER_MATCHES.includes(name),
  isTarget: (name: string): boolean => OTHER_TARGETS.includes(name),
} as const;

/** For the help text. */
export const extensionNames = {
  matches: MATCHES.map((m) => m.name),
  targets: TARGETS.map((t) => t.name),
} as const;
