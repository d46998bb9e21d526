// Proves: a SYN and a RST come out byte by byte as Linux 6.18 wrote them (golden cases 09a and 09c), checkTcp refuses every
// truncation and every lie of the data offset, and lengths count SYN and FIN.

import { describe, expect, it } from 'vitest';
import { finish, pseudoSum, sum } from '../../src/wire/checksum.ts';
import {
  checkTcp,
  TCP_CHECKSUM,
  TCP_FLAGS,
  TCP_HEADER,
  TCP_OFFSET,
  TcpFlag,
  tcpSegmentLength,
  tcpSynOptionsLength,
  writeTcp,
  writeTcpSynOptions,
} from '../../src/wire/tcp.ts';

const bytes = (hex: string): Uint8Array =>
  Uint8Array.from(hex.replace(/\s/g, '').match(/../g) ?? [], (p) => Number.parseInt(p, 16));
const hex = (b: Uint8Array): string => [...b].map((x) => x.toString(16).padStart(2, '0')).join('');

/** From 10.244.1.2:44000 to 10.200.0.1:80, as captured (case 09c). */
const SYN = 'abe0005051bd2d4a00000000a002fd5ca9b60000020405820402080a277737b10000000001030307';
/** From 10.244.1.3:81 to 10.244.1.2:41000 (case 09a). */
const RESET = '0051a0280000000090cad4895014000092160000';
const A = 0x0af40102;
const B = 0x0af40103;
const ROUTER = 0x0ac80001;

function dirty(length: number): DataView {
  return new DataView(new Uint8Array(length).fill(0xa5).buffer);
}

function checksum(view: DataView, source: number, destination: number): void {
  const length = view.byteLength;
  view.setUint16(TCP_CHECKSUM, finish(pseudoSum(source, destination, 6, length) + sum(view, 0, length)));
}

describe('TCP', () => {
  it('writes the SYN that Linux wrote', () => {
    const wire = new DataView(bytes(SYN).buffer);
    const options = {
      mss: 1410,
      sackPermitted: true,
      timestamps: { value: wire.getUint32(28), echo: 0 },
      windowScale: 7,
    };
    expect(tcpSynOptionsLength(options)).toBe(20);
    const view = dirty(40);
    writeTcp(view, 0, 44_000, 80, wire.getUint32(4), 0, 40, TcpFlag.SYN, 64_860);
    writeTcpSynOptions(view, TCP_HEADER, options);
    checksum(view, A, ROUTER);
    expect(hex(new Uint8Array(view.buffer))).toBe(SYN);
  });

  it('writes the RST that Linux wrote', () => {
    const wire = new DataView(bytes(RESET).buffer);
    const view = dirty(TCP_HEADER);
    writeTcp(view, 0, 81, 41_000, 0, wire.getUint32(8), TCP_HEADER, TcpFlag.RST | TcpFlag.ACK, 0);
    checksum(view, B, A);
    expect(hex(new Uint8Array(view.buffer))).toBe(RESET);
  });

  it.each([
    [{ mss: 536, sackPermitted: false, timestamps: null, windowScale: null }, '02040218'],
    [{ mss: 536, sackPermitted: true, timestamps: null, windowScale: null }, '0204021801010402'],
    [
      { mss: 536, sackPermitted: false, timestamps: { value: 1, echo: 2 }, windowScale: null },
      '020402180101080a0000000100000002',
    ],
    [{ mss: 536, sackPermitted: false, timestamps: null, windowScale: 10 }, '020402180103030a'],
  ])('lays the options of %o out as Linux does', (options, expected) => {
    const length = tcpSynOptionsLength(options);
    const view = dirty(length);
    writeTcpSynOptions(view, 0, options);
    expect(hex(new Uint8Array(view.buffer))).toBe(expected);
    expect(length % 4).toBe(0);
  });

  it('refuses every truncation of a header', () => {
    const view = new DataView(bytes(SYN).buffer);
    for (let end = 0; end < 40; end++) expect(checkTcp(view, 0, end)).toBe(false);
    expect(checkTcp(view, 0, 40)).toBe(true);
  });

  it('refuses a data offset below five words', () => {
    const view = new DataView(bytes(SYN).buffer);
    for (let words = 0; words < 16; words++) {
      view.setUint8(TCP_OFFSET, words << 4);
      expect(checkTcp(view, 0, 40)).toBe(words >= 5 && words <= 10);
    }
  });

  it('counts SYN and FIN as one each in the sequence space', () => {
    const view = new DataView(bytes(SYN).buffer);
    expect(tcpSegmentLength(view, 0, 40)).toBe(1);
    view.setUint8(TCP_FLAGS, TcpFlag.SYN | TcpFlag.FIN);
    expect(tcpSegmentLength(view, 0, 40)).toBe(2);
    view.setUint8(TCP_FLAGS, TcpFlag.ACK);
    view.setUint8(TCP_OFFSET, 0x50);
    expect(tcpSegmentLength(view, 0, 40)).toBe(20);
  });
});
