// What a program writes (net/ipv4/tcp.c tcp_sendmsg_locked, tcp_push).

import { TcpFlag } from '../../wire/tcp.ts';
import type { Errno } from '../errno.ts';
import { tcpSlowStartAfterIdleCheck } from './tcp-cwnd-validate.ts';
import { tcpCurrentMss, tcpXmitSizeGoal } from './tcp-mss.ts';
import { tcpPushOne, tcpPushPendingFramesMss } from './tcp-output.ts';
import { tcpRateCheckAppLimited } from './tcp-rate.ts';
import { after } from './tcp-seq.ts';
import type { TcpSkb } from './tcp-skb.ts';
import { Shutdown, TcpNagle, type TcpSock, TcpState, tcpMstampRefresh } from './tcp-sock.ts';
import { sendRingFrom, skStreamMemoryFree, tcpFreeSkb, tcpSkbEntail } from './tcp-write-queue.ts';

/** Flags of send() and recv(). */
export const MsgFlag = { OOB: 0x1, PEEK: 0x2, DONTROUTE: 0x4, EOR: 0x80, MORE: 0x8000 } as const;

/** forced_push: half of the largest window is waiting without PSH. */
function forcedPush(sk: TcpSock): boolean {
  return after(sk.writeSeq, (sk.pushedSeq + Math.floor(sk.maxWindow / 2)) >>> 0);
}

/** tcp_mark_push */
function markPush(sk: TcpSock, skb: TcpSkb): void {
  skb.tcpFlags |= TcpFlag.PSH;
  sk.pushedSeq = sk.writeSeq;
}

/** tcp_push */
function push(sk: TcpSock, flags: number, mss: number, nonagle: number): void {
  const skb = sk.writeQueue.last();
  if (skb === null) return;
  const more = (flags & MsgFlag.MORE) !== 0;
  if (!more || forcedPush(sk)) markPush(sk, skb);
  if ((flags & MsgFlag.OOB) !== 0) {
    sk.sndUp = sk.writeSeq;
    sk.urgMode = true;
  }
  tcpPushPendingFramesMss(sk, mss, more ? TcpNagle.CORK : nonagle);
}

/** tcp_remove_empty_skb: a record that nothing was put into. */
function removeEmpty(sk: TcpSock): void {
  const skb = sk.writeQueue.last();
  if (skb === null || skb.endSeq !== skb.seq) return;
  sk.writeQueue.remove(skb);
  tcpFreeSkb(sk, skb);
}

/** The error with which a write fails (sk_stream_error). */
function writeError(sk: TcpSock): Errno {
  const e = sk.err;
  sk.err = null;
  return e ?? 'EPIPE';
}

/** tcp_sendmsg. @returns bytes taken, or the errno */
export function tcpSendmsg(sk: TcpSock, bytes: Uint8Array, flags: number): number | Errno {
  const s = sk.state;
  if (s === TcpState.SYN_SENT || s === TcpState.SYN_RECV) return sk.err !== null ? writeError(sk) : 'EAGAIN';
  if (sk.err !== null || (sk.shutdown & Shutdown.SEND) !== 0) return writeError(sk);
  if (s !== TcpState.ESTABLISHED && s !== TcpState.CLOSE_WAIT) return 'EPIPE';
  tcpMstampRefresh(sk);
  tcpRateCheckAppLimited(sk);
  const mss = tcpCurrentMss(sk);
  const goal = tcpXmitSizeGoal(sk, mss, (flags & MsgFlag.OOB) === 0);
  let copied = 0;
  while (copied < bytes.length) {
    let skb = sk.writeQueue.last();
    let room = skb !== null ? goal - skb.len : 0;
    if (skb === null || room <= 0 || skb.eor) {
      if (!skStreamMemoryFree(sk)) return wait(sk, flags, mss, copied);
      if ((sk.nonagle & TcpNagle.PUSH) !== 0) sk.nonagle &= ~TcpNagle.PUSH;
      skb = tcpSkbEntail(sk);
      tcpSlowStartAfterIdleCheck(sk);
      room = goal;
    }
    const take = Math.min(room, bytes.length - copied);
    append(sk, skb, bytes, copied, take);
    if (copied === 0) skb.tcpFlags &= ~TcpFlag.PSH;
    copied += take;
    if (copied === bytes.length) {
      if ((flags & MsgFlag.EOR) !== 0) skb.eor = true;
      break;
    }
    if (skb.len < goal || (flags & MsgFlag.OOB) !== 0) continue;
    if (forcedPush(sk)) {
      markPush(sk, skb);
      tcpPushPendingFramesMss(sk, mss, TcpNagle.PUSH);
    } else if (skb === sk.writeQueue.first()) tcpPushOne(sk, mss);
  }
  if (copied > 0) push(sk, flags, mss, sk.nonagle);
  return copied;
}

function append(sk: TcpSock, skb: TcpSkb, bytes: Uint8Array, at: number, length: number): void {
  const end = (sk.writeSeq + length) >>> 0;
  sk.sendRing.reserve(sendRingFrom(sk), sk.writeSeq, end);
  sk.sendRing.write(sk.writeSeq, bytes, at, length);
  sk.writeSeq = end;
  skb.endSeq = (skb.endSeq + length) >>> 0;
  skb.len += length;
  skb.truesize += length;
  sk.wmemQueued += length;
  skb.pcount = 0;
}

/** No room: what was taken goes out, and the program is told when there is some. */
function wait(sk: TcpSock, flags: number, mss: number, copied: number): number | Errno {
  sk.noSpace = true;
  removeEmpty(sk);
  if (copied === 0) return 'EAGAIN';
  push(sk, flags & ~MsgFlag.MORE, mss, TcpNagle.PUSH);
  return copied;
}
