// What getsockopt(TCP_INFO) tells of a connection (struct tcp_info, include/uapi/linux/tcp.h), in its units.

import { JIFFY } from '../../sim/jiffies.ts';
import { NS_PER_MS, NS_PER_US } from '../../sim/sim.ts';
import { TcpChrono, tcpChronoTime } from './tcp-chrono.ts';
import { TcpEcn, type TcpSock, TcpState } from './tcp-sock.ts';

export interface TcpInfo {
  readonly state: TcpState;
  readonly caState: number;
  readonly retransmits: number;
  readonly probes: number;
  readonly backoff: number;
  readonly timestamps: boolean;
  readonly sack: boolean;
  readonly wscale: boolean;
  readonly ecn: boolean;
  readonly ecnSeen: boolean;
  readonly sndWscale: number;
  readonly rcvWscale: number;
  readonly deliveryRateAppLimited: boolean;
  /** microseconds */
  readonly rto: number;
  readonly ato: number;
  readonly sndMss: number;
  readonly rcvMss: number;
  /** microseconds spent with something to send; held back by the peer's window; by the send buffer */
  readonly busyTime: number;
  readonly rwndLimited: number;
  readonly sndbufLimited: number;
  /** segments; of a listener: connections waiting for accept() */
  readonly unacked: number;
  /** segments; of a listener: its backlog */
  readonly sacked: number;
  readonly lost: number;
  readonly retrans: number;
  /** milliseconds ago */
  readonly lastDataSent: number;
  readonly lastDataRecv: number;
  readonly lastAckRecv: number;
  readonly pmtu: number;
  readonly rcvSsthresh: number;
  /** microseconds */
  readonly rtt: number;
  readonly rttvar: number;
  readonly sndSsthresh: number;
  readonly sndCwnd: number;
  readonly advmss: number;
  readonly reordering: number;
  /** microseconds */
  readonly rcvRtt: number;
  readonly rcvSpace: number;
  readonly totalRetrans: number;
  /** bytes per second */
  readonly pacingRate: number;
  readonly maxPacingRate: number;
  readonly bytesAcked: number;
  readonly bytesReceived: number;
  readonly segsOut: number;
  readonly segsIn: number;
  readonly notsentBytes: number;
  /** microseconds; 0xffffffff: none yet */
  readonly minRtt: number;
  readonly dataSegsIn: number;
  readonly dataSegsOut: number;
  /** bytes per second */
  readonly deliveryRate: number;
  readonly delivered: number;
  readonly deliveredCe: number;
  readonly bytesSent: number;
  readonly bytesRetrans: number;
  readonly dsackDups: number;
  readonly reordSeen: number;
  readonly rcvOoopack: number;
  readonly sndWnd: number;
  readonly rcvWnd: number;
  /** name of the congestion control */
  readonly congestion: string;
  readonly sendQueue: number;
  readonly receiveQueue: number;
  readonly sendBuffer: number;
  readonly receiveBuffer: number;
  readonly wmemQueued: number;
  readonly rmemAlloc: number;
}

/** tcp_get_info */
export function tcpInfo(sk: TcpSock): TcpInfo {
  const rx = sk.rxOpt;
  const listening = sk.state === TcpState.LISTEN;
  const now = sk.netns.world.sim.now;
  const nowJiffies = Math.floor(now / JIFFY);
  const ago = (jiffies: number): number => Math.round(((nowJiffies - jiffies) * JIFFY) / NS_PER_MS);
  const us = (jiffies: number): number => Math.round((jiffies * JIFFY) / NS_PER_US);
  const spent = (type: TcpChrono): number => tcpChronoTime(sk, type);
  const rate =
    sk.rateDelivered > 0 && sk.rateIntervalUs > 0
      ? Math.floor((sk.rateDelivered * sk.mssCache * 1_000_000) / sk.rateIntervalUs)
      : 0;
  return {
    state: sk.state,
    caState: sk.caState,
    retransmits: sk.retransmits,
    probes: sk.probesOut,
    backoff: sk.backoff,
    timestamps: rx.tstampOk,
    sack: rx.sackOk,
    wscale: rx.wscaleOk,
    ecn: (sk.ecnFlags & TcpEcn.OK) !== 0,
    ecnSeen: (sk.ecnFlags & TcpEcn.SEEN) !== 0,
    sndWscale: rx.sndWscale,
    rcvWscale: rx.rcvWscale,
    deliveryRateAppLimited: sk.rateAppLimited,
    busyTime: us(spent(TcpChrono.BUSY) + spent(TcpChrono.RWND_LIMITED) + spent(TcpChrono.SNDBUF_LIMITED)),
    rwndLimited: us(spent(TcpChrono.RWND_LIMITED)),
    sndbufLimited: us(spent(TcpChrono.SNDBUF_LIMITED)),
    rto: us(sk.rto),
    ato: us(sk.ackAto),
    sndMss: sk.mssCache,
    rcvMss: sk.ackRcvMss,
    unacked: listening ? sk.acceptQueue.length : sk.packetsOut,
    sacked: listening ? sk.backlog : sk.sackedOut,
    lost: sk.lostOut,
    retrans: sk.retransOut,
    lastDataSent: ago(sk.lsndtime),
    lastDataRecv: ago(sk.ackLrcvtime),
    lastAckRecv: ago(sk.rcvTstamp),
    pmtu: sk.pmtuCookie,
    rcvSsthresh: sk.rcvSsthresh,
    rtt: sk.srttUs >>> 3,
    rttvar: sk.mdevUs >>> 2,
    sndSsthresh: sk.sndSsthresh,
    sndCwnd: sk.sndCwnd,
    advmss: sk.advmss,
    reordering: sk.reordering,
    rcvRtt: sk.rcvRttEst.rttUs >>> 3,
    rcvSpace: sk.rcvqSpace.space,
    totalRetrans: sk.totalRetrans,
    pacingRate: sk.pacingRate,
    maxPacingRate: sk.maxPacingRate,
    bytesAcked: sk.bytesAcked,
    bytesReceived: sk.bytesReceived,
    segsOut: sk.segsOut,
    segsIn: sk.segsIn,
    notsentBytes: Math.max(0, (sk.writeSeq - sk.sndNxt) | 0),
    minRtt: sk.rttMin.value,
    dataSegsIn: sk.dataSegsIn,
    dataSegsOut: sk.dataSegsOut,
    deliveryRate: rate,
    delivered: sk.delivered,
    deliveredCe: sk.deliveredCe,
    bytesSent: sk.bytesSent,
    bytesRetrans: sk.bytesRetrans,
    dsackDups: sk.dsackDups,
    reordSeen: sk.reordSeen,
    rcvOoopack: sk.rcvOoopack,
    sndWnd: sk.sndWnd,
    rcvWnd: sk.rcvWnd,
    congestion: sk.caOps?.name ?? '',
    sendQueue: listening ? sk.backlog : Math.max(0, (sk.writeSeq - sk.sndUna) | 0),
    receiveQueue: listening ? sk.acceptQueue.length : Math.max(0, (sk.rcvNxt - sk.copiedSeq) | 0),
    sendBuffer: sk.sndbuf,
    receiveBuffer: sk.rcvbuf,
    wmemQueued: sk.wmemQueued,
    rmemAlloc: sk.rmemAlloc,
  };
}
