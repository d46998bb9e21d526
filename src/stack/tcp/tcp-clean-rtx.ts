// Takes what was acknowledged off the retransmission queue and measures the round trip (net/ipv4/tcp_input.c
// tcp_clean_rtx_queue).

import { TcpFlag } from '../../wire/tcp.ts';
import { TcpAckFlag } from './tcp-ack-flag.ts';
import type { AckState } from './tcp-ack-state.ts';
import { TcpChrono, tcpChronoStop } from './tcp-chrono.ts';
import { tcpRackAdvance } from './tcp-rack.ts';
import { tcpRateSkbDelivered } from './tcp-rate.ts';
import { tcpAckUpdateRtt } from './tcp-rtt.ts';
import {
  tcpCheckSackReordering,
  tcpCountDelivered,
  tcpHighestSackReplace,
  tcpRemoveRenoSacks,
  tcpSkbSpuriousRetrans,
} from './tcp-scoreboard.ts';
import { after, before, between } from './tcp-seq.ts';
import { skbTimestampUs, Tcpcb, type TcpSkb } from './tcp-skb.ts';
import type { TcpSock } from './tcp-sock.ts';
import { tcpRtxQueueUnlinkAndFree, tcpTrimHead } from './tcp-write-queue.ts';

const { RETRANS, SACKED_ACKED, SACKED_RETRANS, LOST } = Tcpcb;
const FLAG = TcpAckFlag;

/** The front of a record is acknowledged (tcp_tso_acked). @returns whole segments of it that are */
function tsoAcked(sk: TcpSock, skb: TcpSkb): number {
  const before = skb.pcount;
  tcpTrimHead(sk, skb, (sk.sndUna - skb.seq) >>> 0);
  return before - skb.pcount;
}

/**
 * @param priorFack where the SACKed data ended before the ACK
 * @param priorSndUna sndUna before it
 */
export function tcpCleanRtxQueue(sk: TcpSock, priorFack: number, priorSndUna: number, state: AckState): void {
  const ece = (state.flag & FLAG.ECE) !== 0;
  const sackOk = sk.rxOpt.sackOk;
  const priorSacked = sk.sackedOut;
  let flag = 0;
  let firstAckt = -1;
  let lastAckt = -1;
  let reord = sk.sndNxt;
  let acked = 0;
  let fullyAcked = true;
  let skb = sk.rtxQueue.first();
  while (skb !== null) {
    const start = skb.seq;
    const { sacked } = skb;
    let pcount = skb.pcount;
    if (after(skb.endSeq, sk.sndUna)) {
      if (pcount === 1 || !after(sk.sndUna, start)) break;
      pcount = tsoAcked(sk, skb);
      if (pcount === 0) break;
      fullyAcked = false;
    }
    if ((sacked & RETRANS) !== 0) {
      if ((sacked & SACKED_RETRANS) !== 0) sk.retransOut -= pcount;
      flag |= FLAG.RETRANS_DATA_ACKED;
    } else if ((sacked & SACKED_ACKED) === 0) {
      lastAckt = skbTimestampUs(skb);
      if (firstAckt < 0) firstAckt = lastAckt;
      if (before(start, reord)) reord = start;
      if (!after(skb.endSeq, sk.highSeq)) flag |= FLAG.ORIG_SACK_ACKED;
    }
    if ((sacked & SACKED_ACKED) !== 0) {
      sk.sackedOut -= pcount;
    } else if (sackOk) {
      tcpCountDelivered(sk, pcount, ece);
      if (!tcpSkbSpuriousRetrans(sk, skb)) tcpRackAdvance(sk, sacked, skb.endSeq, skbTimestampUs(skb));
    }
    if ((sacked & LOST) !== 0) sk.lostOut -= pcount;
    sk.packetsOut -= pcount;
    acked += pcount;
    tcpRateSkbDelivered(sk, skb, state.rate);
    if ((skb.tcpFlags & TcpFlag.SYN) === 0) {
      flag |= FLAG.DATA_ACKED;
    } else {
      // A SYN is no data: the program has not sent any yet.
      flag |= FLAG.SYN_ACKED;
      sk.retransStamp = 0;
    }
    if (!fullyAcked) break;
    const next: TcpSkb | null = skb.next;
    if (skb === sk.retransmitSkbHint) sk.retransmitSkbHint = null;
    tcpHighestSackReplace(sk, skb, next);
    tcpRtxQueueUnlinkAndFree(sk, skb);
    skb = next;
  }
  if (skb === null) tcpChronoStop(sk, TcpChrono.BUSY);
  if (between(sk.sndUp, priorSndUna, sk.sndUna)) sk.sndUp = sk.sndUna;
  // What was SACKed would have been acknowledged along with the rest.
  if (skb !== null && (skb.sacked & SACKED_ACKED) !== 0) flag |= FLAG.SACK_RENEGING;

  let seqRtt = -1;
  let sackRtt = -1;
  let caRtt = -1;
  // Karn: no measurement from an ACK that covers anything sent twice.
  if (firstAckt >= 0 && (flag & FLAG.RETRANS_DATA_ACKED) === 0) {
    seqRtt = Math.max(sk.tcpMstamp - firstAckt, 0);
    caRtt = Math.max(sk.tcpMstamp - lastAckt, 0);
    // A lone short segment, with nothing else going on: its ACK may have been delayed.
    if (
      acked === 1 &&
      fullyAcked &&
      priorSacked === 0 &&
      (sk.sndUna - priorSndUna) >>> 0 < sk.mssCache &&
      state.rate.priorDelivered + 1 === sk.delivered &&
      (flag & FLAG.SYN_ACKED) === 0
    ) {
      flag |= FLAG.ACK_MAYBE_DELAYED;
    }
  }
  if (state.firstSackt >= 0) {
    sackRtt = Math.max(sk.tcpMstamp - state.firstSackt, 0);
    caRtt = Math.max(sk.tcpMstamp - state.lastSackt, 0);
  }
  const measured = tcpAckUpdateRtt(sk, flag, seqRtt, sackRtt, caRtt, state.rate);

  if ((flag & FLAG.ACKED) !== 0) {
    flag |= FLAG.SET_XMIT_TIMER;
    if (!sackOk) {
      tcpRemoveRenoSacks(sk, acked, ece);
      // Without SACK nobody can tell whether the first copy or the second brought the progress.
      if ((flag & FLAG.RETRANS_DATA_ACKED) !== 0) flag &= ~FLAG.ORIG_SACK_ACKED;
    } else if (before(reord, priorFack)) {
      // A hole was filled by data sent once: it came late.
      tcpCheckSackReordering(sk, reord);
    }
  } else if (skb !== null && measured && sackRtt >= 0 && sackRtt > Math.max(sk.tcpMstamp - skbTimestampUs(skb), 0)) {
    // Measured from data older than the head's last transmission: else the time-out would be put off for ever.
    flag |= FLAG.SET_XMIT_TIMER;
  }
  // tcp_init_congestion_control comes with the end of the handshake; until then there is nothing to tell.
  if (sk.caInitialized) sk.caOps?.pktsAcked?.(sk, state.rate.rttUs);
  state.flag |= flag;
}
