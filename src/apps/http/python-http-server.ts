// python3 -m http.server: the files of a directory over HTTP/1.0, a thread for each connection. The head goes out in one
// send, the body in sends of 64 KiB (shutil.copyfileobj), and the connection ends behind it.

import { formatIpv4, type Ipv4 } from '../../addr/ipv4.ts';
import { NS_PER_US, type Ns } from '../../sim/sim.ts';
import type { Errno } from '../../stack/errno.ts';
import type { Files } from '../files.ts';
import type { ProgramHost } from '../program.ts';
import { osErrorTraceback } from '../python-text.ts';
import { SPAWN_COST, TcpServer } from '../tcp-server.ts';
import type { TcpStream } from '../tcp-stream.ts';
import { HttpConnection, type HttpReply, type HttpRequest, type HttpSend } from './http-connection.ts';
import { httpDate, logDay, logTime, millisecondsOf } from './http-date.ts';
import { field, latin1, writeHead } from './http-message.ts';
import type { HttpError } from './http-parser.ts';
import { mediaType } from './media-type.ts';

/** request_queue_size of socketserver.TCPServer */
const BACKLOG = 5;
/** io.DEFAULT_BUFFER_SIZE: rfile is buffered */
const READ_SIZE = 8_192;
/** shutil.COPY_BUFSIZE */
const COPY_SIZE = 65_536;
/**
 * What the interpreter takes from the request to the head, and from there to the body. Origin: golden cases 08a and 08b,
 * where 0.6 to 1.2 ms and 0.5 to 0.6 ms lie there.
 */
const HANDLE_COST: Ns = 600 * NS_PER_US;
/** From one piece of the body to the next. Origin: the same, 0.8 ms at the least. */
const COPY_COST: Ns = 1_000 * NS_PER_US;
/** shutdown() after the last send. Origin: the same, 60 us at the least and some milliseconds at the most. */
const FINISH_COST: Ns = 1_000 * NS_PER_US;
const SERVER = 'SimpleHTTP/0.6 Python/3.11.2';

export interface PythonHttpServerOptions {
  readonly address: Ipv4;
  readonly port: number;
  /** absolute */
  readonly directory: string;
  readonly files: Files;
}

export class PythonHttpServer extends TcpServer {
  readonly #o: PythonHttpServerOptions;

  constructor(host: ProgramHost, options: PythonHttpServerOptions) {
    const { address, port } = options;
    super(host, { address, port, backlog: BACKLOG, reuseAddress: true, spawnCost: SPAWN_COST });
    this.#o = options;
  }

  protected refused(errno: Errno): void {
    this.host.err(osErrorTraceback(errno));
    this.exit(1);
  }

  protected override listening(): void {
    const address = formatIpv4(this.#o.address);
    this.host.out(`Serving HTTP on ${address} port ${this.port} (http://${address}:${this.port}/) ...\n`);
  }

  protected override onInterrupt(): boolean {
    this.host.out('\nKeyboard interrupt received, exiting.\n');
    this.exit(0);
    return true;
  }

  protected serve(stream: TcpStream): void {
    const peer = formatIpv4(stream.socket.remoteAddress);
    new HttpConnection(stream, (delay, fire) => this.after(delay, fire), {
      readSize: READ_SIZE,
      idle: 0,
      readsBodies: false,
      request: (request, reply) => this.#request(peer, request, reply),
      malformed: (error) => this.#malformed(peer, error),
      closed: () => {
        // StreamRequestHandler.finish(), then shutdown_request().
        this.after(FINISH_COST, () => {
          if (stream.closed) return;
          stream.socket.shutdown('wr');
          this.hangUp(stream);
        });
      },
    });
  }

  get #now(): number {
    return millisecondsOf(this.host.wallClock());
  }

