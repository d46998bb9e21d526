// Proves that what a hostile peer sends to TCP is answered, refused or ignored at bounded cost: malformed headers and options,
// sequence numbers at the edges of their space, floods of SYNs and of tiny segments (bad inputs 17 to 19). What each
// combination of flags gets in each state is test/packetdrill/flags.test.ts.

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { framesInUse } from '../../src/link/frame.ts';
import { Machine } from '../../src/stack/machine.ts';
import type { NetNamespace } from '../../src/stack/netns.ts';
import { TcpState } from '../../src/stack/tcp/tcp-sock.ts';
import { TcpSocket } from '../../src/stack/tcp/tcp-socket.ts';
import { World } from '../../src/stack/world.ts';
import type { TcpOptionSpec } from '../packetdrill/syntax.ts';
import { LOCAL, REMOTE, Tun } from '../packetdrill/tun.ts';
import { ACK, FIN, flagLetters, PSH, RST, readSegment, type Segment, SYN, writeSegment } from '../packetdrill/wire.ts';

const PORT = 80;
const u32 = (v: number): number => v >>> 0;

let world: World;
let netns: NetNamespace;
let tun: Tun;
let before: number;
beforeEach(() => {
  before = framesInUse();
  world = new World(1);
  netns = new Machine(world, 'lab').addNamespace('tested');
  netns.loopback.dev.setUp(true);
  tun = new Tun(netns, 1500);
});
afterEach(() => {
  world.dispose();
  expect(framesInUse()).toBe(before);
});

function run(seconds: number): void {
  const delay = Math.round(seconds * 1e9);
  world.sim.after(delay, () => {});
  world.sim.runUntil(world.sim.now + delay);
}

const BLANK: Segment = {
  source: REMOTE,
  destination: LOCAL,
  sourcePort: 40_000,
  destinationPort: PORT,
  sequence: 0,
  ack: 0,
  flags: 0,
  window: 60_000,
  urgent: 0,
  options: [],
  payload: new Uint8Array(0),
  tos: 0,
  ttl: 64,
  id: 1,
  fragment: 0x4000,
};

/** Sends one segment in and gives what left at once. */
function inject(s: Partial<Segment>, spoil?: (packet: Uint8Array) => void): Segment[] {
  tun.sent.length = 0;
  const bytes = writeSegment({ ...BLANK, ...s })!;
  if (spoil !== undefined) {
    spoil(bytes);
    mend(bytes);
  }
  tun.inject(bytes);
  world.sim.runUntil(world.sim.now);
  return answers();
}

function answers(): Segment[] {
  return tun.sent.splice(0).map((sent) => {
    const s = readSegment(sent.bytes);
    if (typeof s === 'string') throw new Error(`a packet left with ${s}`);
    return s;
  });
}

/** Puts the TCP checksum right again. */
function mend(b: Uint8Array): void {
  b[36] = 0;
  b[37] = 0;
  let s = 6 + b.length - 20;
  for (let i = 12; i < b.length; i += 2) s += b[i]! * 256 + (b[i + 1] ?? 0);
  while (s > 0xffff) s = (s & 0xffff) + (s >>> 16);
  b[36] = (~s >> 8) & 255;
  b[37] = ~s & 255;
}

function listener(backlog = 128): TcpSocket {
  const socket = new TcpSocket(netns);
  socket.reuseAddress = true;
  expect(socket.bind(0, PORT)).toBeNull();
  expect(socket.listen(backlog)).toBeNull();
  return socket;
}

interface Connection {
  readonly socket: TcpSocket;
  /** next sequence number of the peer, and of ours as the peer knows it */
  readonly next: number;
  readonly ack: number;
}

/** A connection accepted from a peer whose first sequence number is `isn`. */
function accepted(isn = 0, options: readonly TcpOptionSpec[] = [{ kind: 'mss', value: 1000 }]): Connection {
  const l = listener();
  const [synack] = inject({ flags: SYN, sequence: isn, options });
  expect(synack?.flags).toBe(SYN | ACK);
  const next = u32(isn + 1);
  const ack = u32(synack!.sequence + 1);
  expect(inject({ flags: ACK, sequence: next, ack })).toEqual([]);
  const socket = l.accept();
  expect(socket?.state).toBe(TcpState.ESTABLISHED);
  l.close();
  return { socket: socket!, next, ack };
}

const words = (s: readonly Segment[]): string[] => s.map((x) => `${flagLetters(x.flags)} ${x.sequence} ${x.ack}`);

