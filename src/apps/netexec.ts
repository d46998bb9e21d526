// agnhost netexec, the web server of Kubernetes' own tests: says which pod answered and who asked. Written in Go: one send
// for head and body, connections kept.

import { formatIpv4, type Ipv4 } from '../addr/ipv4.ts';
import { NS_PER_US, type Ns } from '../sim/sim.ts';
import { ERRNO_TEXT, type Errno } from '../stack/errno.ts';
import { HttpConnection, type HttpReply, type HttpRequest } from './http-connection.ts';
import { httpDate, millisecondsOf } from './http-date.ts';
import { concat, persists, writeHead } from './http-message.ts';
import type { ProgramHost } from './program.ts';
import { TcpServer } from './tcp-server.ts';
import type { TcpStream } from './tcp-stream.ts';

/** bufio.Reader of net/http */
const READ_SIZE = 4_096;
/** net.core.somaxconn, which Go's listener asks for */
const BACKLOG = 4_096;
/** A goroutine for the connection, and a request in it. Choices: tens of microseconds each. */
const GOROUTINE_COST: Ns = 30 * NS_PER_US;
const HANDLE_COST: Ns = 100 * NS_PER_US;

export interface NetexecOptions {
  readonly address: Ipv4;
  readonly port: number;
  readonly hostname: string;
}

interface Answer {
  readonly status: 200 | 400 | 404;
  readonly text: string;
}

const REASON = { 200: 'OK', 400: 'Bad Request', 404: 'Not Found' } as const;
const TEXT = 'text/plain; charset=utf-8';

export class Netexec extends TcpServer {
  readonly #hostname: string;

  constructor(host: ProgramHost, { address, port, hostname }: NetexecOptions) {
    super(host, { address, port, backlog: BACKLOG, reuseAddress: true, spawnCost: GOROUTINE_COST });
    this.#hostname = hostname;
  }

  protected refused(errno: Errno): void {
    this.host.err(`Failed to listen on port ${this.port}: ${ERRNO_TEXT[errno]}\n`);
    this.exit(1);
  }

  protected serve(stream: TcpStream): void {
    const { socket } = stream;
    socket.noDelay = true;
    socket.keepAlive = true;
    const peer = `${formatIpv4(socket.remoteAddress)}:${socket.remotePort}`;
    new HttpConnection(stream, (delay, fire) => this.after(delay, fire), {
      readSize: READ_SIZE,
      idle: 0,
      readsBodies: true,
      request: (request, reply) => reply(this.#reply(this.#answer(request, peer), request)),
      malformed: () => this.#reply({ status: 400, text: '400 Bad Request' }, null),
      closed: () => this.hangUp(stream),
    });
  }

  #answer({ head }: HttpRequest, peer: string): Answer {
    const url = parseTarget(head.target);
    const ok = (text: string): Answer => ({ status: 200, text });
    switch (url?.pathname) {
      case '/':
        return ok(`NOW: ${new Date(millisecondsOf(this.host.wallClock())).toISOString()}`);
      case '/hostname':
      case '/hostName':
        return ok(this.#hostname);
      case '/clientip':
        return ok(peer);
      case '/echo':
        return ok(url.searchParams.get('msg') ?? '');
      case '/healthz':
        return ok('');
      default:
        return { status: 404, text: '404 page not found\n' };
    }
  }

  #reply({ status, text }: Answer, request: HttpRequest | null): HttpReply {
    const body = new TextEncoder().encode(text);
    const keep = request !== null && persists(request.head);
    const own: [string, string][] =
      status === 404
        ? [
            ['Content-Type', TEXT],
            ['X-Content-Type-Options', 'nosniff'],
          ]
        : [];
    const fields: [string, string][] = [
      ...own,
      ['Date', httpDate(millisecondsOf(this.host.wallClock()))],
      ['Content-Length', String(body.length)],
    ];
    if (own.length === 0 && body.length > 0) fields.push(['Content-Type', TEXT]);
    if (!keep) fields.push(['Connection', 'close']);
    const head = writeHead(`HTTP/1.1 ${status} ${REASON[status]}`, fields);
    const bytes = request?.head.method === 'HEAD' ? head : concat(head, body);
    return { sends: [{ bytes, pause: HANDLE_COST }], close: !keep };
  }
}

function parseTarget(target: string): URL | null {
  try {
    return new URL(target, 'http://netexec');
  } catch {
    return null;
  }
}
