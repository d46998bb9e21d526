// A router of ours and one of the kernel, side by side: two links, `a` (10.1.0.0/24) and `b` (10.2.0.0/24), rules and
// conntrack between them; rounds of IPv4 packets come in at either, what leaves and what conntrack lists are compared.

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { NetDevice, Transmitter } from '../../src/link/device.ts';
import { type Frame, frameBytes, frameFromBytes, freeFrame } from '../../src/link/frame.ts';
import { createVethPair } from '../../src/link/veth.ts';
import type { Netfilter } from '../../src/netfilter/netfilter.ts';
import { entryText } from '../../src/shell/commands/conntrack-format.ts';
import { NS_PER_S } from '../../src/sim/sim.ts';
import { Machine } from '../../src/stack/machine.ts';
import { Nud } from '../../src/stack/neighbour.ts';
import { netfilterOf } from '../../src/stack/netfilter-host.ts';
import type { NetNamespace } from '../../src/stack/netns.ts';
import { World } from '../../src/stack/world.ts';
import { sum } from '../../src/wire/checksum.ts';
import { ip, mac } from '../stack/net.ts';

export type Side = 'a' | 'b';
export type Given = readonly [side: Side, packet: Uint8Array];
export interface RoundResult {
  /** side and hex of each packet that left, in order */
  readonly out: [string, string][];
  /** lines of conntrack -L, sorted */
  readonly list: string[];
}

const SCRIPT = fileURLToPath(new URL('./router-kernel.py', import.meta.url));
const FAR = { a: mac('02:00:00:00:0a:02'), b: mac('02:00:00:00:0b:02') };

/** Why the kernel cannot be asked here; '' when it can. */
export function noKernel(): string {
  if (process.getuid?.() !== 0) return 'needs root';
  const probe = spawnSync('unshare', [
    '-n',
    'sh',
    '-c',
    'test -c /dev/net/tun && conntrack -V && iptables -V && python3 -V',
  ]);
  return probe.status === 0 ? '' : 'needs unshare, /dev/net/tun, conntrack, iptables and python3';
}

