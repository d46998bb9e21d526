// A SYN that was repeated although the first had arrived (net/ipv4/tcp_input.c tcp_try_undo_spurious_syn).

import type { TcpSock } from './tcp-sock.ts';

/** If the answer echoes the first SYN's timestamp, the time-out was a mistake: the window need not start at one segment. */
export function tcpTryUndoSpuriousSyn(sk: TcpSock): void {
  const syn = sk.retransStamp;
  const rx = sk.rxOpt;
  // The SYN's time stamp is the first retransmission's unless there was none.
  if (syn !== 0 && rx.sawTstamp && rx.rcvTsecr !== 0 && syn === rx.rcvTsecr) sk.undoMarker = 0;
}
