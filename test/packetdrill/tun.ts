// The tun device of packetdrill: a point where raw IPv4 packets leave the namespace and enter it. Addresses and route are
// packetdrill's defaults (gtests/net/packetdrill/config.c): 192.168.0.1/16 here, 192.0.2.1 behind the gateway 192.168.0.2.
// The neighbour is permanent, so nothing asks by ARP.

import { DeviceKind, NetDevice } from '../../src/link/device.ts';
import { type Frame, frameBytes, frameFromBytes, freeFrame } from '../../src/link/frame.ts';
import { Scope, Table } from '../../src/stack/fib.ts';
import type { InDevice } from '../../src/stack/in-device.ts';
import { addNeighbour } from '../../src/stack/neigh-control.ts';
import { Nud } from '../../src/stack/neighbour.ts';
import type { NetNamespace } from '../../src/stack/netns.ts';
import { ip, mac } from '../stack/net.ts';

export const LOCAL = ip('192.168.0.1');
export const REMOTE = ip('192.0.2.1');
export const GATEWAY = ip('192.168.0.2');
const MAC = [2, 0, 0, 0, 0, 1];
const GATEWAY_MAC = [2, 0, 0, 0, 0, 2];
const ETHERNET = 14;

export interface Sent {
  /** virtual time, ns */
  readonly at: number;
  /** from the IPv4 header on */
  readonly bytes: Uint8Array;
}

export class Tun {
  readonly idev: InDevice;
  readonly dev: NetDevice;
  /** What left, oldest first; the runner takes from the front. */
  readonly sent: Sent[] = [];

  constructor(netns: NetNamespace, mtu: number) {
    const dev = new NetDevice(netns.world, {
      name: 'tun0',
      kind: DeviceKind.DUMMY,
      mac: mac('02:00:00:00:00:01'),
      mtu,
      owner: netns.label,
    });
    this.dev = dev;
    dev.setLower({
      transmit: (frame: Frame) => {
        this.sent.push({ at: netns.world.sim.now, bytes: frameBytes(frame).slice(ETHERNET) });
        freeFrame(frame);
      },
    });
    dev.setCarrier(true);
    this.idev = netns.addDevice(dev);
    dev.setUp(true);
    netns.addAddress(this.idev, { local: LOCAL, length: 16, broadcast: ip('192.168.255.255') });
    addNeighbour(netns, {
      out: this.idev,
      ip: GATEWAY,
      mac: mac('02:00:00:00:00:02'),
      state: Nud.PERMANENT,
      mode: 'add',
    });
    netns.fib.insert(Table.MAIN, {
      destination: ip('192.0.2.0'),
      length: 24,
      type: 'unicast',
      scope: Scope.GLOBAL,
      protocol: 'boot',
      metric: 0,
      tos: 0,
      prefsrc: 0,
      nexthop: { gateway: GATEWAY, out: this.idev, onlink: false, scope: Scope.LINK },
      mtu: 0,
      mtuLocked: false,
    });
    netns.fib.touch();
  }

  /** Hands an IPv4 packet to the namespace. */
  inject(packet: Uint8Array): void {
    const bytes = new Uint8Array(ETHERNET + packet.length);
    bytes.set([...MAC, ...GATEWAY_MAC, 8, 0]);
    bytes.set(packet, ETHERNET);
    this.dev.receive(frameFromBytes(bytes));
  }
}
