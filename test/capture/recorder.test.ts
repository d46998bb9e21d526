// Proves that what passes captured devices is written down once per interface with time, direction and packet id, that
// reasons and remarks stand as comments on the record that they belong to, and that tshark sees all of it.

import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parseIpv4 } from '../../src/addr/ipv4.ts';
import { DropReason } from '../../src/base/drop-reason.ts';
import { type CapturedPacket, CaptureReader } from '../../src/capture/reader.ts';
import { MemorySink } from '../../src/capture/sink.ts';
import { Bridge } from '../../src/link/bridge.ts';
import type { NetDevice } from '../../src/link/device.ts';
import {
  cloneFrame,
  type Frame,
  frameFromBytes,
  framePacketId,
  frameStart,
  freeFrame,
  u8,
} from '../../src/link/frame.ts';
import { NS_PER_S } from '../../src/sim/sim.ts';
import { ethernet, mac, Sink, send, TestWorld } from '../link/world.ts';
import { capinfos, haveWireshark, temporary, tsharkFields, written } from './judge.ts';
import { podToPod } from './packets.ts';
import { EPOCH, recorder } from './recording.ts';

const A = '02:00:00:00:0a:01';
const B = '02:00:00:00:0a:02';

function packets(sink: MemorySink): { reader: CaptureReader; all: CapturedPacket[] } {
  const reader = new CaptureReader(sink.bytes.slice());
  const all = [...reader];
  expect(reader.error).toBeNull();
  return { reader, all };
}

/** interface, direction, packet id of each record. */
function story(sink: MemorySink): string[] {
  const { reader, all } = packets(sink);
  return all.map(
    (p) => `${reader.interfaces[p.interfaceIndex]!.name} ${['?', 'in', 'out'][p.direction]} #${p.packetId}`,
  );
}

test('a frame through a cable: out at one end, in at the other, same packet id, times of the virtual clock', () => {
  const world = new TestWorld();
  const [left, right] = world.veth('pod-a/eth0', 'node1/vetha');
  right.setUpper(new Sink());
  const sink = new MemorySink();
  const r = recorder(world, { output: { kind: 'sink', sink } });
  r.attach(left);
  r.attach(right);
  send(left, ethernet(B, A));
  world.sim.after(NS_PER_S, () => send(left, ethernet(B, A, 1486)));
  world.sim.runUntil(2 * NS_PER_S);
  expect(r.close()).toMatchObject({ recorded: 4, missed: 0, unplacedComments: 0, problem: null });
  expect(story(sink)).toEqual(['pod-a/eth0 out #1', 'node1/vetha in #1', 'pod-a/eth0 out #2', 'node1/vetha in #2']);
  const { all, reader } = packets(sink);
  expect(all.map((p) => [p.timeSeconds - EPOCH, p.timeNanos])).toEqual([
    [0, 0],
    [0, 2000],
    [1, 0],
    [1, 2000],
  ]);
  expect([...all[3]!.bytes]).toEqual([...ethernet(B, A, 1486)]);
  expect(reader.statistics.map((s) => [s.received, s.dropped])).toEqual([
    [2, 0],
    [2, 0],
  ]);
  expect([...reader.interfaces[0]!.mac!]).toEqual([2, 0, 0, 0, 10, 1]);
  expect(world.framesHeld()).toBe(0);
});

test('the same run gives the same bytes, and nothing of the host is in them', () => {
  const run = (): Uint8Array => {
    const world = new TestWorld();
    const [left, right] = world.veth('pod-a/eth0', 'node1/vetha');
    right.setUpper(new Sink());
    const sink = new MemorySink();
    const r = recorder(world, { output: { kind: 'sink', sink } });
    r.attach(left);
    r.attach(right);
    for (let i = 0; i < 100; i++) send(left, ethernet(B, A, 46 + i));
    world.sim.runUntil(NS_PER_S);
    r.close();
    return sink.bytes.slice();
  };
  const first = run();
  expect(run()).toEqual(first);
  const { sections } = new CaptureReader(first);
  const reader = new CaptureReader(first);
  reader.next();
  expect(reader.sections).toEqual([
    { hardware: null, os: null, application: expect.stringMatching(/^podwire \d/), comments: [] },
  ]);
  expect(sections).toEqual([]);
});

