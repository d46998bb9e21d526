// wget: one file over HTTP, as GNU Wget 1.21.3 does it or as busybox does. What they print goes to standard error, but for
// the file itself.

import { formatIpv4, type Ipv4 } from '../../addr/ipv4.ts';
import { NS_PER_S, NS_PER_US, type Ns, type Timer } from '../../sim/sim.ts';
import { ERRNO_TEXT, type Errno } from '../../stack/errno.ts';
import { TcpSocket } from '../../stack/tcp/tcp-socket.ts';
import { Program, type ProgramHost } from '../program.ts';
import { GAI_TEXT, type GaiError, resolveHost } from '../resolve.ts';
import { ownSocket } from '../socket-owner.ts';
import { TcpStream } from '../tcp-stream.ts';
import { HttpExchange } from './http-exchange.ts';
import { field, type HttpResponseHead, join, latin1 } from './http-message.ts';
import { authority, type HttpUrl, parseUrl, resolveReference, urlText } from './url.ts';
import { busyboxText, gnuText, type WgetText } from './wget-text.ts';

/** BUFSIZ of one recv, both. Choice: Wget's dlbufsize is 8 KiB or more, busybox's buffer 4 KiB. */
const READ_SIZE = 8_192;
/** From the end of a transfer to the exit. Choice, as curl's. */
const CLEANUP_COST: Ns = 80 * NS_PER_US;
/** --waitretry: one second more each time, ten at the most */
const RETRY_WAIT_MAX = 10;
/** What a run that cannot go on exits with: network failure, server's error, anything else. */
const Exit = { NETWORK: 4, SERVER: 8, GENERIC: 1 } as const;

export interface WgetOptions {
  readonly style: 'gnu' | 'busybox';
  readonly url: string;
  /** null: named as the remote file; '-': standard output */
  readonly output: string | null;
  readonly quiet: boolean;
  /** -nv */
  readonly terse: boolean;
  /** -S */
  readonly serverResponse: boolean;
  readonly spider: boolean;
  /** -T; 0: none */
  readonly timeout: Ns;
  /** -t; 0: for ever */
  readonly tries: number;
  readonly maxRedirects: number;
  readonly userAgent: string;
  readonly headers: readonly string[];
  /** --post-data, or null */
  readonly post: string | null;
}

export class Wget extends Program {
  readonly #o: WgetOptions;
  readonly #text: WgetText;
  readonly #decoder = new TextDecoder();
  readonly #chunks: Uint8Array[] = [];
  #saved: string | null = null;
  #stream: TcpStream | null = null;
  #exchange: HttpExchange | null = null;
  #silence: Timer | null = null;
  #cancelLookup: (() => void) | null = null;
  #redirects = 0;
  #try = 1;
  #received = 0;
  #bodyBegan: Ns = 0;

  constructor(host: ProgramHost, options: WgetOptions) {
    super(host);
    this.#o = options;
    this.#text = options.style === 'gnu' ? gnuText(host) : busyboxText();
  }

  /** The file to write when wget has ended, or null. */
  get file(): { readonly path: string; readonly content: Uint8Array } | null {
    return this.#saved === null || this.#saved === '-' ? null : { path: this.#saved, content: join(this.#chunks) };
  }

