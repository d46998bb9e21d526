// The VXLAN device (drivers/net/vxlan/vxlan_core.c; RFC 7348): its transmit is a UDP send of its namespace, its receive
// is a UDP port of it.
//
//   transmit:  | inner Ethernet frame |  ->  | outer IPv4 | UDP | VXLAN | inner Ethernet frame |   prepended in place
//   receive:   the same backwards: frameStart moves right
//
// As Linux and unlike RFC 7348's advice: source port from the ephemeral range, UDP checksum on by default, outer TTL the
// namespace's default, DSCP not copied (tos 0), ECN per RFC 6040.

import { formatIpv4, type Ipv4, isMulticastIpv4 } from '../addr/ipv4.ts';
import { formatMac, MAC_ZERO, type Mac, macOf } from '../addr/mac.ts';
import { DropReason } from '../base/drop-reason.ts';
import { IntTable, MISSING } from '../base/int-table.ts';
import { DeviceEvent, DeviceKind, NetDevice, type Transmitter } from '../link/device.ts';
import * as frames from '../link/frame.ts';
import { cloneFrame, type Frame, headroom, sumArena } from '../link/frame.ts';
import { KernelTimer } from '../sim/jiffies.ts';
import { NS_PER_S, type Ns } from '../sim/sim.ts';
import type { Errno } from '../stack/errno.ts';
import type { InDevice } from '../stack/in-device.ts';
import { endPacket, ipLocalOut } from '../stack/ip-output.ts';
import type { NetNamespace } from '../stack/netns.ts';
import { updatePathMtu } from '../stack/path-mtu.ts';
import { DstKind } from '../stack/route-cache.ts';
import { PORT_HIGH, PORT_LOW } from '../stack/socket-table.ts';
import { UdpSocket } from '../stack/udp-socket.ts';
import { finishUdp, pseudoSum, update16 } from '../wire/checksum.ts';
import * as ethernet from '../wire/ethernet.ts';
import * as ipv4 from '../wire/ipv4.ts';
import { checkIpv4, writeIpv4Header } from '../wire/ipv4.ts';
import * as udpHeader from '../wire/udp.ts';
import { writeUdp } from '../wire/udp.ts';
import * as vxlanHeader from '../wire/vxlan.ts';
import { checkVxlan, vxlanVni, writeVxlan } from '../wire/vxlan.ts';
import { flowHash, flowSourcePort } from './flow-hash.ts';
import { VxlanFdb, type VxlanRemote } from './vxlan-fdb.ts';

// Constants of this module: V8 folds those into the packet path, imported bindings it does not (link/frame.ts).
const { frameDepth, frameEnd, frameHash, frameStart, NO_FRAME, view } = frames;
const { ETH_HEADER, ETH_SOURCE, ETH_TYPE, EtherType } = ethernet;
const {
  IPV4_CHECKSUM,
  IPV4_DESTINATION,
  IPV4_DF,
  IPV4_FRAGMENT,
  IPV4_HEADER,
  IPV4_SOURCE,
  IPV4_TOS,
  IPV4_TTL,
  IpProtocol,
} = ipv4;
const { UDP_HEADER } = udpHeader;
const { VXLAN_FLAG_VNI, VXLAN_HEADER, VXLAN_OVERHEAD, VXLAN_PORT_LINUX, VXLAN_VNI } = vxlanHeader;

/** Bytes in front of the inner frame: IPv4, UDP, VXLAN. */
const OUTER = IPV4_HEADER + UDP_HEADER + VXLAN_HEADER;
/** FDB_AGE_INTERVAL */
const CLEANUP: Ns = 10 * NS_PER_S;
/** Tunnel layers taken off one frame within a host; Linux has no such limit on receipt, ours keeps a hostile frame finite. */
const LAYERS_MAX = 4;
/** Learnt addresses when `maxaddress` is not given; a choice (Linux: no limit). */
const ADDRESSES_MAX = 65_536;
/** ECN field (RFC 3168): ECT(0) is 2, congestion experienced is 3. */
const ECN_MASK = 3;
const ECN_ECT0 = 2;
const ECN_CE = 3;

