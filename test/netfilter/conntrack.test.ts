// Proves what conntrack does with its table: when entries come and go, what happens when it is full, who wins a race, whom it
// tells. The table of TCP states and the rewriting are held against the kernel in conntrack-kernel and nat-kernel.

import { describe, expect, it } from 'vitest';
import { DropReason } from '../../src/base/drop-reason.ts';
import { framesInUse } from '../../src/link/frame.ts';
import { CtMessage } from '../../src/netfilter/conntrack/conntrack-event.ts';
import { ipvsOf } from '../../src/netfilter/ipvs/ipvs-hooks.ts';
import { NS_PER_MS, NS_PER_S } from '../../src/sim/sim.ts';
import { UdpSocket } from '../../src/stack/udp-socket.ts';
import { ip } from '../stack/net.ts';
import { datagram, icmp, packet, Router, segment } from './router.ts';

const A = '10.1.0.2';
const B = '10.2.0.2';
const SERVICE = '10.96.0.10';
const TRACKED = '*filter\n-A FORWARD -m conntrack --ctstate INVALID -j DROP\nCOMMIT\n';

function router(rules: string): Router {
  const r = new Router();
  r.rules(rules);
  return r;
}

function wait(r: Router, seconds: number): void {
  r.world.sim.runUntil(r.world.sim.now + seconds * NS_PER_S);
}

function tcp(port: number, flags: number, sequence: number, ack: number, fromB = false): Uint8Array {
  const a = { source: A, sourcePort: port, destination: B, destinationPort: 80 };
  const b = { source: B, sourcePort: 80, destination: A, destinationPort: port };
  return segment({ ...(fromB ? b : a), flags, sequence, ack });
}

function connect(r: Router, port: number): void {
  r.give('a', tcp(port, 2, 100, 0));
  r.give('b', tcp(port, 18, 500, 101, true));
  r.give('a', tcp(port, 16, 101, 501));
}

