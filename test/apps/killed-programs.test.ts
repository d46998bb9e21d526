// Proves that a program that is killed in the middle of something leaves no socket behind: while it connects, looks a name
// up, or waits for a peer, and in the moment between a connection's arrival and its server's first look at it.

import { expect, it } from 'vitest';
import { framesInUse } from '../../src/link/frame.ts';
import { runLab } from './lab.ts';

/** 10.0.0.9 is nobody: for three seconds its neighbour entry is in question. 10.0.0.8 answers ARP and drops the rest. */
const NETWORK = `
ip netns add a; ip netns add b
ip link add eth0 netns a type veth peer name eth0 netns b
ip -n a addr add 10.0.0.1/24 dev eth0; ip -n b addr add 10.0.0.2/24 dev eth0; ip -n b addr add 10.0.0.8/24 dev eth0
ip -n a link set eth0 up; ip -n b link set eth0 up
ip netns exec b iptables -A INPUT -d 10.0.0.8 -j DROP
mkdir -p /etc/netns/a; echo nameserver 10.0.0.8 > /etc/netns/a/resolv.conf
`;

it.each([
  'curl -s http://10.0.0.9/',
  'curl -s http://10.0.0.8/',
  'curl -s http://name.test/',
  'wget -q http://10.0.0.8/',
  'wget -q http://name.test/',
  'nc 10.0.0.8 80',
  'nc -l 80',
  'socat - TCP:10.0.0.8:80',
  'socat - TCP:name.test:80',
  'socat - UDP:name.test:80',
  'socat - UDP-LISTEN:80',
  'socat TCP-LISTEN:80,fork PIPE',
  'iperf3 -c 10.0.0.8',
  'iperf3 -c name.test',
  'iperf3 -s',
  "nginx -g 'daemon off;'",
  'python3 -m http.server 80',
])('%s', async (command) => {
  const before = framesInUse();
  const { output } = await runLab(`${NETWORK}
ip netns exec a timeout -s KILL 1 ${command} > /tmp/out 2>&1
sleep 10
ip netns exec a ss -Htuan
sleep 120`);
  expect(output).toBe('');
  expect(framesInUse()).toBe(before);
});

it.each(['0.0001', '0.0003', '0.001', '0.002', '0.003'])(
  'a forking socat, %s s after a connection has come',
  async (wait) => {
    const { output } = await runLab(`${NETWORK}
ip netns exec b socat TCP-LISTEN:80,fork PIPE & server=$!
sleep 1
ip netns exec a nc -N -w 5 10.0.0.2 80 < /dev/null &
sleep ${wait}
kill -9 $server
sleep 100
ip netns exec b ss -Htuan`);
    expect(output).toBe('');
  },
);
