// curl: transfers one after the other, over one connection where the server keeps it. Each resolves, connects, sends the
// request in one send as curl does (TCP_NODELAY and keep-alive set), and writes what comes.

import { formatIpv4, type Ipv4 } from '../../addr/ipv4.ts';
import { NS_PER_MS, NS_PER_S, NS_PER_US, type Ns, type Timer } from '../../sim/sim.ts';
import { Program, type ProgramHost } from '../program.ts';
import { resolveHost } from '../resolve.ts';
import type { Schedule, TcpStream } from '../tcp-stream.ts';
import { CurlCode, cutFailure, malformedFailure } from './curl-code.ts';
import { CurlConnect, TIMER_SLACK } from './curl-connect.ts';
import { type CurlOptions, type CurlReport, type CurlTarget, newReport } from './curl-options.ts';
import { METER_HEAD, meterLine } from './curl-progress.ts';
import { curlRequest } from './curl-request.ts';
import { writeOut } from './curl-write-out.ts';
import { HttpExchange } from './http-exchange.ts';
import { field, type HttpResponseHead } from './http-message.ts';
import { type HttpUrl, parseUrl, resolveReference, urlText } from './url.ts';

/** BUFFERSIZE of the tool: bytes of one recv. */
const READ_SIZE = 102_400;
/** From the end of a transfer to the close of its connection. Origin: golden case 08a, 95 us. */
const CLEANUP_COST: Ns = 80 * NS_PER_US;
/** --retry without --retry-delay: one second, then twice the last pause, ten minutes at the most */
const RETRY_FIRST: Ns = NS_PER_S;
const RETRY_MAX: Ns = 600 * NS_PER_S;
/** Statuses that --retry tries again. */
const TRANSIENT: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504]);

interface Connection {
  readonly key: string;
  readonly number: number;
  readonly stream: TcpStream;
}

/** What the shell writes when curl has ended. */
export interface CurlFile {
  readonly path: string;
  readonly chunks: Uint8Array[];
}

export class Curl extends Program {
  readonly #o: CurlOptions;
  /** files in the order in which they were begun */
  readonly files: CurlFile[] = [];
  readonly #decoder = new TextDecoder();
  #index = 0;
  #tries = 0;
  #retryPause: Ns = RETRY_FIRST;
  #began: Ns = 0;
  #deadline: Timer | null = null;
  #connection: Connection | null = null;
  #attempt: CurlConnect | null = null;
  #exchange: HttpExchange | null = null;
  #cancelLookup: (() => void) | null = null;
  #connections = 0;
  #report: CurlReport = newReport('', 0);
  #phase: 'resolve' | 'connect' | 'transfer' = 'resolve';
  #status = 0;
  #file: CurlFile | null = null;
  /** the final response of the last request */
  #answer: HttpResponseHead | null = null;
  #expected: number | null = null;
  readonly #known = new Map<string, readonly Ipv4[]>();

  constructor(host: ProgramHost, options: CurlOptions) {
    super(host);
    this.#o = options;
  }

  protected begin(): void {
    for (const [key, addresses] of this.#o.resolve) {
      this.#known.set(key, addresses);
      this.#info(`Added ${key}:${addresses.map(formatIpv4).join(',')} to DNS cache`);
    }
    this.#next();
  }

  protected release(): void {
    this.#cancelLookup?.();
    this.#attempt?.abort();
    this.#connection?.stream.close();
  }

