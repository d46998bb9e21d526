// The state of a TCP connection: struct tcp_sock with what it inherits (struct sock, inet_sock, inet_connection_sock;
// include/linux/tcp.h, include/net/inet_connection_sock.h). Field names are the kernel's in camelCase, without icsk_, sk_
// and inet_ where no two meet.
//
// Units: …Mstamp and …Us are microseconds; …Ns nanoseconds; fields marked "jiffies" count jiffies (sim/jiffies.ts), as
// rounding to them shows on the wire; the rest counts bytes, segments or sequence numbers (uint32).
//
// This is state only. Who changes what: input and output tcp-input.ts, tcp-receive.ts, tcp-output.ts, timers tcp-timer.ts,
// acknowledgements tcp-ack.ts and what it calls, system calls tcp-socket.ts.

import type { Ipv4 } from '../../addr/ipv4.ts';
import type { Frame } from '../../link/frame.ts';
import { JIFFY, jiffiesAt, KernelTimer } from '../../sim/jiffies.ts';
import { NS_PER_US, type Timer } from '../../sim/sim.ts';
import type { Errno } from '../errno.ts';
import type { InDevice } from '../in-device.ts';
import type { NetNamespace } from '../netns.ts';
import { PathMtuDiscovery } from '../path-mtu-discovery.ts';
import type { Dst } from '../route-cache.ts';
import type { CongestionControl } from './tcp-cong.ts';
import type { OfoRange } from './tcp-ofo.ts';
import { ReceiveQueue } from './tcp-receive-queue.ts';
import type { TcpRequest } from './tcp-request.ts';
import { ByteRing } from './tcp-ring.ts';
import { SkbQueue, type TcpSkb, TsortedQueue } from './tcp-skb.ts';
import type { TcpSocket } from './tcp-socket.ts';
import { type RackState, type SackBlock, TcpCaState, TcpRxOptions, TcpState } from './tcp-state.ts';
import { WindowedMin } from './tcp-windowed-min.ts';

export * from './tcp-state.ts';

export class TcpSock {
  readonly netns: NetNamespace;

  // -- struct sock, inet_sock --------------------------------------------------------------------------------------
  state: TcpState = TcpState.CLOSE;
  localAddress: Ipv4 = 0;
  localPort = 0;
  remoteAddress: Ipv4 = 0;
  remotePort = 0;
  /** the address was given by bind() (SOCK_BINDADDR_LOCK) */
  boundAddress = false;
  /** the port was asked for by bind() (SOCK_BINDPORT_LOCK) */
  boundPort = false;
  /** the port is counted in the table's holders */
  holdsPort = false;
  /** found by segments under its four-tuple */
  hashed = false;
  device: InDevice | null = null;
  dst: Dst | null = null;
  tos = 0;
  /** 0: the namespace's default */
  ttl = 0;
  minTtl = 0;
  mark = 0;
  pathMtuDiscovery: PathMtuDiscovery = PathMtuDiscovery.WANT;
  /** IP_RECVERR */
  recvErr = false;
  reuseAddress = false;
  reusePort = false;
  /** inet_id: the last IP identification sent */
  id = 0;
  /** sk_txhash: not 0 once connected */
  txhash = 0;
  /** sk_err */
  err: Errno | null = null;
  /** sk_err_soft */
  errSoft: Errno | null = null;
  shutdown = 0;
  /** SOCK_DEAD: no program holds it any more */
  dead = false;
  /** SOCK_DONE: FIN or RST was received */
  done = false;
  /** SOCK_KEEPOPEN */
  keepOpen = false;
  /** SOCK_LINGER and sk_lingertime: seconds; null: off */
  linger: number | null = null;
  sndbuf = 0;
  rcvbuf = 0;
  /** SOCK_SNDBUF_LOCK, SOCK_RCVBUF_LOCK */
  sndbufLocked = false;
  rcvbufLocked = false;
  /** sk_wmem_queued, bytes */
  wmemQueued = 0;
  /** sk_rmem_alloc, bytes */
  rmemAlloc = 0;
  /** sk_rcvlowat */
  rcvlowat = 1;
  /** the send buffer was full when it was last asked (SOCK_NOSPACE) */
  noSpace = false;
  /** sk_dst_pending_confirm: the next packet may vouch for the next hop */
  confirmNeighbour = false;
  /** counted in the namespace's orphans */
  orphaned = false;
  /** connect() is still inside the system call (sock_owned_by_user) until then, ns */
  ownedUntil = 0;

