// How fast one TCP connection is: 100 MB from a pod on one node to a pod on the other, across VXLAN, over cables of 10
// Gbit/s, with this round trip and this loss of what goes forth. Virtual time gives the rate, wall time the cost of it.
//
// What limits it, and so what is printed beside the measurement:
//   rate    the cable: payload of a full frame / its bytes on the wire
//   window  two thirds of the greatest send buffer (tcp_wmem) per round trip: a program that filled it is woken when a third
//           is free again (sk_stream_is_writeable), so where the round trip is longer than the burst that it then writes,
//           two thirds are what stays on the way. Half the greatest receive buffer (tcp_rmem) is more than that.
//   loss    the average window of CUBIC at this loss, RFC 9438 section 5.2: the larger of its cubic response,
//           1.054 RTT^(3/4) / p^(3/4), and the one of Reno that it never falls below, 1.22 / sqrt(p); segments per round trip.
//           The formulas take one loss in every 1/p segments; when losses are drawn, two often fall into one recovery and
//           cost the window once, which is worth a few percent at p = 0.001 and up to a third at 0.01, where a window is
//           twelve segments; on the other hand some of those losses need a time-out.
//   start   without loss: slow start doubles ten segments per round trip until the rate or the window is reached
// The round trip is the least that the sender measured: the cables' propagation, serialisation and the hops between.

import { buildCluster, type ClusterSpec, NS_PER_MS, NS_PER_S, parseIpv4, TcpSocket, World } from '../../src/index.ts';

export interface ThroughputCase {
  /** milliseconds of propagation, there and back */
  readonly rttMs: number;
  /** probability that a frame of the data is lost */
  readonly loss: number;
}

export const THROUGHPUT_CASES: readonly ThroughputCase[] = [0.1, 10, 100].flatMap((rttMs) =>
  [0, 0.001, 0.01].map((loss) => ({ rttMs, loss })),
);

export interface ThroughputFigures extends ThroughputCase {
  readonly bytes: number;
  /** bit/s of payload in virtual time, over the whole transfer and over its second half */
  readonly measured: number;
  readonly secondHalf: number;
  /** what `limit` allows over the whole transfer, bit/s */
  readonly bound: number;
  readonly limit: 'rate' | 'window' | 'loss';
  readonly virtualSeconds: number;
  readonly wallSeconds: number;
  readonly retransmitted: number;
  /** what the sender says at its end: smoothed round trip, ms, and window, segments */
  readonly srttMs: number;
  readonly cwnd: number;
}

const PORT = 5201;
/** A choice: cards of 10 Gbit/s, and as many frames as fq_codel, the queue of most distributions, holds by default. */
const RATE = 10e9;
const QUEUE_FRAMES = 10_240;
/** MTU 1450 of the overlay less IPv4 20, TCP 20, timestamps 12. */
const MSS = 1398;
/** Inner and outer headers, 52 + 50, two Ethernet headers, and preamble, FCS and gap of the wire. */
const FRAME_ON_WIRE = MSS + 52 + 14 + 36 + 14 + 24;
/** Two thirds of net.ipv4.tcp_wmem[2]; half of tcp_rmem[2] is window. */
const WINDOW_MAX = Math.min((4_194_304 * 2) / 3, 33_554_432 / 2);
const INITIAL_WINDOW = 10 * MSS;
/** One write of the program. */
const CHUNK = 128 * 1024;

function spec(acrossNodes: boolean): ClusterSpec {
  const address = (text: string): number => parseIpv4(text)!;
  const pod = (name: string, nodeName: string) => ({
    ...{ name, namespace: 'default', nodeName, hostNetwork: false, containers: ['main'], labels: {} },
  });
  return {
    podCIDR: { address: address('10.244.0.0'), length: 16 },
    nodeCIDRMaskSize: 24,
    nodes: ['10.0.1.1', '10.0.1.2'].map((a, i) => ({
      ...{ name: `node-${i + 1}`, address: address(a), prefixLength: 24, podCIDR: null, mac: null, mtu: 1500 },
    })),
    network: { backend: 'vxlan', vni: 1, port: 8472, directRouting: false, mtu: null },
    pods: [pod('pod-a', 'node-1'), pod('pod-b', acrossNodes ? 'node-2' : 'node-1')],
  };
}

/** Average window of CUBIC at loss p and this round trip, segments (RFC 9438 section 5.2). */
export function cubicResponse(p: number, rttSeconds: number): number {
  return Math.max((1.054 * rttSeconds ** 0.75) / p ** 0.75, 1.22 / Math.sqrt(p));
}

