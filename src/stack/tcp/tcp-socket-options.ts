// The options of a TCP socket (setsockopt and getsockopt; net/ipv4/tcp.c do_tcp_setsockopt, net/core/sock.c sk_setsockopt,
// net/ipv4/ip_sockglue.c) as properties: reading one is getsockopt, setting one setsockopt.

import { HZ, JIFFY } from '../../sim/jiffies.ts';
import type { Errno } from '../errno.ts';
import type { InDevice } from '../in-device.ts';
import type { NetNamespace } from '../netns.ts';
import type { PathMtuDiscovery } from '../path-mtu-discovery.ts';
import { enterPingpongMode, exitPingpongMode } from './tcp-ack-schedule.ts';
import { FIN_TIMEOUT_MAX } from './tcp-close.ts';
import { tcpSetCongestionControl } from './tcp-cong-choice.ts';
import { tcpPushPendingFrames } from './tcp-output.ts';
import { tcpCleanupRbuf } from './tcp-recvmsg.ts';
import { IcskAck, TcpNagle, type TcpSock, TcpState, tcpMstampRefresh } from './tcp-sock.ts';
import { keepaliveTimeElapsed, keepaliveTimeWhen } from './tcp-timer.ts';
import { skStreamMemoryFree } from './tcp-write-queue.ts';
import { tcpRtoMax } from './tcp-xmit-timer.ts';

/** SOCK_MIN_SNDBUF, SOCK_MIN_RCVBUF: bytes. */
const SNDBUF_MIN = 4608;
const RCVBUF_MIN = 2304;
/** TCP_MIN_MSS, MAX_TCP_WINDOW: what TCP_MAXSEG may be. */
const MAXSEG_MIN = 88;
const MAXSEG_MAX = 32_767;

export abstract class TcpSocketOptions {
  readonly netns: NetNamespace;
  /** @internal */
  readonly sk: TcpSock;

  constructor(netns: NetNamespace, sk: TcpSock) {
    this.netns = netns;
    this.sk = sk;
  }

  /** @internal the poll state may have changed */
  abstract wake(): void;

  /** @internal sk_stream_write_space: a third of the buffer is free again */
  writeSpace(): void {
    if (!streamWriteable(this.sk)) return;
    this.sk.noSpace = false;
    this.wake();
  }

  /** TCP_NODELAY */
  get noDelay(): boolean {
    return (this.sk.nonagle & TcpNagle.OFF) !== 0;
  }
  set noDelay(on: boolean) {
    const { sk } = this;
    if (!on) {
      sk.nonagle &= ~TcpNagle.OFF;
      return;
    }
    sk.nonagle |= TcpNagle.OFF | TcpNagle.PUSH;
    this.#pushPending();
  }

  /** TCP_CORK */
  get cork(): boolean {
    return (this.sk.nonagle & TcpNagle.CORK) !== 0;
  }
  set cork(on: boolean) {
    const { sk } = this;
    if (on) {
      sk.nonagle |= TcpNagle.CORK;
      return;
    }
    sk.nonagle &= ~TcpNagle.CORK;
    if ((sk.nonagle & TcpNagle.OFF) !== 0) sk.nonagle |= TcpNagle.PUSH;
    this.#pushPending();
  }

