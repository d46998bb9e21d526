// A namespace for tables that are tested alone: devices eth0 (1), eth1 (2) ..., no stack; what rules ask it to do is kept.

import { Rng } from '../../src/base/rng.ts';
import type { Frame } from '../../src/link/frame.ts';
import { AddressType, type NetfilterHost } from '../../src/netfilter/netfilter-host.ts';
import { Sim } from '../../src/sim/sim.ts';

export class TestHost implements NetfilterHost {
  readonly label = 'test';
  readonly partialFrame = 0;
  readonly sim = new Sim();
  wantsNotes = false;
  readonly notes: string[] = [];
  readonly answers: string[] = [];
  readonly names = new Map<number, string>([
    [1, 'lo'],
    [2, 'eth0'],
    [3, 'eth1'],
    [4, 'cali0123'],
  ]);
  mtu = 1500;
  readonly local = new Set<number>();
  readonly #streams = new Map<string, Rng>();

  rng(purpose: string): Rng {
    let stream = this.#streams.get(purpose);
    if (stream === undefined) {
      stream = new Rng(7, purpose);
      this.#streams.set(purpose, stream);
    }
    return stream;
  }

  deviceName(index: number): string {
    return this.names.get(index) ?? '';
  }

  masterOf(): number {
    return 0;
  }

  addressType(address: number): AddressType {
    if (address === -1) return AddressType.BROADCAST;
    if (address >>> 28 === 0xe) return AddressType.MULTICAST;
    return this.local.has(address) ? AddressType.LOCAL : AddressType.UNICAST;
  }

  sourceAddress(): number {
    return 0x0a000001;
  }

  firstAddress(): number {
    return 0x0a000001;
  }

  sendUnreach(_frame: Frame, code: number): void {
    this.answers.push(`unreachable ${code}`);
  }

  sendReset(): void {
    this.answers.push('reset');
  }

  sendTimeExceeded(): void {}

  sendFragNeeded(): void {}

  mtuTo(): number {
    return this.mtu;
  }

  /** ifindex by address; 0 where none is given */
  readonly routes = new Map<number, number>();

  routeBack(source: number): number {
    return this.routes.get(source) ?? 0;
  }

  localOut(): void {}

  rerouteLocalOut(): number {
    return 0;
  }

  dropConntrack(): void {}

  sysctl(_name: string, otherwise: number): number {
    return otherwise;
  }

  note(_frame: Frame, text: string): void {
    this.notes.push(text);
  }

  after(): void {}
}
