// A TCP socket as a program in a pod sees it (net/ipv4/tcp.c, af_inet.c, inet_connection_sock.c): what socket(AF_INET,
// SOCK_STREAM) gives. Calls never block: what would block answers EAGAIN, and onReady tells when to ask again.

import type { Ipv4 } from '../../addr/ipv4.ts';
import type { Timer } from '../../sim/sim.ts';
import type { Errno } from '../errno.ts';
import type { NetNamespace } from '../netns.ts';
import { lockForCopy, releaseBacklog } from './tcp-backlog.ts';
import { tcpClose, tcpShutdownSend } from './tcp-close.ts';
import { type TcpInfo, tcpInfo } from './tcp-info.ts';
import { newTcpSock } from './tcp-new.ts';
import { tcpConnect, tcpDisconnect } from './tcp-open.ts';
import { tcpInq, tcpRecvmsg } from './tcp-recvmsg.ts';
import { tcpSendmsg } from './tcp-sendmsg.ts';
import { Shutdown, type TcpSock, TcpState } from './tcp-sock.ts';
import { streamWriteable, TcpSocketOptions } from './tcp-socket-options.ts';

export { MsgFlag } from './tcp-sendmsg.ts';

export class TcpSocket extends TcpSocketOptions {
  /** Called, never from within a call of this socket, when readable, writable, hungUp or the pending error may have changed. */
  onReady: (() => void) | null = null;
  readonly #wakeTimer: Timer;
  #closed = false;

  /** @param sk @internal a connection that a listener made */
  constructor(netns: NetNamespace, sk?: TcpSock) {
    super(netns, sk ?? newTcpSock(netns));
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
        // The attempt before this one failed.
        if (sk.remotePort !== 0) tcpDisconnect(sk);
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

  /** Shutting down a listener or an attempt: back to a fresh socket that keeps the port of bind(). */
  #disconnect(): void {
    const { sk, netns } = this;
    if (sk.state === TcpState.LISTEN) netns.tcp.stopListening(sk);
    tcpDisconnect(sk);
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
  override wake(): void {
    if (this.onReady !== null && !this.#wakeTimer.armed) this.#wakeTimer.arm(0);
  }

  /** @internal the namespace goes */
  detach(): void {
    this.#closed = true;
    this.onReady = null;
    this.#wakeTimer.cancel();
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
