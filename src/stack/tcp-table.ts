// TCP of a namespace as far as this version has it: connection attempts (tcp-connect.ts), and a RST for every segment that
// no connection knows (net/ipv4/tcp_ipv4.c tcp_v4_rcv, tcp_v4_send_reset; RFC 9293 section 3.10.7.1).

import type { Ipv4 } from '../addr/ipv4.ts';
import { DropReason } from '../base/drop-reason.ts';
import { MISSING, PairTable } from '../base/int-table.ts';
import type { Rng } from '../base/rng.ts';
import { allocFrame, type Frame, frameEnd, frameStart, freeFrame, NO_FRAME, sumArena, view } from '../link/frame.ts';
import { finish, fold, pseudoSum } from '../wire/checksum.ts';
import {
  IPV4_DESTINATION,
  IPV4_DF,
  IPV4_HEADER,
  IPV4_SOURCE,
  IPV4_TOS,
  IpProtocol,
  writeIpv4Header,
} from '../wire/ipv4.ts';
import {
  checkTcp,
  TCP_ACK,
  TCP_CHECKSUM,
  TCP_DESTINATION,
  TCP_FLAGS,
  TCP_HEADER,
  TCP_SEQUENCE,
  TCP_SOURCE,
  TcpFlag,
  tcpSegmentLength,
  writeTcp,
} from '../wire/tcp.ts';
import type { InDevice } from './in-device.ts';
import { ipLocalOut } from './ip-output.ts';
import type { NetNamespace } from './netns.ts';
import { DstKind } from './route-cache.ts';
import { type IcmpError, PORT_HIGH, PORT_LOW } from './socket-table.ts';

/** What holds a local port and a peer. */
export interface TcpEndpoint {
  readonly localAddress: Ipv4;
  /** A segment for it, checked, from `at`; the frame stays the caller's. */
  segment(frame: Frame, at: number, end: number): void;
  icmpError(error: IcmpError): void;
}

export class TcpTable {
  readonly #netns: NetNamespace;
  /** (ports, remote address) to an index into #endpoints */
  readonly #index = new PairTable();
  readonly #endpoints: (TcpEndpoint | null)[] = [];
  readonly #free: number[] = [];
  /** local ports in use, with their number of holders */
  readonly #ports = new Map<number, number>();
  #rng: Rng | null = null;
  #timestampOffset: number | null = null;

  constructor(netns: NetNamespace) {
    this.#netns = netns;
    netns.sockets.register(
      IpProtocol.TCP,
      (idev, frame, at) => this.#input(idev, frame, at),
      (error) => this.#error(error),
    );
  }

  get rng(): Rng {
    this.#rng ??= this.#netns.world.rng(`${this.#netns.label}/tcp`);
    return this.#rng;
  }

  /** Added to the milliseconds of virtual time in timestamps (secure_tcp_ts_off): per namespace and seed. */
  get timestampOffset(): number {
    this.#timestampOffset ??= this.#netns.world.rng(`${this.#netns.label}/tcp-timestamps`).u32();
    return this.#timestampOffset;
  }

  portTaken(port: number): boolean {
    return this.#ports.has(port);
  }

  takePort(port: number): void {
    this.#ports.set(port, (this.#ports.get(port) ?? 0) + 1);
  }

  releasePort(port: number): void {
    const n = this.#ports.get(port) ?? 0;
    if (n > 1) this.#ports.set(port, n - 1);
    else this.#ports.delete(port);
  }

  /** A free ephemeral port; connect() takes those that are even relative to the range first. 0 when none is free. */
  ephemeralPort(): number {
    const half = (PORT_HIGH - PORT_LOW + 1) / 2;
    const first = this.rng.below(half);
    for (const odd of [0, 1]) {
      for (let i = 0; i < half; i++) {
        const port = PORT_LOW + 2 * ((first + i) % half) + odd;
        if (!this.#ports.has(port)) return port;
      }
    }
    return 0;
  }

  add(endpoint: TcpEndpoint, localPort: number, remote: Ipv4, remotePort: number): void {
    const i = this.#free.pop() ?? this.#endpoints.length;
    this.#endpoints[i] = endpoint;
    this.#index.set((localPort << 16) | remotePort, remote, i);
  }

  remove(localPort: number, remote: Ipv4, remotePort: number): void {
    const key = (localPort << 16) | remotePort;
    const i = this.#index.get(key, remote);
    if (i === MISSING) return;
    this.#index.delete(key, remote);
    this.#endpoints[i] = null;
    this.#free.push(i);
  }

  #find(local: Ipv4, localPort: number, remote: Ipv4, remotePort: number): TcpEndpoint | null {
    const i = this.#index.get((localPort << 16) | remotePort, remote);
    if (i === MISSING) return null;
    const endpoint = this.#endpoints[i]!;
    return endpoint.localAddress === local ? endpoint : null;
  }

