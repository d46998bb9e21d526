// A web server as nginx 1.22.1 with its default site: an event loop, connections kept for 75 s, head and body in one go
// (tcp_nopush). It serves the files of a directory, and a welcome page where there is none.

import { formatIpv4, type Ipv4 } from '../../addr/ipv4.ts';
import { NS_PER_S, NS_PER_US, type Ns } from '../../sim/sim.ts';
import { ERRNO_NUMBER, ERRNO_TEXT, type Errno } from '../../stack/errno.ts';
import type { Files } from '../files.ts';
import type { ProgramHost } from '../program.ts';
import { TcpServer } from '../tcp-server.ts';
import type { TcpStream } from '../tcp-stream.ts';
import { HttpConnection, type HttpReply, type HttpRequest } from './http-connection.ts';
import { httpDate, logDay, logTime, millisecondsOf } from './http-date.ts';
import { concat, field, latin1, persists, writeHead } from './http-message.ts';
import type { HttpError } from './http-parser.ts';
import { mediaType } from './media-type.ts';

/** NGX_LISTEN_BACKLOG on Linux */
const BACKLOG = 511;
/** client_header_buffer_size */
const READ_SIZE = 1_024;
/** keepalive_timeout */
const KEEPALIVE: Ns = 75 * NS_PER_S;
/** A request in an event loop of C. Choice: tens of microseconds, some system calls. */
const HANDLE_COST: Ns = 50 * NS_PER_US;
const SERVER = 'nginx/1.22.1';
/** Length of the page that comes with nginx; ours is as long, so that frames are. */
const WELCOME_LENGTH = 615;
/** When the page was made: the release of 1.22.1. */
const WELCOME_MODIFIED = Date.UTC(2022, 9, 19, 8, 2, 20);

const STATUS: Readonly<Record<number, string>> = {
  200: 'OK',
  301: 'Moved Permanently',
  304: 'Not Modified',
  400: 'Bad Request',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Not Allowed',
  414: 'Request-URI Too Large',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  505: 'HTTP Version Not Supported',
};

export interface NginxOptions {
  readonly address: Ipv4;
  readonly port: number;
  /** absolute */
  readonly root: string;
  readonly files: Files;
  /** the access log goes to standard output */
  readonly logs: boolean;
}

function welcome(): Uint8Array {
  const head = '<!DOCTYPE html>\n<html>\n<head>\n<title>Welcome to nginx!</title>\n</head>\n<body>\n';
  const text =
    '<h1>Welcome to nginx!</h1>\n<p>This is the default page of a web server in a pod that podwire emulates.</p>\n';
  const tail = '</body>\n</html>\n';
  const space = WELCOME_LENGTH - head.length - text.length - tail.length - '<!---->\n'.length;
  return latin1(`${head}${text}<!--${' '.repeat(space)}-->\n${tail}`);
}

export class Nginx extends TcpServer {
  readonly #o: NginxOptions;

  constructor(host: ProgramHost, options: NginxOptions) {
    const { address, port } = options;
    super(host, { address, port, backlog: BACKLOG, reuseAddress: true, spawnCost: 0 });
    this.#o = options;
  }

  protected refused(errno: Errno): void {
    const { address, port } = this.#o;
    const where = `${formatIpv4(address)}:${port}`;
    this.host.err(`nginx: [emerg] bind() to ${where} failed (${ERRNO_NUMBER[errno]}: ${ERRNO_TEXT[errno]})\n`);
    this.exit(1);
  }

  protected serve(stream: TcpStream): void {
    const peer = formatIpv4(stream.socket.remoteAddress);
    stream.socket.noDelay = true;
    new HttpConnection(stream, (delay, fire) => this.after(delay, fire), {
      readSize: READ_SIZE,
      idle: KEEPALIVE,
      readsBodies: true,
      request: (request, reply) => this.#request(peer, request, reply),
      malformed: (error) => this.#malformed(peer, error),
      closed: () => this.hangUp(stream),
    });
  }

