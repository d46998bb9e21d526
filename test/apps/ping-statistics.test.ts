// Proves: ping's figures come out in its forms (digits by size, %g, integer roots), and its window over the 16-bit
// sequence numbers holds across the wrap.

import { describe, expect, it } from 'vitest';
import { PingStatistics, roundTripText } from '../../src/apps/ping-statistics.ts';

describe('round trips', () => {
  it.each([
    [0, '0.000'],
    [51, '0.051'],
    [999, '0.999'],
    [1_000, '1.00'],
    [1_234, '1.23'],
    [1_235, '1.24'],
    [9_994, '9.99'],
    [9_995, '10.0'],
    [12_340, '12.3'],
    [99_949, '99.9'],
    [99_950, '100'],
    [123_499, '123'],
    [123_500, '124'],
  ])('%i us prints as %s', (us, text) => {
    expect(roundTripText(us)).toBe(text);
  });
});

describe('the summary', () => {
  it('of golden case 02 comes out of its round trips', () => {
    const s = new PingStatistics();
    for (const [i, us] of [297, 175, 163].entries()) {
      s.advance();
      s.reply(i + 1, us);
    }
    expect(s.summary('10.244.2.2', 2_007_000_000, true, false)).toBe(
      '\n--- 10.244.2.2 ping statistics ---\n3 packets transmitted, 3 received, 0% packet loss, time 2007ms\n' +
        'rtt min/avg/max/mdev = 0.163/0.211/0.297/0.060 ms\n',
    );
  });

  it('counts duplicates apart and prints loss with six digits', () => {
    const s = new PingStatistics();
    for (let i = 0; i < 3; i++) s.advance();
    expect(s.reply(1, 100)).toBe(false);
    expect(s.reply(1, 200)).toBe(true);
    expect(s.reply(2, 100)).toBe(false);
    expect(s.summary('x', 0, false, false)).toContain(
      '3 packets transmitted, 2 received, +1 duplicates, 33.3333% packet loss, time 0ms\npipe 3\n',
    );
  });
});

describe('requests in flight', () => {
  it('are counted across the wrap of the sequence number, where an old number is no duplicate', () => {
    const s = new PingStatistics();
    for (let i = 1; i <= 70_000; i++) {
      expect(s.nextSequence).toBe(i & 0xffff);
      s.advance();
      expect(s.inFlight()).toBe(1);
      expect(s.reply(i & 0xffff, null)).toBe(false);
      expect(s.inFlight()).toBe(0);
    }
    expect(s.duplicates).toBe(0);
  });
});
