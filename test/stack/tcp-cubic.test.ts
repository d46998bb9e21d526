// Proves that CUBIC's window is the curve of RFC 9438: the cubic function about the last maximum, never below Reno's share,
// fast convergence, and HyStart's end of slow start; and that its integer cube root is one.

import { describe, expect, it } from 'vitest';
import { NS_PER_MS } from '../../src/sim/sim.ts';
import { tcpInitCongestionControl, tcpSetCongestionControl } from '../../src/stack/tcp/tcp-cong-choice.ts';
import { cubicRoot } from '../../src/stack/tcp/tcp-cubic.ts';
import { TcpCaState, TcpSock, tcpMstampRefresh } from '../../src/stack/tcp/tcp-sock.ts';
import { TcpSocket } from '../../src/stack/tcp/tcp-socket.ts';
import { Net } from './net.ts';

/** RFC 9438 section 5: C, and section 4.6: beta. */
const C = 0.4;
const BETA = 0.7;

let net: Net;

function connection(cwnd: number): TcpSock {
  net = new Net();
  const sk = new TcpSock(net.host('a'), { retransmit() {}, delack() {}, keepalive() {}, compressedAck() {} });
  expect(tcpSetCongestionControl(sk, 'cubic')).toBeNull();
  tcpInitCongestionControl(sk);
  sk.sndCwnd = cwnd;
  sk.isCwndLimited = true;
  return sk;
}

// Nothing is scheduled in these worlds: the clock is set by hand.

/** One round trip: every segment of the window is acknowledged, two by two, evenly over the time. */
function round(sk: TcpSock, rttMs: number): void {
  const acks = Math.ceil(sk.sndCwnd / 2);
  const from = net.world.sim.now;
  for (let i = 1; i <= acks; i++) {
    net.world.sim.now = from + Math.round((rttMs * NS_PER_MS * i) / acks);
    tcpMstampRefresh(sk);
    sk.sndUna = (sk.sndUna + 2 * 1448) >>> 0;
    sk.sndNxt = (sk.sndUna + sk.sndCwnd * 1448) >>> 0;
    sk.caOps!.pktsAcked!(sk, rttMs * 1000);
    sk.caOps!.congAvoid(sk, 2);
  }
}

/** A loss: the window falls to ssthresh. */
function lose(sk: TcpSock): void {
  sk.priorCwnd = sk.sndCwnd;
  sk.sndSsthresh = sk.caOps!.ssthresh(sk);
  sk.sndCwnd = sk.sndSsthresh;
}

