// Opening a connection (net/ipv4/tcp_ipv4.c tcp_v4_connect, tcp_output.c tcp_connect; RFC 9293 section 3.10.1).

import type { Ipv4 } from '../../addr/ipv4.ts';
import type { Ns } from '../../sim/sim.ts';
import { TcpFlag } from '../../wire/tcp.ts';
import type { Errno } from '../errno.ts';
import { DstKind } from '../route-cache.ts';
import { routeErrno } from '../udp-socket.ts';
import { tcpClearTimers } from './tcp-close.ts';
import { INFINITE_SSTHRESH } from './tcp-cong.ts';
import { TCP_INIT_CWND } from './tcp-cwnd-validate.ts';
import { defaultAdvmss, tcpMssClamp, tcpSyncMss } from './tcp-mss.ts';
import { TIMESTAMPS_LENGTH } from './tcp-out-options.ts';
import { tcpFullSpace, tcpInitializeRcvMss, tcpSelectInitialWindow } from './tcp-receive-window.ts';
import { allocSkb } from './tcp-skb.ts';
import { IcskTime, TcpCaState, TcpEcn, type TcpSock, TcpState, tcpMstampRefresh, tcpTimeStampMs } from './tcp-sock.ts';
import { skDst, tcpTransmitSkb } from './tcp-transmit.ts';
import { SKB_OVERHEAD, tcpWriteQueuePurge } from './tcp-write-queue.ts';
import { TCP_TIMEOUT_INIT, tcpResetXmitTimer } from './tcp-xmit-timer.ts';

const TCP_HEADER = 20;
/**
 * For so long connect() owns the socket; an ICMP error that comes meanwhile is only remembered (sk_err_soft). A choice: the
 * system call takes some ten microseconds after the SYN has left. Golden case 09c shows the effect.
 */
const OWNED_BY_CONNECT: Ns = 50_000;

/** tcp_v4_connect. @returns null when the SYN is on its way */
export function tcpConnect(sk: TcpSock, remote: Ipv4, port: number): Errno | null {
  const { netns } = sk;
  const dst = sk.device !== null ? netns.routes.through(remote, sk.device) : netns.routes.lookup(remote);
  if (dst.kind === DstKind.BROADCAST || dst.kind === DstKind.MULTICAST) return 'ENETUNREACH';
  const errno = routeErrno(dst, false);
  if (errno !== null) return errno;
  const { tcp } = netns;
  if (sk.localAddress === 0) sk.localAddress = dst.source;
  if (sk.rxOpt.tsRecentStamp !== 0 && sk.remoteAddress !== remote) {
    sk.rxOpt.tsRecent = 0;
    sk.rxOpt.tsRecentStamp = 0;
  }
  sk.writeSeq = 0;
  // Port 0 of the peer is nobody's, but the SYN goes out.
  if (sk.localPort === 0) {
    const own = tcp.connectPort(sk, remote, port);
    if (own === 0) {
      if (!sk.boundAddress) sk.localAddress = 0;
      return 'EADDRNOTAVAIL';
    }
    sk.localPort = own;
  }
  const taken = tcp.checkEstablished(sk, remote, port);
  if (taken !== null) return taken;
  tcp.takePort(sk);
  sk.remoteAddress = remote;
  sk.remotePort = port;
  sk.dst = dst;
  sk.extHdrLen = 0;
  sk.rxOpt.mssClamp = 536;
  sk.state = TcpState.SYN_SENT;
  sk.txhash = tcp.newTxhash();
  if (sk.writeSeq === 0) sk.writeSeq = tcp.newIsn(sk.localAddress, sk.localPort, remote, port);
  sk.tsoffset = tcp.timestampOffsetFor(sk.localAddress, remote);
  sk.id = tcp.rng.below(0x10000);
  tcp.hash(sk);
  connectInit(sk);
  sendSyn(sk);
  sk.ownedUntil = sk.now + OWNED_BY_CONNECT;
  return null;
}

