// Proves that rules which ask conntrack, and rules which tell it (zones, marks, NOTRACK), count as on the kernel: the whole
// order of hooks that a packet from here passes.

import { describe, expect, it } from 'vitest';
import { Rng } from '../../src/base/rng.ts';
import { frameFromBytes, freeFrame } from '../../src/link/frame.ts';
import { Hook } from '../../src/netfilter/hook.ts';
import { Netfilter } from '../../src/netfilter/netfilter.ts';
import { countOnKernel, kernelTablesMissing } from './kernel-tables.ts';
import { randomPacket } from './random-rules.ts';
import { TestHost } from './test-host.ts';

const missing = kernelTablesMissing();
if (missing !== null) console.warn(`conntrack-match-kernel.test: skipped (${missing})`);

const ETH0 = 2;

const ASKED = [
  ...['NEW', 'ESTABLISHED', 'RELATED', 'INVALID', 'UNTRACKED', 'NEW,ESTABLISHED', 'SNAT', 'DNAT'].flatMap((state) => [
    `-m conntrack --ctstate ${state}`,
    `-m conntrack ! --ctstate ${state}`,
  ]),
  '-m state --state NEW',
  '-m state ! --state NEW',
  '-m conntrack --ctproto 6',
  '-m conntrack ! --ctproto 17',
  '-m conntrack --ctorigdst 10.0.0.0/24',
  '-m conntrack ! --ctorigsrc 10.0.0.1',
  '-m conntrack --ctreplsrc 10.0.0.0/16 --ctrepldst 10.0.0.0/16',
  '-m conntrack --ctorigdstport 80',
  '-m conntrack ! --ctorigsrcport 53:443',
  '-m conntrack --ctreplsrcport 80 --ctproto 17',
  '-m conntrack --ctstatus NONE',
  '-m conntrack --ctstatus CONFIRMED',
  '-m conntrack ! --ctstatus CONFIRMED',
  '-m conntrack --ctstatus SEEN_REPLY,ASSURED',
  '-m conntrack --ctdir ORIGINAL',
  '-m conntrack --ctdir REPLY',
  '-m conntrack --ctstate NEW --ctproto 1',
  '-m connmark --mark 0x0',
  '-m connmark --mark 0x5',
  '-m connmark ! --mark 0x5/0xff',
  '-m mark --mark 0x5',
  '-p udp -m conntrack --ctstate ESTABLISHED -m udp --dport 80',
];

const RULES = `*raw
:OUTPUT ACCEPT [0:0]
-A OUTPUT -d 10.0.1.1/32 -j CT --notrack
-A OUTPUT -d 192.168.3.4/32 -j NOTRACK
-A OUTPUT -d 10.1.0.7/32 -p udp -j CT --zone 7
-A OUTPUT -d 10.1.0.7/32 -p tcp -j CT --zone-orig 7
COMMIT
*mangle
:OUTPUT ACCEPT [0:0]
-A OUTPUT -p udp -m conntrack --ctstate NEW -j CONNMARK --set-xmark 0x5/0xffffffff
-A OUTPUT -j CONNMARK --restore-mark
-A OUTPUT -p tcp -j MARK --set-xmark 0x9/0xf
-A OUTPUT -p tcp -j CONNMARK --save-mark --nfmask 0x1 --ctmask 0x1
COMMIT
*filter
:OUTPUT ACCEPT [0:0]
${ASKED.map((a) => `-A OUTPUT ${a}\n`).join('')}COMMIT
`;

function here(packets: readonly Uint8Array[]): string {
  const netfilter = new Netfilter(new TestHost());
  expect(netfilter.tables.restore(RULES, {})).toBeNull();
  for (const bytes of packets) {
    const frame = frameFromBytes(bytes);
    if (netfilter.run(Hook.LOCAL_OUT, frame, 0, ETH0) === 0) netfilter.run(Hook.POST_ROUTING, frame, 0, ETH0);
    freeFrame(frame);
  }
  return netfilter.tables.save(null, { counters: true });
}

/** Fragments wait for the others, and wrong checksums are another test's: left out. */
function packetsOf(seed: number): Uint8Array[] {
  const rng = new Rng(seed, 'tracked');
  const out: Uint8Array[] = [];
  while (out.length < 200) {
    const bytes = randomPacket(rng);
    if (((bytes[6]! << 8) | bytes[7]!) === 0) out.push(bytes);
  }
  return out;
}

describe.skipIf(missing !== null)('what rules ask of conntrack', () => {
  for (let seed = 1; seed <= 6; seed++) {
    it(`counts as on the kernel, seed ${seed}`, () => {
      const packets = packetsOf(seed);
      expect(here(packets)).toBe(countOnKernel('', RULES, packets));
    });
  }
});
