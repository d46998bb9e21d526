// Sending again (net/ipv4/tcp_output.c tcp_retransmit_skb, tcp_xmit_retransmit_queue): one record, cut or joined to fit the
// present segment size and the peer's window, or whatever is marked lost, as far as the congestion window lets it.

import { TcpFlag } from '../../wire/tcp.ts';
import { tcpInCwndReduction } from './tcp-cwnd-reduction.ts';
import { tcpCurrentMss, tcpTsoSegs } from './tcp-mss.ts';
import { tcpHighestSackReplace } from './tcp-scoreboard.ts';
import { after, before } from './tcp-seq.ts';
import { Tcpcb, type TcpSkb } from './tcp-skb.ts';
import { IcskTime, type TcpSock, tcpWndEnd } from './tcp-sock.ts';
import { skDst, tcpTransmitSkb } from './tcp-transmit.ts';
import {
  tcpAdjustPcount,
  tcpFragment,
  tcpRtxQueueUnlinkAndFree,
  tcpSetSkbTsoSegs,
  tcpTrimHead,
} from './tcp-write-queue.ts';
import { tcpResetXmitTimer } from './tcp-xmit-timer.ts';

/** tcp_skb_can_collapse: joining would hide no boundary that matters. */
function canJoin(to: TcpSkb, from: TcpSkb): boolean {
  return !to.eor && from.pcount <= 1 && (from.sacked & Tcpcb.SACKED_ACKED) === 0;
}

/** tcp_retrans_try_collapse: small records behind the one to be sent go with it. */
function tryCollapse(sk: TcpSock, to: TcpSkb, space: number): void {
  if (sk.netns.sysctl.ipv4.tcp_retrans_collapse === 0 || (to.tcpFlags & TcpFlag.SYN) !== 0) return;
  if (to.pcount > 1 || (to.sacked & Tcpcb.SACKED_ACKED) !== 0) return;
  let left = space - to.len;
  for (let skb = to.next; skb !== null; skb = to.next) {
    if (!canJoin(to, skb)) return;
    left -= skb.len;
    if (left < 0 || after(skb.endSeq, tcpWndEnd(sk))) return;
    collapse(sk, to, skb);
  }
}

/** tcp_collapse_retrans */
function collapse(sk: TcpSock, skb: TcpSkb, next: TcpSkb): void {
  tcpHighestSackReplace(sk, next, skb);
  skb.endSeq = next.endSeq;
  skb.len += next.len;
  skb.truesize += next.len;
  sk.wmemQueued += next.len;
  skb.tcpFlags |= next.tcpFlags;
  skb.sacked |= next.sacked & Tcpcb.EVER_RETRANS;
  skb.eor = next.eor;
  if (sk.retransmitSkbHint === next) sk.retransmitSkbHint = skb;
  tcpAdjustPcount(sk, next, next.pcount);
  tcpRtxQueueUnlinkAndFree(sk, next);
}

/** __tcp_retransmit_skb. @returns true when it has left */
export function tcpRetransmitSkbOnce(sk: TcpSock, skb: TcpSkb, segs: number): boolean {
  if (before(skb.seq, sk.sndUna)) {
    if ((skb.tcpFlags & TcpFlag.SYN) !== 0) {
      skb.tcpFlags &= ~TcpFlag.SYN;
      skb.seq = (skb.seq + 1) >>> 0;
    }
    const done = (sk.sndUna - skb.seq) | 0;
    if (done > 0) tcpTrimHead(sk, skb, Math.min(done, skb.len));
  }
  if (skDst(sk) === null) return false;
  const mss = tcpCurrentMss(sk);
  let room = (tcpWndEnd(sk) - skb.seq) | 0;
  // The peer has taken its window back: only the first segment is sent, as a probe.
  if (room <= 0) {
    if (skb.seq !== sk.sndUna) return false;
    room = mss;
  }
  let len = mss * segs;
  if (len > room) {
    len = room - (room % mss);
    if (len === 0) len = room;
  }
  if (skb.len > len) tcpFragment(sk, true, skb, len, mss);
  else {
    const old = skb.pcount;
    tcpSetSkbTsoSegs(skb, mss);
    const diff = old - skb.pcount;
    if (diff !== 0) tcpAdjustPcount(sk, skb, diff);
    room = Math.min(room, mss);
    if (skb.len < room) tryCollapse(sk, skb, room);
  }
  // RFC 3168 section 6.1.1.1: a SYN that was lost may have been lost for its ECN bits.
  const synEcn = TcpFlag.SYN | TcpFlag.ECE | TcpFlag.CWR;
  if ((skb.tcpFlags & synEcn) === synEcn && sk.netns.sysctl.ipv4.tcp_ecn_fallback !== 0) {
    skb.tcpFlags &= ~(TcpFlag.ECE | TcpFlag.CWR);
  }
  sk.totalRetrans += skb.pcount;
  sk.bytesRetrans += skb.len;
  const sent = tcpTransmitSkb(sk, skb, true);
  skb.sacked |= Tcpcb.EVER_RETRANS;
  return sent;
}

/**
 * tcp_retransmit_skb
 * @param segs segments at most
 * @returns true when it has left
 */
export function tcpRetransmitSkb(sk: TcpSock, skb: TcpSkb, segs: number): boolean {
  const sent = tcpRetransmitSkbOnce(sk, skb, segs);
  if (sent) {
    skb.sacked |= Tcpcb.SACKED_RETRANS | Tcpcb.EVER_RETRANS;
    sk.retransOut += skb.pcount;
  }
  // The first (attempted) retransmission's time stamp, for undo and for time-outs.
  if (sk.retransStamp === 0) sk.retransStamp = Math.floor(skb.mstampNs / 1_000_000) >>> 0;
  if (sk.undoRetrans < 0) sk.undoRetrans = 0;
  sk.undoRetrans += skb.pcount;
  return sent;
}

/** tcp_xmit_retransmit_queue: what is marked lost leaves again while the congestion window has room. */
export function tcpXmitRetransmitQueue(sk: TcpSock): void {
  if (sk.packetsOut === 0) return;
  const head = sk.rtxQueue.first();
  let hole: TcpSkb | null = null;
  let rearm = false;
  const maxSegs = tcpTsoSegs(sk, tcpCurrentMss(sk));
  for (let skb: TcpSkb | null = sk.retransmitSkbHint ?? head; skb !== null; skb = skb.next) {
    if (hole === null) sk.retransmitSkbHint = skb;
    const segs = Math.min(sk.sndCwnd - sk.packetsInFlight(), maxSegs);
    if (segs <= 0) break;
    if (sk.retransOut >= sk.lostOut) break;
    if ((skb.sacked & Tcpcb.LOST) === 0) {
      if (hole === null && (skb.sacked & (Tcpcb.SACKED_RETRANS | Tcpcb.SACKED_ACKED)) === 0) hole = skb;
      continue;
    }
    if ((skb.sacked & (Tcpcb.SACKED_ACKED | Tcpcb.SACKED_RETRANS)) !== 0) continue;
    if (!tcpRetransmitSkb(sk, skb, segs)) break;
    if (tcpInCwndReduction(sk)) sk.prrOut += skb.pcount;
    if (skb === head && sk.pending !== IcskTime.REO_TIMEOUT) rearm = true;
  }
  if (rearm) tcpResetXmitTimer(sk, IcskTime.RETRANS, sk.rto);
}
