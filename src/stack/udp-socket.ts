// A UDP socket (net/ipv4/udp.c, ip_output.c ip_make_skb): what a program in a pod sees of the system's.
//
// Receiving: either a receiver is called for each datagram, with the payload still in the arena (valid during the call
// only: no copy), or, without one, datagrams queue up to the receive buffer's size and recv() takes them.
// Errors that ICMP reports come back as Linux delivers them: to the error queue with recvErr, to the socket error of a
// connected socket when fatal.

import type { Ipv4 } from '../addr/ipv4.ts';
import { DropReason } from '../base/drop-reason.ts';
import * as frames from '../link/frame.ts';
import { allocFrame, sumArena } from '../link/frame.ts';
import { finishUdp, pseudoSum } from '../wire/checksum.ts';
import { IcmpType } from '../wire/icmp.ts';
import * as ipv4 from '../wire/ipv4.ts';
import { writeIpv4Header } from '../wire/ipv4.ts';
import * as udpHeader from '../wire/udp.ts';
import { writeUdp } from '../wire/udp.ts';
import { type Errno, icmpErrno, type SocketError } from './errno.ts';
import type { InDevice } from './in-device.ts';
import { ipSocketOut } from './ip-output.ts';
import type { NetNamespace } from './netns.ts';
import { PathMtuDiscovery } from './path-mtu-discovery.ts';
import { type Dst, DstKind } from './route-cache.ts';
import { Snmp } from './snmp.ts';
import type { IcmpError, ProtocolHandler } from './socket-table.ts';
import { truesize } from './truesize.ts';

// Constants of this module: V8 folds those into the packet path, imported bindings it does not (link/frame.ts).
const { frameHash, frameStart, NO_FRAME, u8, view } = frames;
const { IPV4_DESTINATION, IPV4_DF, IPV4_HEADER, IpProtocol } = ipv4;
const { UDP_DESTINATION, UDP_HEADER } = udpHeader;

/** net.core.rmem_default, bytes of buffer. */
const RECEIVE_BUFFER = 212_992;
/** Longest payload: 65535 less headers. */
const PAYLOAD_MAX = 65_507;
/** udp_sendmsg refuses more than this without a word in the error queue, __ip_append_data what is over PAYLOAD_MAX with one. */
const MESSAGE_MAX = 0xffff;
/** 127.0.0.1 */
const IPV4_LOOPBACK = 0x7f000001;
/** IP_MULTICAST_TTL of a new socket (inet_create). */
export const MULTICAST_TTL = 1;
/** Error queue entries kept; a choice, the kernel bounds them by the receive buffer. */
const ERRORS_MAX = 256;

export interface Datagram {
  readonly payload: Uint8Array;
  readonly source: Ipv4;
  readonly sourcePort: number;
  readonly destination: Ipv4;
}

/** Called for each datagram; the payload is u8[at .. at+length) of the arena during the call. */
export type DatagramReceiver = (
  at: number,
  length: number,
  source: Ipv4,
  sourcePort: number,
  destination: Ipv4,
) => void;

export class UdpSocket {
  readonly netns: NetNamespace;
  localAddress: Ipv4 = 0;
  localPort = 0;
  remoteAddress: Ipv4 = 0;
  /** 0 while not connected */
  remotePort = 0;
  tos = 0;
  /** 0: the namespace's default */
  ttl = 0;
  pathMtuDiscovery: PathMtuDiscovery = PathMtuDiscovery.WANT;
  /** IP_RECVERR */
  recvErr = false;
  /** SO_BROADCAST */
  broadcast = false;
  /** SO_BINDTODEVICE */
  device: InDevice | null = null;
  onDatagram: DatagramReceiver | null = null;
  /** Something came that recv(), takeError() or errorQueue tell of. */
  onReady: (() => void) | null = null;
  /** A tunnel behind this port takes the frames whole. */
  encapsulation: ProtocolHandler | null = null;
  readonly errorQueue: SocketError[] = [];
  /** Datagrams dropped because the receive buffer was full. */
  dropped = 0;
  #error: Errno | null = null;
  readonly #queue: Datagram[] = [];
  #queued = 0;
  #dst: Dst | null = null;
  #id = 0;
  /** sk_txhash: drawn by connect(); 0 before */
  #hash = 0;
  #closed = false;

  constructor(netns: NetNamespace) {
    this.netns = netns;
    // inet_create: ip_no_pmtu_disc is what a new socket begins with.
    if (netns.sysctl.ipv4.ip_no_pmtu_disc !== 0) this.pathMtuDiscovery = PathMtuDiscovery.DONT;
  }