  get #target(): CurlTarget {
    return this.#o.targets[this.#index]!;
  }

  #info(text: string): void {
    if (this.#o.verbose) this.host.err(`* ${text}\n`);
  }

  #next(): void {
    if (this.#index >= this.#o.targets.length) {
      this.after(CLEANUP_COST, () => this.exit(this.#status));
      return;
    }
    this.#tries = 0;
    this.#retryPause = RETRY_FIRST;
    this.#file = null;
    this.#transfer();
  }

  /** Begins the transfer of the current target, or tries it again. */
  #transfer(): void {
    const { url, output } = this.#target;
    this.#began = this.host.sim.now;
    this.#report = newReport(url, this.#index);
    const parsed = parseUrl(url);
    if (parsed === null) {
      this.#end(CurlCode.URL_MALFORMAT, 'URL using bad/illegal format or missing URL');
      return;
    }
    if (output !== null && !this.#o.silent) this.host.err(METER_HEAD + this.#meter(null));
    const { maxTime } = this.#o;
    if (maxTime > 0) this.#deadline = this.after(maxTime + TIMER_SLACK, () => this.#timedOut());
    const method = this.#o.method ?? (this.#o.head ? 'HEAD' : this.#o.data !== null ? 'POST' : 'GET');
    this.#open(parsed, method, this.#o.data);
  }

  #meter(size: number | null): string {
    const { downloaded, uploaded } = this.#report;
    return meterLine({ size, received: downloaded, sent: uploaded, spent: this.#elapsed });
  }

  get #elapsed(): Ns {
    return this.host.sim.now - this.#began;
  }

  get #elapsedMs(): number {
    return Math.floor(this.#elapsed / NS_PER_MS);
  }

  /** A connection for this request, then the request. */
  #open(url: HttpUrl, method: string, data: Uint8Array | null): void {
    this.#report.effectiveUrl = urlText(url);
    this.#report.method = method;
    this.#report.scheme = url.scheme;
    if (url.scheme !== 'http') {
      this.#end(CurlCode.UNSUPPORTED_PROTOCOL, `Protocol "${url.scheme}" not supported or disabled in libcurl`);
      return;
    }
    const key = `${url.host}:${url.port}`;
    const kept = this.#connection;
    if (kept !== null) {
      const { socket } = kept.stream;
      if (kept.key === key && !socket.readable && !socket.hungUp) {
        this.#info(`Re-using existing connection #${kept.number} with host ${url.host}`);
        this.#request(url, method, data);
        return;
      }
      if (kept.key === key) this.#info(`Connection ${kept.number} seems to be dead`);
      this.#closeConnection();
    }
    this.#phase = 'resolve';
    const connect = (addresses: readonly Ipv4[]): void => {
      this.#report.nameTime = this.#elapsed;
      this.#phase = 'connect';
      const schedule: Schedule = (delay, fire) => this.after(delay, fire);
      this.#attempt = new CurlConnect(this.host, schedule, this.#o, (text) => this.#info(text));
      this.#attempt.run(url, addresses, (result, remote) => {
        this.#attempt = null;
        if ('code' in result) this.#end(result.code, result.text);
        else {
          this.#connected(url, result, remote);
          this.#request(url, method, data);
        }
      });
    };
    const known = this.#known.get(key) ?? this.#known.get(`*:${url.port}`);
    if (known !== undefined) {
      this.#info(`Hostname ${url.host} was found in DNS cache`);
      connect(known);
      return;
    }
    this.#cancelLookup = resolveHost(this.host, url.host, 'unspec', (result) => {
      this.#cancelLookup = null;
      if ('error' in result) {
        this.#end(CurlCode.COULDNT_RESOLVE_HOST, `Could not resolve host: ${url.host}`);
        return;
      }
      this.#known.set(key, result.addresses);
      connect(result.addresses);
    });
  }

  #connected(url: HttpUrl, stream: TcpStream, remote: string): void {
    const { socket } = stream;
    const number = this.#connections++;
    this.#connection = { key: `${url.host}:${url.port}`, number, stream };
    const report = this.#report;
    report.connects++;
    report.connectTime = this.#elapsed;
    report.localIp = formatIpv4(socket.localAddress);
    report.localPort = socket.localPort;
    report.remoteIp = remote;
    report.remotePort = url.port;
    this.#info(`Connected to ${url.host} (${remote}) port ${url.port} (#${number})`);
  }

  #request(url: HttpUrl, method: string, data: Uint8Array | null): void {
    this.#phase = 'transfer';
    const { verbose } = this.#o;
    const report = this.#report;
    report.preTime = this.#elapsed;
    const user = this.#o.user ?? url.user;
    if (user !== null) this.#info(`Server auth using Basic with user '${user.split(':', 1)[0]}'`);
    const { head, sends } = curlRequest(this.#o, url, method, data);
    report.requestBytes += head.length;
    report.uploaded = data?.length ?? 0;
    if (verbose) {
      this.host.err(marked(head, '> '));
      if (data !== null && data.length > 0) this.host.err(`} [${data.length} bytes data]\n`);
    }
    const exchange = new HttpExchange(this.#connection!.stream, {
      method,
      sends,
      readSize: READ_SIZE,
      head: (response, body) => {
        this.#expected = body.kind === 'length' ? body.bytes : null;
        this.#head(response, method);
      },
      body: (bytes) => this.#body(bytes),
      arrived: (bytes) => {
        if (verbose && this.#target.output !== null) this.host.err(`{ [${bytes} bytes data]\n`);
      },
      done: (end) => {
        this.#exchange = null;
        switch (end.kind) {
          case 'complete':
            this.#complete(url, end.persists, method, data);
            return;
          case 'cut':
          case 'malformed': {
            const { code, text } =
              end.kind === 'cut' ? cutFailure(exchange, end.errno) : malformedFailure(end.error.reason, end.notHttp);
            this.#end(code, text);
            return;
          }
        }
      },
    });
    this.#exchange = exchange;
    exchange.start();
  }

  /** Answers that -f makes an error are not shown. */
  #hidden(status: number): boolean {
    return this.#o.fail && status >= 400;
  }

  #head(head: HttpResponseHead, method: string): void {
    const report = this.#report;
    report.headerBytes += head.text.length;
    if (report.startTime === 0) report.startTime = this.#elapsed;
    if (this.#o.verbose) {
      if (head.minor === 0) this.#info('HTTP 1.0, assume close after body');
      this.host.err(marked(head.text, '< '));
    }
    if (head.status < 200) return;
    this.#answer = head;
    report.status = head.status;
    report.minor = head.minor;
    report.contentType = field(head, 'Content-Type');
    if ((this.#o.include || method === 'HEAD') && !this.#hidden(head.status)) this.#write(head.text);
  }

  #body(bytes: Uint8Array): void {
    const report = this.#report;
    // A redirect that is followed keeps its body to itself.
    if (this.#hidden(report.status) || this.#redirects(report.status)) return;
    report.downloaded += bytes.length;
    this.#write(bytes);
  }

  #write(what: string | Uint8Array): void {
    const { output } = this.#target;
    if (output === null) {
      this.host.out(typeof what === 'string' ? what : this.#decoder.decode(what, { stream: true }));
      return;
    }
    if (this.#file === null) {
      this.#file = { path: output, chunks: [] };
      this.files.push(this.#file);
    }
    this.#file.chunks.push(typeof what === 'string' ? new TextEncoder().encode(what) : what.slice());
  }

  #redirects(status: number): boolean {
    const head = this.#answer;
    if (!this.#o.location || head === null) return false;
    return status >= 300 && status < 400 && field(head, 'Location') !== null;
  }

  #closeConnection(): void {
    const connection = this.#connection;
    if (connection === null) return;
    this.#info(`Closing connection ${connection.number}`);
    connection.stream.close();
    this.#connection = null;
  }

  #complete(url: HttpUrl, keep: boolean, method: string, data: Uint8Array | null): void {
    const connection = this.#connection!;
    const report = this.#report;
    const location = field(this.#answer!, 'Location');
    const redirect = report.status >= 300 && report.status < 400 && location !== null;
    const goOn = (): void => {
      if (keep) this.#info(`Connection #${connection.number} to host ${url.host} left intact`);
      else this.#closeConnection();
    };
    if (redirect) {
      const next = resolveReference(url, location);
      if (!this.#o.location) {
        report.redirectUrl = next === null ? '' : urlText(next);
      } else {
        goOn();
        report.redirects++;
        report.redirectTime = this.#elapsed;
        if (report.redirects > this.#o.maxRedirs) {
          report.redirects--;
          this.#end(CurlCode.TOO_MANY_REDIRECTS, `Maximum (${this.#o.maxRedirs}) redirects followed`);
          return;
        }
        if (next === null) {
          this.#end(CurlCode.URL_MALFORMAT, 'URL using bad/illegal format or missing URL');
          return;
        }
        this.#info(`Issue another request to this URL: '${urlText(next)}'`);
        const { status } = report;
        const asGet = (status === 303 && method !== 'HEAD') || (status <= 302 && method === 'POST');
        if (asGet && this.#o.method === null) this.#open(next, 'GET', null);
        else this.#open(next, method, data);
        return;
      }
    }
    if (this.#hidden(report.status) || (this.#o.failWithBody && report.status >= 400)) {
      this.#end(CurlCode.HTTP_RETURNED_ERROR, `The requested URL returned error: ${report.status}`);
      return;
    }
    this.#settle(CurlCode.OK, '', goOn);
  }

  #timedOut(): void {
    const ms = this.#elapsedMs;
    this.#cancelLookup?.();
    this.#cancelLookup = null;
    const { bodyLength, bodyReceived } = this.#exchange ?? { bodyLength: null, bodyReceived: 0 };
    this.#exchange?.abort();
    this.#exchange = null;
    if (this.#phase === 'resolve')
      this.#end(CurlCode.OPERATION_TIMEDOUT, `Resolving timed out after ${ms} milliseconds`);
    else if (this.#phase === 'connect') {
      this.#attempt?.abort();
      this.#attempt = null;
      this.#end(CurlCode.OPERATION_TIMEDOUT, `Connection timed out after ${ms} milliseconds`);
    } else {
      const of = bodyLength?.kind === 'length' ? ` out of ${bodyLength.bytes}` : '';
      this.#end(
        CurlCode.OPERATION_TIMEDOUT,
        `Operation timed out after ${ms} milliseconds with ${bodyReceived}${of} bytes received`,
      );
    }
  }

  /** The transfer failed: the connection is of no more use. */
  #end(code: number, error: string): void {
    this.#settle(code, error, () => {
      if (this.#connection !== null) this.#closeConnection();
      else if (this.#phase !== 'transfer' && code !== CurlCode.URL_MALFORMAT) {
        this.#info(`Closing connection ${this.#connections++}`);
      }
    });
  }

  #settle(code: number, error: string, disconnect: () => void): void {
    if (this.#deadline !== null) this.cancel(this.#deadline);
    this.#deadline = null;
    const report = this.#report;
    report.totalTime = this.#elapsed;
    report.exitCode = code;
    report.error = error;
    report.fileName = this.#file?.path ?? '';
    const { silent, showError, retry } = this.#o;
    if (error !== '') this.#info(error);
    if (this.#target.output !== null && !silent && code !== CurlCode.URL_MALFORMAT) {
      this.host.err(`${this.#meter(this.#expected)}\n`);
    }
    disconnect();
    if (this.#tries < retry && this.#transient(code)) {
      this.#retry(code);
      return;
    }
    if (this.#file === null && this.#target.output !== null && code === CurlCode.OK) {
      this.#file = { path: this.#target.output, chunks: [] };
      this.files.push(this.#file);
    }
    if (error !== '' && (!silent || showError)) this.host.err(`curl: (${code}) ${error}\n`);
    const { writeOut: format } = this.#o;
    if (format !== null) writeOut(format, report, { out: (t) => this.host.out(t), err: (t) => this.host.err(t) });
    this.#status = code;
    this.#index++;
    this.#next();
  }

  #transient(code: number): boolean {
    const { retryConnrefused } = this.#o;
    if (code === CurlCode.OK || code === CurlCode.HTTP_RETURNED_ERROR) return TRANSIENT.has(this.#report.status);
    if (code === CurlCode.COULDNT_CONNECT) return retryConnrefused;
    return code === CurlCode.OPERATION_TIMEDOUT || code === CurlCode.COULDNT_RESOLVE_HOST;
  }

  #retry(code: number): void {
    const { retry, retryDelay, silent } = this.#o;
    const left = retry - this.#tries++;
    const pause = retryDelay > 0 ? retryDelay : this.#retryPause;
    this.#retryPause = Math.min(2 * this.#retryPause, RETRY_MAX);
    const why: Readonly<Record<number, string>> = {
      [CurlCode.OK]: 'HTTP error',
      [CurlCode.HTTP_RETURNED_ERROR]: 'HTTP error',
      [CurlCode.COULDNT_CONNECT]: 'connection refused',
    };
    const s = Math.floor(pause / NS_PER_S);
    if (!silent) {
      this.host.err(
        `Warning: Problem : ${why[code] ?? 'timeout'}. Will retry in ${s} seconds. ${left} ${left === 1 ? 'retry' : 'retries'} left.\n`,
      );
    }
    this.after(pause, () => this.#transfer());
  }
}

/** The lines of a head, each behind its mark; they keep their carriage returns. */
function marked(head: string, mark: string): string {
  return head.replace(/[^\n]*\n/g, (line) => mark + line);
}
