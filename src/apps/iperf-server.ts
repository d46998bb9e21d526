// iperf3 -s: one test after the other, over TCP, with the real protocol.

import { formatIpv4, type Ipv4 } from '../addr/ipv4.ts';
import { NS_PER_S, type Ns, type Timer } from '../sim/sim.ts';
import { ERRNO_TEXT, type Errno } from '../stack/errno.ts';
import { IperfData } from './iperf-data.ts';
import {
  COOKIE_SIZE,
  IperfControl,
  type IperfParameters,
  IperfState,
  readParameters,
  resultsJson,
} from './iperf-protocol.ts';
import { IperfReport } from './iperf-report.ts';
import { type IperfFormat, RULE } from './iperf-text.ts';
import type { ProgramHost } from './program.ts';
import { TcpServer } from './tcp-server.ts';
import type { TcpStream } from './tcp-stream.ts';

/** listen(s, INT_MAX): what net.core.somaxconn leaves of it */
const BACKLOG = 4096;
/** Descriptors of the data connections as iperf3 numbers them: 5, 8, 10, ... */
const idOf = (i: number): number => (i === 0 ? 5 : 6 + 2 * i);

export interface IperfServerOptions {
  readonly address: Ipv4;
  readonly port: number;
  readonly interval: Ns;
  readonly format: IperfFormat;
  /** -1 */
  readonly oneOff: boolean;
}

interface Test {
  readonly cookie: string;
  readonly stream: TcpStream;
  readonly control: IperfControl;
  parameters: IperfParameters | null;
  readonly data: IperfData[];
  report: IperfReport | null;
  began: Ns;
  ended: Ns;
  timer: Timer | null;
  done: boolean;
}

export class IperfServer extends TcpServer {
  readonly #o: IperfServerOptions;
  #test: Test | null = null;
  #number = 0;

  constructor(host: ProgramHost, options: IperfServerOptions) {
    const { address, port } = options;
    super(host, { address, port, backlog: BACKLOG, reuseAddress: true, spawnCost: 0 });
    this.#o = options;
  }

  protected refused(errno: Errno): void {
    this.host.err(`iperf3: error - unable to start listener for connections: ${ERRNO_TEXT[errno]}\niperf3: exiting\n`);
    this.exit(1);
  }

  protected override listening(): void {
    this.host.out(`${RULE}Server listening on ${this.#o.port} (test #${++this.#number})\n${RULE}`);
  }

  protected override onInterrupt(): boolean {
    this.host.err('iperf3: interrupt - the server has terminated\n');
    this.exit(1);
    return true;
  }

  protected serve(stream: TcpStream): void {
    const control = new IperfControl(stream, () => this.#gone(stream));
    control.read(COOKIE_SIZE, (bytes) => {
      const cookie = String.fromCharCode(...bytes);
      const test = this.#test;
      if (test === null) this.#begin(stream, control, cookie);
      else if (test.cookie === cookie && test.parameters !== null && test.data.length < test.parameters.parallel) {
        control.stop();
        this.#addData(test, stream);
      } else {
        control.sendState(IperfState.ACCESS_DENIED);
        this.after(0, () => this.hangUp(stream));
      }
    });
  }

  /** A connection ended before its time. */
  #gone(stream: TcpStream): void {
    const test = this.#test;
    if (test !== null && test.stream === stream) {
      if (!test.done) this.host.err('iperf3: the client has unexpectedly closed the connection\n');
      this.#end(test);
    } else this.hangUp(stream);
  }

