// Sending the tail-loss probe (net/ipv4/tcp_output.c tcp_send_loss_probe; RFC 8985 section 7.3): new data if the window
// takes it, else the last segment once more.

import { tcpCurrentMss } from './tcp-mss.ts';
import { PushOne, sndWndTest, tcpWriteXmit } from './tcp-output.ts';
import { tcpRetransmitSkbOnce } from './tcp-retransmit.ts';
import { TcpNagle, type TcpSock } from './tcp-sock.ts';
import { tcpFragment } from './tcp-write-queue.ts';
import { tcpRearmRto } from './tcp-xmit-timer.ts';

export function tcpSendLossProbe(sk: TcpSock): void {
  // One probe at a time.
  if (sk.tlpHighSeq === 0 && probe(sk)) {
    sk.tlpHighSeq = sk.sndNxt;
    // The timer is armed anew from now.
    sk.pending = 0;
  } else if (sk.rtxQueue.isEmpty) sk.pending = 0;
  tcpRearmRto(sk);
}

function probe(sk: TcpSock): boolean {
  const mss = tcpCurrentMss(sk);
  sk.tlpRetrans = false;
  const head = sk.writeQueue.first();
  if (head !== null && sndWndTest(sk, head, mss)) {
    const before = sk.packetsOut;
    tcpWriteXmit(sk, mss, TcpNagle.OFF, PushOne.PROBE);
    return sk.packetsOut > before;
  }
  let skb = sk.rtxQueue.last();
  if (skb === null) return false;
  const most = (skb.pcount - 1) * mss;
  if (skb.pcount > 1 && skb.len > most) {
    tcpFragment(sk, true, skb, most, mss);
    skb = sk.rtxQueue.last()!;
  }
  if (!tcpRetransmitSkbOnce(sk, skb, 1)) return false;
  sk.tlpRetrans = true;
  return true;
}
