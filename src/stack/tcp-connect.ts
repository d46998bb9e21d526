// A TCP connection attempt: the state SYN-SENT and nothing behind it (net/ipv4/tcp_output.c tcp_connect, tcp_timer.c,
// tcp_ipv4.c tcp_v4_err; RFC 9293 section 3.10.7.3). SYN, its retransmissions, and every way in which an attempt fails.
// A peer that accepts is answered with a RST, for there are no connections yet.

import type { Ipv4 } from '../addr/ipv4.ts';
import { allocFrame, type Frame, frameHash, frameStart, NO_FRAME, sumArena, view } from '../link/frame.ts';
import { KernelTimer } from '../sim/jiffies.ts';
import { NS_PER_MS, NS_PER_S, type Ns } from '../sim/sim.ts';
import { finish, pseudoSum } from '../wire/checksum.ts';
import { IcmpType, IcmpUnreach } from '../wire/icmp.ts';
import { IPV4_DF, IPV4_HEADER, IpProtocol, writeIpv4Header } from '../wire/ipv4.ts';
import {
  TCP_ACK,
  TCP_CHECKSUM,
  TCP_FLAGS,
  TCP_HEADER,
  TCP_SEQUENCE,
  TcpFlag,
  type TcpSynOptions,
  tcpSynOptionsLength,
  writeTcp,
  writeTcpSynOptions,
} from '../wire/tcp.ts';
import { type Errno, unreachableErrno } from './errno.ts';
import { ipLocalOut } from './ip-output.ts';
import type { NetNamespace } from './netns.ts';
import { type Dst, DstKind } from './route-cache.ts';
import type { IcmpError } from './socket-table.ts';
import type { TcpEndpoint } from './tcp-table.ts';
import { routeErrno } from './udp-socket.ts';

/** TCP_TIMEOUT_INIT */
const RTO_INITIAL: Ns = NS_PER_S;
/** TCP_RTO_MAX */
const RTO_MAX: Ns = 120 * NS_PER_S;
/** Least MSS that is announced (route.c ip_rt_min_advmss). */
const MSS_MIN = 256;
/** IPV4_MAX_PMTU less both headers. */
const MSS_MAX = 65_495;
/** Half of the receive buffer is window (tcp_adv_win_scale 1, tcp_win_from_space). */
const WINDOW_SHARE = 2;
/** Largest shift of the window (RFC 7323 section 2.3). */
const WINDOW_SCALE_MAX = 14;
/**
 * For so long a blocking connect() owns the socket; an ICMP error that comes meanwhile is only remembered (sk_err_soft).
 * A choice: the system call takes some ten microseconds after the SYN has left. Golden case 09c shows the effect.
 */
const OWNED_BY_CONNECT: Ns = 50_000;

/** Why an attempt ended: an errno, or `accepted` when the peer took the connection that cannot be held yet. */
export type ConnectOutcome = Errno | 'accepted';

export class TcpConnect implements TcpEndpoint {
  readonly netns: NetNamespace;
  localAddress: Ipv4 = 0;
  localPort = 0;
  #remote: Ipv4 = 0;
  #remotePort = 0;
  #dst: Dst | null = null;
  #sequence = 0;
  #id = 0;
  #rto: Ns = RTO_INITIAL;
  #timeouts = 0;
  #connectedAt: Ns = 0;
  #softError: Errno | null = null;
  #onEnd: ((outcome: ConnectOutcome) => void) | null = null;
  #closed = false;
  readonly #timer: KernelTimer;

  constructor(netns: NetNamespace) {
    this.netns = netns;
    this.#timer = new KernelTimer(netns.world.sim, () => this.#onTimer());
  }

