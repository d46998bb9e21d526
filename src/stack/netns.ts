// A network namespace (struct net): devices, addresses, routes, neighbours, sockets and sysctls of one pod, node or
// lab namespace. This file is the namespace's control plane (net/ipv4/devinet.c, fib_frontend.c): what `ip link`,
// `ip addr` and `ip route` do, and what follows when a link goes up or down. The packet path is in the ip-*.ts files.

import { IPV4_BROADCAST, type Ipv4, isMulticastIpv4, isZeronetIpv4, maskIpv4, parseIpv4 } from '../addr/ipv4.ts';
import { assert } from '../base/assert.ts';
import { bridgeOf } from '../link/bridge.ts';
import { DeviceEvent, DeviceKind, type NetDevice } from '../link/device.ts';
import { type Frame, freeFrame } from '../link/frame.ts';
import { createLoopback } from '../link/loopback.ts';
import type { HookChain } from '../netfilter/hook.ts';
import type { Netfilter } from '../netfilter/netfilter.ts';
import type { Ns } from '../sim/sim.ts';
import { announceAddresses, arpSolicit } from './arp.ts';
import { Fib, type NextHop, RouteType, Scope, Table } from './fib.ts';
import { IcmpRateLimit } from './icmp-rate-limit.ts';
import { linkFailure } from './icmp-send.ts';
import { ALL_SNOOPERS, Igmp } from './igmp.ts';
import { InDevice, type InetAddress } from './in-device.ts';
import { IpIdentification } from './ip-identification.ts';
import { Reassembly } from './ip-reassembly.ts';
import type { Machine } from './machine.ts';
import type { Neighbour } from './neighbour.ts';
import { NeighbourTable } from './neighbour-table.ts';
import { attachBridge } from './netfilter-host.ts';
import { DstKind, type PathException, RouteCache } from './route-cache.ts';
import { InputRouter } from './route-input.ts';
import { SNMP_NAMES } from './snmp.ts';
import { SocketTable } from './socket-table.ts';
import { Sysctl } from './sysctl.ts';
import { TcpTable } from './tcp/tcp-table.ts';
import type { World } from './world.ts';

export class NetNamespace {
  readonly machine: Machine;
  readonly world: World;
  /** How captures and reports name it: the pod's, node's or lab namespace's name. */
  readonly label: string;
  readonly sysctl = new Sysctl();
  readonly fib = new Fib();
  readonly neighbours: NeighbourTable;
  readonly routes: RouteCache;
  readonly inputRouter = new InputRouter();
  readonly icmpLimit: IcmpRateLimit;
  readonly reassembly: Reassembly;
  readonly ipId: IpIdentification;
  readonly sockets: SocketTable;
  readonly tcp: TcpTable;
  readonly igmp = new Igmp();
  /** Learnt path MTUs and redirects, by destination (`ip route show cache`). */
  readonly pathExceptions = new Map<Ipv4, PathException>();
  /** Netfilter's way in; null while there are no rules. */
  hooks: HookChain | null = null;
  /**
   * How long a packet that came in takes from PRE_ROUTING on; others are handled meanwhile, as on other CPUs, so that two of
   * one flow can both be unconfirmed. 0: nobody is ever between the two.
   */
  packetTime: Ns = 0;
  /** What stands behind the hooks, when it is podwire's own (netfilter-host.ts netfilterOf makes it). */
  netfilter: Netfilter | null = null;
  /** The tunnel packet on its way out that the bug nat-tunnel-udp-checksum is about; 0: none. */
  partialFrame: Frame = 0;
  /** Requests that wait to be answered by proxy. */
  proxyQueue = 0;
  readonly loopback: InDevice;
  /** Packet counters under their /proc/net/snmp names. */
  readonly snmp = new Float64Array(SNMP_NAMES.length);
  readonly #inDevices = new Map<NetDevice, InDevice>();
  readonly #held = new Set<Frame>();
  #nextIndex = 1;

  constructor(machine: Machine, label: string) {
    this.machine = machine;
    this.world = machine.world;
    this.label = label;
    this.neighbours = new NeighbourTable(this);
    this.routes = new RouteCache(this);
    this.icmpLimit = new IcmpRateLimit(this);
    this.reassembly = new Reassembly(this);
    this.ipId = new IpIdentification(this);
    this.sockets = new SocketTable(this);
    this.tcp = new TcpTable(this);
    this.sysctl.onChange = (name) => {
      this.fib.touch();
      this.netfilter?.sysctlChanged(name);
    };
    this.loopback = this.addDevice(createLoopback(this.world, label));
  }

