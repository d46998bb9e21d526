// Proves that addresses are refused with the kernel's words (net/ipv4/devinet.c inet_insert_ifa, measured on Linux 6.18).

import { expect, it } from 'vitest';
import { addAddress } from '../../src/stack/address-control.ts';
import { Scope } from '../../src/stack/fib.ts';
import { DstKind } from '../../src/stack/route-cache.ts';
import { ip, Net } from './net.ts';

it('addresses of one subnet have one scope, and no address comes twice', () => {
  const net = new Net();
  const [idev] = net.cable(
    { netns: net.host('a'), address: '10.0.0.1/24', mac: '02:00:00:00:00:01' },
    { netns: net.host('b'), mac: '02:00:00:00:00:02' },
  );
  const add = (address: string, length: number, scope: number): string | null =>
    addAddress(idev, {
      local: ip(address),
      length,
      peer: null,
      broadcast: 0,
      scope,
      label: null,
      noPrefixRoute: false,
      replace: false,
    })?.message ?? null;
  expect(add('10.0.0.3', 24, Scope.LINK)).toBe('ipv4: Invalid scope value');
  expect(add('10.0.0.1', 24, Scope.LINK)).toBe('ipv4: Address already assigned');
  expect(add('10.0.0.3', 24, Scope.GLOBAL)).toBe(null);
  expect(add('10.0.0.4', 25, Scope.LINK)).toBe(null);
  expect(idev.addresses.map((a) => a.secondary)).toEqual([false, false, true]);
  expect(net.close()).toBe(0);
});

it('an address is of the type that the local table, or its class, says', () => {
  const net = new Net();
  const a = net.host('a');
  net.cable(
    { netns: a, address: '10.0.0.1/24', mac: '02:00:00:00:00:01' },
    { netns: net.host('b'), mac: '02:00:00:00:00:02' },
  );
  const { UNICAST, LOCAL, BROADCAST, MULTICAST } = DstKind;
  for (const [address, type] of [
    ['10.0.0.1', LOCAL],
    ['127.9.9.9', LOCAL],
    ['10.0.0.2', UNICAST],
    ['10.0.0.255', BROADCAST],
    ['255.255.255.255', BROADCAST],
    ['0.0.0.0', BROADCAST],
    ['239.1.1.1', MULTICAST],
  ] as const) {
    expect([address, a.addressType(ip(address))]).toEqual([address, type]);
  }
  expect(net.close()).toBe(0);
});
