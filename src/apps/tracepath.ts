// tracepath (iputils 20221126): the routers on the way and the path MTU, by UDP probes with DF (IP_PMTUDISC_PROBE) and
// growing TTL. One probe at a time: each waits up to a second for the error that answers it.

import { formatIpv4, type Ipv4 } from '../addr/ipv4.ts';
import { NS_PER_S, type Ns, type Timer } from '../sim/sim.ts';
import { ERRNO_TEXT, type Errno, type SocketError } from '../stack/errno.ts';
import { PathMtuDiscovery } from '../stack/path-mtu-discovery.ts';
import { routeErrno, UdpSocket } from '../stack/udp-socket.ts';
import { IcmpType } from '../wire/icmp.ts';
import { Program, type ProgramHost, SEND_INTERVAL, WAKE_LATENCY } from './program.ts';

/** IPv4 and UDP header. */
const OVERHEAD = 28;
/** Probes that are told apart by their port (HIS_ARRAY_SIZE). */
const HISTORY = 64;
/** Sends tried for one probe. */
const SENDS_MAX = 10;
/** Probes for one hop. */
const TRIES = 3;
const HOST_COLUMN = 52;
const LOCAL_COLUMN = 32;
/** select() waits so long for an answer. */
const ANSWER_WAIT: Ns = NS_PER_S;

export interface TracepathOptions {
  readonly target: string;
  readonly destination: Ipv4;
  readonly port: number;
  readonly maxHops: number;
  /** packet length to begin with, bytes */
  readonly length: number;
}

interface Sent {
  hops: number;
  at: Ns;
}

/** What reading the error queue came to: 0 ends the trace, -1 means no answer, else the MTU as it is now known. */
type Progress = number;

export class Tracepath extends Program {
  readonly #o: TracepathOptions;
  readonly #socket: UdpSocket;
  readonly #history: Sent[] = [];
  readonly #arrivals: Ns[] = [];
  #slot = 0;
  #mtu: number;
  #ttl = 1;
  #try = 0;
  #sends = 0;
  #mtuBefore = 0;
  #waiting: Timer | null = null;
  #hopsTo = -1;
  #hopsFrom = -1;

  constructor(host: ProgramHost, options: TracepathOptions) {
    super(host);
    this.#o = options;
    this.#mtu = options.length;
    this.#socket = new UdpSocket(host.netns);
    for (let i = 0; i < HISTORY; i++) this.#history.push({ hops: 0, at: 0 });
  }

  protected begin(): void {
    const socket = this.#socket;
    socket.pathMtuDiscovery = PathMtuDiscovery.PROBE;
    socket.recvErr = true;
    socket.onReady = () => {
      while (this.#arrivals.length < socket.errorQueue.length) this.#arrivals.push(this.host.sim.now);
      if (this.#waiting === null) return;
      this.cancel(this.#waiting);
      this.#waiting = this.after(WAKE_LATENCY, () => this.#answered());
    };
    this.#hop();
  }

  protected release(): void {
    this.#socket.close();
  }

  #hop(): void {
    if (this.#ttl > this.#o.maxHops) {
      this.host.out(`     Too many hops: pmtu ${this.#mtu}\n`);
      this.#resume();
      return;
    }
    this.#socket.ttl = this.#ttl;
    this.#try = 0;
    this.#probe();
  }

  #probe(): void {
    this.#mtuBefore = this.#mtu;
    this.#sends = 0;
    this.#send();
  }

  #send(): void {
    if (this.#sends++ >= SENDS_MAX) {
      this.host.out(`${this.#label()}?: send failed\n`);
      this.#resume();
      return;
    }
    const sent = this.#history[this.#slot]!;
    sent.hops = this.#ttl;
    sent.at = this.host.sim.now;
    const errno = this.#sendTo();
    if (errno !== null) {
      const progress = this.#readErrors();
      sent.hops = 0;
      if (progress === 0) {
        this.#resume();
        return;
      }
      if (progress > 0) this.#sends = 0;
      this.after(SEND_INTERVAL, () => this.#send());
      return;
    }
    this.#slot = (this.#slot + 1) & (HISTORY - 1);
    this.#waiting = this.after(ANSWER_WAIT, () => this.#answered());
    if (this.#socket.errorQueue.length > 0) this.#socket.onReady?.();
  }

  #sendTo(): Errno | null {
    const { destination, port } = this.#o;
    const refused = routeErrno(this.host.netns.routes.lookup(destination), false);
    if (refused !== null) return refused;
    return this.#socket.sendTo(new Uint8Array(Math.max(this.#mtu - OVERHEAD, 0)), destination, port + this.#slot);
  }

  #answered(): void {
    this.#waiting = null;
    if (this.#socket.recv() !== null) {
      this.host.out(`${this.#label()}?: reply received 8)\n`);
      this.#resume();
      return;
    }
    const progress = this.#readErrors();
    if (this.#mtu !== this.#mtuBefore) {
      this.#try = 0;
      this.#probe();
    } else if (progress === 0) this.#resume();
    else if (progress > 0) this.#nextHop();
    else if (++this.#try < TRIES) this.#probe();
    else {
      this.host.out(`${this.#label()}:  no reply\n`);
      this.#nextHop();
    }
  }

  #nextHop(): void {
    this.#ttl++;
    this.after(SEND_INTERVAL, () => this.#hop());
  }

  #label(): string {
    return String(this.#ttl).padStart(2);
  }

  /** recverr(): every entry of the error queue becomes a line. */
  #readErrors(): Progress {
    let progress: Progress = -1;
    for (;;) {
      const e = this.#socket.errorQueue.shift();
      this.#socket.takeError();
      if (e === undefined) return progress;
      progress = this.#mtu;
      const at = this.#arrivals.shift() ?? this.host.sim.now;
      const next = this.#report(e, at);
      if (next !== null) return next;
    }
  }

