// Proves that look-ups find the longest prefix with the lowest metric, and that the route cache says what the FIB says.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { maskIpv4 } from '../../src/addr/ipv4.ts';
import { FibTable, Route, type RouteSpec, RouteType, Scope, Table } from '../../src/stack/fib.ts';
import { ip, Net } from './net.ts';

function spec(destination: number, length: number, metric: number): RouteSpec {
  return {
    destination: destination & maskIpv4(length),
    length,
    type: RouteType.UNREACHABLE,
    scope: Scope.GLOBAL,
    protocol: 'boot',
    metric,
    tos: 0,
    prefsrc: 0,
    nexthop: { gateway: 0, out: null, onlink: false, scope: Scope.HOST },
    mtu: 0,
    mtuLocked: false,
  };
}

// Few address bits vary, so that prefixes nest and collide.
const address = fc.integer({ min: 0, max: 0xff }).map((x) => 0x0a000000 | (x << 8) | (x & 3) | 0);
const step = fc.record({
  insert: fc.boolean(),
  destination: address,
  length: fc.constantFrom(0, 8, 16, 20, 22, 24, 31, 32),
  metric: fc.integer({ min: 0, max: 2 }),
});

describe('FibTable', () => {
  it('agrees with a linear search after any inserts and removals', () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 60 }),
        fc.array(address, { minLength: 1, maxLength: 20 }),
        (steps, asked) => {
          const table = new FibTable(Table.MAIN);
          let plain: Route[] = [];
          for (const s of steps) {
            if (s.insert) {
              const route = new Route(Table.MAIN, spec(s.destination, s.length, s.metric));
              table.insert(route);
              plain.push(route);
            } else {
              const victim = plain.find((r) => r.length === s.length);
              if (victim !== undefined) {
                expect(table.remove(victim)).toBe(true);
                expect(table.remove(victim)).toBe(false);
                plain = plain.filter((r) => r !== victim);
              }
            }
          }
          expect(table.size).toBe(plain.length);
          expect(new Set(table.routes())).toEqual(new Set(plain));
          for (const a of asked) {
            const best = plain
              .filter((r) => (a & maskIpv4(r.length)) === r.destination)
              .sort((x, y) => y.length - x.length || x.metric - y.metric)[0];
            const found = table.lookup(a);
            expect([found?.length, found?.metric, found?.destination]).toEqual([
              best?.length,
              best?.metric,
              best?.destination,
            ]);
          }
        },
      ),
    );
  });
});

it('a route for another TOS is listed and never taken', () => {
  const table = new FibTable(Table.MAIN);
  const plain = new Route(Table.MAIN, spec(ip('10.0.0.0'), 8, 5));
  const other = new Route(Table.MAIN, { ...spec(ip('10.0.0.0'), 8, 0), tos: 0x10 });
  table.insert(other);
  expect(table.lookup(ip('10.1.1.1'))).toBe(null);
  table.insert(plain);
  expect(table.lookup(ip('10.1.1.1'))).toBe(plain);
  expect(table.routes()).toEqual([other, plain]);
});

describe('the route cache', () => {
  it('says what a fresh look-up says, through every change', () => {
    const net = new Net();
    const a = net.host('a');
    const b = net.host('b');
    const [dev] = net.cable(
      { netns: a, address: '10.0.0.1/24', mac: '02:00:00:00:00:01' },
      { netns: b, address: '10.0.0.2/24', mac: '02:00:00:00:00:02' },
    );
    const asked = ['10.0.0.1', '10.0.0.2', '10.0.0.255', '10.5.0.1', '10.5.1.1', '127.0.0.1', '8.8.8.8', '224.0.0.5'];
    const compare = (): void => {
      for (const text of [...asked, ...asked]) {
        const cached = a.routes.lookup(ip(text));
        const fresh = a.routes.fresh(ip(text));
        const view = (d: typeof fresh) => [d.kind, d.out?.dev.name, d.nexthop, d.source, d.route, d.viaGateway];
        expect(view(cached)).toEqual(view(fresh));
      }
    };
    compare();
    net.route(a, '10.5.0.0/16', { gateway: '10.0.0.2', dev });
    compare();
    net.route(a, '10.5.1.0/24', { type: 'blackhole' });
    compare();
    net.address(dev, '10.0.0.7/24');
    compare();
    dev.dev.setUp(false);
    compare();
    dev.dev.setUp(true);
    compare();
    for (const route of a.fib.main.routes()) a.fib.remove(route);
    compare();
    expect(a.routes.hits).toBeGreaterThan(0);
    expect(net.close()).toBe(0);
  });
});

