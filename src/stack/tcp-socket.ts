// A TCP socket as a program in a pod sees it (net/ipv4/tcp.c, af_inet.c, inet_connection_sock.c): what socket(AF_INET,
// SOCK_STREAM) gives. Calls never block: what would block answers EAGAIN, and onReady tells when to ask again.

import type { Ipv4 } from '../addr/ipv4.ts';
import { HZ, JIFFY } from '../sim/jiffies.ts';
import type { Timer } from '../sim/sim.ts';
import type { Errno } from './errno.ts';
import type { InDevice } from './in-device.ts';
import type { NetNamespace } from './netns.ts';
import type { PathMtuDiscovery } from './path-mtu-discovery.ts';
import { enterPingpongMode, exitPingpongMode } from './tcp-ack-schedule.ts';
import { lockForCopy, releaseBacklog } from './tcp-backlog.ts';
import { FIN_TIMEOUT_MAX, tcpClose, tcpShutdownSend } from './tcp-close.ts';
import { tcpSetCongestionControl } from './tcp-cong-choice.ts';
import { type TcpInfo, tcpInfo } from './tcp-info.ts';
import { newTcpSock } from './tcp-new.ts';
import { tcpConnect } from './tcp-open.ts';
import { tcpPushPendingFrames } from './tcp-output.ts';
import { tcpCleanupRbuf, tcpInq, tcpRecvmsg } from './tcp-recvmsg.ts';
import { tcpSendmsg } from './tcp-sendmsg.ts';
import { IcskAck, Shutdown, TcpNagle, type TcpSock, TcpState, tcpMstampRefresh } from './tcp-sock.ts';
import { keepaliveTimeElapsed, keepaliveTimeWhen } from './tcp-timer.ts';
import { skStreamMemoryFree } from './tcp-write-queue.ts';
import { tcpRtoMax } from './tcp-xmit-timer.ts';

export { MsgFlag } from './tcp-sendmsg.ts';

/** SOCK_MIN_SNDBUF, SOCK_MIN_RCVBUF: bytes. */
const SNDBUF_MIN = 4608;
const RCVBUF_MIN = 2304;
/** TCP_MIN_MSS, MAX_TCP_WINDOW: what TCP_MAXSEG may be. */
const MAXSEG_MIN = 88;
const MAXSEG_MAX = 32_767;

export class TcpSocket {
  readonly netns: NetNamespace;
  /** @internal */
  readonly sk: TcpSock;
  /** Called, never from within a call of this socket, when readable, writable, hungUp or the pending error may have changed. */
  onReady: (() => void) | null = null;
  readonly #wakeTimer: Timer;
  #closed = false;

  /** @param sk @internal a connection that a listener made */
  constructor(netns: NetNamespace, sk?: TcpSock) {
    this.netns = netns;
    this.sk = sk ?? newTcpSock(netns);
    this.sk.socket = this;
    this.#wakeTimer = netns.world.sim.timer(() => this.onReady?.());
  }

  get state(): TcpState {
    return this.sk.state;
  }
  get localAddress(): Ipv4 {
    return this.sk.localAddress;
  }
  get localPort(): number {
    return this.sk.localPort;
  }
  get remoteAddress(): Ipv4 {
    return this.sk.remoteAddress;
  }
  get remotePort(): number {
    return this.sk.remotePort;
  }

  // -- calls ---------------------------------------------------------------------------------------------------------

  /** Binds to an address (0: any) and port (0: an ephemeral one, now). */
  bind(address: Ipv4, port: number): Errno | null {
    const { sk, netns } = this;
    if (sk.state !== TcpState.CLOSE || sk.localPort !== 0) return 'EINVAL';
    if (address !== 0 && !netns.isLocal(address) && netns.sysctl.ipv4.ip_nonlocal_bind === 0) return 'EADDRNOTAVAIL';
    const wanted = port !== 0 ? port : netns.tcp.openPort(sk, address);
    if (wanted === 0 || netns.tcp.bindConflict(sk, address, wanted)) return 'EADDRINUSE';
    sk.localAddress = address;
    sk.localPort = wanted;
    sk.boundAddress = address !== 0;
    sk.boundPort = port !== 0;
    netns.tcp.takePort(sk);
    return null;
  }

