// The Linux bridge (net/bridge): a learning switch whose own device is the host's port into it. STP is off, VLANs are not
// filtered (tags pass, all share one table), nobody queries multicast groups (so groups are flooded).
//
//   stack of the host        dev.receive: frames for the host      dev.transmit: frames of the host
//          |                        ^                                    |
//     NetDevice `dev`  ------------------------------------------------------------  IEEE 802.1D clause 7
//          |            learn source, look up destination -> forward, flood, or up
//     port p3   port p2   port p1          list: newest first, which is the order of flooding
//
// Here: its settings, ports and addresses (br_if.c, br_stp_if.c, br_device.c). Frames: bridge-input.ts, bridge-forward.ts.

import { type Mac, macHi, macLo } from '../addr/mac.ts';
import { MISSING } from '../base/int-table.ts';
import { JIFFY, jiffiesAt, KernelTimer, toJiffies } from '../sim/jiffies.ts';
import { NS_PER_MS, NS_PER_S, type Ns } from '../sim/sim.ts';
import { type FdbAddition, type FdbResult, fdbAdd, fdbDelete, fdbEntries } from './bridge-fdb.ts';
import { bridgeTransmit } from './bridge-input.ts';
import type { BridgeNetfilter } from './bridge-netfilter.ts';
import { BRIDGE_MAX_PORTS, BridgePort, PortState } from './bridge-port.ts';
import { DeviceEvent, DeviceKind, type LinkHost, NetDevice, type Transmitter } from './device.ts';
import { Fdb, type FdbEntry, FdbFlag } from './fdb.ts';
import type { Frame } from './frame.ts';

/** BR_DEFAULT_AGEING_TIME */
const DEFAULT_AGEING_TIME: Ns = 300 * NS_PER_S;
/** br_dev_setup(): 15 s, 2 s, 20 s; they matter to STP only, and are shown. */
const DEFAULT_FORWARD_DELAY: Ns = 15 * NS_PER_S;
const DEFAULT_HELLO_TIME: Ns = 2 * NS_PER_S;
const DEFAULT_MAX_AGE: Ns = 20 * NS_PER_S;
const DEFAULT_PRIORITY = 0x8000;
/** br_stp_enable_bridge(): the first cleanup runs HZ / 10 after the bridge came up. */
const FIRST_CLEANUP: Ns = 100 * NS_PER_MS;
/** br_fdb_cleanup(): cleanups are at least this far apart. */
const CLEANUP_GAP: Ns = 10 * NS_PER_MS;
/** ETH_DATA_LEN: the MTU of a bridge without ports. */
const DEFAULT_MTU = 1500;
/** BR_GROUPFWD_RESTRICTED: groups 00, 01 and 02 cannot be let through. */
const GROUP_FWD_RESTRICTED = 0x0007;
/** Group bit of the high half of a MAC. */
const GROUP_BIT = 0x0100;

export interface BridgeOptions {
  readonly name: string;
  readonly mac: Mac;
  /** True when a person gave the address (NET_ADDR_SET): it stays. Otherwise the lowest port's replaces it. */
  readonly macGiven: boolean;
  readonly mtu: number;
  readonly owner: string;
}

/** Why a device cannot become a port (br_add_if, do_set_master). */
export type EnslaveResult = 'ok' | 'EBUSY' | 'ELOOP' | 'EINVAL' | 'EXFULL';

const bridges = new WeakMap<NetDevice, Bridge>();

/** The bridge that this device belongs to as its own device, or null. */
export function bridgeOf(dev: NetDevice): Bridge | null {
  return bridges.get(dev) ?? null;
}

