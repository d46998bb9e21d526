// TCP of a namespace (net/ipv4/inet_hashtables.c, inet_connection_sock.c): which connection, request or TIME-WAIT record a
// four-tuple belongs to, who listens, who holds which port, and the numbers that are drawn for new connections.
//
// Limits: requests by the backlog of their listener, TIME-WAIT records by tcp_max_tw_buckets, orphans by tcp_max_orphans;
// connections by the ports and the programs that hold them.

import type { Ipv4 } from '../../addr/ipv4.ts';
import { MISSING, PairTable } from '../../base/int-table.ts';
import type { Rng } from '../../base/rng.ts';
import { NS_PER_MS } from '../../sim/sim.ts';
import { IpProtocol } from '../../wire/ipv4.ts';
import type { Errno } from '../errno.ts';
import type { InDevice } from '../in-device.ts';
import type { NetNamespace } from '../netns.ts';
import { tcpClearTimers, tcpDone } from './tcp-close.ts';
import { tcpV4Err, tcpV4Rcv } from './tcp-ipv4.ts';
import { dropRequest, type TcpRequest } from './tcp-request.ts';
import { TcpSegment } from './tcp-segment.ts';
import { type TcpSock, TcpState, tcpMstampRefresh } from './tcp-sock.ts';
import type { TcpTimewait } from './tcp-timewait.ts';
import { tcpSendActiveReset } from './tcp-transmit.ts';

/** What a four-tuple can belong to. */
export type TcpEndpoint = TcpSock | TcpRequest | TcpTimewait;
/** What holds a local port. */
type PortHolder = TcpSock | TcpTimewait;

/** 127.0.0.0/8 */
const LOOPBACK_NET = 127;

interface Slot {
  readonly endpoint: TcpEndpoint;
  /** another one with the same ports and remote address, to another address of ours */
  next: Slot | null;
}

export class TcpTable {
  readonly #netns: NetNamespace;
  /** (ports, remote address) to an index into #slots */
  readonly #index = new PairTable();
  readonly #slots: (Slot | null)[] = [];
  readonly #free: number[] = [];
  /** in the order in which they came, for `ss` */
  readonly #endpoints = new Set<TcpEndpoint>();
  readonly #listeners = new Map<number, TcpSock[]>();
  readonly #ports = new Map<number, Set<PortHolder>>();
  #rng: Rng | null = null;
  #timestampKey = 0;
  #isnKey = 0;
  #cookieKey = 0;
  /** connections that no program holds any more (tcp_orphan_count) */
  orphans = 0;
  timewaitCount = 0;
  /** RFC 5961 section 7: challenge ACKs that are left in this second */
  challengeSecond = -1;
  challengeCount = 0;
  /** @internal the segment that is being handled */
  readonly segment = new TcpSegment();

  constructor(netns: NetNamespace) {
    this.#netns = netns;
    netns.sockets.register(
      IpProtocol.TCP,
      (idev, frame, at) => tcpV4Rcv(idev, frame, at),
      (error) => tcpV4Err(netns, error),
    );
  }

  get rng(): Rng {
    if (this.#rng === null) {
      this.#rng = this.#netns.world.rng(`${this.#netns.label}/tcp`);
      const keys = this.#netns.world.rng(`${this.#netns.label}/tcp-keys`);
      this.#timestampKey = keys.u32();
      this.#isnKey = keys.u32();
      this.#cookieKey = keys.u32();
    }
    return this.#rng;
  }

  /** @internal secret of SYN cookies */
  get cookieKey(): number {
    void this.rng;
    return this.#cookieKey;
  }

  // -- numbers -------------------------------------------------------------------------------------------------------

