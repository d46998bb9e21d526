// A client's request on a connection and the response to it: writes the one while it reads the other, as clients do that
// poll for both.

import type { Errno } from '../../stack/errno.ts';
import type { TcpStream } from '../tcp-stream.ts';
import type { HttpResponseHead } from './http-message.ts';
import { persists } from './http-message.ts';
import { type BodyLength, type HttpError, HttpResponseParser } from './http-parser.ts';

/** How an exchange ended. */
export type ExchangeEnd =
  | { readonly kind: 'complete' /** the connection may be used again */; readonly persists: boolean }
  /** the stream ended or failed before the response did; nothing of it may have come */
  | { readonly kind: 'cut'; readonly errno: Errno | null }
  | { readonly kind: 'malformed'; readonly error: HttpError; readonly notHttp: boolean };

export interface ExchangeOptions {
  readonly method: string;
  /** one send each */
  readonly sends: readonly Uint8Array[];
  /** bytes of one recv */
  readonly readSize: number;
  /** a response, interim ones (1xx) too */
  head(head: HttpResponseHead, body: BodyLength): void;
  body(bytes: Uint8Array): void;
  /** after each recv: how many bytes behind the head it brought, framing included */
  arrived(bytes: number): void;
  done(end: ExchangeEnd): void;
}

export class HttpExchange {
  readonly #stream: TcpStream;
  readonly #o: ExchangeOptions;
  readonly #parser: HttpResponseParser;
  #over = false;
  #persists = false;
  #telling = false;
  #ending: ExchangeEnd | null = null;
  /** bytes received in all */
  received = 0;
  /** the final response's head, once it is there */
  head: HttpResponseHead | null = null;
  /** what is left of a body with a length */
  bodyLength: BodyLength = { kind: 'none' };
  bodyReceived = 0;
  #headBytes = 0;

  constructor(stream: TcpStream, options: ExchangeOptions) {
    this.#stream = stream;
    this.#o = options;
    this.#parser = new HttpResponseParser({
      head: (head, body) => {
        this.#headBytes += head.text.length;
        // 101 and 1xx: RFC 9110 section 15.2; the final response follows.
        if (head.status >= 200) {
          this.head = head;
          this.bodyLength = body;
          this.#persists = persists(head) && body.kind !== 'until-close';
          this.#parser.stop();
        }
        options.head(head, body);
      },
      body: (bytes) => {
        this.bodyReceived += bytes.length;
        options.body(bytes);
      },
      end: () => {
        if (this.head !== null) this.#finish({ kind: 'complete', persists: this.#persists });
      },
    });
    this.#parser.method = options.method;
  }

  start(): void {
    this.#send(0);
    this.#read();
  }

  /** Gives up; nothing is called any more. */
  abort(): void {
    this.#over = true;
  }

  #send(i: number): void {
    const bytes = this.#o.sends[i];
    if (bytes === undefined || this.#over) return;
    this.#stream.write(bytes, 0, (result) => {
      // A failed write is told by the read that follows; what the server has said before counts.
      if (result === null) this.#send(i + 1);
    });
  }

  #read(): void {
    if (this.#over || this.#stream.closed) return;
    this.#stream.read(this.#o.readSize, 0, (result) => {
      if (this.#over) return;
      if (typeof result === 'string') {
        this.#finish({ kind: 'cut', errno: result === 'timeout' ? null : result });
        return;
      }
      if (result.length === 0) {
        if (!this.#parser.end() || this.head === null) this.#finish({ kind: 'cut', errno: null });
        return;
      }
      this.#take(result);
    });
  }

  #take(bytes: Uint8Array): void {
    const before = this.received;
    this.received += bytes.length;
    const notHttp = before === 0 && !startsLikeHttp(bytes);
    this.#telling = true;
    this.#parser.push(bytes);
    const behind = this.head === null ? 0 : this.received - Math.max(this.#headBytes, before);
    if (behind > 0) this.#o.arrived(behind);
    this.#telling = false;
    const { error } = this.#parser;
    if (this.#ending !== null) this.#o.done(this.#ending);
    else if (error !== null) this.#finish({ kind: 'malformed', error, notHttp });
    else if (!this.#over) this.#read();
  }

  #finish(end: ExchangeEnd): void {
    if (this.#over) return;
    this.#over = true;
    // What came with the last bytes is told before the end.
    if (this.#telling) this.#ending = end;
    else this.#o.done(end);
  }
}

function startsLikeHttp(bytes: Uint8Array): boolean {
  return [...'HTTP/'].every((c, i) => i >= bytes.length || bytes[i] === c.charCodeAt(0));
}
