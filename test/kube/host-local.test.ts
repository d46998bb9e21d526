// Proves the host-local plugin's order of addresses: .2 first, round robin behind the last one, gateway, network and
// broadcast never, and its words when nothing is left.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatIpv4, parseIpv4Prefix } from '../../src/addr/ipv4.ts';
import { type AddressAllocation, HostLocal } from '../../src/kube/host-local.ts';

const shown = (a: AddressAllocation): string => ('address' in a ? formatIpv4(a.address) : a.error);
const range = (text: string) => new HostLocal(parseIpv4Prefix(text)!);

describe('host-local', () => {
  it('gives the first pod .2, because .1 is the gateway', () => {
    const ipam = range('10.244.1.0/24');
    expect(shown(ipam.allocate('a', 'eth0'))).toBe('10.244.1.2');
    expect(shown(ipam.allocate('b', 'eth0'))).toBe('10.244.1.3');
    expect(formatIpv4(ipam.gateway)).toBe('10.244.1.1');
  });

  it('goes on behind the last address, not back to a released one', () => {
    const ipam = range('10.244.1.0/24');
    ipam.allocate('a', 'eth0');
    ipam.allocate('b', 'eth0');
    ipam.release('a', 'eth0');
    expect(shown(ipam.allocate('c', 'eth0'))).toBe('10.244.1.4');
  });

  it('wraps to a released address once the others are used, and then is exhausted', () => {
    const ipam = range('10.0.0.0/29');
    for (let i = 2; i <= 6; i++) expect(shown(ipam.allocate(`p${i}`, 'eth0'))).toBe(`10.0.0.${i}`);
    ipam.release('p3', 'eth0');
    expect(shown(ipam.allocate('again', 'eth0'))).toBe('10.0.0.3');
    expect(shown(ipam.allocate('more', 'eth0'))).toBe(
      'failed to allocate for range 0: no IP addresses available in range set: 10.0.0.1-10.0.0.6',
    );
  });

  it('refuses a second address for the same container and interface', () => {
    const ipam = range('10.0.0.0/24');
    ipam.allocate('a', 'eth0');
    expect(shown(ipam.allocate('a', 'eth0'))).toBe(
      '10.0.0.2 has been allocated to a, duplicate allocation is not allowed',
    );
  });

  it('refuses a /31 and a /32', () => {
    expect(shown(range('10.0.0.0/31').allocate('a', 'eth0'))).toBe('Network 10.0.0.0/31 too small to allocate from');
    expect(shown(range('10.0.0.4/32').allocate('a', 'eth0'))).toBe('Network 10.0.0.4/32 too small to allocate from');
  });

  it('holds exactly capacity() different addresses of its subnet, whatever is added and released', () => {
    fc.assert(
      fc.property(fc.integer({ min: 26, max: 30 }), fc.array(fc.nat(40), { maxLength: 200 }), (length, calls) => {
        const ipam = new HostLocal({ address: 0x0a010000, length });
        const held = new Map<string, string>();
        for (const n of calls) {
          const id = `p${n}`;
          if (held.has(id)) {
            ipam.release(id, 'eth0');
            held.delete(id);
            continue;
          }
          const got = ipam.allocate(id, 'eth0');
          if ('address' in got) held.set(id, formatIpv4(got.address));
          else expect(held.size).toBe(HostLocal.capacity(length));
        }
        expect(new Set(held.values()).size).toBe(held.size);
        expect(ipam.addresses().map(formatIpv4).sort()).toEqual([...held.values()].sort());
      }),
    );
  });
});
