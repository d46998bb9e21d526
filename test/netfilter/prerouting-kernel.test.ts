// Proves that rules which ask for the link and the routing tables count incoming frames as on the kernel: mac, pkttype,
// addrtype, rpfilter, interfaces, physdev without a bridge.

import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { parseIpv4 } from '../../src/addr/ipv4.ts';
import { Rng } from '../../src/base/rng.ts';
import { frameFromBytes, frameStart, freeFrame } from '../../src/link/frame.ts';
import { Hook } from '../../src/netfilter/hook.ts';
import { AddressType } from '../../src/netfilter/netfilter-host.ts';
import { Packet } from '../../src/netfilter/packet.ts';
import { IpTables } from '../../src/netfilter/xtables/ip-tables.ts';
import { kernelTablesMissing } from './kernel-tables.ts';
import { sumBytes } from './sum-bytes.ts';
import { TestHost } from './test-host.ts';

const missing = kernelTablesMissing();
if (missing !== null) console.warn(`prerouting-kernel.test: skipped (${missing})`);

const ETH0 = 2;
const ETH1 = 3;
/** eth0 of the namespace, with 10.0.0.1/24; eth1 has 10.1.0.1/16 */
const OWN_MAC = [0x02, 0, 0, 0, 0, 1];

const ASKED = [
  '-m mac --mac-source 02:00:00:00:00:0a',
  '-m mac ! --mac-source 02:00:00:00:00:0a',
  '-m pkttype --pkt-type unicast',
  '-m pkttype --pkt-type broadcast',
  '-m pkttype --pkt-type multicast',
  '-m pkttype ! --pkt-type unicast',
  '-m addrtype --dst-type LOCAL',
  '-m addrtype ! --dst-type LOCAL',
  '-m addrtype --dst-type LOCAL --limit-iface-in',
  '-m addrtype --dst-type BROADCAST,MULTICAST',
  '-m addrtype --src-type LOCAL,UNICAST --dst-type UNICAST',
  '-m addrtype --src-type LOCAL --limit-iface-in',
  '-m rpfilter',
  '-m rpfilter --loose',
  '-m rpfilter --invert',
  '-m rpfilter --accept-local',
  '-m rpfilter --accept-local --loose --invert',
  '-m physdev --physdev-is-in',
  '-m physdev ! --physdev-is-in',
  '-m physdev ! --physdev-in eth+ ! --physdev-is-bridged',
  '-i eth0',
  '-i eth+',
  '! -i eth0',
  '-i eth1',
];

const RULES = `*raw\n:PREROUTING ACCEPT [0:0]\n${ASKED.map((a) => `-A PREROUTING ${a}\n`).join('')}-A PREROUTING -j DROP\nCOMMIT\n`;

const ADDRESSES = [
  '10.0.0.1',
  '10.0.0.9',
  '10.0.0.255',
  '10.1.0.1',
  '10.1.0.9',
  '192.0.2.1',
  '224.0.0.5',
  '255.255.255.255',
];
const MACS = [OWN_MAC, [255, 255, 255, 255, 255, 255], [1, 0, 0x5e, 0, 0, 5]];

function frames(): Uint8Array[] {
  const rng = new Rng(1, 'frames');
  return Array.from({ length: 120 }, () => {
    const mac = MACS[rng.below(MACS.length)]!;
    const from = [2, 0, 0, 0, 0, 10 + rng.below(2)];
    const address = (text: string): number[] => text.split('.').map(Number);
    const source = address(ADDRESSES[rng.below(6)]!);
    const header = Uint8Array.from([
      ...[0x45, 0, 0, 28, 0x12, 0x34, 0, 0, 64, 17, 0, 0],
      ...[...source, ...address(ADDRESSES[rng.below(ADDRESSES.length)]!)],
    ]);
    const sum = sumBytes(header);
    header[10] = sum >> 8;
    header[11] = sum & 255;
    return Uint8Array.from([...mac, ...from, 8, 0, ...header, 0x10, 0, 0x20, 0, 0, 8, 0, 0]);
  });
}

class Host extends TestHost {
  override addressType(address: number, device = 0): AddressType {
    const at = (text: string, index: number): boolean =>
      address === parseIpv4(text) && (device === 0 || device === index);
    if (at('10.0.0.1', ETH0) || at('10.1.0.1', ETH1)) return AddressType.LOCAL;
    if (at('10.0.0.255', ETH0) || at('10.1.255.255', ETH1)) return AddressType.BROADCAST;
    return super.addressType(address);
  }

  override routeBack(source: number): number {
    if (source === parseIpv4('10.0.0.1')) return -ETH0;
    if (source === parseIpv4('10.1.0.1')) return -ETH1;
    // Broadcast routes are no way back.
    if (source === parseIpv4('10.0.0.255')) return 0;
    return source >>> 8 === 0x0a0000 ? ETH0 : source >>> 16 === 0x0a01 ? ETH1 : 0;
  }
}

function here(sent: readonly Uint8Array[]): string {
  const tables = new IpTables(new Host());
  expect(tables.restore(RULES, {})).toBeNull();
  const packet = new Packet();
  for (const bytes of sent) {
    const frame = frameFromBytes(bytes);
    frameStart[frame] = frameStart[frame]! + 14;
    packet.load(frame, Hook.PRE_ROUTING, ETH0, 0);
    tables.table('raw')!.evaluate(Hook.PRE_ROUTING, packet);
    freeFrame(frame);
  }
  return tables.save(null, { counters: true });
}

const SENDER = `
import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(('far', 0))
for line in sys.stdin:
    s.send(bytes.fromhex(line.strip()))
`;

function onKernel(sent: readonly Uint8Array[]): string {
  const script = `set -e
sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
ip link add eth0 address 02:00:00:00:00:01 type veth peer name far
ip link add eth1 type veth peer name far1
ip addr add 10.0.0.1/24 brd + dev eth0
ip addr add 10.1.0.1/16 brd + dev eth1
for d in eth0 eth1 far far1 lo; do ip link set $d up; done
sleep 0.2
iptables-restore <<'RULES'
${RULES}RULES
python3 -c "$SENDER" <<'FRAMES'
${sent.map((f) => Buffer.from(f).toString('hex')).join('\n')}
FRAMES
iptables-save -c | grep -v '^#'
`;
  const run = spawnSync('unshare', ['-n', 'bash', '-c', script], { encoding: 'utf8', env: { ...process.env, SENDER } });
  if (run.status !== 0) throw new Error(`the kernel's side failed: ${run.stderr}`);
  return run.stdout;
}

describe.skipIf(missing !== null)('frames that come in', () => {
  it('count as on the kernel', () => {
    const sent = frames();
    expect(here(sent)).toBe(onKernel(sent));
  });
});