  /** @param backlog connections that may wait for accept(); net.core.somaxconn at most */
  listen(backlog: number): Errno | null {
    const { sk, netns } = this;
    const most = Number(netns.sysctl.get('net.core.somaxconn') ?? 0);
    const limit = Math.min(backlog >>> 0, most);
    if (sk.state === TcpState.LISTEN) {
      sk.backlog = limit;
      return null;
    }
    if (sk.state !== TcpState.CLOSE) return 'EINVAL';
    if (sk.localPort === 0) {
      const bound = this.bind(0, 0);
      if (bound !== null) return bound;
    }
    sk.state = TcpState.LISTEN;
    if (netns.tcp.bindConflict(sk, sk.boundAddress ? sk.localAddress : 0, sk.localPort)) {
      sk.state = TcpState.CLOSE;
      return 'EADDRINUSE';
    }
    sk.backlog = limit;
    sk.shutdown = 0;
    netns.tcp.listen(sk);
    return null;
  }

  /** The connection that waits longest; null: none (EAGAIN). */
  accept(): TcpSocket | null {
    const child = this.sk.acceptQueue.shift();
    if (child === undefined) return null;
    child.listener = null;
    return new TcpSocket(this.netns, child);
  }

  /** @returns null when the attempt is under way: writable or hungUp tell how it ended, takeError() why */
  connect(address: Ipv4, port: number): Errno | null {
    const { sk } = this;
    switch (sk.state) {
      case TcpState.CLOSE: {
        if (sk.err !== null) return this.takeError();
        // inet_stream_connect: no address means this host.
        const remote = address === 0 ? (sk.localAddress !== 0 ? sk.localAddress : 0x7f000001) : address;
        sk.shutdown = 0;
        return tcpConnect(sk, remote, port);
      }
      case TcpState.SYN_SENT:
      case TcpState.SYN_RECV:
        return 'EALREADY';
      default:
        return 'EISCONN';
    }
  }

