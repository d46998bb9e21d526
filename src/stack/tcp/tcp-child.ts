// The connection that comes of a request (net/ipv4/tcp_minisocks.c tcp_create_openreq_child, tcp_ipv4.c
// tcp_v4_syn_recv_sock). It is in SYN-RECV until it has handled the ACK that made it, and waits to be accepted.

import { JIFFY } from '../../sim/jiffies.ts';
import { NS_PER_US } from '../../sim/sim.ts';
import { TcpAckFlag } from './tcp-ack-flag.ts';
import { tcpWake } from './tcp-close.ts';
import { defaultAdvmss, TCP_MSS_DEFAULT, tcpMssClamp, tcpSyncMss } from './tcp-mss.ts';
import { newTcpSock } from './tcp-new.ts';
import { TIMESTAMPS_LENGTH } from './tcp-out-options.ts';
import { bootSeconds } from './tcp-paws.ts';
import { RateSample } from './tcp-rate.ts';
import { tcpInitializeRcvMss } from './tcp-receive-window.ts';
import type { TcpRequest } from './tcp-request.ts';
import { tcpAckUpdateRtt } from './tcp-rtt.ts';
import type { TcpSegment } from './tcp-segment.ts';
import { TcpEcn, type TcpSock, TcpState } from './tcp-sock.ts';
import { keepaliveTimeWhen } from './tcp-timer.ts';
import { skDst } from './tcp-transmit.ts';

const TCP_HEADER = 20;
const rate = new RateSample();

export function tcpCreateOpenreqChild(listener: TcpSock, req: TcpRequest, segment: TcpSegment): TcpSock {
  const { netns } = listener;
  const sk = newTcpSock(netns);
  inherit(sk, listener);
  sk.state = TcpState.SYN_RECV;
  sk.localAddress = req.localAddress;
  sk.localPort = req.localPort;
  sk.remoteAddress = req.remoteAddress;
  sk.remotePort = req.remotePort;
  sk.txhash = req.txhash;
  sk.id = netns.tcp.rng.below(0x10000);
  const first = (req.rcvIsn + 1) >>> 0;
  sk.rcvWup = first;
  sk.copiedSeq = first;
  sk.rcvNxt = first;
  const next = (req.sntIsn + 1) >>> 0;
  sk.sndUna = next;
  sk.sndNxt = next;
  sk.sndSml = next;
  sk.sndUp = next;
  sk.writeSeq = next;
  sk.pushedSeq = next;
  sk.sndWl1 = req.rcvIsn;
  const now = sk.jiffies();
  sk.rttMin.reset(now, 0xffffffff);
  sk.ackLrcvtime = now;
  sk.lsndtime = now;
  sk.rcvTstamp = now;
  sk.totalRetrans = req.numRetrans;
  const rx = sk.rxOpt;
  rx.tstampOk = req.tstampOk;
  rx.sackOk = req.sackOk;
  rx.wscaleOk = req.wscaleOk;
  sk.windowClamp = req.windowClamp;
  sk.rcvSsthresh = req.rcvWnd;
  sk.rcvWnd = req.rcvWnd;
  if (req.wscaleOk) {
    rx.sndWscale = req.sndWscale;
    rx.rcvWscale = req.rcvWscale;
  } else sk.windowClamp = Math.min(sk.windowClamp, 0xffff);
  sk.sndWnd = segment.window * 2 ** rx.sndWscale;
  sk.maxWindow = sk.sndWnd;
  sk.tcpHeaderLen = TCP_HEADER;
  if (req.tstampOk) {
    rx.tsRecent = req.tsRecent;
    rx.tsRecentStamp = bootSeconds(sk.now);
    sk.tcpHeaderLen += TIMESTAMPS_LENGTH;
  }
  if (req.numTimeout > 0) {
    sk.totalRto = req.numTimeout;
    sk.undoMarker = req.sntIsn;
    if (req.tstampOk) sk.retransStamp = (req.sntTsvalFirst - req.tsOff) >>> 0;
    sk.totalRtoRecoveries = 1;
  }
  sk.tsoffset = req.tsOff;
  if (segment.len >= TCP_MSS_DEFAULT + sk.tcpHeaderLen) sk.ackLastSegSize = segment.len - sk.tcpHeaderLen;
  rx.mssClamp = req.mss;
  if (req.ecnOk) sk.ecnFlags = TcpEcn.OK;
  const dst = skDst(sk);
  if (dst !== null) {
    tcpSyncMss(sk, dst.mtu(netns));
    sk.advmss = tcpMssClamp(sk, defaultAdvmss(netns, dst));
  }
  tcpInitializeRcvMss(sk);
  netns.tcp.takePort(sk);
  netns.tcp.hash(sk);
  if (sk.keepOpen) sk.keepaliveTimer.arm(keepaliveTimeWhen(sk) * JIFFY);
  // tcp_synack_rtt_meas: a SYN-ACK that was repeated measures nothing (Karn).
  if (req.numRetrans === 0 && req.sntSynackUs !== 0) {
    const us = Math.floor(sk.now / NS_PER_US) - req.sntSynackUs;
    tcpAckUpdateRtt(sk, TcpAckFlag.SYN_ACKED, us, -1, us, rate);
  }
  sk.listener = listener;
  listener.acceptQueue.push(sk);
  return sk;
}

/** inet_csk_clone_lock: the options of the listener are the connection's. */
function inherit(sk: TcpSock, listener: TcpSock): void {
  sk.device = listener.device;
  sk.tos = listener.tos;
  sk.ttl = listener.ttl;
  sk.minTtl = listener.minTtl;
  sk.mark = listener.mark;
  sk.pathMtuDiscovery = listener.pathMtuDiscovery;
  sk.recvErr = listener.recvErr;
  sk.reuseAddress = listener.reuseAddress;
  sk.reusePort = listener.reusePort;
  sk.boundAddress = listener.boundAddress;
  sk.keepOpen = listener.keepOpen;
  sk.linger = listener.linger;
  sk.linger2 = listener.linger2;
  sk.sndbuf = listener.sndbuf;
  sk.rcvbuf = listener.rcvbuf;
  sk.sndbufLocked = listener.sndbufLocked;
  sk.rcvbufLocked = listener.rcvbufLocked;
  sk.rcvlowat = listener.rcvlowat;
  sk.nonagle = listener.nonagle;
  sk.rxOpt.userMss = listener.rxOpt.userMss;
  sk.userTimeout = listener.userTimeout;
  sk.synRetries = listener.synRetries;
  sk.notsentLowat = listener.notsentLowat;
  sk.keepaliveTime = listener.keepaliveTime;
  sk.keepaliveIntvl = listener.keepaliveIntvl;
  sk.keepaliveProbes = listener.keepaliveProbes;
  sk.scalingRatio = listener.scalingRatio;
  sk.urgInline = listener.urgInline;
  sk.ackPingpong = listener.ackPingpong;
  if (listener.caSetSockopt) {
    sk.caOps = listener.caOps;
    sk.caSetSockopt = true;
  }
}

/** tcp_child_process: the listener's program hears of a connection that stands. */
export function wakeListener(child: TcpSock): void {
  if (child.listener !== null) tcpWake(child.listener);
}
