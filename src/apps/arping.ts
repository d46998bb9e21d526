// arping (iputils 20221126): ARP requests or announcements from a packet socket, unicast once somebody has answered.
// Its event loop waits on timer file descriptors (high-resolution timers), so intervals are exact.

import { formatIpv4, type Ipv4 } from '../addr/ipv4.ts';
import { formatMac, MAC_BROADCAST, type Mac } from '../addr/mac.ts';
import { DeviceKind } from '../link/device.ts';
import { NS_PER_S, type Ns } from '../sim/sim.ts';
import { type InDevice, PacketType } from '../stack/in-device.ts';
import { PacketSocket } from '../stack/packet-socket.ts';
import { DstKind } from '../stack/route-cache.ts';
import {
  ARP_HARDWARE,
  ARP_LENGTH,
  ARP_OPERATION,
  ARP_SENDER_IP,
  ARP_SENDER_MAC,
  ARP_TARGET_IP,
  ARP_TARGET_MAC,
  ArpHardware,
  ArpOperation,
  checkArp,
  writeArp,
} from '../wire/arp.ts';
import { ETH_HEADER, EtherType, readMac, writeEthernet } from '../wire/ethernet.ts';
import { Program, type ProgramHost, WAKE_LATENCY } from './program.ts';

export interface ArpingOptions {
  readonly target: Ipv4;
  /** null: the device of the route */
  readonly device: string | null;
  /** -s; 0: by route */
  readonly source: Ipv4;
  /** 0: no end */
  readonly count: number;
  /** -w: seconds; 0: none */
  readonly deadlineS: number;
  readonly intervalS: number;
  readonly quiet: boolean;
  /** -f */
  readonly quitOnReply: boolean;
  /** -b */
  readonly broadcastOnly: boolean;
  /** -D */
  readonly duplicateDetection: boolean;
  /** -U and -A */
  readonly unsolicited: boolean;
  /** -A: replies instead of requests */
  readonly answer: boolean;
}

interface Received {
  readonly bytes: Uint8Array;
  readonly type: PacketType;
}

export class Arping extends Program {
  readonly #o: ArpingOptions;
  #socket: PacketSocket | null = null;
  #idev: InDevice | null = null;
  #source: Ipv4 = 0;
  /** whom the requests go to */
  #to: Mac = MAC_BROADCAST;
  #sent = 0;
  #broadcasts = 0;
  #received = 0;
  #receivedBroadcasts = 0;
  #receivedRequests = 0;
  #lastSent: Ns = -1;
  #ticks = 1;

  constructor(host: ProgramHost, options: ArpingOptions) {
    super(host);
    this.#o = options;
  }