  /** send() and the softirq work that it sets off last until then, ns: a smaller path MTU waits (TCP_MTU_REDUCED_DEFERRED) */
  sendingUntil = 0;
  mtuTimer: Timer | null = null;
  /** send() is copying until then, ns: segments that come wait in the backlog (tcp-backlog.ts) */
  busyUntil = 0;
  busyTimer: Timer | null = null;
  readonly backlogFrames: Frame[] = [];
  backlogDevice: InDevice | null = null;
  backlogBytes = 0;

  // -- inet_connection_sock ----------------------------------------------------------------------------------------
  readonly retransmitTimer: KernelTimer;
  readonly delackTimer: KernelTimer;
  readonly keepaliveTimer: KernelTimer;
  /** high-resolution timers: pacing is off; compressed ACKs */
  readonly compressedAckTimer: Timer;
  /** when the timer is to do its work, jiffies (icsk_timeout()); it may fire earlier and be armed anew */
  timeout = 0;
  /** IcskTime, 0: none */
  pending = 0;
  /** jiffies */
  rto = 0;
  rtoMin = 0;
  rtoMax = 0;
  delackMax = 0;
  pmtuCookie = 0;
  caOps: CongestionControl | null = null;
  /** the algorithm's own variables (icsk_ca_priv), made by its init */
  caPrivate: unknown = null;
  /** chosen by setsockopt */
  caSetSockopt = false;
  caState: TcpCaState = TcpCaState.OPEN;
  caInitialized = false;
  retransmits = 0;
  backoff = 0;
  probesOut = 0;
  /** jiffies; 0: none */
  probesTstamp = 0;
  synRetries = 0;
  /** milliseconds; 0: none */
  userTimeout = 0;
  extHdrLen = 0;
  // icsk_ack
  ackPending = 0;
  ackQuick = 0;
  ackPingpong = 0;
  ackRetry = 0;
  /** jiffies */
  ackAto = 0;
  ackTimeout = 0;
  ackLrcvtime = 0;
  ackLastSegSize = 0;
  ackRcvMss = 0;
  // icsk_mtup
  readonly mtup = { enabled: false, searchHigh: 0, searchLow: 0, probeSize: 0, probeTimestamp: 0 };

  // -- listener ----------------------------------------------------------------------------------------------------
  /** sk_max_ack_backlog */
  backlog = 0;
  /** connections that wait for accept() */
  readonly acceptQueue: TcpSock[] = [];
  /** requests of this listener in SYN-RECV, in the order of their SYNs */
  readonly requests = new Set<TcpRequest>();
  /** those among them whose SYN-ACK was not repeated yet */
  young = 0;
  /** when SYN cookies were last sent, jiffies; -1: never */
  lastSynqOverflow = -1;
  /** TCP_DEFER_ACCEPT: number of SYN-ACK time-outs to wait for data, 0: off */
  deferAccept = 0;
  /** the listener that a connection not yet accepted belongs to */
  listener: TcpSock | null = null;

  // -- tcp_sock: sending -------------------------------------------------------------------------------------------
  readonly writeQueue = new SkbQueue();
  readonly rtxQueue = new SkbQueue();
  readonly tsortedSentQueue = new TsortedQueue();
  readonly sendRing = new ByteRing();
  sndUna = 0;
  sndNxt = 0;
  sndSml = 0;
  sndUp = 0;
  writeSeq = 0;
  pushedSeq = 0;
  sndWl1 = 0;
  sndWnd = 0;
  maxWindow = 0;
  mssCache = 0;
  advmss = 0;
  tcpHeaderLen = 0;
  gsoSegs = 0;
  nonagle = 0;
  repair = false;
  urgMode = false;
  notsentLowat = 0xffffffff;
  /** jiffies */
  lsndtime = 0;
  /** ns; the time that segments are stamped with (tcp_wstamp_ns) */
  tcpWstampNs = 0;
  tcpClockCache = 0;
  /** tcp_mstamp: microseconds, refreshed at the start of every action */
  tcpMstamp = 0;
  tsoffset = 0;
  segsOut = 0;
  dataSegsOut = 0;
  bytesSent = 0;
  bytesAcked = 0;
  bytesRetrans = 0;
  dsackDups = 0;
  isCwndLimited = false;
  /** tcp-chrono.ts: the condition that lasts, since when (jiffies), and what was spent in each before */
  chronoType = 0;
  chronoStart = 0;
  readonly chronoStat = [0, 0, 0];
  fastopenReq = false;

