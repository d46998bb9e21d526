// Proves that sysctls and options of TCP do what they say, each against its default: tcp_tw_reuse with its delay,
// tcp_thin_linear_timeouts, TCP_USER_TIMEOUT at a window that stays shut; and that connect() after a failed one, and bind()
// beside a connection of another address, begin afresh.

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { impair } from '../../src/link/cable.ts';
import type { NetNamespace } from '../../src/stack/netns.ts';
import { TcpState } from '../../src/stack/tcp/tcp-sock.ts';
import { TcpSocket } from '../../src/stack/tcp/tcp-socket.ts';
import { ip, Net } from './net.ts';

let net: Net;
let a: NetNamespace;
let b: NetNamespace;
const B = ip('10.0.0.2');

beforeEach(() => {
  net = new Net();
  a = net.host('a');
  b = net.host('b');
  net.cable(
    { netns: a, address: '10.0.0.1/24', mac: '02:00:00:00:00:0a' },
    { netns: b, address: '10.0.0.2/24', mac: '02:00:00:00:00:0b' },
  );
});
afterEach(() => {
  expect(net.close()).toBe(0);
});

function set(netns: NetNamespace, name: string, value: string): void {
  expect(netns.sysctl.set(`net.ipv4.${name}`, value)).toBeNull();
}

function listen(netns: NetNamespace, port: number): TcpSocket {
  const l = new TcpSocket(netns);
  expect(l.bind(0, port)).toBeNull();
  expect(l.listen(8)).toBeNull();
  return l;
}

function pair(port = 7000): { c: TcpSocket; s: TcpSocket } {
  const l = listen(b, port);
  const c = new TcpSocket(a);
  expect(c.connect(B, port)).toBeNull();
  net.run(0.001);
  const s = l.accept()!;
  expect(s.state).toBe(TcpState.ESTABLISHED);
  return { c, s };
}

describe('net.ipv4.tcp_tw_reuse', () => {
  /** A connection from the only port there is, closed by this side; then what another connect() says after `wait` seconds. */
  function again(peer: number, reuse: string, wait: number): string | null {
    set(a, 'ip_local_port_range', '40000 40000');
    set(a, 'tcp_tw_reuse', reuse);
    const l = listen(peer === B ? b : a, 7000);
    const c = new TcpSocket(a);
    expect(c.connect(peer, 7000)).toBeNull();
    net.run(0.001);
    const s = l.accept()!;
    c.close();
    net.run(0.001);
    s.close();
    net.run(wait);
    const next = new TcpSocket(a);
    const errno = next.connect(peer, 7000);
    if (errno !== null) return errno;
    net.run(0.01);
    expect(next.state).toBe(TcpState.ESTABLISHED);
    return null;
  }

  it('0 never takes the port of a TIME-WAIT record', () => expect(again(B, '0', 30)).toBe('EADDRNOTAVAIL'));
  it('1 takes it when it is older than tcp_tw_reuse_delay', () => expect(again(B, '1', 1.1)).toBeNull());
  it('1 does not take it before that', () => expect(again(B, '1', 0.9)).toBe('EADDRNOTAVAIL'));
  it('2, the default, takes it on the loopback only', () => {
    expect(again(B, '2', 30)).toBe('EADDRNOTAVAIL');
    expect(again(ip('127.0.0.1'), '2', 30)).toBeNull();
  });
});

describe('net.ipv4.tcp_thin_linear_timeouts', () => {
  /** Distances between the retransmissions of a thin stream whose peer is gone, in units of the first. */
  function distances(thin: string): number[] {
    set(a, 'tcp_thin_linear_timeouts', thin);
    const { c, s } = pair();
    // A loss ends the initial slow start, in which no stream is thin.
    c.sk.sndSsthresh = 10;
    impair(b.device('eth0')!, { partitioned: true });
    net.frames.length = 0;
    c.send(new Uint8Array(10));
    net.run(20);
    const times = net.frames
      .filter((f) => f.dev === 'a/eth0' && f.direction === 'out' && f.bytes.length > 70)
      .map((f) => f.time);
    s.close();
    const gaps = times.slice(2).map((t, i) => t - times[i + 1]!);
    return gaps.slice(0, 5).map((g) => Math.round(g / gaps[0]!));
  }

  it('0: each time-out is twice the one before', () => expect(distances('0')).toEqual([1, 2, 4, 8, 16]));
  it('1: the first ones are all alike', () => expect(distances('1')).toEqual([1, 1, 1, 1, 1]));
});

describe('TCP_USER_TIMEOUT', () => {
  /** Seconds until the connection is given up whose peer has shut its window in front of what is on its way. */
  function lasts(userTimeout: number): number | null {
    const { c } = pair();
    c.userTimeout = userTimeout;
    impair(b.device('eth0')!, { partitioned: true });
    c.send(new Uint8Array(10));
    net.run(0.01);
    c.sk.sndWnd = 0;
    const began = net.world.sim.now;
    while (c.state === TcpState.ESTABLISHED && net.world.sim.now - began < 100e9) {
      // The peer answers each time, though it takes nothing.
      c.sk.rcvTstamp = c.sk.jiffies();
      net.run(0.1);
    }
    return c.state === TcpState.ESTABLISHED ? null : (net.world.sim.now - began) / 1e9;
  }

  it('ends a connection whose peer answers but keeps its window shut', () => {
    const seconds = lasts(3_000);
    expect(seconds).toBeGreaterThan(3);
    expect(seconds).toBeLessThan(8);
  });
  it('0 keeps it', () => expect(lasts(0)).toBeNull());
});

describe('a connect() that failed', () => {
  it('leaves the socket fit for another, from another port', () => {
    const c = new TcpSocket(a);
    expect(c.connect(B, 7000)).toBeNull();
    net.run(0.01);
    expect(c.takeError()).toBe('ECONNREFUSED');
    expect(a.tcp.portsInUse).toBe(0);
    listen(b, 7000);
    expect(c.connect(B, 7000)).toBeNull();
    net.run(0.01);
    expect(c.state).toBe(TcpState.ESTABLISHED);
    expect(c.info().totalRetrans).toBe(0);
  });

  it('or was given up by shutdown() leaves no SYN behind', () => {
    // The neighbour is known by then.
    pair(7100);
    const before = a.tcp.portsInUse;
    impair(b.device('eth0')!, { partitioned: true });
    const c = new TcpSocket(a);
    expect(c.connect(B, 7000)).toBeNull();
    net.run(4);
    expect(c.shutdown('rdwr')).toBeNull();
    expect(a.tcp.portsInUse).toBe(before);
    impair(b.device('eth0')!, { partitioned: false });
    listen(b, 7000);
    net.frames.length = 0;
    expect(c.connect(B, 7000)).toBeNull();
    net.run(5);
    expect(c.state).toBe(TcpState.ESTABLISHED);
    expect(c.sendQueue).toBe(0);
    expect(c.send(new Uint8Array(10))).toBe(10);
    net.run(0.1);
    expect(c.sendQueue).toBe(0);
  });
});

describe('bind()', () => {
  it('takes a port that a connection of another address uses', () => {
    const { s } = pair();
    const l = new TcpSocket(b);
    expect(l.bind(B, s.localPort)).toBe('EADDRINUSE');
    // The listener's own claim is gone with it.
    for (const other of b.tcp.sockets())
      if (other.state === TcpState.LISTEN && 'socket' in other) other.socket?.close();
    expect(l.bind(B, s.localPort)).toBe('EADDRINUSE');
    expect(l.bind(ip('127.0.0.1'), s.localPort)).toBeNull();
    l.close();
  });
});