describe('a malformed segment', () => {
  const LISTENING = { flags: SYN, options: [{ kind: 'mss', value: 1000 }] } as const;

  it('with a data offset below 5 or beyond its end is dropped, in LISTEN and in ESTABLISHED', () => {
    const c = accepted();
    listener();
    for (const offset of [0, 1, 4, 7, 15]) {
      expect(inject({ ...LISTENING, sourcePort: 50_000 }, (b) => (b[32] = offset << 4))).toEqual([]);
      expect(inject({ flags: ACK | PSH, sequence: c.next, ack: c.ack }, (b) => (b[32] = offset << 4))).toEqual([]);
    }
    expect(c.socket.state).toBe(TcpState.ESTABLISHED);
    expect(inject({ ...LISTENING, sourcePort: 50_001 })).toHaveLength(1);
  });

  it('with a wrong checksum gets no answer, and nothing of it is believed', () => {
    const c = accepted();
    const bytes = writeSegment({ ...BLANK, flags: RST, sequence: c.next })!;
    bytes[36]! ^= 1;
    tun.inject(bytes);
    run(0.1);
    expect(answers()).toEqual([]);
    expect(c.socket.state).toBe(TcpState.ESTABLISHED);
  });

  it('with an option of length 0, 1 or over the header is taken without what follows that option', () => {
    listener();
    const bad: readonly (readonly number[])[] = [
      [2, 0, 0, 0, 3, 3, 7, 0],
      [2, 1, 0, 0, 3, 3, 7, 0],
      [2, 40, 0, 0, 3, 3, 7, 0],
      [253, 0, 3, 3, 7, 1, 1, 1],
      [1, 1, 1, 1, 1, 1, 1, 5],
    ];
    for (const [i, option] of bad.entries()) {
      const filler = Array.from({ length: 8 }, () => ({ kind: 'nop' }) as const);
      const answer = inject({ flags: SYN, sourcePort: 50_000 + i, options: filler }, (b) => b.set(option, 40));
      expect(words(answer).map((w) => w.split(' ')[0])).toEqual(['S.']);
      // No window scale was understood, so none is offered.
      expect(answer[0]!.options.some((o) => o.kind === 'wscale')).toBe(false);
    }
  });

  it('with an MSS of 0, 1 or 65535 leads to segments of a sane size', () => {
    for (const [i, mss] of [0, 1, 65_535].entries()) {
      const l = new TcpSocket(netns);
      l.bind(0, 1000 + i);
      l.listen(1);
      const to = { destinationPort: 1000 + i };
      const [synack] = inject({ ...to, flags: SYN, options: [{ kind: 'mss', value: mss }] });
      inject({ ...to, flags: ACK, sequence: 1, ack: u32(synack!.sequence + 1) });
      const socket = l.accept()!;
      expect(socket.send(new Uint8Array(3000))).toBe(3000);
      const sizes: number[] = [];
      let out = answers();
      for (let got = 0; got < 3000; ) {
        for (const s of out) sizes.push(s.payload.length);
        got = sizes.reduce((sum, n) => sum + n, 0);
        expect(out).not.toEqual([]);
        out = inject({ ...to, flags: ACK, sequence: 1, ack: u32(synack!.sequence + 1 + got) });
      }
      expect(Math.max(...sizes)).toBeLessThanOrEqual(1460);
      expect(Math.min(...sizes.slice(0, -1))).toBeGreaterThanOrEqual(48);
      socket.close();
      l.close();
    }
  });

  it('from a broadcast, a group or with no ports open to it gets nothing that it could turn on others', () => {
    for (const source of [-1, 0xe0000001 | 0]) expect(inject({ flags: SYN, source })).toEqual([]);
    expect(inject({ flags: RST, sequence: 5 })).toEqual([]);
    expect(inject({ flags: RST | ACK, sequence: 5, ack: 6 })).toEqual([]);
    expect(words(inject({ flags: SYN | FIN, sequence: 5, payload: new Uint8Array(3) }))).toEqual(['R. 0 10']);
  });
});

