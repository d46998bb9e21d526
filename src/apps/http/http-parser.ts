// Reads HTTP/1.x messages from a stream, however it is cut (RFC 9112). The parser calls back for each head, each run of body
// bytes and each end, and goes on with the next message of the connection. Bad input never throws: the parser stops with a
// reason, and the statement that a server would answer with.

import { assert } from '../../base/assert.ts';
import { fromLatin1, type HttpField, type HttpRequestHead, type HttpResponseHead, tokens } from './http-message.ts';

export interface HttpLimits {
  /** bytes of one line: request line, status line, field line, chunk size line */
  readonly line: number;
  /** fields of a head or trailer */
  readonly fields: number;
  /** bytes of a head in all */
  readonly head: number;
}

/** _MAXLINE and _MAXHEADERS of Python's http.client; the head is what curl takes (MAX_HTTP_RESP_HEADER_SIZE, 300 KiB). */
export const HTTP_LIMITS: HttpLimits = { line: 65_536, fields: 100, head: 300 * 1024 };

export interface HttpError {
  /** what a server answers with */
  readonly status: 400 | 414 | 431 | 501 | 505;
  readonly reason: string;
}

/** How the body of a message ends (RFC 9112 section 6.3). */
export type BodyLength =
  | { readonly kind: 'none' }
  | { readonly kind: 'length'; readonly bytes: number }
  | { readonly kind: 'chunked' }
  | { readonly kind: 'until-close' };

export interface HttpHandler<Head> {
  head(head: Head, body: BodyLength): void;
  /** bytes of the body; valid during the call only */
  body(bytes: Uint8Array): void;
  end(): void;
}

const LF = 10;
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** field-value: no control characters but tab (RFC 9110 section 5.5) */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const BAD_VALUE = /[\0-\x08\x0a-\x1f\x7f]/;
/** Content-Length up to what a number holds exactly. */
const LENGTH = /^\d{1,15}$/;
const CHUNK_SIZE = /^([0-9A-Fa-f]{1,13})[ \t]*(?:;.*)?$/;

type State = 'start' | 'fields' | 'body' | 'chunk-size' | 'chunk' | 'chunk-end' | 'trailer' | 'until-close' | 'dead';

abstract class HttpParser<Head> {
  readonly #limits: HttpLimits;
  readonly #handler: HttpHandler<Head>;
  #state: State = 'start';
  #error: HttpError | null = null;
  /** a line that has not ended */
  #line: Uint8Array<ArrayBuffer> = new Uint8Array(256);
  #lineLength = 0;
  #left = 0;
  #headBytes = 0;
  #folds = 0;
  #stopped = false;
  protected fields: HttpField[] = [];
  protected text = '';

  constructor(handler: HttpHandler<Head>, limits: HttpLimits) {
    this.#handler = handler;
    this.#limits = limits;
  }

  get error(): HttpError | null {
    return this.#error;
  }

  /** True between two messages: nothing of the next one has come. */
  get idle(): boolean {
    return this.#state === 'start' && this.#lineLength === 0 && this.text === '';
  }

  /** Stops after the message in progress: what follows on the connection is another protocol's, or nobody's. */
  stop(): void {
    this.#stopped = true;
  }

  /** Takes what came. @returns bytes taken: fewer than given after an error or stop() */
  push(bytes: Uint8Array): number {
    let at = 0;
    while (at < bytes.length && this.#state !== 'dead') {
      switch (this.#state) {
        case 'body':
        case 'chunk':
          at += this.#bodyBytes(bytes.subarray(at, at + this.#left));
          break;
        case 'until-close':
          this.#handler.body(at === 0 ? bytes : bytes.subarray(at));
          return bytes.length;
        default:
          at += this.#lineBytes(bytes, at);
      }
    }
    return at;
  }

  /** The stream has ended. @returns true when that is where a message may end */
  end(): boolean {
    if (this.#state === 'until-close') {
      this.#finish();
      return true;
    }
    return this.idle || (this.#state === 'dead' && this.#error === null);
  }

  /** The start line, checked; an error or null. */
  protected abstract checkStart(line: string): HttpError | null;
  /** The head of what the start line and fields say, and the body that follows it. */
  protected abstract makeHead(): { readonly head: Head; readonly body: BodyLength } | HttpError;

  /** True when a start line stands for a whole message (HTTP/0.9). */
  protected wholeAfterStart(): boolean {
    return false;
  }

  #fail(status: HttpError['status'], reason: string): void {
    this.#error = { status, reason };
    this.#state = 'dead';
  }

