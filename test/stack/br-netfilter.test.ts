// Proves that what a bridge only switches passes the tables of its namespace: the same bridge's DNAT with MAC addresses and TTL
// as br_netfilter leaves them, the way up to the router, hairpin, fragments, the switch bridge-nf-call-iptables.

import { describe, expect, it } from 'vitest';
import { Bridge } from '../../src/link/bridge.ts';
import { netfilterOf } from '../../src/stack/netfilter-host.ts';
import { TcpSocket } from '../../src/stack/tcp/tcp-socket.ts';
import { UdpSocket } from '../../src/stack/udp-socket.ts';
import { ip, mac, Net } from './net.ts';

const SERVICE = '10.96.0.10';
const POD = ['10.244.1.2', '10.244.1.3'] as const;

/** A node with cni0 and two pods on it, and a far host behind eth0. */
function node(rules: string, options: { readonly sysctls?: Record<string, string> } = {}) {
  const net = new Net();
  const host = net.host('node', { 'net.ipv4.ip_forward': '1', ...options.sysctls });
  const far = net.host('far');
  const [eth0, farEth0] = net.cable(
    { netns: host, address: '10.0.1.1/24', mac: '02:00:00:00:01:01' },
    { netns: far, address: '10.0.1.2/24', mac: '02:00:00:00:01:02' },
  );
  net.route(far, '10.244.1.0/24', { gateway: '10.0.1.1', dev: farEth0 });
  const bridge = new Bridge(net.world, {
    name: 'cni0',
    mac: mac('0a:58:0a:f4:01:01'),
    macGiven: true,
    mtu: 1500,
    owner: 'node',
  });
  const cni0 = host.addDevice(bridge.dev);
  bridge.dev.setUp(true);
  net.address(cni0, '10.244.1.1/24');
  net.record(bridge.dev);
  const pods = POD.map((address, i) => {
    const pod = net.host(`pod${i}`);
    const [outer, inner] = net.cable(
      { netns: host, name: `veth${i}`, mac: `7e:00:00:00:00:0${i}` },
      { netns: pod, address: `${address}/24`, mac: `0a:58:0a:f4:01:0${i + 2}` },
    );
    bridge.addPort(outer.dev);
    bridge.port(outer.dev)!.hairpin = true;
    net.route(pod, '0.0.0.0/0', { gateway: '10.244.1.1', dev: inner });
    return { netns: pod, inner };
  });
  const error = netfilterOf(host).tables.restore(rules, { noFlush: false, counters: false });
  if (error !== null) throw new Error(JSON.stringify(error));
  return { net, host, far, pods, eth0, bridge };
}

const dnat = (to: string): string => `*nat
-A PREROUTING -d ${SERVICE}/32 -p udp -m udp --dport 53 -j DNAT --to-destination ${to}:5353
COMMIT
`;

function echo(socket: UdpSocket): void {
  socket.onReady = () => {
    for (let d = socket.recv(); d !== null; d = socket.recv()) socket.sendTo(d.payload, d.source, d.sourcePort);
  };
}

/** Ethernet addresses and what is inside, of the IPv4 frames at a device. */
function frames(net: Net, dev: string, direction: 'in' | 'out'): string[] {
  return net.frames
    .filter(
      (f) =>
        f.dev === dev && f.direction === direction && f.bytes[12] === 8 && f.bytes[13] === 0 && (f.bytes[0]! & 1) === 0,
    )
    .map((f) => {
      const hex = (at: number): string => Buffer.from(f.bytes.subarray(at, at + 6)).toString('hex');
      const v = new DataView(f.bytes.buffer, f.bytes.byteOffset);
      const address = (at: number): string => [...f.bytes.subarray(at, at + 4)].join('.');
      return `${hex(6)}>${hex(0)} ${address(26)}>${address(30)} ttl ${f.bytes[22]} len ${v.getUint16(16)}`;
    });
}

function ask(from: (typeof POD)[number] | 'far', n: ReturnType<typeof node>, length = 3): string {
  const netns = from === 'far' ? n.far : n.pods[POD.indexOf(from)]!.netns;
  const client = new UdpSocket(netns);
  let answer = '';
  client.onReady = () => {
    const d = client.recv()!;
    answer = `${d.payload.length} bytes from ${d.source === ip(SERVICE) ? SERVICE : d.source}:${d.sourcePort}`;
  };
  client.sendTo(new Uint8Array(length), ip(SERVICE), 53);
  n.net.run(2);
  client.close();
  return answer;
}

