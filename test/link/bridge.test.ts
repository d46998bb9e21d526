// Proves the bridge's rules one by one where the golden case does not reach: addresses, MTU, carrier, port state, limits, the
// FDB as people change it (results as Linux 6.18 gave them), and that no frame is ever lost from the books.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatMac } from '../../src/addr/mac.ts';
import { Bridge, bridgeOf } from '../../src/link/bridge.ts';
import { type BridgePort, PortState } from '../../src/link/bridge-port.ts';
import { DeviceEvent, type NetDevice } from '../../src/link/device.ts';
import { allocFrame, framesInUse, freeFrame, NO_FRAME } from '../../src/link/frame.ts';
import { createLoopback } from '../../src/link/loopback.ts';
import { createVethPair } from '../../src/link/veth.ts';
import { NS_PER_MS, NS_PER_S } from '../../src/sim/sim.ts';
import { ethernet, mac, Sink, send, TestWorld } from './world.ts';

const BROADCAST = 'ff:ff:ff:ff:ff:ff';

class Switch {
  readonly world = new TestWorld();
  readonly bridge: Bridge;
  readonly up = new Sink();
  /** Host ends, switch ends and what the hosts received, by number from 1. */
  readonly hosts: NetDevice[] = [];
  readonly ends: NetDevice[] = [];
  readonly sinks: Sink[] = [];

  constructor(ports: number, given: string | null = '02:00:00:00:00:ff') {
    this.bridge = new Bridge(this.world, {
      name: 'br0',
      owner: 'node',
      mac: mac(given ?? '02:ff:00:00:00:01'),
      macGiven: given !== null,
      mtu: 1500,
    });
    this.bridge.dev.setUpper(this.up);
    this.bridge.dev.setUp(true);
    for (let n = 1; n <= ports; n++) this.bridge.addPort(this.cable(n));
  }

  /** A host with MAC 02:..:0n on a switch end with MAC 02:..:10:0n, both up, not yet a port. */
  cable(n: number, mtu = 1500): NetDevice {
    const two = n.toString(16).padStart(2, '0');
    const [host, end] = createVethPair(
      this.world,
      { owner: `h${n}`, name: 'eth0', mac: mac(`02:00:00:00:00:${two}`), mtu: 1500 },
      { owner: 'node', name: `p${n}`, mac: mac(`02:00:00:00:10:${two}`), mtu },
    );
    const sink = new Sink();
    host.setUpper(sink);
    host.setUp(true);
    end.setUp(true);
    this.hosts[n] = host;
    this.ends[n] = end;
    this.sinks[n] = sink;
    return end;
  }

  port(n: number): BridgePort {
    return this.bridge.port(this.ends[n]!)!;
  }

  send(n: number, bytes: Uint8Array): void {
    send(this.hosts[n]!, bytes);
    this.world.advance(100_000);
  }

  /** Frames that each host and the bridge device got since the last call: { 1: 2, up: 1 }. */
  got(): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const [n, sink] of this.sinks.entries()) {
      if (sink !== undefined && sink.frames.length > 0) counts[n] = sink.frames.length;
      if (sink !== undefined) sink.frames.length = 0;
    }
    if (this.up.frames.length > 0) counts.up = this.up.frames.length;
    this.up.frames.length = 0;
    return counts;
  }

  /** "02:..:01 p1 dynamic", newest first, ports by name, the bridge's own last. */
  shown(): string[] {
    const ports = [...this.bridge.ports].sort((a, b) => (a.dev.name < b.dev.name ? -1 : 1));
    return [...ports, null].flatMap((port) =>
      this.bridge.fdbEntries(port).map((e) => `${formatMac(e.mac)} ${port?.dev.name ?? 'br0'} ${e.state}`),
    );
  }

  learnedCount(): number {
    return this.shown().filter((l) => l.endsWith('dynamic')).length;
  }
}

const host = (n: number): string => `02:00:00:00:00:0${n}`;