export interface VxlanOptions {
  readonly name: string;
  readonly mac: Mac;
  /** 0: the link's MTU less 50, or 1500 without a link */
  readonly mtu?: number;
  readonly vni: number;
  /** outer source; 0: by route */
  readonly local?: Ipv4;
  /** the lower device (`dev`), or null */
  readonly link?: NetDevice | null;
  readonly port?: number;
  readonly learning?: boolean;
  /** 0: the namespace's default; 'inherit': the inner packet's */
  readonly ttl?: number | 'inherit';
  /** outer TOS; 1 copies the inner one (`tos inherit`) */
  readonly tos?: number;
  readonly df?: 'unset' | 'set' | 'inherit';
  /** seconds; 0: never */
  readonly ageing?: number;
  readonly udpChecksum?: boolean;
  /** `srcport LOW HIGH`; 0 0: the ephemeral range */
  readonly sourcePortLow?: number;
  readonly sourcePortHigh?: number;
  /** default remote or group: an all-zeros entry */
  readonly remote?: Ipv4;
  readonly maxAddresses?: number;
  /** Header bits that must be zero on receipt (`reserved_bits`): of the flags word and of the VNI word. */
  readonly reservedFlags?: number;
  readonly reservedVni?: number;
}

/** A UDP port that VXLAN devices of a namespace share (struct vxlan_sock): its VNIs. */
class VxlanPort {
  readonly socket: UdpSocket;
  readonly #index = new IntTable();
  readonly #devices: Vxlan[] = [];

  constructor(netns: NetNamespace) {
    this.socket = new UdpSocket(netns);
    this.socket.encapsulation = (idev, frame, at) => this.input(idev, frame, at);
  }

  get empty(): boolean {
    return this.#index.size === 0;
  }

  add(vxlan: Vxlan): void {
    this.#devices.push(vxlan);
    this.#index.set(vxlan.vni, this.#devices.length - 1);
  }

  remove(vxlan: Vxlan): void {
    const left = this.#devices.filter((d) => d !== vxlan);
    this.#index.clear();
    this.#devices.length = 0;
    for (const d of left) this.add(d);
  }

  has(vni: number): boolean {
    return this.#index.get(vni) !== MISSING;
  }

  /** vxlan_rcv: the datagram from `at` (its UDP header) to the frame's end. */
  input(idev: InDevice, frame: Frame, at: number): void {
    const header = at + UDP_HEADER;
    if (!checkVxlan(view, header, frameEnd[frame]!)) {
      idev.dev.end(frame, DropReason.VXLAN_INVALID_HDR);
      return;
    }
    const i = this.#index.get(vxlanVni(view, header));
    if (i === MISSING) {
      if (idev.dev.host.observer.wantsNotes) {
        idev.dev.host.observer.note(frame, `no VXLAN device here has VNI ${vxlanVni(view, header)}`);
      }
      idev.dev.end(frame, DropReason.VXLAN_VNI_NOT_FOUND);
      return;
    }
    const vxlan = this.#devices[i]!;
    if (
      (view.getInt32(header) & vxlan.reservedFlags) !== 0 ||
      (view.getInt32(header + VXLAN_VNI) & vxlan.reservedVni) !== 0
    ) {
      idev.dev.end(frame, DropReason.VXLAN_INVALID_HDR);
      return;
    }
    vxlan.decapsulate(frame, header + VXLAN_HEADER);
  }
}

const PORTS = new WeakMap<NetNamespace, Map<number, VxlanPort>>();

export class Vxlan implements Transmitter {
  readonly netns: NetNamespace;
  readonly dev: NetDevice;
  readonly fdb = new VxlanFdb();
  readonly vni: number;
  readonly port: number;
  readonly local: Ipv4;
  readonly link: NetDevice | null;
  learning: boolean;
  readonly ttl: number | 'inherit';
  readonly tos: number;
  readonly df: 'unset' | 'set' | 'inherit';
  ageing: number;
  readonly udpChecksum: boolean;
  readonly sourcePortLow: number;
  readonly sourcePortHigh: number;
  readonly remote: Ipv4;
  readonly maxAddresses: number;
  readonly reservedFlags: number;
  readonly reservedVni: number;
  readonly #cleanup: KernelTimer;

