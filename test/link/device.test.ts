// Proves what every device does: states, counters, wrappers that stay when the real thing is exchanged; and the simple kinds:
// veth, loopback, dummy.

import { describe, expect, it } from 'vitest';
import { DeviceEvent, DeviceKind, NetDevice } from '../../src/link/device.ts';
import { createDummy } from '../../src/link/dummy.ts';
import { frameBytes, frameFromBytes } from '../../src/link/frame.ts';
import { createLoopback, LOOPBACK_MTU } from '../../src/link/loopback.ts';
import { VETH_DELAY, vethPeer } from '../../src/link/veth.ts';
import { NS_PER_MS } from '../../src/sim/sim.ts';
import { ethernet, mac, Sink, send, TestWorld, tap } from './world.ts';

const FRAME = ethernet('02:00:00:00:0a:02', '02:00:00:00:0a:01');

describe('a device', () => {
  it('that is down, without carrier, or without anybody above or below it, ends frames with the reason', () => {
    const world = new TestWorld();
    const dev = new NetDevice(world, { name: 'x0', owner: 'ns', kind: DeviceKind.VETH, mac: 5, mtu: 1500 });
    send(dev, FRAME);
    dev.receive(frameFromBytes(FRAME));
    dev.setUp(true);
    send(dev, FRAME);
    dev.setCarrier(true);
    send(dev, FRAME);
    dev.receive(frameFromBytes(FRAME));
    expect(world.drops).toEqual([
      'DEV_DOWN at ns/x0',
      'DEV_DOWN at ns/x0',
      'NO_CARRIER at ns/x0',
      'NO_CARRIER at ns/x0',
      'UNHANDLED_PROTO at ns/x0',
    ]);
    expect(dev.stats).toEqual({ rxPackets: 1, rxBytes: 60, rxDropped: 1, txPackets: 1, txBytes: 60, txDropped: 2 });
    expect(world.framesHeld()).toBe(0);
  });

  it('tells listeners of changes once, in the order in which they came, and not after unlisten', () => {
    const world = new TestWorld();
    const dev = new NetDevice(world, { name: 'x0', owner: 'ns', kind: DeviceKind.VETH, mac: 5, mtu: 1500 });
    const heard: string[] = [];
    const first = (event: DeviceEvent): void => {
      heard.push(`1 ${event}`);
      if (event === DeviceEvent.DOWN) dev.unlisten(first);
    };
    dev.listen(first);
    dev.listen((event) => heard.push(`2 ${event}`));
    dev.setUp(true);
    dev.setUp(true);
    dev.setCarrier(true);
    dev.setMtu(1400);
    dev.setMac(mac('02:00:00:00:00:09'));
    dev.setUp(false);
    dev.setCarrier(false);
    expect(heard).toEqual([
      ...['up', 'carrier', 'mtu', 'address', 'down'].flatMap((e) => [`1 ${e}`, `2 ${e}`]),
      '2 carrier',
    ]);
    expect([dev.macHi, dev.macLo, dev.mtu]).toEqual([0x0200, 9, 1400]);
  });

  it('keeps its wrappers when what stands above or below is exchanged', () => {
    const world = new TestWorld();
    const [a, b] = world.veth('a/eth0', 'b/eth0');
    const seen: string[] = [];
    tap(b, (direction) => seen.push(direction));
    tap(b, (direction) => seen.push(direction));
    const sink = new Sink();
    b.setUpper(sink);
    send(a, FRAME);
    world.advance(NS_PER_MS);
    expect([seen, sink.frames.length]).toEqual([['<', '<'], 1]);
    b.setLower({ transmit: (frame) => sink.input(frame, b) });
    send(b, FRAME);
    expect([seen.length, sink.frames.length]).toEqual([4, 2]);
  });
});

describe('a veth pair', () => {
  it('has carrier while both ends are up, and each end knows the other', () => {
    const world = new TestWorld();
    const [a, b] = world.veth('a/eth0', 'b/eth0');
    expect([a.carrier, b.carrier, vethPeer(a), vethPeer(b)]).toEqual([true, true, b, a]);
    b.setUp(false);
    expect([a.up, a.carrier, b.carrier]).toEqual([true, false, false]);
    send(a, FRAME);
    b.setUp(true);
    expect([a.carrier, b.carrier]).toEqual([true, true]);
    expect(world.drops).toEqual(['NO_CARRIER at a/eth0']);
    tap(a, () => {});
    expect(vethPeer(a)).toBe(b);
    expect(vethPeer(createLoopback(world, 'a'))).toBe(null);
  });

  it('brings every byte across after its delay; a frame on the cable dies at an end that went down', () => {
    const world = new TestWorld();
    const [a, b] = world.veth('a/eth0', 'b/eth0');
    const sink = new Sink();
    b.setUpper(sink);
    send(a, FRAME);
    world.advance(NS_PER_MS);
    expect([sink.times, sink.frames]).toEqual([[VETH_DELAY], [FRAME]]);
    expect([a.stats.txPackets, a.stats.txBytes, b.stats.rxPackets, b.stats.rxBytes]).toEqual([1, 60, 1, 60]);
    send(a, FRAME);
    b.setUp(false);
    world.advance(NS_PER_MS);
    expect(world.drops).toEqual(['DEV_DOWN at b/eth0']);
    expect(world.framesHeld()).toBe(0);
  });

  it('does not carry what the other end would not take: its MTU, an Ethernet header and one tag', () => {
    const world = new TestWorld();
    const [a, b] = world.veth('a/eth0', 'b/eth0', 100);
    const sink = new Sink();
    b.setUpper(sink);
    send(a, ethernet('02:00:00:00:0a:02', '02:00:00:00:0a:01', 104));
    send(a, ethernet('02:00:00:00:0a:02', '02:00:00:00:0a:01', 105));
    world.advance(NS_PER_MS);
    expect([sink.frames.length, b.stats.rxDropped, world.drops]).toEqual([1, 1, ['PKT_TOO_BIG at a/eth0']]);
  });
});

describe('loopback and dummy', () => {
  it('loopback hears itself, in the same instant but not within the call', () => {
    const world = new TestWorld();
    const lo = createLoopback(world, 'pod');
    const sink = new Sink();
    lo.setUpper(sink);
    lo.setUp(true);
    expect([lo.label, lo.mac, lo.mtu, lo.carrier]).toEqual(['pod/lo', 0, LOOPBACK_MTU, true]);
    const frame = frameFromBytes(FRAME);
    expect(frameBytes(frame)).toEqual(FRAME);
    lo.transmit(frame);
    expect(sink.frames.length).toBe(0);
    world.sim.runUntil(0);
    expect([sink.frames, sink.times]).toEqual([[FRAME], [0]]);
    expect([lo.stats.txPackets, lo.stats.rxPackets]).toEqual([1, 1]);
  });

  it('dummy counts and swallows: no drop', () => {
    const world = new TestWorld();
    const dev = createDummy(world, { name: 'd0', owner: 'node', mac: mac('02:00:00:00:00:0d'), mtu: 1500 });
    dev.setUp(true);
    send(dev, FRAME);
    expect([dev.carrier, dev.stats.txPackets, world.drops, world.framesHeld()]).toEqual([true, 1, [], 0]);
  });
});
