// The two ends that socat joins: something to read from and to write to, each by calls that return through a callback.

import type { Ipv4 } from '../addr/ipv4.ts';
import { ERRNO_TEXT } from '../stack/errno.ts';
import { type Datagram, UdpSocket } from '../stack/udp-socket.ts';
import type { Files } from './files.ts';
import { type ProgramHost, WAKE_LATENCY } from './program.ts';
import { CALL_COST, type Schedule, type TcpStream } from './tcp-stream.ts';

/** What a read gives: bytes, null at the end, or an error as strerror() says it. */
export type ChannelRead = Uint8Array | null | string;

export interface Channel {
  read(max: number, done: (result: ChannelRead) => void): void;
  /** `done` with an error, or null */
  write(bytes: Uint8Array, done: (error: string | null) => void): void;
  /** No more will be written. */
  finish(): void;
  close(): void;
}

export class TcpChannel implements Channel {
  readonly #stream: TcpStream;

  constructor(stream: TcpStream) {
    this.#stream = stream;
  }

  read(max: number, done: (result: ChannelRead) => void): void {
    this.#stream.read(max, 0, (result) => {
      if (typeof result === 'string') done(result === 'timeout' ? null : ERRNO_TEXT[result]);
      else done(result.length === 0 ? null : result);
    });
  }

  write(bytes: Uint8Array, done: (error: string | null) => void): void {
    this.#stream.write(bytes, 0, (result) => done(result === null || result === 'timeout' ? null : ERRNO_TEXT[result]));
  }

  finish(): void {
    if (!this.#stream.closed) this.#stream.socket.shutdown('wr');
  }

  close(): void {
    this.#stream.close();
  }
}

/** Standard input, all of which is there, and standard output. */
export class StdioChannel implements Channel {
  readonly #host: ProgramHost;
  readonly #after: Schedule;
  #input: Uint8Array;
  readonly #decoder = new TextDecoder();

  constructor(host: ProgramHost, after: Schedule, input: Uint8Array) {
    this.#host = host;
    this.#after = after;
    this.#input = input;
  }

  read(max: number, done: (result: ChannelRead) => void): void {
    const bytes = this.#input.subarray(0, max);
    this.#input = this.#input.subarray(max);
    this.#after(CALL_COST, () => done(bytes.length === 0 ? null : bytes));
  }

  write(bytes: Uint8Array, done: (error: string | null) => void): void {
    this.#host.out(this.#decoder.decode(bytes, { stream: true }));
    this.#after(CALL_COST, () => done(null));
  }

  finish(): void {}
  close(): void {}
}

/** What is written can be read: PIPE, and EXEC:cat. */
export class EchoChannel implements Channel {
  readonly #after: Schedule;
  readonly #queue: Uint8Array[] = [];
  #reader: ((result: ChannelRead) => void) | null = null;
  #finished = false;

  constructor(after: Schedule) {
    this.#after = after;
  }

  read(_max: number, done: (result: ChannelRead) => void): void {
    this.#reader = done;
    this.#serve();
  }

  write(bytes: Uint8Array, done: (error: string | null) => void): void {
    this.#queue.push(bytes.slice());
    this.#serve();
    this.#after(CALL_COST, () => done(null));
  }

  finish(): void {
    this.#finished = true;
    this.#serve();
  }

  close(): void {
    this.#reader = null;
  }

  #serve(): void {
    const done = this.#reader;
    if (done === null) return;
    const bytes = this.#queue.shift();
    if (bytes === undefined && !this.#finished) return;
    this.#reader = null;
    this.#after(WAKE_LATENCY, () => done(bytes ?? null));
  }
}

export class FileChannel implements Channel {
  readonly #files: Files;
  readonly #path: string;
  #content: Uint8Array | null = null;

  constructor(files: Files, path: string) {
    this.#files = files;
    this.#path = path;
  }

  read(max: number, done: (result: ChannelRead) => void): void {
    const give = (): void => {
      const bytes = this.#content!.subarray(0, max);
      this.#content = this.#content!.subarray(max);
      done(bytes.length === 0 ? null : bytes);
    };
    if (this.#content !== null) {
      give();
      return;
    }
    this.#files.look(this.#path, (entry) => {
      if (entry.kind !== 'file') {
        done(entry.kind === 'directory' ? 'Is a directory' : 'No such file or directory');
        return;
      }
      this.#content = entry.content;
      give();
    });
  }

  write(bytes: Uint8Array, done: (error: string | null) => void): void {
    this.#files.append(this.#path, bytes.slice(), done);
  }

  finish(): void {}
  close(): void {}
}

/** Datagrams to and from one peer. */
export class UdpChannel implements Channel {
  readonly #socket: UdpSocket;
  readonly #after: Schedule;
  #first: Datagram | null;
  #reader: ((result: ChannelRead) => void) | null = null;

  /** @param first a datagram that has been taken from the socket already */
  constructor(after: Schedule, socket: UdpSocket, first: Datagram | null) {
    this.#socket = socket;
    this.#after = after;
    this.#first = first;
    socket.onReady = () => this.#ready();
  }

  read(_max: number, done: (result: ChannelRead) => void): void {
    this.#reader = done;
    this.#ready();
  }

  write(bytes: Uint8Array, done: (error: string | null) => void): void {
    const errno = this.#socket.send(bytes);
    this.#after(CALL_COST, () => done(errno === null ? null : ERRNO_TEXT[errno]));
  }

  finish(): void {}

  close(): void {
    this.#socket.close();
  }

  #ready(): void {
    const done = this.#reader;
    if (done === null) return;
    const datagram = this.#first ?? this.#socket.recv();
    this.#first = null;
    const errno = datagram === null ? this.#socket.takeError() : null;
    if (datagram === null && errno === null) return;
    this.#reader = null;
    this.#after(WAKE_LATENCY, () => done(datagram === null ? ERRNO_TEXT[errno!] : datagram.payload));
  }
}

/** A UDP socket bound to a port. */
export function udpSocket(host: ProgramHost, address: Ipv4, port: number): UdpSocket | string {
  const socket = new UdpSocket(host.netns);
  const errno = address === 0 && port === 0 ? null : socket.bind(address, port);
  if (errno === null) return socket;
  socket.close();
  return ERRNO_TEXT[errno];
}