  /** Binds to an address (0: any) and port. */
  bind(address: Ipv4, port: number): Errno | null {
    if (this.localPort !== 0) return 'EINVAL';
    if (address !== 0 && !this.netns.isLocal(address)) return 'EADDRNOTAVAIL';
    const wanted = port !== 0 ? port : this.netns.tcp.ephemeralPort();
    if (wanted === 0 || this.netns.tcp.portTaken(wanted)) return 'EADDRINUSE';
    this.localAddress = address;
    this.localPort = wanted;
    this.netns.tcp.takePort(wanted);
    return null;
  }

  /**
   * Sends the SYN. `onEnd` is called once, later, unless an errno is returned.
   * @returns null when the attempt is under way
   */
  connect(remote: Ipv4, port: number, onEnd: (outcome: ConnectOutcome) => void): Errno | null {
    const { netns } = this;
    const dst = netns.routes.lookup(remote);
    // tcp_v4_connect: groups cannot be connected to.
    if (dst.kind === DstKind.BROADCAST || dst.kind === DstKind.MULTICAST) return 'ENETUNREACH';
    const errno = routeErrno(dst, false);
    if (errno !== null) return errno;
    if (this.localPort === 0) {
      const bound = this.bind(0, 0);
      if (bound !== null) return bound === 'EADDRINUSE' ? 'EADDRNOTAVAIL' : bound;
    }
    if (this.localAddress === 0) this.localAddress = dst.source;
    this.#dst = dst;
    this.#remote = remote;
    this.#remotePort = port;
    this.#onEnd = onEnd;
    this.#sequence = netns.tcp.rng.u32();
    this.#id = netns.tcp.rng.below(0x10000);
    this.#connectedAt = netns.world.sim.now;
    netns.tcp.add(this, this.localPort, remote, port);
    this.#sendSyn();
    this.#timer.arm(this.#rto);
    return null;
  }

