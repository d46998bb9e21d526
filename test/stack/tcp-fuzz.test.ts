// Proves that a TCP connection over a cable that loses, duplicates, delays, reorders and corrupts delivers every byte, in
// order, both ways, and closes; and that after every segment that comes in the sender's counters are the sums of what its
// queue says (tcpVerifyScoreboard). 2,000 seeds over SACK, timestamps, Reno and CUBIC; a seed that fails is repeated with
// TCP_FUZZ_SEED=n.

import { describe, expect, it } from 'vitest';
import { Rng } from '../../src/base/rng.ts';
import { impair } from '../../src/link/cable.ts';
import type { Handler, NetDevice } from '../../src/link/device.ts';
import type { Frame } from '../../src/link/frame.ts';
import { NS_PER_MS, NS_PER_S } from '../../src/sim/sim.ts';
import { tcpVerifyScoreboard } from '../../src/stack/tcp/tcp-scoreboard.ts';
import { TcpSocket } from '../../src/stack/tcp/tcp-socket.ts';
import { ip, Net } from './net.ts';

const SEEDS = 2000;
const SEEDS_PER_TEST = 250;
const PORT = 5000;
/** Virtual time that a run may take: time-outs back off to two minutes each. */
const LIMIT_S = 7200;

/** Looks at both ends' counters after each frame that came in. */
class Watch implements Handler {
  readonly #inner: Handler;
  readonly #check: () => void;

  constructor(inner: Handler, check: () => void) {
    this.#inner = inner;
    this.#check = check;
  }

  input(frame: Frame, dev: NetDevice): void {
    this.#inner.input(frame, dev);
    this.#check();
  }
}

/** Byte number i of a stream. */
const pattern = (i: number, salt: number): number => (i * 31 + (i >> 8) * 7 + salt) & 0xff;

/** One end: writes `total` bytes in pieces, reads what comes, shuts its direction down when all is written. */
class Peer {
  readonly socket: TcpSocket;
  readonly #total: number;
  readonly #salt: number;
  readonly #chunk: number;
  #written = 0;
  received = 0;
  ended = false;
  #shut = false;
  error: string | null = null;

  constructor(socket: TcpSocket, total: number, salt: number, chunk: number) {
    this.socket = socket;
    this.#total = total;
    this.#salt = salt;
    this.#chunk = chunk;
    socket.onReady = () => this.work();
  }

  work(): void {
    this.#read();
    this.#write();
  }

