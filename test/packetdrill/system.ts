// The system calls of packetdrill scripts over the emulated TCP. A call is a function that is asked until it no longer
// answers null ("still blocks"): coroutines on virtual time without a stack of their own.

import type { NetNamespace } from '../../src/stack/netns.ts';
import { TcpState } from '../../src/stack/tcp/tcp-sock.ts';
import { TcpSocket } from '../../src/stack/tcp/tcp-socket.ts';
import { type Extra, getOption, setOption } from './options.ts';
import type { Expression, SystemCall } from './syntax.ts';
import { LOCAL, REMOTE } from './tun.ts';
import { field, fieldsOf, itemsOf, nameOf, numberOf } from './values.ts';
import { NotApplicable, ScriptFailed } from './verdict.ts';

export const PORT = 8080;
const O_NONBLOCK = 0o4000;
const O_RDWR = 2;
const POLL = { IN: 1, OUT: 4, ERR: 8, HUP: 16, RDHUP: 0x2000 } as const;
const EPOLLET = 0x80000000;
const EPOLLONESHOT = 0x40000000;
const EVENT_BITS = 0x3fffffff;
const MSG_DONTWAIT = 0x40;
const MSG_WAITALL = 0x100;
const MSG_NOSIGNAL = 0x4000;
const MSG_ZEROCOPY = 0x4000000;
const MSG_ERRQUEUE = 0x2000;
const MSG_FASTOPEN = 0x20000000;

/** What a call gave back. */
export interface Result {
  readonly value: number;
  readonly errno: string | null;
  /** what the call wrote into its arguments differs from the script, in words */
  readonly mismatch?: string;
}

interface Watched {
  readonly fd: number;
  events: number;
  /** woken since the last look (edge), or worth a look at all (level) */
  ready: boolean;
}

interface Descriptor {
  socket: TcpSocket | null;
  flags: number;
  readonly extra: Extra;
  /** bytes of the pattern written and read so far */
  written: number;
  taken: number;
  watched: Map<number, Watched> | null;
  /** epolls that watch this one */
  readonly watchers: Watched[];
}

/** Payload is a pattern by its place in the stream, so that each byte that moves can be judged. */
export function pattern(at: number): number {
  return (at * 7 + (at >>> 8)) & 0xff;
}

export function patternBytes(from: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => pattern(from + i));
}

const ok = (value = 0): Result => ({ value, errno: null });
const failed = (errno: string): Result => ({ value: -1, errno });

export class System {
  readonly #netns: NetNamespace;
  readonly #fds = new Map<number, Descriptor>();
  /** What %{ }% looks at: the connection that the script made last. */
  subject: TcpSocket | null = null;
  /** A connect() left: the next SYN that leaves begins a flow. */
  connecting = false;
  /** A listen() was made: the next SYN that comes begins a flow. */
  listening = false;

  constructor(netns: NetNamespace) {
    this.#netns = netns;
  }

