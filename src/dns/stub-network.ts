// What a stub resolver needs of the world: datagrams and a stream to a name server, timers, dice. The resolvers of this
// folder are state machines over it; apps/stub-sockets.ts gives it to them over a namespace's sockets.

import type { Ipv4 } from '../addr/ipv4.ts';
import type { Ns } from '../sim/sim.ts';
import type { Errno } from '../stack/errno.ts';

export interface StubTimer {
  cancel(): void;
}

/** Told of what comes; never while the resolver itself is calling the socket. */
export interface UdpEvents {
  message(bytes: Uint8Array, from: Ipv4): void;
  /** poll() reports an error: recv() would fail with it */
  error(errno: Errno): void;
}

export interface TcpEvents {
  /** the connection stands */
  open(): void;
  data(bytes: Uint8Array): void;
  /** end of stream */
  end(): void;
  error(errno: Errno): void;
}

export interface UdpChannel {
  /** to the server it is connected to; to `server` when it is not connected */
  send(message: Uint8Array, server?: Ipv4): Errno | null;
  close(): void;
}

export interface TcpChannel {
  send(bytes: Uint8Array): Errno | null;
  close(): void;
}

export interface StubNetwork {
  /** A UDP socket connected to the server; null: unconnected (musl). */
  openUdp(server: Ipv4 | null, on: UdpEvents): UdpChannel | Errno;
  openTcp(server: Ipv4, on: TcpEvents): TcpChannel | Errno;
  after(delay: Ns, fire: () => void): StubTimer;
  /** 16 random bits */
  randomId(): number;
  /** from the first message of sendmmsg(2) to the second */
  readonly sendInterval: Ns;
}