describe('addresses', () => {
  it('bring and take the kernel routes of ip route show table all', () => {
    const net = new Net();
    const a = net.host('a');
    const b = net.host('b');
    const [dev] = net.cable({ netns: a, mac: '02:00:00:00:00:01' }, { netns: b, mac: '02:00:00:00:00:02' });
    net.address(dev, '10.0.0.1/24');
    net.address(dev, '10.0.0.2/24');
    const routes = (): string[] =>
      a.fib.tables().flatMap((t) =>
        t
          .routes()
          .filter((r) => r.nexthop.out === dev)
          .map(
            (r) =>
              `${t.id} ${r.type} ${(r.destination >>> 0).toString(16)}/${r.length} src ${(r.prefsrc >>> 0).toString(16)}`,
          ),
      );
    expect(routes()).toEqual([
      '254 unicast a000000/24 src a000001',
      '255 local a000001/32 src a000001',
      '255 local a000002/32 src a000001',
      '255 broadcast a0000ff/32 src a000001',
    ]);
    dev.dev.setUp(false);
    expect(routes()).toEqual(['255 local a000001/32 src a000001', '255 local a000002/32 src a000001']);
    dev.dev.setUp(true);
    expect(routes()).toHaveLength(4);
    a.removeAddress(dev, dev.addresses[0]!);
    expect(routes()).toEqual([]);
    expect(dev.addresses).toEqual([]);
    expect(net.close()).toBe(0);
  });

  it('promotes a secondary, with its routes, when promote_secondaries says so', () => {
    const net = new Net();
    const a = net.host('a', { 'net.ipv4.conf.all.promote_secondaries': '1' });
    const b = net.host('b');
    const [dev] = net.cable({ netns: a, mac: '02:00:00:00:00:01' }, { netns: b, mac: '02:00:00:00:00:02' });
    for (const text of ['10.0.0.1/24', '10.0.0.2/24', '10.0.0.3/24']) net.address(dev, text);
    a.removeAddress(dev, dev.addresses[0]!);
    expect(dev.addresses.map((x) => [x.local, x.secondary])).toEqual([
      [ip('10.0.0.2'), false],
      [ip('10.0.0.3'), true],
    ]);
    const own = [...a.fib.main.routes(), ...a.fib.local.routes()].filter((r) => r.nexthop.out === dev);
    expect(own.map((r) => [r.type, r.destination, r.prefsrc])).toEqual([
      ['unicast', ip('10.0.0.0'), ip('10.0.0.2')],
      ['local', ip('10.0.0.2'), ip('10.0.0.2')],
      ['local', ip('10.0.0.3'), ip('10.0.0.2')],
      ['broadcast', ip('10.0.0.255'), ip('10.0.0.2')],
    ]);
    expect(net.close()).toBe(0);
  });

  it('stand behind those of a scope no narrower, as ip addr lists them', () => {
    const net = new Net();
    const a = net.host('a');
    const b = net.host('b');
    const [dev] = net.cable({ netns: a, mac: '02:00:00:00:00:01' }, { netns: b, mac: '02:00:00:00:00:02' });
    net.address(dev, '10.0.0.1/24');
    a.addAddress(dev, { local: ip('169.254.7.7'), length: 16, scope: Scope.LINK });
    net.address(dev, '10.1.0.1/24');
    expect(dev.addresses.map((x) => x.local)).toEqual([ip('169.254.7.7'), ip('10.0.0.1'), ip('10.1.0.1')]);
    expect(net.close()).toBe(0);
  });
});
