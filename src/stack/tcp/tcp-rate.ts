// Delivery rate (draft-cheng-iccrg-delivery-rate-estimation; net/ipv4/tcp_rate.c): how fast the network took data while a
// segment was under way. What `ss -i` shows as delivery_rate and app_limited.
//
//   send:     the segment notes how much was delivered so far and when
//   ACK:      delivered since then / max(time it took to send, time it took to acknowledge)
//
// The longer of the two intervals counts, for ACKs that come in a lump would make the network look faster than it is.

import { after } from './tcp-seq.ts';
import { skbTimestampUs, Tcpcb, type TcpSkb } from './tcp-skb.ts';
import type { TcpSock } from './tcp-sock.ts';

/** struct rate_sample: what one ACK says. One object serves all ACKs, one after another. Times in microseconds. */
export class RateSample {
  /** sk.tcpMstamp at which priorDelivered was true; -1: the ACK delivered nothing */
  priorMstamp = -1;
  priorDelivered = 0;
  priorDeliveredCe = 0;
  /** segments over the interval; -1: no valid sample */
  delivered = 0;
  deliveredCe = 0;
  intervalUs = 0;
  sndIntervalUs = 0;
  rcvIntervalUs = 0;
  /** the latest round trip, -1: none */
  rttUs = -1;
  /** segments newly marked lost */
  losses = 0;
  /** segments newly acknowledged or SACKed */
  ackedSacked = 0;
  priorInFlight = 0;
  lastEndSeq = 0;
  isAppLimited = false;
  isRetrans = false;
  isAckDelayed = false;

  reset(): void {
    this.priorMstamp = -1;
    this.priorDelivered = 0;
    this.priorDeliveredCe = 0;
    this.delivered = 0;
    this.deliveredCe = 0;
    this.intervalUs = 0;
    this.sndIntervalUs = 0;
    this.rcvIntervalUs = 0;
    this.rttUs = -1;
    this.losses = 0;
    this.ackedSacked = 0;
    this.priorInFlight = 0;
    this.lastEndSeq = 0;
    this.isAppLimited = false;
    this.isRetrans = false;
    this.isAckDelayed = false;
  }
}

/** tcp_skb_sent_after: by time, and by sequence where both left in the same microsecond. */
export function sentAfter(t1: number, t2: number, seq1: number, seq2: number): boolean {
  return t1 > t2 || (t1 === t2 && after(seq1, seq2));
}

/** A segment leaves: it remembers how things stood (tcp_rate_skb_sent). Call with mstampNs set and packetsOut not yet raised. */
export function tcpRateSkbSent(sk: TcpSock, skb: TcpSkb): void {
  // Nothing was in flight: the interval starts now, or a pause of the program would count as slowness of the network.
  if (sk.packetsOut === 0) {
    const now = skbTimestampUs(skb);
    sk.firstTxMstamp = now;
    sk.deliveredMstamp = now;
  }
  skb.firstTxMstamp = sk.firstTxMstamp;
  skb.deliveredMstamp = sk.deliveredMstamp;
  skb.delivered = sk.delivered;
  skb.deliveredCe = sk.deliveredCe;
  skb.isAppLimited = sk.appLimited !== 0;
}

/** A segment was acknowledged or SACKed; the one sent last is what the sample is about (tcp_rate_skb_delivered). */
export function tcpRateSkbDelivered(sk: TcpSock, skb: TcpSkb, rs: RateSample): void {
  if (skb.deliveredMstamp < 0) return;
  const sent = skbTimestampUs(skb);
  if (rs.priorMstamp < 0 || sentAfter(sent, sk.firstTxMstamp, skb.endSeq, rs.lastEndSeq)) {
    rs.priorDeliveredCe = skb.deliveredCe;
    rs.priorDelivered = skb.delivered;
    rs.priorMstamp = skb.deliveredMstamp;
    rs.isAppLimited = skb.isAppLimited;
    rs.isRetrans = (skb.sacked & Tcpcb.RETRANS) !== 0;
    rs.lastEndSeq = skb.endSeq;
    sk.firstTxMstamp = sent;
    rs.intervalUs = Math.max(sent - skb.firstTxMstamp, 0);
  }
  // SACKed now, acknowledged later: it counts once.
  if ((skb.sacked & Tcpcb.SACKED_ACKED) !== 0) skb.deliveredMstamp = -1;
}

/** Ends the sample of an ACK (tcp_rate_gen). @param delivered segments it delivered @param lost newly marked lost */
export function tcpRateGen(sk: TcpSock, delivered: number, lost: number, reneging: boolean, rs: RateSample): void {
  if (sk.appLimited !== 0 && sk.delivered > sk.appLimited) sk.appLimited = 0;
  if (delivered !== 0) sk.deliveredMstamp = sk.tcpMstamp;
  rs.ackedSacked = delivered;
  rs.losses = lost;
  if (rs.priorMstamp < 0 || reneging) {
    rs.delivered = -1;
    rs.intervalUs = -1;
    return;
  }
  rs.delivered = sk.delivered - rs.priorDelivered;
  rs.deliveredCe = sk.deliveredCe - rs.priorDeliveredCe;
  const sendUs = rs.intervalUs;
  const ackUs = Math.max(sk.tcpMstamp - rs.priorMstamp, 0);
  rs.intervalUs = Math.max(sendUs, ackUs);
  rs.sndIntervalUs = sendUs;
  rs.rcvIntervalUs = ackUs;
  // Shorter than any round trip: a segment that was SACKed long before its ACK (or of which both came at once).
  if (rs.intervalUs < sk.rttMin.value) {
    rs.intervalUs = -1;
    return;
  }
  if (!rs.isAppLimited || rs.delivered * sk.rateIntervalUs >= sk.rateDelivered * rs.intervalUs) {
    sk.rateDelivered = rs.delivered;
    sk.rateIntervalUs = rs.intervalUs;
    sk.rateAppLimited = rs.isAppLimited;
  }
}

/** The program gives less than the network takes: samples until what is in flight now is delivered say so (tcp_rate_check_app_limited). */
export function tcpRateCheckAppLimited(sk: TcpSock): void {
  if (
    (sk.writeSeq - sk.sndNxt) >>> 0 < sk.mssCache &&
    sk.packetsInFlight() < sk.sndCwnd &&
    sk.lostOut <= sk.retransOut
  ) {
    const until = sk.delivered + sk.packetsInFlight();
    sk.appLimited = until !== 0 ? until : 1;
  }
}