  #read(): void {
    for (;;) {
      const bytes = this.socket.recv(this.#chunk * 3);
      if (typeof bytes === 'string') {
        if (bytes !== 'EAGAIN' && bytes !== 'ENOTCONN') this.error ??= bytes;
        return;
      }
      if (bytes.length === 0) {
        this.ended = true;
        return;
      }
      for (const byte of bytes) {
        if (byte !== pattern(this.received, this.#salt ^ 1)) this.error ??= `byte ${this.received} is ${byte}`;
        this.received++;
      }
    }
  }

  #write(): void {
    while (this.#written < this.#total) {
      const n = Math.min(this.#chunk, this.#total - this.#written);
      const taken = this.socket.send(Uint8Array.from({ length: n }, (_, i) => pattern(this.#written + i, this.#salt)));
      if (typeof taken === 'string') {
        if (taken !== 'EAGAIN' && taken !== 'ENOTCONN') this.error ??= taken;
        return;
      }
      this.#written += taken;
    }
    if (!this.#shut) this.#shut = this.socket.shutdown('wr') === null;
  }
}

/** What a seed stands for. */
function settings(rng: Rng) {
  const harsh = rng.chance(0.2);
  return {
    sysctls: {
      'net.ipv4.tcp_sack': String(rng.below(4) === 0 ? 0 : 1),
      'net.ipv4.tcp_dsack': String(rng.below(4) === 0 ? 0 : 1),
      'net.ipv4.tcp_timestamps': String(rng.below(3) === 0 ? 0 : 1),
      'net.ipv4.tcp_congestion_control': rng.chance(0.5) ? 'cubic' : 'reno',
      'net.ipv4.tcp_early_retrans': rng.chance(0.8) ? '3' : '0',
      'net.ipv4.tcp_frto': rng.chance(0.8) ? '2' : '0',
      'net.ipv4.tcp_window_scaling': rng.chance(0.8) ? '1' : '0',
    },
    impairment: {
      latency: rng.below(40) * NS_PER_MS,
      jitter: rng.chance(0.5) ? rng.below(20) * NS_PER_MS : 0,
      jitterReorders: rng.chance(0.7),
      rate: rng.chance(0.3) ? 1_000_000 * (1 + rng.below(100)) : 0,
      queuePackets: rng.chance(0.3) ? 5 + rng.below(50) : 0,
      loss: rng.chance(0.3)
        ? {
            kind: 'burst' as const,
            goodToBad: 0.02 * rng.unit(),
            badToGood: 0.2 + 0.5 * rng.unit(),
            lossInBad: 0.5 + 0.4 * rng.unit(),
            lossInGood: 0,
          }
        : { kind: 'random' as const, probability: rng.unit() * (harsh ? 0.25 : 0.06) },
      duplicate: rng.unit() * 0.05,
      corrupt: rng.unit() * (harsh ? 0.05 : 0.01),
      reorder: rng.unit() * (harsh ? 0.2 : 0.05),
    },
    mtu: rng.chance(0.5) ? 1500 : 600 + rng.below(900),
    forth: rng.below(harsh ? 40_000 : 200_000),
    back: rng.chance(0.5) ? rng.below(harsh ? 20_000 : 100_000) : 0,
    chunk: 1 + rng.below(20_000),
  };
}

function run(seed: number): string | null {
  const rng = new Rng(seed, 'tcp fuzz');
  const s = settings(rng);
  const net = new Net(seed);
  const a = net.host('a', s.sysctls);
  const b = net.host('b', s.sysctls);
  const [left, right] = net.cable(
    { netns: a, address: '10.0.0.1/24', mac: '02:00:00:00:00:01', mtu: s.mtu },
    { netns: b, address: '10.0.0.2/24', mac: '02:00:00:00:00:02', mtu: s.mtu },
  );
  const listener = new TcpSocket(b);
  listener.bind(0, PORT);
  listener.listen(8);
  const client = new Peer(new TcpSocket(a), s.forth, 2, s.chunk);
  let server: Peer | null = null;
  listener.onReady = () => {
    const accepted = listener.accept();
    if (accepted === null) return;
    server = new Peer(accepted, s.back, 3, s.chunk);
    server.work();
  };
  let broken: string | null = null;
  const check = (): void => {
    const mine = tcpVerifyScoreboard(client.socket.sk);
    const theirs = server === null ? null : tcpVerifyScoreboard(server.socket.sk);
    if (mine !== null || theirs !== null) broken ??= `${net.world.sim.now} ns: ${mine ?? `server: ${theirs}`}`;
  };
  for (const idev of [left, right]) {
    idev.dev.upper = new Watch(idev.dev.upper, check);
    // The neighbours are found before the cable goes bad.
    impair(idev.dev, { latency: s.impairment.latency });
  }
  const errno = client.socket.connect(ip('10.0.0.2'), PORT);
  if (errno !== null) return `connect: ${errno}`;
  net.run(0.2);
  for (const idev of [left, right]) impair(idev.dev, s.impairment);
  const done = (): boolean => client.ended && server?.ended === true;
  for (let t = 0; t < LIMIT_S && !done() && broken === null; t += 10) net.run(10);
  const peer = server as Peer | null;
  let fault: string | null = broken;
  if (peer === null) fault ??= 'no connection';
  else {
    fault ??= client.error ?? peer.error;
    if (peer.received !== s.forth) fault ??= `${peer.received} of ${s.forth} bytes arrived`;
    if (client.received !== s.back) fault ??= `${client.received} of ${s.back} bytes came back`;
    if (!done()) fault ??= 'it did not end';
    peer.socket.close();
  }
  client.socket.close();
  listener.close();
  // LAST-ACK, FIN-WAIT-2 and TIME-WAIT pass.
  for (const idev of [left, right]) impair(idev.dev, { loss: null, corrupt: 0, duplicate: 0, reorder: 0, jitter: 0 });
  net.run(400);
  const sockets = [...a.tcp.sockets(), ...b.tcp.sockets()].length;
  if (sockets !== 0) fault ??= `${sockets} sockets are left after 400 s`;
  const leaked = net.close();
  if (leaked !== 0) fault ??= `${leaked} frames leaked`;
  return fault === null
    ? null
    : `seed ${seed}: ${fault} (${JSON.stringify(s)}, ended at ${net.world.sim.now / NS_PER_S} s)`;
}

const only = process.env.TCP_FUZZ_SEED;

describe('a connection over a bad cable', () => {
  if (only !== undefined) {
    it(`delivers every byte (seed ${only})`, () => expect(run(Number(only))).toBeNull());
    return;
  }
  for (let from = 1; from <= SEEDS; from += SEEDS_PER_TEST) {
    it(`delivers every byte, and its counters add up (seeds ${from} to ${from + SEEDS_PER_TEST - 1})`, () => {
      const faults: string[] = [];
      for (let seed = from; seed < from + SEEDS_PER_TEST; seed++) {
        const fault = run(seed);
        if (fault !== null) faults.push(fault);
      }
      expect(faults).toEqual([]);
    });
  }
});