describe('the address of a bridge', () => {
  it('is the lowest of its ports unless it was given; without ports it is zero', () => {
    const s = new Switch(0, null);
    expect(s.shown()).toEqual(['02:ff:00:00:00:01 br0 permanent']);
    s.bridge.addPort(s.cable(2));
    expect(formatMac(s.bridge.dev.mac)).toBe('02:00:00:00:10:02');
    expect(s.shown()).toEqual(['02:00:00:00:10:02 p2 permanent']);
    s.bridge.addPort(s.cable(1));
    expect(formatMac(s.bridge.dev.mac)).toBe('02:00:00:00:10:01');
    s.bridge.removePort(s.ends[1]!);
    expect(formatMac(s.bridge.dev.mac)).toBe('02:00:00:00:10:02');
    s.bridge.removePort(s.ends[2]!);
    expect(s.bridge.dev.mac).toBe(0);
    expect(s.shown()).toEqual([]);
  });

  it('stays when a person gave it, at creation or later', () => {
    const s = new Switch(1);
    expect(formatMac(s.bridge.dev.mac)).toBe('02:00:00:00:00:ff');
    expect(s.shown()).toEqual(['02:00:00:00:10:01 p1 permanent', '02:00:00:00:00:ff br0 permanent']);
    const t = new Switch(1, null);
    t.bridge.dev.setMac(mac('02:aa:00:00:00:01'));
    t.bridge.addPort(t.cable(2));
    expect(formatMac(t.bridge.dev.mac)).toBe('02:aa:00:00:00:01');
    expect(t.shown()).toContain('02:aa:00:00:00:01 br0 permanent');
  });

  it("a port's own entry follows its address; a learned entry gives way to it", () => {
    const s = new Switch(2);
    s.send(1, ethernet(BROADCAST, '02:bb:00:00:00:01'));
    expect(s.shown()).toContain('02:bb:00:00:00:01 p1 dynamic');
    s.ends[2]!.setMac(mac('02:bb:00:00:00:01'));
    expect(s.shown()).toEqual([
      '02:00:00:00:10:01 p1 permanent',
      '02:bb:00:00:00:01 p2 permanent',
      '02:00:00:00:00:ff br0 permanent',
    ]);
  });

  it('an address that two ports share stays local when one of them leaves', () => {
    const s = new Switch(2);
    s.ends[2]!.setMac(s.ends[1]!.mac);
    s.bridge.removePort(s.ends[1]!);
    expect(s.shown()).toEqual(['02:00:00:00:10:01 p2 permanent', '02:00:00:00:00:ff br0 permanent']);
  });
});

describe('MTU and carrier of a bridge', () => {
  it('MTU is the smallest of the ports, until a person sets it; a new port ends that', () => {
    const s = new Switch(1);
    s.bridge.addPort(s.cable(2, 1400));
    expect(s.bridge.dev.mtu).toBe(1400);
    s.ends[1]!.setMtu(1300);
    expect(s.bridge.dev.mtu).toBe(1300);
    s.bridge.dev.setMtu(1200);
    s.ends[1]!.setMtu(1350);
    expect(s.bridge.dev.mtu).toBe(1200);
    s.bridge.addPort(s.cable(3));
    expect(s.bridge.dev.mtu).toBe(1350);
    for (const n of [1, 2, 3]) s.bridge.removePort(s.ends[n]!);
    expect(s.bridge.dev.mtu).toBe(1500);
  });

  it('has carrier while a port forwards; a new one without given address has it too', () => {
    expect(new Switch(0, null).bridge.dev.carrier).toBe(true);
    expect(new Switch(0).bridge.dev.carrier).toBe(false);
    const s = new Switch(2);
    expect(s.bridge.dev.carrier).toBe(true);
    s.hosts[1]!.setUp(false);
    expect(s.bridge.dev.carrier).toBe(true);
    s.ends[2]!.setUp(false);
    expect(s.bridge.dev.carrier).toBe(false);
    s.hosts[1]!.setUp(true);
    expect(s.bridge.dev.carrier).toBe(true);
    s.bridge.dev.setUp(false);
    expect(s.port(1).state).toBe(PortState.DISABLED);
    s.bridge.dev.setUp(true);
    expect(s.port(1).state).toBe(PortState.FORWARDING);
  });

  it('a frame that is too long for the outgoing port ends there', () => {
    const s = new Switch(2);
    s.ends[2]!.setMtu(1400);
    s.send(1, ethernet(host(2), host(1), 1404));
    s.send(1, ethernet(host(2), host(1), 1405));
    expect(s.sinks[2]!.frames.map((f) => f.length)).toEqual([1418]);
    expect(s.world.drops).toEqual(['PKT_TOO_BIG at node/p2']);
  });
});