  constructor(netns: NetNamespace, options: VxlanOptions) {
    this.netns = netns;
    this.vni = options.vni;
    this.port = options.port ?? VXLAN_PORT_LINUX;
    this.local = options.local ?? 0;
    this.link = options.link ?? null;
    this.learning = options.learning ?? true;
    this.ttl = options.ttl ?? 0;
    this.tos = options.tos ?? 0;
    this.df = options.df ?? 'unset';
    this.ageing = options.ageing ?? 300;
    this.udpChecksum = options.udpChecksum ?? true;
    this.sourcePortLow = options.sourcePortLow ?? 0;
    this.sourcePortHigh = options.sourcePortHigh ?? 0;
    this.remote = options.remote ?? 0;
    this.maxAddresses = options.maxAddresses ?? 0;
    // RFC 7348 section 5 says "ignored"; Linux treats what it does not know as malformed (measured on 6.18).
    this.reservedFlags = (options.reservedFlags ?? ~(VXLAN_FLAG_VNI << 24)) | 0;
    this.reservedVni = (options.reservedVni ?? 0xff) | 0;
    const mtu = options.mtu ?? 0;
    this.dev = new NetDevice(netns.world, {
      name: options.name,
      kind: DeviceKind.VXLAN,
      mac: options.mac,
      mtu: mtu !== 0 ? mtu : this.link !== null ? this.link.mtu - VXLAN_OVERHEAD : 1500,
      owner: netns.label,
    });
    this.dev.setLower(this);
    this.dev.setCarrier(true);
    this.#cleanup = new KernelTimer(netns.world.sim, () => this.#age());
    this.dev.listen((event) => {
      if (event === DeviceEvent.UP) this.#open();
      else if (event === DeviceEvent.DOWN) this.#stop();
      else if (event === DeviceEvent.UNREGISTER) this.#stop();
    });
    if (this.remote !== 0) {
      this.fdb.create(MAC_ZERO, 'permanent', this.#newRemote(this.remote, 0, -1, this.link?.index ?? 0), this.#now);
    }
  }

  get #now(): Ns {
    return this.netns.world.sim.now;
  }

