// A small network for stack tests: namespaces of one machine, joined by veth pairs, every frame of every device recorded.

import { formatIpv4, parseIpv4, parseIpv4Interface } from '../../src/addr/ipv4.ts';
import { parseMac } from '../../src/addr/mac.ts';
import { type DropReason, dropReasonName } from '../../src/base/drop-reason.ts';
import type { Handler, NetDevice, Transmitter } from '../../src/link/device.ts';
import { type Frame, frameBytes, framesInUse } from '../../src/link/frame.ts';
import { createVethPair } from '../../src/link/veth.ts';
import { Scope, Table } from '../../src/stack/fib.ts';
import type { InDevice } from '../../src/stack/in-device.ts';
import { Machine } from '../../src/stack/machine.ts';
import type { NetNamespace } from '../../src/stack/netns.ts';
import { World } from '../../src/stack/world.ts';

export const ip = (text: string): number => {
  const a = parseIpv4(text);
  if (a === null) throw new Error(`bad address in a test: ${text}`);
  return a;
};
export const mac = (text: string): number => {
  const m = parseMac(text);
  if (m === null) throw new Error(`bad MAC in a test: ${text}`);
  return m;
};

export interface Recorded {
  readonly time: number;
  readonly dev: string;
  readonly direction: 'in' | 'out';
  readonly bytes: Uint8Array;
}

class OutTap implements Transmitter {
  inner: Transmitter;
  readonly #log: Recorded[];
  constructor(inner: Transmitter, log: Recorded[]) {
    this.inner = inner;
    this.#log = log;
  }
  transmit(frame: Frame, dev: NetDevice): void {
    this.#log.push({ time: dev.host.sim.now, dev: dev.label, direction: 'out', bytes: frameBytes(frame) });
    this.inner.transmit(frame, dev);
  }
}

class InTap implements Handler {
  inner: Handler;
  readonly #log: Recorded[];
  constructor(inner: Handler, log: Recorded[]) {
    this.inner = inner;
    this.#log = log;
  }
  input(frame: Frame, dev: NetDevice): void {
    this.#log.push({ time: dev.host.sim.now, dev: dev.label, direction: 'in', bytes: frameBytes(frame) });
    this.inner.input(frame, dev);
  }
}

export class Net {
  readonly world: World;
  readonly machine: Machine;
  readonly frames: Recorded[] = [];
  readonly drops: { readonly reason: string; readonly where: string }[] = [];
  readonly notes: string[] = [];
  readonly #before = framesInUse();

  constructor(seed = 1) {
    this.world = new World(seed);
    this.machine = new Machine(this.world, 'lab');
    this.world.observer.add({
      wantsNotes: true,
      drop: (_frame: Frame, reason: DropReason, where: string) => {
        this.drops.push({ reason: dropReasonName(reason), where });
      },
      note: (_frame: Frame, text: string) => {
        this.notes.push(text);
      },
    });
  }

  /** A namespace with lo up and these sysctls. */
  host(name: string, sysctls: Readonly<Record<string, string>> = {}): NetNamespace {
    const netns = this.machine.addNamespace(name);
    netns.loopback.dev.setUp(true);
    for (const [key, value] of Object.entries(sysctls)) {
      const error = netns.sysctl.set(key, value);
      if (error !== null) throw new Error(`${key}: ${error}`);
    }
    return netns;
  }

  /** A cable between two namespaces, both ends up, addressed and recorded. */
  cable(
    a: { netns: NetNamespace; name?: string; address?: string; mac: string; mtu?: number },
    b: { netns: NetNamespace; name?: string; address?: string; mac: string; mtu?: number },
  ): [InDevice, InDevice] {
    const side = (s: typeof a) => ({
      name: s.name ?? 'eth0',
      mac: mac(s.mac),
      mtu: s.mtu ?? 1500,
      owner: s.netns.label,
    });
    const [left, right] = createVethPair(this.world, side(a), side(b));
    const one = a.netns.addDevice(left);
    const two = b.netns.addDevice(right);
    left.setUp(true);
    right.setUp(true);
    if (a.address !== undefined) this.address(one, a.address);
    if (b.address !== undefined) this.address(two, b.address);
    this.record(left);
    this.record(right);
    return [one, two];
  }