describe('ports', () => {
  it('take the lowest free number, and their id says priority and number', () => {
    const s = new Switch(3);
    expect([1, 2, 3].map((n) => s.port(n).portNo)).toEqual([1, 2, 3]);
    s.bridge.removePort(s.ends[2]!);
    s.bridge.addPort(s.cable(4));
    expect(s.port(4).portNo).toBe(2);
    expect(s.port(4).portId).toBe(0x8002);
    expect(s.bridge.ports.map((p) => p.dev.name)).toEqual(['p4', 'p3', 'p1']);
  });

  it('refuse bridges, loopback, devices without address, and ports of another bridge', () => {
    const s = new Switch(1);
    const other = new Switch(0, null);
    expect(s.bridge.addPort(other.bridge.dev)).toBe('ELOOP');
    expect(s.bridge.addPort(createLoopback(s.world, 'node'))).toBe('EINVAL');
    expect(other.bridge.addPort(s.ends[1]!)).toBe('EBUSY');
    expect(other.bridge.removePort(s.ends[1]!)).toBe(false);
    expect(bridgeOf(s.bridge.dev)).toBe(s.bridge);
    expect(bridgeOf(s.ends[1]!)).toBe(null);
  });

  it('have a limit of 1023', () => {
    const s = new Switch(0);
    for (let n = 1; n <= 1023; n++) expect(s.bridge.addPort(s.world.veth(`h/${n}`, `node/v${n}`)[1])).toBe('ok');
    expect(s.bridge.addPort(s.world.veth('h/x', 'node/vx')[1])).toBe('EXFULL');
  });

  it('give the device back as it was, when removed or when the device goes', () => {
    const s = new Switch(1);
    const before = new Sink();
    const end = s.cable(2);
    end.setUpper(before);
    s.bridge.addPort(end);
    expect([end.master, end.promiscuity]).toEqual([s.bridge.dev, 1]);
    end.notify(DeviceEvent.UNREGISTER);
    expect([end.master, end.promiscuity, end.upper]).toEqual([null, 0, before]);
    expect(s.shown().some((l) => l.includes('p2'))).toBe(false);
    s.bridge.dev.notify(DeviceEvent.UNREGISTER);
    expect(s.bridge.ports).toEqual([]);
  });

  it('that are down drop what comes in, and forget what was learned but not what was configured', () => {
    const s = new Switch(2);
    s.send(1, ethernet(BROADCAST, host(1)));
    expect(
      s.bridge.fdbAdd({
        mac: mac('02:cc:00:00:00:01'),
        port: s.port(1),
        state: 'static',
        sticky: false,
        use: false,
        mode: 'add',
      }),
    ).toBe('ok');
    s.hosts[1]!.setUp(false);
    expect(s.shown().filter((l) => l.includes(' p1 '))).toEqual([
      '02:cc:00:00:00:01 p1 static',
      '02:00:00:00:10:01 p1 permanent',
    ]);
    s.got();
    s.send(2, ethernet('02:cc:00:00:00:01', host(2)));
    expect(s.got()).toEqual({});
    expect(s.world.drops).toEqual(['BRIDGE_PORT_STATE at node/p2']);
  });
});

