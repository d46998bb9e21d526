// Proves: connections between two namespaces put the segments on the wire that Linux puts there (golden case 08c, its lines
// copied here with relative numbers), and a listener with its queues, SYN cookies, TIME-WAIT, simultaneous open and close,
// keep-alive, SO_LINGER and a closed window behave as RFC 9293 and Linux have it.

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { NetNamespace } from '../../src/stack/netns.ts';
import { TcpState } from '../../src/stack/tcp/tcp-sock.ts';
import { TcpSocket } from '../../src/stack/tcp/tcp-socket.ts';
import { ip, Net } from './net.ts';
import { tcpLines, tcpOf } from './tcp-line.ts';

let net: Net;
let a: NetNamespace;
let b: NetNamespace;
const B = ip('10.0.0.2');

beforeEach(() => {
  net = new Net();
  const rmem = { 'net.ipv4.tcp_rmem': '4096 131072 6291456' };
  a = net.host('a', rmem);
  b = net.host('b', rmem);
  net.cable(
    { netns: a, address: '10.0.0.1/24', mac: '02:00:00:00:00:0a' },
    { netns: b, address: '10.0.0.2/24', mac: '02:00:00:00:00:0b' },
  );
});
afterEach(() => {
  expect(net.close()).toBe(0);
});

function listen(port: number, backlog = 128): TcpSocket {
  const l = new TcpSocket(b);
  expect(l.bind(0, port)).toBeNull();
  expect(l.listen(backlog)).toBeNull();
  return l;
}

function connect(port: number, own = 0): TcpSocket {
  const c = new TcpSocket(a);
  if (own !== 0) expect(c.bind(0, own)).toBeNull();
  expect(c.connect(B, port)).toBeNull();
  return c;
}

/** A connection of both ends. */
function pair(port = 7000, own = 0): { l: TcpSocket; c: TcpSocket; s: TcpSocket } {
  const l = listen(port);
  const c = connect(port, own);
  net.run(0.001);
  const s = l.accept();
  expect(s).not.toBeNull();
  expect([c.state, s!.state]).toEqual([TcpState.ESTABLISHED, TcpState.ESTABLISHED]);
  return { l, c, s: s! };
}

const bytes = (n: number, fill = 65): Uint8Array => new Uint8Array(n).fill(fill);
const text = (r: Uint8Array | string): string => (typeof r === 'string' ? r : `${r.length} bytes`);

