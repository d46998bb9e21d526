// ping (iputils 20221126, as root): the main loop of ping_common.c and the IPv4 half of ping.c as a state machine.
//
//   pinger --sends, says in how many ms the next request is due--> wait --reply, error or time-out--> loop
//
// How ping waits decides when it sends, and so how its packets lie between other traffic: for an interval that is due in
// full it waits in recvmsg with SO_RCVTIMEO, which runs on the jiffy timer wheel and is late by up to 32 ms for 1 s; for
// a shorter rest it polls, which a high-resolution timer ends. Requests carry no MSG_CONFIRM (seen with strace), so
// replies do not keep the neighbour entry alive (golden case 13a).

import { formatIpv4 } from '../addr/ipv4.ts';
import { KernelTimer } from '../sim/jiffies.ts';
import { NS_PER_MS, NS_PER_S, type Ns, type Timer } from '../sim/sim.ts';
import { ERRNO_TEXT } from '../stack/errno.ts';
import { PathMtuDiscovery } from '../stack/path-mtu-discovery.ts';
import { type EchoError, type EchoReply, PingSocket } from '../stack/ping-socket.ts';
import { DstKind } from '../stack/route-cache.ts';
import { routeErrno } from '../stack/udp-socket.ts';
import { IcmpType } from '../wire/icmp.ts';
import { icmpErrorText } from './icmp-text.ts';
import type { PingOptions } from './ping-options.ts';
import { PingStatistics, roundTripText } from './ping-statistics.ts';
import { Program, type ProgramHost, SEND_INTERVAL, WAKE_LATENCY } from './program.ts';

/** MININTERVAL, ms: shorter waits are polled for. */
const MIN_INTERVAL_MS = 10;
/** A wait of at most this many ms is not left to the kernel (1000 / sysconf(_SC_CLK_TCK)). */
const SHORT_WAIT_MS = 10;
/** Bytes of struct timeval at the start of the data; shorter requests are not timed. */
const TIMEVAL = 16;
/** More than any IPv4 packet holds: the kernel refuses it, so the rest need not be there. */
const DATA_MAX = 65_536;
/** Columns that `-f` takes for granted when there is no terminal. */
const SCREEN_WIDTH = 80;

interface Arrived {
  readonly reply: EchoReply;
  readonly at: Ns;
}

export class Ping extends Program {
  readonly #o: PingOptions;
  readonly #stats = new PingStatistics();
  readonly #data: Uint8Array;
  readonly #replies: Arrived[] = [];
  readonly #errors: EchoError[] = [];
  readonly #receiveTimeout: KernelTimer;
  #socket: PingSocket | null = null;
  #intervalMs: number;
  /** SO_RCVTIMEO, set once at the start */
  readonly #receiveTimeoutMs: number;
  /** Milliseconds of sending right that are left over (the `tokens` of pinger). */
  #tokens = 0;
  #startTime: Ns = 0;
  /** Time of the last request, -1 before the first. */
  #sentAt: Ns = -1;
  #exiting = false;
  #exitScheduled = false;
  #waiting = false;
  #pollTimer: Timer | null = null;
  #wake: Timer | null = null;

  constructor(host: ProgramHost, options: PingOptions) {
    super(host);
    this.#o = options;
    this.#intervalMs = options.flood && !options.intervalGiven ? 0 : options.intervalMs;
    this.#receiveTimeoutMs = Math.max(this.#intervalMs, MIN_INTERVAL_MS);
    this.#data = new Uint8Array(Math.min(options.size, DATA_MAX));
    const pattern = options.pattern;
    for (let i = 0; i < this.#data.length; i++) {
      this.#data[i] = pattern === null || pattern.length === 0 ? i : pattern[i % pattern.length]!;
    }
    this.#receiveTimeout = new KernelTimer(host.sim, () => this.#wakeUp());
  }

