// iperf3 -c: throughput over TCP against an iperf3 server, with the real protocol.

import { formatIpv4, type Ipv4 } from '../addr/ipv4.ts';
import { NS_PER_S, NS_PER_US, type Ns } from '../sim/sim.ts';
import { ERRNO_TEXT } from '../stack/errno.ts';
import { TcpSocket } from '../stack/tcp/tcp-socket.ts';
import { httpDate, millisecondsOf } from './http/http-date.ts';
import { IperfData } from './iperf-data.ts';
import {
  IperfControl,
  type IperfParameters,
  type IperfResults,
  IperfState,
  newCookie,
  parametersJson,
  readResults,
  resultsJson,
} from './iperf-protocol.ts';
import { IperfReport } from './iperf-report.ts';
import type { IperfFormat } from './iperf-text.ts';
import { Program, type ProgramHost } from './program.ts';
import { resolveHost } from './resolve.ts';
import { ownSocket } from './socket-owner.ts';
import { type Schedule, TcpStream } from './tcp-stream.ts';

/** Descriptors of the data connections as iperf3 numbers them: 5, 7, 9, ... */
const FIRST_ID = 5;
const ID_STEP = 2;
/** From the last message to the end of the program. Choice. */
const CLEANUP_COST: Ns = 100 * NS_PER_US;

const UNKNOWN = 'received an unknown control message (ensure other side is iperf3 and not iperf)';

/** The states that a server goes through, in their order; each comes once. */
const ORDER: readonly number[] = [
  IperfState.PARAM_EXCHANGE,
  IperfState.CREATE_STREAMS,
  IperfState.TEST_START,
  IperfState.TEST_RUNNING,
  IperfState.EXCHANGE_RESULTS,
  IperfState.DISPLAY_RESULTS,
];

export interface IperfClientOptions {
  readonly host: string;
  readonly port: number;
  readonly parameters: IperfParameters;
  readonly interval: Ns;
  readonly format: IperfFormat;
  readonly json: boolean;
  /** -M; 0: not set */
  readonly maxSegment: number;
  /** -w, bytes; 0: not set */
  readonly window: number;
  /** -C, or '' */
  readonly congestion: string;
  readonly noDelay: boolean;
  readonly source: Ipv4;
}

export class IperfClient extends Program {
  readonly #o: IperfClientOptions;
  readonly #schedule: Schedule = (delay, fire) => this.after(delay, fire);
  readonly #cookie: Uint8Array;
  readonly #streams: IperfData[] = [];
  #controlStream: TcpStream | null = null;
  /** the connection that is not there yet */
  #connecting: TcpStream | null = null;
  #control: IperfControl | null = null;
  #report: IperfReport | null = null;
  #theirs: IperfResults | null = null;
  #address: Ipv4 = 0;
  #began: Ns = 0;
  #ended: Ns = 0;
  #finished = false;
  /** index in ORDER of the server's last state */
  #stage = -1;
  #cancelLookup: (() => void) | null = null;

  constructor(host: ProgramHost, options: IperfClientOptions) {
    super(host);
    this.#o = options;
    this.#cookie = newCookie(host.netns.world.rng(`${host.netns.label}/iperf/${host.pid}`));
  }