describe('the wire', () => {
  it('is that of golden case 08c: handshake, quick ACKs, answers that carry the ACK, RST of SO_LINGER 0', () => {
    const { c, s } = pair(7000, 45_001);
    const echo = (): void => {
      const r = s.recv(65_536);
      if (typeof r !== 'string' && r.length > 0) expect(s.send(r)).toBe(r.length);
    };
    for (let i = 0; i < 3; i++) {
      c.send(bytes(10));
      net.run(0.002);
      echo();
      net.run(0.3);
      expect(text(c.recv(100))).toBe('10 bytes');
    }
    c.linger = 0;
    c.close();
    net.run(0.01);
    // The lines of pod-a.eth0 for port 45001, but for the close: there it is that of port 45002.
    expect(tcpLines(net.frames, 'a/eth0', 45_001)).toEqual([
      'out S 0(0) win 64240 <mss 1460,sackOK,ts,nop,wscale 7>',
      'in S. 0(0) ack 1 win 65160 <mss 1460,sackOK,ts,nop,wscale 7>',
      'out . 1(0) ack 1 win 502 <nop,nop,ts>',
      'out P. 1(10) ack 1 win 502 <nop,nop,ts>',
      'in . 1(0) ack 11 win 509 <nop,nop,ts>',
      'in P. 1(10) ack 11 win 509 <nop,nop,ts>',
      'out . 11(0) ack 11 win 502 <nop,nop,ts>',
      'out P. 11(10) ack 11 win 502 <nop,nop,ts>',
      'in P. 11(10) ack 21 win 509 <nop,nop,ts>',
      'out . 21(0) ack 21 win 502 <nop,nop,ts>',
      'out P. 21(10) ack 21 win 502 <nop,nop,ts>',
      'in P. 21(10) ack 31 win 509 <nop,nop,ts>',
      'out . 31(0) ack 31 win 502 <nop,nop,ts>',
      'out R. 31(0) ack 31 win 502 <nop,nop,ts>',
    ]);
    expect(s.takeError()).toBe('ECONNRESET');
    expect(s.state).toBe(TcpState.CLOSE);
  });

  it('counts IP identifications up by one a segment, and has none in a SYN-ACK', () => {
    const { c } = pair();
    c.send(bytes(5000));
    net.run(0.1);
    const sent = net.frames.filter((f) => f.dev === 'a/eth0' && f.direction === 'out').flatMap((f) => tcpOf(f) ?? []);
    expect(sent.map((s) => (s.id - sent[0]!.id) & 0xffff)).toEqual(sent.map((_, i) => i));
    const synack = net.frames.filter((f) => f.dev === 'b/eth0').flatMap((f) => tcpOf(f) ?? []);
    expect(synack.find((s) => s.flags === 'S.')!.id).toBe(0);
  });

  it('carries 3000 bytes as 1448, 1448 and 104, PSH on the last only', () => {
    const { c } = pair(7000, 45_002);
    c.send(bytes(3000));
    net.run(0.1);
    const data = tcpLines(net.frames, 'a/eth0', 45_002).filter((l) => l.startsWith('out') && !l.includes('(0)'));
    expect(data.map((l) => l.split(' ack')[0])).toEqual(['out . 1(1448)', 'out . 1449(1448)', 'out P. 2897(104)']);
  });

  it("holds a second small segment back until the first is acknowledged, unless Nagle's algorithm is off", () => {
    for (const noDelay of [false, true]) {
      const port = noDelay ? 7001 : 7000;
      const { c, s } = pair(port);
      c.noDelay = noDelay;
      // The peer answers, so that it leaves quick-ACK mode.
      c.send(bytes(1));
      net.run(0.001);
      s.recv(10);
      s.send(bytes(1));
      net.run(0.5);
      const before = net.frames.length;
      c.send(bytes(5));
      c.send(bytes(5));
      net.run(0.001);
      const sent = net.frames.slice(before).filter((f) => f.dev === 'a/eth0' && f.direction === 'out');
      expect(sent.flatMap((f) => tcpOf(f) ?? []).map((x) => x.length)).toEqual(noDelay ? [5, 5] : [5]);
      net.run(1);
      expect(text(s.recv(100))).toBe('10 bytes');
    }
  });
});

