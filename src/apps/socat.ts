// socat: joins two addresses and copies in both directions (-u: from the first to the second only), 8192 bytes at a time.
// When one side ends, the other is told (shutdown), and has the time-out of -t for what is left.

import { parseIpv4 } from '../addr/ipv4.ts';
import { NS_PER_S, type Ns, type Timer } from '../sim/sim.ts';
import { ERRNO_TEXT, type Errno } from '../stack/errno.ts';
import { TcpSocket } from '../stack/tcp/tcp-socket.ts';
import { type Channel, EchoChannel, FileChannel, StdioChannel, TcpChannel, UdpChannel, udpSocket } from './channel.ts';
import type { Files } from './files.ts';
import { Program, type ProgramHost, WAKE_LATENCY } from './program.ts';
import { resolveHost } from './resolve.ts';
import type { SocatAddress, SocatOptions } from './socat-address.ts';
import { ownSocket } from './socket-owner.ts';
import { SPAWN_COST } from './tcp-server.ts';
import { type Schedule, TcpStream } from './tcp-stream.ts';

/** xioopts.bufsiz */
const BUFFER = 8_192;

export interface SocatRun {
  readonly left: SocatAddress;
  readonly right: SocatAddress;
  /** -u */
  readonly oneWay: boolean;
  /** -t */
  readonly endWait: Ns;
  /** -T: ends when nothing moves for so long; 0: never */
  readonly idle: Ns;
  readonly input: Uint8Array;
  readonly files: Files;
  /** absolute path of what an OPEN address names */
  resolvePath(path: string): string;
}

type Opened = (channel: Channel | string) => void;

export class Socat extends Program {
  readonly #o: SocatRun;
  readonly #open: Channel[] = [];
  readonly #listeners: TcpSocket[] = [];
  /** what is under way and in no channel yet: connections that are not accepted or open, sockets that wait for a peer */
  readonly #pending = new Set<{ close(): void }>();
  readonly #lookups = new Set<() => void>();
  readonly #schedule: Schedule = (delay, fire) => this.after(delay, fire);

  constructor(host: ProgramHost, options: SocatRun) {
    super(host);
    this.#o = options;
  }

