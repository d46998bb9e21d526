// Proves that UDP headers are read and written byte by byte and that a length outside the packet is refused.

import { describe, expect, it } from 'vitest';
import { parseIpv4 } from '../../src/addr/ipv4.ts';
import { finishUdp, pseudoSum, sum } from '../../src/wire/checksum.ts';
import * as udp from '../../src/wire/udp.ts';
import { dirty, fromHex, toHex, UDP, viewOf } from './golden.ts';

const DATAGRAM = UDP.slice(68);

describe('UDP', () => {
  it('reads a golden header', () => {
    const view = viewOf(fromHex(DATAGRAM));
    expect(udp.checkUdp(view, 0, 8)).toBe(true);
    expect(view.getUint16(udp.UDP_SOURCE)).toBe(40_000);
    expect(view.getUint16(udp.UDP_DESTINATION)).toBe(9_000);
    expect(view.getUint16(udp.UDP_LENGTH)).toBe(8);
  });

  it('writes every byte, with the checksum that the kernel made', () => {
    const bytes = dirty(10);
    const view = viewOf(bytes);
    udp.writeUdp(view, 1, 40_000, 9_000, 8, 0);
    const pseudo = pseudoSum(parseIpv4('10.244.1.2')!, parseIpv4('10.244.1.3')!, 17, 8);
    view.setUint16(1 + udp.UDP_CHECKSUM, finishUdp(pseudo + sum(view, 1, 9)));
    expect(toHex(bytes)).toBe(`a5${DATAGRAM}a5`);
  });

  it('is refused when cut, or when its length does not cover the header or leaves the packet', () => {
    const bytes = dirty(20);
    const view = viewOf(bytes);
    for (const length of [0, 7, 8, 12, 20, 21, 65_535]) {
      udp.writeUdp(view, 0, 1, 2, length, 0);
      for (let end = 0; end <= 20; end++) {
        expect(udp.checkUdp(view, 0, end), `length ${length} in ${end}`).toBe(end >= 8 && length >= 8 && length <= end);
      }
    }
  });
});