  // -- tcp_sock: congestion control --------------------------------------------------------------------------------
  sndCwnd = 10;
  sndCwndCnt = 0;
  sndCwndClamp = 0xffffffff;
  sndCwndUsed = 0;
  /** jiffies */
  sndCwndStamp = 0;
  sndSsthresh = 0x7fffffff;
  priorCwnd = 0;
  prrDelivered = 0;
  prrOut = 0;
  priorSsthresh = 0;
  maxPacketsOut = 0;
  cwndUsageSeq = 0;
  packetsOut = 0;
  retransOut = 0;
  sackedOut = 0;
  lostOut = 0;
  lost = 0;
  reordering = 3;
  reordSeen = 0;
  delivered = 0;
  deliveredCe = 0;
  appLimited = 0;
  /** microseconds */
  firstTxMstamp = 0;
  deliveredMstamp = 0;
  rateDelivered = 0;
  rateIntervalUs = 0;
  rateAppLimited = false;
  /** bytes per second (sk_pacing_rate); pacing itself is off */
  pacingRate = 0xffffffff;
  maxPacingRate = 0xffffffff;
  ecnFlags = 0;

  // -- tcp_sock: RTT -----------------------------------------------------------------------------------------------
  /** microseconds << 3 */
  srttUs = 0;
  /** microseconds << 2 */
  mdevUs = 0;
  mdevMaxUs = 0;
  rttvarUs = 0;
  rttSeq = 0;
  readonly rttMin = new WindowedMin();

  // -- tcp_sock: recovery ------------------------------------------------------------------------------------------
  highSeq = 0;
  retransStamp = 0;
  /** tsval sent first in retransmission, ms (or µs) as on the wire, without the offset */
  undoMarker = 0;
  undoRetrans = -1;
  totalRetrans = 0;
  totalRto = 0;
  totalRtoRecoveries = 0;
  totalRtoTime = 0;
  rtoStamp = 0;
  frto = false;
  tlpHighSeq = 0;
  tlpRetrans = false;
  synData = false;
  isSackReneg = false;
  retransmitHighSeq = 0;
  retransmitSkbHint: TcpSkb | null = null;
  highestSack: TcpSkb | null = null;
  readonly recvSackCache: [SackBlock, SackBlock, SackBlock, SackBlock] = [
    { startSeq: 0, endSeq: 0 },
    { startSeq: 0, endSeq: 0 },
    { startSeq: 0, endSeq: 0 },
    { startSeq: 0, endSeq: 0 },
  ];
  readonly rack: RackState = {
    mstamp: 0,
    rttUs: 0,
    endSeq: 0,
    lastDelivered: 0,
    reoWndSteps: 1,
    reoWndPersist: 0,
    dsackSeen: false,
    advanced: false,
  };

