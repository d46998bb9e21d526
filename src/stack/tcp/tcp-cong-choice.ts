// Which congestion controls there are, and how a connection gets one (net/ipv4/tcp_cong.c tcp_assign_congestion_control,
// tcp_init_congestion_control, tcp_set_congestion_control): the namespace's net.ipv4.tcp_congestion_control when the socket
// is made, or what the program chose with TCP_CONGESTION.

import type { Errno } from '../errno.ts';
import type { CongestionControl } from './tcp-cong.ts';
import { cubic } from './tcp-cubic.ts';
import { reno } from './tcp-reno.ts';
import { type TcpSock, TcpState } from './tcp-sock.ts';

const ALL: readonly CongestionControl[] = [reno, cubic];

/** net.ipv4.tcp_available_congestion_control */
export const AVAILABLE_CONGESTION_CONTROL = ALL.map((c) => c.name).join(' ');

/** The algorithm of this name, or null. */
export function findCongestionControl(name: string): CongestionControl | null {
  return ALL.find((c) => c.name === name) ?? null;
}

/** A socket is made: it takes the namespace's algorithm (tcp_assign_congestion_control). */
export function tcpAssignCongestionControl(sk: TcpSock): void {
  sk.caOps = findCongestionControl(sk.netns.sysctl.get('net.ipv4.tcp_congestion_control') ?? '') ?? reno;
  sk.caPrivate = null;
  sk.caInitialized = false;
}

/** The connection begins (tcp_init_congestion_control). */
export function tcpInitCongestionControl(sk: TcpSock): void {
  sk.priorSsthresh = 0;
  if (sk.caOps === null) tcpAssignCongestionControl(sk);
  sk.caOps!.init?.(sk);
  sk.caInitialized = true;
}

/** TCP_CONGESTION (tcp_set_congestion_control). */
export function tcpSetCongestionControl(sk: TcpSock, name: string): Errno | null {
  const ca = findCongestionControl(name);
  if (ca === null) return 'ENOENT';
  sk.caSetSockopt = true;
  if (sk.caOps === ca) return null;
  sk.caOps = ca;
  sk.caPrivate = null;
  if (sk.state !== TcpState.CLOSE && sk.state !== TcpState.LISTEN) tcpInitCongestionControl(sk);
  return null;
}