  #bodyBytes(bytes: Uint8Array): number {
    this.#left -= bytes.length;
    this.#handler.body(bytes);
    if (this.#left === 0) {
      if (this.#state === 'chunk') this.#state = 'chunk-end';
      else this.#finish();
    }
    return bytes.length;
  }

  #lineBytes(bytes: Uint8Array, at: number): number {
    const found = bytes.indexOf(LF, at);
    const stop = found < 0 ? bytes.length : found;
    const length = stop - at;
    if (this.#lineLength + length > this.#limits.line) {
      this.#fail(this.#state === 'start' ? 414 : 431, 'line too long');
      return 0;
    }
    if (this.#lineLength + length > this.#line.length) {
      const grown = new Uint8Array(Math.max(2 * this.#line.length, this.#lineLength + length));
      grown.set(this.#line.subarray(0, this.#lineLength));
      this.#line = grown;
    }
    this.#line.set(bytes.subarray(at, stop), this.#lineLength);
    this.#lineLength += length;
    if (found < 0) return length;
    const raw = fromLatin1(this.#line.subarray(0, this.#lineLength));
    this.#lineLength = 0;
    this.#takeLine(raw.endsWith('\r') ? raw.slice(0, -1) : raw, `${raw}\n`);
    return length + 1;
  }

  #takeLine(line: string, raw: string): void {
    switch (this.#state) {
      case 'start':
        this.#takeStart(line, raw);
        return;
      case 'fields':
      case 'trailer':
        this.#takeField(line, raw);
        return;
      case 'chunk-size': {
        const match = CHUNK_SIZE.exec(line);
        if (match === null) {
          this.#fail(400, `bad chunk size`);
          return;
        }
        this.#left = Number.parseInt(match[1]!, 16);
        this.#state = this.#left === 0 ? 'trailer' : 'chunk';
        this.fields = [];
        this.#headBytes = 0;
        return;
      }
      case 'chunk-end':
        if (line !== '') this.#fail(400, 'chunk longer than its size');
        else this.#state = 'chunk-size';
        return;
      default:
        assert(false, `no line in state ${this.#state}`);
    }
  }

  #takeStart(line: string, raw: string): void {
    // RFC 9112 section 2.2: empty lines before a request line are passed over; a limit keeps a stream of them finite.
    if (line === '') {
      this.#headBytes += raw.length;
      if (this.#headBytes > this.#limits.head) this.#fail(400, 'nothing but empty lines');
      return;
    }
    this.#headBytes = raw.length;
    this.#folds = 0;
    this.text = raw;
    this.fields = [];
    const error = this.checkStart(line);
    if (error !== null) this.#fail(error.status, error.reason);
    else if (this.wholeAfterStart()) this.#takeHead();
    else this.#state = 'fields';
  }

  #takeField(line: string, raw: string): void {
    this.#headBytes += raw.length;
    if (this.#headBytes > this.#limits.head) {
      this.#fail(431, 'head too long');
      return;
    }
    const trailer = this.#state === 'trailer';
    if (!trailer) this.text += raw;
    if (line === '') {
      if (trailer) this.#finish();
      else this.#takeHead();
      return;
    }
    if (this.fields.length >= this.#limits.fields) {
      this.#fail(431, 'too many fields');
      return;
    }
    // RFC 9112 section 5.2: obsolete line folding becomes a space.
    const last = this.fields.at(-1);
    if ((line[0] === ' ' || line[0] === '\t') && last !== undefined) {
      const more = line.trim();
      if (++this.#folds > this.#limits.fields) this.#fail(431, 'too many folded lines');
      else if (BAD_VALUE.test(more)) this.#fail(400, 'bad field line');
      else this.fields[this.fields.length - 1] = { name: last.name, value: `${last.value} ${more}`.trim() };
      return;
    }
    const colon = line.indexOf(':');
    const name = line.slice(0, colon);
    const value = line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, '');
    if (colon < 1 || !TOKEN.test(name) || BAD_VALUE.test(value)) this.#fail(400, 'bad field line');
    else this.fields.push({ name, value });
  }

  #takeHead(): void {
    const made = this.makeHead();
    if ('reason' in made) {
      this.#fail(made.status, made.reason);
      return;
    }
    const { head, body } = made;
    switch (body.kind) {
      case 'none':
        this.#handler.head(head, body);
        this.#finish();
        return;
      case 'length':
        this.#left = body.bytes;
        this.#state = 'body';
        this.#handler.head(head, body);
        if (body.bytes === 0) this.#finish();
        return;
      case 'chunked':
        this.#state = 'chunk-size';
        break;
      case 'until-close':
        this.#state = 'until-close';
        break;
    }
    this.#handler.head(head, body);
  }

