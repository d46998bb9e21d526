// A TCP socket as a program in a pod sees it (net/ipv4/tcp.c, af_inet.c, inet_connection_sock.c): what socket(AF_INET,
// SOCK_STREAM) gives. Calls never block: what would block answers EAGAIN, and onReady tells when to ask again.

import type { Ipv4 } from '../addr/ipv4.ts';
import type { Errno } from './errno.ts';
import type { InDevice } from './in-device.ts';
import type { NetNamespace } from './netns.ts';
import { type TcpInfo, tcpInfo } from './tcp-info.ts';
import { TcpSock, TcpState } from './tcp-sock.ts';

/** Flags of send() and recv(). */
export const MsgFlag = { OOB: 0x1, PEEK: 0x2, DONTROUTE: 0x4, MORE: 0x8000, EOR: 0x80 } as const;

export class TcpSocket {
  readonly netns: NetNamespace;
  /** @internal */
  readonly sk: TcpSock;
  /** Called, never from within a call of this socket, when readable, writable, hungUp or the pending error may have changed. */
  onReady: (() => void) | null = null;

  /** @param sk @internal a connection that a listener made */
  constructor(netns: NetNamespace, sk?: TcpSock) {
    this.netns = netns;
    this.sk = sk ?? new TcpSock(netns, { retransmit() {}, delack() {}, keepalive() {}, compressedAck() {} });
    this.sk.socket = this;
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

  /** Binds to an address (0: any) and port (0: an ephemeral one, now). */
  bind(_address: Ipv4, _port: number): Errno | null {
    return 'EOPNOTSUPP';
  }

  /** @param backlog connections that may wait for accept(); net.core.somaxconn at most */
  listen(_backlog: number): Errno | null {
    return 'EOPNOTSUPP';
  }

  /** The connection that waits longest; null: none (EAGAIN). */
  accept(): TcpSocket | null {
    return null;
  }

  /** @returns null when the attempt is under way: writable or hungUp tell how it ended, takeError() why */
  connect(_address: Ipv4, _port: number): Errno | null {
    return 'EOPNOTSUPP';
  }

  /**
   * Queues bytes for sending.
   * @param flags MsgFlag
   * @returns how many were taken, 1 or more (0 for no bytes), or an errno: EAGAIN when the send buffer is full
   */
  send(_bytes: Uint8Array, _flags = 0): number | Errno {
    return 'EOPNOTSUPP';
  }

  /**
   * Takes up to `max` bytes that have arrived.
   * @returns the bytes, none at the end of the stream; or an errno: EAGAIN when nothing is there yet
   */
  recv(_max: number, _flags = 0): Uint8Array | Errno {
    return 'EOPNOTSUPP';
  }

  shutdown(_how: 'rd' | 'wr' | 'rdwr'): Errno | null {
    return 'EOPNOTSUPP';
  }

  close(): void {}

  /** SO_ERROR: the pending error, cleared by reading. */
  takeError(): Errno | null {
    const e = this.sk.err;
    this.sk.err = null;
    return e;
  }

  /** POLLIN: recv() or accept() would not say EAGAIN. */
  get readable(): boolean {
    return false;
  }
  /** POLLOUT: send() would take bytes or report an error. */
  get writable(): boolean {
    return false;
  }
  /** POLLHUP: both directions are closed, or the connection does not exist (any more). */
  get hungUp(): boolean {
    return this.sk.state === TcpState.CLOSE;
  }

  /** TCP_NODELAY */
  get noDelay(): boolean {
    return false;
  }
  set noDelay(_on: boolean) {}
  /** TCP_CORK */
  get cork(): boolean {
    return false;
  }
  set cork(_on: boolean) {}
  /** SO_KEEPALIVE */
  get keepAlive(): boolean {
    return this.sk.keepOpen;
  }
  set keepAlive(_on: boolean) {}
  /** TCP_KEEPIDLE, TCP_KEEPINTVL: seconds; TCP_KEEPCNT: probes */
  keepIdle = 7200;
  keepInterval = 75;
  keepCount = 9;
  /** SO_LINGER: seconds; null: off */
  get linger(): number | null {
    return this.sk.linger;
  }
  set linger(seconds: number | null) {
    this.sk.linger = seconds;
  }
  /** SO_SNDBUF as set: the kernel doubles it */
  get sendBuffer(): number {
    return this.sk.sndbuf;
  }
  set sendBuffer(_bytes: number) {}
  get receiveBuffer(): number {
    return this.sk.rcvbuf;
  }
  set receiveBuffer(_bytes: number) {}
  /** TCP_USER_TIMEOUT, milliseconds; 0: none */
  userTimeout = 0;
  /** TCP_MAXSEG */
  maxSegment = 0;
  /** TCP_DEFER_ACCEPT, seconds */
  deferAccept = 0;
  /** TCP_QUICKACK */
  quickAck = false;
  /** TCP_CONGESTION */
  congestion = 'cubic';
  /** SO_REUSEADDR */
  reuseAddress = false;
  /** SO_REUSEPORT */
  reusePort = false;
  /** TCP_SYNCNT */
  synCount = 0;
  /** TCP_NOTSENT_LOWAT, bytes */
  notSentLowat = 0;
  /** SO_RCVLOWAT, bytes */
  receiveLowat = 1;
  /** TCP_LINGER2, seconds */
  linger2 = 0;
  tos = 0;
  /** IP_TTL; 0: the namespace's default */
  ttl = 0;
  /** IP_MINTTL */
  minTtl = 0;
  mark = 0;
  /** SO_BINDTODEVICE */
  device: InDevice | null = null;
  /** SO_OOBINLINE */
  oobInline = false;

  /** SIOCOUTQ: bytes not yet acknowledged; SIOCOUTQNSD: not yet sent; SIOCINQ: not yet read */
  get sendQueue(): number {
    return Math.max(0, (this.sk.writeSeq - this.sk.sndUna) | 0);
  }
  get unsentQueue(): number {
    return Math.max(0, (this.sk.writeSeq - this.sk.sndNxt) | 0);
  }
  get receiveQueue(): number {
    return Math.max(0, (this.sk.rcvNxt - this.sk.copiedSeq) | 0);
  }

  info(): TcpInfo {
    return tcpInfo(this.sk);
  }
}