  #begin(stream: TcpStream, control: IperfControl, cookie: string): void {
    const { socket } = stream;
    socket.noDelay = true;
    this.host.out(`Accepted connection from ${formatIpv4(socket.remoteAddress)}, port ${socket.remotePort}\n`);
    const test: Test = {
      cookie,
      stream,
      control,
      parameters: null,
      data: [],
      report: null,
      began: 0,
      ended: 0,
      timer: null,
      done: false,
    };
    this.#test = test;
    control.sendState(IperfState.PARAM_EXCHANGE);
    control.readJson((json) => {
      const parameters = readParameters(json);
      if (parameters === null) {
        this.host.err("iperf3: error - podwire's iperf3 measures over TCP only\n");
        control.sendState(IperfState.SERVER_TERMINATE);
        this.after(0, () => this.#end(test));
        return;
      }
      test.parameters = parameters;
      control.sendState(IperfState.CREATE_STREAMS);
      this.#next(test);
    });
  }

  #addData(test: Test, stream: TcpStream): void {
    const parameters = test.parameters!;
    const { socket } = stream;
    const id = idOf(test.data.length);
    const data = new IperfData(
      stream,
      (delay, fire) => this.after(delay, fire),
      () => this.host.sim.now,
      {
        id,
        blockSize: parameters.len,
        rate: parameters.bandwidth,
        enough: () => test.done || (parameters.num > 0 && data.bytes >= parameters.num),
        moved: () => {},
      },
    );
    test.data.push(data);
    const local = `${formatIpv4(socket.localAddress)} port ${socket.localPort}`;
    const remote = `${formatIpv4(socket.remoteAddress)} port ${socket.remotePort}`;
    this.host.out(`[${String(id).padStart(3)}] local ${local} connected to ${remote}\n`);
    if (test.data.length < parameters.parallel) return;
    test.control.sendState(IperfState.TEST_START);
    test.control.sendState(IperfState.TEST_RUNNING);
    this.#run(test, parameters);
  }

  #run(test: Test, parameters: IperfParameters): void {
    const { interval, format } = this.#o;
    const { sim } = this.host;
    test.began = sim.now;
    test.report = new IperfReport({
      streams: test.data,
      sender: parameters.reverse,
      client: false,
      format,
      interval,
      began: test.began,
      print: (text) => this.host.out(text),
    });
    const tick = (): void => {
      test.report!.interval(sim.now);
      test.timer = this.after(interval, tick);
    };
    if (interval > 0) test.timer = this.after(interval, tick);
    for (const data of test.data) {
      if (parameters.reverse) data.send();
      else data.receive();
    }
  }

  /** iperf_handle_message_server */
  #next(test: Test): void {
    const { control } = test;
    control.readState((state) => {
      if (state === IperfState.TEST_END && test.report !== null && !test.done) {
        this.#finish(test);
        return;
      }
      if (state === IperfState.IPERF_DONE || state === IperfState.CLIENT_TERMINATE) {
        test.done = true;
        this.#end(test);
        return;
      }
      this.#gone(test.stream);
    });
  }

  #finish(test: Test): void {
    const { control } = test;
    const parameters = test.parameters!;
    test.done = true;
    test.ended = this.host.sim.now;
    if (test.timer !== null) this.cancel(test.timer);
    for (const data of test.data) data.stop();
    test.report!.rest(test.ended);
    control.sendState(IperfState.EXCHANGE_RESULTS);
    control.readJson(() => {
      const endTime = (test.ended - test.began) / NS_PER_S;
      const congestion = test.data[0]?.stream.socket.info().congestion ?? '';
      const streams = test.data.map((s) => ({
        bytes: s.bytes,
        retransmits: parameters.reverse ? s.retransmits : -1,
        endTime,
      }));
      control.sendJson(resultsJson({ congestion, streams }, parameters.reverse));
      control.sendState(IperfState.DISPLAY_RESULTS);
      test.report!.summary(test.ended, null);
      this.#next(test);
    });
  }

  /** Everything of the test is closed; the next one may come. */
  #end(test: Test): void {
    if (this.#test !== test) return;
    this.#test = null;
    test.control.stop();
    if (test.timer !== null) this.cancel(test.timer);
    for (const data of test.data) this.hangUp(data.stream);
    this.hangUp(test.stream);
    if (this.#o.oneOff) this.exit(0);
    else this.listening();
  }
}