describe('closing', () => {
  it('passes FIN-WAIT-1, FIN-WAIT-2, CLOSE-WAIT, LAST-ACK and ends in TIME-WAIT for 60 s on the side that closed first', () => {
    const { c, s } = pair();
    c.shutdown('wr');
    expect(c.state).toBe(TcpState.FIN_WAIT1);
    net.run(0.1);
    expect([c.state, s.state]).toEqual([TcpState.FIN_WAIT2, TcpState.CLOSE_WAIT]);
    expect(text(s.recv(10))).toBe('0 bytes');
    s.send(bytes(7));
    net.run(0.01);
    expect(text(c.recv(10))).toBe('7 bytes');
    s.close();
    net.run(0.01);
    expect(c.state).toBe(TcpState.CLOSE);
    expect(text(c.recv(10))).toBe('0 bytes');
    const timewait = (): number => a.tcp.sockets().filter((x) => x.state === TcpState.TIME_WAIT).length;
    expect([timewait(), b.tcp.sockets().length]).toEqual([1, 1]);
    c.close();
    net.run(59);
    expect(timewait()).toBe(1);
    net.run(10);
    expect(timewait()).toBe(0);
  });

  it('from both sides at once passes CLOSING and leaves TIME-WAIT on both', () => {
    const { c, s } = pair();
    c.close();
    s.close();
    net.run(0.5);
    for (const host of [a, b]) {
      expect(
        host.tcp
          .sockets()
          .map((x) => x.state)
          .filter((x) => x !== TcpState.LISTEN),
      ).toEqual([TcpState.TIME_WAIT]);
    }
  });

  it('with bytes unread resets the connection', () => {
    const { c, s } = pair();
    c.send(bytes(10));
    net.run(0.01);
    s.close();
    net.run(0.01);
    expect(c.takeError()).toBe('ECONNRESET');
    expect(b.tcp.orphans).toBe(0);
  });

  it('of an orphan in FIN-WAIT-2 ends by itself after tcp_fin_timeout', () => {
    const { c } = pair();
    c.close();
    net.run(1);
    expect(a.tcp.sockets().map((x) => x.state)).toEqual([TcpState.TIME_WAIT]);
    net.run(70);
    expect(a.tcp.sockets()).toEqual([]);
  });

  it('lets the same port connect again out of TIME-WAIT, with numbers behind the old ones', () => {
    const { l, c, s } = pair(7000, 50_000);
    c.reuseAddress = true;
    c.close();
    net.run(0.01);
    s.close();
    net.run(0.01);
    expect(a.tcp.timewaitCount).toBe(1);
    const again = new TcpSocket(a);
    again.reuseAddress = true;
    expect(again.bind(0, 50_000)).toBeNull();
    expect(again.connect(B, 7000)).toBeNull();
    net.run(0.01);
    expect(again.state).toBe(TcpState.ESTABLISHED);
    expect(a.tcp.timewaitCount).toBe(0);
    expect(l.accept()).not.toBeNull();
  });
});

describe('a listener', () => {
  it('lets no more connections wait than its backlog and one, and takes the next when one is accepted', () => {
    const l = listen(7000, 1);
    const clients = [1, 2, 3].map(() => {
      const c = connect(7000);
      net.run(0.01);
      return c;
    });
    // The third SYN found the queue full and got no answer.
    expect(l.sk.acceptQueue.length).toBe(2);
    expect(clients.map((c) => c.state)).toEqual([TcpState.ESTABLISHED, TcpState.ESTABLISHED, TcpState.SYN_SENT]);
    expect(l.accept()).not.toBeNull();
    net.run(3);
    expect(l.sk.acceptQueue.length).toBe(2);
    expect(clients[2]!.state).toBe(TcpState.ESTABLISHED);
  });

  it('whose requests fill its backlog answers with SYN cookies and knows them again', () => {
    const l = listen(7000, 4);
    // SYNs from hosts that do not answer: the requests stay.
    for (let i = 0; i < 4; i++) {
      const c = connect(7000);
      c.sk.state = TcpState.CLOSE;
      a.tcp.unhash(c.sk);
    }
    // The cookie is needed by the one whose SYN comes when the queue is full.
    b.sysctl.set('net.ipv4.tcp_syncookies', '2');
    const c = connect(7000);
    net.run(0.01);
    expect(c.state).toBe(TcpState.ESTABLISHED);
    const s = l.accept();
    expect(s).not.toBeNull();
    expect(s!.info()).toMatchObject({ sack: true, timestamps: true, wscale: true, sndWscale: 7 });
    c.send(bytes(100));
    net.run(0.1);
    expect(text(s!.recv(1000))).toBe('100 bytes');
  });

  it('with TCP_DEFER_ACCEPT tells of a connection when data has come', () => {
    const l = listen(7000);
    l.deferAccept = 10;
    const c = connect(7000);
    net.run(0.1);
    expect([c.state, l.readable]).toEqual([TcpState.ESTABLISHED, false]);
    c.send(bytes(3));
    net.run(0.1);
    expect(text(l.accept()!.recv(10))).toBe('3 bytes');
  });

  it('that closes resets the connections that nobody accepted', () => {
    const l = listen(7000);
    const c = connect(7000);
    net.run(0.01);
    l.close();
    net.run(0.01);
    expect(c.takeError()).toBe('ECONNRESET');
    expect(b.tcp.sockets()).toEqual([]);
  });
});