describe('entries', () => {
  it('are made only where a rule wants conntrack', () => {
    const r = router('*filter\n-A FORWARD -p udp -j ACCEPT\nCOMMIT\n');
    r.give('a', datagram(A, 4000, B, 53));
    expect(r.netfilter.tracks).toBe(false);
    expect(r.list()).toEqual([]);
  });

  it('are confirmed when the packet has come through: one that is dropped leaves none', () => {
    const r = router(`*filter\n-A FORWARD -m conntrack --ctstate NEW -p udp --dport 9 -j DROP\nCOMMIT\n`);
    r.give('a', datagram(A, 4000, B, 9));
    expect(r.list()).toEqual([]);
    r.give('a', datagram(A, 4000, B, 10));
    expect(r.list()).toHaveLength(1);
  });

  it('of UDP live 30 s unanswered, and 120 s once both have spoken for more than 2 s', () => {
    const r = router(TRACKED);
    r.give('a', datagram(A, 4000, B, 53));
    wait(r, 29.9);
    expect(r.list()).toHaveLength(1);
    wait(r, 0.2);
    expect(r.list()).toEqual([]);
    r.give('a', datagram(A, 4000, B, 53));
    r.give('b', datagram(B, 53, A, 4000));
    r.give('a', datagram(A, 4000, B, 53));
    expect(r.list()[0]).toMatch(/^udp +17 30 .*dport=4000 mark=0/);
    wait(r, 2.1);
    r.give('b', datagram(B, 53, A, 4000));
    expect(r.list()[0]).toMatch(/^udp +17 120 .*\[ASSURED\]/);
  });

  it('vanish by themselves, without a look-up, and then nothing is left to do', () => {
    const r = router(TRACKED);
    const gone: string[] = [];
    r.netfilter.conntrack.listen((message) => gone.push(message));
    r.give('a', datagram(A, 4000, B, 53));
    wait(r, 200);
    expect(gone).toEqual([CtMessage.NEW, CtMessage.DESTROY]);
    expect(r.netfilter.conntrack.count).toBe(0);
    expect(r.world.sim.nextTime()).toBe(-1);
  });

  it('go with their namespace: nothing waits for their time-outs', () => {
    const r = router(TRACKED);
    connect(r, 4000);
    const ipvs = ipvsOf(r.netfilter);
    const service = { protocol: 17, address: ip('10.1.0.1'), port: 53 };
    expect(ipvs.addService(service)).toBeNull();
    expect(ipvs.addDestination(ipvs.findService(17, service.address, 53)!, { address: ip(B), port: 53 })).toBeNull();
    r.give('a', datagram(A, 4000, '10.1.0.1', 53));
    expect(r.list().some((line) => line.startsWith('tcp'))).toBe(true);
    expect(ipvs.connections.size).toBe(1);
    expect(r.world.sim.nextTime()).toBeGreaterThan(0);
    r.netns.dispose();
    wait(r, 1);
    expect(r.world.sim.nextTime()).toBe(-1);
  });

  it('follow the sysctls, and count packets with nf_conntrack_acct', () => {
    const r = router(TRACKED);
    expect(r.netns.sysctl.set('net.netfilter.nf_conntrack_udp_timeout', '7')).toBeNull();
    expect(r.netns.sysctl.set('net.netfilter.nf_conntrack_acct', '1')).toBeNull();
    expect(r.netns.sysctl.set('net.netfilter.nf_conntrack_udp_timeout', 'x')).toBe('Invalid argument');
    r.give('a', datagram(A, 4000, B, 53, 10));
    r.give('b', datagram(B, 53, A, 4000, 20));
    expect(r.list()).toEqual([
      `udp      17 7 src=${A} dst=${B} sport=4000 dport=53 packets=1 bytes=38 src=${B} dst=${A} sport=53 dport=4000 packets=1 bytes=48 mark=0 use=1`,
    ]);
    expect(r.netns.sysctl.get('net.netfilter.nf_conntrack_count')).toBe('1');
  });

  it('are not made for what begins no connection', () => {
    const r = router(TRACKED);
    r.give('a', icmp(A, B, 0, 0, 7 << 16, new Uint8Array(4)));
    r.give('a', tcp(4000, 18, 1, 1));
    expect(r.list()).toEqual([]);
    expect(r.netfilter.conntrack.stats.invalid).toBe(2);
  });
});

describe('a full table', () => {
  it('evicts what is not assured, and drops the packet when there is nothing to evict', () => {
    const r = router(TRACKED);
    r.netns.sysctl.set('net.netfilter.nf_conntrack_max', '3');
    r.netns.sysctl.set('net.netfilter.nf_conntrack_buckets', '4');
    for (let port = 4000; port < 4003; port++) r.give('a', datagram(A, port, B, 53));
    r.give('a', datagram(A, 4003, B, 53));
    expect(r.netfilter.conntrack.count).toBe(3);
    expect(r.netfilter.conntrack.stats.early_drop).toBe(1);
    r.netfilter.conntrack.killAll(() => true, true);
    for (let port = 5000; port < 5003; port++) connect(r, port);
    const before = r.world.observer.drops[DropReason.CONNTRACK_FULL]!;
    r.give('a', tcp(5003, 2, 1, 0));
    expect(r.world.observer.drops[DropReason.CONNTRACK_FULL]).toBe(before + 1);
    expect(r.netfilter.conntrack.stats.drop).toBe(1);
    expect(r.list().every((l) => l.includes('[ASSURED]'))).toBe(true);
  });
});