  closeAll(): void {
    for (const d of this.#fds.values()) d.socket?.close();
    this.#fds.clear();
  }

  /** Begins a call: what comes back is asked until it answers. */
  begin(call: SystemCall): () => Result | null {
    const { args } = call;
    const arg = (i: number): Expression => {
      const e = args[i];
      if (e === undefined) throw new NotApplicable(`${call.name}() with ${args.length} arguments`);
      return e;
    };
    const at = (i: number): number => numberOf(arg(i));
    const expected = call.result.kind === 'number' ? call.result.value : -1;
    if (args.some((a) => a.kind === 'name' && a.name === 'NULL')) {
      throw new NotApplicable('a null pointer: programs here have no pointers');
    }
    switch (call.name) {
      case 'socket': {
        if (numberOf(arg(1)) !== 1) throw new NotApplicable('a socket that is not SOCK_STREAM');
        this.#fds.set(expected, this.#descriptor(new TcpSocket(this.#netns)));
        return () => ok(expected);
      }
      case 'bind':
        return () => this.#errno(this.#socket(at(0)).bind(LOCAL, port(arg(1))));
      case 'listen':
        this.listening = true;
        return () => this.#errno(this.#socket(at(0)).listen(at(1)));
      case 'accept':
      case 'accept4':
        return () => this.#accept(at(0), expected);
      case 'connect':
        return this.#connect(at(0), port(arg(1)));
      case 'read':
        return this.#read(at(0), at(2), 0);
      case 'recv':
      case 'recvfrom':
        return this.#read(at(0), at(2), at(3));
      case 'recvmsg':
        return this.#recvmsg(at(0), arg(1), at(2));
      case 'readv':
        return this.#read(at(0), iovLength(arg(1)), 0);
      case 'write':
        return this.#write(at(0), at(2), 0);
      case 'send':
      case 'sendto':
        return this.#write(at(0), at(2), at(3));
      case 'writev':
        return this.#write(at(0), iovLength(arg(1)), 0);
      case 'sendmsg':
        return this.#write(at(0), iovLength(field(arg(1), 'msg_iov')!), at(2));
      case 'shutdown':
        return () => this.#errno(this.#socket(at(0)).shutdown((['rd', 'wr', 'rdwr'] as const)[at(1)]!));
      case 'close':
        return () => this.#close(at(0));
      case 'setsockopt': {
        const d = this.#get(at(0));
        return () => this.#errno(setOption(d.socket!, d.extra, nameOf(arg(2)), arg(3)));
      }
      case 'getsockopt':
        return () => this.#getsockopt(at(0), nameOf(arg(2)), arg(3));
      case 'fcntl':
        return () => this.#fcntl(at(0), nameOf(arg(1)), args[2]);
      case 'ioctl':
        return () => this.#ioctl(at(0), nameOf(arg(1)), arg(2));
      case 'poll':
        return this.#poll(arg(0), at(2));
      case 'epoll_create':
        this.#fds.set(expected, { ...this.#descriptor(null), watched: new Map() });
        return () => ok(expected);
      case 'epoll_ctl':
        return () => this.#epollCtl(at(0), nameOf(arg(1)), at(2), args[3]);
      case 'epoll_wait':
        return this.#epollWait(at(0), arg(1), at(2), at(3));
      default:
        throw new NotApplicable(`the system call ${call.name}`);
    }
  }

  #descriptor(socket: TcpSocket | null): Descriptor {
    const d: Descriptor = {
      socket,
      flags: O_RDWR,
      extra: { inq: false },
      written: 0,
      taken: 0,
      watched: null,
      watchers: [],
    };
    if (socket !== null) {
      socket.onReady = () => {
        for (const w of d.watchers) w.ready = true;
      };
    }
    return d;
  }

