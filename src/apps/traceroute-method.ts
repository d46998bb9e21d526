// How traceroute sends its probes: UDP with one socket and one port for each (the default), or ICMP echo from one socket
// (-I). Answers are kept until the program polls for them, with the time at which they came.

import type { Ipv4 } from '../addr/ipv4.ts';
import type { Ns, Sim } from '../sim/sim.ts';
import { ERRNO_TEXT, type SocketError } from '../stack/errno.ts';
import type { InDevice } from '../stack/in-device.ts';
import type { NetNamespace } from '../stack/netns.ts';
import { PathMtuDiscovery } from '../stack/path-mtu-discovery.ts';
import { PingSocket } from '../stack/ping-socket.ts';
import { routeErrno, UdpSocket } from '../stack/udp-socket.ts';
import { IcmpType } from '../wire/icmp.ts';
import { IPV4_HEADER } from '../wire/ipv4.ts';
import { UDP_HEADER } from '../wire/udp.ts';
import { markOf, type Probe } from './traceroute-probe.ts';

export interface MethodOptions {
  readonly destination: Ipv4;
  /** whole packet, bytes */
  readonly length: number;
  readonly tos: number;
  readonly dontFragment: boolean;
  /** 0: by route */
  readonly source: Ipv4;
  readonly device: string | null;
  /** UDP: port of the first probe; ICMP: sequence number of the first probe */
  readonly first: number;
}

interface Answer {
  readonly probe: Probe;
  readonly at: Ns;
  readonly from: Ipv4 | null;
  /** null: an expired TTL */
  readonly mark: string | null;
}

export abstract class ProbeMethod {
  protected readonly netns: NetNamespace;
  protected readonly o: MethodOptions;
  protected readonly idev: InDevice | null;
  readonly #answers: Answer[] = [];
  readonly #onAnswer: () => void;
  readonly #sim: Sim;

  constructor(netns: NetNamespace, options: MethodOptions, onAnswer: () => void) {
    this.netns = netns;
    this.o = options;
    const dev = options.device === null ? null : netns.device(options.device);
    this.idev = dev === null ? null : netns.inDevice(dev);
    this.#onAnswer = onAnswer;
    this.#sim = netns.world.sim;
  }

  /** Whether all probes leave from the same socket. */
  protected abstract readonly oneSocket: boolean;

  /** Sends the probe. @returns what perror(3) would print, or null */
  abstract send(probe: Probe): string | null;
  /** Nobody waits for this probe any more. */
  abstract forget(probe: Probe): void;
  abstract close(): void;

  protected get mode(): PathMtuDiscovery {
    // -F wants DF on every probe, whatever has been learnt of the path meanwhile.
    return this.o.dontFragment ? PathMtuDiscovery.PROBE : PathMtuDiscovery.DONT;
  }

  protected answer(probe: Probe, from: Ipv4 | null, mark: string | null): void {
    this.#answers.push({ probe, at: this.#sim.now, from, mark });
    this.#onAnswer();
  }

  protected error(probe: Probe, e: SocketError): void {
    if (e.type === IcmpType.REDIRECT) return;
    if (e.origin === 'local') this.answer(probe, null, `!F-${e.info}`);
    else this.answer(probe, e.offender, markOf(e.type, e.code, e.info));
  }

  get pending(): boolean {
    return this.#answers.length > 0;
  }

  /** Takes over one answer of each socket that has any, as one poll(2) of traceroute does. */
  collect(): void {
    const answers = this.oneSocket ? this.#answers.splice(0, 1) : this.#answers.splice(0);
    for (const { probe, at, from, mark } of answers) {
      if (probe.done) continue;
      probe.done = true;
      probe.receivedAt = at;
      probe.from = from;
      probe.final = mark !== null;
      probe.mark = mark ?? '';
      this.forget(probe);
    }
  }
}

/** First byte of the data; they count up through 64 values. */
const DATA_BASE = 0x40;

function fill(length: number, from: number): Uint8Array {
  const data = new Uint8Array(Math.max(length, 0));
  for (let i = 0; i < data.length; i++) data[i] = DATA_BASE + ((i + from) & 0x3f);
  return data;
}