  /** secure_tcp_ts_off: what is added to the clock in timestamps, by the pair of addresses; 0 with tcp_timestamps=2. */
  timestampOffsetFor(local: Ipv4, remote: Ipv4): number {
    if (this.#netns.sysctl.ipv4.tcp_timestamps !== 1) return 0;
    void this.rng;
    return mix(mix(this.#timestampKey, local), remote);
  }

  /** The timestamp of now with an offset, milliseconds. */
  timestampNow(offset: number): number {
    return (Math.floor(this.#netns.world.sim.now / NS_PER_MS) + offset) >>> 0;
  }

  /** secure_tcp_seq: by the four-tuple, and rising with time (RFC 6528), 64 ns a step. */
  newIsn(local: Ipv4, localPort: number, remote: Ipv4, remotePort: number): number {
    void this.rng;
    const tuple = mix(mix(mix(this.#isnKey, local), remote), (localPort << 16) | remotePort);
    return (tuple + Math.floor(this.#netns.world.sim.now / 64)) >>> 0;
  }

  /** net_tx_rndhash: never 0. */
  newTxhash(): number {
    return this.rng.u32() | 1;
  }

  // -- four-tuples ---------------------------------------------------------------------------------------------------

  /** The endpoint of a four-tuple, or null (__inet_lookup_established). */
  find(local: Ipv4, localPort: number, remote: Ipv4, remotePort: number): TcpEndpoint | null {
    const i = this.#index.get((localPort << 16) | remotePort, remote);
    if (i === MISSING) return null;
    for (let slot = this.#slots[i]!; slot !== null; slot = slot.next!) {
      if (slot.endpoint.localAddress === local) return slot.endpoint;
      if (slot.next === null) return null;
    }
    return null;
  }

  #add(endpoint: TcpEndpoint): void {
    const key = (endpoint.localPort << 16) | endpoint.remotePort;
    const i = this.#index.get(key, endpoint.remoteAddress);
    if (i !== MISSING) this.#slots[i] = { endpoint, next: this.#slots[i]! };
    else {
      const at = this.#free.pop() ?? this.#slots.length;
      this.#slots[at] = { endpoint, next: null };
      this.#index.set(key, endpoint.remoteAddress, at);
    }
    this.#endpoints.add(endpoint);
  }

  #remove(endpoint: TcpEndpoint): void {
    if (!this.#endpoints.delete(endpoint)) return;
    const key = (endpoint.localPort << 16) | endpoint.remotePort;
    const i = this.#index.get(key, endpoint.remoteAddress);
    if (i === MISSING) return;
    let previous: Slot | null = null;
    for (let slot = this.#slots[i]!; slot !== null; previous = slot, slot = slot.next!) {
      if (slot.endpoint !== endpoint) continue;
      if (previous !== null) previous.next = slot.next;
      else this.#slots[i] = slot.next;
      break;
    }
    if (this.#slots[i] === null) {
      this.#index.delete(key, endpoint.remoteAddress);
      this.#free.push(i);
    }
  }

  hash(sk: TcpSock): void {
    if (sk.hashed) return;
    sk.hashed = true;
    this.#add(sk);
  }

  unhash(sk: TcpSock): void {
    if (!sk.hashed) return;
    sk.hashed = false;
    this.#remove(sk);
  }

  hashRequest(req: TcpRequest): void {
    this.#add(req);
  }

  unhashRequest(req: TcpRequest): void {
    this.#remove(req);
  }

  hashTimewait(tw: TcpTimewait): void {
    this.#add(tw);
    this.#hold(tw);
    this.timewaitCount++;
  }

  unhashTimewait(tw: TcpTimewait): void {
    if (!this.#endpoints.has(tw)) return;
    this.#remove(tw);
    this.#letGo(tw);
    this.timewaitCount--;
  }

  // -- listeners -----------------------------------------------------------------------------------------------------

  listen(sk: TcpSock): void {
    const list = this.#listeners.get(sk.localPort);
    if (list === undefined) this.#listeners.set(sk.localPort, [sk]);
    else list.push(sk);
  }

  /** inet_csk_listen_stop: requests are forgotten, connections nobody accepted are reset. */
  stopListening(sk: TcpSock): void {
    const list = this.#listeners.get(sk.localPort);
    const at = list?.indexOf(sk) ?? -1;
    if (list === undefined || at < 0) return;
    list.splice(at, 1);
    if (list.length === 0) this.#listeners.delete(sk.localPort);
    for (const req of [...sk.requests]) dropRequest(req);
    for (const child of sk.acceptQueue.splice(0)) {
      child.listener = null;
      child.dead = true;
      if (child.state !== TcpState.CLOSE && child.state !== TcpState.TIME_WAIT) {
        tcpMstampRefresh(child);
        tcpSendActiveReset(child);
      }
      tcpDone(child);
    }
  }

  /** inet_lookup_listener: the best match of address and device. */
  findListener(local: Ipv4, port: number, idev: InDevice): TcpSock | null {
    const list = this.#listeners.get(port);
    if (list === undefined) return null;
    let best: TcpSock | null = null;
    let bestScore = 0;
    for (const sk of list) {
      let score = 1;
      if (sk.localAddress !== 0) {
        if (sk.localAddress !== local) continue;
        score += 2;
      }
      if (sk.device !== null) {
        if (sk.device !== idev) continue;
        score += 4;
      }
      if (score > bestScore) {
        best = sk;
        bestScore = score;
      }
    }
    return best;
  }

  // -- ports ---------------------------------------------------------------------------------------------------------

  #hold(holder: PortHolder): void {
    const set = this.#ports.get(holder.localPort);
    if (set === undefined) this.#ports.set(holder.localPort, new Set([holder]));
    else set.add(holder);
  }

  #letGo(holder: PortHolder): void {
    const set = this.#ports.get(holder.localPort);
    if (set === undefined) return;
    set.delete(holder);
    if (set.size === 0) this.#ports.delete(holder.localPort);
  }

  /** Local ports that somebody holds. */
  get portsInUse(): number {
    return this.#ports.size;
  }

  takePort(sk: TcpSock): void {
    if (sk.holdsPort) return;
    sk.holdsPort = true;
    this.#hold(sk);
  }

  releasePort(sk: TcpSock): void {
    if (!sk.holdsPort) return;
    sk.holdsPort = false;
    this.#letGo(sk);
  }

  /** inet_csk_bind_conflict: somebody else's claim to the port stands in the way. */
  bindConflict(sk: TcpSock, address: Ipv4, port: number): boolean {
    const set = this.#ports.get(port);
    if (set === undefined) return false;
    for (const other of set) {
      if (other === sk) continue;
      if (sk.device !== null && other.device !== null && sk.device !== other.device) continue;
      // A connection's address counts, however it came by it (inet_rcv_saddr_equal).
      if (address !== 0 && other.localAddress !== 0 && address !== other.localAddress) continue;
      if (sk.reuseAddress && other.reuseAddress && other.state !== TcpState.LISTEN) continue;
      if (sk.reusePort && other.reusePort) continue;
      return true;
    }
    return false;
  }

  /** A free port for bind() without one; 0: none. Odd ones first, as connect() takes the even ones (inet_csk_find_open_port). */
  openPort(sk: TcpSock, address: Ipv4): number {
    return this.#searchPort(1, (port) => !this.bindConflict(sk, address, port));
  }

  /** A port from which the peer can be reached: nobody else's by bind(), the four-tuple new (__inet_hash_connect); 0: none. */
  connectPort(sk: TcpSock, remote: Ipv4, remotePort: number): number {
    return this.#searchPort(0, (port) => {
      const set = this.#ports.get(port);
      if (set === undefined) return true;
      for (const other of set) if (other.state !== TcpState.TIME_WAIT && (other as TcpSock).boundPort) return false;
      const other = this.find(sk.localAddress, port, remote, remotePort);
      return other === null || (other.state === TcpState.TIME_WAIT && this.#reusable(other as TcpTimewait));
    });
  }

  /** tcp_twsk_unique: whether net.ipv4.tcp_tw_reuse lets connect() take the port of a TIME-WAIT record. */
  #reusable(tw: TcpTimewait): boolean {
    const { tcp_tw_reuse: reuse, tcp_tw_reuse_delay: delay } = this.#netns.sysctl.ipv4;
    if (reuse === 0 || tw.tsRecentStamp === 0 || tw.substate === TcpState.FIN_WAIT2) return false;
    const loopback = tw.localAddress >>> 24 === LOOPBACK_NET || tw.remoteAddress >>> 24 === LOOPBACK_NET;
    if (reuse === 2 && !loopback) return false;
    return this.#netns.world.sim.now - tw.since > delay * NS_PER_MS;
  }

  #searchPort(parity: 0 | 1, free: (port: number) => boolean): number {
    const [low, high] = this.#netns.sysctl.vectors.ip_local_port_range;
    const half = Math.max(1, Math.ceil((high! - low! + 1) / 2));
    const first = this.rng.below(half);
    for (const odd of [parity, 1 - parity]) {
      for (let i = 0; i < half; i++) {
        const port = low! + 2 * ((first + i) % half) + odd;
        if (port <= high! && free(port)) return port;
      }
    }
    return 0;
  }

  /**
   * __inet_check_established for a port that bind() or connectPort() has chosen: null when the four-tuple is free. A TIME-WAIT record with
   * timestamps gives way, and the new connection begins behind the old one's numbers (tcp_twsk_unique).
   */
  checkEstablished(sk: TcpSock, remote: Ipv4, remotePort: number): Errno | null {
    const other = this.find(sk.localAddress, sk.localPort, remote, remotePort);
    if (other === null) return null;
    if (other.state !== TcpState.TIME_WAIT) return 'EADDRNOTAVAIL';
    const tw = other as TcpTimewait;
    if (tw.tsRecentStamp === 0) return 'EADDRNOTAVAIL';
    sk.writeSeq = (tw.sndNxt + 65_535 + 2) >>> 0 || 1;
    sk.rxOpt.tsRecent = tw.tsRecent;
    sk.rxOpt.tsRecentStamp = tw.tsRecentStamp;
    tw.kill();
    return null;
  }

  // -- everything ----------------------------------------------------------------------------------------------------

  /** Listeners, connections, requests and TIME-WAIT records, each in the order in which it came (`ss -ta`). */
  sockets(): TcpEndpoint[] {
    return [...[...this.#listeners.values()].flat(), ...this.#endpoints];
  }

  dispose(): void {
    for (const endpoint of [...this.#endpoints]) {
      if ('timer' in endpoint) endpoint.timer.cancel();
      else tcpClearTimers(endpoint);
    }
    for (const set of this.#ports.values()) {
      for (const holder of set) if ('socket' in holder) holder.socket?.detach();
    }
    this.#endpoints.clear();
    this.#listeners.clear();
    this.#ports.clear();
  }
}

function mix(key: number, word: number): number {
  let x = Math.imul(key ^ word, 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return (x ^ (x >>> 16)) >>> 0;
}