  // -- tcp_sock: receiving -----------------------------------------------------------------------------------------
  readonly rxOpt = new TcpRxOptions();
  /** in-order bytes not yet read, and those out of order, all placed by sequence */
  readonly receiveRing = new ByteRing();
  /** memory that the bytes from copiedSeq to rcvNxt take */
  readonly receiveQueue = new ReceiveQueue();
  /** what lies beyond rcvNxt (out_of_order_queue), sorted by sequence, never touching */
  readonly ofo: OfoRange[] = [];
  rcvNxt = 0;
  copiedSeq = 0;
  rcvWup = 0;
  rcvWnd = 0;
  rcvSsthresh = 0;
  windowClamp = 0;
  /** bytes of payload per 256 bytes of truesize (scaling_ratio) */
  scalingRatio = 0;
  lastOowAckTime = 0;
  /** jiffies */
  rcvTstamp = 0;
  readonly rcvRttEst = { rttUs: 0, seq: 0, time: 0, lastTsecr: 0 };
  readonly rcvqSpace = { space: 0, seq: 0, time: 0 };
  readonly duplicateSack: SackBlock = { startSeq: 0, endSeq: 0 };
  readonly selectiveAcks: [SackBlock, SackBlock, SackBlock, SackBlock] = [
    { startSeq: 0, endSeq: 0 },
    { startSeq: 0, endSeq: 0 },
    { startSeq: 0, endSeq: 0 },
    { startSeq: 0, endSeq: 0 },
  ];
  compressedAck = 0;
  compressedAckRcvNxt = 0;
  dupAckCounter = 0;
  segsIn = 0;
  dataSegsIn = 0;
  bytesReceived = 0;
  rcvOoopack = 0;
  urgSeq = 0;
  /** an urgent byte is known and not read yet */
  urgData = false;
  /** SO_OOBINLINE */
  urgInline = false;
  linger2 = 0;

  // -- keep-alive --------------------------------------------------------------------------------------------------
  /** jiffies; 0: the namespace's */
  keepaliveTime = 0;
  keepaliveIntvl = 0;
  keepaliveProbes = 0;

  // -- the program's side ------------------------------------------------------------------------------------------
  /** the socket that a program holds; null before accept() and after close() */
  socket: TcpSocket | null = null;

  constructor(netns: NetNamespace, timers: TcpTimerHandlers) {
    this.netns = netns;
    const sim = netns.world.sim;
    this.retransmitTimer = new KernelTimer(sim, () => timers.retransmit(this));
    this.delackTimer = new KernelTimer(sim, () => timers.delack(this));
    this.keepaliveTimer = new KernelTimer(sim, () => timers.keepalive(this));
    this.compressedAckTimer = sim.timer(() => timers.compressedAck(this));
  }

  /** Virtual time, ns. */
  get now(): number {
    return this.netns.world.sim.now;
  }

  /** tcp_jiffies32 */
  jiffies(): number {
    return jiffiesAt(this.netns.world.sim.now);
  }

  /** Segments on their way as far as we know (tcp_packets_in_flight). */
  packetsInFlight(): number {
    return this.packetsOut - this.sackedOut - this.lostOut + this.retransOut;
  }
}

/** What the timers of a connection call (tcp-timer.ts); passed in, so that the struct knows nothing of who works on it. */
export interface TcpTimerHandlers {
  retransmit(sk: TcpSock): void;
  delack(sk: TcpSock): void;
  keepalive(sk: TcpSock): void;
  compressedAck(sk: TcpSock): void;
}

/** tcp_mstamp_refresh */
export function tcpMstampRefresh(sk: TcpSock): void {
  const now = sk.netns.world.sim.now;
  sk.tcpClockCache = now;
  sk.tcpMstamp = Math.floor(now / NS_PER_US);
}

/** Milliseconds of the timestamps option, without the offset (tcp_time_stamp_ms). */
export function tcpTimeStampMs(sk: TcpSock): number {
  return Math.floor(sk.tcpMstamp / 1000) >>> 0;
}

/** A delay in jiffies as ns. */
export function jiffiesToNs(jiffies: number): number {
  return jiffies * JIFFY;
}

/** tcp_left_out */
export function tcpLeftOut(sk: TcpSock): number {
  return sk.sackedOut + sk.lostOut;
}

/** End of the window that the peer offers (tcp_wnd_end). */
export function tcpWndEnd(sk: TcpSock): number {
  return (sk.sndUna + sk.sndWnd) >>> 0;
}

/** What is left of the window that we offered (tcp_receive_window). */
export function tcpReceiveWindow(sk: TcpSock): number {
  const win = (sk.rcvWup + sk.rcvWnd - sk.rcvNxt) | 0;
  return win < 0 ? 0 : win;
}
