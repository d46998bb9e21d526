// AF_PACKET sockets bound to one device: programs that speak below IP (arping, sendraw). A frame that comes in is shown
// to the socket before the stack sees it; nothing is consumed.

import { type Frame, frameBytes, frameFromBytes, NO_FRAME } from '../link/frame.ts';
import type { InDevice, PacketType } from './in-device.ts';

export class PacketSocket {
  readonly device: InDevice;
  /** EtherType, or 0 for all */
  readonly protocol: number;
  readonly #onFrame: (bytes: Uint8Array, type: PacketType) => void;

  constructor(device: InDevice, protocol: number, onFrame: (bytes: Uint8Array, type: PacketType) => void) {
    this.device = device;
    this.protocol = protocol;
    this.#onFrame = onFrame;
    device.packetSockets.push(this);
  }

  /** @internal */
  deliver(frame: Frame, protocol: number, type: PacketType): void {
    if (this.protocol === 0 || this.protocol === protocol) this.#onFrame(frameBytes(frame), type);
  }

  /**
   * Sends the bytes as they are, Ethernet header included.
   * @returns false when there was no buffer (ENOBUFS)
   */
  send(bytes: Uint8Array): boolean {
    const frame = frameFromBytes(bytes);
    if (frame === NO_FRAME) return false;
    this.device.dev.transmit(frame);
    return true;
  }

  close(): void {
    const i = this.device.packetSockets.indexOf(this);
    if (i >= 0) this.device.packetSockets.splice(i, 1);
  }
}
