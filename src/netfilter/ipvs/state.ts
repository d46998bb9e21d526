// States of IPVS connections and how long each lasts (net/netfilter/ipvs/ip_vs_proto_tcp.c, ip_vs_proto_udp.c,
// ip_vs_proto_sctp.c is not emulated). They are IPVS's own, beside conntrack's.

import { NS_PER_S, type Ns } from '../../sim/sim.ts';

export const IpvsState = {
  NONE: 0,
  ESTABLISHED: 1,
  SYN_SENT: 2,
  SYN_RECV: 3,
  FIN_WAIT: 4,
  TIME_WAIT: 5,
  CLOSE: 6,
  CLOSE_WAIT: 7,
  LAST_ACK: 8,
  LISTEN: 9,
  SYNACK: 10,
} as const;
export type IpvsState = (typeof IpvsState)[keyof typeof IpvsState];

/** As `ipvsadm -Lc` names them (tcp_state_name_table). */
export const IPVS_STATE_NAMES = [
  'NONE',
  'ESTABLISHED',
  'SYN_SENT',
  'SYN_RECV',
  'FIN_WAIT',
  'TIME_WAIT',
  'CLOSE',
  'CLOSE_WAIT',
  'LAST_ACK',
  'LISTEN',
  'SYNACK',
] as const;

/** tcp_timeouts, seconds by state. */
const TCP_TIMEOUTS = [2, 15 * 60, 2 * 60, 60, 2 * 60, 2 * 60, 10, 60, 30, 2 * 60, 2 * 60] as const;
/** udp_timeouts[IP_VS_UDP_S_NORMAL], seconds */
const UDP_TIMEOUT = 5 * 60;

/** What `ipvsadm --set tcp tcpfin udp` changes; one per namespace. */
export class IpvsTimeouts {
  readonly tcp: Ns[] = TCP_TIMEOUTS.map((s) => s * NS_PER_S);
  udp: Ns = UDP_TIMEOUT * NS_PER_S;
}

/** tcp_state_active_table: states in which a connection counts as active. */
export function isActiveState(state: IpvsState): boolean {
  return (
    state === IpvsState.ESTABLISHED ||
    state === IpvsState.SYN_SENT ||
    state === IpvsState.SYN_RECV ||
    state === IpvsState.SYNACK
  );
}

/** From where the segment came: a client or a real server. (INPUT_ONLY is for forwarding that answers do not pass.) */
export const IpvsDirection = { INPUT: 0, OUTPUT: 1 } as const;
export type IpvsDirection = (typeof IpvsDirection)[keyof typeof IpvsDirection];

// tcp_states: one row per direction and kind of segment (SYN, FIN, ACK, RST), one column per state in the order above.
const NO = IpvsState.NONE;
const ES = IpvsState.ESTABLISHED;
const SS = IpvsState.SYN_SENT;
const SR = IpvsState.SYN_RECV;
const FW = IpvsState.FIN_WAIT;
const TW = IpvsState.TIME_WAIT;
const CL = IpvsState.CLOSE;
const CW = IpvsState.CLOSE_WAIT;
const LA = IpvsState.LAST_ACK;
const LI = IpvsState.LISTEN;
const TCP_STATES: readonly (readonly IpvsState[])[] = [
  [SR, ES, ES, SR, SR, SR, SR, SR, SR, SR, SR],
  [CL, CW, SS, TW, TW, TW, CL, CW, LA, LI, TW],
  [ES, ES, SS, ES, FW, TW, CL, CW, CL, LI, ES],
  [CL, CL, CL, SR, CL, CL, CL, CL, LA, LI, SR],

  [SS, ES, SS, SR, SS, SS, SS, SS, SS, LI, SR],
  [TW, FW, SS, TW, FW, TW, CL, TW, LA, LI, TW],
  [ES, ES, SS, ES, FW, TW, CL, CW, LA, ES, ES],
  [CL, CL, SS, CL, CL, TW, CL, CL, CL, CL, CL],
];
const KINDS = 4;
/** tcp_state_idx: the first of these that is set decides. */
const RST = 0x04;
const SYN = 0x02;
const FIN = 0x01;
const ACK = 0x10;

/** The next state of a TCP connection, NONE's own when the segment has none of the four flags. */
export function nextTcpState(state: IpvsState, direction: IpvsDirection, flags: number): IpvsState {
  const kind = flags & RST ? 3 : flags & SYN ? 0 : flags & FIN ? 1 : flags & ACK ? 2 : -1;
  if (kind < 0) return state;
  return TCP_STATES[direction * KINDS + kind]![state] ?? NO;
}