  #finish(): void {
    this.#state = this.#stopped ? 'dead' : 'start';
    this.#headBytes = 0;
    this.text = '';
    this.#handler.end();
    if (this.#stopped) this.#state = 'dead';
  }
}

/** Content-Length of the fields: null without one, 'bad' when they make no sense (RFC 9112 section 6.3 rule 5). */
function contentLength(fields: readonly HttpField[]): number | null | 'bad' {
  let length: number | null = null;
  for (const text of tokens({ fields }, 'Content-Length')) {
    if (!LENGTH.test(text)) return 'bad';
    if (length !== null && length !== Number(text)) return 'bad';
    length = Number(text);
  }
  return length;
}

const VERSION = /^HTTP\/1\.([0-9])$/;

export class HttpRequestParser extends HttpParser<HttpRequestHead> {
  #method = '';
  #target = '';
  #minor = 1;

  constructor(handler: HttpHandler<HttpRequestHead>, limits: HttpLimits = HTTP_LIMITS) {
    super(handler, limits);
  }

  protected checkStart(line: string): HttpError | null {
    const words = line.split(/[ \t]+/).filter((word) => word !== '');
    const [method = '', target = '', version] = words;
    if (words.length > 3 || target === '' || !TOKEN.test(method)) return { status: 400, reason: 'bad request line' };
    this.#method = method;
    this.#target = target;
    if (version === undefined) {
      if (method !== 'GET') return { status: 400, reason: 'bad HTTP/0.9 request' };
      this.#minor = 9;
      return null;
    }
    const match = VERSION.exec(version);
    if (match === null) {
      const other = /^HTTP\/\d+\.\d+$/.test(version);
      return other ? { status: 505, reason: 'version not supported' } : { status: 400, reason: 'bad version' };
    }
    this.#minor = Number(match[1]);
    return null;
  }

  protected override wholeAfterStart(): boolean {
    return this.#minor === 9;
  }

  protected makeHead(): { readonly head: HttpRequestHead; readonly body: BodyLength } | HttpError {
    const head: HttpRequestHead = {
      method: this.#method,
      target: this.#target,
      minor: this.#minor,
      fields: this.fields,
    };
    const codings = tokens(head, 'Transfer-Encoding');
    const length = contentLength(this.fields);
    if (length === 'bad') return { status: 400, reason: 'bad Content-Length' };
    if (codings.length === 0) {
      const body: BodyLength = length === null ? { kind: 'none' } : { kind: 'length', bytes: length };
      return { head, body };
    }
    // RFC 9112 section 6.1: both together are how requests are smuggled.
    if (length !== null) return { status: 400, reason: 'Content-Length with Transfer-Encoding' };
    // RFC 9112 section 6.1: a coding that is not understood.
    if (codings.length > 1 || codings[0] !== 'chunked') return { status: 501, reason: 'unknown transfer coding' };
    return { head, body: { kind: 'chunked' } };
  }
}

export class HttpResponseParser extends HttpParser<HttpResponseHead> {
  #status = 0;
  #reason = '';
  #minor = 1;
  /** Method of the request that the next response answers. */
  method = 'GET';

  constructor(handler: HttpHandler<HttpResponseHead>, limits: HttpLimits = HTTP_LIMITS) {
    super(handler, limits);
  }

  protected checkStart(line: string): HttpError | null {
    const match = /^HTTP\/1\.(\d) (\d{3})(?: (.*))?$/.exec(line);
    if (match === null) return { status: 400, reason: 'bad status line' };
    this.#minor = Number(match[1]);
    this.#status = Number(match[2]);
    this.#reason = match[3] ?? '';
    return null;
  }

  protected makeHead(): { readonly head: HttpResponseHead; readonly body: BodyLength } | HttpError {
    const { fields, text } = this;
    const head: HttpResponseHead = { minor: this.#minor, status: this.#status, reason: this.#reason, fields, text };
    const { status } = head;
    if (this.method === 'HEAD' || status < 200 || status === 204 || status === 304) {
      return { head, body: { kind: 'none' } };
    }
    const codings = tokens(head, 'Transfer-Encoding');
    if (codings.length > 0) {
      return { head, body: codings.at(-1) === 'chunked' ? { kind: 'chunked' } : { kind: 'until-close' } };
    }
    const length = contentLength(fields);
    if (length === 'bad') return { status: 400, reason: 'bad Content-Length' };
    return { head, body: length === null ? { kind: 'until-close' } : { kind: 'length', bytes: length } };
  }
}