describe('comments', () => {
  function scene(): {
    world: TestWorld;
    left: NetDevice;
    right: NetDevice;
    sink: MemorySink;
    r: ReturnType<typeof recorder>;
  } {
    const world = new TestWorld();
    const [left, right] = world.veth('pod-a/eth0', 'node1/vetha');
    const sink = new MemorySink();
    const r = recorder(world, { output: { kind: 'sink', sink } });
    world.drop = (frame, reason, where, dev) => r.drop(frame, reason, where, dev);
    world.note = (frame, text) => r.note(frame, text);
    r.attach(left);
    r.attach(right);
    return { world, left, right, sink, r };
  }

  test('a drop becomes a comment on the newest record of the frame', () => {
    const { world, left, right, sink, r } = scene();
    right.setUpper({ input: (frame, dev) => dev.end(frame, DropReason.BRIDGE_NO_PORT) });
    send(left, ethernet(B, A));
    send(left, ethernet(B, A, 47));
    world.sim.runUntil(NS_PER_S);
    expect(r.close().unplacedComments).toBe(0);
    const text = 'dropped at node1/vetha: BRIDGE_NO_PORT: the bridge has no other port to send to';
    expect(packets(sink).all.map((p) => p.comments)).toEqual([[], [], [text], [text]]);
  });

  test('several remarks keep their order; control characters are escaped', () => {
    const { world, left, right, sink, r } = scene();
    right.setUpper({
      input: (frame) => {
        r.note(frame, 'one');
        r.note(frame, 'two\n\x1b[31m');
        r.note(frame, 'drei äöü');
        freeFrame(frame);
      },
    });
    send(left, ethernet(B, A));
    world.sim.runUntil(NS_PER_S);
    r.close();
    expect(packets(sink).all[1]!.comments).toEqual(['one', 'two\\010\\027[31m', 'drei äöü']);
  });

  test('a remark that comes before any record waits for the first one', () => {
    const { left, right, sink, r, world } = scene();
    right.setUpper(new Sink());
    const frame = frameFromBytes(ethernet(B, A));
    r.note(frame, 'routed');
    left.transmit(frame);
    world.sim.runUntil(NS_PER_S);
    expect(r.close().unplacedComments).toBe(0);
    expect(packets(sink).all.map((p) => p.comments)).toEqual([['routed'], []]);
  });

  test('a drop before any record is counted, not lost on a later packet in the same slot', () => {
    const { left, right, sink, r, world } = scene();
    right.setUpper(new Sink());
    for (let i = 0; i < 3; i++) {
      const frame = frameFromBytes(ethernet(B, A));
      if (i === 1) left.end(frame, DropReason.IP_OUTNOROUTES);
      else left.transmit(frame);
      world.sim.runUntil((i + 1) * NS_PER_S);
    }
    expect(r.close().unplacedComments).toBe(1);
    expect(packets(sink).all.every((p) => p.comments.length === 0)).toBe(true);
  });

  test('a drop of a flooded copy stands on the record of its packet on that interface', () => {
    const { left, right, sink, r, world } = scene();
    right.setUpper({
      input: (frame, dev) => {
        const copy: Frame = cloneFrame(frame);
        dev.end(copy, DropReason.BRIDGE_ISOLATED);
        freeFrame(frame);
      },
    });
    send(left, ethernet(B, A));
    world.sim.runUntil(NS_PER_S);
    expect(r.close().unplacedComments).toBe(0);
    expect(packets(sink).all.map((p) => p.comments.length)).toEqual([0, 1]);
  });

  test('thousands of comments in between leave every block whole and every other record as it was', () => {
    const { left, right, sink, r, world } = scene();
    const rng = world.rng('comments');
    const said: string[][] = [];
    right.setUpper({
      input: (frame) => {
        const texts = Array.from(
          { length: rng.below(3) },
          (_, i) => `${said.length}.${i} ${'x'.repeat(rng.below(300))}`,
        );
        for (const text of texts) r.note(frame, text);
        said.push(texts);
        freeFrame(frame);
      },
    });
    for (let i = 0; i < 5_000; i++) {
      send(left, ethernet(B, A, 46 + rng.below(1440)));
      if (i % 7 === 0) world.sim.runUntil(world.sim.now + 10_000);
    }
    world.sim.runUntil(world.sim.now + NS_PER_S);
    expect(r.close().unplacedComments).toBe(0);
    const { all } = packets(sink);
    expect(all.length).toBe(10_000);
    expect(all.filter((p) => p.direction === 1).map((p) => p.comments)).toEqual(said);
    expect(all.filter((p) => p.direction === 2).every((p) => p.comments.length === 0)).toBe(true);
  });
});

