// Proves that one TCP connection across VXLAN is as fast as rate, window and loss allow, in virtual time: the table of
// `npm run bench` with 10 MB instead of 100, which takes some seconds.

import { describe, expect, it } from 'vitest';
import { cubicResponse, measureThroughput, THROUGHPUT_CASES } from './throughput.ts';

const BYTES = 10e6;

/** Of the bound: what is drawn at random spreads with some seven losses in 10 MB; the rest is exact but for slow start's end. */
function tolerance(loss: number): readonly [least: number, most: number] {
  return loss === 0 ? [0.95, 1.25] : [0.65, 1.5];
}

describe('10 MB over one connection', () => {
  for (const c of THROUGHPUT_CASES) {
    const [least, most] = tolerance(c.loss);
    it(`at ${c.rttMs} ms and ${c.loss * 100} % loss takes as long as the bound says, within ${least} to ${most}`, () => {
      const figures = measureThroughput(c, BYTES);
      expect(figures.measured / figures.bound).toBeGreaterThan(least);
      expect(figures.measured / figures.bound).toBeLessThan(most);
      // Nothing is sent twice that was not lost.
      const lost = (BYTES / 1398) * c.loss;
      expect(figures.retransmitted).toBeLessThanOrEqual(lost + 4 * Math.sqrt(lost));
      expect(figures.retransmitted).toBeGreaterThanOrEqual(lost - 4 * Math.sqrt(lost));
    });
  }

  it('is the same to the bit in a second run', () => {
    const c = { rttMs: 10, loss: 0.01 };
    const one = measureThroughput(c, 1e6);
    const two = measureThroughput(c, 1e6);
    expect({ ...one, wallSeconds: 0 }).toEqual({ ...two, wallSeconds: 0 });
  });
});

describe('the response of CUBIC', () => {
  it('has the values of RFC 9438 table 2 (RTT 100 ms) and is never below 1.22 / sqrt(p)', () => {
    // Packet loss rate, average window of CUBIC with C = 0.4, segments.
    for (const [p, window] of [
      [1e-2, 12],
      [1e-3, 39],
      [1e-4, 187],
      [1e-5, 1054],
      [1e-6, 5926],
      [1e-7, 33_325],
      [1e-8, 187_400],
    ] as const) {
      expect(Math.abs(cubicResponse(p, 0.1) - window) / window, String(p)).toBeLessThan(0.03);
    }
  });
});
