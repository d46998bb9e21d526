// Proves: programs end as they should (count, deadline, linger, signals), clean up after themselves, and tracepath and
// nc -u do their work; what the real tools print is the business of kernel-agreement.test.ts.

import { describe, expect, it } from 'vitest';
import { runLab, TOPOLOGY, withoutTimes } from './lab.ts';

async function lab(script: string): Promise<string> {
  return withoutTimes((await runLab(`${TOPOLOGY}\n${script}`)).output);
}

/** Whole seconds that a command takes. */
async function seconds(command: string): Promise<number> {
  const before = (await runLab(TOPOLOGY)).now;
  const after = (await runLab(`${TOPOLOGY}\n${command}`)).now;
  return Math.floor((after - before) / 1e9);
}

describe('ping', () => {
  it('prints its statistics on SIGINT and exits with 0 when something was answered', async () => {
    const output = await lab('ip netns exec a ping 10.9.0.2 & sleep 1.5; kill -INT $!; wait $!; echo "status $?"');
    expect(output).toMatch(/2 packets transmitted, 2 received, 0% packet loss, time Tms\nrtt .*\nstatus 0\n$/);
  });

  it('prints nothing more on SIGTERM', async () => {
    const output = await lab('ip netns exec a ping 10.9.0.2 & sleep 0.5; kill -TERM $!; wait $!; echo "status $?"');
    expect(output).not.toContain('statistics');
    expect(output).toMatch(/icmp_seq=1 .*\nstatus 143\n$/);
  });

  it('waits for the last reply as long as -W says when nothing has been answered', async () => {
    expect(await seconds('ip netns exec a ping -c 1 -W 3 10.79.0.1')).toBe(3);
    expect(await seconds('ip netns exec a ping -c 1 10.79.0.1')).toBe(10);
  });

  it('ends at the deadline, and at the first error when there is one', async () => {
    expect(await seconds('ip netns exec a ping -w 2 10.79.0.1')).toBe(2);
    expect(await seconds('ip netns exec a ping -w 20 10.77.0.1')).toBe(0);
  });

  it('tells every request that waited for ARP when the neighbour does not answer', async () => {
    const output = await lab('ip netns exec a ping -c 4 -W 5 10.9.0.9');
    expect(output.match(/From 10\.9\.0\.1 icmp_seq=\d Destination Host Unreachable/g)).toHaveLength(4);
    expect(output).toContain('4 packets transmitted, 0 received, +4 errors, 100% packet loss, time Tms\npipe 3\n');
  });

  it('says where a redirect points', async () => {
    const output = await lab(`
ip -n r addr add 10.9.0.3/24 dev r0
ip -n r route add 10.66.0.0/16 via 10.9.0.1
ip -n r link set r0 up
ip -n a link add dummy0 type dummy
ip netns exec a ping -c 2 -W 0.2 10.66.0.1`);
    expect(output).toContain('From 10.9.0.2: icmp_seq=1 Redirect Host(New nexthop: 10.9.0.1)');
  });

  it.each(['-R', '-T tsonly', '-6', '-N name'])('refuses %s by name', async (option) => {
    const output = await lab(`ip netns exec a ping -c 1 ${option} 10.9.0.2; echo "status $?"`);
    expect(output).toMatch(/^ping: podwire's ping does not do .*\nstatus 2\n$/);
  });
});

describe('tracepath', () => {
  it('finds the routers and the narrow place', async () => {
    const output = await lab('ip -n r link set r1 mtu 1400; ip netns exec a tracepath -n 10.9.1.1; echo "status $?"');
    expect(output.replace(/ +/g, ' ')).toBe(
      [
        ' 1?: [LOCALHOST] pmtu 1500',
        ' 1: 10.9.0.2 T ms ',
        ' 1: 10.9.0.2 T ms ',
        ' 2: 10.9.0.2 T ms pmtu 1400',
        ' 2: 10.9.1.1 T ms reached',
        ' Resume: pmtu 1400 hops 2 back 2 ',
        'status 0',
        '',
      ].join('\n'),
    );
  });

  it('gives up after the hops asked for', async () => {
    const output = await lab('ip netns exec a tracepath -n -m 2 10.79.0.1');
    expect(output).toMatch(/1: {2}no reply\n 2: {2}no reply\n {5}Too many hops: pmtu 1500\n {5}Resume: pmtu 1500 \n$/);
  });
});

describe('nc -u', () => {
  it('carries standard input to a listening nc, and the answer back', async () => {
    const output = await lab(`
echo pong | ip netns exec b nc -u -l -w 2 5000 > /tmp/heard &
sleep 0.2
echo ping | ip netns exec a nc -u -w 1 10.9.1.1 5000
wait; cat /tmp/heard`);
    expect(output).toBe('pong\nping\n');
  });

  it('ends without a word when nobody listens, over TCP too', async () => {
    expect(await lab('echo x | ip netns exec a nc -u -w 1 10.9.1.1 5001; echo "status $?"')).toBe('status 1\n');
    expect(await lab('ip netns exec a nc 10.9.1.1 80; echo "status $?"')).toBe('status 1\n');
  });
});

describe('the echo server', () => {
  it('frees its port when it is killed', async () => {
    const output = await lab(`
ip netns exec b udpecho.py 9000 & sleep 0.2
ip netns exec b udpecho.py 9000 2>&1
kill $!; wait $!
ip netns exec b udpecho.py 9000 & sleep 0.2
ip netns exec a udpsend.py 10.9.1.1 9000 --sizes 3`);
    expect(output).toContain('OSError: [Errno 98] Address already in use');
    expect(output).toMatch(/sent 3 bytes -> reply 3 bytes from 10\.9\.1\.1:9000 same=True\n$/);
  });
});
