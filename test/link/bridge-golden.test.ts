// Proves that the bridge forwards, floods, learns and ages as the real kernel does: golden case 12, every frame on every
// interface, in order, and every look into the forwarding database.

import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { formatMac } from '../../src/addr/mac.ts';
import { Bridge } from '../../src/link/bridge.ts';
import type { NetDevice } from '../../src/link/device.ts';
import { type Frame, frameBytes } from '../../src/link/frame.ts';
import { createVethPair } from '../../src/link/veth.ts';
import { JIFFY, jiffiesAt } from '../../src/sim/jiffies.ts';
import { NS_PER_S } from '../../src/sim/sim.ts';
import { mac, Sink, send, TestWorld, tap } from './world.ts';

type Step =
  | { at: number; kind: 'send'; host: string; hex: string }
  | { at: number; kind: 'run'; cmd: string }
  | { at: number; kind: 'fdb'; shown: string[] };
const golden = JSON.parse(readFileSync(new URL('../data/bridge-golden-12.json', import.meta.url), 'utf8')) as {
  steps: Step[];
  expected: Record<string, string>;
};

/** Number in the payload: "frame-017...". */
function number(frame: Frame): string {
  const text = Buffer.from(frameBytes(frame)).toString('latin1');
  return String(Number(/frame-(\d+)/.exec(text)?.[1]));
}

/** Host N is cabled to port pN of the switch; every interface is tapped. */
function buildSwitch(world: TestWorld): {
  bridge: Bridge;
  devices: Map<string, NetDevice>;
  seen: Map<string, string[]>;
} {
  const bridge = new Bridge(world, {
    name: 'br0',
    owner: 'sw',
    mac: mac('02:00:00:00:00:ff'),
    macGiven: true,
    mtu: 1500,
  });
  bridge.setAgeingTime(10 * NS_PER_S);
  const devices = new Map<string, NetDevice>([['sw.br0', bridge.dev]]);
  for (let n = 1; n <= 4; n++) {
    const [host, port] = createVethPair(
      world,
      { owner: `h${n}`, name: 'eth0', mac: mac(`02:00:00:00:00:0${n}`), mtu: 1500 },
      { owner: 'sw', name: `p${n}`, mac: mac(`02:00:00:00:01:0${n}`), mtu: 1500 },
    );
    devices.set(`h${n}.eth0`, host);
    devices.set(`sw.p${n}`, port);
  }
  const seen = new Map<string, string[]>();
  for (const [name, dev] of devices) {
    const list: string[] = [];
    seen.set(name, list);
    dev.setUpper(new Sink());
    tap(dev, (direction, frame) => list.push(direction + number(frame)));
  }
  bridge.dev.setUp(true);
  for (let n = 1; n <= 4; n++) {
    devices.get(`h${n}.eth0`)!.setUp(true);
    devices.get(`sw.p${n}`)!.setUp(true);
    expect(bridge.addPort(devices.get(`sw.p${n}`)!)).toBe('ok');
  }
  return { bridge, devices, seen };
}

/** The learned entries as `bridge -s fdb show` prints them: by device, newest first, ages in whole seconds. */
function learned(bridge: Bridge): string[] {
  const now = jiffiesAt(bridge.dev.host.sim.now);
  const age = (jiffies: number): number => Math.floor(((now - jiffies) * JIFFY) / NS_PER_S);
  const lines: string[] = [];
  for (const port of [...bridge.ports].sort((a, b) => (a.dev.name < b.dev.name ? -1 : 1))) {
    for (const e of bridge.fdbEntries(port)) {
      if (e.state === 'permanent') continue;
      lines.push(`${formatMac(e.mac)} dev ${port.dev.name} used ${age(e.used)}/${age(e.updated)}`);
    }
  }
  return lines;
}

function command(bridge: Bridge, devices: Map<string, NetDevice>, text: string): void {
  for (const one of text.split(';').map((t) => t.trim())) {
    const link = /^bridge link set dev (\w+) (.*)$/.exec(one);
    const updown = /^ip link set (\w+) (up|down)$/.exec(one);
    const master = /^ip link set (\w+) (nomaster|master br0)$/.exec(one);
    if (link !== null) {
      const port = bridge.port(devices.get(`sw.${link[1]}`)!)!;
      const words = link[2]!.split(' ');
      for (let i = 0; i < words.length; i += 2) {
        const flag = words[i] as 'hairpin' | 'flood' | 'learning' | 'isolated';
        port[flag] = words[i + 1] === 'on';
      }
    } else if (updown !== null) devices.get(`sw.${updown[1]}`)!.setUp(updown[2] === 'up');
    else if (master !== null) {
      const dev = devices.get(`sw.${master[1]}`)!;
      if (master[2] === 'nomaster') expect(bridge.removePort(dev)).toBe(true);
      else expect(bridge.addPort(dev)).toBe('ok');
    } else expect(one).toBe('sleep 0.1');
  }
}

it('every interface of golden case 12 sees the frames that the kernel showed there, in that order', () => {
  const world = new TestWorld();
  const { bridge, devices, seen } = buildSwitch(world);
  for (const step of golden.steps) {
    // The recorded steps came about 0.7 s after the set-up.
    world.sim.runUntil(step.at * 1000 + 700_000_000);
    if (step.kind === 'send') send(devices.get(`${step.host}.eth0`)!, Buffer.from(step.hex, 'hex'));
    else if (step.kind === 'run') command(bridge, devices, step.cmd);
    else expect(learned(bridge), `FDB at ${step.at} us`).toEqual(step.shown);
  }
  world.sim.runUntil(world.sim.now + NS_PER_S);
  const got = Object.fromEntries(Object.keys(golden.expected).map((name) => [name, seen.get(name)!.join(' ')]));
  expect(got).toEqual(golden.expected);
  expect(world.framesHeld()).toBe(0);
});