describe('a race of two packets of one flow', () => {
  const rules = `*nat
-A PREROUTING -d ${SERVICE}/32 -m statistic --mode nth --every 2 --packet 0 -j DNAT --to-destination 10.2.0.2
-A PREROUTING -d ${SERVICE}/32 -j DNAT --to-destination 10.2.0.3
COMMIT
`;
  const race = (resolves: boolean): Router => {
    const r = router(rules);
    r.netfilter.conntrack.raceWindow = 10_000;
    r.netfilter.conntrack.resolvesClashes = resolves;
    r.give('a', datagram(A, 4000, SERVICE, 53, 1));
    r.give('a', datagram(A, 4000, SERVICE, 53, 2));
    return r;
  };

  it('costs the later one its life before Linux 5.8', () => {
    const r = race(false);
    expect(r.world.observer.drops[DropReason.CONNTRACK_CLASH]).toBe(1);
    expect(r.netfilter.conntrack.stats.insert_failed).toBe(1);
    expect(r.list()).toHaveLength(1);
  });

  it('is settled since: both go on, the second entry is found by its answer and lives a second', () => {
    const r = race(true);
    const { stats } = r.netfilter.conntrack;
    expect([stats.insert_failed, stats.clash_resolve, r.netfilter.conntrack.count]).toEqual([0, 1, 2]);
    wait(r, 0.001);
    const { out } = r.round([['b', datagram('10.2.0.3', 53, A, 4000, 3)]]);
    // The answer comes as from the Service, though its entry is not listed.
    expect(Buffer.from(out[0]![1], 'hex').readInt32BE(12)).toBe(ip(SERVICE));
    expect(r.list()).toHaveLength(1);
    wait(r, 1.1);
    expect(r.round([['b', datagram('10.2.0.3', 53, A, 4000, 3)]]).out[0]![1].slice(24, 32)).not.toBe('0a60000a');
  });

  it('is none outside of the window', () => {
    const r = router(rules);
    r.netfilter.conntrack.raceWindow = 500;
    r.give('a', datagram(A, 4000, SERVICE, 53, 1));
    r.give('a', datagram(A, 4000, SERVICE, 53, 2));
    expect(r.netfilter.conntrack.count).toBe(1);
  });
});

describe('masqueraded connections', () => {
  const rules = '*nat\n-A POSTROUTING -o b -j MASQUERADE\nCOMMIT\n';

  it('end when the device goes down', () => {
    const r = router(rules);
    r.give('a', datagram(A, 4000, B, 53));
    expect(r.list()).toHaveLength(1);
    r.netns.device('b')!.setUp(false);
    expect(r.list()).toEqual([]);
  });

  it('end when its address goes, others stay', () => {
    const r = router(rules);
    r.give('a', datagram(A, 4000, B, 53));
    r.give('b', datagram(B, 5000, A, 53));
    const idev = r.netns.inDevice(r.netns.device('b')!);
    r.netns.removeAddress(idev, idev.addresses[0]!);
    expect(r.list()).toHaveLength(1);
    expect(r.list()[0]).toContain('sport=5000');
  });
});

describe('masqueraded packets', () => {
  const rules = '*nat\n-A POSTROUTING -j MASQUERADE\nCOMMIT\n';

  // nf_nat_oif_changed() does not ask whether an answer has come.
  it('of a flow that nobody answered end it when they leave by another device; the next one is masqueraded anew', () => {
    const r = router(rules);
    const far = '10.2.0.5';
    r.give('a', datagram(A, 4000, far, 53));
    expect(r.list()[0]).toContain('dst=10.2.0.1 ');
    r.netns.addAddress(r.netns.inDevice(r.netns.device('a')!), { local: ip('10.2.0.6'), length: 30 });
    expect(r.round([['a', datagram(A, 4000, far, 53)]])).toEqual({ out: [], list: [] });
    r.give('a', datagram(A, 4000, far, 53));
    expect(r.list()[0]).toContain('dst=10.2.0.6 ');
  });

  it('are dropped when their ports can be tracked and not rewritten: SCTP of four bytes', () => {
    const r = router(rules);
    const cut = packet({ source: A, destination: B, protocol: 132 }, Uint8Array.of(1, 2, 3, 4));
    expect(r.round([['a', cut]])).toEqual({ out: [], list: [] });
    const whole = packet({ source: A, destination: B, protocol: 132 }, new Uint8Array(12).fill(1));
    expect(r.round([['a', whole]]).out).toHaveLength(1);
  });
});

