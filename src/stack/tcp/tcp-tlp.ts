// Tail loss probe (RFC 8985 section 7; net/ipv4/tcp_output.c tcp_schedule_loss_probe, tcp_input.c tcp_process_tlp_ack): when
// the last segments of a flight are lost no SACK tells of it, so after two round trips one segment is sent again to draw an
// ACK, well before the RTO. What is sent is tcpSendLossProbe's business (tcp-output.ts).
//
//   tlpHighSeq   sndNxt when the probe was sent; 0: no probe is out
//   tlpRetrans   the probe was old data, so if it filled a hole a loss has to be answered for

import { TcpAckFlag } from './tcp-ack-flag.ts';
import { tcpEndCwndReduction, tcpInitCwndReduction, tcpSetCaState, tcpTryKeepOpen } from './tcp-cwnd-reduction.ts';
import { TIMEOUT_MIN_US } from './tcp-rack.ts';
import { after, before } from './tcp-seq.ts';
import { IcskTime, TcpCaState, type TcpSock } from './tcp-sock.ts';
import {
  jiffiesToUsecs,
  TCP_TIMEOUT_INIT,
  tcpResetXmitTimer,
  tcpRtoDeltaUs,
  tcpRtoMin,
  usecsToJiffies,
} from './tcp-xmit-timer.ts';

/**
 * Arms the probe instead of the RTO where it may help (tcp_schedule_loss_probe).
 * @param advancingRto the RTO would be counted from now, not from when the oldest segment was sent
 * @returns whether it is armed
 */
export function tcpScheduleLossProbe(sk: TcpSock, advancingRto: boolean): boolean {
  const mode = sk.netns.sysctl.ipv4.tcp_early_retrans;
  if ((mode !== 3 && mode !== 4) || sk.packetsOut === 0 || !sk.rxOpt.sackOk) return false;
  if (sk.caState !== TcpCaState.OPEN && sk.caState !== TcpCaState.CWR) return false;
  let timeout = TCP_TIMEOUT_INIT;
  if (sk.srttUs !== 0) {
    // Two round trips; and for a single segment as long as the peer may delay its ACK.
    const margin = sk.packetsOut === 1 ? jiffiesToUsecs(tcpRtoMin(sk)) : TIMEOUT_MIN_US;
    timeout = usecsToJiffies((sk.srttUs >>> 2) + margin);
  }
  const rtoUs = advancingRto ? jiffiesToUsecs(sk.rto) : tcpRtoDeltaUs(sk);
  if (rtoUs > 0) timeout = Math.min(timeout, usecsToJiffies(rtoUs));
  tcpResetXmitTimer(sk, IcskTime.LOSS_PROBE, timeout);
  return true;
}

/** An ACK while a probe is out: if the probe filled a hole, the window is reduced as for any loss (tcp_process_tlp_ack). */
export function tcpProcessTlpAck(sk: TcpSock, ack: number, flag: number): void {
  if (before(ack, sk.tlpHighSeq)) return;
  if (!sk.tlpRetrans || (flag & TcpAckFlag.DSACK_TLP) !== 0) {
    sk.tlpHighSeq = 0;
  } else if (after(ack, sk.tlpHighSeq)) {
    tcpInitCwndReduction(sk);
    tcpSetCaState(sk, TcpCaState.CWR);
    tcpEndCwndReduction(sk);
    tcpTryKeepOpen(sk);
  } else if ((flag & (TcpAckFlag.SND_UNA_ADVANCED | TcpAckFlag.NOT_DUP | TcpAckFlag.DATA_SACKED)) === 0) {
    // A plain duplicate: both the first copy and the probe arrived.
    sk.tlpHighSeq = 0;
  }
}