test('a device that becomes a bridge port keeps its capture; detached, it is as before', () => {
  const world = new TestWorld();
  const bridge = new Bridge(world, {
    name: 'cni0',
    owner: 'node1',
    mac: mac('02:00:00:00:00:ff'),
    macGiven: true,
    mtu: 1500,
  });
  bridge.dev.setUp(true);
  const [a, portA] = world.veth('pod-a/eth0', 'node1/vetha');
  const [b, portB] = world.veth('pod-b/eth0', 'node1/vethb');
  b.setUpper(new Sink());
  const sink = new MemorySink();
  const r = recorder(world, { output: { kind: 'sink', sink } });
  for (const dev of [portA, portB]) r.attach(dev);
  bridge.addPort(portA);
  bridge.addPort(portB);
  const upper = portA.upper;
  send(a, ethernet('02:00:00:00:00:99', '02:00:00:00:00:01'));
  world.sim.runUntil(NS_PER_S);
  expect(story(sink)).toEqual([]);
  r.flush();
  expect(story(sink)).toEqual(['node1/vetha in #1', 'node1/vethb out #1']);
  expect(upper).toBe(portA.upper);
  r.detach(portA);
  send(a, ethernet('02:00:00:00:00:99', '02:00:00:00:00:01'));
  world.sim.runUntil(2 * NS_PER_S);
  r.close();
  expect(story(sink)).toEqual(['node1/vetha in #1', 'node1/vethb out #1', 'node1/vethb out #2']);
});

test.each([
  [['node1/*'], ['node1/vetha']],
  [['eth0'], ['pod-a/eth0']],
  [['*/v?tha', 'nobody'], ['node1/vetha']],
  [[], ['pod-a/eth0', 'node1/vetha']],
  [['nobody'], []],
])('interfaces %j captures %j', (interfaces, expected) => {
  const world = new TestWorld();
  const r = recorder(world, { interfaces });
  const taken = world.veth('pod-a/eth0', 'node1/vetha').filter((dev) => r.attach(dev));
  expect(taken.map((dev) => dev.label)).toEqual(expected);
});

test('one file for each interface, named after it', () => {
  const world = new TestWorld();
  const [left, right] = world.veth('pod-a/eth0', 'node1/weird:name');
  right.setUpper({ input: (frame, dev) => dev.end(frame, DropReason.OTHERHOST) });
  const path = temporary('each');
  mkdirSync(path);
  const r = recorder(world, { output: { kind: 'directory', path } });
  world.drop = (frame, reason, where, dev) => r.drop(frame, reason, where, dev);
  r.addNames([{ address: parseIpv4('10.244.0.2')!, names: ['pod-a'] }]);
  r.attach(left);
  r.attach(right);
  send(left, ethernet(B, A));
  world.sim.runUntil(NS_PER_S);
  expect(r.close().outputs.length).toBe(2);
  expect(readdirSync(path).sort()).toEqual(['node1.weird_name.pcapng', 'pod-a.eth0.pcapng']);
  for (const [name, comments] of [
    ['node1.weird_name', 1],
    ['pod-a.eth0', 0],
  ] as const) {
    const reader = new CaptureReader(readFileSync(`${path}/${name}.pcapng`));
    expect([...reader].map((p) => p.comments.length)).toEqual([comments]);
    expect(reader.names.map((n) => n.names)).toEqual([['pod-a']]);
  }
});