  #get(fd: number): Descriptor {
    const d = this.#fds.get(fd);
    if (d === undefined) throw new ScriptFailed(`no descriptor ${fd}`);
    return d;
  }

  #socket(fd: number): TcpSocket {
    const { socket } = this.#get(fd);
    if (socket === null) throw new NotApplicable(`descriptor ${fd} is no socket`);
    return socket;
  }

  #errno(errno: string | null): Result {
    return errno === null ? ok() : failed(errno);
  }

  #accept(fd: number, expected: number): Result | null {
    const d = this.#get(fd);
    const accepted = this.#socket(fd).accept();
    if (accepted === null) {
      const error = this.#socket(fd).state === TcpState.LISTEN ? 'EAGAIN' : 'EINVAL';
      return error === 'EAGAIN' && (d.flags & O_NONBLOCK) === 0 ? null : failed(error);
    }
    this.#fds.set(expected, this.#descriptor(accepted));
    this.subject = accepted;
    return ok(expected);
  }

  #connect(fd: number, to: number): () => Result | null {
    const d = this.#get(fd);
    const socket = this.#socket(fd);
    let called = false;
    return () => {
      if (!called) {
        called = true;
        const again = socket.state !== TcpState.CLOSE;
        if (!again) this.connecting = true;
        this.subject = socket;
        const errno = socket.connect(REMOTE, to);
        if (errno !== null) return failed(errno);
        if ((d.flags & O_NONBLOCK) !== 0) {
          return socket.state === TcpState.SYN_SENT ? failed(again ? 'EALREADY' : 'EINPROGRESS') : ok();
        }
      }
      if (socket.state === TcpState.SYN_SENT || socket.state === TcpState.SYN_RECV) return null;
      const error = socket.takeError();
      if (error !== null) return failed(error);
      return socket.state === TcpState.CLOSE ? failed('ECONNABORTED') : ok();
    };
  }

  /** @param tell called with what is left to read, for TCP_INQ */
  #read(fd: number, length: number, flags: number, tell?: () => string | undefined): () => Result | null {
    const d = this.#get(fd);
    const socket = this.#socket(fd);
    if ((flags & MSG_ERRQUEUE) !== 0) throw new NotApplicable('MSG_ERRQUEUE');
    const block = (d.flags & O_NONBLOCK) === 0 && (flags & MSG_DONTWAIT) === 0;
    const kernel = flags & ~(MSG_DONTWAIT | MSG_WAITALL);
    let got = 0;
    return () => {
      const r = socket.recv(length - got, kernel);
      if (typeof r === 'string') {
        if (r === 'EAGAIN' && block) return null;
        return r === 'EAGAIN' && got > 0 ? ok(got) : failed(r);
      }
      const wrong = r.findIndex((b, i) => b !== pattern(d.taken + i));
      if (wrong >= 0) throw new ScriptFailed(`byte ${d.taken + wrong} of the stream came out wrong`);
      if ((flags & 2) === 0) d.taken += r.length;
      got += r.length;
      if ((flags & MSG_WAITALL) !== 0 && got < length && r.length > 0 && block) return null;
      const mismatch = tell?.();
      return mismatch === undefined ? ok(got) : { value: got, errno: null, mismatch };
    };
  }

  #recvmsg(fd: number, message: Expression, flags: number): () => Result | null {
    const d = this.#get(fd);
    const socket = this.#socket(fd);
    return this.#read(fd, iovLength(field(message, 'msg_iov')!), flags, () => {
      const control = field(message, 'msg_control');
      const [cmsg] = control === null ? [] : itemsOf(control);
      if (cmsg === undefined || cmsg.kind === 'ellipsis') return undefined;
      const type = field(cmsg, 'cmsg_type');
      if (type === null || nameOf(type) !== 'TCP_CM_INQ' || !d.extra.inq) throw new NotApplicable('control messages');
      // tcp_inq_hint: the end of the stream counts as a byte.
      const ended = socket.state === TcpState.CLOSE_WAIT || socket.state === TcpState.LAST_ACK || socket.sk.done;
      const inq = socket.receiveQueue > 0 ? socket.receiveQueue : ended ? 1 : 0;
      const wanted = numberOf(field(cmsg, 'cmsg_data')!);
      return inq === wanted ? undefined : `TCP_CM_INQ ${inq}, expected ${wanted}`;
    });
  }

  #write(fd: number, length: number, flags: number): () => Result | null {
    const d = this.#get(fd);
    const socket = this.#socket(fd);
    if ((flags & MSG_FASTOPEN) !== 0) throw new NotApplicable('TCP Fast Open');
    const block = (d.flags & O_NONBLOCK) === 0 && (flags & MSG_DONTWAIT) === 0;
    const kernel = flags & ~(MSG_DONTWAIT | MSG_NOSIGNAL | MSG_ZEROCOPY);
    const bytes = patternBytes(d.written, length);
    let sent = 0;
    let waiting = false;
    return () => {
      // Who waits for room is woken when a third of the buffer is free (sk_stream_write_space), not by every byte.
      if (waiting && !socket.writable) return null;
      for (;;) {
        const r = socket.send(bytes.subarray(sent), kernel);
        if (typeof r === 'string') {
          waiting = r === 'EAGAIN' && block;
          if (waiting) return null;
          return sent > 0 ? ok(sent) : failed(r);
        }
        sent += r;
        d.written += r;
        if (sent === length) return ok(sent);
      }
    };
  }

  #close(fd: number): Result {
    const d = this.#get(fd);
    d.socket?.close();
    for (const w of d.watchers) for (const e of this.#fds.values()) if (e.watched?.get(fd) === w) e.watched.delete(fd);
    this.#fds.delete(fd);
    return ok();
  }

  #getsockopt(fd: number, name: string, expected: Expression): Result {
    const d = this.#get(fd);
    const value = getOption(d.socket!, d.extra, name);
    const [wanted] = itemsOf(expected);
    if (wanted === undefined || wanted.kind === 'ellipsis') return ok();
    const same = wanted.kind === 'string' ? wanted.value === value : numberOf(wanted) === value;
    return same ? ok() : { ...ok(), mismatch: `${name} is ${value}` };
  }

  #fcntl(fd: number, command: string, value: Expression | undefined): Result {
    const d = this.#get(fd);
    if (command === 'F_GETFL') return ok(d.flags);
    if (command !== 'F_SETFL' || value === undefined) throw new NotApplicable(`fcntl ${command}`);
    d.flags = (numberOf(value) & O_NONBLOCK) | O_RDWR;
    return ok();
  }

  #ioctl(fd: number, command: string, expected: Expression): Result {
    const s = this.#socket(fd);
    // tcp_ioctl: behind the data a received FIN counts for nothing (SIOCINQ), one not yet acknowledged for one (SIOCOUTQ).
    const answers: Readonly<Record<string, number>> = {
      SIOCINQ: s.receiveQueue,
      FIONREAD: s.receiveQueue,
      SIOCOUTQ: s.sendQueue,
      SIOCOUTQNSD: s.unsentQueue,
    };
    const value = answers[command];
    if (value === undefined) throw new NotApplicable(`ioctl ${command}`);
    const wanted = numberOf(expected);
    return wanted === value ? ok() : { ...ok(), mismatch: `${command} is ${value}` };
  }

  /** tcp_poll() */
  #events(fd: number): number {
    const s = this.#socket(fd);
    return (
      (s.readable ? POLL.IN : 0) |
      (s.writable ? POLL.OUT : 0) |
      (s.hungUp ? POLL.HUP : 0) |
      (s.sk.err !== null ? POLL.ERR : 0) |
      ((s.sk.shutdown & 1) !== 0 || s.state === TcpState.CLOSE ? POLL.RDHUP : 0)
    );
  }

  #poll(list: Expression, timeout: number): () => Result | null {
    const began = this.#netns.world.sim.now;
    const entries = itemsOf(list).map((e) => ({
      fd: numberOf(field(e, 'fd')!),
      events: numberOf(field(e, 'events')!),
      revents: numberOf(field(e, 'revents') ?? { kind: 'number', value: 0 }),
    }));
    return () => {
      const seen = entries.map((e) => this.#events(e.fd) & (e.events | POLL.ERR | POLL.HUP));
      const count = seen.filter((r) => r !== 0).length;
      const late = timeout >= 0 && this.#netns.world.sim.now - began >= timeout * 1e6;
      if (count === 0 && !late) return null;
      const wrong = entries.findIndex((e, i) => e.revents !== seen[i]);
      return wrong < 0 ? ok(count) : { ...ok(count), mismatch: `revents of ${entries[wrong]!.fd}: ${seen[wrong]}` };
    };
  }

  #epollCtl(epfd: number, command: string, fd: number, event: Expression | undefined): Result {
    const { watched } = this.#get(epfd);
    if (watched === null) return failed('EINVAL');
    const d = this.#get(fd);
    if (command === 'EPOLL_CTL_DEL') {
      const w = watched.get(fd);
      if (w === undefined) return failed('ENOENT');
      d.watchers.splice(d.watchers.indexOf(w), 1);
      watched.delete(fd);
      return ok();
    }
    if (command === 'EPOLL_CTL_ADD' && watched.has(fd)) return failed('EEXIST');
    const w = watched.get(fd) ?? { fd, events: 0, ready: true };
    if (!watched.has(fd)) d.watchers.push(w);
    w.events = numberOf(field(event!, 'events')!);
    w.ready = true;
    watched.set(fd, w);
    return ok();
  }

  #epollWait(epfd: number, expected: Expression, max: number, timeout: number): () => Result | null {
    const began = this.#netns.world.sim.now;
    const wanted = itemsOf(expected).map((e) => ({
      events: numberOf(field(e, 'events') ?? fieldsOf(e)[0]!.value),
      fd: field(e, 'fd'),
    }));
    return () => {
      const { watched } = this.#get(epfd);
      const found: { fd: number; events: number }[] = [];
      for (const w of watched?.values() ?? []) {
        if (found.length === max) break;
        if (!w.ready && (w.events & EPOLLET) !== 0) continue;
        const events = this.#events(w.fd) & ((w.events & EVENT_BITS) | POLL.ERR | POLL.HUP);
        // Looked at once for an edge: woken again by the next change only.
        w.ready = false;
        if (events === 0) continue;
        found.push({ fd: w.fd, events });
        if ((w.events & EPOLLONESHOT) !== 0) w.events &= EPOLLET;
      }
      const late = timeout >= 0 && this.#netns.world.sim.now - began >= timeout * 1e6;
      if (found.length === 0 && !late) return null;
      for (const [i, f] of found.entries()) {
        const want = wanted[i];
        if (want !== undefined && (want.events !== f.events || (want.fd !== null && numberOf(want.fd) !== f.fd))) {
          return { ...ok(found.length), mismatch: `events ${f.events} of ${f.fd}` };
        }
      }
      return ok(found.length);
    };
  }
}

function port(address: Expression): number {
  if (address.kind === 'ellipsis') return PORT;
  const sin = field(address, 'sin_port');
  return sin === null || sin.kind === 'ellipsis' ? PORT : numberOf(sin);
}

function iovLength(iov: Expression): number {
  return itemsOf(iov).reduce((sum, e) => sum + numberOf(fieldsOf(e).at(-1)!.value), 0);
}

/** True when an errno name means this one: aliases are one number. */
export function sameErrno(a: string, b: string): boolean {
  const alias = (e: string): string => (e === 'EWOULDBLOCK' ? 'EAGAIN' : e);
  return alias(a) === alias(b);
}