  protected begin(): void {
    const { netns, pid } = this.host;
    const o = this.#o;
    const socket = new PingSocket(netns, pid & 0xffff);
    this.#socket = socket;
    const refusal = this.#configure(socket);
    if (refusal !== null) {
      this.host.err(`ping: ${refusal}\n`);
      this.exit(2);
      return;
    }
    if (o.verbose) this.#printSockets();
    if (o.broadcast && o.destination !== 0 && routeErrno(socket.route(o.destination), false) === 'EACCES') {
      this.host.err('WARNING: pinging broadcast address\n');
    }
    socket.onReply = (reply) => {
      this.#replies.push({ reply, at: this.host.sim.now });
      this.#arrived();
    };
    socket.onError = (error) => {
      this.#errors.push(error);
      this.#arrived();
    };
    this.#startTime = this.host.sim.now;
    const name = formatIpv4(o.destination);
    const source = o.source !== 0 ? o.source : socket.route(o.destination).source;
    const from = o.device !== null || o.source !== 0 ? `from ${formatIpv4(source)} ${o.device ?? ''}: ` : '';
    this.host.out(`PING ${o.target} (${name}) ${from}${o.size}(${o.size + 28}) bytes of data.\n`);
    if (o.deadlineS > 0) {
      this.after(o.deadlineS * NS_PER_S, () => {
        this.#exiting = true;
        this.#resume();
      });
    }
    this.#loop();
  }

