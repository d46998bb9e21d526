// Proves that IPv4 headers are read and written byte by byte, that lengths are bounded by what is there, and that the walk
// over options ends on every input.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseIpv4 } from '../../src/addr/ipv4.ts';
import { sum } from '../../src/wire/checksum.ts';
import * as ipv4 from '../../src/wire/ipv4.ts';
import { dirty, ECHO, fromHex, toHex, viewOf } from './golden.ts';

const HEADER = ECHO.slice(28, 68);
const { END, MALFORMED, NOP, OPTION } = ipv4.Ipv4OptionState;

describe('IPv4', () => {
  const packet = fromHex(ECHO.slice(28));
  const view = viewOf(packet);

  it('reads a golden header', () => {
    expect(ipv4.checkIpv4(view, 0, packet.length)).toBe(true);
    expect(ipv4.ipv4HeaderLength(view, 0)).toBe(20);
    expect(view.getUint16(ipv4.IPV4_LENGTH)).toBe(84);
    expect(view.getUint16(ipv4.IPV4_FRAGMENT)).toBe(ipv4.IPV4_DF);
    expect(view.getUint8(ipv4.IPV4_PROTOCOL)).toBe(ipv4.IpProtocol.ICMP);
    expect(view.getInt32(ipv4.IPV4_SOURCE)).toBe(parseIpv4('10.244.1.2'));
    expect(view.getInt32(ipv4.IPV4_DESTINATION)).toBe(parseIpv4('10.244.2.2'));
  });

  it('writes every byte of a golden header, checksum included', () => {
    const bytes = dirty(22);
    ipv4.writeIpv4(viewOf(bytes), 1, {
      tos: 0,
      length: 84,
      id: 0x9749,
      fragment: ipv4.IPV4_DF,
      ttl: 64,
      protocol: ipv4.IpProtocol.ICMP,
      source: parseIpv4('10.244.1.2')!,
      destination: parseIpv4('10.244.2.2')!,
    });
    expect(toHex(bytes)).toBe(`a5${HEADER}a5`);
  });

  it('is refused when cut at any length', () => {
    for (let end = 0; end <= packet.length; end++) expect(ipv4.checkIpv4(view, 0, end)).toBe(end === packet.length);
  });

  it('is refused for another version, a short header, and a total length outside', () => {
    const cases: [string, number, number][] = [
      ['version 6', 0, 0x65],
      ['header of 16', 0, 0x44],
      ['header of 60 in a packet of 20', 0, 0x4f],
      ['total length below the header', 3, 19],
      ['total length beyond the bytes', 3, 21],
    ];
    for (const [what, at, value] of cases) {
      const bytes = fromHex(HEADER);
      bytes[2] = 0;
      bytes[3] = 20;
      expect(ipv4.checkIpv4(viewOf(bytes), 0, 20), 'sound').toBe(true);
      bytes[at] = value;
      expect(ipv4.checkIpv4(viewOf(bytes), 0, 20), what).toBe(false);
    }
  });

  it('writes a header whose sum is 0xffff for any fields', () => {
    const u16 = fc.integer({ min: 0, max: 0xffff });
    const u8 = fc.integer({ min: 0, max: 0xff });
    const ip = fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff });
    fc.assert(
      fc.property(
        u8,
        u16,
        u16,
        u16,
        u8,
        u8,
        ip,
        ip,
        (tos, length, id, fragment, ttl, protocol, source, destination) => {
          const v = viewOf(dirty(20));
          ipv4.writeIpv4Header(v, 0, tos, length, id, fragment, ttl, protocol, source, destination);
          expect(sum(v, 0, 20)).toBe(0xffff);
          expect(v.getUint8(0)).toBe(0x45);
          expect(v.getUint8(ipv4.IPV4_TOS)).toBe(tos);
          expect(v.getUint16(ipv4.IPV4_LENGTH)).toBe(length);
          expect(v.getUint16(ipv4.IPV4_ID)).toBe(id);
          expect(v.getUint16(ipv4.IPV4_FRAGMENT)).toBe(fragment);
          expect(v.getUint8(ipv4.IPV4_TTL)).toBe(ttl);
          expect(v.getUint8(ipv4.IPV4_PROTOCOL)).toBe(protocol);
          expect([v.getInt32(ipv4.IPV4_SOURCE), v.getInt32(ipv4.IPV4_DESTINATION)]).toEqual([source, destination]);
        },
      ),
    );
  });
});

/** States met on the way over the options in hex, and the offsets where they stood. */
function walk(options: string): [number, number][] {
  const bytes = fromHex(options);
  const view = viewOf(bytes);
  const met: [number, number][] = [];
  for (let at = 0; at < bytes.length; ) {
    const state = ipv4.nextIpv4Option(view, at, bytes.length);
    met.push([at, state]);
    if (state === END || state === MALFORMED) break;
    at += state === NOP ? 1 : ipv4.ipv4OptionLength(view, at);
  }
  return met;
}

describe('IPv4 options', () => {
  it('are walked one by one to the end marker', () => {
    expect(walk('01940400000707040000000000')).toEqual([
      [0, NOP],
      [1, OPTION],
      [5, OPTION],
      [12, END],
    ]);
  });

  it('of length 0, 1 or past the header, or without a length byte, are malformed', () => {
    for (const [options, at] of [
      ['0700', 0],
      ['0701', 0],
      ['0703', 0],
      ['07', 0],
      ['01010107', 3],
      ['9404000044ff0000', 4],
    ] as const) {
      expect(walk(options).at(-1)).toEqual([at, MALFORMED]);
      expect(ipv4.findMalformedIpv4Option(viewOf(fromHex(options)), 0, options.length / 2)).toBe(at);
    }
  });

  it('behind the end marker are not looked at', () => {
    expect(ipv4.findMalformedIpv4Option(viewOf(fromHex('0107000007ff')), 0, 6)).toBe(1);
    expect(ipv4.findMalformedIpv4Option(viewOf(fromHex('010007000000')), 0, 6)).toBe(-1);
  });

  it('end after at most 40 steps whatever they hold', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        expect(walk(toHex(bytes)).length).toBeLessThanOrEqual(40);
      }),
    );
  });
});