  record(dev: NetDevice): void {
    dev.lower = new OutTap(dev.lower, this.frames);
    dev.upper = new InTap(dev.upper, this.frames);
  }

  address(idev: InDevice, text: string): void {
    const p = parseIpv4Interface(text);
    if (p === null) throw new Error(`bad prefix in a test: ${text}`);
    const broadcast = p.length < 31 ? p.address | ~(-1 << (32 - p.length)) : 0;
    idev.netns.addAddress(idev, { local: p.address, length: p.length, broadcast });
  }

  /** `ip route add PREFIX via GATEWAY dev DEV [onlink]`; no gateway: on the link; a type: no device. */
  route(
    netns: NetNamespace,
    prefix: string,
    via: {
      gateway?: string;
      dev?: InDevice;
      onlink?: boolean;
      type?: 'blackhole' | 'unreachable' | 'prohibit';
      /** `mtu lock` */
      lockedMtu?: number;
    },
  ): void {
    const p = parseIpv4Interface(prefix)!;
    const gateway = via.gateway === undefined ? 0 : ip(via.gateway);
    netns.fib.insert(Table.MAIN, {
      destination: p.address,
      length: p.length,
      type: via.type ?? 'unicast',
      scope: gateway === 0 && via.type === undefined ? Scope.LINK : Scope.GLOBAL,
      protocol: 'boot',
      metric: 0,
      tos: 0,
      prefsrc: 0,
      nexthop: {
        gateway,
        out: via.dev ?? null,
        onlink: via.onlink ?? false,
        scope: gateway === 0 ? Scope.HOST : Scope.LINK,
      },
      mtu: via.lockedMtu ?? 0,
      mtuLocked: via.lockedMtu !== undefined,
    });
  }

  run(seconds: number): void {
    // An event at the end makes the clock arrive there even when nothing else happens.
    const delay = Math.round(seconds * 1e9);
    this.world.sim.after(delay, () => {});
    this.world.sim.runUntil(this.world.sim.now + delay);
  }

  /** Frames seen at one device, in one direction, as short lines. */
  seen(dev: string, direction?: 'in' | 'out'): string[] {
    return this.frames
      .filter((f) => f.dev === dev && (direction === undefined || f.direction === direction))
      .map((f) => line(f.bytes));
  }

  reasons(): string[] {
    return this.drops.map((d) => d.reason);
  }

  /** Ends the world; every frame must be back in the pool. */
  close(): number {
    this.world.dispose();
    return framesInUse() - this.#before;
  }
}

/** A frame in words, read with plain byte arithmetic (not with the codecs under test). */
export function line(b: Uint8Array): string {
  const u16 = (i: number): number => b[i]! * 256 + b[i + 1]!;
  const u32 = (i: number): number => (u16(i) * 65536 + u16(i + 2)) | 0;
  const hex = (i: number, n: number): string =>
    [...b.slice(i, i + n)].map((x) => x.toString(16).padStart(2, '0')).join(':');
  const kind = u16(12);
  if (kind === 0x0806) {
    const to = hex(0, 6) === 'ff:ff:ff:ff:ff:ff' ? 'broadcast' : 'unicast';
    return u16(20) === 1
      ? `arp who-has ${formatIpv4(u32(38))} tell ${formatIpv4(u32(28))} ${to}`
      : `arp ${formatIpv4(u32(28))} is-at ${hex(22, 6)} ${to}`;
  }
  if (kind !== 0x0800) return `type ${kind.toString(16)} ${b.length}`;
  const header = (b[14]! & 15) * 4;
  const at = 14 + header;
  const ends = `${formatIpv4(u32(26))} > ${formatIpv4(u32(30))} ttl ${b[22]!}`;
  const frag = u16(20);
  const offset = (frag & 0x1fff) * 8;
  const fragment = (frag & 0x3fff) !== 0 ? ` frag ${offset}${(frag & 0x2000) !== 0 ? '+' : ''}` : '';
  if (offset !== 0) return `ip ${ends}${fragment} len ${u16(16)}`;
  if (b[23] === 1) return `icmp ${b[at]!}/${b[at + 1]!} ${ends} len ${u16(16)}${fragment}`;
  if (b[23] === 17) return `udp ${u16(at)}>${u16(at + 2)} ${ends} len ${u16(16)}${fragment}`;
  return `proto ${b[23]!} ${ends}`;
}