  /** Options of the socket, and the connect() by which ping learns its source. */
  #configure(socket: PingSocket): string | null {
    const { netns } = this.host;
    const o = this.#o;
    if (o.device !== null) {
      const dev = netns.device(o.device);
      if (dev === null) return `SO_BINDTODEVICE ${o.device}: No such device`;
      socket.device = netns.inDevice(dev);
    }
    if (o.source !== 0) {
      if (!netns.isLocal(o.source)) return 'bind: Cannot assign requested address';
      socket.source = o.source;
    }
    socket.tos = o.tos;
    socket.ttl = o.ttl;
    socket.broadcast = o.broadcast;
    if (o.pathMtuDiscovery !== null) socket.pathMtuDiscovery = o.pathMtuDiscovery;
    // A broadcast or multicast request is not to be fragmented.
    const { kind } = socket.route(o.destination);
    if (kind === DstKind.BROADCAST || kind === DstKind.MULTICAST) socket.pathMtuDiscovery = PathMtuDiscovery.DO;
    const errno = routeErrno(socket.route(o.destination), o.broadcast);
    if (errno === null) return null;
    if (errno === 'EACCES') return 'Do you want to ping broadcast? Then -b. If not, check your local firewall rules';
    return `connect: ${ERRNO_TEXT[errno]}`;
  }

  #printSockets(): void {
    this.host.err(
      'ping: sock4.fd: 3 (socktype: SOCK_RAW), sock6.fd: 4 (socktype: SOCK_RAW), hints.ai_family: AF_UNSPEC\n\n',
    );
    this.host.out(`ai->ai_family: AF_INET, ai->ai_canonname: '${this.#o.target}'\n`);
  }

  protected release(): void {
    this.#receiveTimeout.cancel();
    this.#socket?.close();
  }

  protected override onInterrupt(): boolean {
    if (this.#startTime === 0 && this.#sentAt < 0) return false;
    this.#finish();
    return true;
  }

  // -- the loop ------------------------------------------------------------------------------------------------------

  #loop(): void {
    const { count, deadlineS, adaptive } = this.#o;
    const stats = this.#stats;
    for (;;) {
      if (
        this.#exiting ||
        (count > 0 && stats.received + stats.errors >= count) ||
        (deadlineS > 0 && stats.errors > 0)
      ) {
        this.#finish();
        return;
      }
      const nextMs = this.#scheduleExit(this.#pinger());
      if (nextMs <= 0) {
        // The next request is due at once, but sending takes its time: an answer may be there before.
        this.after(SEND_INTERVAL, () => this.#loop());
        return;
      }
      if (this.#drain()) continue;
      this.#waiting = true;
      if (adaptive || nextMs < Math.max(this.#intervalMs, MIN_INTERVAL_MS)) {
        // poll(): with answers to come a short wait is stretched; without, ping spins until the next request is due.
        const stretched = nextMs <= SHORT_WAIT_MS && stats.inFlight() > 0 ? MIN_INTERVAL_MS : nextMs;
        this.#pollTimer = this.after(stretched * NS_PER_MS, () => this.#wakeUp());
      } else {
        this.#receiveTimeout.arm(this.#receiveTimeoutMs * NS_PER_MS);
      }
      return;
    }
  }

  #arrived(): void {
    if (this.#waiting) this.#wakeUp();
  }

  /** A packet or a time-out has ended the wait. */
  #wakeUp(): void {
    if (this.#wake !== null) return;
    this.#wake = this.after(WAKE_LATENCY, () => this.#resume());
  }

  #resume(): void {
    if (this.ended) return;
    this.#waiting = false;
    this.#receiveTimeout.cancel();
    if (this.#pollTimer !== null) this.cancel(this.#pollTimer);
    if (this.#wake !== null) this.cancel(this.#wake);
    this.#pollTimer = null;
    this.#wake = null;
    this.#drain();
    this.#loop();
  }

  /** Reads what has come, errors first, until nothing is in flight or nothing is left. False when there was nothing. */
  #drain(): boolean {
    let any = false;
    for (;;) {
      const error = this.#errors.shift();
      if (error !== undefined) this.#receiveError(error);
      else {
        const arrived = this.#replies.shift();
        if (arrived === undefined) return any;
        this.#receiveReply(arrived);
      }
      any = true;
      if (this.#stats.inFlight() === 0) return true;
    }
  }

  /** Once the last request is out: when to stop waiting. */
  #scheduleExit(nextMs: number): number {
    const { count, deadlineS, lingerMs } = this.#o;
    const stats = this.#stats;
    if (count === 0 || stats.transmitted < count || deadlineS > 0 || this.#exitScheduled) return nextMs;
    this.#exitScheduled = true;
    const waitUs = stats.received > 0 ? Math.max(2 * stats.max, 1000 * this.#intervalMs) : lingerMs * 1000;
    this.after(waitUs * 1000, () => {
      this.#exiting = true;
      this.#resume();
    });
    const waitMs = Math.floor(waitUs / 1000);
    return nextMs < waitMs ? waitMs : nextMs;
  }

  /** Sends when it is time. @returns milliseconds to the next request; 0 or less: at once */
  #pinger(): number {
    const { count, deadlineS, preload } = this.#o;
    const stats = this.#stats;
    if (this.#exiting || (count > 0 && stats.transmitted >= count && deadlineS === 0)) return 1000;
    const now = this.host.sim.now;
    if (this.#sentAt < 0) {
      this.#tokens = this.#intervalMs * (preload - 1);
    } else {
      let tokens = Math.floor((now - this.#sentAt) / NS_PER_MS);
      if (this.#intervalMs === 0 && tokens < MIN_INTERVAL_MS && stats.inFlight() >= preload) {
        // An unlimited flood without answers: 100 packets a second.
        return MIN_INTERVAL_MS - tokens;
      }
      tokens = Math.min(tokens + this.#tokens, this.#intervalMs * preload);
      if (tokens < this.#intervalMs) return this.#intervalMs - tokens;
      this.#tokens = tokens - this.#intervalMs;
    }
    this.#sentAt = now;
    if (this.#o.outstanding && stats.transmitted > 0 && !stats.hasAnswer(stats.transmitted & 0xffff)) {
      this.#stamp();
      this.host.out(`no answer yet for icmp_seq=${stats.transmitted & 0xffff}\n`);
    }
    return this.#send();
  }

  #send(): number {
    const stats = this.#stats;
    if (this.#data.length >= TIMEVAL) {
      const us = this.host.wallClock() / 1000n;
      const time = new DataView(this.#data.buffer);
      time.setBigUint64(0, us / 1_000_000n, true);
      time.setBigUint64(8, us % 1_000_000n, true);
    }
    const errno = this.#socket!.send(this.#o.destination, stats.nextSequence, this.#data, false);
    if (errno === null) {
      stats.advance();
      if (!this.#o.quiet && this.#o.flood && stats.inFlight() < SCREEN_WIDTH) this.host.out('.');
      return this.#intervalMs - this.#tokens;
    }
    if (errno === 'ENOBUFS') {
      this.#tokens = 0;
      return MIN_INTERVAL_MS;
    }
    const error = this.#errors.shift();
    if (error !== undefined) {
      this.#receiveError(error);
      if (error.origin === 'icmp') {
        this.#tokens += this.#intervalMs;
        return MIN_INTERVAL_MS;
      }
    }
    // A local error: the request counts as sent. Without an entry in the error queue ping says nothing about it.
    stats.advance();
    this.#tokens = 0;
    return Math.max(this.#intervalMs, MIN_INTERVAL_MS);
  }

  // -- what comes back -------------------------------------------------------------------------------------------------

  #receiveReply({ reply, at }: Arrived): void {
    const o = this.#o;
    const timing = reply.data.length >= TIMEVAL && this.#data.length >= TIMEVAL;
    const rtt = timing ? this.#roundTrip(reply.data, at) : null;
    const duplicate = this.#stats.reply(reply.sequence, rtt);
    if (o.adaptive) this.#adapt();
    if (o.quiet) return;
    if (o.flood) {
      this.host.out('\b \b');
      return;
    }
    this.#stamp();
    const audible = o.audible ? '\x07' : '';
    const ident = o.verbose ? ` ident=${this.#socket!.id}` : '';
    let line = `${reply.data.length + 8} bytes from ${formatIpv4(reply.source)}: icmp_seq=${reply.sequence}${ident} ttl=${reply.ttl}`;
    if (reply.data.length < this.#data.length) {
      this.host.out(`${line} (truncated)\n`);
      return;
    }
    if (rtt !== null) line += ` time=${roundTripText(rtt)} ms`;
    if (duplicate) line += ' (DUP!)';
    if (reply.source !== o.destination && !o.broadcast) line += ' (DIFFERENT ADDRESS!)';
    this.host.out(`${audible}${line}\n`);
  }

  /** Microseconds since the time that the reply carries back. */
  #roundTrip(data: Uint8Array, at: Ns): number {
    const time = new DataView(data.buffer, data.byteOffset);
    const sent = time.getBigUint64(0, true) * 1_000_000n + time.getBigUint64(8, true);
    const received = (this.host.wallClock() - BigInt(this.host.sim.now - at)) / 1000n;
    return Math.max(0, Number(received - sent));
  }

  /** -A: the interval follows the round trip. */
  #adapt(): void {
    const estimate = this.#stats.rtt8 !== 0 ? Math.trunc(this.#stats.rtt8 / 8) : this.#intervalMs * 1000;
    this.#intervalMs = Math.floor((estimate + 500) / 1000);
  }

  #receiveError(error: EchoError): void {
    const o = this.#o;
    if (error.origin === 'local') {
      if (o.quiet) return;
      if (o.flood) this.host.out('E');
      else if (error.errno === 'EMSGSIZE') {
        this.host.err(`ping: local error: message too long, mtu=${error.info}\n`);
      } else this.host.err(`ping: local error: ${ERRNO_TEXT[error.errno]}\n`);
      this.#stats.errors++;
      return;
    }
    if (error.destination !== o.destination) return;
    const text = icmpErrorText(error.type, error.code, error.info);
    const from = formatIpv4(error.offender);
    if (error.type === IcmpType.REDIRECT || error.type === IcmpType.SOURCE_QUENCH) {
      // The packet itself comes to the raw socket; the request is still under way.
      if (o.quiet || o.flood) return;
      this.#stamp();
      this.host.out(`From ${from}: icmp_seq=${error.sequence} ${text}\n`);
      return;
    }
    this.#stats.acknowledge(error.sequence);
    this.#stats.errors++;
    if (o.quiet) return;
    if (o.flood) {
      this.host.out('\bE');
      return;
    }
    this.#stamp();
    this.host.out(`From ${from} icmp_seq=${error.sequence} ${text}\n`);
  }

  /** -D */
  #stamp(): void {
    if (!this.#o.timestamps) return;
    const us = this.host.wallClock() / 1000n;
    this.host.out(`[${us / 1_000_000n}.${String(us % 1_000_000n).padStart(6, '0')}] `);
  }

  #finish(): void {
    const { target, count, deadlineS, flood, adaptive } = this.#o;
    const stats = this.#stats;
    const elapsed = Math.max(this.#sentAt, this.#startTime) - this.#startTime;
    const gap = this.#intervalMs === 0 || flood || adaptive;
    this.host.out(stats.summary(target, elapsed, this.#data.length >= TIMEVAL, gap));
    const failed = stats.received === 0 || (deadlineS > 0 && stats.received < count);
    this.exit(failed ? 1 : 0);
  }
}
