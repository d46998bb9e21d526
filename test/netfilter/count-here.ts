// Rules and packets through podwire's tables alone, at the OUTPUT hook.

import { expect } from 'vitest';
import { frameFromBytes, freeFrame } from '../../src/link/frame.ts';
import { Hook } from '../../src/netfilter/hook.ts';
import { runIpset } from '../../src/netfilter/ipset/ipset-run.ts';
import { Packet } from '../../src/netfilter/packet.ts';
import { IpTables } from '../../src/netfilter/xtables/ip-tables.ts';
import { TestHost } from './test-host.ts';

const ETH0 = 2;

/** @returns iptables-save -c after the packets. @param indexed false: rule by rule, as Linux walks */
export function countHere(sets: string, rules: string, packets: readonly Uint8Array[], indexed: boolean): string {
  const tables = new IpTables(new TestHost(), { indexed });
  const io = { name: 'ipset', out: () => {}, err: (text: string) => expect(text).toBe('') };
  expect(runIpset(tables.sets, ['restore'], io, { input: () => sets })).toBe(0);
  expect(tables.restore(rules, {})).toBeNull();
  const packet = new Packet();
  for (const bytes of packets) {
    const frame = frameFromBytes(bytes);
    for (const name of ['mangle', 'filter'] as const) {
      packet.load(frame, Hook.LOCAL_OUT, 0, ETH0);
      if (tables.table(name) !== null && tables.table(name)!.evaluate(Hook.LOCAL_OUT, packet) !== 0) break;
    }
    freeFrame(frame);
  }
  return tables.save(null, { counters: true });
}