  #pushPending(): void {
    const { sk } = this;
    if (sk.writeQueue.isEmpty) return;
    tcpMstampRefresh(sk);
    tcpPushPendingFrames(sk);
  }

  /** SO_KEEPALIVE */
  get keepAlive(): boolean {
    return this.sk.keepOpen;
  }
  set keepAlive(on: boolean) {
    const { sk } = this;
    const was = sk.keepOpen;
    sk.keepOpen = on;
    if (sk.state === TcpState.CLOSE || sk.state === TcpState.LISTEN || sk.state === TcpState.SYN_SENT) return;
    if (on && !was) sk.keepaliveTimer.arm(keepaliveTimeWhen(sk) * JIFFY);
    else if (!on) sk.keepaliveTimer.cancel();
  }

  /** TCP_KEEPIDLE: seconds; 0: the namespace's */
  get keepIdle(): number {
    return keepaliveTimeWhen(this.sk) / HZ;
  }
  set keepIdle(seconds: number) {
    const { sk } = this;
    sk.keepaliveTime = seconds * HZ;
    if (!sk.keepOpen || sk.state === TcpState.CLOSE || sk.state === TcpState.LISTEN) return;
    const elapsed = keepaliveTimeElapsed(sk);
    sk.keepaliveTimer.arm(Math.max(sk.keepaliveTime - elapsed, 0) * JIFFY);
  }

  /** TCP_KEEPINTVL: seconds */
  get keepInterval(): number {
    return this.sk.keepaliveIntvl !== 0 ? this.sk.keepaliveIntvl / HZ : this.netns.sysctl.ipv4.tcp_keepalive_intvl;
  }
  set keepInterval(seconds: number) {
    this.sk.keepaliveIntvl = seconds * HZ;
  }

  /** TCP_KEEPCNT: probes */
  get keepCount(): number {
    return this.sk.keepaliveProbes !== 0 ? this.sk.keepaliveProbes : this.netns.sysctl.ipv4.tcp_keepalive_probes;
  }
  set keepCount(probes: number) {
    this.sk.keepaliveProbes = probes;
  }

  /** SO_LINGER: seconds; null: off. close() never waits; 0 resets the connection. */
  get linger(): number | null {
    return this.sk.linger;
  }
  set linger(seconds: number | null) {
    this.sk.linger = seconds;
  }

  /** SO_SNDBUF: what is set is doubled, as the kernel does */
  get sendBuffer(): number {
    return this.sk.sndbuf;
  }
  set sendBuffer(bytes: number) {
    const most = Number(this.netns.sysctl.get('net.core.wmem_max') ?? 0);
    this.sk.sndbufLocked = true;
    this.sk.sndbuf = Math.max(Math.min(bytes, most) * 2, SNDBUF_MIN);
    this.writeSpace();
  }

  /** SO_RCVBUF: what is set is doubled, as the kernel does */
  get receiveBuffer(): number {
    return this.sk.rcvbuf;
  }
  set receiveBuffer(bytes: number) {
    const most = Number(this.netns.sysctl.get('net.core.rmem_max') ?? 0);
    this.sk.rcvbufLocked = true;
    this.sk.rcvbuf = Math.max(Math.min(bytes, most) * 2, RCVBUF_MIN);
  }

  /** TCP_USER_TIMEOUT, milliseconds; 0: none */
  get userTimeout(): number {
    return this.sk.userTimeout;
  }
  set userTimeout(ms: number) {
    this.sk.userTimeout = ms;
  }

  /** TCP_MAXSEG: before the connection what is set (0: nothing), then what is used */
  get maxSegment(): number {
    const { sk } = this;
    if ((sk.state === TcpState.CLOSE || sk.state === TcpState.LISTEN) && sk.rxOpt.userMss !== 0)
      return sk.rxOpt.userMss;
    return sk.mssCache;
  }
  set maxSegment(mss: number) {
    if (mss === 0 || (mss >= MAXSEG_MIN && mss <= MAXSEG_MAX)) this.sk.rxOpt.userMss = mss;
  }

  /** TCP_DEFER_ACCEPT: seconds, rounded up to what SYN-ACK time-outs can tell */
  get deferAccept(): number {
    return retransToSeconds(this.sk.deferAccept, 1, tcpRtoMax(this.sk) / HZ);
  }
  set deferAccept(seconds: number) {
    this.sk.deferAccept = secondsToRetrans(seconds, 1, tcpRtoMax(this.sk) / HZ);
  }

  /** TCP_QUICKACK */
  get quickAck(): boolean {
    return this.sk.ackPingpong < this.netns.sysctl.ipv4.tcp_pingpong_thresh;
  }
  set quickAck(on: boolean) {
    const { sk } = this;
    if (!on) {
      enterPingpongMode(sk);
      return;
    }
    exitPingpongMode(sk);
    const open = sk.state === TcpState.ESTABLISHED || sk.state === TcpState.CLOSE_WAIT;
    if (open && (sk.ackPending & IcskAck.SCHED) !== 0) {
      sk.ackPending |= IcskAck.PUSHED;
      tcpCleanupRbuf(sk, 1);
    }
  }

  /** TCP_CONGESTION */
  get congestion(): string {
    return this.sk.caOps?.name ?? '';
  }
  set congestion(name: string) {
    tcpSetCongestionControl(this.sk, name);
  }

  /** As `congestion =`, telling whether there is such an algorithm. */
  setCongestion(name: string): Errno | null {
    return tcpSetCongestionControl(this.sk, name);
  }

  /** SO_REUSEADDR */
  get reuseAddress(): boolean {
    return this.sk.reuseAddress;
  }
  set reuseAddress(on: boolean) {
    this.sk.reuseAddress = on;
  }
  /** SO_REUSEPORT */
  get reusePort(): boolean {
    return this.sk.reusePort;
  }
  set reusePort(on: boolean) {
    this.sk.reusePort = on;
  }
  /** TCP_SYNCNT; 0: the namespace's */
  get synCount(): number {
    return this.sk.synRetries;
  }
  set synCount(n: number) {
    this.sk.synRetries = n;
  }
  /** TCP_NOTSENT_LOWAT, bytes; 0: the namespace's */
  get notSentLowat(): number {
    return this.sk.notsentLowat;
  }
  set notSentLowat(bytes: number) {
    this.sk.notsentLowat = bytes;
    this.writeSpace();
  }
  /** SO_RCVLOWAT, bytes */
  get receiveLowat(): number {
    return this.sk.rcvlowat;
  }
  set receiveLowat(bytes: number) {
    this.sk.rcvlowat = Math.max(bytes, 1);
    this.wake();
  }
  /** TCP_WINDOW_CLAMP, bytes */
  get windowClamp(): number {
    return this.sk.windowClamp;
  }
  set windowClamp(bytes: number) {
    this.sk.windowClamp = Math.max(bytes, RCVBUF_MIN / 2);
    this.sk.rcvSsthresh = Math.min(this.sk.rcvSsthresh, this.sk.windowClamp);
  }
  /** TCP_LINGER2, seconds; 0: the namespace's; negative: none */
  get linger2(): number {
    return this.sk.linger2;
  }
  set linger2(seconds: number) {
    this.sk.linger2 = seconds < 0 ? -1 : Math.min(seconds, FIN_TIMEOUT_MAX);
  }
  /** IP_TOS; the ECN bits are TCP's own */
  get tos(): number {
    return this.sk.tos;
  }
  set tos(tos: number) {
    this.sk.tos = tos & 0xfc;
  }
  /** IP_TTL; 0: the namespace's default */
  get ttl(): number {
    return this.sk.ttl;
  }
  set ttl(ttl: number) {
    this.sk.ttl = ttl;
  }
  /** IP_MINTTL */
  get minTtl(): number {
    return this.sk.minTtl;
  }
  set minTtl(ttl: number) {
    this.sk.minTtl = ttl;
  }
  /** SO_MARK */
  get mark(): number {
    return this.sk.mark;
  }
  set mark(mark: number) {
    this.sk.mark = mark;
  }
  /** IP_MTU_DISCOVER */
  get pathMtuDiscovery(): PathMtuDiscovery {
    return this.sk.pathMtuDiscovery;
  }
  set pathMtuDiscovery(mode: PathMtuDiscovery) {
    this.sk.pathMtuDiscovery = mode;
  }
  /** IP_RECVERR */
  get recvErr(): boolean {
    return this.sk.recvErr;
  }
  set recvErr(on: boolean) {
    this.sk.recvErr = on;
  }
  /** SO_BINDTODEVICE */
  get device(): InDevice | null {
    return this.sk.device;
  }
  set device(idev: InDevice | null) {
    this.sk.device = idev;
    this.sk.dst = null;
  }
  /** SO_OOBINLINE */
  get oobInline(): boolean {
    return this.sk.urgInline;
  }
  set oobInline(on: boolean) {
    this.sk.urgInline = on;
  }
}

/** sk_stream_is_writeable: a third of the buffer is free. */
export function streamWriteable(sk: TcpSock): boolean {
  return sk.sndbuf - sk.wmemQueued >= sk.wmemQueued >> 1 && skStreamMemoryFree(sk);
}

/** secs_to_retrans */
function secondsToRetrans(seconds: number, timeout: number, most: number): number {
  let retrans = 0;
  if (seconds <= 0) return 0;
  let period = timeout;
  let wait = timeout;
  retrans = 1;
  while (seconds > period && retrans < 255) {
    retrans++;
    wait = Math.min(wait * 2, most);
    period += wait;
  }
  return retrans;
}

/** retrans_to_secs */
function retransToSeconds(retrans: number, timeout: number, most: number): number {
  if (retrans === 0) return 0;
  let period = timeout;
  let wait = timeout;
  for (let i = 1; i < retrans; i++) {
    wait = Math.min(wait * 2, most);
    period += wait;
  }
  return period;
}
