// Round-trip time and retransmission timeout (RFC 6298 with Linux's variance; net/ipv4/tcp_input.c tcp_rtt_estimator,
// tcp_set_rto, tcp_ack_update_rtt).
//
//   srttUs    smoothed round trip, microseconds << 3       srtt += (m - srtt) / 8
//   mdevUs    mean deviation, microseconds << 2            mdev += (|m - srtt| - mdev) / 4
//   rttvarUs  greatest mdev of the last round trip, at least the minimum RTO; falls by a quarter per round trip
//
//   RTO = srtt + rttvar, in whole jiffies
//
// Where RFC 6298 takes four deviations with a floor of 1 s on the sum, Linux keeps four deviations in mdevUs already and
// puts the floor (tcp_rto_min_us, 200 ms) under the deviation. A round trip that shrinks moves mdev by an eighth of that
// only: a shorter time is no reason to wait longer.

import { HZ } from '../../sim/jiffies.ts';
import { TcpAckFlag } from './tcp-ack-flag.ts';
import type { RateSample } from './tcp-rate.ts';
import { after } from './tcp-seq.ts';
import { type TcpSock, tcpTimeStampMs } from './tcp-sock.ts';
import { jiffiesToUsecs, tcpRtoMax, tcpRtoMin, usecsToJiffies } from './tcp-xmit-timer.ts';

/** A difference of timestamps that is no round trip (INT_MAX microseconds in milliseconds). */
const TSECR_DELTA_MAX = 2_147_483;

/** Takes a round trip into srtt and rttvar. @param rttUs microseconds, 0 or more */
export function tcpRttEstimator(sk: TcpSock, rttUs: number): void {
  if (sk.srttUs === 0) {
    sk.mdevUs = rttUs << 1;
    sk.rttvarUs = Math.max(sk.mdevUs, jiffiesToUsecs(tcpRtoMin(sk)));
    sk.mdevMaxUs = sk.rttvarUs;
    sk.rttSeq = sk.sndNxt;
    sk.srttUs = Math.max(1, rttUs << 3);
    return;
  }
  const error = rttUs - (sk.srttUs >> 3);
  sk.srttUs = Math.max(1, sk.srttUs + error);
  let deviation = Math.abs(error) - (sk.mdevUs >> 2);
  if (error < 0 && deviation > 0) deviation >>= 3;
  sk.mdevUs += deviation;
  if (sk.mdevUs > sk.mdevMaxUs) {
    sk.mdevMaxUs = sk.mdevUs;
    if (sk.mdevMaxUs > sk.rttvarUs) sk.rttvarUs = sk.mdevMaxUs;
  }
  if (after(sk.sndUna, sk.rttSeq)) {
    if (sk.mdevMaxUs < sk.rttvarUs) sk.rttvarUs -= (sk.rttvarUs - sk.mdevMaxUs) >> 2;
    sk.rttSeq = sk.sndNxt;
    sk.mdevMaxUs = jiffiesToUsecs(tcpRtoMin(sk));
  }
}

/** The RTO that the estimate gives, within the bounds (tcp_set_rto). */
export function tcpSetRto(sk: TcpSock): void {
  sk.rto = Math.min(usecsToJiffies((sk.srttUs >> 3) + sk.rttvarUs), tcpRtoMax(sk));
}

/** The time since the segment was sent that the timestamp echoes, microseconds; -1: none (tcp_rtt_tsopt_us). */
export function tcpRttTsoptUs(sk: TcpSock): number {
  const delta = (tcpTimeStampMs(sk) - sk.rxOpt.rcvTsecr) >>> 0;
  // Clocks of a millisecond: less than one counts as one.
  return delta < TSECR_DELTA_MAX ? Math.max(delta, 1) * 1000 : -1;
}

function updateRttMin(sk: TcpSock, rttUs: number, flag: number): void {
  // A delayed ACK of one segment says how long the peer waits, not how long the path is.
  if ((flag & TcpAckFlag.ACK_MAYBE_DELAYED) !== 0 && rttUs > sk.rttMin.value) return;
  const window = sk.netns.sysctl.ipv4.tcp_min_rtt_wlen * HZ;
  sk.rttMin.add(window, sk.jiffies(), rttUs !== 0 ? rttUs : jiffiesToUsecs(1));
}

/**
 * An ACK measured a round trip; -1 for none in each (tcp_ack_update_rtt).
 * @param seqRttUs of the first segment acknowledged that was sent once (Karn: never of one that was sent twice)
 * @param sackRttUs of the first one SACKed
 * @param caRttUs of the last one delivered, for the congestion control
 * @returns whether there was one
 */
export function tcpAckUpdateRtt(
  sk: TcpSock,
  flag: number,
  seqRttUs: number,
  sackRttUs: number,
  caRttUs: number,
  rs: RateSample,
): boolean {
  let rtt = seqRttUs >= 0 ? seqRttUs : sackRttUs;
  let ca = caRttUs;
  // RFC 7323 section 4.1 (RTTM): the echo tells even of segments sent twice, but only where the ACK advances.
  if (rtt < 0 && sk.rxOpt.sawTstamp && sk.rxOpt.rcvTsecr !== 0 && (flag & TcpAckFlag.ACKED) !== 0) {
    rtt = ca = tcpRttTsoptUs(sk);
  }
  rs.rttUs = ca;
  if (rtt < 0) return false;
  updateRttMin(sk, ca, flag);
  tcpRttEstimator(sk, rtt);
  tcpSetRto(sk);
  // RFC 6298: a sample of a segment that was sent once ends the backing-off.
  sk.backoff = 0;
  return true;
}

/** The rate at which segments would be paced, bytes per second (tcp_update_pacing_rate); `ss` shows it. */
export function tcpUpdatePacingRate(sk: TcpSock): void {
  const { tcp_pacing_ss_ratio, tcp_pacing_ca_ratio } = sk.netns.sysctl.ipv4;
  const ratio = sk.sndCwnd < sk.sndSsthresh >>> 1 ? tcp_pacing_ss_ratio : tcp_pacing_ca_ratio;
  let rate = sk.mssCache * 80_000 * ratio * Math.max(sk.sndCwnd, sk.packetsOut);
  if (sk.srttUs !== 0) rate = Math.floor(rate / sk.srttUs);
  sk.pacingRate = Math.min(rate, sk.maxPacingRate);
}