/** What rate, window, loss and slow start allow for `bytes`. @param rtt seconds */
export function bound(c: ThroughputCase, bytes: number, rtt: number): Pick<ThroughputFigures, 'bound' | 'limit'> {
  const rate = (RATE * MSS) / FRAME_ON_WIRE;
  const window = (WINDOW_MAX * 8) / rtt;
  const loss = c.loss === 0 ? Number.POSITIVE_INFINITY : (cubicResponse(c.loss, rtt) * MSS * 8) / rtt;
  const steady = Math.min(rate, window, loss);
  const limit = steady === rate ? 'rate' : steady === window ? 'window' : 'loss';
  if (c.loss > 0) return { bound: steady, limit };
  // Slow start: rounds in which 10, 20, 40 ... segments go, until a round trip is filled.
  let sent = 0;
  let time = rtt;
  for (let w = INITIAL_WINDOW; w < (steady * rtt) / 8 && sent < bytes; w *= 2) {
    sent += w;
    time += rtt;
  }
  return { bound: (bytes * 8) / (time + Math.max(bytes - sent, 0) / (steady / 8)), limit };
}

/** Transfers `bytes` and measures. @param acrossNodes false: both pods on one node, where no cable limits them */
export function measureThroughput(c: ThroughputCase, bytes: number, acrossNodes = true, seed = 1): ThroughputFigures {
  const world = new World(seed);
  const cluster = buildCluster(world, spec(acrossNodes));
  const [one, two] = ['node-1', 'node-2'].map((n) => cluster.underlay.cables.get(n)!);
  const from = cluster.pod('pod-a')!;
  const to = cluster.pod('pod-b')!;
  const latency = Math.round((c.rttMs * NS_PER_MS) / 4);
  for (const cable of [one!, two!]) cable.change({ latency, rate: RATE, queuePackets: QUEUE_FRAMES });
  const listener = new TcpSocket(to.netns);
  listener.bind(0, PORT);
  listener.listen(1);
  let received = 0;
  let halfAt = 0;
  let endAt = 0;
  listener.onReady = () => {
    const socket = listener.accept();
    if (socket === null) return;
    const read = (): void => {
      for (;;) {
        const data = socket.recv(1 << 20);
        if (typeof data === 'string' || data.length === 0) return;
        received += data.length;
        if (halfAt === 0 && received >= bytes / 2) halfAt = world.sim.now;
        if (received >= bytes) {
          endAt = world.sim.now;
          world.sim.stop();
          return;
        }
      }
    };
    socket.onReady = read;
    read();
  };
  world.sim.runUntil(NS_PER_S);
  const sender = new TcpSocket(from.netns);
  const chunk = new Uint8Array(CHUNK).fill(0x5a);
  let written = 0;
  let startAt = 0;
  sender.onReady = () => {
    if (!sender.writable) return;
    if (startAt === 0) {
      startAt = world.sim.now;
      // The handshake and the neighbours' resolution lose nothing.
      if (c.loss > 0) one!.change({ loss: { kind: 'random', probability: c.loss } }, 'forth');
    }
    while (written < bytes) {
      const taken = sender.send(chunk.subarray(0, Math.min(CHUNK, bytes - written)));
      if (typeof taken === 'string') return;
      written += taken;
    }
  };
  const errno = sender.connect(to.ip!, PORT);
  if (errno !== null) throw new Error(`throughput: ${errno}`);
  const wall = performance.now();
  world.sim.runUntil(world.sim.now + 7200 * NS_PER_S);
  const wallSeconds = (performance.now() - wall) / 1000;
  if (endAt === 0) throw new Error(`throughput: ${received} of ${bytes} bytes arrived (${JSON.stringify(c)})`);
  const info = sender.info();
  const rate = (n: number, ns: number): number => (n * 8 * NS_PER_S) / ns;
  const figures: ThroughputFigures = {
    ...c,
    bytes,
    measured: rate(bytes, endAt - startAt),
    secondHalf: rate(bytes / 2, endAt - halfAt),
    ...bound(c, bytes, info.minRtt / 1e6),
    virtualSeconds: (endAt - startAt) / NS_PER_S,
    wallSeconds,
    retransmitted: info.totalRetrans,
    srttMs: info.rtt / 1000,
    cwnd: info.sndCwnd,
  };
  world.dispose();
  return figures;
}

const gigabit = (bps: number): string => (bps / 1e9).toPrecision(3);

export function throughputHeader(): string {
  return 'one TCP connection across VXLAN\n  RTT ms   loss %    Gbit/s  2nd half     bound  share  limit   virtual s  wall s  Gbit/s of wall  retrans.  srtt ms   cwnd';
}

export function throughputRow(f: ThroughputFigures): string {
  return [
    String(f.rttMs).padStart(8),
    String(f.loss * 100).padStart(9),
    gigabit(f.measured).padStart(10),
    gigabit(f.secondHalf).padStart(10),
    gigabit(f.bound).padStart(10),
    `${Math.round((100 * f.measured) / f.bound)} %`.padStart(7),
    `  ${f.limit.padEnd(6)}`,
    f.virtualSeconds.toFixed(2).padStart(11),
    f.wallSeconds.toFixed(1).padStart(8),
    ((f.bytes * 8) / 1e9 / f.wallSeconds).toFixed(2).padStart(16),
    String(f.retransmitted).padStart(10),
    f.srttMs.toFixed(2).padStart(9),
    String(f.cwnd).padStart(7),
  ].join('');
}