export class Bridge implements Transmitter {
  readonly dev: NetDevice;
  readonly fdb = new Fdb();
  /** Newest first, as the kernel's port_list. */
  readonly ports: BridgePort[] = [];
  /** @internal by port number; 0, the bridge itself, has none */
  readonly byNumber = new Array<BridgePort | null>(BRIDGE_MAX_PORTS).fill(null);
  /** Who looks at the IPv4 that is switched; null while nobody does. */
  netfilter: BridgeNetfilter | null = null;
  /** Spanning tree is never on here: BR_NO_STP. */
  readonly stpState = 0;
  priority = DEFAULT_PRIORITY;
  forwardDelay: Ns = DEFAULT_FORWARD_DELAY;
  helloTime: Ns = DEFAULT_HELLO_TIME;
  maxAge: Ns = DEFAULT_MAX_AGE;
  #ageingTime: Ns = DEFAULT_AGEING_TIME;
  /** @internal the same in jiffies (hold_time) */
  hold = toJiffies(DEFAULT_AGEING_TIME);
  #groupFwdMask = 0;
  /** Link-local frames teach nothing (IFLA_BR_MULTI_BOOLOPT no_linklocal_learn). */
  noLinkLocalLearn = false;
  /** Without a querier snooping changes nothing; the switch is shown. */
  mcastSnooping = true;
  readonly #gc: KernelTimer;
  #macGiven: boolean;
  #mtuGiven = false;
  /** True while the bridge itself sets its MAC or MTU. */
  #adjusting = false;

