// The sockets of a namespace and how packets find them (net/ipv4/udp.c, ping.c, inet_hashtables.c), the protocols beside
// UDP and ICMP (tunnels, TCP on its own floor).

import type { Ipv4 } from '../addr/ipv4.ts';
import { IntTable, MISSING } from '../base/int-table.ts';
import type { Rng } from '../base/rng.ts';
import { type Frame, view } from '../link/frame.ts';
import { ICMP_ID } from '../wire/icmp.ts';
import { IPV4_DESTINATION, IPV4_SOURCE, IpProtocol } from '../wire/ipv4.ts';
import { UDP_DESTINATION, UDP_SOURCE } from '../wire/udp.ts';
import type { InDevice } from './in-device.ts';
import type { NetNamespace } from './netns.ts';
import type { PingSocket } from './ping-socket.ts';
import type { UdpSocket } from './udp-socket.ts';

/** Takes a packet for this host; `at` is where the protocol's header begins. Takes ownership of the frame. */
export type ProtocolHandler = (idev: InDevice, frame: Frame, at: number) => void;

/** An ICMP error on its way to a socket; positions are in the arena and hold during the call. */
export interface IcmpError {
  readonly type: number;
  readonly code: number;
  /** MTU, gateway or pointer */
  readonly info: number;
  readonly offender: Ipv4;
  /** TTL of the packet that brought the error */
  readonly ttl: number;
  /** where the quoted IPv4 header begins */
  readonly quoted: number;
  /** where the quoted transport header begins */
  readonly payload: number;
  readonly end: number;
}

/** A transport that keeps its own sockets: gets errors that quote its packets; true when one of its sockets is meant. */
export type ErrorHandler = (error: IcmpError) => boolean;

/** ip_local_port_range */
export const PORT_LOW = 32_768;
export const PORT_HIGH = 60_999;

export class SocketTable {
  readonly #netns: NetNamespace;
  readonly #ports = new IntTable();
  readonly #buckets: UdpSocket[][] = [];
  readonly #freeBuckets: number[] = [];
  readonly #ping = new Map<number, PingSocket>();
  readonly #protocols = new Map<number, { input: ProtocolHandler; error: ErrorHandler | null }>();
  #rng: Rng | null = null;

  constructor(netns: NetNamespace) {
    this.#netns = netns;
  }

  get rng(): Rng {
    this.#rng ??= this.#netns.world.rng(`${this.#netns.label}/ports`);
    return this.#rng;
  }

  // -- UDP -------------------------------------------------------------------------------------------------------

  /** UDP sockets in the order of their ports' first use (`ss -u`). */
  udpSockets(): UdpSocket[] {
    return this.#buckets.flat();
  }

  addUdp(socket: UdpSocket, port: number): void {
    let i = this.#ports.get(port);
    if (i === MISSING) {
      i = this.#freeBuckets.pop() ?? this.#buckets.length;
      this.#buckets[i] = [];
      this.#ports.set(port, i);
    }
    this.#buckets[i]!.push(socket);
  }

  removeUdp(socket: UdpSocket, port: number): void {
    const i = this.#ports.get(port);
    if (i === MISSING) return;
    const bucket = this.#buckets[i]!;
    const at = bucket.indexOf(socket);
    if (at >= 0) bucket.splice(at, 1);
    if (bucket.length === 0) {
      this.#ports.delete(port);
      this.#freeBuckets.push(i);
    }
  }

  /** Sockets bound to this port. */
  udpOnPort(port: number): readonly UdpSocket[] {
    const i = this.#ports.get(port);
    return i === MISSING ? [] : this.#buckets[i]!;
  }

  /**
   * __udp4_lib_lookup: the best match of local and remote address and port; null when none.
   * @param idev the device that the datagram came in by; null: a socket bound to any device may be meant
   */
  findUdp(
    local: Ipv4,
    localPort: number,
    remote: Ipv4,
    remotePort: number,
    idev: InDevice | null = null,
  ): UdpSocket | null {
    const i = this.#ports.get(localPort);
    if (i === MISSING) return null;
    const bucket = this.#buckets[i]!;
    let best: UdpSocket | null = null;
    let bestScore = 0;
    for (let k = 0; k < bucket.length; k++) {
      const socket = bucket[k]!;
      // compute_score
      let score = 1;
      if (socket.localAddress !== 0) {
        if (socket.localAddress !== local) continue;
        score += 4;
      }
      if (socket.device !== null && idev !== null) {
        if (socket.device !== idev) continue;
        score += 4;
      }
      if (socket.remotePort !== 0) {
        if (socket.remoteAddress !== remote || socket.remotePort !== remotePort) continue;
        score += 8;
      }
      if (score > bestScore) {
        best = socket;
        bestScore = score;
      }
    }
    return best;
  }

  /** A free port of the ephemeral range, drawn from the namespace's stream; 0 when none is free. */
  ephemeralUdpPort(): number {
    const span = PORT_HIGH - PORT_LOW + 1;
    const first = this.rng.below(span);
    for (let i = 0; i < span; i++) {
      const port = PORT_LOW + ((first + i) % span);
      if (this.#ports.get(port) === MISSING) return port;
    }
    return 0;
  }

  // -- ping ------------------------------------------------------------------------------------------------------

  /** Takes an identifier: the wanted one (0: any); 0 when it is taken. */
  addPing(socket: PingSocket, wanted: number): number {
    if (wanted !== 0) {
      if (this.#ping.has(wanted)) return 0;
      this.#ping.set(wanted, socket);
      return wanted;
    }
    const first = this.rng.below(0xffff);
    for (let i = 0; i < 0xffff; i++) {
      const id = 1 + ((first + i) % 0xffff);
      if (!this.#ping.has(id)) {
        this.#ping.set(id, socket);
        return id;
      }
    }
    return 0;
  }

  removePing(id: number): void {
    this.#ping.delete(id);
  }

  deliverEchoReply(frame: Frame, at: number, id: number): void {
    this.#ping.get(id)?.receive(frame, at);
  }

  // -- errors ----------------------------------------------------------------------------------------------------

  /** Gives an ICMP error to the socket that sent the quoted packet; true when there is one. */
  deliverError(protocol: number, e: IcmpError): boolean {
    if (protocol === IpProtocol.UDP) {
      const socket = this.findUdp(
        view.getInt32(e.quoted + IPV4_SOURCE),
        view.getUint16(e.payload + UDP_SOURCE),
        view.getInt32(e.quoted + IPV4_DESTINATION),
        view.getUint16(e.payload + UDP_DESTINATION),
      );
      if (socket !== null) {
        socket.icmpError(e);
        return true;
      }
      // __udp4_lib_err_encap: a tunnel sends from ports that are no socket's; the port it sends to tells whose datagram it is.
      return this.udpOnPort(view.getUint16(e.payload + UDP_DESTINATION)).some((s) => s.encapsulation !== null);
    }
    if (protocol === IpProtocol.ICMP) {
      const socket = this.#ping.get(view.getUint16(e.payload + ICMP_ID));
      socket?.icmpError(e);
      return socket !== undefined;
    }
    return this.#protocols.get(protocol)?.error?.(e) ?? false;
  }

  // -- other protocols ---------------------------------------------------------------------------------------------

  register(protocol: number, input: ProtocolHandler, error: ErrorHandler | null): void {
    this.#protocols.set(protocol, { input, error });
  }

  protocol(protocol: number): ProtocolHandler | null {
    return this.#protocols.get(protocol)?.input ?? null;
  }

  dispose(): void {
    for (const socket of this.udpSockets()) socket.close();
    for (const socket of [...this.#ping.values()]) socket.close();
  }
}