describe('the window after a loss', () => {
  for (const [max, rtt] of [
    [1000, 100],
    [400, 100],
    [3000, 50],
    [200, 200],
  ] as const) {
    it(`of ${max} segments at ${rtt} ms follows C (t - K)^3 + W_max within 3 % (section 4.2)`, () => {
      const sk = connection(max);
      sk.sndSsthresh = max;
      round(sk, rtt);
      const peak = sk.sndCwnd;
      lose(sk);
      const start = sk.sndCwnd;
      expect(start).toBe(Math.floor((peak * 717) / 1024));
      const k = Math.cbrt((peak - start) / C);
      const begin = net.world.sim.now;
      // The first round trip sets the epoch.
      round(sk, rtt);
      for (let t = 0; t < 2 * k; t = (net.world.sim.now - begin) / 1e9) {
        round(sk, rtt);
        const at = (net.world.sim.now - begin) / 1e9;
        const cubic = C * (at - k) ** 3 + peak;
        const reno = start + ((3 * (1 - BETA)) / (1 + BETA)) * (at / (rtt / 1000));
        const expected = Math.max(cubic, reno);
        expect(Math.abs(sk.sndCwnd - expected) / expected, `t = ${at} s, cwnd ${sk.sndCwnd}, ${expected}`).toBeLessThan(
          0.03,
        );
      }
    });
  }

  it('is not below what Reno would have, where that is more: short round trips (section 4.3)', () => {
    const sk = connection(100);
    sk.sndSsthresh = 100;
    round(sk, 10);
    const peak = sk.sndCwnd;
    lose(sk);
    const start = sk.sndCwnd;
    const rounds = 50;
    for (let i = 0; i < rounds; i++) round(sk, 10);
    const reno = start + ((3 * (1 - BETA)) / (1 + BETA)) * rounds;
    expect(sk.sndCwnd).toBeGreaterThan(reno * 0.95);
    // And the cubic function alone would be at rest by now.
    expect(C * (0.5 - Math.cbrt((peak - start) / C)) ** 3 + peak).toBeLessThan(reno);
  });

  it('aims lower when it fell again before the old maximum was reached (fast convergence, section 4.7)', () => {
    const sk = connection(1000);
    sk.sndSsthresh = 1000;
    round(sk, 100);
    lose(sk);
    const before = sk.sndCwnd;
    round(sk, 100);
    lose(sk);
    const second = sk.sndCwnd;
    expect(second).toBeLessThan(before);
    // The new origin is (1 + beta) / 2 of the window at the loss; growth slows down there, not at the loss itself.
    const origin = (sk.priorCwnd * (1 + BETA)) / 2;
    const k = Math.cbrt((origin - second) / C);
    const begin = net.world.sim.now;
    round(sk, 100);
    while ((net.world.sim.now - begin) / 1e9 < k) round(sk, 100);
    expect(Math.abs(sk.sndCwnd - origin) / origin).toBeLessThan(0.02);
  });

  it('forgets its maximum after a time-out', () => {
    const sk = connection(1000);
    sk.sndSsthresh = 1000;
    round(sk, 100);
    lose(sk);
    sk.caOps!.setState!(sk, TcpCaState.LOSS);
    sk.sndCwnd = 700;
    round(sk, 100);
    const grown = sk.sndCwnd;
    round(sk, 100);
    // Without a maximum it probes from where it is: growth, at most a twentieth per round trip.
    expect(sk.sndCwnd).toBeGreaterThan(grown);
    expect(sk.sndCwnd - grown).toBeLessThanOrEqual(Math.ceil(grown / 20) + 1);
  });
});

describe('HyStart', () => {
  it('leaves slow start when round trips grow by an eighth, and at least 4 ms', () => {
    const sk = connection(10);
    round(sk, 40);
    round(sk, 40);
    expect(sk.sndSsthresh).toBe(0x7fffffff);
    round(sk, 60);
    round(sk, 60);
    expect(sk.sndSsthresh).toBeLessThan(100);
    expect(sk.sndCwnd).toBeGreaterThanOrEqual(sk.sndSsthresh);
  });

  it('lets slow start go on while the round trip stays', () => {
    const sk = connection(10);
    // ACKs further apart than 2 ms make no train.
    for (let i = 0; i < 3; i++) round(sk, 400);
    expect(sk.sndSsthresh).toBe(0x7fffffff);
    expect(sk.sndCwnd).toBe(80);
  });
});

describe('the integer cube root', () => {
  it('is within 1 % or one of the real one over the whole range', () => {
    for (let a = 0; a < 1000; a++) expect(Math.abs(cubicRoot(a) - Math.cbrt(a))).toBeLessThan(1);
    for (let a = 1000; a < 2 ** 53; a = Math.floor(a * 1.37) + 1) {
      const root = Math.cbrt(a);
      expect(Math.abs(cubicRoot(a) - root), String(a)).toBeLessThan(Math.max(1, root * 0.01));
    }
  });
});

describe('net.ipv4.tcp_congestion_control', () => {
  it('takes the algorithms there are, and what a socket chose stays', () => {
    const a = new Net().host('a');
    expect(a.sysctl.get('net.ipv4.tcp_congestion_control')).toBe('cubic');
    expect(a.sysctl.get('net.ipv4.tcp_available_congestion_control')).toBe('reno cubic');
    expect(a.sysctl.set('net.ipv4.tcp_congestion_control', 'westwood')).toBe('No such file or directory');
    expect(a.sysctl.set('net.ipv4.tcp_congestion_control', 'reno')).toBeNull();
    const chosen = new TcpSocket(a);
    expect(chosen.congestion).toBe('reno');
    expect(chosen.setCongestion('cubic')).toBeNull();
    expect(chosen.setCongestion('westwood')).toBe('ENOENT');
    expect(chosen.congestion).toBe('cubic');
  });
});