describe('packets made here', () => {
  it('are routed anew when LOCAL_OUT changed where they go; the source stays, unless it is masqueraded', () => {
    const r = router(`*nat
-A OUTPUT -d ${SERVICE}/32 -p udp -m udp --dport 53 -j DNAT --to-destination ${B}:5353
COMMIT
`);
    // The route to the Service leaves by a, the one to its endpoint by b.
    r.netns.addAddress(r.netns.inDevice(r.netns.device('a')!), { local: ip('10.96.0.1'), length: 16 });
    const socket = new UdpSocket(r.netns);
    expect(socket.bind(ip('10.1.0.1'), 7000)).toBeNull();
    const left = r.listen(() => expect(socket.sendTo(new Uint8Array(3), ip(SERVICE), 53)).toBeNull());
    expect(left.map(([side]) => side)).toEqual(['b']);
    expect(r.list()).toEqual([
      `udp      17 30 src=10.1.0.1 dst=${SERVICE} sport=7000 dport=53 [UNREPLIED] src=${B} dst=10.1.0.1 sport=5353 dport=7000 mark=0 use=1`,
    ]);
    let answered = '';
    socket.onReady = () => {
      const d = socket.recv()!;
      answered = `${d.source >>> 0 === ip(SERVICE) >>> 0} ${d.sourcePort}`;
    };
    r.give('b', datagram(B, 5353, '10.1.0.1', 7000));
    expect(answered).toBe('true 53');
    socket.close();
  });

  it('that OUTPUT drops are refused to their sender with EPERM', () => {
    const r = router('*filter\n-A OUTPUT -p udp -m udp --dport 9 -j DROP\nCOMMIT\n');
    const socket = new UdpSocket(r.netns);
    expect(socket.sendTo(new Uint8Array(1), ip(B), 9)).toBe('EPERM');
    expect(socket.sendTo(new Uint8Array(1), ip(B), 10)).toBeNull();
    socket.close();
  });

  it('to this host itself are one connection, seen once', () => {
    const r = router(TRACKED);
    r.netns.loopback.dev.setUp(true);
    const server = new UdpSocket(r.netns);
    server.bind(0, 53);
    const client = new UdpSocket(r.netns);
    client.sendTo(new Uint8Array(1), ip('10.1.0.1'), 53);
    r.world.sim.runUntil(r.world.sim.now + NS_PER_MS);
    const got = server.recv()!;
    server.sendTo(new Uint8Array(1), got.source, got.sourcePort);
    r.world.sim.runUntil(r.world.sim.now + NS_PER_MS);
    expect(r.list()).toHaveLength(1);
    expect(r.list()[0]).not.toContain('UNREPLIED');
    server.close();
    client.close();
  });
});

describe('events', () => {
  it('tell of a connection from its begin to its end, to those who listened from the begin', () => {
    const r = router(TRACKED);
    r.give('a', datagram(A, 3999, B, 53));
    const heard: string[] = [];
    const stop = r.netfilter.conntrack.listen((message, ct, byUser) =>
      heard.push(`${message} ${ct.oSport}${byUser ? ' by user' : ''}`),
    );
    r.give('b', datagram(B, 53, A, 3999));
    r.give('a', datagram(A, 4000, B, 53));
    r.give('a', datagram(A, 4000, B, 53));
    r.give('b', datagram(B, 53, A, 4000));
    r.netfilter.conntrack.killAll((ct) => ct.oSport === 4000, true);
    stop();
    r.give('a', datagram(A, 4001, B, 53));
    expect(heard).toEqual(['NEW 4000', 'UPDATE 4000', 'DESTROY 4000 by user']);
  });
});

it('leaves no frame behind', () => {
  const before = framesInUse();
  const r = router(`${TRACKED}*nat\n-A PREROUTING -d ${SERVICE}/32 -j DNAT --to-destination ${B}\nCOMMIT\n`);
  for (let i = 0; i < 50; i++) r.give('a', datagram(A, 4000 + i, SERVICE, 53));
  expect(framesInUse()).toBe(before);
});
