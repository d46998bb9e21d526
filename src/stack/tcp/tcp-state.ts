// The states, flags and small records of a TCP connection, under the kernel's names (include/net/tcp_states.h,
// include/linux/tcp.h, include/net/inet_connection_sock.h, include/net/tcp.h).

/** include/net/tcp_states.h */
export const TcpState = {
  ESTABLISHED: 1,
  SYN_SENT: 2,
  SYN_RECV: 3,
  FIN_WAIT1: 4,
  FIN_WAIT2: 5,
  TIME_WAIT: 6,
  CLOSE: 7,
  CLOSE_WAIT: 8,
  LAST_ACK: 9,
  LISTEN: 10,
  CLOSING: 11,
  NEW_SYN_RECV: 12,
} as const;
export type TcpState = (typeof TcpState)[keyof typeof TcpState];

/** enum tcp_ca_state */
export const TcpCaState = { OPEN: 0, DISORDER: 1, CWR: 2, RECOVERY: 3, LOSS: 4 } as const;
export type TcpCaState = (typeof TcpCaState)[keyof typeof TcpCaState];

/** icsk_pending: what the retransmission timer is armed for (0: nothing) */
export const IcskTime = { RETRANS: 1, PROBE0: 3, LOSS_PROBE: 5, REO_TIMEOUT: 6 } as const;

/** icsk_ack.pending */
export const IcskAck = { SCHED: 1, TIMER: 2, PUSHED: 4, PUSHED2: 8, NOW: 16, NOMEM: 32 } as const;

/** tp->ecn_flags */
export const TcpEcn = { OK: 1, QUEUE_CWR: 2, DEMAND_CWR: 4, SEEN: 8 } as const;

/** tp->nonagle */
export const TcpNagle = { OFF: 1, CORK: 2, PUSH: 4 } as const;

/** sk->sk_shutdown */
export const Shutdown = { RCV: 1, SEND: 2, MASK: 3 } as const;

/** A block of sequence space [startSeq, endSeq) (struct tcp_sack_block). */
export interface SackBlock {
  startSeq: number;
  endSeq: number;
}

/** struct tcp_options_received */
export class TcpRxOptions {
  /** seconds since boot at which tsRecent was taken */
  tsRecentStamp = 0;
  tsRecent = 0;
  rcvTsval = 0;
  rcvTsecr = 0;
  /** the last segment carried timestamps */
  sawTstamp = false;
  tstampOk = false;
  /** the last segment should be answered with a duplicate SACK */
  dsack = false;
  wscaleOk = false;
  sackOk = false;
  sndWscale = 0;
  rcvWscale = 0;
  numSacks = 0;
  userMss = 0;
  mssClamp = 0;
}

/** tp->rack (net/ipv4/tcp_recovery.c) */
export interface RackState {
  /** microseconds */
  mstamp: number;
  rttUs: number;
  endSeq: number;
  lastDelivered: number;
  reoWndSteps: number;
  reoWndPersist: number;
  dsackSeen: boolean;
  advanced: boolean;
}
