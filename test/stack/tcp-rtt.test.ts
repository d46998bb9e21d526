// Proves that the retransmission timeout is RFC 6298's where Linux keeps to it, and Linux's where it differs (figures of
// `ss -ti` on a real kernel, golden case 15b); and that the minimum of a window of time is one.

import { describe, expect, it } from 'vitest';
import { Rng } from '../../src/base/rng.ts';
import { JIFFY } from '../../src/sim/jiffies.ts';
import { TcpAckFlag } from '../../src/stack/tcp/tcp-ack-flag.ts';
import { RateSample } from '../../src/stack/tcp/tcp-rate.ts';
import { tcpAckUpdateRtt, tcpRttEstimator, tcpSetRto } from '../../src/stack/tcp/tcp-rtt.ts';
import { TcpSock, tcpMstampRefresh } from '../../src/stack/tcp/tcp-sock.ts';
import { NO_MINIMUM, WindowedMin } from '../../src/stack/tcp/tcp-windowed-min.ts';
import { Net } from './net.ts';

function connection(sysctls: Record<string, string> = {}): { net: Net; sk: TcpSock } {
  const net = new Net();
  const sk = new TcpSock(net.host('a', sysctls), { retransmit() {}, delack() {}, keepalive() {}, compressedAck() {} });
  return { net, sk };
}

const ms = (jiffies: number): number => (jiffies * JIFFY) / 1e6;

/** A round trip ends: the next sample belongs to another window of data. */
function sample(sk: TcpSock, rttMs: number): void {
  sk.sndUna = (sk.sndNxt + 1) >>> 0;
  sk.sndNxt = (sk.sndUna + 10_000) >>> 0;
  tcpRttEstimator(sk, rttMs * 1000);
  tcpSetRto(sk);
}

describe('the RTO', () => {
  it('of the first measurement is SRTT + 4 RTTVAR = R + 4 R/2 (RFC 6298 section 2.2)', () => {
    for (const r of [100, 400, 500, 1000, 2500]) {
      const { sk } = connection();
      sample(sk, r);
      expect(sk.srttUs).toBe(r * 8000);
      expect(ms(sk.rto)).toBe(r + Math.max(200, 4 * (r / 2)));
    }
  });

  it('follows RFC 6298 section 2.3 while round trips grow', () => {
    const { sk } = connection();
    let srtt = 0;
    let rttvar = 0;
    for (const r of [300, 500, 900, 1600, 2900, 5000]) {
      sample(sk, r);
      if (srtt === 0) {
        srtt = r;
        rttvar = r / 2;
      } else {
        rttvar = 0.75 * rttvar + 0.25 * Math.abs(srtt - r);
        srtt = 0.875 * srtt + 0.125 * r;
      }
      expect(Math.abs(sk.srttUs / 8000 - srtt)).toBeLessThan(0.01);
      // To the whole jiffy above.
      expect(ms(sk.rto) - (srtt + 4 * rttvar)).toBeGreaterThanOrEqual(-0.02);
      expect(ms(sk.rto) - (srtt + 4 * rttvar)).toBeLessThanOrEqual(4.02);
    }
  });

  it('comes down to the round trip and 200 ms when it is steady, not to 1 s', () => {
    const { sk } = connection();
    for (let i = 0; i < 100; i++) sample(sk, 40);
    expect(ms(sk.rto)).toBe(240);
  });

  it('is 204 ms for a round trip of 0.285 ms, as a kernel shows it (golden case 15b)', () => {
    const { sk } = connection();
    sample(sk, 0.285);
    expect(ms(sk.rto)).toBe(204);
  });

  it('does not grow because a round trip was shorter', () => {
    const { sk } = connection();
    for (let i = 0; i < 50; i++) sample(sk, 500);
    const before = sk.rto;
    sample(sk, 100);
    expect(sk.rto).toBeLessThanOrEqual(before);
  });

  it('has net.ipv4.tcp_rto_min_us as the floor of its variance and tcp_rto_max_ms as its greatest value', () => {
    const low = connection({ 'net.ipv4.tcp_rto_min_us': '8000' }).sk;
    for (let i = 0; i < 100; i++) sample(low, 40);
    // The variance falls by quarters in integers: up to 3 us stay above the floor, and the sum is rounded up.
    expect(ms(low.rto)).toBeGreaterThanOrEqual(48);
    expect(ms(low.rto)).toBeLessThanOrEqual(52);
    const high = connection({ 'net.ipv4.tcp_rto_max_ms': '3000' }).sk;
    sample(high, 5000);
    expect(ms(high.rto)).toBe(3000);
  });
});

describe('a measurement', () => {
  it('is taken from the time stamp where segments were sent twice (Karn), and never from an ACK that does not advance', () => {
    const { net, sk } = connection();
    net.world.sim.now = 5_000_000_000;
    tcpMstampRefresh(sk);
    const rs = new RateSample();
    sk.rxOpt.sawTstamp = true;
    sk.rxOpt.rcvTsecr = 4_900;
    expect(tcpAckUpdateRtt(sk, 0, -1, -1, -1, rs)).toBe(false);
    expect(sk.srttUs).toBe(0);
    expect(tcpAckUpdateRtt(sk, TcpAckFlag.DATA_ACKED, -1, -1, -1, rs)).toBe(true);
    expect(sk.srttUs).toBe(100_000 * 8);
    expect(rs.rttUs).toBe(100_000);
  });

  it('is not taken from a time stamp of the future', () => {
    const { net, sk } = connection();
    net.world.sim.now = 5_000_000_000;
    tcpMstampRefresh(sk);
    sk.rxOpt.sawTstamp = true;
    sk.rxOpt.rcvTsecr = 0xffff_0000;
    expect(tcpAckUpdateRtt(sk, TcpAckFlag.DATA_ACKED, -1, -1, -1, new RateSample())).toBe(true);
    sk.rxOpt.rcvTsecr = 6_000;
    const before = sk.srttUs;
    expect(tcpAckUpdateRtt(sk, TcpAckFlag.DATA_ACKED, -1, -1, -1, new RateSample())).toBe(false);
    expect(sk.srttUs).toBe(before);
  });
});

describe('the minimum of a window', () => {
  it('is one of its samples, never less than the least and never older than the window', () => {
    const rng = new Rng(6, 'minimum');
    for (let run = 0; run < 50; run++) {
      const filter = new WindowedMin();
      expect(filter.value).toBe(NO_MINIMUM);
      const seen: { at: number; value: number }[] = [];
      let at = 0;
      for (let i = 0; i < 300; i++) {
        at += rng.below(30);
        const value = 100 + rng.below(1000);
        seen.push({ at, value });
        filter.add(400, at, value);
        const inWindow = seen.filter((s) => at - s.at <= 400);
        const least = Math.min(...inWindow.map((s) => s.value));
        expect(filter.value).toBeGreaterThanOrEqual(least);
        expect(inWindow.some((s) => s.value === filter.value)).toBe(true);
        // Nothing younger than the best can be less: it would have replaced it.
        const best = seen.findLast((s) => s.value === filter.value)!;
        expect(seen.filter((s) => s.at > best.at).every((s) => s.value >= best.value)).toBe(true);
      }
    }
  });
});
