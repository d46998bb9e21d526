// sendraw: puts Ethernet frames on a device exactly as given, 20 ms apart (AF_PACKET, SOCK_RAW).

import { formatMac } from '../addr/mac.ts';
import { NS_PER_MS, type Ns } from '../sim/sim.ts';
import { PacketSocket } from '../stack/packet-socket.ts';
import { ETH_HEADER, ETH_TYPE, EtherType, readMac, VLAN_TAG } from '../wire/ethernet.ts';
import { Program, type ProgramHost } from './program.ts';
import { osErrorTraceback, traceback } from './python-text.ts';

/** Between two frames. */
const GAP: Ns = 20 * NS_PER_MS;
/** EtherType that no socket asks for: the socket only sends. */
const NO_PROTOCOL = -1;

export class SendRaw extends Program {
  readonly #device: string;
  readonly #frames: readonly string[];
  #socket: PacketSocket | null = null;

  /** @param frames hexadecimal digits; colons and spaces are left out */
  constructor(host: ProgramHost, device: string, frames: readonly string[]) {
    super(host);
    this.#device = device;
    this.#frames = frames;
  }

  protected begin(): void {
    const dev = this.host.netns.device(this.#device);
    if (dev === null) {
      this.#fail(traceback('OSError: [Errno 19] No such device'));
      return;
    }
    this.#socket = new PacketSocket(this.host.netns.inDevice(dev), NO_PROTOCOL, () => {});
    this.#step(0);
  }

  protected release(): void {
    this.#socket?.close();
  }

  #fail(text: string): void {
    this.host.err(text);
    this.exit(1);
  }

  #step(i: number): void {
    const text = this.#frames[i];
    if (text === undefined) {
      this.exit(0);
      return;
    }
    const digits = text.replace(/[: ]/g, '');
    const wrong = /[^0-9a-fA-F]/.exec(digits);
    if (wrong !== null || digits.length % 2 !== 0) {
      const at = wrong?.index ?? digits.length;
      this.#fail(traceback(`ValueError: non-hexadecimal number found in fromhex() arg at position ${at}`));
      return;
    }
    const bytes = Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
    const refusal = this.#refusal(bytes);
    if (refusal !== null) {
      this.#fail(refusal);
      return;
    }
    if (!this.#socket!.send(bytes)) {
      this.#fail(osErrorTraceback('ENOBUFS'));
      return;
    }
    const view = new DataView(bytes.buffer);
    this.host.out(`sent ${bytes.length} bytes dst ${formatMac(readMac(view, 0))} src ${formatMac(readMac(view, 6))}\n`);
    this.after(GAP, () => this.#step(i + 1));
  }

  /** packet_snd(): the device must be up, the header whole, the rest within the MTU. */
  #refusal(bytes: Uint8Array): string | null {
    const dev = this.#socket!.device.dev;
    if (!dev.up) return traceback('OSError: [Errno 100] Network is down');
    if (bytes.length < ETH_HEADER) return osErrorTraceback('EINVAL');
    // A tagged frame may be longer than the MTU by its tag (packet_extra_vlan_len_allowed).
    const type = new DataView(bytes.buffer).getUint16(ETH_TYPE);
    const extra = type === EtherType.VLAN ? VLAN_TAG : 0;
    return bytes.length > dev.mtu + ETH_HEADER + extra ? osErrorTraceback('EMSGSIZE') : null;
  }
}
