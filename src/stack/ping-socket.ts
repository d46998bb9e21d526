// Ping sockets (net/ipv4/ping.c: SOCK_DGRAM, IPPROTO_ICMP): echo requests go out with the socket's identifier, replies
// with it come back, and ICMP errors about them are reported.

import type { Ipv4 } from '../addr/ipv4.ts';
import { allocFrame, type Frame, frameEnd, frameStart, NO_FRAME, sumArena, u8, view } from '../link/frame.ts';
import { ICMP_CHECKSUM, ICMP_HEADER, ICMP_SEQUENCE, IcmpType, writeIcmp } from '../wire/icmp.ts';
import {
  IPV4_DESTINATION,
  IPV4_DF,
  IPV4_HEADER,
  IPV4_SOURCE,
  IPV4_TOS,
  IPV4_TTL,
  IpProtocol,
  writeIpv4Header,
} from '../wire/ipv4.ts';
import { type Errno, icmpErrno, type SocketError } from './errno.ts';
import type { InDevice } from './in-device.ts';
import { IP_MAX, ipSocketOut } from './ip-output.ts';
import type { NetNamespace } from './netns.ts';
import { PathMtuDiscovery } from './path-mtu-discovery.ts';
import { type Dst, DstKind } from './route-cache.ts';
import { Snmp } from './snmp.ts';
import type { IcmpError } from './socket-table.ts';
import { MULTICAST_TTL, routeErrno } from './udp-socket.ts';

export interface EchoReply {
  readonly source: Ipv4;
  readonly sequence: number;
  readonly ttl: number;
  readonly tos: number;
  /** data behind the 8-byte ICMP header */
  readonly data: Uint8Array;
}

export interface EchoError extends SocketError {
  readonly sequence: number;
}

export class PingSocket {
  readonly netns: NetNamespace;
  /** ICMP identifier */
  readonly id: number;
  /** 0: chosen by the route */
  source: Ipv4 = 0;
  tos = 0;
  /** 0: the namespace's default */
  ttl = 0;
  pathMtuDiscovery: PathMtuDiscovery = PathMtuDiscovery.WANT;
  broadcast = false;
  device: InDevice | null = null;
  onReply: ((reply: EchoReply) => void) | null = null;
  onError: ((error: EchoError) => void) | null = null;
  #closed = false;

  /** @param wanted identifier to use, 0 for any free one */
  constructor(netns: NetNamespace, wanted = 0) {
    this.netns = netns;
    // inet_create: ip_no_pmtu_disc is what a new socket begins with.
    if (netns.sysctl.ipv4.ip_no_pmtu_disc !== 0) this.pathMtuDiscovery = PathMtuDiscovery.DONT;
    const id = netns.sockets.addPing(this, wanted);
    this.id = id !== 0 ? id : netns.sockets.addPing(this, 0);
  }

  /** The route that a request to this destination takes. */
  route(destination: Ipv4): Dst {
    return this.device !== null
      ? this.netns.routes.through(destination, this.device)
      : this.netns.routes.lookup(destination);
  }

  /**
   * Sends one echo request.
   * @param confirm the last reply vouches for the next hop (MSG_CONFIRM)
   * @returns null when it was handed to the network; for EMSGSIZE onError has told the MTU before
   */
  send(destination: Ipv4, sequence: number, data: Uint8Array, confirm: boolean): Errno | null {
    if (this.#closed) return 'EINVAL';
    const netns = this.netns;
    const dst = this.route(destination);
    const errno = routeErrno(dst, this.broadcast);
    if (errno !== null) return errno;
    const length = IPV4_HEADER + ICMP_HEADER + data.length;
    // raw_sendmsg refuses such a message silently, __ip_append_data one that is too long with its header, and says so.
    if (length - IPV4_HEADER > IP_MAX) return 'EMSGSIZE';
    const mode = this.pathMtuDiscovery;
    const mtu = mode === PathMtuDiscovery.PROBE ? dst.linkMtu() : dst.mtu(netns);
    const longest = mode === PathMtuDiscovery.DO || mode === PathMtuDiscovery.PROBE ? mtu : IP_MAX;
    if (length > longest) {
      this.onError?.({
        errno: 'EMSGSIZE',
        origin: 'local',
        type: 0,
        code: 0,
        info: mtu,
        offender: 0,
        ttl: 0,
        destination,
        destinationPort: 0,
        payload: new Uint8Array(0),
        sequence,
      });
      return 'EMSGSIZE';
    }
    const frame = allocFrame(length);
    if (frame === NO_FRAME) return 'ENOBUFS';
    const ip = frameStart[frame]!;
    const icmp = ip + IPV4_HEADER;
    u8.set(data, icmp + ICMP_HEADER);
    writeIcmp(view, icmp, IcmpType.ECHO, 0, (this.id << 16) | (sequence & 0xffff));
    view.setUint16(icmp + ICMP_CHECKSUM, ~sumArena(icmp, icmp + ICMP_HEADER + data.length) & 0xffff);
    const strict = mode === PathMtuDiscovery.DO || mode === PathMtuDiscovery.PROBE;
    const df = strict || (mode === PathMtuDiscovery.WANT && length <= mtu && !dst.mtuLocked);
    const source = this.source !== 0 ? this.source : dst.source;
    const id = strict ? 0 : netns.ipId.next(source, destination, IpProtocol.ICMP);
    const defaultTtl = dst.kind === DstKind.MULTICAST ? MULTICAST_TTL : netns.sysctl.ipv4.ip_default_ttl;
    const ttl = this.ttl !== 0 ? this.ttl : defaultTtl;
    writeIpv4Header(view, ip, this.tos, length, id, df ? IPV4_DF : 0, ttl, IpProtocol.ICMP, source, destination);
    netns.snmp[Snmp.IcmpOutEchos]!++;
    ipSocketOut(netns, frame, dst, mtu, confirm);
    return null;
  }

  /** @internal an echo reply with our identifier; the frame stays the caller's */
  receive(frame: Frame, at: number): void {
    if (this.onReply === null) return;
    const ip = frameStart[frame]!;
    this.onReply({
      source: view.getInt32(ip + IPV4_SOURCE),
      sequence: view.getUint16(at + ICMP_SEQUENCE),
      ttl: view.getUint8(ip + IPV4_TTL),
      tos: view.getUint8(ip + IPV4_TOS),
      data: u8.slice(at + ICMP_HEADER, frameEnd[frame]!),
    });
  }

  /** @internal ping_err */
  icmpError(e: IcmpError): void {
    if (view.getUint8(e.payload) !== IcmpType.ECHO) return;
    const { errno } = icmpErrno(e.type, e.code);
    if (errno === 'EMSGSIZE' && this.pathMtuDiscovery === PathMtuDiscovery.DONT) return;
    this.onError?.({
      errno,
      origin: 'icmp',
      type: e.type,
      code: e.code,
      info: e.info,
      offender: e.offender,
      ttl: e.ttl,
      destination: view.getInt32(e.quoted + IPV4_DESTINATION),
      destinationPort: 0,
      payload: u8.slice(Math.min(e.payload + ICMP_HEADER, e.end), e.end),
      sequence: view.getUint16(e.payload + ICMP_SEQUENCE),
    });
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.netns.sockets.removePing(this.id);
    this.onReply = null;
    this.onError = null;
  }
}