  protected begin(): void {
    const refusal = this.#configure();
    if (refusal !== null) {
      this.host.err(refusal);
      this.exit(2);
      return;
    }
    const o = this.#o;
    const idev = this.#idev!;
    this.#socket = new PacketSocket(idev, EtherType.ARP, (bytes, type) => {
      // The program reads it when it has woken up; the socket would keep it until then.
      this.after(WAKE_LATENCY, () => this.#receive({ bytes, type }));
    });
    if (!o.quiet) {
      this.host.out(`ARPING ${formatIpv4(o.target)} from ${formatIpv4(this.#source)} ${idev.dev.name}\n`);
    }
    // A request that is due with the deadline still goes out.
    if (o.deadlineS > 0) this.after(o.deadlineS * NS_PER_S + WAKE_LATENCY, () => this.#finish());
    this.after(o.intervalS * NS_PER_S, () => this.#tick());
    this.#send();
  }

  /** Device and source address, as main() finds them. */
  #configure(): string | null {
    const { netns } = this.host;
    const o = this.#o;
    const source = o.source !== 0 ? o.source : o.unsolicited ? o.target : 0;
    if (o.device !== null) {
      const dev = netns.device(o.device);
      if (dev === null) return `arping: Device ${o.device} not available.\n`;
      if (!dev.up) return `Interface "${o.device}" is down\n`;
      if (dev.kind === DeviceKind.LOOPBACK) return `Interface "${o.device}" is not ARPable\n`;
      this.#idev = netns.inDevice(dev);
    } else {
      this.#idev = netns.routes.lookup(o.target).out;
      if (this.#idev === null || this.#idev.dev.kind === DeviceKind.LOOPBACK) {
        return 'arping: Suitable device could not be determined. Please, use option -I.\n';
      }
    }
    if (source !== 0 && !netns.isLocal(source)) return 'arping: bind: Cannot assign requested address\n';
    if (o.duplicateDetection) {
      this.#source = source;
    } else if (source !== 0) {
      this.#source = source;
    } else {
      const dst = netns.routes.through(o.target, this.#idev);
      this.#source = dst.kind === DstKind.UNICAST ? dst.source : netns.selectAddress(this.#idev, o.target, 253);
      if (this.#source === 0) return 'arping: no source address in not-DAD mode\n';
    }
    return null;
  }

  protected release(): void {
    this.#socket?.close();
  }

  protected override onInterrupt(): boolean {
    this.#finish();
    return true;
  }

  #tick(): void {
    this.#ticks++;
    if (this.#o.count > 0 && this.#o.count < this.#ticks) {
      this.#finish();
      return;
    }
    this.after(this.#o.intervalS * NS_PER_S, () => this.#tick());
    this.#send();
  }

  #send(): void {
    const { target, answer } = this.#o;
    const dev = this.#idev!.dev;
    const bytes = new Uint8Array(ETH_HEADER + ARP_LENGTH);
    const view = new DataView(bytes.buffer);
    writeEthernet(view, 0, this.#to, dev.mac, EtherType.ARP);
    writeArp(view, ETH_HEADER, {
      operation: answer ? ArpOperation.REPLY : ArpOperation.REQUEST,
      senderMac: dev.mac,
      senderIp: this.#source,
      targetMac: answer ? dev.mac : this.#to,
      targetIp: target,
    });
    if (!this.#socket!.send(bytes)) return;
    this.#lastSent = this.host.sim.now;
    this.#sent++;
    if (this.#to === MAC_BROADCAST) this.#broadcasts++;
  }

  #receive({ bytes, type }: Received): void {
    if (type === PacketType.OTHERHOST) return;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const at = ETH_HEADER;
    if (!checkArp(view, at, bytes.length) || view.getUint16(at + ARP_HARDWARE) !== ArpHardware.ETHERNET) return;
    const operation = view.getUint16(at + ARP_OPERATION);
    if (operation !== ArpOperation.REQUEST && operation !== ArpOperation.REPLY) return;
    const sender = readMac(view, at + ARP_SENDER_MAC);
    const senderIp = view.getInt32(at + ARP_SENDER_IP);
    const targetMac = readMac(view, at + ARP_TARGET_MAC);
    const targetIp = view.getInt32(at + ARP_TARGET_IP);
    const o = this.#o;
    const own = this.#idev!.dev.mac;
    if (senderIp !== o.target) return;
    if (o.duplicateDetection) {
      if (sender === own) return;
      if (this.#source !== 0 && this.#source !== targetIp) return;
    } else if (this.#source !== targetIp || targetMac !== own) return;
    if (!o.quiet) this.#print(operation, type, sender, senderIp, targetMac, targetIp);
    this.#received++;
    if (type !== PacketType.HOST) this.#receivedBroadcasts++;
    if (operation === ArpOperation.REQUEST) this.#receivedRequests++;
    if (o.quitOnReply || o.duplicateDetection || (o.deadlineS > 0 && o.count > 0 && this.#received >= o.count)) {
      this.#finish();
      return;
    }
    if (!o.broadcastOnly) this.#to = sender;
  }

  #print(operation: number, type: PacketType, sender: Mac, senderIp: Ipv4, targetMac: Mac, targetIp: Ipv4): void {
    const how = type === PacketType.HOST ? 'Unicast' : 'Broadcast';
    const what = operation === ArpOperation.REPLY ? 'reply' : 'request';
    let line = `${how} ${what} from ${formatIpv4(senderIp)} [${formatMac(sender).toUpperCase()}] `;
    const forOther = targetIp !== this.#source;
    if (forOther) line += `for ${formatIpv4(targetIp)} `;
    if (targetMac !== this.#idev!.dev.mac) {
      line += `${forOther ? '' : 'for '}[${formatMac(targetMac).toUpperCase()}]`;
    }
    const us = Math.floor((this.host.sim.now - this.#lastSent) / 1000);
    this.host.out(`${line} ${Math.floor(us / 1000)}.${String(us % 1000).padStart(3, '0')}ms\n`);
  }

  #finish(): void {
    const o = this.#o;
    if (!o.quiet) {
      const kinds: string[] = [];
      if (this.#receivedRequests > 0) kinds.push(`${this.#receivedRequests} request(s)`);
      if (this.#receivedBroadcasts > 0) kinds.push(`${this.#receivedBroadcasts} broadcast(s)`);
      const detail = kinds.length > 0 ? ` (${kinds.join(', ')})` : '';
      this.host.out(
        `Sent ${this.#sent} probes (${this.#broadcasts} broadcast(s))\nReceived ${this.#received} response(s)${detail}\n`,
      );
    }
    if (o.duplicateDetection) this.exit(this.#received > 0 ? 1 : 0);
    else this.exit(o.unsolicited || this.#received > 0 ? 0 : 1);
  }
}