describe('a port state set by hand', () => {
  it('blocking turns into forwarding at once, learning and listening stay; the bridge loses carrier with its last port', () => {
    const s = new Switch(1);
    const set = (state: PortState): [boolean, PortState, boolean] => [
      s.bridge.setPortState(s.port(1), state),
      s.port(1).state,
      s.bridge.dev.carrier,
    ];
    expect(set(PortState.BLOCKING)).toEqual([true, PortState.FORWARDING, true]);
    expect(set(PortState.LEARNING)).toEqual([true, PortState.LEARNING, false]);
    expect(set(PortState.LISTENING)).toEqual([true, PortState.LISTENING, false]);
    expect(set(PortState.BLOCKING)).toEqual([true, PortState.FORWARDING, true]);
    expect(set(PortState.DISABLED)).toEqual([true, PortState.DISABLED, false]);
    s.hosts[1]!.setUp(false);
    expect(set(PortState.FORWARDING)).toEqual([false, PortState.DISABLED, false]);
    s.hosts[1]!.setUp(true);
    expect(s.port(1).state).toBe(PortState.FORWARDING);
  });

  it('learning learns and forwards nothing, listening does neither', () => {
    const s = new Switch(2);
    s.bridge.setPortState(s.port(1), PortState.LISTENING);
    s.send(1, ethernet(BROADCAST, host(1)));
    expect([s.learnedCount(), s.got()]).toEqual([0, {}]);
    s.bridge.setPortState(s.port(1), PortState.LEARNING);
    s.send(1, ethernet(BROADCAST, host(1)));
    expect([s.learnedCount(), s.got()]).toEqual([1, {}]);
    s.send(2, ethernet(host(1), host(2)));
    expect([s.got(), s.world.drops]).toEqual([
      {},
      ['BRIDGE_PORT_STATE at node/p1', 'BRIDGE_PORT_STATE at node/p1', 'BRIDGE_PORT_STATE at node/p2'],
    ]);
  });
});

