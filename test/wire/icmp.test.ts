// Proves that ICMP headers are read and written byte by byte, and that the types which quote a packet are known as such.

import { describe, expect, it } from 'vitest';
import { sum } from '../../src/wire/checksum.ts';
import * as icmp from '../../src/wire/icmp.ts';
import { dirty, ECHO, fromHex, TIME_EXCEEDED, toHex, viewOf } from './golden.ts';

describe('ICMP', () => {
  const message = fromHex(ECHO.slice(68));
  const view = viewOf(message);

  it('reads a golden echo request', () => {
    expect(view.getUint8(icmp.ICMP_TYPE)).toBe(icmp.IcmpType.ECHO);
    expect(view.getUint16(icmp.ICMP_ID)).toBe(213);
    expect(view.getUint16(icmp.ICMP_SEQUENCE)).toBe(1);
    expect(sum(view, 0, message.length)).toBe(0xffff);
  });

  it('writes the eight bytes of the header with a zero checksum', () => {
    const bytes = dirty(10);
    icmp.writeIcmp(viewOf(bytes), 1, icmp.IcmpType.ECHO, 0, (213 << 16) | 1);
    expect(toHex(bytes)).toBe('a50800000000d50001a5');
  });

  it('carries the next-hop MTU in the last two bytes of the rest', () => {
    const v = viewOf(dirty(8));
    icmp.writeIcmp(v, 0, icmp.IcmpType.DEST_UNREACH, icmp.IcmpUnreach.FRAG_NEEDED, 1450);
    expect(v.getUint16(icmp.ICMP_MTU)).toBe(1450);
    expect(v.getUint16(icmp.ICMP_REST)).toBe(0);
  });

  it('is whole from 8 bytes on', () => {
    for (let end = 0; end <= message.length; end++) expect(icmp.checkIcmp(view, 0, end)).toBe(end >= 8);
  });

  it('quotes the packet right behind the header of an error', () => {
    const error = viewOf(fromHex(TIME_EXCEEDED.slice(68)));
    expect(icmp.isIcmpError(error.getUint8(0))).toBe(true);
    expect(error.getUint8(icmp.ICMP_HEADER)).toBe(0x45);
  });

  it('knows which types report about another packet (RFC 1122 section 3.2.2)', () => {
    const errors = Array.from({ length: 256 }, (_, type) => type).filter(icmp.isIcmpError);
    expect(errors).toEqual([3, 4, 5, 11, 12]);
    for (const type of Object.values(icmp.IcmpType)) expect(icmp.ICMP_TYPES.has(type), `type ${type}`).toBe(true);
  });
});