  // -- devices ---------------------------------------------------------------------------------------------------

  /** Devices in the order of their index. */
  devices(): NetDevice[] {
    return [...this.#inDevices.keys()].sort((a, b) => a.index - b.index);
  }

  inDevices(): InDevice[] {
    return this.devices().map((d) => this.#inDevices.get(d)!);
  }

  device(name: string): NetDevice | null {
    for (const dev of this.#inDevices.keys()) if (dev.name === name) return dev;
    return null;
  }

  deviceByIndex(index: number): NetDevice | null {
    for (const dev of this.#inDevices.keys()) if (dev.index === index) return dev;
    return null;
  }

  /** The IPv4 side of a device of this namespace. */
  inDevice(dev: NetDevice): InDevice {
    const idev = this.#inDevices.get(dev);
    assert(idev !== undefined, `${dev.label} is not in namespace ${this.label}`);
    return idev;
  }

  /** Takes a device in, down and without addresses; it keeps its index when that is free here. */
  addDevice(dev: NetDevice): InDevice {
    assert(this.device(dev.name) === null, `namespace ${this.label} has no two devices ${dev.name}`);
    if (dev.index === 0 || this.deviceByIndex(dev.index) !== null) dev.index = this.#nextIndex;
    this.#nextIndex = Math.max(this.#nextIndex, dev.index + 1);
    dev.owner = this.label;
    const idev = new InDevice(this, dev);
    this.#inDevices.set(dev, idev);
    if (dev.master === null) dev.setUpper(idev);
    if (this.netfilter !== null) attachBridge(this, dev);
    dev.listen(this.#onDevice);
    if (dev.up) this.#linkUp(idev);
    return idev;
  }

  /** Lets a device go (to another namespace, or for good): addresses, routes and neighbours of it vanish. */
  releaseDevice(dev: NetDevice): void {
    const idev = this.inDevice(dev);
    if (dev.up) dev.setUp(false);
    for (const ifa of [...idev.addresses]) this.removeAddress(idev, ifa);
    this.#removeRoutes((nexthop) => nexthop.out === idev);
    this.neighbours.flushDevice(idev, false);
    for (const socket of [...idev.packetSockets]) socket.close();
    this.igmp.forget(idev);
    dev.unlisten(this.#onDevice);
    this.#inDevices.delete(dev);
    this.sysctl.forget(dev.name);
    this.fib.touch();
  }

  renameDevice(dev: NetDevice, name: string): void {
    const idev = this.inDevice(dev);
    this.sysctl.rename(dev.name, name);
    dev.name = name;
    idev.conf = this.sysctl.conf(name);
    idev.neigh = this.sysctl.neigh(name);
  }

  readonly #onDevice = (event: DeviceEvent, dev: NetDevice): void => {
    const idev = this.inDevice(dev);
    switch (event) {
      case DeviceEvent.UP:
        this.#linkUp(idev);
        break;
      case DeviceEvent.DOWN:
        if (idev.dev.kind === DeviceKind.BRIDGE) this.igmp.leave(idev, ALL_SNOOPERS);
        this.igmp.down(idev);
        // fib_disable_ip and arp_ifdown: routes through it go, local ones stay.
        this.#removeRoutes((nexthop) => nexthop.out === idev && nexthop.scope !== Scope.NOWHERE);
        this.neighbours.flushDevice(idev, false);
        this.fib.touch();
        this.netfilter?.deviceDown(dev.index);
        break;
      case DeviceEvent.CARRIER:
        if (!dev.carrier && idev.arpEvictNoCarrier) this.neighbours.flushDevice(idev, true);
        this.fib.touch();
        break;
      case DeviceEvent.ADDRESS:
        this.neighbours.flushDevice(idev, true);
        if (dev.up && idev.arpNotify) announceAddresses(idev);
        break;
      case DeviceEvent.MTU:
        this.fib.touch();
        break;
      case DeviceEvent.UNREGISTER:
        this.releaseDevice(dev);
        break;
    }
  };

  /** inetdev_event NETDEV_UP: connected and broadcast routes of every address, loopback's own address, announcements. */
  #linkUp(idev: InDevice): void {
    if (idev.dev.kind === DeviceKind.LOOPBACK && idev.addresses.length === 0) {
      this.addAddress(idev, { local: parseIpv4('127.0.0.1')!, length: 8, scope: Scope.HOST });
    }
    for (const ifa of idev.addresses) this.#addAddressRoutes(idev, ifa);
    this.fib.touch();
    if (idev.arpNotify) announceAddresses(idev);
    // br_multicast_join_snoopers
    if (bridgeOf(idev.dev)?.mcastSnooping === true) this.igmp.join(idev, ALL_SNOOPERS);
  }

  // -- addresses -------------------------------------------------------------------------------------------------

  /**
   * Adds an address (inet_insert_ifa).
   * @returns the address, or null when the device already has it (EEXIST)
   */
  addAddress(
    idev: InDevice,
    spec: {
      readonly local: Ipv4;
      readonly length: number;
      readonly peer?: Ipv4;
      readonly broadcast?: Ipv4;
      readonly scope?: number;
      readonly label?: string;
      readonly noPrefixRoute?: boolean;
    },
  ): InetAddress | null {
    const peer = spec.peer ?? spec.local;
    const mask = maskIpv4(spec.length);
    const same = (a: InetAddress): boolean => a.length === spec.length && ((a.peer ^ peer) & mask) === 0;
    if (idev.addresses.some((a) => same(a) && a.local === spec.local)) return null;
    const ifa: InetAddress = {
      local: spec.local,
      peer,
      length: spec.length,
      broadcast: spec.broadcast ?? 0,
      scope: spec.scope ?? Scope.GLOBAL,
      label: spec.label ?? idev.dev.name,
      secondary: idev.addresses.some(same),
      noPrefixRoute: spec.noPrefixRoute ?? false,
    };
    if (ifa.secondary) idev.addresses.push(ifa);
    else {
      // inet_insert_ifa: behind the last primary whose scope is no wider than its own.
      let i = 0;
      idev.addresses.forEach((a, at) => {
        if (!a.secondary && ifa.scope <= a.scope) i = at + 1;
      });
      idev.addresses.splice(i, 0, ifa);
    }
    this.#addAddressRoutes(idev, ifa);
    this.fib.touch();
    return ifa;
  }

  /** Removes an address and what hangs on it: its secondaries (or their promotion), its routes (inet_del_ifa). */
  removeAddress(idev: InDevice, ifa: InetAddress): void {
    const mask = maskIpv4(ifa.length);
    const same = (a: InetAddress): boolean => ((a.peer ^ ifa.peer) & mask) === 0;
    const dependants = ifa.secondary
      ? []
      : idev.addresses.filter((a) => a !== ifa && a.secondary && a.length === ifa.length && same(a));
    const gone = [ifa, ...(idev.promotesSecondaries ? [] : dependants)];
    idev.addresses = idev.addresses.filter((a) => !gone.includes(a));
    for (const a of gone) {
      this.#removeAddressRoutes(idev, a);
      this.netfilter?.addressRemoved(idev.dev.index, a.local);
    }
    if (idev.promotesSecondaries && dependants.length > 0) {
      const heir = dependants[0]!;
      const at = idev.addresses.indexOf(heir);
      idev.addresses[at] = { ...heir, secondary: false };
      // The others' local routes named the old primary as their source: made anew.
      for (const a of idev.addresses) if (a.length === ifa.length && same(a)) this.#addAddressRoutes(idev, a);
    }
    this.fib.touch();
  }

  /** fib_add_ifaddr: the local route always, the others while the device is up. */
  #addAddressRoutes(idev: InDevice, ifa: InetAddress): void {
    const { local, length, peer } = ifa;
    // fib_add_ifaddr: a secondary's routes prefer the primary of its subnet.
    const primary = ifa.secondary
      ? idev.addresses.find((a) => !a.secondary && a.length === length && ((a.peer ^ peer) & maskIpv4(length)) === 0)
      : ifa;
    const add = (table: number, type: RouteType, destination: Ipv4, plen: number): void => {
      const isLocal = type === RouteType.LOCAL;
      if (
        this.fib
          .table(table)
          .at(destination, plen)
          .some((r) => r.nexthop.out === idev && r.type === type && r.protocol === 'kernel')
      ) {
        return;
      }
      this.fib.insert(table, {
        destination,
        length: plen,
        type,
        scope: isLocal ? Scope.HOST : Scope.LINK,
        protocol: 'kernel',
        metric: 0,
        tos: 0,
        prefsrc: primary?.local ?? local,
        nexthop: { gateway: 0, out: idev, onlink: false, scope: isLocal ? Scope.NOWHERE : Scope.HOST },
        mtu: 0,
        mtuLocked: false,
      });
    };
    add(Table.LOCAL, RouteType.LOCAL, local, 32);
    if (!idev.dev.up) return;
    if (ifa.broadcast !== 0 && ifa.broadcast !== -1) add(Table.LOCAL, RouteType.BROADCAST, ifa.broadcast, 32);
    const prefix = peer & maskIpv4(length);
    if (ifa.secondary || (prefix === local && length === 32)) return;
    const onLoopback = idev.dev.kind === DeviceKind.LOOPBACK;
    if (!ifa.noPrefixRoute) {
      if (onLoopback) add(Table.LOCAL, RouteType.LOCAL, prefix, length);
      else add(Table.MAIN, RouteType.UNICAST, prefix, length);
    }
    if (length < 31) add(Table.LOCAL, RouteType.BROADCAST, prefix | ~maskIpv4(length), 32);
  }

  /** fib_del_ifaddr: kernel routes that no remaining address of the device needs, and routes that prefer the address. */
  #removeAddressRoutes(idev: InDevice, ifa: InetAddress): void {
    const needed = (destination: Ipv4, length: number): boolean =>
      idev.addresses.some((a) => {
        const prefix = a.peer & maskIpv4(a.length);
        return (
          (length === 32 &&
            (a.local === destination ||
              a.broadcast === destination ||
              (prefix | ~maskIpv4(a.length)) === destination)) ||
          (prefix === destination && a.length === length && !a.secondary)
        );
      });
    const stillLocal = this.inDevices().some((d) => d.addresses.some((a) => a.local === ifa.local));
    for (const table of this.fib.tables()) {
      for (const route of table.routes()) {
        const own = route.nexthop.out === idev && route.protocol === 'kernel';
        const covers =
          (route.length === 32 && route.destination === ifa.local && route.type === RouteType.LOCAL) ||
          (route.prefsrc === ifa.local && own);
        if (own && covers && !needed(route.destination, route.length)) this.fib.remove(route);
        else if (!stillLocal && route.prefsrc === ifa.local) this.fib.remove(route);
      }
    }
  }

  #removeRoutes(which: (nexthop: NextHop) => boolean): void {
    for (const table of this.fib.tables()) {
      for (const route of table.routes()) if (which(route.nexthop)) this.fib.remove(route);
    }
  }

  /** inet_addr_type: what the local table says of an address; UNICAST when it is nobody's here. */
  addressType(a: Ipv4): DstKind {
    if (a === IPV4_BROADCAST || isZeronetIpv4(a)) return DstKind.BROADCAST;
    const route = this.fib.local.lookup(a);
    if (route === null || route.type === RouteType.UNICAST) {
      return isMulticastIpv4(a) ? DstKind.MULTICAST : DstKind.UNICAST;
    }
    if (route.type === RouteType.LOCAL) return DstKind.LOCAL;
    return route.type === RouteType.BROADCAST ? DstKind.BROADCAST : DstKind.UNICAST;
  }

  /** True when the address is one of this namespace's own. */
  isLocal(a: Ipv4): boolean {
    return this.addressType(a) === DstKind.LOCAL;
  }

  /** inet_select_addr: a source for talking to `target` through `out`; from another device when it has none. */
  selectAddress(out: InDevice, target: Ipv4, scope: number): Ipv4 {
    const own = out.ownAddress(target, scope);
    if (own !== 0) return own;
    for (const idev of this.inDevices()) {
      for (const ifa of idev.addresses) {
        if (!ifa.secondary && ifa.scope !== Scope.LINK && ifa.scope <= scope) return ifa.local;
      }
    }
    return 0;
  }

  // -- hooks of the packet path ------------------------------------------------------------------------------------

  /** neigh_ops.solicit */
  solicit(n: Neighbour, waiting: Frame, unicast: boolean): void {
    arpSolicit(n, waiting, unicast);
  }

  /** arp_error_report: a packet whose neighbour did not answer. */
  linkFailure(frame: Frame, out: InDevice): void {
    linkFailure(this, frame, out);
  }

  /** Keeps a frame for `delay`, then hands it to `then`; the end of the namespace frees it. */
  hold(frame: Frame, delay: Ns, then: (frame: Frame) => void): void {
    this.#held.add(frame);
    this.world.sim.after(delay, () => {
      // Not held any more: the namespace went meanwhile, and the frame with it.
      if (this.#held.delete(frame)) then(frame);
    });
  }

  /** The namespace goes: its virtual devices with it. */
  dispose(): void {
    this.sockets.dispose();
    this.tcp.dispose();
    this.netfilter?.dispose();
    for (const dev of this.devices()) {
      if (dev.kind !== DeviceKind.LOOPBACK) dev.notify(DeviceEvent.UNREGISTER);
    }
    this.neighbours.dispose();
    this.reassembly.dispose();
    for (const frame of this.#held) freeFrame(frame);
    this.#held.clear();
  }
}