export class UdpMethod extends ProbeMethod {
  protected readonly oneSocket = false;
  readonly #sockets = new Map<Probe, UdpSocket>();
  /** Ports count the probes that were sent: with -f the first one has the first port. */
  #sent = 0;

  send(probe: Probe): string | null {
    const { destination, source, tos, length, first } = this.o;
    const socket = new UdpSocket(this.netns);
    if (this.o.device !== null) {
      if (this.idev === null) return 'setsockopt SO_BINDTODEVICE: No such device';
      socket.device = this.idev;
    }
    const bound = socket.bind(source, 0);
    if (bound !== null) return `bind: ${ERRNO_TEXT[bound]}`;
    socket.pathMtuDiscovery = this.mode;
    socket.tos = tos;
    socket.ttl = probe.ttl;
    const port = (first + this.#sent++) & 0xffff;
    const connected = socket.connect(destination, port);
    if (connected !== null) {
      socket.close();
      return `connect: ${ERRNO_TEXT[connected]}`;
    }
    socket.recvErr = true;
    socket.onReady = () => this.#ready(probe, socket);
    this.#sockets.set(probe, socket);
    const errno = socket.send(fill(length - IPV4_HEADER - UDP_HEADER, 0));
    if (errno === 'EMSGSIZE') this.#ready(probe, socket);
    else if (errno !== null) return `send: ${ERRNO_TEXT[errno]}`;
    return null;
  }

  #ready(probe: Probe, socket: UdpSocket): void {
    for (let e = socket.errorQueue.shift(); e !== undefined; e = socket.errorQueue.shift()) this.error(probe, e);
    for (let d = socket.recv(); d !== null; d = socket.recv()) this.answer(probe, d.source, '');
  }

  forget(probe: Probe): void {
    this.#sockets.get(probe)?.close();
    this.#sockets.delete(probe);
  }

  close(): void {
    for (const socket of this.#sockets.values()) socket.close();
    this.#sockets.clear();
  }
}

export class IcmpMethod extends ProbeMethod {
  protected readonly oneSocket = true;
  readonly #socket: PingSocket;
  readonly #bySequence = new Map<number, Probe>();
  readonly #sequences = new Map<Probe, number>();

  constructor(netns: NetNamespace, options: MethodOptions, pid: number, onAnswer: () => void) {
    super(netns, options, onAnswer);
    const socket = new PingSocket(netns, pid & 0xffff);
    this.#socket = socket;
    socket.device = this.idev;
    socket.source = options.source;
    socket.tos = options.tos;
    socket.pathMtuDiscovery = this.mode;
    socket.onReply = (reply) => {
      const probe = this.#bySequence.get(reply.sequence);
      if (probe !== undefined) this.answer(probe, reply.source, '');
    };
    socket.onError = (e) => {
      const probe = this.#bySequence.get(e.sequence);
      if (probe !== undefined) this.error(probe, e);
    };
  }

  /** What init() of the method finds wrong, before anything is printed. */
  check(): string | null {
    if (this.o.device !== null && this.idev === null) return 'setsockopt SO_BINDTODEVICE: No such device';
    if (this.o.source !== 0 && !this.netns.isLocal(this.o.source)) return `bind: ${ERRNO_TEXT.EADDRNOTAVAIL}`;
    const errno = routeErrno(this.#socket.route(this.o.destination), false);
    return errno === null ? null : `connect: ${ERRNO_TEXT[errno]}`;
  }

  send(probe: Probe): string | null {
    const sequence = (this.o.first + this.#sequences.size) & 0xffff;
    this.#bySequence.set(sequence, probe);
    this.#sequences.set(probe, sequence);
    this.#socket.ttl = probe.ttl;
    // The pattern runs over the ICMP header too.
    const data = fill(this.o.length - IPV4_HEADER - UDP_HEADER, UDP_HEADER);
    const errno = this.#socket.send(this.o.destination, sequence, data, false);
    return errno === null || errno === 'EMSGSIZE' ? null : `send: ${ERRNO_TEXT[errno]}`;
  }

  forget(probe: Probe): void {
    this.#bySequence.delete(this.#sequences.get(probe) ?? -1);
  }

  close(): void {
    this.#socket.close();
  }
}