describe('sequence numbers', () => {
  it('pass 2^32 in the handshake, in the data of both sides and in the FIN', () => {
    for (const isn of [0xffffffff, 0xfffffffe, 0xfffffff0, 0x7fffffff, 0x80000000]) {
      const c = accepted(isn);
      let { next } = c;
      for (let i = 0; i < 20; i++) {
        inject({ flags: ACK | PSH, sequence: next, ack: c.ack, payload: new Uint8Array(7).fill(i) });
        next = u32(next + 7);
        expect(c.socket.recv(100)).toEqual(new Uint8Array(7).fill(i));
      }
      inject({ flags: ACK | FIN, sequence: next, ack: c.ack });
      run(0.1);
      const fin = answers().at(-1);
      expect([fin?.flags, fin?.ack]).toEqual([ACK, u32(next + 1)]);
      expect(c.socket.recv(10)).toEqual(new Uint8Array(0));
      c.socket.close();
      world.sim.runUntil(world.sim.now);
      expect(answers().map((s) => s.flags & FIN)).toEqual([FIN]);
      inject({ flags: ACK, sequence: u32(next + 1), ack: u32(c.ack + 1) });
      expect(c.socket.state).toBe(TcpState.CLOSE);
    }
  });

  it('of our own pass 2^32 while data is out, whatever of it comes back', () => {
    const c = accepted();
    // Moved to just below the edge: as if 4 GB had gone over the connection.
    const { sk } = c.socket;
    const to = 0xfffffc00;
    const by = u32(to - sk.sndNxt);
    for (const key of ['sndUna', 'sndNxt', 'sndSml', 'sndUp', 'writeSeq', 'pushedSeq', 'highSeq', 'rttSeq'] as const) {
      sk[key] = u32(sk[key] + by);
    }
    expect(c.socket.send(new Uint8Array(5000).fill(9))).toBe(5000);
    run(0.001);
    const out = answers();
    expect(out.reduce((sum, s) => sum + s.payload.length, 0)).toBe(5000);
    expect(out[0]!.sequence).toBe(to);
    expect(out.at(-1)!.sequence).toBeLessThan(5000);
    inject({ flags: ACK, sequence: c.next, ack: u32(to + 5000) });
    expect(sk.packetsOut).toBe(0);
    expect(c.socket.sendQueue).toBe(0);
  });

  it('outside the window, or ACKs of what was never sent, change nothing and are challenged at most twice a second', () => {
    const c = accepted();
    let answered = 0;
    for (let i = 0; i < 1000; i++) {
      const odd = [
        { flags: SYN, sequence: u32(c.next + i * 7919) },
        { flags: RST, sequence: u32(c.next + 1 + (i % 5000)) },
        { flags: ACK, sequence: c.next, ack: u32(c.ack + 1 + i * 104_729) },
        { flags: ACK, sequence: u32(c.next - 2000 - i), ack: c.ack },
      ][i % 4]!;
      answered += inject(odd).length;
      run(0.001);
    }
    expect(c.socket.state).toBe(TcpState.ESTABLISHED);
    expect(c.socket.receiveQueue).toBe(0);
    // tcp_invalid_ratelimit: 500 ms; the run took one second.
    expect(answered).toBeGreaterThan(0);
    expect(answered).toBeLessThanOrEqual(6);
  });

  it('of a window that shrinks to nothing and back lose no byte and send little twice', () => {
    const c = accepted();
    c.socket.send(new Uint8Array(30_000).fill(3));
    run(0.001);
    let high = 0;
    let una = c.ack;
    let sent = 0;
    const see = (segments: readonly Segment[]): void => {
      for (const s of segments) {
        sent += s.payload.length;
        high = Math.max(high, s.payload.length > 0 ? u32(s.sequence + s.payload.length - c.ack) : 0);
      }
    };
    see(answers());
    for (let i = 0; i < 4000 && high < 30_000; i++) {
      una = u32(c.ack + high);
      see(inject({ flags: ACK, sequence: c.next, ack: una, window: i % 3 === 0 ? 0 : (i * 37) % 3000 }));
      run(0.3);
      see(answers());
    }
    una = u32(c.ack + high);
    expect(high).toBe(30_000);
    // What the peer had taken is not sent again, whatever its window did.
    expect(sent).toBeLessThan(2 * 30_000);
    inject({ flags: ACK, sequence: c.next, ack: una });
    expect(c.socket.sendQueue).toBe(0);
  });
});

