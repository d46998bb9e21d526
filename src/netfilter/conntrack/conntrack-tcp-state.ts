// What conntrack remembers of a TCP connection, and its table of states (net/netfilter/nf_conntrack_proto_tcp.c). The states
// are those of the side that spoke first, seen from between: SYN_RECV means that an answer to the SYN came by.

import { CtDir } from './nf-conn.ts';

/** enum tcp_conntrack (include/uapi/linux/netfilter/nf_conntrack_tcp.h) */
export const TcpConntrack = {
  NONE: 0,
  SYN_SENT: 1,
  SYN_RECV: 2,
  ESTABLISHED: 3,
  FIN_WAIT: 4,
  CLOSE_WAIT: 5,
  LAST_ACK: 6,
  TIME_WAIT: 7,
  CLOSE: 8,
  SYN_SENT2: 9,
  /** the packet fits no state */
  INVALID: 10,
  /** let through, without effect */
  IGNORE: 11,
} as const;
export type TcpConntrack = (typeof TcpConntrack)[keyof typeof TcpConntrack];

/** As `conntrack -L` and /proc print them. */
export const TCP_STATE_NAMES: readonly string[] = [
  'NONE',
  'SYN_SENT',
  'SYN_RECV',
  'ESTABLISHED',
  'FIN_WAIT',
  'CLOSE_WAIT',
  'LAST_ACK',
  'TIME_WAIT',
  'CLOSE',
  'SYN_SENT2',
];

/** enum tcp_bit_set: kinds of segments that the table tells apart. */
export const TcpBits = { SYN: 0, SYNACK: 1, FIN: 2, ACK: 3, RST: 4, NONE: 5 } as const;

/** IP_CT_TCP_FLAG_* and friends. */
export const TcpPeerFlag = {
  WINDOW_SCALE: 0x01,
  SACK_PERM: 0x02,
  CLOSE_INIT: 0x04,
  BE_LIBERAL: 0x08,
  DATA_UNACKNOWLEDGED: 0x10,
  MAXACK_SET: 0x20,
  EXP_CHALLENGE_ACK: 0x40,
  SIMULTANEOUS_OPEN: 0x80,
} as const;

/** What was seen of one end (struct ip_ct_tcp_state). */
export class TcpPeer {
  /** end of what it sent, after FIN and SYN */
  end = 0;
  /** highest end that its peer allowed it */
  maxEnd = 0;
  /** largest window that it offered, scaled */
  maxWindow = 0;
  /** highest acknowledgement that it sent */
  maxAck = 0;
  scale = 0;
  /** TcpPeerFlag bits */
  flags = 0;

  clear(): void {
    this.end = 0;
    this.maxEnd = 0;
    this.maxWindow = 0;
    this.maxAck = 0;
    this.scale = 0;
    this.flags = 0;
  }
}

/** struct ip_ct_tcp */
export class TcpTrack {
  /** by direction */
  readonly seen: readonly [TcpPeer, TcpPeer] = [new TcpPeer(), new TcpPeer()];
  state: TcpConntrack = TcpConntrack.NONE;
  lastDirection: CtDir = CtDir.ORIGINAL;
  lastBits: number = TcpBits.NONE;
  lastFlags = 0;
  lastSequence = 0;
  lastAck = 0;
  lastEnd = 0;
  lastWindow = 0;
  lastScale = 0;
  retransmissions = 0;
}

const { SYN_SENT: SS, SYN_RECV: SR, ESTABLISHED: ES, FIN_WAIT: FW, CLOSE_WAIT: CW } = TcpConntrack;
const { LAST_ACK: LA, TIME_WAIT: TW, CLOSE: CL, SYN_SENT2: S2, INVALID: IV, IGNORE: IG } = TcpConntrack;
const STATES = 10;

/** tcp_conntracks: [direction][kind of segment][state], the new state. */
const TRANSITIONS = Uint8Array.from([
  // from: NONE, SS, SR, ES, FW, CW, LA, TW, CL, S2
  // original direction: SYN, SYN+ACK, FIN, ACK, RST, none of them
  ...[SS, SS, IG, IG, IG, IG, IG, SS, SS, S2],
  ...[IV, IV, SR, IV, IV, IV, IV, IV, IV, SR],
  ...[IV, IV, FW, FW, LA, LA, LA, TW, CL, IV],
  ...[ES, IV, ES, ES, CW, CW, TW, TW, CL, IV],
  ...[IV, CL, CL, CL, CL, CL, CL, CL, CL, CL],
  ...[IV, IV, IV, IV, IV, IV, IV, IV, IV, IV],
  // reply direction
  ...[IV, S2, IV, IV, IV, IV, IV, SS, IV, S2],
  ...[IV, SR, IG, IG, IG, IG, IG, IG, IG, SR],
  ...[IV, IV, FW, FW, LA, LA, LA, TW, CL, IV],
  ...[IV, IG, SR, ES, CW, CW, TW, TW, CL, IG],
  ...[IV, CL, CL, CL, CL, CL, CL, CL, CL, CL],
  ...[IV, IV, IV, IV, IV, IV, IV, IV, IV, IV],
]);

export function transition(direction: number, bits: number, state: number): TcpConntrack {
  return TRANSITIONS[(direction * 6 + bits) * STATES + state]! as TcpConntrack;
}
