// A node as kube-proxy's own tests think of it: 192.168.0.2 with a second address 192.168.1.2, pods of 10.0.0.0/8 on a device
// of their own, everybody else behind eth0. A flow is a real packet, put on the wire in front of the node (or made by the node
// itself); what becomes of it is read from the bytes of whatever leaves.

import type { NetDevice } from '../../src/link/device.ts';
import { allocFrame, type Frame, frameStart, u8 } from '../../src/link/frame.ts';
import type { InDevice } from '../../src/stack/in-device.ts';
import { ipLocalOut } from '../../src/stack/ip-output.ts';
import { Nud, UPDATE_ADMIN, UPDATE_OVERRIDE } from '../../src/stack/neighbour.ts';
import type { NetNamespace } from '../../src/stack/netns.ts';
import { ip, mac, Net } from '../stack/net.ts';

export type FlowProtocol = 'TCP' | 'UDP' | 'SCTP';

/** What became of one packet. */
export type Fate =
  /** rewritten to this destination, with another source or not */
  | { readonly kind: 'sent'; readonly to: string; readonly masqueraded: boolean }
  /** its sender heard port-unreachable */
  | { readonly kind: 'REJECT' }
  | { readonly kind: 'DROP' }
  /** it went on as it was, or was delivered here as it was */
  | { readonly kind: 'untouched' };

const NODE = '02:00:00:00:00:01';
const OUTSIDE = '02:00:00:00:00:02';
const NODE_PODS = '02:00:00:00:00:03';
const PODS = '02:00:00:00:00:04';
const PROTOCOLS: Readonly<Record<FlowProtocol, number>> = { TCP: 6, UDP: 17, SCTP: 132 };
const ICMP = 1;
const CLIENT_PORT = 40_000;

export class FlowNode {
  readonly net = new Net();
  readonly netns: NetNamespace;
  readonly #outside: NetDevice;
  readonly #pods: NetDevice;
  #port = CLIENT_PORT;

  constructor() {
    const { net } = this;
    this.netns = net.host('node', {
      'net.ipv4.ip_forward': '1',
      'net.ipv4.conf.all.send_redirects': '0',
      'net.ipv4.conf.default.send_redirects': '0',
      // Every refusal is heard, however many there are.
      'net.ipv4.icmp_ratelimit': '0',
    });
    const outside = net.host('outside');
    const pods = net.host('pods');
    const [eth0, far] = net.cable(
      { netns: this.netns, address: '192.168.0.2/24', mac: NODE },
      { netns: outside, mac: OUTSIDE },
    );
    net.address(eth0, '192.168.1.2/24');
    const [cni, pod] = net.cable(
      { netns: this.netns, name: 'pods', address: '10.0.0.1/16', mac: NODE_PODS },
      { netns: pods, mac: PODS },
    );
    net.route(this.netns, '0.0.0.0/0', { gateway: '192.168.0.1', dev: eth0 });
    net.route(this.netns, '10.180.0.0/24', { gateway: '10.0.0.254', dev: cni });
    // The far ends answer for everybody: neighbours are settled beforehand, and nothing else is on the wire.
    settle(this.netns, eth0, '192.168.0.1', OUTSIDE);
    for (const address of ['10.0.0.254', '10.0.0.2']) settle(this.netns, cni, address, PODS);
    this.#outside = far.dev;
    this.#pods = pod.dev;
    this.net.run(0.1);
  }

  /** Sends one packet of a new flow and tells what became of it. */
  send(source: string, destination: string, port: number, protocol: FlowProtocol): Fate {
    const before = this.net.frames.length;
    const drops = this.net.drops.length;
    const clientPort = ++this.#port;
    const packet = build(source, destination, clientPort, port, protocol);
    if (this.netns.isLocal(ip(source))) this.#sendHere(packet, destination);
    else {
      const fromPods = source.startsWith('10.');
      const dev = fromPods ? this.#pods : this.#outside;
      const frame = allocFrame(14 + packet.length);
      const at = frameStart[frame]!;
      u8.set(bytesOf(fromPods ? NODE_PODS : NODE), at);
      u8.set(bytesOf(fromPods ? PODS : OUTSIDE), at + 6);
      u8.set([8, 0], at + 12);
      u8.set(packet, at + 14);
      dev.transmit(frame);
    }
    this.net.run(0.01);
    const out = this.net.frames.slice(before).filter((f) => f.direction === 'out' && f.dev.startsWith('node/'));
    return judge(
      out.map((f) => f.bytes),
      { source, destination, clientPort, port, protocol, dropped: this.net.drops.slice(drops).map((d) => d.reason) },
    );
  }

  #sendHere(packet: Uint8Array, destination: string): void {
    const frame: Frame = allocFrame(packet.length);
    u8.set(packet, frameStart[frame]!);
    ipLocalOut(this.netns, frame, this.netns.routes.lookup(ip(destination)), false);
  }

  close(): number {
    return this.net.close();
  }
}