  #log(peer: string, text: string): void {
    this.host.err(`${peer} - - [${logDay(this.#now)} ${logTime(this.#now)}] ${escapeLog(text)}\n`);
  }

  #request(peer: string, { head }: HttpRequest, reply: (reply: HttpReply) => void): void {
    const version = head.minor === 9 ? '' : ` HTTP/1.${head.minor}`;
    const line = `${head.method} ${head.target}${version}`;
    const error = (status: number, message: string, explanation: string): void =>
      reply(this.#error(peer, line, head.method, { status, message, explanation }));
    if (head.method !== 'GET' && head.method !== 'HEAD') {
      error(501, `Unsupported method ('${head.method}')`, 'Server does not support this operation');
      return;
    }
    const missing = (): void => error(404, 'File not found', 'Nothing matches the given URI');
    const target = head.target.split(/[?#]/, 1)[0]!;
    const path = `${this.#o.directory}${translate(target)}`.replace(/(.)\/$/, '$1');
    const ok = (type: string, body: Uint8Array, modified: number | null): void => {
      const fields: [string, string][] = [
        ['Content-type', type],
        ['Content-Length', String(body.length)],
      ];
      if (modified !== null) fields.push(['Last-Modified', httpDate(modified)]);
      this.#log(peer, `"${line}" 200 -`);
      reply(this.#reply('200 OK', fields, head.method === 'HEAD' ? null : body));
    };
    this.#o.files.look(path, (entry) => {
      if (entry.kind === 'missing' || (entry.kind === 'file' && target.endsWith('/'))) {
        missing();
        return;
      }
      if (entry.kind === 'file') {
        const since = Date.parse(field(head, 'If-Modified-Since') ?? '');
        if (since >= Math.floor(entry.modified / 1000) * 1000 && field(head, 'If-None-Match') === null) {
          this.#log(peer, `"${line}" 304 -`);
          reply(this.#reply('304 Not Modified', [], null));
          return;
        }
        ok(mediaType(path, 'application/octet-stream'), entry.content, entry.modified);
        return;
      }
      if (!target.endsWith('/')) {
        this.#log(peer, `"${line}" 301 -`);
        const location = `${target}/${head.target.slice(target.length)}`;
        reply(
          this.#reply(
            '301 Moved Permanently',
            [
              ['Location', location],
              ['Content-Length', '0'],
            ],
            null,
          ),
        );
        return;
      }
      const index = entry.names.find(({ name }) => name === 'index.html' || name === 'index.htm');
      if (index === undefined) {
        ok('text/html; charset=utf-8', listing(target, entry.names), null);
        return;
      }
      const file = `${path}/${index.name}`;
      this.#o.files.look(file, (found) => {
        if (found.kind === 'file') ok('text/html', found.content, found.modified);
        else missing();
      });
    });
  }

  #malformed(peer: string, error: HttpError): HttpReply {
    const message = MALFORMED[error.status];
    return this.#error(peer, '', 'GET', { status: error.status, ...message });
  }

  #error(peer: string, line: string, method: string, what: ErrorPage): HttpReply {
    this.#log(peer, `code ${what.status}, message ${what.message}`);
    this.#log(peer, `"${line}" ${what.status} -`);
    const body = latin1(errorPage(what));
    const fields: [string, string][] = [
      ['Connection', 'close'],
      ['Content-Type', 'text/html;charset=utf-8'],
      ['Content-Length', String(body.length)],
    ];
    return this.#reply(`${what.status} ${what.message}`, fields, method === 'HEAD' ? null : body);
  }

  #reply(status: string, fields: readonly (readonly [string, string])[], body: Uint8Array | null): HttpReply {
    const head = writeHead(`HTTP/1.0 ${status}`, [['Server', SERVER], ['Date', httpDate(this.#now)], ...fields]);
    const sends: HttpSend[] = [{ bytes: head, pause: HANDLE_COST }];
    for (let at = 0; body !== null && at < body.length; at += COPY_SIZE) {
      sends.push({ bytes: body.subarray(at, at + COPY_SIZE), pause: at === 0 ? HANDLE_COST : COPY_COST });
    }
    return { sends, close: true };
  }
}

interface ErrorPage {
  readonly status: number;
  readonly message: string;
  readonly explanation: string;
}

const MALFORMED: Readonly<Record<HttpError['status'], { readonly message: string; readonly explanation: string }>> = {
  400: { message: 'Bad request syntax', explanation: 'Bad request syntax or unsupported method' },
  414: { message: 'Request-URI Too Long', explanation: 'URI is too long' },
  431: { message: 'Too many headers', explanation: 'The server is unwilling to process the request' },
  501: { message: 'Not Implemented', explanation: 'Server does not support this operation' },
  505: { message: 'Invalid HTTP version', explanation: 'Cannot fulfill request' },
};

/** _control_char_table of http.server: nothing of a request reaches the terminal as a control character. */
function escapeLog(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  const controls = /[\0-\x1f\x7f-\x9f]/g;
  return text.replaceAll('\\', '\\\\').replace(controls, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

function escapeHtml(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
}

/** DEFAULT_ERROR_MESSAGE of http.server: its lengths are in the captures. */
function errorPage({ status, message, explanation }: ErrorPage): string {
  return `<!DOCTYPE HTML>
<html lang="en">
    <head>
        <meta charset="utf-8">
        <title>Error response</title>
    </head>
    <body>
        <h1>Error response</h1>
        <p>Error code: ${status}</p>
        <p>Message: ${escapeHtml(message)}.</p>
        <p>Error code explanation: ${status} - ${escapeHtml(explanation)}.</p>
    </body>
</html>
`;
}

/** list_directory(): sorted without regard to case. */
function listing(target: string, names: readonly { name: string; directory: boolean }[]): Uint8Array {
  const title = `Directory listing for ${escapeHtml(unquote(target))}`;
  const key = (name: string): string => name.toLowerCase();
  const rows = [...names]
    .sort((a, b) => (key(a.name) < key(b.name) ? -1 : key(a.name) > key(b.name) ? 1 : 0))
    .map(({ name, directory }) => {
      const shown = directory ? `${name}/` : name;
      return `<li><a href="${encodeURIComponent(name)}${directory ? '/' : ''}">${escapeHtml(shown)}</a></li>`;
    });
  const lines = [
    '<!DOCTYPE HTML>',
    '<html lang="en">',
    '<head>',
    '<meta charset="utf-8">',
    `<title>${title}</title>`,
    '</head>',
    '<body>',
    `<h1>${title}</h1>`,
    '<hr>',
    '<ul>',
    ...rows,
    '</ul>',
    '<hr>',
    '</body>',
    '</html>',
    '',
  ];
  return new TextEncoder().encode(lines.join('\n'));
}

function unquote(target: string): string {
  try {
    return decodeURIComponent(target);
  } catch {
    return target;
  }
}

/** translate_path(): the path below the directory; `..` never leads out of it. */
function translate(target: string): string {
  const parts: string[] = [];
  for (const part of unquote(target).split('/')) {
    if (part === '' || part === '.' || part.includes('\0')) continue;
    if (part === '..') parts.pop();
    else parts.push(part);
  }
  return `/${parts.join('/')}`;
}