describe('DNAT to a pod on the same bridge', () => {
  it("switches the packet: its TTL and source MAC stay, the destination MAC is the endpoint's", () => {
    const n = node(dnat(POD[1]));
    const server = new UdpSocket(n.pods[1]!.netns);
    server.bind(0, 5353);
    echo(server);
    expect(ask(POD[0], n)).toBe(`3 bytes from ${SERVICE}:53`);
    expect(ask(POD[0], n)).toBe(`3 bytes from ${SERVICE}:53`);
    const client = '0a580af40102';
    const endpoint = '0a580af40103';
    expect(frames(n.net, 'pod1/eth0', 'in')).toEqual([
      `${client}>${endpoint} ${POD[0]}>${POD[1]} ttl 64 len 31`,
      `${client}>${endpoint} ${POD[0]}>${POD[1]} ttl 64 len 31`,
    ]);
    expect(frames(n.net, 'pod0/eth0', 'in')).toEqual([
      `${endpoint}>${client} ${SERVICE}>${POD[0]} ttl 64 len 31`,
      `${endpoint}>${client} ${SERVICE}>${POD[0]} ttl 64 len 31`,
    ]);
    // The endpoint was unknown at first: its neighbour entry sent the packet by way of cni0, with cni0's MAC.
    expect(frames(n.net, 'node/cni0', 'out')).toEqual([`0a580af40101>${endpoint} ${POD[0]}>${POD[1]} ttl 64 len 31`]);
    expect(n.net.close()).toBe(0);
  });

  it('works where nothing is forwarded', () => {
    const n = node(dnat(POD[1]), { sysctls: { 'net.ipv4.ip_forward': '0' } });
    const server = new UdpSocket(n.pods[1]!.netns);
    server.bind(0, 5353);
    echo(server);
    expect(ask(POD[0], n)).toBe(`3 bytes from ${SERVICE}:53`);
    n.net.close();
  });

  it('without bridge-nf-call-iptables routes there, and the answer comes straight from the pod', () => {
    const n = node(dnat(POD[1]), { sysctls: { 'net.bridge.bridge-nf-call-iptables': '0' } });
    const server = new UdpSocket(n.pods[1]!.netns);
    server.bind(0, 5353);
    echo(server);
    // Its source is not the Service's: nobody asked this pod.
    expect(ask(POD[0], n)).toBe(`3 bytes from ${ip(POD[1])}:5353`);
    expect(frames(n.net, 'pod1/eth0', 'in')[0]).toContain('ttl 63');
    n.net.close();
  });

  it('turned back to the client itself leaves by the port that it came in by', () => {
    const n = node(
      `${dnat(POD[0]).replace('COMMIT\n', '')}-A POSTROUTING -s ${POD[0]}/32 -d ${POD[0]}/32 -j MASQUERADE\nCOMMIT\n`,
    );
    const server = new UdpSocket(n.pods[0]!.netns);
    server.bind(0, 5353);
    echo(server);
    expect(ask(POD[0], n)).toBe(`3 bytes from ${SERVICE}:53`);
    const own = '0a580af40102';
    expect(frames(n.net, 'pod0/eth0', 'in')[0]).toBe(`${own}>${own} 10.244.1.1>${POD[0]} ttl 64 len 31`);
    n.net.close();
  });
});

describe('DNAT to elsewhere', () => {
  it("goes up to the router with the bridge's MAC, and comes back as from the Service", () => {
    const n = node(dnat('10.0.1.2'));
    const server = new UdpSocket(n.far);
    server.bind(0, 5353);
    echo(server);
    expect(ask(POD[0], n)).toBe(`3 bytes from ${SERVICE}:53`);
    expect(frames(n.net, 'node/cni0', 'in')[0]).toBe(`0a580af40102>0a580af40101 ${POD[0]}>10.0.1.2 ttl 64 len 31`);
    expect(frames(n.net, 'far/eth0', 'in')[0]).toContain('ttl 63');
    n.net.close();
  });

  it('puts fragments together at the port, and cuts them again for the next link', () => {
    const n = node(dnat('10.0.1.2'));
    const server = new UdpSocket(n.far);
    server.bind(0, 5353);
    echo(server);
    expect(ask(POD[0], n, 4000)).toBe(`4000 bytes from ${SERVICE}:53`);
    // Larger than any MTU, between the bridge and the router.
    expect(frames(n.net, 'node/cni0', 'in').map((f) => f.split('len ')[1])).toEqual(['4028']);
    const lengths = frames(n.net, 'far/eth0', 'in').map((f) => f.split('len ')[1]);
    expect(lengths).toEqual(frames(n.net, 'pod0/eth0', 'out').map((f) => f.split('len ')[1]));
    expect(n.net.close()).toBe(0);
  });
});

describe('rules', () => {
  it('that reset a connection answer from the port, in the name of the one that was asked', () => {
    const n = node('*filter\n-A FORWARD -p tcp -m tcp --dport 80 -j REJECT --reject-with tcp-reset\nCOMMIT\n');
    const client = new TcpSocket(n.pods[0]!.netns);
    client.connect(ip(POD[1]), 80);
    n.net.run(1);
    expect(client.takeError()).toBe('ECONNREFUSED');
    expect(frames(n.net, 'pod0/eth0', 'in')).toEqual([`0a580af40103>0a580af40102 ${POD[1]}>${POD[0]} ttl 64 len 40`]);
    client.close();
    n.net.close();
  });

  it('see what is switched in FORWARD, with the ports it comes and goes by, and PRE_ROUTING once', () => {
    const n = node(`*raw
-A PREROUTING -p udp -m udp --dport 7
COMMIT
*filter
-A FORWARD -p udp -m udp --dport 7 -m physdev --physdev-in veth0 --physdev-out veth1 -j DROP
COMMIT
`);
    const server = new UdpSocket(n.pods[1]!.netns);
    server.bind(0, 7);
    const client = new UdpSocket(n.pods[0]!.netns);
    client.sendTo(new Uint8Array(1), ip(POD[1]), 7);
    n.net.run(1);
    expect(server.recv()).toBeNull();
    expect(n.net.reasons()).toContain('NETFILTER_DROP');
    // To the far host the packet is routed: PRE_ROUTING has seen it at the port, and not again.
    client.sendTo(new Uint8Array(1), ip('10.0.1.2'), 7);
    n.net.run(1);
    const saved = netfilterOf(n.host).tables.save('raw', { counters: true });
    expect(saved).toMatch(/\[2:58\] -A PREROUTING -p udp/);
    server.close();
    client.close();
    n.net.close();
  });
});