  /** Binds to an address (0: any) and port (0: an ephemeral one). */
  bind(address: Ipv4, port: number): Errno | null {
    if (this.localPort !== 0) return 'EINVAL';
    if (address !== 0 && !this.netns.isLocal(address)) return 'EADDRNOTAVAIL';
    const sockets = this.netns.sockets;
    const wanted = port !== 0 ? port : sockets.ephemeralUdpPort();
    if (wanted === 0) return 'EAGAIN';
    const taken = sockets
      .udpOnPort(wanted)
      .some((s) => s.localAddress === 0 || address === 0 || s.localAddress === address);
    if (taken) return 'EADDRINUSE';
    this.localAddress = address;
    this.localPort = wanted;
    sockets.addUdp(this, wanted);
    return null;
  }

  connect(address: Ipv4, port: number): Errno | null {
    const dst = this.#route(address);
    const errno = routeErrno(dst, this.broadcast);
    if (errno !== null) return errno;
    if (this.localPort === 0) {
      const bound = this.bind(0, 0);
      if (bound !== null) return bound;
    }
    if (this.localAddress === 0) this.localAddress = dst.source;
    this.remoteAddress = address;
    this.remotePort = port;
    this.#id = this.netns.sockets.rng.below(0x10000);
    this.#hash = this.netns.sockets.rng.u32() | 1;
    return null;
  }

  /** Sends to the connected peer. */
  send(payload: Uint8Array, confirm = false): Errno | null {
    if (this.remotePort === 0) return 'EDESTADDRREQ';
    return this.sendTo(payload, this.remoteAddress, this.remotePort, confirm);
  }

  /**
   * Sends one datagram.
   * @param confirm the next hop is known to be alive (MSG_CONFIRM)
   * @returns null when it was handed to the network (which may still lose it)
   */
  sendTo(payload: Uint8Array, address: Ipv4, port: number, confirm = false): Errno | null {
    if (this.#closed) return 'EINVAL';
    const pending = this.takeError();
    if (pending !== null) return pending;
    if (payload.length > MESSAGE_MAX) return 'EMSGSIZE';
    if (port === 0) return 'EINVAL';
    // ip_route_output_key_hash: no destination means this host.
    if (address === 0) return this.sendTo(payload, this.localAddress || IPV4_LOOPBACK, port, confirm);
    const netns = this.netns;
    const dst = this.#route(address);
    const errno = routeErrno(dst, this.broadcast);
    if (errno !== null) return errno;
    if (this.localPort === 0) {
      const bound = this.bind(0, 0);
      if (bound !== null) return bound;
    }
    const source = this.localAddress !== 0 ? this.localAddress : dst.source;
    const length = IPV4_HEADER + UDP_HEADER + payload.length;
    const mode = this.pathMtuDiscovery;
    const mtu = mode === PathMtuDiscovery.PROBE || mode === PathMtuDiscovery.INTERFACE ? dst.linkMtu() : dst.mtu(netns);
    const strict = mode === PathMtuDiscovery.DO || mode === PathMtuDiscovery.PROBE;
    if (payload.length > PAYLOAD_MAX || (length > mtu && strict)) {
      this.#localError('EMSGSIZE', mtu, address, port);
      return 'EMSGSIZE';
    }
    const frame = allocFrame(length);
    if (frame === NO_FRAME) return 'ENOBUFS';
    const ip = frameStart[frame]!;
    const udp = ip + IPV4_HEADER;
    u8.set(payload, udp + UDP_HEADER);
    const size = UDP_HEADER + payload.length;
    writeUdp(view, udp, this.localPort, port, size, 0);
    const sum = pseudoSum(source, address, IpProtocol.UDP, size) + sumArena(udp, udp + size);
    view.setUint16(udp + 6, finishUdp(sum));
    // __ip_make_skb: DF when the packet fits and discovery is on; fragments never carry it.
    const locked = dst.mtuLocked;
    const df =
      mode === PathMtuDiscovery.DO ||
      mode === PathMtuDiscovery.PROBE ||
      (mode === PathMtuDiscovery.WANT && length <= mtu && !locked);
    // ip_select_ident_segs: connected sockets count for themselves; DF without the right to fragment needs none.
    let id: number;
    if (this.remotePort !== 0) {
      this.#id = (this.#id + 1) & 0xffff;
      id = this.#id;
    } else if (mode === PathMtuDiscovery.DO || mode === PathMtuDiscovery.PROBE) id = 0;
    else id = netns.ipId.next(source, address, IpProtocol.UDP);
    // To a group goes IP_MULTICAST_TTL, which nobody sets here, whatever IP_TTL says.
    const unicastTtl = this.ttl !== 0 ? this.ttl : netns.sysctl.ipv4.ip_default_ttl;
    const ttl = dst.kind === DstKind.MULTICAST ? MULTICAST_TTL : unicastTtl;
    writeIpv4Header(view, ip, this.tos, length, id, df ? IPV4_DF : 0, ttl, IpProtocol.UDP, source, address);
    netns.snmp[Snmp.UdpOutDatagrams]!++;
    frameHash[frame] = this.#hash;
    // A drop by netfilter is told to the sender (ip_send_skb).
    return ipSocketOut(netns, frame, dst, mtu, confirm) === DropReason.NETFILTER_DROP ? 'EPERM' : null;
  }

  /** The next queued datagram, or null. */
  recv(): Datagram | null {
    const d = this.#queue.shift();
    if (d === undefined) return null;
    this.#queued -= cost(d.payload.length);
    return d;
  }

  /** SO_ERROR: the pending error, cleared by reading. */
  takeError(): Errno | null {
    const e = this.#error;
    this.#error = null;
    return e;
  }

  /** IP_MTU: the path MTU to the connected peer; 0 without one, or without a route to it (ENOTCONN). */
  get pathMtu(): number {
    if (this.remotePort === 0) return 0;
    const dst = this.#route(this.remoteAddress);
    return dst.out === null ? 0 : dst.mtu(this.netns);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.localPort !== 0) this.netns.sockets.removeUdp(this, this.localPort);
    this.#queue.length = 0;
    this.#queued = 0;
    this.onDatagram = null;
    this.onReady = null;
  }

