// Proves what IPVS does with packets of its connections beyond the plain way there and back: services that are deleted, ICMP
// errors from clients, TTLs.

import { expect, it } from 'vitest';
import type { Ipvs } from '../../src/netfilter/ipvs/ipvs.ts';
import { ipvsOf } from '../../src/netfilter/ipvs/ipvs-hooks.ts';
import { NS_PER_S } from '../../src/sim/sim.ts';
import { ip } from '../stack/net.ts';
import { datagram, icmp, Router } from './router.ts';

const CLIENT = '10.1.0.2';
const SERVER = '10.2.0.2';
const VIRTUAL = '10.1.0.1';
const UDP = 17;

function director(): { r: Router; ipvs: Ipvs } {
  const r = new Router();
  const ipvs = ipvsOf(r.netfilter);
  expect(ipvs.addService({ protocol: UDP, address: ip(VIRTUAL), port: 53 })).toBeNull();
  const service = ipvs.findService(UDP, ip(VIRTUAL), 53)!;
  expect(ipvs.addDestination(service, { address: ip(SERVER), port: 5353 })).toBeNull();
  return { r, ipvs };
}

/** Side, source, destination and TTL of what left. */
function seen(out: readonly [string, string][]): string[] {
  const address = (hex: string): string => Buffer.from(hex, 'hex').join('.');
  return out.map(
    ([side, hex]) =>
      `${side} ${address(hex.slice(24, 32))} > ${address(hex.slice(32, 40))} ttl ${Number.parseInt(hex.slice(16, 18), 16)}`,
  );
}

const asked = datagram(CLIENT, 4000, VIRTUAL, 53);
const answered = datagram(SERVER, 5353, CLIENT, 4000);

it('what a client sends goes to the real server, what that answers comes from the virtual address', () => {
  const { r } = director();
  expect(seen(r.round([['a', asked]]).out)).toEqual([`b ${CLIENT} > ${SERVER} ttl 63`]);
  expect(seen(r.round([['b', answered]]).out)).toEqual([`a ${VIRTUAL} > ${CLIENT} ttl 63`]);
});

it('conntrack leaves its packets alone unless net.ipv4.vs.conntrack says otherwise: MASQUERADE does not touch them', () => {
  const masquerade = '*nat\n-A POSTROUTING -j MASQUERADE\nCOMMIT\n';
  const { r } = director();
  expect(r.netfilter.tables.restore(masquerade, { noFlush: true, counters: false })).toBeNull();
  expect(seen(r.round([['a', asked]]).out)).toEqual([`b ${CLIENT} > ${SERVER} ttl 63`]);
  const back = r.round([['b', answered]]);
  expect(seen(back.out)).toEqual([`a ${VIRTUAL} > ${CLIENT} ttl 63`]);
  expect(back.list).toEqual([]);
  const followed = director().r;
  expect(followed.netns.sysctl.set('net.ipv4.vs.conntrack', '1')).toBeNull();
  expect(followed.netfilter.tables.restore(masquerade, { noFlush: true, counters: false })).toBeNull();
  expect(seen(followed.round([['a', asked]]).out)).toEqual([`b 10.2.0.1 > ${SERVER} ttl 63`]);
  const answer = datagram(SERVER, 5353, '10.2.0.1', 4000);
  expect(seen(followed.round([['b', answer]]).out)).toEqual([`a ${VIRTUAL} > ${CLIENT} ttl 63`]);
});

it('a connection outlives its service: its packets are dropped, not given to this host, until it is over', () => {
  const { r, ipvs } = director();
  r.round([['a', asked]]);
  expect(ipvs.deleteService(UDP, ip(VIRTUAL), 53)).toBeNull();
  // This host has no socket there: had it got the packet, it would say so.
  expect(r.round([['a', asked]]).out).toEqual([]);
  // 300 s, and the slack of the timer wheel.
  r.world.sim.runUntil(r.world.sim.now + 400 * NS_PER_S);
  expect(ipvs.connections.size).toBe(0);
  expect(seen(r.round([['a', asked]]).out)).toEqual([`a ${VIRTUAL} > ${CLIENT} ttl 64`]);
});

it('an error of the client goes on to the real server, one hop older, about the packet that the server sent', () => {
  const { r } = director();
  r.round([['a', asked]]);
  const told = icmp(CLIENT, VIRTUAL, 3, 3, 0, datagram(VIRTUAL, 53, CLIENT, 4000));
  const { out } = r.round([['a', told]]);
  expect(seen(out)).toEqual([`b ${CLIENT} > ${SERVER} ttl 63`]);
  const quoted = Buffer.from(out[0]![1], 'hex').subarray(28);
  expect([...quoted.subarray(12, 16)].join('.')).toBe(SERVER);
  expect(quoted.readUInt16BE(20)).toBe(5353);
  const old = Uint8Array.from(told);
  old[8] = 1;
  old[10] = told[10]! + 63;
  expect(r.round([['a', old]]).out).toEqual([]);
});