describe('a flood', () => {
  const SYNS = 100_000;

  function flood(): number {
    let answered = 0;
    for (let i = 0; i < SYNS; i++) {
      const source = (0x0a000000 + i) | 0;
      tun.inject(writeSegment({ ...BLANK, source, sourcePort: 1024 + (i % 60_000), flags: SYN, sequence: i })!);
      if (i % 100 === 0) run(0.0001);
      for (const sent of tun.sent.splice(0)) if (sent.bytes[33] === (SYN | ACK)) answered++;
    }
    return answered;
  }

  it('of 100,000 SYNs leaves a bounded backlog, and with SYN cookies the next honest peer still gets in', () => {
    // Where the answers go: whoever the sources are, behind the gateway.
    netns.fib.insert(254, { ...netns.fib.main.routes().at(-1)!, destination: 0x0a000000, length: 8 });
    const l = listener(128);
    const frames = framesInUse();
    flood();
    expect(netns.tcp.sockets().length).toBeLessThanOrEqual(1 + 129);
    expect(framesInUse() - frames).toBeLessThanOrEqual(16);
    const [synack] = inject({ flags: SYN, sequence: 5, options: [{ kind: 'mss', value: 1000 }] });
    expect(synack?.flags).toBe(SYN | ACK);
    expect(netns.tcp.sockets().length).toBeLessThanOrEqual(1 + 129);
    inject({ flags: ACK, sequence: 6, ack: u32(synack!.sequence + 1) });
    expect(l.accept()?.remoteAddress).toBe(REMOTE);
    // All that is forgotten in time: SYN-ACKs are repeated five times at most.
    run(200);
    tun.sent.length = 0;
    expect(netns.tcp.sockets().length).toBeLessThanOrEqual(2);
  });

  it('of 100,000 SYNs without SYN cookies is answered as far as the backlog goes', () => {
    netns.fib.insert(254, { ...netns.fib.main.routes().at(-1)!, destination: 0x0a000000, length: 8 });
    netns.sysctl.set('net.ipv4.tcp_syncookies', '0');
    listener(128);
    expect(flood()).toBeLessThanOrEqual(10 * 130);
    expect(netns.tcp.sockets().length).toBeLessThanOrEqual(1 + 129);
  });

  it('of ACKs with guessed cookies opens nothing', () => {
    const l = listener(1);
    let resets = 0;
    for (let i = 0; i < 2000; i++) {
      const answer = inject({ flags: ACK, sequence: 6, ack: u32(i * 2_654_435_761), sourcePort: 2000 + i });
      resets += answer.filter((s) => s.flags === RST).length;
    }
    expect(resets).toBe(2000);
    expect(l.accept()).toBeNull();
  });

  /** Looks at the out-of-order ranges (reads of an element) while `n` one-byte segments come in reverse order. */
  function looks(n: number): number {
    const c = accepted(0, [{ kind: 'mss', value: 1000 }, { kind: 'nop' }, { kind: 'nop' }, { kind: 'sackOK' }]);
    let count = 0;
    const ofo = c.socket.sk.ofo;
    const counting = new Proxy(ofo, {
      get(target, key) {
        const value = Reflect.get(target, key) as unknown;
        if (typeof key === 'string' && /^\d+$/.test(key)) count++;
        // What moves elements moves eight bytes each, in one go: that is not what is counted.
        if (typeof value === 'function' && key !== Symbol.iterator) return value.bind(target) as unknown;
        return value;
      },
    });
    Object.defineProperty(c.socket.sk, 'ofo', { value: counting });
    for (let i = n; i > 0; i--) {
      inject({ flags: ACK, sequence: u32(c.next + i * 2), ack: c.ack, payload: new Uint8Array(1) });
    }
    // Bounded memory whatever came: each segment costs its buffer.
    expect(c.socket.sk.rmemAlloc).toBeLessThanOrEqual(c.socket.sk.rcvbuf + 4096);
    c.socket.close();
    return count;
  }

  it('of tiny segments in reverse order costs each segment no more than a search (SegmentSmack, CVE-2018-5390)', () => {
    const n = 2000;
    const few = looks(n);
    world.dispose();
    world = new World(2);
    netns = new Machine(world, 'lab').addNamespace('tested');
    netns.loopback.dev.setUp(true);
    tun = new Tun(netns, 1500);
    const many = looks(4 * n);
    expect(few).toBeGreaterThan(0);
    // A binary search and a handful of neighbours.
    expect(many / (4 * n)).toBeLessThan(4 * Math.log2(4 * n));
    // Four times the segments cost about four times as much, not sixteen.
    expect(many / few).toBeLessThan(7);
  });

  it('of SACK blocks, inverted, absurd or over four, marks nothing (CVE-2019-11477)', () => {
    const sackOk: TcpOptionSpec[] = [{ kind: 'mss', value: 48 }, { kind: 'nop' }, { kind: 'nop' }, { kind: 'sackOK' }];
    const c = accepted(0, sackOk);
    c.socket.send(new Uint8Array(400));
    run(0.001);
    const sent = answers().length;
    const at = (n: number): number => u32(c.ack + n);
    const pad = [{ kind: 'nop' }, { kind: 'nop' }] as const;
    const sack = (...blocks: [number, number][]): TcpOptionSpec[] => [...pad, { kind: 'sack', blocks }];
    for (const options of [
      sack([at(300), at(100)]),
      sack([at(100), at(100)]),
      sack([at(1000), at(2000)]),
      sack([at(-5000), at(-4000)]),
      sack([at(-10), at(500_000)]),
      sack([0, 0xffffffff], [0xffffffff, 0], [0x80000000, 0x7fffffff], [at(2 ** 31), at(2 ** 31 + 1)]),
    ]) {
      expect(inject({ flags: ACK, sequence: c.next, ack: c.ack, options })).toEqual([]);
      expect(c.socket.sk.sackedOut).toBe(0);
      expect(c.socket.sk.lostOut).toBe(0);
    }
    expect(sent).toBeGreaterThan(1);
  });
});
