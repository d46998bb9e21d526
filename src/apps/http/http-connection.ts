// The server's side of an HTTP connection: reads requests one after the other, hands each with its body to a handler, and
// writes what the handler answers in the pieces that it gives, each with a send of its own.

import type { Ns } from '../../sim/sim.ts';
import type { Errno } from '../../stack/errno.ts';
import { GrowingBytes } from '../growing-bytes.ts';
import type { Schedule, TcpStream } from '../tcp-stream.ts';
import type { HttpRequestHead } from './http-message.ts';
import { type HttpError, HttpRequestParser } from './http-parser.ts';

export interface HttpRequest {
  readonly head: HttpRequestHead;
  /** at most BODY_MAX bytes of the body */
  readonly body: Uint8Array;
}

export interface HttpSend {
  readonly bytes: Uint8Array;
  /** what the program does before it sends */
  readonly pause: Ns;
}

export interface HttpReply {
  readonly sends: readonly HttpSend[];
  /** the connection ends behind it */
  readonly close: boolean;
}

export interface HttpService {
  /** bytes of one recv */
  readonly readSize: number;
  /** Ends a connection on which nothing comes; 0: never. */
  readonly idle: Ns;
  /** False: what follows the head of a request is left unread (Python's server reads no bodies). */
  readonly readsBodies: boolean;
  request(request: HttpRequest, reply: (reply: HttpReply) => void): void;
  /** The answer to what is no request; null: none. */
  malformed(error: HttpError): HttpReply | null;
  /** It is over: hang up. */
  closed(errno: Errno | null): void;
}

/** Bytes of a request's body that are kept. Choice: bodies here are forms and small JSON. */
const BODY_MAX = 1024 * 1024;
/** Requests that wait for those before them (pipelining). Choice. */
const PIPELINE_MAX = 64;

export class HttpConnection {
  readonly #stream: TcpStream;
  readonly #after: Schedule;
  readonly #service: HttpService;
  readonly #parser: HttpRequestParser;
  readonly #queue: HttpRequest[] = [];
  #head: HttpRequestHead | null = null;
  readonly #body = new GrowingBytes();
  #answering = false;
  #peerDone = false;
  #over = false;

  constructor(stream: TcpStream, after: Schedule, service: HttpService) {
    this.#stream = stream;
    this.#after = after;
    this.#service = service;
    this.#parser = new HttpRequestParser({
      head: (head) => {
        this.#head = head;
        if (!service.readsBodies) this.#complete();
      },
      body: (bytes) => {
        const room = BODY_MAX - this.#body.length;
        if (room > 0 && service.readsBodies) this.#body.push(bytes.subarray(0, room));
      },
      end: () => {
        if (service.readsBodies) this.#complete();
      },
    });
    this.#read();
  }

  #complete(): void {
    if (this.#head === null) return;
    this.#queue.push({ head: this.#head, body: this.#body.take() });
    this.#head = null;
    if (!this.#service.readsBodies || this.#queue.length >= PIPELINE_MAX) this.#parser.stop();
  }

  #read(): void {
    const { readSize, idle } = this.#service;
    this.#stream.read(readSize, idle, (result) => {
      if (typeof result === 'string') {
        this.#finish(result === 'timeout' ? null : result);
        return;
      }
      if (result.length === 0) {
        this.#peerDone = true;
        if (!this.#answering) this.#finish(null);
        return;
      }
      this.#parser.push(result);
      this.#next();
    });
  }

  #next(): void {
    if (this.#over || this.#answering) return;
    const request = this.#queue.shift();
    if (request !== undefined) {
      this.#answering = true;
      this.#service.request(request, (reply) => {
        if (!this.#over) this.#send(reply, 0);
      });
      return;
    }
    const { error } = this.#parser;
    const reply = error === null ? null : this.#service.malformed(error);
    if (reply !== null) {
      this.#answering = true;
      this.#send(reply, 0);
    } else if (error !== null || this.#peerDone) this.#finish(null);
    else this.#read();
  }

  #send(reply: HttpReply, i: number): void {
    const send = reply.sends[i];
    if (send === undefined) {
      this.#answering = false;
      if (reply.close) this.#finish(null);
      else this.#next();
      return;
    }
    const write = (): void => {
      if (this.#over || this.#stream.closed) return;
      this.#stream.write(send.bytes, 0, (result) => {
        if (result === null) this.#send(reply, i + 1);
        else this.#finish(result === 'timeout' ? null : result);
      });
    };
    if (send.pause === 0) write();
    else this.#after(send.pause, write);
  }

  #finish(errno: Errno | null): void {
    if (this.#over) return;
    this.#over = true;
    this.#service.closed(errno);
  }
}
