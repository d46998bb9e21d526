// The VXLAN device (drivers/net/vxlan/vxlan_core.c; RFC 7348): its transmit is a UDP send of its namespace, its receive
// is a UDP port of it.
//
//   transmit:  | inner Ethernet frame |  ->  | outer IPv4 | UDP | VXLAN | inner Ethernet frame |   prepended in place
//   receive:   the same backwards: frameStart moves right
//
// As Linux and unlike RFC 7348's advice: source port from the ephemeral range, UDP checksum on by default, outer TTL the
// namespace's default, DSCP not copied (tos 0), ECN per RFC 6040.
//
// Here: its settings, its FDB by hand, up and down. Frames: vxlan-transmit.ts, vxlan-receive.ts; the port: vxlan-port.ts.

import { type Ipv4, isMulticastIpv4 } from '../addr/ipv4.ts';
import { MAC_ZERO, type Mac } from '../addr/mac.ts';
import { DeviceEvent, DeviceKind, NetDevice, type Transmitter } from '../link/device.ts';
import type { Frame } from '../link/frame.ts';
import { KernelTimer } from '../sim/jiffies.ts';
import { NS_PER_S, type Ns } from '../sim/sim.ts';
import type { Errno } from '../stack/errno.ts';
import type { InDevice } from '../stack/in-device.ts';
import type { NetNamespace } from '../stack/netns.ts';
import { VXLAN_FLAG_VNI, VXLAN_OVERHEAD, VXLAN_PORT_LINUX } from '../wire/vxlan.ts';
import { newRemote, VxlanFdb, type VxlanRemote } from './vxlan-fdb.ts';
import { closeVxlanPort, openVxlanPort } from './vxlan-port.ts';
import { vxlanTransmit } from './vxlan-transmit.ts';

/** FDB_AGE_INTERVAL */
const CLEANUP: Ns = 10 * NS_PER_S;

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
      this.fdb.create(MAC_ZERO, 'permanent', newRemote(this.remote, 0, -1, this.link?.index ?? 0), this.#now);
    }
  }

  get #now(): Ns {
    return this.netns.world.sim.now;
  }

  /** The lower device, while it is in this namespace: it may have been moved or deleted before this one. */
  get linkHere(): InDevice | null {
    const { link, netns } = this;
    return link !== null && netns.deviceByIndex(link.index) === link ? netns.inDevice(link) : null;
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
    const fresh = newRemote(remote.ip, remote.port ?? 0, remote.vni ?? -1, remote.ifindex ?? 0);
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
    if (!openVxlanPort(this)) return;
    if (this.ageing !== 0) this.#cleanup.arm(CLEANUP);
    const link = this.linkHere;
    if (isMulticastIpv4(this.remote) && link !== null) this.netns.igmp.join(link, this.remote);
  }

  #stop(): void {
    if (!closeVxlanPort(this)) return;
    this.#cleanup.cancel();
    const link = this.linkHere;
    if (isMulticastIpv4(this.remote) && link !== null) this.netns.igmp.leave(link, this.remote);
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

  /** ndo_start_xmit: a frame of this device's stack or bridge; ownership passes. */
  transmit(frame: Frame, _dev: NetDevice): void {
    vxlanTransmit(this, frame);
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
