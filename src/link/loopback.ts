// The loopback device (drivers/net/loopback.c): what it transmits it receives. The way goes through the event queue (a
// delay line of 0 ns), as the kernel's goes through netif_rx and the softirq, so that a reply to oneself never recurses.

import { MAC_ZERO } from '../addr/mac.ts';
import type { DelayLine } from '../sim/sim.ts';
import { DeviceKind, type LinkHost, NetDevice, type Transmitter } from './device.ts';
import type { Frame } from './frame.ts';

/** loopback_setup(): 64 KiB */
export const LOOPBACK_MTU = 65_536;

export class Loopback implements Transmitter {
  readonly #line: DelayLine;

  constructor(host: LinkHost) {
    this.#line = host.sim.line(0);
  }

  transmit(frame: Frame, dev: NetDevice): void {
    this.#line.push(dev, frame);
  }
}

/** `lo`, down; it has carrier at all times. */
export function createLoopback(host: LinkHost, owner: string): NetDevice {
  const dev = new NetDevice(host, { name: 'lo', kind: DeviceKind.LOOPBACK, mac: MAC_ZERO, mtu: LOOPBACK_MTU, owner });
  dev.setLower(new Loopback(host));
  dev.setCarrier(true);
  return dev;
}
