// Proves: programs send and wait as the real ones do where that decides how many packets leave and when; the figures are
// those of recordings on a real kernel.

import { describe, expect, it } from 'vitest';
import { runLab, TOPOLOGY } from './lab.ts';

async function lab(script: string): Promise<string> {
  return (await runLab(`${TOPOLOGY}\n${script}`)).output;
}

describe('arping', () => {
  it('still sends the request that is due with the deadline', async () => {
    expect(await lab('ip netns exec a arping -w 2 -I eth0 10.9.0.9')).toContain('Sent 3 probes (3 broadcast(s))');
  });
});

describe('traceroute', () => {
  it('-I reads one answer at a time and fills its place, until the last hop has answered', async () => {
    const output = await lab(
      'ip netns exec a traceroute -n -I -q 2 10.9.1.1 >/dev/null; ip netns exec a nstat -as IcmpOutEchos',
    );
    // 16 at first, one more after each of the two answers of the first hop.
    expect(output).toMatch(/IcmpOutEchos\s+18 /);
  });
});

describe('traceroute -f', () => {
  it('counts ports from the first probe that is sent', async () => {
    const output = await lab(`
ip netns exec b udpecho.py 33434 & sleep 0.2
ip netns exec a traceroute -n -f 2 -m 2 -q 1 10.9.1.1 >/dev/null; ip netns exec b nstat -as UdpInDatagrams; kill $!`);
    expect(output).toMatch(/UdpInDatagrams\s+1 /);
  });
});

describe('traceroute -F', () => {
  it('goes on sending probes that the path has said it cannot carry', async () => {
    const output = await lab(`
ip -n r link set r1 mtu 1300; ip -n b link set eth0 mtu 1300
ip netns exec a traceroute -n -F -q 1 10.9.1.1 1400; ip netns exec a nstat -as UdpOutDatagrams`);
    expect(output).toContain('!F-1300');
    expect(output).toMatch(/UdpOutDatagrams\s+16 /);
  });
});

describe('udpsend', () => {
  const sending = 'udpsend.py 10.79.0.1 9 --sizes 1 --wait 2 --gap 0';
  const took = async (options: string): Promise<number> => {
    const { now, output } = await runLab(`${TOPOLOGY}\ndate +%s.%N\nip netns exec a ${sending} ${options}`);
    expect(output).toContain('TimeoutError');
    const before = await runLab(TOPOLOGY);
    return Math.round((now - before.now) / 1e9);
  };
  it('waits for the error queue as long as for a reply', async () => {
    expect([await took(''), await took('--recverr')]).toEqual([2, 4]);
  });
});

describe('ping', () => {
  it('is told of a request that is too long with its header', async () => {
    const output = await lab('ip netns exec a ping -c 1 -W 0.2 -s 65508 10.9.0.2');
    expect(output).toContain('ping: local error: message too long, mtu=1500\n');
    expect(output).toContain('+1 errors');
  });

  it('sends to a group by no gateway and with a TTL of 1', async () => {
    const output = await lab('ip netns exec a ping -c 1 -W 0.2 224.0.0.5; ip -n a neigh; ip -n r neigh');
    expect(output).not.toContain('lladdr');
  });
});
