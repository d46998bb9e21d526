// Proves that SACK blocks are believed only where they can be true, that a duplicate reported (DSACK) is counted and not
// taken for news, and that a peer cannot cut the queue into ever smaller records (CVE-2019-11477 to 11479; bad inputs 10, 11
// and 19): counters stay the sums of the queue, and records stay bounded.

import { describe, expect, it } from 'vitest';
import { impair } from '../../src/link/cable.ts';
import { allocFrame, frameStart, freeFrame, view } from '../../src/link/frame.ts';
import { AckResult, tcpAck } from '../../src/stack/tcp/tcp-ack.ts';
import { TcpAckFlag } from '../../src/stack/tcp/tcp-ack-flag.ts';
import { tcpVerifyScoreboard } from '../../src/stack/tcp/tcp-scoreboard.ts';
import { TcpSegment } from '../../src/stack/tcp/tcp-segment.ts';
import { Tcpcb } from '../../src/stack/tcp/tcp-skb.ts';
import { TcpCaState, type TcpSock, tcpMstampRefresh } from '../../src/stack/tcp/tcp-sock.ts';
import { TcpSocket } from '../../src/stack/tcp/tcp-socket.ts';
import { TcpFlag } from '../../src/wire/tcp.ts';
import { ip, Net } from './net.ts';

const PORT = 7000;

/** A connection that has sent `segments` of `mss` bytes into a cable that swallows them. */
function outstanding(segments: number, mss: number, cwnd = segments): { net: Net; sk: TcpSock; ack: Acker } {
  const net = new Net();
  const a = net.host('a', { 'net.ipv4.tcp_timestamps': '0' });
  const b = net.host('b', { 'net.ipv4.tcp_timestamps': '0' });
  const [left] = net.cable(
    { netns: a, address: '10.0.0.1/24', mac: '02:00:00:00:00:01' },
    { netns: b, address: '10.0.0.2/24', mac: '02:00:00:00:00:02' },
  );
  const listener = new TcpSocket(b);
  listener.bind(0, PORT);
  listener.listen(1);
  const client = new TcpSocket(a);
  client.maxSegment = mss;
  client.connect(ip('10.0.0.2'), PORT);
  net.run(0.1);
  const { sk } = client;
  expect(sk.mssCache).toBe(mss);
  impair(left.dev, { partitioned: true });
  sk.sndCwnd = cwnd;
  sk.sndWnd = sk.maxWindow = 2 ** 24;
  sk.sndbuf = 4_194_304;
  const bytes = new Uint8Array(segments * mss);
  for (let sent = 0; sent < bytes.length; ) {
    const taken = client.send(bytes.subarray(sent));
    if (typeof taken === 'string') break;
    sent += taken;
  }
  net.run(0.0001);
  return { net, sk, ack: new Acker(sk) };
}

/** Hands ACKs with SACK blocks to a connection, positions relative to what was first outstanding. */
class Acker {
  readonly #sk: TcpSock;
  readonly base: number;
  readonly #segment = new TcpSegment();
  challenges = 0;

  constructor(sk: TcpSock) {
    this.#sk = sk;
    this.base = sk.sndUna;
  }