function settle(netns: NetNamespace, out: InDevice, address: string, lladdr: string): void {
  netns.neighbours.create(out, ip(address))!.update(mac(lladdr), Nud.PERMANENT, UPDATE_OVERRIDE | UPDATE_ADMIN);
}

function judge(
  out: readonly Uint8Array[],
  flow: {
    source: string;
    destination: string;
    clientPort: number;
    port: number;
    protocol: FlowProtocol;
    dropped: readonly string[];
  },
): Fate {
  const number = PROTOCOLS[flow.protocol];
  const address = (b: Uint8Array, at: number): string => [...b.slice(at, at + 4)].join('.');
  for (const b of out) {
    const at = 14 + (b[14]! & 15) * 4;
    if (b[23] === ICMP && b[at] === 3 && b[at + 1] === 3 && address(b, 30) === flow.source) return { kind: 'REJECT' };
    if (b[23] !== number) continue;
    const to = address(b, 30);
    const port = b[at + 2]! * 256 + b[at + 3]!;
    // A reset from a port where nobody listens: the packet was delivered here.
    if (to === flow.source && address(b, 26) === flow.destination) return { kind: 'untouched' };
    // MASQUERADE --random-fully draws a port, even when the address is the one it was.
    const masqueraded = address(b, 26) !== flow.source || b[at]! * 256 + b[at + 1]! !== flow.clientPort;
    if (to === flow.destination && port === flow.port && !masqueraded) return { kind: 'untouched' };
    return { kind: 'sent', to: `${to}:${port}`, masqueraded };
  }
  return flow.dropped.includes('NETFILTER_DROP') ? { kind: 'DROP' } : { kind: 'untouched' };
}

function bytesOf(text: string): number[] {
  return text.split(':').map((x) => Number.parseInt(x, 16));
}

/** The first packet of a flow: a SYN, an empty datagram, or an SCTP INIT (RFC 9260 s3.3.2). Checksums are right. */
function build(source: string, destination: string, sport: number, dport: number, protocol: FlowProtocol): Uint8Array {
  const l4 = { TCP: tcpSyn, UDP: udpEmpty, SCTP: sctpInit }[protocol](sport, dport);
  const b = new Uint8Array(20 + l4.length);
  const view = new DataView(b.buffer);
  b[0] = 0x45;
  view.setUint16(2, b.length);
  b[8] = 64;
  b[9] = PROTOCOLS[protocol];
  view.setInt32(12, ip(source));
  view.setInt32(16, ip(destination));
  view.setUint16(10, fold(sum(b, 0, 20)));
  b.set(l4, 20);
  if (protocol !== 'SCTP') {
    const pseudo = sum(b, 12, 20) + PROTOCOLS[protocol] + l4.length;
    view.setUint16(20 + (protocol === 'TCP' ? 16 : 6), fold(pseudo + sum(b, 20, b.length)));
  } else view.setUint32(20 + 8, crc32c(b.subarray(20)), true);
  return b;
}

function tcpSyn(sport: number, dport: number): Uint8Array {
  const b = new Uint8Array(20);
  const view = new DataView(b.buffer);
  view.setUint16(0, sport);
  view.setUint16(2, dport);
  view.setUint32(4, 1000);
  b[12] = 0x50;
  b[13] = 2;
  view.setUint16(14, 64_240);
  return b;
}

function udpEmpty(sport: number, dport: number): Uint8Array {
  const b = new Uint8Array(8);
  const view = new DataView(b.buffer);
  view.setUint16(0, sport);
  view.setUint16(2, dport);
  view.setUint16(4, 8);
  return b;
}

function sctpInit(sport: number, dport: number): Uint8Array {
  const b = new Uint8Array(12 + 20);
  const view = new DataView(b.buffer);
  view.setUint16(0, sport);
  view.setUint16(2, dport);
  // The verification tag of an INIT is 0 (s8.5.1); its chunk: type 1, 20 bytes.
  b[12] = 1;
  view.setUint16(14, 20);
  view.setUint32(16, 0x1234_5678);
  view.setUint32(20, 65_536);
  view.setUint16(24, 1);
  view.setUint16(26, 1);
  view.setUint32(28, 1);
  return b;
}

function sum(b: Uint8Array, from: number, to: number): number {
  let total = 0;
  for (let i = from; i < to; i += 2) total += b[i]! * 256 + (b[i + 1] ?? 0);
  return total;
}

function fold(total: number): number {
  return ~(total % 65_535 || (total > 0 ? 65_535 : 0)) & 0xffff;
}

/** Castagnoli, reflected (RFC 9260 appendix A). */
function crc32c(b: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (const byte of b) {
    crc ^= byte;
    for (let k = 0; k < 8; k++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f6_3b78 : 0);
  }
  return ~crc >>> 0;
}