test('the snap length cuts bytes and keeps the length', () => {
  const world = new TestWorld();
  const [left, right] = world.veth('a/eth0', 'b/eth0');
  right.setUpper(new Sink());
  for (const format of ['pcapng', 'pcap'] as const) {
    const sink = new MemorySink();
    const r = recorder(world, { output: { kind: 'sink', sink }, snapLength: 61, format });
    r.attach(left);
    send(left, ethernet(B, A, 986));
    r.close();
    const { all, reader } = packets(sink);
    expect(all.map((p) => [p.length, p.bytes.length])).toEqual([[1000, 61]]);
    expect(reader.interfaces[0]!.snapLength).toBe(61);
    world.sim.runUntil(world.sim.now + NS_PER_S);
  }
});

test.each([300, 1_000, 5_000, 20_000, 100_000])(
  'a size limit of %d bytes is never passed, and the file says so',
  (sizeLimit) => {
    const world = new TestWorld();
    const [left, right] = world.veth('a/eth0', 'b/eth0');
    right.setUpper(new Sink());
    for (const format of ['pcapng', 'pcap'] as const) {
      const sink = new MemorySink();
      const r = recorder(world, { output: { kind: 'sink', sink }, sizeLimit, format });
      r.attach(left);
      r.attach(right);
      for (let i = 0; i < 300; i++) {
        send(left, ethernet(B, A, 46 + ((i * 97) % 1400)));
        world.sim.runUntil(world.sim.now + 10_000);
      }
      const summary = r.close();
      expect(summary.limitReached).toBe(true);
      expect(summary.missed).toBeGreaterThan(0);
      expect(sink.bytes.length).toBeLessThanOrEqual(sizeLimit);
      const { all, reader } = packets(sink);
      expect(all.length).toBe(summary.recorded);
      if (format === 'pcapng' && reader.interfaces.length === 2) {
        expect(reader.statistics.length).toBe(2);
        const [first] = reader.statistics;
        expect(first!.received! - first!.dropped!).toBe(all.filter((p) => p.interfaceIndex === 0).length);
        expect(first!.comments[0]).toBe(
          `size limit of ${sizeLimit} bytes reached: ${first!.dropped} frames not recorded`,
        );
      }
    }
  },
);

test('a size limit leaves room for packets when there are many names and interfaces', () => {
  const world = new TestWorld();
  const sink = new MemorySink();
  const r = recorder(world, { output: { kind: 'sink', sink }, sizeLimit: 20_000 });
  r.addNames(Array.from({ length: 2_000 }, (_, i) => ({ address: i, names: [`pod-${i}.a-namespace`] })));
  const pairs = Array.from({ length: 50 }, (_, i) => world.veth(`pod-${i}/eth0`, `node/veth${i}`));
  for (const [left, right] of pairs) {
    right.setUpper(new Sink());
    r.attach(left);
    for (let i = 0; i < 20; i++) send(left, ethernet(B, A));
    world.sim.runUntil(world.sim.now + NS_PER_S);
  }
  const summary = r.close();
  expect(summary.limitReached).toBe(true);
  expect(summary.recorded).toBeGreaterThan(50);
  expect(sink.bytes.length).toBeLessThanOrEqual(20_000);
  expect(packets(sink).all.length).toBe(summary.recorded);
});

test('frames at every alignment and length are copied exactly', () => {
  const world = new TestWorld();
  const [left, right] = world.veth('a/eth0', 'b/eth0', 9000);
  right.setUpper(new Sink());
  const expected: number[][] = [];
  for (const format of ['pcapng', 'pcap'] as const) {
    expected.length = 0;
    const sink = new MemorySink();
    const r = recorder(world, { output: { kind: 'sink', sink }, format });
    r.attach(left);
    for (let length = 1; length < 300; length++) {
      for (let shift = 0; shift < 4; shift++) {
        const frame = frameFromBytes(Uint8Array.from({ length: length + shift }, (_, i) => (i * 7 + length) & 255));
        frameStart[frame]! += shift;
        expected.push([...u8.subarray(frameStart[frame]!, frameStart[frame]! + length)]);
        left.transmit(frame);
      }
      world.sim.runUntil(world.sim.now + 10_000);
    }
    r.close();
    expect(packets(sink).all.map((p) => [...p.bytes])).toEqual(expected);
  }
});