  constructor(host: LinkHost, options: BridgeOptions) {
    const { name, mac, mtu, owner } = options;
    this.dev = new NetDevice(host, { name, mac, mtu, owner, kind: DeviceKind.BRIDGE });
    this.dev.setLower(this);
    this.#macGiven = options.macGiven;
    this.#gc = new KernelTimer(host.sim, () => this.#cleanup());
    this.#addLocal(mac, 0);
    // A new bridge has carrier; setting its address (br_dev_newlink) makes it look for a forwarding port.
    this.dev.setCarrier(!options.macGiven);
    this.dev.listen((event) => this.#follow(event));
    bridges.set(this.dev, this);
  }

  // -- settings

  get ageingTime(): Ns {
    return this.#ageingTime;
  }

  /** br_set_ageing_time(): 0 means that nothing is learned; a cleanup runs at once. */
  setAgeingTime(time: Ns): void {
    this.#ageingTime = time;
    this.hold = toJiffies(time);
    if (this.dev.up) this.#cleanup();
  }

  get groupFwdMask(): number {
    return this.#groupFwdMask;
  }

  /** Bit n lets 01:80:c2:00:00:0n through. False (EINVAL) for the bits that are not allowed. */
  setGroupFwdMask(mask: number): boolean {
    if (mask & GROUP_FWD_RESTRICTED || mask < 0 || mask > 0xffff) return false;
    this.#groupFwdMask = mask;
    return true;
  }

  /** Time until the next cleanup of the FDB, 0 when none is due (gc_timer of `ip -d link`). */
  get gcTimer(): Ns {
    return this.#gc.armed ? this.#gc.expires - this.#now() * JIFFY : 0;
  }

  // -- ports

  /** True for the MAC of the bridge or of one of its ports: a frame for it is the host's. */
  isLocal(hi: number, lo: number): boolean {
    const slot = this.fdb.find(hi, lo);
    return slot !== MISSING && (this.fdb.flags[slot]! & FdbFlag.LOCAL) !== 0;
  }

  port(dev: NetDevice): BridgePort | null {
    return this.ports.find((p) => p.dev === dev) ?? null;
  }

  portByNumber(portNo: number): BridgePort | null {
    return this.byNumber[portNo] ?? null;
  }

  /** br_add_if() */
  addPort(dev: NetDevice): EnslaveResult {
    if (dev.kind === DeviceKind.BRIDGE) return 'ELOOP';
    if (dev.kind === DeviceKind.LOOPBACK || dev.mac === 0 || dev.macHi & GROUP_BIT) return 'EINVAL';
    if (dev.master !== null) return 'EBUSY';
    const portNo = this.byNumber.findIndex((p, i) => i > 0 && p === null);
    if (portNo < 0) return 'EXFULL';
    const port = new BridgePort(this, dev, portNo);
    port.attach();
    this.ports.unshift(port);
    this.byNumber[portNo] = port;
    this.#addLocal(dev.mac, portNo);
    this.#recalculateBridgeId();
    this.checkPort(port);
    // br_add_if() forgets that a person chose the MTU.
    this.#mtuGiven = false;
    this.adjustMtu();
    return 'ok';
  }

  /** br_del_if(); false when the device is no port of this bridge. */
  removePort(dev: NetDevice): boolean {
    const port = this.port(dev);
    if (port === null) return false;
    this.#disable(port);
    this.ports.splice(this.ports.indexOf(port), 1);
    this.#flushPort(port, true);
    this.byNumber[port.portNo] = null;
    port.detach();
    this.adjustMtu();
    this.#recalculateBridgeId();
    return true;
  }

  /** br_set_port_state(): by hand; false (ENETDOWN) for a port that is not up with carrier, unless it is to be disabled. */
  setPortState(port: BridgePort, state: PortState): boolean {
    if (state !== PortState.DISABLED && !(port.dev.up && port.dev.carrier)) return false;
    port.state = state;
    this.#selectState();
    return true;
  }

  /** @internal br_port_carrier_check() and the UP and DOWN notifications: a port works while it is up and has carrier. */
  checkPort(port: BridgePort): void {
    if (this.dev.up && port.dev.up && port.dev.carrier) this.#enable(port);
    else this.#disable(port);
  }

  /** @internal br_fdb_changeaddr(): the port's own entry follows its address. */
  portAddressChanged(port: BridgePort): void {
    this.fdb.forEach((slot) => {
      const flags = this.fdb.flags[slot]!;
      if (this.fdb.port[slot] !== port.portNo) return;
      if (flags & FdbFlag.LOCAL && !(flags & FdbFlag.ADDED_BY_USER)) this.#deleteLocal(slot, port);
    });
    this.#addLocal(port.dev.mac, port.portNo);
    this.#recalculateBridgeId();
  }

  /** @internal br_mtu_auto_adjust(): the smallest MTU of a port, unless a person chose one. */
  adjustMtu(): void {
    if (this.#mtuGiven) return;
    let mtu = this.ports.length === 0 ? DEFAULT_MTU : Number.POSITIVE_INFINITY;
    for (const port of this.ports) mtu = Math.min(mtu, port.dev.mtu);
    if (mtu !== this.dev.mtu) this.#adjust(() => this.dev.setMtu(mtu));
  }

  // -- the forwarding database, as people see and change it

  /** Entries of one port (null: of the bridge itself), newest first, as the kernel dumps them. */
  fdbEntries(port: BridgePort | null): FdbEntry[] {
    return fdbEntries(this, port);
  }

  fdbAdd(addition: FdbAddition): FdbResult {
    return fdbAdd(this, addition);
  }

  fdbDelete(mac: Mac, port: BridgePort | null): FdbResult {
    return fdbDelete(this, mac, port);
  }

  /** br_fdb_flush(): everything that was learned; static entries and the bridge's own stay. */
  flush(): void {
    this.fdb.forEach((slot) => {
      if (!(this.fdb.flags[slot]! & FdbFlag.STATIC)) this.fdb.delete(slot);
    });
  }

  /** Whether an entry has outlived ageing_time and only waits for the cleanup (has_expired). */
  expired(entry: FdbEntry): boolean {
    return entry.state === 'dynamic' && entry.updated + this.hold <= this.#now();
  }

  /** br_dev_xmit(): a frame of the host; ownership passes. */
  transmit(frame: Frame, _dev: NetDevice): void {
    bridgeTransmit(frame, this);
  }

  // -- state of ports and of the bridge

  #now(): number {
    return jiffiesAt(this.dev.host.sim.now);
  }

  /** br_stp_enable_port() */
  #enable(port: BridgePort): void {
    if (port.state !== PortState.DISABLED) return;
    port.state = PortState.BLOCKING;
    this.#selectState();
  }

