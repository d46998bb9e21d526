// The round trip as a receiver sees it (net/ipv4/tcp_input.c tcp_rcv_rtt_measure, tcp_rcv_rtt_measure_ts): how long a window
// takes to fill, or how old an echoed timestamp is. The receive buffer follows what is read per round trip.

import type { TcpSegment } from './tcp-segment.ts';
import { before, seqDiff } from './tcp-seq.ts';
import { type TcpSock, tcpTimeStampMs } from './tcp-sock.ts';

/** tcp_rcv_rtt_update: microseconds << 3. A lower sample counts at once; the window method never raises the estimate. */
function update(sk: TcpSock, sampleUs: number, windowMethod: boolean): void {
  const old = sk.rcvRttEst.rttUs;
  const m = sampleUs * 8;
  if (old === 0 || m < old) {
    sk.rcvRttEst.rttUs = m;
    return;
  }
  // While the program does not read, the samples say more about it than about the network.
  if (windowMethod || sk.rcvNxt !== sk.copiedSeq) return;
  sk.rcvRttEst.rttUs = old - (old >>> 3) + sampleUs;
}

/** tcp_rcv_rtt_measure: without timestamps, the time in which one window came in. */
export function tcpRcvRttMeasure(sk: TcpSock): void {
  const est = sk.rcvRttEst;
  if (est.time !== 0) {
    if (before(sk.rcvNxt, est.seq)) return;
    let delta = sk.tcpMstamp - est.time;
    if (delta === 0) delta = 1;
    update(sk, delta, true);
  }
  est.seq = (sk.rcvNxt + sk.rcvWnd) >>> 0;
  est.time = sk.tcpMstamp;
}

/** tcp_rcv_rtt_measure_ts: the echoed timestamp of a full segment. */
export function tcpRcvRttMeasureTs(sk: TcpSock, segment: TcpSegment): void {
  const rx = sk.rxOpt;
  const est = sk.rcvRttEst;
  if (rx.rcvTsecr === est.lastTsecr) return;
  est.lastTsecr = rx.rcvTsecr;
  if (seqDiff(segment.endSeq, segment.seq) < sk.ackRcvMss) return;
  // Samples of no milliseconds say nothing; the window method has finer ones.
  const delta = (tcpTimeStampMs(sk) - rx.rcvTsecr) | 0;
  if (delta > 0 && delta < 2 ** 31 / 1000) update(sk, delta * 1000, false);
}