  /** @internal a datagram for this socket; 0 or the reason why it was refused */
  deliver(at: number, length: number, source: Ipv4, sourcePort: number, destination: Ipv4): DropReason {
    this.netns.snmp[Snmp.UdpInDatagrams]!++;
    if (this.onDatagram !== null) {
      this.onDatagram(at, length, source, sourcePort, destination);
      return 0;
    }
    if (this.#queued + cost(length) > RECEIVE_BUFFER) {
      this.dropped++;
      this.netns.snmp[Snmp.UdpRcvbufErrors]!++;
      return DropReason.SOCKET_RCVBUFF;
    }
    this.#queued += cost(length);
    this.#queue.push({ payload: u8.slice(at, at + length), source, sourcePort, destination });
    this.onReady?.();
    return 0;
  }

  /** @internal __udp4_lib_err */
  icmpError(e: IcmpError): void {
    if (e.type === IcmpType.SOURCE_QUENCH || e.type === IcmpType.REDIRECT) return;
    const { errno, fatal } = icmpErrno(e.type, e.code);
    if (errno === 'EMSGSIZE' && this.pathMtuDiscovery === PathMtuDiscovery.DONT) return;
    if (this.recvErr) {
      this.#queueError({
        errno,
        origin: 'icmp',
        type: e.type,
        code: e.code,
        info: e.info,
        offender: e.offender,
        ttl: e.ttl,
        destination: view.getInt32(e.quoted + IPV4_DESTINATION),
        destinationPort: view.getUint16(e.payload + UDP_DESTINATION),
        payload: u8.slice(Math.min(e.payload + UDP_HEADER, e.end), e.end),
      });
    } else if (!fatal || this.remotePort === 0) {
      return;
    }
    this.#error = errno;
    this.onReady?.();
  }

  #localError(errno: Errno, info: number, destination: Ipv4, destinationPort: number): void {
    if (!this.recvErr) return;
    this.#queueError({
      errno,
      origin: 'local',
      type: 0,
      code: 0,
      info,
      offender: 0,
      ttl: 0,
      destination,
      destinationPort,
      payload: new Uint8Array(0),
    });
  }

  #queueError(e: SocketError): void {
    if (this.errorQueue.length < ERRORS_MAX) this.errorQueue.push(e);
  }

  #route(address: Ipv4): Dst {
    if (this.device !== null) return this.netns.routes.through(address, this.device);
    const known = this.#dst;
    if (known !== null && known.destination === address && known.generation === this.netns.fib.generation) return known;
    const dst = this.netns.routes.lookup(address);
    this.#dst = dst;
    return dst;
  }
}

/** What a queued datagram takes of the receive buffer: its payload and 64 bytes of headers. */
function cost(length: number): number {
  return truesize(length + 64);
}

/** The errno of a send to this destination, or null when it may go. */
export function routeErrno(dst: Dst, broadcast: boolean): Errno | null {
  switch (dst.kind) {
    case DstKind.NO_ROUTE:
      return 'ENETUNREACH';
    case DstKind.UNREACHABLE:
      return 'EHOSTUNREACH';
    case DstKind.PROHIBIT:
      return 'EACCES';
    case DstKind.BLACKHOLE:
      return 'EINVAL';
    case DstKind.BROADCAST:
      return broadcast ? null : 'EACCES';
    default:
      return null;
  }
}
