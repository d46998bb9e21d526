// The dummy device (drivers/net/dummy.c): a place for addresses. It counts what it is given, and ends it.

import type { Mac } from '../addr/mac.ts';
import { DeviceKind, type LinkHost, NetDevice, type Transmitter } from './device.ts';
import { type Frame, freeFrame } from './frame.ts';

export class Dummy implements Transmitter {
  /** dummy_xmit(): counted as sent, then consumed; that is no loss. */
  transmit(frame: Frame, _dev: NetDevice): void {
    freeFrame(frame);
  }
}

export interface DummyOptions {
  readonly name: string;
  readonly mac: Mac;
  readonly mtu: number;
  readonly owner: string;
}

/** Down; it has carrier at all times. */
export function createDummy(host: LinkHost, options: DummyOptions): NetDevice {
  const dev = new NetDevice(host, { ...options, kind: DeviceKind.DUMMY });
  dev.setLower(new Dummy());
  dev.setCarrier(true);
  return dev;
}