  /** Gives the attempt up without a word on the wire. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#timer.cancel();
    if (this.#onEnd !== null) this.netns.tcp.remove(this.localPort, this.#remote, this.#remotePort);
    if (this.localPort !== 0) this.netns.tcp.releasePort(this.localPort);
    this.#onEnd = null;
  }

  #end(outcome: ConnectOutcome): void {
    const onEnd = this.#onEnd;
    this.close();
    onEnd?.(outcome);
  }

  #sendSyn(): void {
    const { netns } = this;
    // inet_sk_rebuild_header: a route that has changed is looked up again.
    let dst = this.#dst!;
    if (dst.generation !== netns.fib.generation) dst = netns.routes.lookup(this.#remote);
    this.#dst = dst;
    if (dst.kind !== DstKind.UNICAST && dst.kind !== DstKind.LOCAL) return;
    const mss = Math.min(Math.max(dst.mtu(netns) - IPV4_HEADER - TCP_HEADER, MSS_MIN), MSS_MAX);
    const options = this.#options(mss);
    const header = TCP_HEADER + tcpSynOptionsLength(options);
    const length = IPV4_HEADER + header;
    const frame = allocFrame(length);
    if (frame === NO_FRAME) return;
    const ip = frameStart[frame]!;
    const tcp = ip + IPV4_HEADER;
    const window = this.#window(mss);
    writeTcp(view, tcp, this.localPort, this.#remotePort, this.#sequence, 0, header, TcpFlag.SYN, window);
    writeTcpSynOptions(view, tcp + TCP_HEADER, options);
    const sum = pseudoSum(this.localAddress, this.#remote, IpProtocol.TCP, header) + sumArena(tcp, tcp + header);
    view.setUint16(tcp + TCP_CHECKSUM, finish(sum));
    this.#id = (this.#id + 1) & 0xffff;
    const ttl = netns.sysctl.ipv4.ip_default_ttl;
    const df = dst.mtuLocked ? 0 : IPV4_DF;
    writeIpv4Header(view, ip, 0, length, this.#id, df, ttl, IpProtocol.TCP, this.localAddress, this.#remote);
    // sk_rethink_txhash: every time-out draws the flow hash anew, so that a tunnel on the way takes another source port.
    frameHash[frame] = netns.tcp.rng.u32() | 1;
    ipLocalOut(netns, frame, dst, false);
  }

  /** tcp_syn_options */
  #options(mss: number): TcpSynOptions {
    const { sysctl, world, tcp } = this.netns;
    const on = (name: string): boolean => sysctl.get(`net.ipv4.tcp_${name}`) !== '0';
    const value = (Math.floor(world.sim.now / NS_PER_MS) + tcp.timestampOffset) >>> 0;
    return {
      mss,
      sackPermitted: on('sack'),
      timestamps: on('timestamps') ? { value, echo: 0 } : null,
      windowScale: on('window_scaling') ? this.#windowScale() : null,
    };
  }

  /** tcp_select_initial_window: whole segments within what the default receive buffer offers. */
  #window(mss: number): number {
    const space = Math.floor(this.#receiveBuffer(1) / WINDOW_SHARE);
    return Math.min(space > mss ? space - (space % mss) : space, 0xffff);
  }

  /** The shift by which the largest receive buffer fits into 16 bits. */
  #windowScale(): number {
    const space = Math.max(this.#receiveBuffer(2), Number(this.netns.sysctl.get('net.core.rmem_max') ?? 0));
    return Math.min(Math.max(Math.floor(Math.log2(space)) - 15, 0), WINDOW_SCALE_MAX);
  }

  /** tcp_rmem: minimum, default, maximum in bytes. */
  #receiveBuffer(which: number): number {
    const words = (this.netns.sysctl.get('net.ipv4.tcp_rmem') ?? '').split(/\s+/);
    return Number(words[which] ?? 0);
  }

  /** tcp_retransmit_timer: the first ones come every second, then the interval doubles. */
  #onTimer(): void {
    const { sysctl } = this.netns;
    const linear = Number(sysctl.get('net.ipv4.tcp_syn_linear_timeouts') ?? 0);
    const retries = Number(sysctl.get('net.ipv4.tcp_syn_retries') ?? 0) + linear;
    if (this.#timeouts >= retries) {
      this.#end(this.#softError ?? 'ETIMEDOUT');
      return;
    }
    this.#timeouts++;
    this.#sendSyn();
    if (this.#timeouts > linear) this.#rto = Math.min(this.#rto * 2, RTO_MAX);
    this.#timer.arm(this.#rto);
  }

  /** RFC 9293 section 3.10.7.3: what a segment means in SYN-SENT. */
  segment(frame: Frame, at: number, end: number): void {
    const flags = view.getUint8(at + TCP_FLAGS);
    const acknowledges = (flags & TcpFlag.ACK) !== 0;
    if (acknowledges && view.getUint32(at + TCP_ACK) !== (this.#sequence + 1) >>> 0) {
      this.netns.tcp.sendReset(frame, at, end);
      return;
    }
    if ((flags & TcpFlag.RST) !== 0) {
      if (acknowledges) this.#end('ECONNREFUSED');
      return;
    }
    if ((flags & TcpFlag.SYN) === 0) return;
    this.netns.tcp.sendReset(frame, at, end);
    this.#end('accepted');
  }

  /** tcp_v4_err in SYN-SENT: every error ends the attempt, unless connect() owns the socket just then. */
  icmpError(e: IcmpError): void {
    if (view.getUint32(e.payload + TCP_SEQUENCE) !== this.#sequence) return;
    let errno: Errno;
    if (e.type === IcmpType.DEST_UNREACH) {
      if (e.code === IcmpUnreach.FRAG_NEEDED) return;
      errno = unreachableErrno(e.code).errno;
    } else if (e.type === IcmpType.TIME_EXCEEDED) errno = 'EHOSTUNREACH';
    else if (e.type === IcmpType.PARAMETER_PROBLEM) errno = 'EPROTO';
    else return;
    if (this.netns.world.sim.now < this.#connectedAt + OWNED_BY_CONNECT) this.#softError = errno;
    else this.#end(errno);
  }
}
