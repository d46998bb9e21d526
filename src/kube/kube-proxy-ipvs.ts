// kube-proxy in ipvs mode (pkg/proxy/ipvs/proxier.go, graceful_termination.go): brings the node's virtual servers, IP sets,
// addresses of kube-ipvs0 and rules to what the plan says. A real server that is gone takes no new connections (weight 0)
// and leaves when its TCP connections have; UDP ones leave at once.

import type { Ipv4 } from '../addr/ipv4.ts';
import { assert } from '../base/assert.ts';
import { DeviceKind, type NetDevice } from '../link/device.ts';
import type { Ipvs } from '../netfilter/ipvs/ipvs.ts';
import { isIpvsScheduler } from '../netfilter/ipvs/scheduler.ts';
import type { IpvsService } from '../netfilter/ipvs/service.ts';
import type { IpTables } from '../netfilter/xtables/ip-tables.ts';
import { NS_PER_S, type Ns } from '../sim/sim.ts';
import { addAddress, dropAddress } from '../stack/address-control.ts';
import { Scope } from '../stack/fib.ts';
import { addDummy, randomMac } from '../stack/link-control.ts';
import type { NetNamespace } from '../stack/netns.ts';
import { IpProtocol } from '../wire/ipv4.ts';
import { ensureChain, ensureRule, restore } from './ensure-rules.ts';
import type { ProxyMode } from './kube-proxy.ts';
import {
  IPVS_DEVICE,
  IPVS_JUMPS,
  type IpSetPlan,
  type IpvsPlan,
  type IpvsProxySettings,
  type IpvsVirtualServer,
  ipvsPlan,
} from './proxy-ipvs.ts';
import type { ProxyPort } from './proxy-state.ts';

/** rsCheckDeleteInterval: so often real servers on their way out are looked at. */
const GRACEFUL_INTERVAL: Ns = 60 * NS_PER_S;
const MTU = 1500;

export interface IpvsModeOptions {
  readonly netns: NetNamespace;
  readonly ipvs: Ipvs;
  readonly tables: IpTables;
  /** makes a set of the node hold these entries */
  readonly writeSet: (set: IpSetPlan) => void;
  /** asked at each sync: addresses of the node may have changed */
  readonly settings: () => IpvsProxySettings;
}

export class IpvsMode implements ProxyMode {
  readonly #options: IpvsModeOptions;
  #draining = false;

  constructor(options: IpvsModeOptions) {
    this.#options = options;
  }

  sync(ports: readonly ProxyPort[], changed: ReadonlySet<string> | null): void {
    const { tables, writeSet, settings } = this.#options;
    const plan = ipvsPlan(ports, settings());
    if (changed === null) {
      for (const [table, from, to, comment] of IPVS_JUMPS) {
        ensureChain(tables, table, to);
        ensureRule(tables, { table, chain: from, at: 'first' }, `-m comment --comment "${comment}" -j ${to}`);
      }
    }
    // Sets first: rules look into them, and packets for a new address need both.
    for (const set of plan.sets) writeSet(set);
    restore(tables, plan.rules);
    this.#addresses(plan.addresses);
    this.#servers(plan);
  }

  #device(): NetDevice {
    const { netns } = this.#options;
    const known = netns.device(IPVS_DEVICE);
    if (known !== null) return known;
    const made = addDummy(netns, { name: IPVS_DEVICE, mac: randomMac(netns.machine), mtu: MTU });
    assert('kind' in made && made.kind === DeviceKind.DUMMY, `${IPVS_DEVICE} cannot be made`);
    return made;
  }

  #addresses(wanted: readonly Ipv4[]): void {
    const idev = this.#options.netns.inDevice(this.#device());
    const keep = new Set(wanted);
    for (const address of [...idev.addresses]) if (!keep.has(address.local)) dropAddress(idev, address);
    const has = new Set(idev.addresses.map((a) => a.local));
    for (const local of wanted) {
      if (has.has(local)) continue;
      const refused = addAddress(idev, {
        local,
        length: 32,
        peer: null,
        broadcast: 0,
        scope: Scope.GLOBAL,
        label: null,
        noPrefixRoute: false,
        replace: true,
      });
      assert(refused === null, 'an address of a Service is taken by its device');
    }
  }

  #servers(plan: IpvsPlan): void {
    const { ipvs } = this.#options;
    const wanted = new Set<IpvsService>();
    for (const server of plan.servers) {
      const protocol = protocolNumber(server);
      // SCTP is not among IPVS's emulated protocols; its packets pass by the rules only.
      if (protocol === 0) continue;
      const scheduler = isIpvsScheduler(server.scheduler) ? server.scheduler : 'rr';
      const persistence = server.persistence * NS_PER_S;
      const spec = { protocol, address: server.address, port: server.port, scheduler, persistence };
      let service = ipvs.findService(protocol, server.address, server.port);
      if (service === null) {
        ipvs.addService(spec);
        service = ipvs.findService(protocol, server.address, server.port)!;
      } else if (service.scheduler.name !== scheduler || service.persistence !== persistence) ipvs.editService(spec);
      wanted.add(service);
      this.#realServers(service, server);
    }
    for (const service of [...ipvs.services()]) {
      if (!wanted.has(service)) ipvs.deleteService(service.protocol, service.address, service.port);
    }
  }

  #realServers(service: IpvsService, server: IpvsVirtualServer): void {
    const { ipvs } = this.#options;
    for (const { address, port } of server.realServers) {
      const known = service.find(address, port);
      if (known === null) ipvs.addDestination(service, { address, port, weight: 1 });
      // It was on its way out, and is back.
      else if (known.weight === 0) ipvs.editDestination(service, { address, port, weight: 1 });
    }
    for (const dest of [...service.destinations]) {
      if (server.realServers.some((r) => r.address === dest.address && r.port === dest.port)) continue;
      if (service.protocol === IpProtocol.UDP || dest.connections === 0) {
        ipvs.deleteDestination(service, dest.address, dest.port);
      } else {
        ipvs.editDestination(service, { address: dest.address, port: dest.port, weight: 0 });
        this.#drain();
      }
    }
  }

  /** tryDeleteRs, once a minute while a real server is on its way out. */
  #drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    const { netns, ipvs } = this.#options;
    netns.world.sim.after(GRACEFUL_INTERVAL, () => {
      this.#draining = false;
      for (const service of ipvs.services()) {
        for (const dest of [...service.destinations]) {
          if (dest.weight !== 0) continue;
          if (dest.connections === 0) ipvs.deleteDestination(service, dest.address, dest.port);
          else this.#drain();
        }
      }
    });
  }
}

function protocolNumber(server: IpvsVirtualServer): number {
  if (server.protocol === 'tcp') return IpProtocol.TCP;
  return server.protocol === 'udp' ? IpProtocol.UDP : 0;
}