  protected begin(): void {
    const { left, right } = this.#o;
    this.#channel(left, (first, forked) => {
      if (typeof first === 'string') {
        this.#fail(first);
        return;
      }
      this.#channel(right, (second) => {
        if (typeof second !== 'string') this.#relay(first, second, forked);
        else if (forked) {
          this.#say(second);
          this.#drop(first);
        } else this.#fail(second);
      });
    });
  }

  protected release(): void {
    for (const cancel of this.#lookups) cancel();
    for (const listener of this.#listeners) listener.close();
    for (const one of this.#pending) one.close();
    for (const channel of this.#open) channel.close();
  }

  #say(text: string): void {
    this.host.err(`socat[${this.host.pid}] E ${text}\n`);
  }

  #fail(text: string): void {
    this.#say(text);
    this.exit(1);
  }

  #drop(channel: Channel): void {
    const i = this.#open.indexOf(channel);
    if (i >= 0) this.#open.splice(i, 1);
    channel.close();
  }

  /** Opens an address; a forking listener calls back for each connection. */
  #channel(address: SocatAddress, done: (channel: Channel | string, forked: boolean) => void): void {
    const opened =
      (forked: boolean): Opened =>
      (channel) => {
        if (typeof channel !== 'string') this.#open.push(channel);
        done(channel, forked);
      };
    const { host } = this;
    switch (address.kind) {
      case 'stdio':
        opened(false)(new StdioChannel(host, this.#schedule, this.#o.input));
        return;
      case 'pipe':
        opened(false)(new EchoChannel(this.#schedule));
        return;
      case 'open':
        opened(false)(new FileChannel(this.#o.files, this.#o.resolvePath(address.path)));
        return;
      case 'tcp':
        this.#tcp(address, opened(false));
        return;
      case 'udp':
        this.#udp(address, opened(false));
        return;
      case 'tcp-listen':
        this.#listen(address.port, address.options, opened(address.options.fork));
        return;
      default:
        this.#udpListen(address, opened(false));
    }
  }

  #lookup(name: string, done: (address: number | null) => void): void {
    let answered = false;
    let cancel: () => void = () => {};
    cancel = resolveHost(this.host, name, 'inet', (result) => {
      answered = true;
      this.#lookups.delete(cancel);
      done('error' in result ? null : result.addresses[0]!);
    });
    if (!answered) this.#lookups.add(cancel);
  }

  #tcp(address: SocatAddress & { kind: 'tcp' | 'udp' }, done: Opened): void {
    const { options, port } = address;
    this.#lookup(address.host, (remote) => {
      if (remote === null) {
        done(`getaddrinfo("${address.host}", "${port}", {1,2,1,6}, {}): Name or service not known`);
        return;
      }
      const stream = new TcpStream(this.#schedule, ownSocket(this.host, new TcpSocket(this.host.netns)));
      this.#pending.add(stream);
      const failed = (call: string, errno: Errno | 'timeout'): void => {
        this.#pending.delete(stream);
        stream.close();
        const text = errno === 'timeout' ? 'Connection timed out' : ERRNO_TEXT[errno];
        done(`${call}(5, AF=2 ${address.host}:${port}, 16): ${text}`);
      };
      const { socket } = stream;
      socket.reuseAddress = options.reuseAddress;
      socket.noDelay = options.noDelay;
      if (options.keepAlive) socket.keepAlive = true;
      const source = options.bind === '' ? 0 : parseIpv4(options.bind.split(':', 1)[0]!);
      if (options.sourcePort !== 0 || (source ?? 0) !== 0) {
        const errno = socket.bind(source ?? 0, options.sourcePort);
        if (errno !== null) {
          failed('bind', errno);
          return;
        }
      }
      const limit = Math.round(options.connectTimeout * NS_PER_S);
      stream.connect(remote, port, limit, (result) => {
        if (result !== null) {
          failed('connect', result);
          return;
        }
        this.#pending.delete(stream);
        done(new TcpChannel(stream));
      });
    });
  }

  #udp(address: SocatAddress & { kind: 'tcp' | 'udp' }, done: Opened): void {
    this.#lookup(address.host, (remote) => {
      const socket = udpSocket(this.host, 0, address.options.sourcePort);
      if (typeof socket === 'string' || remote === null) {
        if (typeof socket !== 'string') socket.close();
        done(typeof socket === 'string' ? socket : `getaddrinfo("${address.host}"): Name or service not known`);
        return;
      }
      const errno = socket.connect(remote, address.port);
      if (errno !== null) socket.close();
      done(errno === null ? new UdpChannel(this.#schedule, socket, null) : ERRNO_TEXT[errno]);
    });
  }

  #udpListen(address: SocatAddress & { port: number }, done: Opened): void {
    const socket = udpSocket(this.host, 0, address.port);
    if (typeof socket === 'string') {
      done(socket);
      return;
    }
    this.#pending.add(socket);
    socket.onReady = () => {
      const first = socket.recv();
      if (first === null) return;
      socket.connect(first.source, first.sourcePort);
      socket.onReady = null;
      this.after(WAKE_LATENCY, () => {
        this.#pending.delete(socket);
        done(new UdpChannel(this.#schedule, socket, first));
      });
    };
  }

  #listen(port: number, options: SocatOptions, done: Opened): void {
    const listener = ownSocket(this.host, new TcpSocket(this.host.netns));
    listener.reuseAddress = options.reuseAddress;
    const address = options.bind === '' ? 0 : (parseIpv4(options.bind) ?? 0);
    const errno = listener.bind(address, port) ?? listener.listen(options.backlog);
    if (errno !== null) {
      listener.close();
      done(`bind(5, {AF=2 0.0.0.0:${port}}, 16): ${ERRNO_TEXT[errno]}`);
      return;
    }
    this.#listeners.push(listener);
    let busy = false;
    const accept = (): void => {
      busy = false;
      for (let socket = listener.accept(); socket !== null; socket = listener.accept()) {
        const stream = new TcpStream(this.#schedule, socket);
        if (!options.fork) {
          listener.close();
          done(new TcpChannel(stream));
          return;
        }
        this.#pending.add(stream);
        this.after(SPAWN_COST, () => {
          this.#pending.delete(stream);
          done(new TcpChannel(stream));
        });
      }
    };
    listener.onReady = () => {
      if (busy) return;
      busy = true;
      this.after(WAKE_LATENCY, accept);
    };
  }

  /** Copies until both directions have ended, or -t after one has. */
  #relay(left: Channel, right: Channel, forked: boolean): void {
    const { oneWay, endWait, idle } = this.#o;
    let directions = oneWay ? 1 : 2;
    let over = false;
    let timer: Timer | null = null;
    const finish = (status: number): void => {
      if (over) return;
      over = true;
      if (timer !== null) this.cancel(timer);
      this.#drop(left);
      this.#drop(right);
      if (!forked) this.exit(status);
    };
    const touch = (): void => {
      if (idle === 0 || directions < (oneWay ? 1 : 2)) return;
      if (timer !== null) this.cancel(timer);
      timer = this.after(idle, () => finish(0));
    };
    const copy = (from: Channel, to: Channel): void =>
      from.read(BUFFER, (result) => {
        if (over) return;
        if (typeof result === 'string') {
          this.#say(`read(): ${result}`);
          finish(1);
          return;
        }
        touch();
        if (result === null) {
          to.finish();
          if (--directions === 0) finish(0);
          else timer = this.after(endWait, () => finish(0));
          return;
        }
        to.write(result, (error) => {
          if (over) return;
          if (error === null) {
            copy(from, to);
            return;
          }
          this.#say(`write(): ${error}`);
          finish(1);
        });
      });
    touch();
    copy(left, right);
    if (!oneWay) copy(right, left);
  }
}