  say(ack: number, ...blocks: (readonly [number, number])[]): AckResult {
    const frame = allocFrame(64);
    const at = frameStart[frame]!;
    blocks.forEach(([start, end], i) => {
      view.setUint32(at + i * 8, (this.base + start) >>> 0);
      view.setUint32(at + i * 8 + 4, (this.base + end) >>> 0);
    });
    const segment = this.#segment;
    segment.seq = segment.endSeq = this.#sk.rcvNxt;
    segment.ackSeq = (this.base + ack) >>> 0;
    segment.flags = TcpFlag.ACK;
    segment.window = 0xffff;
    segment.sackAt = at;
    segment.sackCount = blocks.length;
    this.#sk.rxOpt.sawTstamp = false;
    tcpMstampRefresh(this.#sk);
    const result = tcpAck(this.#sk, segment, TcpAckFlag.SLOWPATH, () => {
      this.challenges++;
    });
    freeFrame(frame);
    expect(tcpVerifyScoreboard(this.#sk)).toBeNull();
    return result;
  }
}

describe('a SACK block', () => {
  const mss = 1000;

  it.each([
    ['that is inverted', [5000, 4000]],
    ['that is empty', [4000, 4000]],
    ['that ends beyond what was sent', [8000, 10_001]],
    ['that lies beyond what was sent', [20_000, 30_000]],
    ['that begins at the acknowledgement', [0, 1000]],
    ['that lies below the acknowledgement', [-3000, -2000]],
    ['that is half the sequence space long', [1000, 2 ** 31 + 500]],
    ['that wraps around everything', [1000, 999]],
  ] as const)('%s is passed over', (_, block) => {
    const { net, sk, ack } = outstanding(10, mss);
    ack.say(0, block);
    expect(sk.sackedOut).toBe(0);
    expect(sk.caState).toBe(TcpCaState.OPEN);
    net.close();
  });

  it('beside a bad one counts all the same', () => {
    const { net, sk, ack } = outstanding(10, mss);
    ack.say(0, [5000, 4000], [2000, 3000], [20_000, 30_000], [6000, 8000]);
    expect(sk.sackedOut).toBe(3);
    net.close();
  });

  it('that ends inside a segment counts for the whole segments it covers', () => {
    const { net, sk, ack } = outstanding(10, mss);
    ack.say(0, [1500, 4700]);
    expect(sk.sackedOut).toBe(2);
    expect(sk.packetsOut).toBe(10);
    net.close();
  });

  it('counts once, however often it comes and from whichever side it grows', () => {
    const { net, sk, ack } = outstanding(20, mss);
    ack.say(0, [9000, 10_000]);
    ack.say(0, [8000, 10_000]);
    ack.say(0, [8000, 10_000]);
    ack.say(0, [8000, 12_000], [3000, 4000]);
    ack.say(0, [3000, 12_000]);
    ack.say(0, [3000, 12_000], [14_000, 20_000]);
    expect(sk.sackedOut).toBe(15);
    // Neighbours become one record: what is left are at most the runs.
    let sackedRecords = 0;
    for (let skb = sk.rtxQueue.first(); skb !== null; skb = skb.next) {
      if ((skb.sacked & Tcpcb.SACKED_ACKED) !== 0) sackedRecords++;
    }
    expect(sackedRecords).toBeLessThanOrEqual(4);
    ack.say(20_000);
    expect(sk.packetsOut).toBe(0);
    net.close();
  });

  it('below the acknowledgement, first of all, reports a duplicate: believed only as far as something was sent twice', () => {
    const { net, sk, ack } = outstanding(10, mss);
    ack.say(3000);
    ack.say(3000, [1000, 2000]);
    expect(sk.dsackDups).toBe(1);
    expect(sk.sackedOut).toBe(0);
    expect(sk.delivered).toBe(3 + 1);
    net.close();
  });
});

describe('an acknowledgement', () => {
  it('of what was not sent is challenged, and so is one older than any window; neither changes anything', () => {
    const { net, sk, ack } = outstanding(10, 1000);
    const before = sk.sndUna;
    expect(ack.say(10_001)).toBe(AckResult.UNSENT);
    expect(ack.say(-1_000_000)).toBe(AckResult.TOO_OLD);
    expect(ack.challenges).toBe(2);
    expect(sk.sndUna).toBe(before);
    expect(sk.packetsOut).toBe(10);
    net.close();
  });
});

describe('a peer that SACKs every other tiny segment', () => {
  it('cuts the queue into a bounded number of records, and still gets every byte acknowledged', () => {
    const mss = 88;
    const { net, sk, ack } = outstanding(45_000, mss);
    const end = (sk.sndNxt - ack.base) >>> 0;
    expect(end).toBeGreaterThan(1_000_000);
    let most = 0;
    for (let at = 1; (at + 8) * mss < end; at += 8) {
      const block = (i: number): [number, number] => [(at + 2 * i) * mss, (at + 2 * i + 1) * mss];
      ack.say(0, block(0), block(1), block(2), block(3));
      most = Math.max(most, sk.rtxQueue.size);
    }
    // What tcp_fragment allows: twice the send buffer and a little more, at 960 bytes for each record.
    expect(most).toBeLessThan((2 * (sk.sndbuf + 140_000)) / 960);
    ack.say(end);
    expect(sk.rtxQueue.size).toBe(0);
    expect(sk.packetsOut).toBe(0);
    net.close();
  });
});
