// Proves that what podwire cannot do is said on standard error with exit status 1 and changes nothing: no option, word or
// object of the real commands is passed over in silence.

import { describe, expect, it } from 'vitest';
import { EmulatedMachine } from './emulated.ts';

const LINES = [
  'ip -6 addr',
  'ip -batch file',
  'ip monitor',
  'ip tunnel show',
  'ip maddress',
  'ip addr add fe80::1/64 dev e0',
  'ip addr add 10.9.0.1/24 dev e0 valid_lft 100',
  'ip addr add 10.9.0.1/24 dev e0 metric 5',
  'ip link add w0 type wireguard',
  'ip link add m0 link e0 type macvlan',
  'ip link add b1 type bridge vlan_filtering 1',
  'ip link add b1 type bridge stp_state 1',
  'ip link add b1 type bridge mcast_querier 1',
  'ip link add v1 type vxlan id 1 dstport 1 proxy',
  'ip link add v1 type vxlan id 1 dstport 1 external',
  'ip link set e0 arp off',
  'ip link set e0 multicast off',
  'ip link set e0 group 7',
  'ip link set e0 xdp off',
  'ip route add 10.8.0.0/16 nexthop via 10.0.0.5 nexthop via 10.0.0.6',
  'ip route add 10.8.0.0/16 via 10.0.0.5 advmss 1000',
  'ip route add nat 10.8.0.0/16',
  'ip route get 10.0.0.5 from 10.0.0.7 iif e0',
  'ip route show realms 3',
  'ip rule add from 10.0.0.0/8 lookup 100',
  'ip rule add fwmark 1 lookup 100',
  'ip neigh add 10.0.0.5 lladdr 02:00:00:00:00:05 dev e0 router',
  'ip netns pids net',
  'bridge mdb',
  'bridge vlan add vid 10 dev e0',
  'bridge fdb add 02:00:00:00:00:05 dev e0 master vlan 10',
  'brctl stp br0 on',
  'ethtool -K e0 tso on',
  'ethtool -G e0 rx 100',
  'ifconfig e0 10.0.0.1',
  'route add default gw 10.0.0.9',
  'netstat -s',
  'sysctl -p',
  'nstat -d 5',
];
const STATE = [
  'ip -d addr',
  'ip route show table all',
  'ip neigh show nud all',
  'ip rule',
  'bridge fdb',
  'bridge -d link',
];

async function machineWithState(): Promise<EmulatedMachine> {
  const machine = new EmulatedMachine();
  for (const line of [
    'ip link add e0 type veth peer name e1',
    'ip link add br0 type bridge',
    'ip link set e1 master br0',
    'ip link set e0 up',
    'ip link set e1 up',
    'ip link set br0 up',
    'ip addr add 10.0.0.1/24 brd + dev e0',
  ]) {
    expect(await machine.run(line), line).toEqual({ out: '', status: 0 });
  }
  return machine;
}

async function stateOf(machine: EmulatedMachine): Promise<string> {
  let text = '';
  for (const line of STATE) text += (await machine.run(line)).out;
  return text;
}

describe('what is not emulated', () => {
  it.each(LINES)('%s', async (line) => {
    const machine = await machineWithState();
    const before = await stateOf(machine);
    const answer = await machine.run(line);
    expect(answer.out).toMatch(/is not emulated by podwire yet\n$/);
    expect(answer.status).toBe(1);
    expect(await stateOf(machine)).toBe(before);
  });
});