  /** One line. @returns null to go on reading, 0 to end the trace */
  #report(e: SocketError, at: Ns): 0 | null {
    const slot = e.destinationPort - this.#o.port;
    const sent = slot >= 0 && slot < HISTORY - 1 ? this.#history[slot]! : null;
    const known = sent !== null && sent.hops > 0;
    const sentHops = known ? sent.hops : -1;
    let line: string;
    if (e.origin === 'local') line = `${this.#label()}?: ${'[LOCALHOST]'.padEnd(LOCAL_COLUMN)} `;
    else {
      const label = known ? `${String(sentHops).padStart(2)}:  ` : `${this.#label()}?: `;
      line = label + formatIpv4(e.offender).padEnd(HOST_COLUMN);
    }
    if (known) {
      if (e.origin === 'icmp') {
        const us = Math.floor((at - sent.at) / 1000);
        line += `${String(Math.floor(us / 1000)).padStart(3)}.${String(us % 1000).padStart(3, '0')}ms `;
      }
      sent.hops = 0;
    }
    // The far end began with 64, 128 or 255.
    const back = e.ttl <= 64 ? 65 - e.ttl : e.ttl <= 128 ? 129 - e.ttl : 256 - e.ttl;
    const say = (text: string): void => this.host.out(`${line}${text}\n`);
    switch (e.errno) {
      case 'EMSGSIZE':
        say(`pmtu ${e.info}`);
        this.#mtu = e.info;
        return null;
      case 'ECONNREFUSED':
        say('reached');
        this.#hopsTo = sentHops < 0 ? this.#ttl : sentHops;
        this.#hopsFrom = back;
        return 0;
      case 'EPROTO':
        say('!P');
        return 0;
      case 'EHOSTUNREACH':
        if (e.origin === 'icmp' && e.type === IcmpType.TIME_EXCEEDED && e.code === 0) {
          say(back !== (sentHops >= 0 ? sentHops : this.#ttl) ? `asymm ${String(back).padStart(2)} ` : '');
          return null;
        }
        say('!H');
        return 0;
      case 'ENETUNREACH':
        say('!N');
        return 0;
      case 'EACCES':
        say('!A');
        return 0;
      default:
        say('');
        this.host.err(`tracepath: NET ERROR: ${ERRNO_TEXT[e.errno]}\n`);
        return 0;
    }
  }

  #resume(): void {
    let line = `     Resume: pmtu ${this.#mtu} `;
    if (this.#hopsTo >= 0) line += `hops ${this.#hopsTo} `;
    if (this.#hopsFrom >= 0) line += `back ${this.#hopsFrom} `;
    this.host.out(`${line}\n`);
    this.exit(0);
  }
}