  protected begin(): void {
    const url = parseUrl(this.#o.url);
    if (url === null || url.scheme !== 'http')
      this.#fail(Exit.GENERIC, this.#text.badUrl(this.#o.url, url?.scheme ?? null));
    else this.#fetch(url);
  }

  protected release(): void {
    this.#cancelLookup?.();
    this.#stream?.close();
  }

  /** What -q and -nv silence. */
  #say(text: string): void {
    if (!this.#o.quiet && !this.#o.terse) this.host.err(text);
  }

  #fail(status: number, text: string): void {
    if (!this.#o.quiet || this.#o.style === 'busybox') this.host.err(text);
    this.#hangUp();
    this.after(CLEANUP_COST, () => this.exit(this.#o.style === 'gnu' ? status : 1));
  }

  #hangUp(): void {
    if (this.#silence !== null) this.cancel(this.#silence);
    this.#silence = null;
    this.#exchange?.abort();
    this.#exchange = null;
    this.#stream?.close();
    this.#stream = null;
  }

  #fetch(url: HttpUrl): void {
    this.#say(this.#text.begin(urlText(url), this.#try));
    const found = (addresses: readonly Ipv4[], literal: boolean): void => {
      if (!literal) this.#say(this.#text.resolved(addresses.map(formatIpv4)));
      this.#connect(url, addresses[0]!, literal);
    };
    const literal = /^[\d.]+$/.test(url.host);
    if (!literal) this.#say(this.#text.resolving(url.host));
    const { style } = this.#o;
    const answered: Parameters<typeof resolveHost>[3] = (result) => {
      this.#cancelLookup = null;
      if (!('error' in result)) found(result.addresses, literal);
      else this.#unresolved(url.host, result.error);
    };
    // GNU wget sets AI_ADDRCONFIG (host.c lookup_host).
    this.#cancelLookup = resolveHost(
      this.host,
      url.host,
      style === 'gnu' ? 'unspec' : 'inet',
      answered,
      style === 'gnu',
    );
  }

  #unresolved(name: string, error: GaiError): void {
    this.#say(this.#text.unresolved(GAI_TEXT[error]));
    this.#fail(Exit.NETWORK, this.#text.badHost(name));
  }

