// udpecho: sends every datagram back to where it came from, from one unconnected socket.

import type { Ipv4 } from '../addr/ipv4.ts';
import { UdpSocket } from '../stack/udp-socket.ts';
import { Program, type ProgramHost, SEND_INTERVAL, WAKE_LATENCY } from './program.ts';
import { osErrorText, osErrorTraceback } from './python-text.ts';
import { ownSocket } from './socket-owner.ts';

export class UdpEcho extends Program {
  readonly #socket: UdpSocket;
  readonly #port: number;
  readonly #address: Ipv4;
  #busy = false;

  constructor(host: ProgramHost, port: number, address: Ipv4) {
    super(host);
    this.#socket = ownSocket(host, new UdpSocket(host.netns));
    this.#port = port;
    this.#address = address;
  }

  protected begin(): void {
    const errno = this.#socket.bind(this.#address, this.#port);
    if (errno !== null) {
      this.host.err(osErrorTraceback(errno));
      this.exit(1);
      return;
    }
    this.#socket.onReady = () => {
      if (this.#busy) return;
      this.#busy = true;
      this.after(WAKE_LATENCY, () => this.#serve());
    };
  }

  protected release(): void {
    this.#socket.close();
  }

  #serve(): void {
    const datagram = this.#socket.recv();
    if (datagram === null) {
      this.#busy = false;
      return;
    }
    const errno = this.#socket.sendTo(datagram.payload, datagram.source, datagram.sourcePort);
    if (errno !== null) this.host.out(`udpecho ${osErrorText(errno)}\n`);
    this.after(SEND_INTERVAL, () => this.#serve());
  }
}