describe('forwarding', () => {
  it('gives a frame for the host, or for the MAC of a port, to the host only', () => {
    const s = new Switch(3);
    s.send(1, ethernet('02:00:00:00:00:ff', host(1)));
    s.send(1, ethernet('02:00:00:00:10:02', host(1)));
    expect(s.got()).toEqual({ up: 2 });
  });

  it('a promiscuous bridge device sees everything', () => {
    const s = new Switch(3);
    s.send(2, ethernet(BROADCAST, host(2)));
    s.got();
    s.bridge.dev.promiscuity++;
    s.send(1, ethernet(host(2), host(1)));
    s.send(1, ethernet('02:dd:00:00:00:01', host(1)));
    expect(s.got()).toEqual({ 2: 2, 3: 1, up: 2 });
  });

  it("floods the host's own frames, forwards them when it knows where, and learns nothing from them", () => {
    const s = new Switch(3);
    send(s.bridge.dev, ethernet(BROADCAST, '02:00:00:00:00:ff'));
    s.world.advance(NS_PER_MS);
    expect(s.got()).toEqual({ 1: 1, 2: 1, 3: 1 });
    send(s.bridge.dev, ethernet(host(2), '02:00:00:00:00:77'));
    s.world.advance(NS_PER_MS);
    expect(s.got()).toEqual({ 1: 1, 2: 1, 3: 1 });
    expect(s.learnedCount()).toBe(0);
    s.send(2, ethernet('02:00:00:00:00:ff', host(2)));
    s.got();
    send(s.bridge.dev, ethernet(host(2), '02:00:00:00:00:ff'));
    s.world.advance(NS_PER_MS);
    expect(s.got()).toEqual({ 2: 1 });
    send(s.bridge.dev, ethernet('02:00:00:00:00:ff', '02:00:00:00:00:ff'));
    expect(s.world.drops).toEqual(['BRIDGE_NO_PORT at node/br0']);
  });

  it('with flooding off only broadcasts and groups of the host get out, unknown unicast does not', () => {
    const s = new Switch(2);
    Object.assign(s.port(2), { flood: false, mcastFlood: false, bcastFlood: false });
    for (const to of ['02:dd:00:00:00:01', '01:00:5e:01:02:03', BROADCAST]) s.send(1, ethernet(to, host(1)));
    expect(s.got()).toEqual({ up: 2 });
    expect(s.world.drops).toEqual(['BRIDGE_NO_FLOOD at node/p1']);
    for (const to of ['02:dd:00:00:00:01', '01:00:5e:01:02:03', BROADCAST]) send(s.bridge.dev, ethernet(to, host(9)));
    s.world.advance(NS_PER_MS);
    expect(s.got()).toEqual({ 1: 3, 2: 2 });
  });

  it('snooping stops a malformed IPv4 packet to a group, and an IGMP message whose checksum is wrong', () => {
    const s = new Switch(3);
    // IGMPv2 report for 239.1.2.3 (RFC 2236), and a UDP datagram to the same group, as Linux 6.18 lets them pass.
    const report = '46c0002000004000 0102e911 0a000002 ef010203 94040000 1600f8fa ef010203'.replaceAll(' ', '');
    const datagram = '4500001c00000000 0111becb 0a000002 ef010203 04d204d2 00080000'.replaceAll(' ', '');
    const send = (hex: string, to = '01:00:5e:01:02:03'): Record<string, number> => {
      const frame = ethernet(to, '02:00:00:00:00:02', hex.length / 2);
      frame.set([8, 0, ...Buffer.from(hex, 'hex')], 12);
      s.send(2, frame);
      return s.got();
    };
    const everybody = { 1: 1, 3: 1, up: 1 };
    expect(send(datagram)).toEqual(everybody);
    expect(send(report)).toEqual(everybody);
    const spoil = (hex: string, at: number): string => `${hex.slice(0, at * 2)}ee${hex.slice(at * 2 + 2)}`;
    expect(send(spoil(datagram, 10))).toEqual({});
    expect(send(spoil(datagram, 0))).toEqual({});
    expect(send(datagram.slice(0, 38))).toEqual({});
    expect(send(spoil(report, 26))).toEqual({});
    expect(send(spoil(datagram, 10), BROADCAST)).toEqual(everybody);
    s.bridge.mcastSnooping = false;
    expect(send(spoil(datagram, 10))).toEqual(everybody);
  });

  it('names the reason of every refusal', () => {
    const s = new Switch(2);
    s.send(1, ethernet(host(1), host(1)));
    s.port(1).isolated = true;
    s.port(2).isolated = true;
    s.send(1, ethernet('02:dd:00:00:00:01', host(1)));
    s.send(1, ethernet(BROADCAST, '00:00:00:00:00:00'));
    s.send(1, ethernet(BROADCAST, '03:00:00:00:00:00'));
    s.send(1, ethernet('01:80:c2:00:00:01', host(1)));
    s.send(1, ethernet(BROADCAST, host(1)).slice(0, 13));
    s.bridge.removePort(s.ends[2]!);
    s.send(1, ethernet('02:dd:00:00:00:01', host(1)));
    expect(s.world.drops).toEqual([
      'BRIDGE_SAME_PORT at node/p1',
      'BRIDGE_ISOLATED at node/p1',
      'MAC_INVALID_SOURCE at node/p1',
      'MAC_INVALID_SOURCE at node/p1',
      'BRIDGE_LINK_LOCAL at node/p1',
      'PKT_TOO_SMALL at node/p1',
      'BRIDGE_NO_PORT at node/p1',
    ]);
    expect(s.world.framesHeld()).toBe(0);
  });

  it('tells why it did something unusual', () => {
    const s = new Switch(2);
    s.send(1, ethernet(host(2), host(1)));
    s.send(2, ethernet(host(2), host(1)));
    s.port(2).hairpin = true;
    s.send(2, ethernet(host(1), host(2)));
    s.send(2, ethernet(host(1), '02:00:00:00:00:ff'));
    expect(s.world.notes).toEqual([
      'br0: flooded, nobody has learned where 02:00:00:00:00:02 is',
      'br0: station 02:00:00:00:00:01 moved from p1 to p2',
      'br0: flooded, nobody has learned where 02:00:00:00:00:02 is',
      'br0: back out of p2, where it came in (hairpin)',
      "br0: came in at p2 with the bridge's own address as its source",
      'br0: back out of p2, where it came in (hairpin)',
    ]);
  });

  it('link-local groups go to the port itself unless the mask lets them through; they teach unless told not to', () => {
    const s = new Switch(0);
    const own = new Sink();
    const end = s.cable(1);
    end.setUpper(own);
    s.bridge.addPort(end);
    s.bridge.addPort(s.cable(2));
    s.bridge.noLinkLocalLearn = true;
    s.send(1, ethernet('01:80:c2:00:00:0e', host(1)));
    expect([own.frames.length, s.learnedCount(), s.got()]).toEqual([1, 0, {}]);
    s.bridge.noLinkLocalLearn = false;
    s.send(1, ethernet('01:80:c2:00:00:03', host(1)));
    expect([own.frames.length, s.learnedCount(), s.got()]).toEqual([2, 1, {}]);
    expect([s.bridge.setGroupFwdMask(7), s.bridge.setGroupFwdMask(0x4000)]).toEqual([false, true]);
    s.send(1, ethernet('01:80:c2:00:00:0e', host(1)));
    s.send(1, ethernet('01:80:c2:00:00:03', host(1)));
    expect([own.frames.length, s.got()]).toEqual([3, { 2: 1, up: 1 }]);
    s.port(1).groupFwdMask = 1 << 3;
    s.send(1, ethernet('01:80:c2:00:00:03', host(1)));
    expect([own.frames.length, s.got()]).toEqual([3, { 2: 1, up: 1 }]);
  });

  it('when the frame pool runs out the flood stops, and the drop is named', () => {
    const s = new Switch(3);
    const frame = ethernet('02:dd:00:00:00:01', host(1));
    send(s.hosts[1]!, frame);
    const before = framesInUse();
    const hoard: number[] = [];
    for (let f = allocFrame(60); f !== NO_FRAME; f = allocFrame(60)) hoard.push(f);
    s.world.advance(NS_PER_MS);
    for (const f of hoard) freeFrame(f);
    expect(s.world.drops).toEqual(['NO_BUFFER at node/br0']);
    expect(s.bridge.dev.stats.txDropped).toBe(1);
    expect(framesInUse()).toBe(before - 1);
  });
});

