// curl's way to a connection: one address after the other, each with its share of the time-out, from the port and
// interface that the options name.

import { formatIpv4, type Ipv4, parseIpv4 } from '../../addr/ipv4.ts';
import { NS_PER_MS, NS_PER_S, NS_PER_US, type Ns } from '../../sim/sim.ts';
import { ERRNO_NUMBER, ERRNO_TEXT, type Errno } from '../../stack/errno.ts';
import { TcpSocket } from '../../stack/tcp/tcp-socket.ts';
import type { ProgramHost } from '../program.ts';
import { ownSocket } from '../socket-owner.ts';
import { type Schedule, TcpStream } from '../tcp-stream.ts';
import { CurlCode, type CurlFailure } from './curl-code.ts';
import type { CurlOptions } from './curl-options.ts';
import type { HttpUrl } from './url.ts';

/** DEFAULT_CONNECT_TIMEOUT */
const CONNECT_TIMEOUT: Ns = 300 * NS_PER_S;
/** CURLOPT_TCP_KEEPIDLE and KEEPINTVL: seconds */
const KEEPALIVE_S = 60;
/**
 * From data to curl's read of it. Origin: golden cases 08a and 08b, one machine for both programs: the first 64 KiB of a body
 * have come before curl reads any of it, 1.23 ms after the header.
 */
const CURL_WAKE: Ns = 1_200 * NS_PER_US;
/** curl's timers end behind the millisecond. */
export const TIMER_SLACK: Ns = NS_PER_MS;

/** The connection and the address it goes to, or why there is none. */
export type Connected = (result: TcpStream | CurlFailure, remote: string) => void;

export class CurlConnect {
  readonly #host: ProgramHost;
  readonly #after: Schedule;
  readonly #o: CurlOptions;
  readonly #info: (text: string) => void;
  #stream: TcpStream | null = null;

  constructor(host: ProgramHost, after: Schedule, options: CurlOptions, info: (text: string) => void) {
    this.#host = host;
    this.#after = after;
    this.#o = options;
    this.#info = info;
  }

  run(url: HttpUrl, addresses: readonly Ipv4[], done: Connected): void {
    this.#connect(url, addresses, 0, this.#host.sim.now, done);
  }

  abort(): void {
    this.#stream?.close();
    this.#stream = null;
  }

  #connect(url: HttpUrl, addresses: readonly Ipv4[], i: number, began: Ns, done: Connected): void {
    const address = addresses[i]!;
    const text = formatIpv4(address);
    const last = i + 1 >= addresses.length;
    const stream = new TcpStream(this.#after, ownSocket(this.#host, new TcpSocket(this.#host.netns)), CURL_WAKE);
    this.#stream = stream;
    const { socket } = stream;
    const failed = (code: number, why: string): void => {
      this.abort();
      if (!last) {
        this.#connect(url, addresses, i + 1, began, done);
        return;
      }
      const ms = Math.floor((this.#host.sim.now - began) / NS_PER_MS);
      done({ code, text: `Failed to connect to ${url.host} port ${url.port} after ${ms} ms: ${why}` }, text);
    };
    this.#info(`  Trying ${text}:${url.port}...`);
    socket.noDelay = true;
    if (this.#o.keepAlive) {
      socket.keepAlive = true;
      socket.keepIdle = KEEPALIVE_S;
      socket.keepInterval = KEEPALIVE_S;
    }
    const bound = this.#bind(socket);
    if (bound !== null) {
      this.abort();
      done({ code: CurlCode.INTERFACE_FAILED, text: bound }, text);
      return;
    }
    const limit = this.#o.connectTimeout > 0 ? this.#o.connectTimeout : CONNECT_TIMEOUT;
    const left = limit - (this.#host.sim.now - began);
    const wait = Math.max(last ? left : Math.floor(left / 2), NS_PER_MS) + TIMER_SLACK;
    let immediate = true;
    stream.connect(
      address,
      url.port,
      wait,
      (result) => {
        if (result === null) {
          this.#stream = null;
          done(stream, text);
        } else if (result === 'timeout') {
          this.#info(`ipv4 connect timeout after ${Math.floor((wait - TIMER_SLACK) / NS_PER_MS)}ms, move on!`);
          failed(CurlCode.OPERATION_TIMEDOUT, 'Timeout was reached');
        } else {
          const why = ERRNO_TEXT[result];
          this.#info(
            immediate
              ? `Immediate connect fail for ${text}: ${why}`
              : `connect to ${text} port ${url.port} failed: ${why}`,
          );
          failed(CurlCode.COULDNT_CONNECT, "Couldn't connect to server");
        }
      },
      true,
    );
    immediate = false;
  }

  /** --interface and --local-port; what went wrong, or null. */
  #bind(socket: TcpSocket): string | null {
    const [first, lastPort] = this.#o.localPort;
    const name = this.#o.interface;
    let address = 0;
    if (name !== null) {
      const literal = parseIpv4(name);
      const dev = this.#host.netns.device(name);
      if (literal !== null) {
        address = literal;
        this.#info(`Name '${name}' family 2 resolved to '${name}' family 2`);
      } else if (dev !== null) socket.device = this.#host.netns.inDevice(dev);
      else return `Couldn't bind to '${name}'`;
    }
    if (first === 0 && address === 0) return null;
    let errno: Errno | null = null;
    for (let port = first; port <= lastPort; port++) {
      errno = socket.bind(address, port);
      if (errno === null) {
        this.#info(`Local port: ${port}`);
        return null;
      }
      if (port < lastPort) this.#info(`Bind to local port ${port} failed, trying next`);
    }
    return `bind failed with errno ${ERRNO_NUMBER[errno!]}: ${ERRNO_TEXT[errno!]}`;
  }
}