  #connect(url: HttpUrl, address: Ipv4, literal: boolean): void {
    const ip = formatIpv4(address);
    this.#say(this.#text.connecting(url, ip, literal));
    const stream = new TcpStream(
      (delay, fire) => this.after(delay, fire),
      ownSocket(this.host, new TcpSocket(this.host.netns)),
    );
    this.#stream = stream;
    stream.connect(address, url.port, this.#o.timeout, (result) => {
      if (result === null) {
        this.#say(this.#text.connected());
        this.#request(url, stream);
        return;
      }
      const why = result === 'timeout' ? 'Connection timed out' : ERRNO_TEXT[result];
      const text = this.#text.refused(why, ip);
      if (this.#o.style === 'gnu' && result !== 'ECONNREFUSED') this.#again(url, text);
      else this.#fail(Exit.NETWORK, text);
    });
  }

  #request(url: HttpUrl, stream: TcpStream): void {
    const { style, post, userAgent, headers, spider } = this.#o;
    const method = post !== null ? 'POST' : spider && style === 'gnu' ? 'HEAD' : 'GET';
    const gnu = style === 'gnu';
    const lines = [`${method} ${url.target} HTTP/1.1`, `Host: ${authority(url)}`, `User-Agent: ${userAgent}`];
    if (gnu) lines.push('Accept: */*', 'Accept-Encoding: identity', 'Connection: Keep-Alive');
    else lines.push('Connection: close');
    if (url.user !== null) lines.push(`Authorization: Basic ${btoa(url.user)}`);
    if (post !== null) {
      lines.push('Content-Type: application/x-www-form-urlencoded', `Content-Length: ${post.length}`);
    }
    lines.push(...headers);
    this.#say(this.#text.requested());
    const exchange = new HttpExchange(stream, {
      method,
      sends: [latin1(`${lines.join('\r\n')}\r\n\r\n${post ?? ''}`)],
      readSize: READ_SIZE,
      head: (head, body) => this.#head(head, body.kind === 'length' ? body.bytes : null),
      body: (bytes) => this.#body(bytes),
      arrived: () => {},
      done: (end) => {
        if (end.kind === 'complete') this.#complete(url, exchange);
        else if (end.kind === 'malformed') this.#fail(Exit.GENERIC, this.#text.malformed());
        else this.#cut(url, exchange, end.errno);
      },
    });
    this.#exchange = exchange;
    this.#received = 0;
    this.#touch(url);
    exchange.start();
  }

  /** -T: nothing came for so long. */
  #touch(url: HttpUrl): void {
    const { timeout } = this.#o;
    if (timeout === 0) return;
    if (this.#silence !== null) this.cancel(this.#silence);
    this.#silence = this.after(timeout, () => this.#again(url, this.#text.silent()));
  }

  #head(head: HttpResponseHead, length: number | null): void {
    const { quiet, terse, serverResponse, spider } = this.#o;
    if (head.status < 200) return;
    this.#say(this.#text.status(head, serverResponse));
    if (serverResponse) {
      if (quiet || terse) this.host.err(this.#text.fields(head));
      else if (this.#o.style === 'gnu') this.host.err(this.#text.fields(head));
    }
    if (head.status >= 300) return;
    this.#bodyBegan = this.host.sim.now;
    if (this.#o.style === 'gnu') this.#say(this.#text.length(length, field(head, 'Content-Type')));
    if (!spider) {
      this.#saved = this.#o.output ?? this.#name();
      this.#say(this.#text.saving(this.#saved));
    }
  }

  #name(): string {
    const path = parseUrl(this.#o.url)!.target.split('?', 1)[0]!;
    return path.slice(path.lastIndexOf('/') + 1) || 'index.html';
  }

  #body(bytes: Uint8Array): void {
    const status = this.#exchange?.head?.status ?? 0;
    if (status >= 300 || this.#o.spider) return;
    this.#received += bytes.length;
    if (this.#saved === '-') this.host.out(this.#decoder.decode(bytes, { stream: true }));
    else this.#chunks.push(bytes.slice());
  }

  #complete(url: HttpUrl, exchange: HttpExchange): void {
    const head = exchange.head!;
    const { style, terse, quiet, spider, maxRedirects } = this.#o;
    const location = field(head, 'Location');
    if (head.status >= 300 && head.status < 400 && location !== null) {
      const next = resolveReference(url, location);
      this.#say(this.#text.redirect(location));
      this.#hangUp();
      if (this.#redirects++ >= maxRedirects) this.#fail(Exit.SERVER, this.#text.tooMany(maxRedirects));
      else if (next === null) this.#fail(Exit.GENERIC, this.#text.badUrl(location, null));
      else this.#fetch(next);
      return;
    }
    if (head.status >= 300) {
      if (terse && style === 'gnu') this.host.err(`${urlText(url)}:\n`);
      this.#fail(Exit.SERVER, this.#text.error(head));
      return;
    }
    const { bodyLength } = exchange;
    const result = {
      name: this.#saved ?? '',
      url: urlText(url),
      received: this.#received,
      length: bodyLength.kind === 'length' ? bodyLength.bytes : null,
      time: this.host.sim.now - this.#bodyBegan,
    };
    if (spider) this.#say(this.#text.spider());
    else this.#say(this.#text.saved(result));
    if (terse && !quiet && style === 'gnu') this.host.err(this.#text.terse(result));
    this.#hangUp();
    this.after(CLEANUP_COST, () => this.exit(0));
  }

  #cut(url: HttpUrl, exchange: HttpExchange, errno: Errno | null): void {
    if (exchange.head === null) {
      this.#again(url, this.#text.empty(errno === null ? null : ERRNO_TEXT[errno]));
      return;
    }
    this.#again(url, this.#text.cut(this.#received));
  }

  #again(url: HttpUrl, text: string): void {
    const { tries, style } = this.#o;
    const over = style === 'busybox' || (tries > 0 && this.#try >= tries);
    if (over) {
      this.#fail(Exit.NETWORK, `${text}${style === 'gnu' ? 'Giving up.\n\n' : ''}`);
      return;
    }
    this.#say(`${text}Retrying.\n\n`);
    this.#hangUp();
    const wait = Math.min(this.#try, RETRY_WAIT_MAX) * NS_PER_S;
    this.#try++;
    this.#chunks.length = 0;
    this.after(wait, () => this.#fetch(url));
  }
}
