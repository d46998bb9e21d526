// Proves that ARP is read and written byte by byte and that anything but whole Ethernet/IPv4 ARP is refused.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseIpv4 } from '../../src/addr/ipv4.ts';
import { parseMac } from '../../src/addr/mac.ts';
import * as arp from '../../src/wire/arp.ts';
import { readMac } from '../../src/wire/ethernet.ts';
import { ARP_REPLY, ARP_REQUEST, dirty, fromHex, toHex, viewOf } from './golden.ts';

const REQUEST = ARP_REQUEST.slice(28);

describe('ARP', () => {
  it('reads a golden reply', () => {
    const view = viewOf(fromHex(ARP_REPLY));
    expect(arp.checkArp(view, 14, view.byteLength)).toBe(true);
    expect(view.getUint16(14 + arp.ARP_OPERATION)).toBe(arp.ArpOperation.REPLY);
    expect(readMac(view, 14 + arp.ARP_SENDER_MAC)).toBe(parseMac('52:54:00:00:01:02'));
    expect(view.getInt32(14 + arp.ARP_SENDER_IP)).toBe(parseIpv4('10.0.1.2'));
    expect(readMac(view, 14 + arp.ARP_TARGET_MAC)).toBe(parseMac('52:54:00:00:01:01'));
    expect(view.getInt32(14 + arp.ARP_TARGET_IP)).toBe(parseIpv4('10.0.1.1'));
  });

  it('writes every byte of a golden request', () => {
    const bytes = dirty(arp.ARP_LENGTH + 2);
    arp.writeArp(viewOf(bytes), 1, {
      operation: arp.ArpOperation.REQUEST,
      senderMac: parseMac('52:54:00:00:01:01')!,
      senderIp: parseIpv4('10.0.1.1')!,
      targetMac: 0,
      targetIp: parseIpv4('10.0.1.2')!,
    });
    expect(toHex(bytes)).toBe(`a5${REQUEST}a5`);
  });

  it('is refused when cut, and taken with padding behind it', () => {
    const bytes = new Uint8Array(60);
    bytes.set(fromHex(REQUEST));
    for (let end = 0; end <= 60; end++) expect(arp.checkArp(viewOf(bytes), 0, end)).toBe(end >= arp.ARP_LENGTH);
  });

  it('is taken as IEEE 802 hardware too, as Linux takes it', () => {
    const bytes = fromHex(REQUEST);
    bytes[1] = arp.ArpHardware.IEEE802;
    expect(arp.checkArp(viewOf(bytes), 0, bytes.length)).toBe(true);
  });

  it('is refused for other hardware, protocols and address lengths', () => {
    for (const [at, value] of [
      [0, 1],
      [1, 7],
      [2, 0x86],
      [3, 1],
      [4, 7],
      [4, 0],
      [5, 16],
      [5, 0],
    ] as const) {
      const bytes = fromHex(REQUEST);
      bytes[at] = value;
      expect(arp.checkArp(viewOf(bytes), 0, bytes.length), `byte ${at} = ${value}`).toBe(false);
    }
  });

  it('gives back any fields', () => {
    const mac = fc.integer({ min: 0, max: 0xffff_ffff_ffff });
    const ip = fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff });
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xffff }), mac, ip, mac, ip, (operation, a, b, c, d) => {
        const view = viewOf(dirty(arp.ARP_LENGTH));
        arp.writeArp(view, 0, { operation, senderMac: a, senderIp: b, targetMac: c, targetIp: d });
        expect(arp.checkArp(view, 0, arp.ARP_LENGTH)).toBe(true);
        expect(view.getUint16(arp.ARP_OPERATION)).toBe(operation);
        expect([readMac(view, arp.ARP_SENDER_MAC), readMac(view, arp.ARP_TARGET_MAC)]).toEqual([a, c]);
        expect([view.getInt32(arp.ARP_SENDER_IP), view.getInt32(arp.ARP_TARGET_IP)]).toEqual([b, d]);
      }),
    );
  });
});