describe('a connection', () => {
  it('opens from both sides at once', () => {
    const c = new TcpSocket(a);
    const s = new TcpSocket(b);
    c.bind(0, 5001);
    s.bind(0, 5002);
    expect(c.connect(B, 5002)).toBeNull();
    expect(s.connect(ip('10.0.0.1'), 5001)).toBeNull();
    net.run(0.1);
    expect([c.state, s.state]).toEqual([TcpState.ESTABLISHED, TcpState.ESTABLISHED]);
    c.send(bytes(10));
    net.run(0.1);
    expect(text(s.recv(100))).toBe('10 bytes');
  });

  it('to itself works over loopback', () => {
    const l = new TcpSocket(a);
    l.bind(0, 80);
    l.listen(1);
    const c = new TcpSocket(a);
    expect(c.connect(ip('127.0.0.1'), 80)).toBeNull();
    net.run(0.01);
    const s = l.accept()!;
    c.send(bytes(100_000));
    net.run(0.1);
    let got = 0;
    for (let i = 0; i < 100; i++) {
      const r = s.recv(65_536);
      if (typeof r !== 'string') got += r.length;
      net.run(0.01);
    }
    expect(got).toBe(100_000);
  });

  it('stops at a reader that does not read, probes the closed window, and goes on when it opens', () => {
    const { c, s } = pair();
    const total = 2_000_000;
    let sent = 0;
    const write = (): void => {
      while (sent < total) {
        const n = c.send(bytes(Math.min(65_536, total - sent)));
        if (typeof n === 'string') break;
        sent += n;
      }
    };
    c.onReady = write;
    write();
    net.run(30);
    const unread = s.receiveQueue;
    expect(unread).toBeGreaterThan(30_000);
    expect(c.info().sndWnd).toBe(0);
    // Each probe that is answered doubles the wait for the next.
    expect(c.info().backoff).toBeGreaterThan(3);
    let got = 0;
    s.onReady = () => {
      for (let r = s.recv(65_536); typeof r !== 'string' && r.length > 0; r = s.recv(65_536)) got += r.length;
    };
    s.onReady();
    net.run(200);
    expect([sent, got]).toEqual([total, total]);
  });

  it('that is idle is probed with keep-alives, and given up when nobody answers', () => {
    const { c, s } = pair();
    c.keepAlive = true;
    c.keepIdle = 10;
    c.keepInterval = 2;
    c.keepCount = 3;
    net.run(25);
    expect([c.state, s.state]).toEqual([TcpState.ESTABLISHED, TcpState.ESTABLISHED]);
    b.device('eth0')!.setUp(false);
    net.run(40);
    expect(c.takeError()).toBe('ETIMEDOUT');
  });

  it('gives up sending after tcp_retries2 time-outs, or after TCP_USER_TIMEOUT', () => {
    for (const [retries, userTimeout, atLeast, atMost] of [
      [4, 0, 3, 20],
      [15, 5000, 4.5, 12],
    ] as const) {
      const port = 7000 + retries;
      const { c } = pair(port);
      a.sysctl.set('net.ipv4.tcp_retries2', String(retries));
      c.userTimeout = userTimeout;
      b.sockets.register(6, (idev, frame) => idev.dev.end(frame, 1), null);
      const begin = net.world.sim.now;
      let ended = 0;
      c.onReady = () => {
        if (c.hungUp && ended === 0) ended = (net.world.sim.now - begin) / 1e9;
      };
      c.send(bytes(10));
      net.run(60);
      expect(ended).toBeGreaterThan(atLeast);
      expect(ended).toBeLessThan(atMost);
      expect(c.takeError()).toBe('ETIMEDOUT');
      c.close();
      net.close();
      net = new Net();
      a = net.host('a');
      b = net.host('b');
      net.cable(
        { netns: a, address: '10.0.0.1/24', mac: '02:00:00:00:00:0a' },
        { netns: b, address: '10.0.0.2/24', mac: '02:00:00:00:00:0b' },
      );
    }
  });
});
