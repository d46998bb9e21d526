// Gives a stub resolver (dns/stub-network.ts) the sockets of a namespace. A resolver is woken by its socket as any program
// is: WAKE_LATENCY passes before it reads.

import { formatIpv4, type Ipv4 } from '../addr/ipv4.ts';
import type { Rng } from '../base/rng.ts';
import type { StubNetwork, StubTimer, TcpChannel, TcpEvents, UdpChannel, UdpEvents } from '../dns/stub-network.ts';
import type { Ns } from '../sim/sim.ts';
import type { Errno } from '../stack/errno.ts';
import type { NetNamespace } from '../stack/netns.ts';
import type { PathMtuDiscovery } from '../stack/path-mtu-discovery.ts';
import { TcpSocket } from '../stack/tcp/tcp-socket.ts';
import { UdpSocket } from '../stack/udp-socket.ts';
import { DNS_PORT } from '../wire/dns.ts';
import { type ProgramHost, SEND_INTERVAL, WAKE_LATENCY } from './program.ts';

/** Bytes taken from a stream at once: a message and its length. */
const READ_MAX = 65_537;

export interface StubSocketOptions {
  readonly port?: number;
  /** local address and port; 0: any */
  readonly source?: Ipv4;
  readonly sourcePort?: number;
  /** BIND's tools turn path-MTU discovery off (isc_socket_dontfrag), libc leaves it as it is */
  readonly pathMtuDiscovery?: PathMtuDiscovery;
}

export class StubSockets implements StubNetwork {
  readonly sendInterval: Ns = SEND_INTERVAL;
  readonly #host: ProgramHost;
  readonly #options: StubSocketOptions;
  readonly #rng: Rng;

  constructor(host: ProgramHost, options: StubSocketOptions = {}) {
    this.#host = host;
    this.#options = options;
    this.#rng = resolverRng(host.netns);
  }

  randomId(): number {
    return this.#rng.below(0x10000);
  }

  after(delay: Ns, fire: () => void): StubTimer {
    return this.#host.sim.after(delay, fire);
  }

  openUdp(server: Ipv4 | null, on: UdpEvents): UdpChannel | Errno {
    const socket = new UdpSocket(this.#host.netns);
    const { port = DNS_PORT, source = 0, sourcePort = 0, pathMtuDiscovery } = this.#options;
    if (pathMtuDiscovery !== undefined) socket.pathMtuDiscovery = pathMtuDiscovery;
    const errno =
      (source !== 0 || sourcePort !== 0 ? socket.bind(source, sourcePort) : null) ??
      (server === null ? socket.bind(source, sourcePort) : socket.connect(server, port));
    if (errno !== null) {
      socket.close();
      return errno;
    }
    let wake: StubTimer | null = null;
    let closed = false;
    const read = (): void => {
      wake = null;
      for (;;) {
        if (closed) return;
        const error = socket.takeError();
        if (error !== null) {
          on.error(error);
          continue;
        }
        const datagram = socket.recv();
        if (datagram === null) return;
        on.message(datagram.payload, datagram.source);
      }
    };
    socket.onReady = () => {
      wake ??= this.#host.sim.after(WAKE_LATENCY, read);
    };
    return {
      send: (message, to) => (server === null ? socket.sendTo(message, to ?? 0, port) : socket.send(message)),
      close: () => {
        closed = true;
        wake?.cancel();
        socket.close();
      },
    };
  }

  openTcp(server: Ipv4, on: TcpEvents): TcpChannel | Errno {
    const socket = new TcpSocket(this.#host.netns);
    const { port = DNS_PORT, source = 0, sourcePort = 0 } = this.#options;
    const errno =
      (source !== 0 || sourcePort !== 0 ? socket.bind(source, sourcePort) : null) ?? socket.connect(server, port);
    if (errno !== null) {
      socket.close();
      return errno;
    }
    let wake: StubTimer | null = null;
    let closed = false;
    let connected = false;
    const ready = (): void => {
      wake = null;
      if (closed) return;
      const error = socket.takeError();
      if (error !== null) {
        on.error(error);
        return;
      }
      if (!connected) {
        if (!socket.writable) return;
        connected = true;
        on.open();
      }
      while (!closed) {
        const bytes = socket.recv(READ_MAX);
        if (bytes === 'EAGAIN') return;
        if (typeof bytes === 'string') {
          on.error(bytes);
          return;
        }
        if (bytes.length === 0) {
          on.end();
          return;
        }
        on.data(bytes);
      }
    };
    socket.onReady = () => {
      wake ??= this.#host.sim.after(WAKE_LATENCY, ready);
    };
    return {
      // A query fits into any send buffer.
      send: (bytes) => {
        const sent = socket.send(bytes);
        return typeof sent === 'string' ? sent : null;
      },
      close: () => {
        closed = true;
        wake?.cancel();
        socket.onReady = null;
        socket.close();
      },
    };
  }
}

/** Message ids of a namespace: libc draws them from the kernel, here from the seed. */
export function resolverRng(netns: NetNamespace): Rng {
  return netns.machine.world.rng(`${netns.machine.name}/${netns.label}/dns-id`);
}

/** "10.96.0.10#53", as BIND's tools name a server. */
export function serverText(server: Ipv4, port: number): string {
  return `${formatIpv4(server)}#${port}`;
}