/** tcp_disconnect of what never stood: nothing of the attempt remains but what bind() and setsockopt() asked for. */
export function tcpDisconnect(sk: TcpSock): void {
  const { tcp } = sk.netns;
  tcp.unhash(sk);
  tcpClearTimers(sk);
  tcpWriteQueuePurge(sk);
  sk.state = TcpState.CLOSE;
  if (!sk.boundPort) {
    tcp.releasePort(sk);
    sk.localPort = 0;
  }
  if (!sk.boundAddress) sk.localAddress = 0;
  sk.remoteAddress = 0;
  sk.remotePort = 0;
  sk.dst = null;
  sk.errSoft = null;
  sk.windowClamp = 0;
  sk.sndSsthresh = INFINITE_SSTHRESH;
  sk.sndCwnd = TCP_INIT_CWND;
  sk.caState = TcpCaState.OPEN;
  sk.retransOut = 0;
  sk.lostOut = 0;
  sk.sackedOut = 0;
  sk.undoMarker = 0;
  sk.undoRetrans = -1;
  sk.totalRto = 0;
  sk.totalRtoRecoveries = 0;
  sk.totalRetrans = 0;
}

/** tcp_connect_init */
function connectInit(sk: TcpSock): void {
  const { ipv4 } = sk.netns.sysctl;
  const dst = skDst(sk)!;
  sk.tcpHeaderLen = TCP_HEADER + (ipv4.tcp_timestamps !== 0 ? TIMESTAMPS_LENGTH : 0);
  if (sk.rxOpt.userMss !== 0) sk.rxOpt.mssClamp = sk.rxOpt.userMss;
  sk.maxWindow = 0;
  // The clamp is that of the announcement until the SYN-ACK has come.
  tcpSyncMss(sk, dst.mtu(sk.netns));
  sk.advmss = tcpMssClamp(sk, defaultAdvmss(sk.netns, dst));
  tcpInitializeRcvMss(sk);
  const space = tcpFullSpace(sk);
  if (sk.rcvbufLocked && (sk.windowClamp > space || sk.windowClamp === 0)) sk.windowClamp = space;
  const mss = sk.advmss - (sk.rxOpt.tsRecentStamp !== 0 ? sk.tcpHeaderLen - TCP_HEADER : 0);
  const w = tcpSelectInitialWindow(sk, space, mss, sk.windowClamp, ipv4.tcp_window_scaling !== 0);
  sk.rcvWnd = w.rcvWnd;
  sk.windowClamp = w.windowClamp;
  sk.rxOpt.rcvWscale = w.rcvWscale;
  sk.rcvSsthresh = sk.rcvWnd;
  sk.err = null;
  sk.done = false;
  sk.sndWnd = 0;
  sk.sndWl1 = 0;
  sk.sndUna = sk.writeSeq;
  sk.sndSml = sk.writeSeq;
  sk.sndUp = sk.writeSeq;
  sk.sndNxt = sk.writeSeq;
  sk.rcvNxt = 0;
  sk.rcvWup = 0;
  sk.copiedSeq = 0;
  sk.rto = TCP_TIMEOUT_INIT;
  sk.retransmits = 0;
}

/** tcp_connect */
function sendSyn(sk: TcpSock): void {
  const skb = allocSkb();
  skb.seq = sk.writeSeq;
  skb.endSeq = (sk.writeSeq + 1) >>> 0;
  skb.tcpFlags = TcpFlag.SYN;
  skb.pcount = 1;
  skb.truesize = SKB_OVERHEAD;
  tcpMstampRefresh(sk);
  sk.retransStamp = tcpTimeStampMs(sk);
  sk.writeSeq = skb.endSeq;
  sk.wmemQueued += skb.truesize;
  sk.packetsOut++;
  // tcp_ecn_send_syn (RFC 3168 section 6.1.1)
  if (sk.netns.sysctl.ipv4.tcp_ecn === 1) {
    skb.tcpFlags |= TcpFlag.ECE | TcpFlag.CWR;
    sk.ecnFlags = TcpEcn.OK;
  }
  sk.rtxQueue.push(skb);
  tcpTransmitSkb(sk, skb, true);
  sk.sndNxt = sk.writeSeq;
  sk.pushedSeq = sk.writeSeq;
  tcpResetXmitTimer(sk, IcskTime.RETRANS, sk.rto);
}
