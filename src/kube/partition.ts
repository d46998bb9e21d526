// A partition of the underlay: nodes in different groups do not hear each other, though every cable has carrier. It stands
// at the switch's ports, where frames leave towards a node, and goes by the source MAC, which on this network is the
// eth0 of the node that sent the frame.

import { DropReason } from '../base/drop-reason.ts';
import { MISSING, PairTable } from '../base/int-table.ts';
import { insertBelow, removeBelow } from '../link/cable.ts';
import type { NetDevice, Transmitter, WrappingTransmitter } from '../link/device.ts';
import { type Frame, frameStart, view } from '../link/frame.ts';
import { ETH_SOURCE } from '../wire/ethernet.ts';

class Wall implements WrappingTransmitter {
  inner: Transmitter;
  /** MACs of the other groups */
  readonly #foreign: PairTable;

  constructor(inner: Transmitter, foreign: PairTable) {
    this.inner = inner;
    this.#foreign = foreign;
  }

  transmit(frame: Frame, dev: NetDevice): void {
    const at = frameStart[frame]! + ETH_SOURCE;
    const known = this.#foreign.get(view.getUint16(at), view.getInt32(at + 2));
    if (known === MISSING) this.inner.transmit(frame, dev);
    else dev.end(frame, DropReason.LINK_PARTITION);
  }
}

export interface PartitionMember {
  /** the node's end of its cable */
  readonly eth0: NetDevice;
  /** the switch's end */
  readonly port: NetDevice;
}

export class Partition {
  readonly #walls: { readonly port: NetDevice; readonly wall: WrappingTransmitter }[] = [];

  /** Separates the groups from now on; nodes in none of them hear everybody. */
  constructor(groups: readonly (readonly PartitionMember[])[]) {
    for (const group of groups) {
      const foreign = new PairTable();
      for (const other of groups) {
        if (other === group) continue;
        for (const { eth0 } of other) foreign.set(eth0.macHi, eth0.macLo, 1);
      }
      for (const { port } of group) {
        this.#walls.push({ port, wall: insertBelow(port, (inner) => new Wall(inner, foreign)) });
      }
    }
  }

  heal(): void {
    for (const { port, wall } of this.#walls) removeBelow(port, wall);
    this.#walls.length = 0;
  }
}