  /** br_stp_disable_port(): what was learned behind it is forgotten. */
  #disable(port: BridgePort): void {
    if (port.state === PortState.DISABLED) return;
    port.state = PortState.DISABLED;
    port.forwardDelayTimer.cancel();
    this.#flushPort(port, false);
    this.#selectState();
  }

  /**
   * br_port_state_selection(): STP being off, a blocking port forwards at once (br_make_forwarding); the bridge has carrier
   * while a port forwards.
   */
  #selectState(): void {
    let live = false;
    for (const port of this.ports) {
      if (port.state === PortState.BLOCKING) {
        port.state = PortState.FORWARDING;
        if (this.forwardDelay > 0) port.forwardDelayTimer.arm(this.forwardDelay);
      }
      live ||= port.state === PortState.FORWARDING;
    }
    this.dev.setCarrier(live);
  }

  /** br_fdb_delete_by_port(); static entries and the port's own stay unless `all`. */
  #flushPort(port: BridgePort, all: boolean): void {
    this.fdb.forEach((slot) => {
      if (this.fdb.port[slot] !== port.portNo) return;
      const flags = this.fdb.flags[slot]!;
      if (!all && flags & FdbFlag.STATIC) return;
      if (flags & FdbFlag.LOCAL) this.#deleteLocal(slot, port);
      else this.fdb.delete(slot);
    });
  }

  /** fdb_add_local(): several ports may share an address; the first keeps the entry. A learned one gives way. */
  #addLocal(mac: Mac, portNo: number): void {
    if (mac === 0 || macHi(mac) & GROUP_BIT) return;
    const slot = this.fdb.findMac(mac);
    if (slot !== MISSING) {
      if (this.fdb.flags[slot]! & FdbFlag.LOCAL) return;
      this.fdb.delete(slot);
    }
    const flags = FdbFlag.LOCAL | FdbFlag.STATIC;
    this.fdb.create(macHi(mac), macLo(mac), { port: portNo, flags, now: this.#now() });
  }

  /** fdb_delete_local(): another port, or the bridge, that has the same address inherits the entry. */
  #deleteLocal(slot: number, port: BridgePort | null): void {
    const mac = this.fdb.mac(slot);
    const heir = this.ports.find((p) => p !== port && p.dev.mac === mac);
    if (heir !== undefined) this.fdb.port[slot] = heir.portNo;
    else if (port !== null && this.dev.mac === mac) this.fdb.port[slot] = 0;
    else {
      this.fdb.delete(slot);
      return;
    }
    this.fdb.flags[slot] = this.fdb.flags[slot]! & ~FdbFlag.ADDED_BY_USER;
  }

  /** br_stp_recalculate_bridge_id(): the lowest address of a port, zero without ports, unless a person chose one. */
  #recalculateBridgeId(): void {
    if (this.#macGiven) return;
    let mac: Mac = 0;
    for (const port of this.ports) if (mac === 0 || port.dev.mac < mac) mac = port.dev.mac;
    if (mac === this.dev.mac) return;
    this.#adjust(() => this.dev.setMac(mac));
    this.#bridgeIdChanged(mac);
  }

  /** br_stp_change_bridge_id() and br_fdb_change_mac_address(). */
  #bridgeIdChanged(mac: Mac): void {
    this.fdb.forEach((slot) => {
      if (this.fdb.port[slot] !== 0) return;
      const flags = this.fdb.flags[slot]!;
      if (flags & FdbFlag.LOCAL && !(flags & FdbFlag.ADDED_BY_USER)) this.#deleteLocal(slot, null);
    });
    this.#addLocal(mac, 0);
    this.#selectState();
  }

  #adjust(change: () => void): void {
    this.#adjusting = true;
    change();
    this.#adjusting = false;
  }

  #follow(event: DeviceEvent): void {
    if (event === DeviceEvent.UP) {
      for (const port of this.ports) this.checkPort(port);
      this.#gc.arm(FIRST_CLEANUP);
    } else if (event === DeviceEvent.DOWN) {
      for (const port of this.ports) this.#disable(port);
      this.#gc.cancel();
    } else if (event === DeviceEvent.UNREGISTER) {
      this.#gc.cancel();
      for (const port of [...this.ports]) this.removePort(port.dev);
    } else if (this.#adjusting) {
      return;
    } else if (event === DeviceEvent.MTU) {
      this.#mtuGiven = true;
    } else if (event === DeviceEvent.ADDRESS) {
      this.#macGiven = true;
      this.#bridgeIdChanged(this.dev.mac);
    }
  }

  #cleanup(): void {
    const delay = this.fdb.cleanup(this.#now(), this.hold) * JIFFY;
    this.#gc.arm(Math.max(delay, CLEANUP_GAP));
  }
}