describe.runIf(haveWireshark)('tshark', () => {
  function recorded(format: 'pcapng' | 'pcap'): string {
    const world = new TestWorld();
    const [left, right] = world.veth('pod-a/eth0', 'node1/vetha');
    const sink = new MemorySink();
    const r = recorder(world, { output: { kind: 'sink', sink }, format, comments: ['scenario x', 'seed 1'] });
    world.drop = (frame, reason, where, dev) => r.drop(frame, reason, where, dev);
    r.addNames([
      { address: parseIpv4('10.244.1.2')!, names: ['pod-a.default'] },
      { address: parseIpv4('10.244.2.3')!, names: ['also-b', 'pod-b.default'] },
    ]);
    r.attach(left);
    right.setUpper({ input: (frame, dev) => dev.end(frame, DropReason.BRIDGE_NO_PORT) });
    send(left, podToPod());
    // While running: an interface may come at any time.
    r.attach(right);
    world.sim.after(1_234_567_890, () => send(left, podToPod()));
    world.sim.runUntil(2 * NS_PER_S);
    r.close();
    return written(`judged.${format}`, sink.bytes);
  }

  test('shows interface names, comments, directions, packet ids, names and exact times', () => {
    const path = recorded('pcapng');
    const fields = [
      'frame.time_epoch',
      'frame.interface_name',
      'frame.comment',
      'frame.packet_flags_direction',
      'frame.packet_id',
    ];
    const drop = 'dropped at node1/vetha: BRIDGE_NO_PORT: the bridge has no other port to send to';
    expect(tsharkFields(path, fields)).toEqual([
      [`${EPOCH}.000000000`, 'pod-a/eth0', '', '0x00000002', '1'],
      [`${EPOCH}.000002000`, 'node1/vetha', drop, '0x00000001', '1'],
      [`${EPOCH + 1}.234567890`, 'pod-a/eth0', '', '0x00000002', '2'],
      [`${EPOCH + 1}.234569890`, 'node1/vetha', drop, '0x00000001', '2'],
    ]);
    const names = tsharkFields(path, ['ip.src_host', 'ip.dst_host'], ['-N', 'n', '-o', 'nameres.network_name:TRUE']);
    expect(names[0]).toEqual(['pod-a.default', 'pod-b.default']);
    const bad = tsharkFields(path, ['_ws.expert'], ['-Y', '_ws.malformed || _ws.expert.severity >= "Warning"']);
    expect(bad).toEqual([]);
  });

  test('capinfos accepts both formats and finds application, comments and interfaces', () => {
    const text = capinfos(recorded('pcapng')).text;
    expect(text).toMatch(/Capture application: podwire/);
    expect(text).toMatch(/Capture comment:.*scenario x/);
    expect(text).toMatch(/Number of interfaces in file:\s*2/);
    expect(text).toMatch(/Name = node1\/vetha/);
    expect(text).toMatch(/Description = veth vetha in node1, MTU 1500/);
    expect(text).toMatch(/Time precision = nanoseconds \(9\)/);
    expect(text).toMatch(/Number of stat entries = 1/);
    for (const format of ['pcapng', 'pcap'] as const) {
      expect(capinfos(recorded(format))).toMatchObject({ status: 0, complaint: '', packets: 4 });
    }
  });
});

test('packet ids beyond 32 bits and long times stay exact', () => {
  const world = new TestWorld();
  const [left, right] = world.veth('a/eth0', 'b/eth0');
  right.setUpper(new Sink());
  const sink = new MemorySink();
  const r = recorder(world, { output: { kind: 'sink', sink } });
  r.attach(left);
  world.sim.now = 2 ** 53 - 1_000_001;
  const frame = frameFromBytes(ethernet(B, A));
  framePacketId[frame] = 2 ** 40 + 7;
  left.transmit(frame);
  r.close();
  const { all } = packets(sink);
  const ns = BigInt(EPOCH) * 1_000_000_000n + BigInt(2 ** 53 - 1_000_001);
  expect(all[0]).toMatchObject({ packetId: 2 ** 40 + 7 });
  expect(BigInt(all[0]!.timeSeconds) * 1_000_000_000n + BigInt(all[0]!.timeNanos)).toBe(ns);
  world.sim.drain(freeFrame);
});