describe('the FDB', () => {
  it('forgets after ageing_time, at the next cleanup, and not before', () => {
    const s = new Switch(2);
    s.bridge.setAgeingTime(10 * NS_PER_S);
    s.send(1, ethernet(BROADCAST, host(1)));
    s.world.advance(10 * NS_PER_S - NS_PER_MS);
    expect(s.learnedCount()).toBe(1);
    // The wheel holds a 10 s timer at most 256 ms too long; two cleanups may be needed.
    s.world.advance(NS_PER_S);
    expect(s.learnedCount()).toBe(0);
  });

  it('a frame from the station keeps its entry; ageing_time 0 makes a hub; a shorter time counts at once', () => {
    const s = new Switch(2);
    s.bridge.setAgeingTime(2 * NS_PER_S);
    for (let i = 0; i < 10; i++) {
      s.send(1, ethernet(BROADCAST, host(1)));
      s.world.advance(NS_PER_S);
      expect(s.learnedCount()).toBe(1);
    }
    s.bridge.setAgeingTime(NS_PER_S / 2);
    expect(s.learnedCount()).toBe(0);
    s.bridge.setAgeingTime(0);
    s.send(1, ethernet(BROADCAST, host(1)));
    expect(s.learnedCount()).toBe(0);
  });

  it('an entry that is past its time but not yet cleaned up says so', () => {
    const s = new Switch(1);
    s.bridge.setAgeingTime(10 * NS_PER_S);
    s.send(1, ethernet(BROADCAST, host(1)));
    const entry = s.bridge.fdbEntries(s.port(1))[0]!;
    s.world.advance(9 * NS_PER_S);
    expect(s.bridge.expired(entry)).toBe(false);
    s.world.advance(1.1 * NS_PER_S);
    expect(s.bridge.expired(entry)).toBe(true);
  });

  it('learns no more than fdb_max_learned; what a person adds does not count', () => {
    const s = new Switch(2);
    s.bridge.fdb.maxLearned = 2;
    for (const n of [1, 2, 3]) s.send(1, ethernet(BROADCAST, host(n)));
    expect(s.learnedCount()).toBe(2);
    const add = (n: number): string =>
      s.bridge.fdbAdd({
        mac: mac(host(n)),
        port: s.port(2),
        state: 'dynamic',
        sticky: false,
        use: false,
        mode: 'replace',
      });
    expect([add(5), add(1)]).toEqual(['ok', 'ok']);
    expect(s.bridge.fdb.learned).toBe(1);
    s.send(1, ethernet(BROADCAST, host(6)));
    expect(s.learnedCount()).toBe(4);
    s.bridge.flush();
    expect([s.learnedCount(), s.bridge.fdb.learned]).toEqual([0, 0]);
  });

  it('answers add, append, replace and del as the kernel does', () => {
    const s = new Switch(2);
    const base = { port: s.port(1), state: 'static', sticky: false, use: false, mode: 'add' } as const;
    const add = (more: object): string => s.bridge.fdbAdd({ ...base, mac: mac('02:aa:00:00:00:01'), ...more });
    expect(add({})).toBe('ok');
    expect(add({})).toBe('EEXIST');
    expect(add({ port: s.port(2), state: 'dynamic', mode: 'append' })).toBe('ok');
    expect(s.shown()).toContain('02:aa:00:00:00:01 p2 dynamic');
    expect(s.bridge.fdbDelete(mac('02:aa:00:00:00:01'), s.port(1))).toBe('ENOENT');
    expect(s.bridge.fdbDelete(mac('02:aa:00:00:00:01'), s.port(2))).toBe('ok');
    expect(s.bridge.fdbDelete(mac('02:aa:00:00:00:01'), s.port(2))).toBe('ENOENT');
    expect(add({ mode: 'change' })).toBe('ENOENT');
    expect(add({ mac: 0 })).toBe('EINVAL');
    expect(add({ mac: mac('01:00:00:00:00:07'), state: 'permanent' })).toBe('ok');
    expect(add({ port: null, state: 'dynamic' })).toBe('EINVAL');
    expect(add({ port: null, use: true })).toBe('EINVAL');
    expect(add({ sticky: true, state: 'permanent' })).toBe('EINVAL');
    expect(add({ port: null, state: 'permanent' })).toBe('ok');
    expect(s.shown()).toContain('02:aa:00:00:00:01 br0 permanent');
    s.ends[1]!.setUp(false);
    expect(add({ mac: mac('02:aa:00:00:00:08'), state: 'dynamic' })).toBe('EPERM');
    expect(add({ mac: mac('02:aa:00:00:00:08'), state: 'static' })).toBe('ok');
  });

  it('static entries move with their station unless they are sticky; our own never move', () => {
    const s = new Switch(2);
    const base = { port: s.port(1), state: 'static', use: false, mode: 'add' } as const;
    s.bridge.fdbAdd({ ...base, mac: mac('02:aa:00:00:00:01'), sticky: false });
    s.bridge.fdbAdd({ ...base, mac: mac('02:aa:00:00:00:02'), sticky: true });
    for (const from of ['02:aa:00:00:00:01', '02:aa:00:00:00:02', '02:00:00:00:10:01']) {
      s.send(2, ethernet(BROADCAST, from));
    }
    expect(s.shown()).toEqual([
      '02:aa:00:00:00:02 p1 static',
      '02:00:00:00:10:01 p1 permanent',
      '02:aa:00:00:00:01 p2 static',
      '02:00:00:00:10:02 p2 permanent',
      '02:00:00:00:00:ff br0 permanent',
    ]);
    s.world.advance(1000 * NS_PER_S);
    expect(s.shown().length).toBe(5);
  });

  it('`use` learns as a frame would', () => {
    const s = new Switch(2);
    const use = { mac: mac(host(7)), state: 'dynamic', sticky: false, use: true, mode: 'add' } as const;
    expect(s.bridge.fdbAdd({ ...use, port: s.port(1) })).toBe('ok');
    expect(s.bridge.fdbAdd({ ...use, port: s.port(2) })).toBe('ok');
    expect(s.shown()[0]).toBe('02:00:00:00:10:01 p1 permanent');
    expect(s.shown()).toContain('02:00:00:00:00:07 p2 dynamic');
  });

  it('forwards like a map kept by hand, and frees what it was given', () => {
    const n = fc.integer({ min: 1, max: 4 });
    const station = fc.integer({ min: 1, max: 7 });
    fc.assert(
      fc.property(fc.array(fc.tuple(n, station, station), { maxLength: 40 }), (frames) => {
        const s = new Switch(4);
        const where = new Map<number, number>();
        for (const [port, from, to] of frames) {
          s.send(port, ethernet(host(to), host(from)));
          where.set(from, port);
          const at = where.get(to);
          const wanted = at === undefined ? [1, 2, 3, 4].filter((p) => p !== port) : at === port ? [] : [at];
          expect(s.got()).toEqual(Object.fromEntries(wanted.map((p) => [p, 1])));
        }
        expect(s.learnedCount()).toBe(where.size);
        expect(s.world.framesHeld()).toBe(0);
      }),
      { numRuns: 50 },
    );
  });
});