  protected begin(): void {
    this.#cancelLookup = resolveHost(this.host, this.#o.host, 'unspec', (result) => {
      this.#cancelLookup = null;
      if ('error' in result) {
        this.#fail('unable to connect to server: Name or service not known');
        return;
      }
      this.#address = result.addresses[0]!;
      this.#connect((stream) => {
        this.#say(`Connecting to host ${this.#o.host}, port ${this.#o.port}\n`);
        if (this.#o.parameters.reverse) this.#say(`Reverse mode, remote host ${this.#o.host} is sending\n`);
        this.#controlStream = stream;
        const control = new IperfControl(stream, () => this.#fail('control socket has closed unexpectedly'));
        this.#control = control;
        control.send(this.#cookie);
        this.#next(control);
      });
    });
  }

  protected release(): void {
    this.#cancelLookup?.();
    this.#control?.stop();
    for (const data of this.#streams) data.stream.close();
    this.#connecting?.close();
    this.#controlStream?.close();
  }

  #say(text: string): void {
    if (!this.#o.json) this.host.out(text);
  }

  #fail(text: string): void {
    if (this.ended) return;
    if (this.#o.json)
      this.host.out(`${JSON.stringify({ start: {}, intervals: [], end: {}, error: text }, null, '\t')}\n`);
    else this.host.err(`iperf3: error - ${text}\n`);
    this.exit(1);
  }

  #connect(done: (stream: TcpStream) => void): void {
    const { port, maxSegment, window, congestion, noDelay, source } = this.#o;
    const stream = new TcpStream(this.#schedule, ownSocket(this.host, new TcpSocket(this.host.netns)));
    const { socket } = stream;
    if (this.#controlStream !== null) {
      if (maxSegment > 0) socket.maxSegment = maxSegment;
      if (window > 0) {
        socket.sendBuffer = window;
        socket.receiveBuffer = window;
      }
      if (congestion !== '') socket.congestion = congestion;
      socket.noDelay = noDelay;
    } else socket.noDelay = true;
    const errno = source === 0 ? null : socket.bind(source, 0);
    if (errno !== null) {
      stream.close();
      this.#fail(`unable to connect to server: ${ERRNO_TEXT[errno]}`);
      return;
    }
    this.#connecting = stream;
    stream.connect(this.#address, port, 0, (result) => {
      this.#connecting = null;
      if (result === null) {
        done(stream);
        return;
      }
      stream.close();
      const why = result === 'timeout' ? ERRNO_TEXT.ETIMEDOUT : ERRNO_TEXT[result];
      const what = this.#controlStream === null ? 'unable to connect to server' : 'unable to connect stream';
      this.#fail(`${what}: ${why}`);
    });
  }

  /** iperf_handle_message_client */
  #next(control: IperfControl): void {
    control.readState((state) => {
      const stage = ORDER.indexOf(state);
      const early = stage >= ORDER.indexOf(IperfState.EXCHANGE_RESULTS) && !this.#finished;
      if (stage >= 0 && (stage <= this.#stage || early)) {
        this.#fail(UNKNOWN);
        return;
      }
      if (stage >= 0) this.#stage = stage;
      switch (state) {
        case IperfState.PARAM_EXCHANGE:
          control.sendJson(parametersJson(this.#o.parameters));
          break;
        case IperfState.CREATE_STREAMS:
          this.#openStream();
          break;
        case IperfState.TEST_START:
          break;
        case IperfState.TEST_RUNNING:
          this.#run();
          break;
        case IperfState.EXCHANGE_RESULTS:
          this.#exchange(control);
          return;
        case IperfState.DISPLAY_RESULTS:
          this.#display(control);
          return;
        case IperfState.ACCESS_DENIED:
          this.#fail('the server is busy running a test. try again later');
          return;
        case IperfState.SERVER_TERMINATE:
          this.#fail('the server has terminated');
          return;
        default:
          this.#fail(UNKNOWN);
          return;
      }
      this.#next(control);
    });
  }

  #openStream(): void {
    const { parameters } = this.#o;
    if (this.#streams.length >= parameters.parallel) return;
    this.#connect((stream) => {
      const id = FIRST_ID + ID_STEP * this.#streams.length;
      const { socket } = stream;
      const data = new IperfData(stream, this.#schedule, () => this.host.sim.now, {
        id,
        blockSize: parameters.len,
        rate: parameters.bandwidth,
        enough: () => this.#finished || (parameters.num > 0 && this.#total() >= parameters.num),
        moved: () => {
          if (parameters.num > 0 && this.#total() >= parameters.num) this.#finish();
        },
      });
      this.#streams.push(data);
      const local = `${formatIpv4(socket.localAddress)} port ${socket.localPort}`;
      const remote = `${formatIpv4(socket.remoteAddress)} port ${socket.remotePort}`;
      this.#say(`[${String(id).padStart(3)}] local ${local} connected to ${remote}\n`);
      stream.write(this.#cookie, 0, (result) => {
        if (result === null) this.#openStream();
        else this.#fail('unable to send cookie to server');
      });
    });
  }

  #total(): number {
    return this.#streams.reduce((sum, s) => sum + s.bytes, 0);
  }

  #run(): void {
    const { parameters, interval, format, json } = this.#o;
    const { sim } = this.host;
    this.#began = sim.now;
    this.#report = new IperfReport({
      streams: this.#streams,
      sender: !parameters.reverse,
      client: true,
      format,
      interval,
      began: this.#began,
      print: json ? null : (text) => this.host.out(text),
    });
    const tick = (): void => {
      if (this.#finished) return;
      this.#report!.interval(sim.now);
      this.after(interval, tick);
    };
    if (interval > 0) this.after(interval, tick);
    if (parameters.num === 0) this.after(Math.round(parameters.time * NS_PER_S), () => this.#finish());
    for (const data of this.#streams) {
      if (parameters.reverse) data.receive();
      else data.send();
    }
  }

  #finish(): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#ended = this.host.sim.now;
    for (const data of this.#streams) data.stop();
    this.#report!.rest(this.#ended);
    this.#control!.sendState(IperfState.TEST_END);
  }

  #exchange(control: IperfControl): void {
    const { reverse } = this.#o.parameters;
    const endTime = (this.#ended - this.#began) / NS_PER_S;
    const congestion = this.#streams[0]?.stream.socket.info().congestion ?? '';
    const streams = this.#streams.map((s) => ({ bytes: s.bytes, retransmits: reverse ? -1 : s.retransmits, endTime }));
    control.sendJson(resultsJson({ congestion, streams }, !reverse));
    control.readJson((json) => {
      this.#theirs = readResults(json);
      this.#next(control);
    });
  }

  #display(control: IperfControl): void {
    const report = this.#report!;
    report.summary(this.#ended, this.#theirs);
    control.sendState(IperfState.IPERF_DONE);
    if (this.#o.json) this.host.out(`${JSON.stringify(this.#json(report.json), null, '\t')}\n`);
    else this.host.out('\niperf Done.\n');
    this.after(CLEANUP_COST, () => this.exit(0));
  }

  #json(results: unknown): unknown {
    const { parameters, host, port } = this.#o;
    const ms = millisecondsOf(this.host.wallClock());
    return {
      start: {
        connected: this.#streams.map(({ id, stream: { socket } }) => ({
          socket: id,
          local_host: formatIpv4(socket.localAddress),
          local_port: socket.localPort,
          remote_host: formatIpv4(socket.remoteAddress),
          remote_port: socket.remotePort,
        })),
        version: 'iperf 3.12',
        timestamp: { time: httpDate(ms), timesecs: Math.floor(ms / 1000) },
        connecting_to: { host, port },
        test_start: {
          protocol: 'TCP',
          num_streams: parameters.parallel,
          blksize: parameters.len,
          omit: 0,
          duration: parameters.time,
          bytes: parameters.num,
          blocks: 0,
          reverse: parameters.reverse ? 1 : 0,
          target_bitrate: parameters.bandwidth,
        },
      },
      ...(results as object),
    };
  }
}