  #newRemote(ip: Ipv4, port: number, vni: number, ifindex: number): VxlanRemote {
    return { ip, port, vni, ifindex, dst: null };
  }

  // -- the FDB by hand ---------------------------------------------------------------------------------------------

  /**
   * `bridge fdb add|append|replace MAC dev X dst IP` (vxlan_fdb_add).
   * @returns null, or the errno word of the refusal
   */
  setEntry(
    mode: 'add' | 'append' | 'replace',
    mac: Mac,
    state: 'permanent' | 'static' | 'reachable',
    remote: { readonly ip: Ipv4; readonly port?: number; readonly vni?: number; readonly ifindex?: number },
  ): Errno | 'EEXIST' | null {
    const known = this.fdb.lookup(mac);
    const fresh = this.#newRemote(remote.ip, remote.port ?? 0, remote.vni ?? -1, remote.ifindex ?? 0);
    if (known === null) {
      this.fdb.create(mac, state, fresh, this.#now);
      return null;
    }
    if (mode === 'add') return 'EEXIST';
    const same = (r: VxlanRemote): boolean => r.ip === fresh.ip && r.port === fresh.port && r.vni === fresh.vni;
    if (mode === 'append') {
      // Only the all-zeros and group MACs hold several remotes.
      const several = mac === MAC_ZERO || Math.floor(mac / 2 ** 40) % 2 === 1;
      if (several && !known.remotes.some(same)) known.remotes.push(fresh);
    } else {
      known.remotes.length = 0;
      known.remotes.push(fresh);
    }
    known.state = state;
    known.updated = this.#now;
    return null;
  }

  /** `bridge fdb del MAC dev X [dst IP]`: false when there is no such entry. */
  deleteEntry(mac: Mac, ip: Ipv4 | null): boolean {
    const entry = this.fdb.lookup(mac);
    if (entry === null) return false;
    if (ip !== null) {
      const i = entry.remotes.findIndex((r) => r.ip === ip);
      if (i < 0) return false;
      if (entry.remotes.length > 1) {
        entry.remotes.splice(i, 1);
        return true;
      }
    }
    this.fdb.remove(entry);
    return true;
  }

  // -- up and down -------------------------------------------------------------------------------------------------

  #open(): void {
    let ports = PORTS.get(this.netns);
    if (ports === undefined) {
      ports = new Map();
      PORTS.set(this.netns, ports);
    }
    let port = ports.get(this.port);
    if (port === undefined) {
      port = new VxlanPort(this.netns);
      // A port that a program holds already leaves the device deaf, as a failed bind in vxlan_sock_add would fail `up`.
      if (port.socket.bind(0, this.port) !== null) return;
      ports.set(this.port, port);
    }
    port.add(this);
    if (this.ageing !== 0) this.#cleanup.arm(CLEANUP);
    if (isMulticastIpv4(this.remote) && this.link !== null) {
      this.netns.igmp.join(this.netns.inDevice(this.link), this.remote);
    }
  }

  #stop(): void {
    const port = PORTS.get(this.netns)?.get(this.port);
    if (port === undefined || !port.has(this.vni)) return;
    port.remove(this);
    if (port.empty) {
      port.socket.close();
      PORTS.get(this.netns)!.delete(this.port);
    }
    this.#cleanup.cancel();
    if (isMulticastIpv4(this.remote) && this.link !== null) {
      this.netns.igmp.leave(this.netns.inDevice(this.link), this.remote);
    }
    // vxlan_flush: what was learnt goes, what was set stays.
    for (const entry of this.fdb.entries()) if (entry.state === 'reachable') this.fdb.remove(entry);
  }

  /** vxlan_cleanup: what nothing has come from for `ageing` goes; the next run is when the next entry is due. */
  #age(): void {
    const now = this.#now;
    let next = now + CLEANUP;
    for (const entry of this.fdb.entries()) {
      if (entry.state !== 'reachable') continue;
      const due = entry.updated + this.ageing * NS_PER_S;
      if (due <= now) this.fdb.remove(entry);
      else if (due < next) next = due;
    }
    this.#cleanup.arm(next - now);
  }

  // -- transmit ----------------------------------------------------------------------------------------------------

  /** vxlan_xmit: to the VTEP that has the destination, or to everyone on the all-zeros list. */
  transmit(frame: Frame, dev: NetDevice): void {
    const at = frameStart[frame]!;
    let entry = this.fdb.find(view.getUint16(at), view.getInt32(at + 2));
    if (entry === null) entry = this.fdb.find(0, 0);
    if (entry === null) {
      if (dev.host.observer.wantsNotes) {
        const mac = formatMac(macOf(view.getUint16(at), view.getInt32(at + 2)));
        dev.host.observer.note(frame, `${dev.label}: no FDB entry for ${mac} and no default remote`);
      }
      dev.end(frame, DropReason.VXLAN_NO_REMOTE);
      return;
    }
    entry.used = this.#now;
    const remotes = entry.remotes;
    for (let i = 1; i < remotes.length; i++) {
      const copy = cloneFrame(frame);
      if (copy !== NO_FRAME) this.#encapsulate(copy, remotes[i]!);
    }
    this.#encapsulate(frame, remotes[0]!);
  }

  /** vxlan_xmit_one */
  #encapsulate(frame: Frame, remote: VxlanRemote): void {
    const netns = this.netns;
    const inner = frameStart[frame]!;
    const end = frameEnd[frame]!;
    let dst = remote.dst;
    if (dst === null || dst.generation !== netns.fib.generation || dst.destination !== remote.ip) {
      dst =
        isMulticastIpv4(remote.ip) && this.link !== null
          ? netns.routes.through(remote.ip, netns.inDevice(this.link))
          : netns.routes.lookup(remote.ip);
      remote.dst = dst;
    }
    const out = dst.out;
    if (
      out === null ||
      (dst.kind !== DstKind.UNICAST && dst.kind !== DstKind.LOCAL && dst.kind !== DstKind.MULTICAST)
    ) {
      this.dev.stats.txDropped++;
      this.dev.end(frame, DropReason.TUNNEL_NO_ROUTE);
      return;
    }
    if (out.dev === this.dev) {
      this.dev.stats.txDropped++;
      this.dev.end(frame, DropReason.TUNNEL_TX_LOOP);
      return;
    }
    if (headroom(frame) < OUTER + ETH_HEADER) {
      this.dev.end(frame, DropReason.VXLAN_RECURSION);
      return;
    }
    const isIp = end - inner >= ETH_HEADER + IPV4_HEADER && view.getUint16(inner + ETH_TYPE) === EtherType.IPV4;
    const innerTos = isIp ? view.getUint8(inner + ETH_HEADER + IPV4_TOS) : 0;
    // INET_ECN_encapsulate: a CE inside becomes ECT(0) outside (RFC 6040 section 4.1, compatibility of Linux).
    const ecn = (innerTos & ECN_MASK) === ECN_CE ? ECN_ECT0 : innerTos & ECN_MASK;
    const tos = ((this.tos === 1 ? innerTos : this.tos) & ~ECN_MASK) | ecn;
    const innerTtl = isIp ? view.getUint8(inner + ETH_HEADER + IPV4_TTL) : 0;
    const wanted = this.ttl === 'inherit' ? innerTtl : this.ttl;
    const ttl = wanted !== 0 ? wanted : isMulticastIpv4(remote.ip) ? 1 : netns.sysctl.ipv4.ip_default_ttl;
    const innerDf = isIp && (view.getUint16(inner + ETH_HEADER + IPV4_FRAGMENT) & IPV4_DF) !== 0;
    const df = this.df === 'set' || (this.df === 'inherit' && innerDf) ? IPV4_DF : 0;
    const room = dst.mtu(netns) - VXLAN_OVERHEAD;
    if (end - inner - ETH_HEADER > room && isIp) {
      // skb_tunnel_check_pmtu: the inner route learns that the way is narrower than its device.
      updatePathMtu(netns, view.getInt32(inner + ETH_HEADER + IPV4_DESTINATION), room);
    }
    const low = this.sourcePortHigh !== 0 ? this.sourcePortLow : PORT_LOW;
    const high = this.sourcePortHigh !== 0 ? this.sourcePortHigh : PORT_HIGH;
    // skb_get_hash: the sending socket's own hash when it has one, else the dissector's.
    const known = frameHash[frame]!;
    const hash = known !== 0 ? known : flowHash(netns.machine.flowSecret, inner, end);
    const sourcePort = flowSourcePort(hash, low, high);
    const ip = inner - OUTER;
    const udp = inner - UDP_HEADER - VXLAN_HEADER;
    frameStart[frame] = ip;
    if (frameDepth[frame]! > 0) frameDepth[frame]!--;
    const source = this.local !== 0 ? this.local : dst.source;
    const length = end - udp;
    writeVxlan(view, inner - VXLAN_HEADER, remote.vni >= 0 ? remote.vni : this.vni);
    writeUdp(view, udp, sourcePort, remote.port !== 0 ? remote.port : this.port, length, 0);
    if (this.udpChecksum) {
      const sum = pseudoSum(source, remote.ip, IpProtocol.UDP, length) + sumArena(udp, end);
      view.setUint16(udp + 6, finishUdp(sum));
    }
    const id = netns.ipId.next(source, remote.ip, IpProtocol.UDP);
    writeIpv4Header(view, ip, tos, end - ip, id, df, ttl, IpProtocol.UDP, source, remote.ip);
    if (source === 0) endPacket(netns, frame, DropReason.TUNNEL_NO_ROUTE, dst);
    else ipLocalOut(netns, frame, dst, false);
  }

  // -- receive -----------------------------------------------------------------------------------------------------

  /** The inner frame begins at `inner`; frameStart is still at the outer IPv4 header. */
  decapsulate(frame: Frame, inner: number): void {
    const { dev } = this;
    const outer = frameStart[frame]!;
    const end = frameEnd[frame]!;
    if (end - inner < ETH_HEADER) {
      dev.end(frame, DropReason.PKT_TOO_SMALL);
      return;
    }
    if (frameDepth[frame]! >= LAYERS_MAX) {
      dev.end(frame, DropReason.VXLAN_RECURSION);
      return;
    }
    const hi = view.getUint16(inner + ETH_SOURCE);
    const lo = view.getInt32(inner + ETH_SOURCE + 2);
    if (hi === dev.macHi && lo === dev.macLo) {
      dev.end(frame, DropReason.MAC_INVALID_SOURCE);
      return;
    }
    if (this.learning) {
      const reason = this.#snoop(frame, hi, lo, view.getInt32(outer + IPV4_SOURCE));
      if (reason !== 0) {
        dev.end(frame, reason);
        return;
      }
    }
    const congested = (view.getUint8(outer + IPV4_TOS) & ECN_MASK) === ECN_CE;
    if (congested && view.getUint16(inner + ETH_TYPE) === EtherType.IPV4) {
      const ip = inner + ETH_HEADER;
      if (checkIpv4(view, ip, end)) {
        const tos = view.getUint8(ip + IPV4_TOS);
        // RFC 6040 section 4.2: congestion outside and no ECN inside is dropped.
        if ((tos & ECN_MASK) === 0) {
          dev.end(frame, DropReason.IP_INHDR);
          return;
        }
        const word = view.getUint16(ip);
        view.setUint16(ip, word | ECN_CE);
        view.setUint16(ip + IPV4_CHECKSUM, update16(view.getUint16(ip + IPV4_CHECKSUM), word, word | ECN_CE));
      }
    }
    frameStart[frame] = inner;
    frameDepth[frame]!++;
    dev.receive(frame);
  }

  /** vxlan_snoop: the source MAC is behind this VTEP. 0 or the reason to drop. */
  #snoop(frame: Frame, hi: number, lo: number, remote: Ipv4): DropReason {
    if ((hi & 0x0100) !== 0 || (hi === 0 && lo === 0)) return DropReason.MAC_INVALID_SOURCE;
    const now = this.#now;
    const entry = this.fdb.find(hi, lo);
    if (entry !== null) {
      const first = entry.remotes[0]!;
      if (first.ip === remote) {
        entry.updated = now;
        return 0;
      }
      if (entry.state !== 'reachable') return DropReason.MAC_INVALID_SOURCE;
      if (this.dev.host.observer.wantsNotes) {
        this.dev.host.observer.note(
          frame,
          `${this.dev.label}: ${formatMac(entry.mac)} moved from VTEP ${formatIpv4(first.ip)} to ${formatIpv4(remote)}`,
        );
      }
      first.ip = remote;
      entry.updated = now;
      return 0;
    }
    const limit = this.maxAddresses !== 0 ? this.maxAddresses : ADDRESSES_MAX;
    if (this.fdb.size >= limit) return 0;
    this.fdb.create(macOf(hi, lo), 'reachable', this.#newRemote(remote, 0, -1, 0), now);
    return 0;
  }
}

/** Makes the device in this namespace, down. */
export function createVxlan(netns: NetNamespace, options: VxlanOptions): Vxlan {
  const vxlan = new Vxlan(netns, options);
  netns.addDevice(vxlan.dev);
  return vxlan;
}

/** The VXLAN behind a device, or null for another kind. */
export function vxlanOf(dev: NetDevice): Vxlan | null {
  let at: Transmitter & { inner?: Transmitter } = dev.lower;
  while (at.inner !== undefined) at = at.inner;
  return at instanceof Vxlan ? at : null;
}
