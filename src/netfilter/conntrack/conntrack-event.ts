// What conntrack tells those who listen (nf_conntrack_ecache, ctnetlink): `conntrack -E`.

import type { NfConn } from './nf-conn.ts';

/** IPCT_* as bits. */
export const CtEvent = {
  NEW: 1 << 0,
  RELATED: 1 << 1,
  DESTROY: 1 << 2,
  REPLY: 1 << 3,
  ASSURED: 1 << 4,
  PROTOINFO: 1 << 5,
  MARK: 1 << 7,
} as const;

/** The messages of ctnetlink. */
export const CtMessage = { NEW: 'NEW', UPDATE: 'UPDATE', DESTROY: 'DESTROY' } as const;
export type CtMessage = (typeof CtMessage)[keyof typeof CtMessage];

/**
 * @param ct as it is at this moment; not to be kept
 * @param byUser deleted by a command (`conntrack -D`), not by its time-out
 */
export type CtListener = (message: CtMessage, ct: NfConn, byUser: boolean) => void;
