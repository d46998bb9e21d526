// A web server written in Go (net/http): a goroutine for each connection, one send for head and body, connections kept.

import { formatIpv4, type Ipv4 } from '../../addr/ipv4.ts';
import { NS_PER_US, type Ns } from '../../sim/sim.ts';
import { ERRNO_TEXT, type Errno } from '../../stack/errno.ts';
import type { ProgramHost } from '../program.ts';
import { TcpServer } from '../tcp-server.ts';
import type { TcpStream } from '../tcp-stream.ts';
import { HttpConnection, type HttpReply, type HttpRequest } from './http-connection.ts';
import { httpDate, millisecondsOf } from './http-date.ts';
import { concat, type HttpRequestHead, persists, writeHead } from './http-message.ts';

/** bufio.Reader of net/http */
const READ_SIZE = 4_096;
/** net.core.somaxconn, which Go's listener asks for */
const BACKLOG = 4_096;
/** A goroutine for the connection, and a request in it. Choices: tens of microseconds each. */
const GOROUTINE_COST: Ns = 30 * NS_PER_US;
const HANDLE_COST: Ns = 100 * NS_PER_US;

export interface GoAnswer {
  readonly status: 200 | 400 | 404 | 503;
  readonly text: string;
  /** fields that the handler sets, in the alphabet's order, which is Go's */
  readonly fields: readonly (readonly [name: string, value: string])[];
}

const REASON = { 200: 'OK', 400: 'Bad Request', 404: 'Not Found', 503: 'Service Unavailable' } as const;
const TEXT = 'text/plain; charset=utf-8';
const BAD_REQUEST: GoAnswer = { status: 400, text: '400 Bad Request', fields: [['Content-Type', TEXT]] };
/** http.NotFound */
export const GO_NOT_FOUND: GoAnswer = {
  status: 404,
  text: '404 page not found\n',
  fields: [
    ['Content-Type', TEXT],
    ['X-Content-Type-Options', 'nosniff'],
  ],
};

export abstract class GoHttpServer extends TcpServer {
  readonly #port: number;

  constructor(host: ProgramHost, address: Ipv4, port: number) {
    super(host, { address, port, backlog: BACKLOG, reuseAddress: true, spawnCost: GOROUTINE_COST });
    this.#port = port;
  }

  /** @param peer `address:port` of who asks */
  protected abstract answer(head: HttpRequestHead, peer: string): GoAnswer;

  protected get nowMs(): number {
    return millisecondsOf(this.host.wallClock());
  }

  protected refused(errno: Errno): void {
    this.host.err(`listen tcp :${this.#port}: bind: ${ERRNO_TEXT[errno].toLowerCase()}\n`);
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
      request: (request, reply) => reply(this.#reply(this.answer(request.head, peer), request)),
      malformed: () => this.#reply(BAD_REQUEST, null),
      closed: () => this.hangUp(stream),
    });
  }

  #reply({ status, text, fields: own }: GoAnswer, request: HttpRequest | null): HttpReply {
    const body = new TextEncoder().encode(text);
    const keep = request !== null && persists(request.head);
    const fields: (readonly [string, string])[] = [
      ...own,
      ['Date', httpDate(this.nowMs)],
      ['Content-Length', String(body.length)],
    ];
    const typed = own.some(([name]) => name === 'Content-Type');
    if (!typed && body.length > 0) fields.push(['Content-Type', TEXT]);
    if (!keep) fields.push(['Connection', 'close']);
    const head = writeHead(`HTTP/1.1 ${status} ${REASON[status]}`, fields);
    const bytes = request?.head.method === 'HEAD' ? head : concat(head, body);
    return { sends: [{ bytes, pause: HANDLE_COST }], close: !keep };
  }
}