  get #now(): number {
    return millisecondsOf(this.host.wallClock());
  }

  #log(peer: string, request: HttpRequest | null, status: number, bytes: number): void {
    if (!this.#o.logs) return;
    const time = `${logDay(this.#now)}:${logTime(this.#now)} +0000`;
    const head = request?.head;
    const line =
      head === undefined ? '' : `${head.method} ${head.target}${head.minor === 9 ? '' : ` HTTP/1.${head.minor}`}`;
    const of = (name: string): string => escapeLog((head === undefined ? null : field(head, name)) ?? '-');
    this.host.out(
      `${peer} - - [${time}] "${escapeLog(line)}" ${status} ${bytes} "${of('Referer')}" "${of('User-Agent')}"\n`,
    );
  }

  #request(peer: string, request: HttpRequest, reply: (reply: HttpReply) => void): void {
    const { head } = request;
    const finish = (status: number, fields: readonly (readonly [string, string])[], body: Uint8Array | null): void =>
      reply(this.#reply(peer, request, { status, fields, body }));
    const error = (status: number): void => finish(status, [], null);
    if (head.minor === 1 && field(head, 'Host') === null) {
      error(400);
      return;
    }
    const target = head.target.split(/[?#]/, 1)[0]!;
    const path = normalize(target);
    if (path === null) {
      error(400);
      return;
    }
    // ngx_http_static_handler: POST is refused where there is a file, others everywhere.
    if (!['GET', 'HEAD', 'POST'].includes(head.method)) {
      error(405);
      return;
    }
    const ok = (type: string, body: Uint8Array, modified: number): void => {
      if (head.method === 'POST') {
        error(405);
        return;
      }
      const tag = `"${Math.floor(modified / 1000).toString(16)}-${body.length.toString(16)}"`;
      const fields: [string, string][] = [
        ['Last-Modified', httpDate(modified)],
        ['ETag', tag],
      ];
      if (field(head, 'If-None-Match') === tag || field(head, 'If-Modified-Since') === httpDate(modified)) {
        finish(304, fields, null);
        return;
      }
      finish(200, [['Content-Type', type], ...fields, ['Accept-Ranges', 'bytes']], body);
    };
    const file = `${this.#o.root}${path}`;
    this.#o.files.look(file.replace(/(.)\/$/, '$1'), (entry) => {
      if (entry.kind === 'file' && !path.endsWith('/')) {
        ok(mediaType(file, 'application/octet-stream'), entry.content, entry.modified);
        return;
      }
      if (entry.kind === 'directory' && !path.endsWith('/')) {
        finish(301, [['Location', `http://${field(head, 'Host') ?? ''}${path}/`]], null);
        return;
      }
      const index = entry.kind === 'directory' ? entry.names.find(({ name }) => name === 'index.html') : undefined;
      if (index !== undefined) {
        this.#o.files.look(`${file}${index.name}`, (found) => {
          if (found.kind === 'file') ok('text/html', found.content, found.modified);
          else error(404);
        });
      } else if (path === '/' || path === '/index.html') ok('text/html', welcome(), WELCOME_MODIFIED);
      else error(entry.kind === 'directory' ? 403 : 404);
    });
  }

  #malformed(peer: string, error: HttpError): HttpReply {
    const status = error.status === 431 ? 400 : error.status;
    return this.#reply(peer, null, { status, fields: [], body: null });
  }

  /** @param answer body null: the page of an error, or none for 304 */
  #reply(
    peer: string,
    request: HttpRequest | null,
    answer: {
      readonly status: number;
      readonly fields: readonly (readonly [string, string])[];
      readonly body: Uint8Array | null;
    },
  ): HttpReply {
    const { status } = answer;
    const reason = STATUS[status] ?? '';
    const page = answer.body === null && status !== 304;
    const body = page ? errorPage(status, reason) : (answer.body ?? new Uint8Array(0));
    const keep = request !== null && status !== 400 && persists(request.head);
    const [first, ...others] = answer.fields;
    const typed = first?.[0] === 'Content-Type';
    const fields: (readonly [string, string])[] = [
      ['Server', SERVER],
      ['Date', httpDate(this.#now)],
    ];
    if (page) fields.push(['Content-Type', 'text/html']);
    else if (typed) fields.push(first);
    if (status !== 304) fields.push(['Content-Length', String(body.length)]);
    const rest = typed ? others : answer.fields;
    const isLead = ([name]: readonly [string, string]): boolean => name === 'Last-Modified' || name === 'Location';
    fields.push(...rest.filter(isLead));
    fields.push(['Connection', keep ? 'keep-alive' : 'close']);
    fields.push(...rest.filter((f) => !isLead(f)));
    const withoutBody = request?.head.method === 'HEAD';
    const head = request?.head.minor === 9 ? new Uint8Array(0) : writeHead(`HTTP/1.1 ${status} ${reason}`, fields);
    this.#log(peer, request, status, withoutBody ? 0 : body.length);
    const bytes = withoutBody ? head : concat(head, body);
    return { sends: [{ bytes, pause: HANDLE_COST }], close: !keep };
  }
}

/** ngx_http_log_escape: nothing of a request reaches the terminal as a control character. */
function escapeLog(text: string): string {
  return text.replace(/[^ !#-[\]-~]/g, (c) => `\\x${c.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`);
}

function errorPage(status: number, reason: string): Uint8Array {
  const title = `${status} ${reason}`;
  return latin1(
    `<html>\r\n<head><title>${title}</title></head>\r\n<body>\r\n<center><h1>${title}</h1></center>\r\n<hr><center>${SERVER}</center>\r\n</body>\r\n</html>\r\n`,
  );
}

/** The path, decoded and without dots; null when it leads out of the root or is none. */
function normalize(target: string): string | null {
  let path: string;
  try {
    path = decodeURIComponent(target);
  } catch {
    return null;
  }
  if (!path.startsWith('/') || path.includes('\0')) return null;
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') parts.push(part);
    else if (parts.pop() === undefined) return null;
  }
  const directory = /\/(\.{1,2})?$/.test(path);
  return `/${parts.join('/')}${directory && parts.length > 0 ? '/' : ''}`;
}