  /** tcp_v4_rcv. Takes ownership. */
  #input(idev: InDevice, frame: Frame, at: number): void {
    const { dev } = idev;
    const end = frameEnd[frame]!;
    if (!checkTcp(view, at, end)) {
      dev.end(frame, DropReason.PKT_TOO_SMALL);
      return;
    }
    const ip = frameStart[frame]!;
    const source = view.getInt32(ip + IPV4_SOURCE);
    const destination = view.getInt32(ip + IPV4_DESTINATION);
    if (fold(pseudoSum(source, destination, IpProtocol.TCP, end - at) + sumArena(at, end)) !== 0xffff) {
      dev.end(frame, DropReason.TCP_CSUM);
      return;
    }
    // Broadcast and multicast have no business here (RFC 9293 section 3.9.2.3).
    if (this.#netns.addressType(destination) !== DstKind.LOCAL) {
      dev.end(frame, DropReason.NO_SOCKET);
      return;
    }
    const endpoint = this.#find(
      destination,
      view.getUint16(at + TCP_DESTINATION),
      source,
      view.getUint16(at + TCP_SOURCE),
    );
    if (endpoint !== null) {
      endpoint.segment(frame, at, end);
      freeFrame(frame);
      return;
    }
    this.sendReset(frame, at, end);
    dev.end(frame, DropReason.NO_SOCKET);
  }

  /** The RST that answers a segment nobody expects; a RST is never answered. The frame stays the caller's. */
  sendReset(frame: Frame, at: number, end: number): void {
    const netns = this.#netns;
    const flags = view.getUint8(at + TCP_FLAGS);
    if ((flags & TcpFlag.RST) !== 0) return;
    const ip = frameStart[frame]!;
    const local = view.getInt32(ip + IPV4_DESTINATION);
    const remote = view.getInt32(ip + IPV4_SOURCE);
    const dst = netns.routes.lookup(remote);
    if (dst.kind !== DstKind.UNICAST && dst.kind !== DstKind.LOCAL) return;
    const length = IPV4_HEADER + TCP_HEADER;
    const reset = allocFrame(length);
    if (reset === NO_FRAME) return;
    const out = frameStart[reset]!;
    const tcp = out + IPV4_HEADER;
    const acknowledged = (flags & TcpFlag.ACK) !== 0;
    writeTcp(
      view,
      tcp,
      view.getUint16(at + TCP_DESTINATION),
      view.getUint16(at + TCP_SOURCE),
      acknowledged ? view.getUint32(at + TCP_ACK) : 0,
      acknowledged ? 0 : (view.getUint32(at + TCP_SEQUENCE) + tcpSegmentLength(view, at, end)) >>> 0,
      TCP_HEADER,
      acknowledged ? TcpFlag.RST : TcpFlag.RST | TcpFlag.ACK,
      0,
    );
    const sum = pseudoSum(local, remote, IpProtocol.TCP, TCP_HEADER) + sumArena(tcp, tcp + TCP_HEADER);
    view.setUint16(tcp + TCP_CHECKSUM, finish(sum));
    // ip_send_unicast_reply: TOS of the segment, no identification, DF.
    const tos = view.getUint8(ip + IPV4_TOS);
    const ttl = netns.sysctl.ipv4.ip_default_ttl;
    writeIpv4Header(view, out, tos, length, 0, IPV4_DF, ttl, IpProtocol.TCP, local, remote);
    ipLocalOut(netns, reset, dst, false);
  }

  /** tcp_v4_err */
  #error(e: IcmpError): boolean {
    const endpoint = this.#find(
      view.getInt32(e.quoted + IPV4_SOURCE),
      view.getUint16(e.payload + TCP_SOURCE),
      view.getInt32(e.quoted + IPV4_DESTINATION),
      view.getUint16(e.payload + TCP_DESTINATION),
    );
    endpoint?.icmpError(e);
    return endpoint !== null;
  }
}