export function kernelRounds(
  setup: readonly string[],
  rounds: readonly (readonly Given[])[],
  wait: readonly number[] = [],
): RoundResult[] {
  const job = {
    setup,
    rounds: rounds.map((packets) => packets.map(([side, packet]) => [side, Buffer.from(packet).toString('hex')])),
    wait: rounds.map((_, i) => wait[i] ?? 0),
  };
  const run = spawnSync('unshare', ['-n', 'python3', SCRIPT], {
    input: JSON.stringify(job),
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  if (run.status !== 0) throw new Error(`router-kernel.py: ${run.stderr}`);
  const result = JSON.parse(run.stdout) as { out: [string, string][]; list: string }[];
  return result.map(({ out, list }) => ({
    out,
    list: list
      .split('\n')
      .filter((l) => l !== '')
      .sort(),
  }));
}

class Catch implements Transmitter {
  readonly #side: string;
  readonly #out: [string, string][];
  constructor(side: string, out: [string, string][]) {
    this.#side = side;
    this.#out = out;
  }
  transmit(frame: Frame, _dev: NetDevice): void {
    const bytes = frameBytes(frame);
    if (bytes[12] === 8 && bytes[13] === 0)
      this.#out.push([this.#side, Buffer.from(bytes.subarray(14)).toString('hex')]);
    freeFrame(frame);
  }
}

export class Router {
  readonly world = new World(1);
  readonly netns: NetNamespace;
  readonly netfilter: Netfilter;
  readonly #devices: Record<Side, NetDevice>;
  #out: [string, string][] = [];

  constructor() {
    const machine = new Machine(this.world, 'router');
    this.netns = machine.root;
    const link = (name: Side, address: number, far: string): NetDevice => {
      const [dev, peer] = createVethPair(
        this.world,
        { name, mac: mac(`02:00:00:00:0${name}:01`), mtu: 1500, owner: 'router' },
        { name: 'peer', mac: FAR[name], mtu: 1500, owner: far },
      );
      const idev = this.netns.addDevice(dev);
      peer.setUp(true);
      dev.setUp(true);
      this.netns.addAddress(idev, { local: address, length: 24 });
      for (let host = 2; host < 10; host++) {
        this.netns.neighbours.create(idev, address + host - 1)!.update(FAR[name], Nud.PERMANENT, 0xffff_ffff);
      }
      dev.setLower(new Catch(name, this.#out));
      return dev;
    };
    this.#devices = { a: link('a', ip('10.1.0.1'), 'left'), b: link('b', ip('10.2.0.1'), 'right') };
    this.netns.sysctl.set('net.ipv4.ip_forward', '1');
    this.netfilter = netfilterOf(this.netns);
  }

  /** iptables-restore. */
  rules(text: string): void {
    const error = this.netfilter.tables.restore(text, { noFlush: false, counters: false });
    if (error !== null) throw new Error(JSON.stringify(error));
  }

  give(side: Side, packet: Uint8Array): void {
    const dev = this.#devices[side];
    const bytes = new Uint8Array(14 + packet.length);
    const view = new DataView(bytes.buffer);
    view.setUint16(0, dev.macHi);
    view.setInt32(2, dev.macLo);
    view.setUint16(12, 0x0800);
    bytes[6] = 2;
    bytes.set(packet, 14);
    dev.receive(frameFromBytes(bytes));
    this.world.sim.runUntil(this.world.sim.now + 1_000);
  }

  round(packets: readonly Given[], wait = 0): RoundResult {
    this.#out.length = 0;
    for (const [side, packet] of packets) this.give(side, packet);
    const result = { out: [...this.#out], list: this.list() };
    this.world.sim.runUntil(this.world.sim.now + wait * NS_PER_S);
    return result;
  }

  /** What leaves while `doing` runs. */
  listen(doing: () => void): [string, string][] {
    this.#out.length = 0;
    doing();
    this.world.sim.runUntil(this.world.sim.now + 1_000);
    return [...this.#out];
  }

  list(): string[] {
    const format = { id: false, extended: false, event: null };
    return this.netfilter.conntrack
      .list()
      .map((ct) => entryText(ct, format))
      .sort();
  }
}

export interface Ip {
  readonly source: string;
  readonly destination: string;
  readonly protocol: number;
  readonly ttl?: number;
  readonly fragment?: number;
  readonly id?: number;
}

/** An IPv4 packet with a right header checksum. */
export function packet(header: Ip, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(20 + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 0x4500);
  view.setUint16(2, bytes.length);
  view.setUint16(4, header.id ?? 0x1234);
  view.setUint16(6, header.fragment ?? 0x4000);
  view.setUint8(8, header.ttl ?? 64);
  view.setUint8(9, header.protocol);
  view.setInt32(12, ip(header.source));
  view.setInt32(16, ip(header.destination));
  view.setUint16(10, ~sum(view, 0, 20) & 0xffff);
  bytes.set(payload, 20);
  return bytes;
}

/** Fills in the checksum at `at` of the payload of a TCP or UDP packet made by packet(). */
export function withChecksum(bytes: Uint8Array, at: number): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  view.setUint16(20 + at, 0);
  let s = sum(view, 20, bytes.length) + sum(view, 12, 20) + view.getUint8(9) + bytes.length - 20;
  while (s > 0xffff) s = (s & 0xffff) + (s >>> 16);
  view.setUint16(20 + at, ~s & 0xffff || 0xffff);
  return bytes;
}

export interface Segment {
  readonly source: string;
  readonly destination: string;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly flags: number;
  readonly sequence: number;
  readonly ack: number;
  readonly window?: number;
  readonly length?: number;
  /** bytes of options, a multiple of 4 */
  readonly options?: readonly number[];
}

export function segment(s: Segment): Uint8Array {
  const options = s.options ?? [];
  const payload = new Uint8Array(20 + options.length + (s.length ?? 0));
  const view = new DataView(payload.buffer);
  view.setUint16(0, s.sourcePort);
  view.setUint16(2, s.destinationPort);
  view.setUint32(4, s.sequence >>> 0);
  view.setUint32(8, s.ack >>> 0);
  view.setUint8(12, ((20 + options.length) / 4) << 4);
  view.setUint8(13, s.flags);
  view.setUint16(14, s.window ?? 64_000);
  payload.set(options, 20);
  return withChecksum(packet({ source: s.source, destination: s.destination, protocol: 6 }, payload), 16);
}

export function datagram(
  source: string,
  sourcePort: number,
  destination: string,
  destinationPort: number,
  length = 8,
  options: { readonly id?: number } = {},
): Uint8Array {
  const payload = new Uint8Array(8 + length).fill(0x5a, 8);
  const view = new DataView(payload.buffer);
  view.setUint16(0, sourcePort);
  view.setUint16(2, destinationPort);
  view.setUint16(4, payload.length);
  return withChecksum(packet({ source, destination, protocol: 17, ...options }, payload), 6);
}

/** ICMP of any type; `rest` is the word behind the checksum. */
export function icmp(
  source: string,
  destination: string,
  type: number,
  code: number,
  rest: number,
  data: Uint8Array,
): Uint8Array {
  const payload = new Uint8Array(8 + data.length);
  const view = new DataView(payload.buffer);
  view.setUint8(0, type);
  view.setUint8(1, code);
  view.setUint32(4, rest >>> 0);
  payload.set(data, 8);
  view.setUint16(2, ~sum(view, 0, payload.length) & 0xffff);
  return packet({ source, destination, protocol: 1 }, payload);
}
