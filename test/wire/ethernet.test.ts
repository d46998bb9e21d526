// Proves that Ethernet headers and VLAN tags are read and written byte by byte, and that a cut or endless stack of tags is
// named instead of followed.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseMac } from '../../src/addr/mac.ts';
import {
  checkEthernet,
  ETH_HEADER,
  EtherType,
  ethernetType,
  isEthernetLength,
  isVlanType,
  readMac,
  skipVlanTags,
  VLAN_TAGS_MAX,
  VlanWalk,
  writeEthernet,
  writeVlanTag,
} from '../../src/wire/ethernet.ts';
import { ARP_REQUEST, dirty, fromHex, toHex, viewOf } from './golden.ts';

/** A frame with these tags (TPIDs) and the type behind them. */
function tagged(tpids: readonly number[], type: number): Uint8Array {
  const bytes = dirty(ETH_HEADER + 4 * tpids.length);
  const view = viewOf(bytes);
  writeEthernet(view, 0, 1, 2, 0);
  for (const [i, tpid] of tpids.entries()) writeVlanTag(view, 12 + 4 * i, tpid, 5, 1, 100 + i);
  view.setUint16(12 + 4 * tpids.length, type);
  return bytes;
}

describe('Ethernet', () => {
  const view = viewOf(fromHex(ARP_REQUEST));

  it('reads the addresses and the type of a golden frame', () => {
    expect(readMac(view, 0)).toBe(parseMac('ff:ff:ff:ff:ff:ff'));
    expect(readMac(view, 6)).toBe(parseMac('52:54:00:00:01:01'));
    expect(ethernetType(view, 0)).toBe(EtherType.ARP);
  });

  it('writes every byte of the header', () => {
    const bytes = dirty(ETH_HEADER + 2);
    writeEthernet(viewOf(bytes), 1, parseMac('ff:ff:ff:ff:ff:ff')!, parseMac('52:54:00:00:01:01')!, EtherType.ARP);
    expect(toHex(bytes)).toBe(`a5${ARP_REQUEST.slice(0, 28)}a5`);
  });

  it('is whole from 14 bytes on', () => {
    for (let end = 0; end <= 20; end++) expect(checkEthernet(view, 0, end)).toBe(end >= ETH_HEADER);
  });

  it('tells lengths from types at 1536', () => {
    expect([0, 1500, 1535, 1536, 0x0800].map(isEthernetLength)).toEqual([true, true, true, false, false]);
  });

  it('gives back any addresses and type', () => {
    const mac = fc.integer({ min: 0, max: 0xffff_ffff_ffff });
    fc.assert(
      fc.property(mac, mac, fc.integer({ min: 0, max: 0xffff }), (destination, source, type) => {
        const v = viewOf(dirty(ETH_HEADER));
        writeEthernet(v, 0, destination, source, type);
        expect([readMac(v, 0), readMac(v, 6), ethernetType(v, 0)]).toEqual([destination, source, type]);
      }),
    );
  });
});

describe('VLAN tags', () => {
  it('writes priority, drop eligibility and identifier', () => {
    const bytes = dirty(6);
    writeVlanTag(viewOf(bytes), 1, EtherType.QINQ, 5, 1, 0xabc);
    expect(toHex(bytes)).toBe('a588a8babca5');
  });

  it('are skipped to the type behind them, up to the limit', () => {
    for (let n = 0; n <= VLAN_TAGS_MAX; n++) {
      const bytes = tagged(
        Array.from({ length: n }, (_, i) => (i === 0 ? EtherType.QINQ : EtherType.VLAN)),
        EtherType.IPV4,
      );
      expect(skipVlanTags(viewOf(bytes), 0, bytes.length)).toBe(12 + 4 * n);
    }
  });

  it('beyond the limit are too many', () => {
    for (const n of [VLAN_TAGS_MAX + 1, 20]) {
      const bytes = tagged(
        Array.from({ length: n }, () => EtherType.VLAN),
        EtherType.IPV4,
      );
      expect(skipVlanTags(viewOf(bytes), 0, bytes.length)).toBe(VlanWalk.TOO_MANY);
    }
  });

  it('cut anywhere inside are truncated', () => {
    const bytes = tagged([EtherType.QINQ, EtherType.VLAN], EtherType.IPV4);
    for (let end = ETH_HEADER; end < bytes.length; end++) {
      expect(skipVlanTags(viewOf(bytes), 0, end)).toBe(VlanWalk.TRUNCATED);
    }
  });

  it('are 802.1Q and 802.1ad, nothing else', () => {
    expect([0x8100, 0x88a8, 0x9100, 0x0800].map(isVlanType)).toEqual([true, true, false, false]);
  });
});