  /**
   * Queues bytes for sending.
   * @param flags MsgFlag
   * @returns how many were taken, 1 or more (0 for no bytes), or an errno: EAGAIN when the send buffer is full
   */
  send(bytes: Uint8Array, flags = 0): number | Errno {
    if (this.#closed) return 'EPIPE';
    const { sk } = this;
    releaseBacklog(sk);
    const taken = tcpSendmsg(sk, bytes, flags);
    if (typeof taken === 'number') lockForCopy(sk, taken);
    return taken;
  }

  /**
   * Takes up to `max` bytes that have arrived.
   * @returns the bytes, none at the end of the stream; or an errno: EAGAIN when nothing is there yet
   */
  recv(max: number, flags = 0): Uint8Array | Errno {
    if (this.#closed) return 'ENOTCONN';
    releaseBacklog(this.sk);
    return tcpRecvmsg(this.sk, max, flags);
  }

  shutdown(how: 'rd' | 'wr' | 'rdwr'): Errno | null {
    const { sk } = this;
    const bits = how === 'rd' ? Shutdown.RCV : how === 'wr' ? Shutdown.SEND : Shutdown.MASK;
    releaseBacklog(sk);
    if (sk.state === TcpState.CLOSE) return 'ENOTCONN';
    if (sk.state === TcpState.LISTEN || sk.state === TcpState.SYN_SENT) {
      if (sk.state === TcpState.LISTEN && (bits & Shutdown.RCV) === 0) return null;
      this.#disconnect();
      return null;
    }
    sk.shutdown |= bits;
    if ((bits & Shutdown.SEND) !== 0) tcpShutdownSend(sk);
    this.wake();
    return null;
  }

  /** tcp_disconnect of a listener or of an attempt: back to a fresh socket that keeps its port. */
  #disconnect(): void {
    const { sk, netns } = this;
    if (sk.state === TcpState.LISTEN) netns.tcp.stopListening(sk);
    else netns.tcp.unhash(sk);
    sk.state = TcpState.CLOSE;
    sk.retransmitTimer.cancel();
    sk.pending = 0;
    sk.shutdown = Shutdown.MASK;
    this.wake();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.onReady = null;
    this.#wakeTimer.cancel();
    releaseBacklog(this.sk);
    tcpClose(this.sk);
    this.sk.socket = null;
  }

  /** SO_ERROR: the pending error, cleared by reading. */
  takeError(): Errno | null {
    const e = this.sk.err;
    this.sk.err = null;
    return e;
  }

  /** What SO_ERROR gives beside that: an error that does not end the connection (sk_err_soft), cleared by reading. */
  takeSoftError(): Errno | null {
    const e = this.sk.errSoft;
    this.sk.errSoft = null;
    return e;
  }

  // -- poll ----------------------------------------------------------------------------------------------------------

  /** POLLIN: recv() or accept() would not say EAGAIN. */
  get readable(): boolean {
    const { sk } = this;
    if (sk.state === TcpState.LISTEN) return sk.acceptQueue.length > 0;
    if (sk.err !== null || (sk.shutdown & Shutdown.RCV) !== 0) return true;
    if (sk.state === TcpState.SYN_SENT || sk.state === TcpState.SYN_RECV) return false;
    return tcpInq(sk) >= Math.min(sk.rcvlowat, sk.rcvbuf >> 1);
  }

  /** POLLOUT: send() would take bytes or report an error. */
  get writable(): boolean {
    const { sk } = this;
    if (sk.err !== null) return true;
    if (sk.state === TcpState.SYN_SENT || sk.state === TcpState.SYN_RECV || sk.state === TcpState.LISTEN) return false;
    if ((sk.shutdown & Shutdown.SEND) !== 0) return true;
    if (streamWriteable(sk)) return true;
    sk.noSpace = true;
    return false;
  }

  /** POLLHUP: both directions are closed, or the connection does not exist (any more). */
  get hungUp(): boolean {
    const { sk } = this;
    return sk.state === TcpState.CLOSE || sk.shutdown === Shutdown.MASK;
  }

  /** @internal the poll state may have changed */
  wake(): void {
    if (this.onReady !== null && !this.#wakeTimer.armed) this.#wakeTimer.arm(0);
  }

  /** @internal sk_stream_write_space: a third of the buffer is free again */
  writeSpace(): void {
    if (!streamWriteable(this.sk)) return;
    this.sk.noSpace = false;
    this.wake();
  }

  /** @internal the namespace goes */
  detach(): void {
    this.#closed = true;
    this.onReady = null;
    this.#wakeTimer.cancel();
  }

  // -- options -------------------------------------------------------------------------------------------------------

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

  /** SIOCOUTQ: bytes not yet acknowledged */
  get sendQueue(): number {
    return Math.max(0, (this.sk.writeSeq - this.sk.sndUna) | 0);
  }
  /** SIOCOUTQNSD: bytes not yet sent */
  get unsentQueue(): number {
    return Math.max(0, (this.sk.writeSeq - this.sk.sndNxt) | 0);
  }
  /** SIOCINQ: bytes not yet read */
  get receiveQueue(): number {
    return this.sk.state === TcpState.LISTEN ? 0 : tcpInq(this.sk);
  }

  /** TCP_INFO */
  info(): TcpInfo {
    return tcpInfo(this.sk);
  }
}

/** sk_stream_is_writeable: a third of the buffer is free. */
function streamWriteable(sk: TcpSock): boolean {
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
