// Proves that IPv6 addresses are read in every form of RFC 4291 and written in the one of RFC 5952; Node's own parser and
// URL serialiser are the judges.

import { isIPv6 } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatIpv6, parseIpv6 } from '../../src/addr/ipv6.ts';

/** What the URL standard makes of the address: the form of RFC 5952 without dotted quads. */
function canonical(text: string): string {
  return new URL(`http://[${text}]/`).hostname.slice(1, -1);
}

function rewritten(text: string): string | null {
  const bytes = parseIpv6(text);
  return bytes === null ? null : formatIpv6(bytes);
}

describe('parseIpv6 and formatIpv6', () => {
  it('bring every form to the one of RFC 5952', () => {
    expect(rewritten('2001:0DB8:0000:0000:0001:0000:0000:0001')).toBe('2001:db8::1:0:0:1');
    expect(rewritten('2001:db8:0:1:1:1:1:1')).toBe('2001:db8:0:1:1:1:1:1');
    expect(rewritten('::')).toBe('::');
    expect(rewritten('::1')).toBe('::1');
    expect(rewritten('fe80::')).toBe('fe80::');
    expect(rewritten('::ffff:10.244.1.2')).toBe('::ffff:10.244.1.2');
    expect(rewritten('64:ff9b::10.0.0.1')).toBe('64:ff9b::a00:1');
  });

  it.for([
    '',
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7::8:9',
    '12345::',
    'g::',
    '::1%eth0',
    '::1/128',
    ' ::1',
    '1.2.3.4::',
    '::1.2.3',
    '::1.2.3.4:5',
    '::256.1.1.1',
    '1:2:3:4:5:6:7:1.2.3.4',
  ])('refuse %j', (text) => {
    expect(parseIpv6(text)).toBeNull();
  });

  it('agree with Node on any text made of the characters of addresses', () => {
    const text = fc.string({ unit: fc.constantFrom(...'0019afF::::..'), maxLength: 24 });
    fc.assert(
      fc.property(text, (t) => {
        expect(parseIpv6(t) !== null, t).toBe(isIPv6(t));
      }),
      { numRuns: 3000 },
    );
  });

  it('agree with the URL standard on any address, and read back what they write', () => {
    const word = fc.oneof(fc.constant(0), fc.constant(0), fc.integer({ min: 0, max: 0xffff }));
    fc.assert(
      fc.property(fc.array(word, { minLength: 8, maxLength: 8 }), (words) => {
        const long = words.map((w) => w.toString(16)).join(':');
        const bytes = parseIpv6(long)!;
        expect(Array.from(parseIpv6(formatIpv6(bytes))!)).toEqual(Array.from(bytes));
        expect(canonical(formatIpv6(bytes))).toBe(canonical(long));
        if (!/^::ffff:\d/.test(formatIpv6(bytes))) expect(formatIpv6(bytes)).toBe(canonical(long));
      }),
    );
  });
});
