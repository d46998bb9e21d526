// What a sender spent its time on (net/ipv4/tcp_output.c tcp_chrono_start, tcp_chrono_stop): having something to send at all,
// held back by the peer's window, held back by its own send buffer. Of conditions that hold together the highest counts.

import type { TcpSock } from './tcp-sock.ts';

/** enum tcp_chrono */
export const TcpChrono = { UNSPEC: 0, BUSY: 1, RWND_LIMITED: 2, SNDBUF_LIMITED: 3 } as const;
export type TcpChrono = (typeof TcpChrono)[keyof typeof TcpChrono];

/** tcp_chrono_set */
function chronoSet(sk: TcpSock, type: TcpChrono): void {
  const now = sk.jiffies();
  if (sk.chronoType > TcpChrono.UNSPEC) sk.chronoStat[sk.chronoType - 1]! += now - sk.chronoStart;
  sk.chronoStart = now;
  sk.chronoType = type;
}

export function tcpChronoStart(sk: TcpSock, type: TcpChrono): void {
  if (type > sk.chronoType) chronoSet(sk, type);
}

export function tcpChronoStop(sk: TcpSock, type: TcpChrono): void {
  if (sk.rtxQueue.isEmpty && sk.writeSeq === sk.sndNxt) chronoSet(sk, TcpChrono.UNSPEC);
  else if (type === sk.chronoType) chronoSet(sk, TcpChrono.BUSY);
}

/** Jiffies spent in a condition until now. */
export function tcpChronoTime(sk: TcpSock, type: TcpChrono): number {
  const past = sk.chronoStat[type - 1] ?? 0;
  return sk.chronoType === type ? past + sk.jiffies() - sk.chronoStart : past;
}
