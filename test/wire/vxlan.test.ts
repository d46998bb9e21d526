// Proves that VXLAN headers are read and written byte by byte, that the I flag is required and reserved bits are ignored.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as vxlan from '../../src/wire/vxlan.ts';
import { dirty, fromHex, toHex, VXLAN_ECHO, viewOf } from './golden.ts';

const AT = 14 + 20 + 8;

describe('VXLAN', () => {
  it('reads the VNI of a golden frame', () => {
    const view = viewOf(fromHex(VXLAN_ECHO));
    expect(vxlan.checkVxlan(view, AT, view.byteLength)).toBe(true);
    expect(vxlan.vxlanVni(view, AT)).toBe(1);
  });

  it('writes every byte of the header', () => {
    const bytes = dirty(10);
    vxlan.writeVxlan(viewOf(bytes), 1, 1);
    expect(toHex(bytes)).toBe(`a5${VXLAN_ECHO.slice(2 * AT, 2 * AT + 16)}a5`);
  });

  it('is refused when cut or without the I flag', () => {
    const bytes = fromHex('0800000000000100');
    for (let end = 0; end <= 8; end++) expect(vxlan.checkVxlan(viewOf(bytes), 0, end)).toBe(end === 8);
    bytes[0] = 0xf7;
    expect(vxlan.checkVxlan(viewOf(bytes), 0, 8)).toBe(false);
  });

  it('ignores reserved bits', () => {
    const view = viewOf(fromHex('ffffffff123456ff'));
    expect(vxlan.checkVxlan(view, 0, 8)).toBe(true);
    expect(vxlan.vxlanVni(view, 0)).toBe(0x123456);
  });

  it('gives back any VNI of 24 bits', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xff_ffff }), (vni) => {
        const view = viewOf(dirty(8));
        vxlan.writeVxlan(view, 0, vni);
        expect(vxlan.vxlanVni(view, 0)).toBe(vni);
      }),
    );
  });
});
