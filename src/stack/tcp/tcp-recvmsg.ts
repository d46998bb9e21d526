// What a program reads (net/ipv4/tcp.c tcp_recvmsg_locked, __tcp_cleanup_rbuf).

import type { Errno } from '../errno.ts';
import { inPingpongMode } from './tcp-ack-schedule.ts';
import { tcpRcvSpaceAdjust, tcpSelectWindowRaw } from './tcp-receive-window.ts';
import { MsgFlag } from './tcp-sendmsg.ts';
import { IcskAck, Shutdown, type TcpSock, TcpState, tcpMstampRefresh, tcpReceiveWindow } from './tcp-sock.ts';
import { tcpSendAck } from './tcp-transmit.ts';

const NOTHING = new Uint8Array(0);

/** Bytes that can be read: a FIN at the end is none (tcp_inq). */
export function tcpInq(sk: TcpSock): number {
  if (sk.state === TcpState.SYN_SENT || sk.state === TcpState.SYN_RECV) return 0;
  const n = (sk.rcvNxt - sk.copiedSeq) >>> 0;
  return n > 0 && sk.done ? n - 1 : n;
}

/** tcp_cleanup_rbuf: reading may ask for an ACK: the window has opened, or a small segment has been answered. */
export function tcpCleanupRbuf(sk: TcpSock, copied: number): void {
  let now = false;
  if ((sk.ackPending & IcskAck.SCHED) !== 0) {
    const unacked = (sk.rcvNxt - sk.rcvWup) >>> 0;
    const pushed =
      (sk.ackPending & IcskAck.PUSHED2) !== 0 || ((sk.ackPending & IcskAck.PUSHED) !== 0 && !inPingpongMode(sk));
    if (unacked > sk.ackRcvMss || (copied > 0 && pushed && sk.rmemAlloc === 0)) now = true;
  }
  if (copied > 0 && !now && (sk.shutdown & Shutdown.RCV) === 0) {
    const window = tcpReceiveWindow(sk);
    if (2 * window <= sk.windowClamp) {
      const wider = tcpSelectWindowRaw(sk);
      if (wider !== 0 && wider >= 2 * window) now = true;
    }
  }
  if (now) {
    tcpMstampRefresh(sk);
    tcpSendAck(sk);
  }
}

/** tcp_recvmsg without waiting. @returns the bytes; none at the end of the stream; or the errno */
export function tcpRecvmsg(sk: TcpSock, max: number, flags: number): Uint8Array | Errno {
  if (sk.state === TcpState.LISTEN) return 'ENOTCONN';
  const n = Math.min(tcpInq(sk), max);
  if (n > 0) {
    const bytes = new Uint8Array(n);
    sk.receiveRing.read(sk.copiedSeq, bytes, 0, n);
    if ((flags & MsgFlag.PEEK) !== 0) return bytes;
    // Skb by skb: what is still in the queue counts when the buffer's size is reconsidered.
    for (let left = n; left > 0; ) {
      const used = sk.receiveQueue.isEmpty ? left : Math.min(left, (sk.receiveQueue.firstEnd - sk.copiedSeq) >>> 0);
      sk.copiedSeq = (sk.copiedSeq + used) >>> 0;
      left -= used;
      tcpRcvSpaceAdjust(sk);
      sk.rmemAlloc -= sk.receiveQueue.release(sk.copiedSeq);
    }
    tcpCleanupRbuf(sk, n);
    return bytes;
  }
  if (max === 0) return NOTHING;
  if (sk.done) {
    // The FIN is read, too.
    if ((flags & MsgFlag.PEEK) === 0) sk.copiedSeq = sk.rcvNxt;
    return NOTHING;
  }
  if (sk.err !== null) {
    const e = sk.err;
    sk.err = null;
    return e;
  }
  if ((sk.shutdown & Shutdown.RCV) !== 0) return NOTHING;
  if (sk.state === TcpState.CLOSE) return 'ENOTCONN';
  return 'EAGAIN';
}
