// The virtual services of a namespace and what is ordered about them (net/netfilter/ipvs/ip_vs_ctl.c): found by protocol,
// address and port, or by firewall mark.

import type { Ipv4 } from '../../addr/ipv4.ts';
import type { Ns } from '../../sim/sim.ts';
import { IpProtocol } from '../../wire/ipv4.ts';
import { createIpvsScheduler, type IpvsSchedulerName } from './scheduler.ts';
import { IpvsDestination, IpvsService, IpvsStats } from './service.ts';

/** Why an order could not be carried out, in errno's words. */
export type IpvsError = 'EEXIST' | 'ENOENT' | 'EINVAL' | 'ESRCH';

export interface IpvsServiceSpec {
  /** IPPROTO_TCP or IPPROTO_UDP; 0 with a firewall mark */
  readonly protocol: number;
  readonly address: Ipv4;
  readonly port: number;
  readonly fwmark?: number;
  readonly scheduler?: IpvsSchedulerName;
  /** ns, 0: not persistent */
  readonly persistence?: Ns;
  readonly persistenceMask?: Ipv4;
  readonly onePacket?: boolean;
}

export interface IpvsDestinationSpec {
  readonly address: Ipv4;
  readonly port: number;
  readonly weight?: number;
  readonly upper?: number;
  readonly lower?: number;
}

export class IpvsServiceTable {
  readonly totals = new IpvsStats();
  /** In the order in which they were added; found through #index. */
  readonly #services: IpvsService[] = [];
  /** (protocol, port) to the services on it, by address */
  readonly #index = new Map<number, Map<Ipv4, IpvsService>>();
  readonly #marks = new Map<number, IpvsService>();

  services(): readonly IpvsService[] {
    return this.#services;
  }

  findService(protocol: number, address: Ipv4, port: number, fwmark = 0): IpvsService | null {
    if (fwmark !== 0) return this.#marks.get(fwmark) ?? null;
    return this.#index.get((protocol << 16) | port)?.get(address) ?? null;
  }

  /** ip_vs_add_service */
  addService(spec: IpvsServiceSpec): IpvsError | null {
    const fwmark = spec.fwmark ?? 0;
    if (this.findService(spec.protocol, spec.address, spec.port, fwmark) !== null) return 'EEXIST';
    // Port 0, every port, means something only where clients persist.
    if (fwmark === 0 && spec.port === 0 && (spec.persistence ?? 0) === 0) return 'EINVAL';
    if (spec.onePacket === true && spec.protocol !== IpProtocol.UDP && fwmark === 0) return 'EINVAL';
    const scheduler = createIpvsScheduler(spec.scheduler ?? 'wlc');
    const service = new IpvsService(spec.protocol, spec.address, spec.port, fwmark, scheduler);
    this.#services.push(service);
    if (fwmark !== 0) this.#marks.set(fwmark, service);
    else {
      const key = (spec.protocol << 16) | spec.port;
      const on = this.#index.get(key);
      if (on === undefined) this.#index.set(key, new Map([[spec.address, service]]));
      else on.set(spec.address, service);
    }
    this.#configure(service, spec);
    return null;
  }

  /** ip_vs_edit_service */
  editService(spec: IpvsServiceSpec): IpvsError | null {
    const service = this.findService(spec.protocol, spec.address, spec.port, spec.fwmark ?? 0);
    if (service === null) return 'ESRCH';
    const wanted = spec.scheduler ?? 'wlc';
    if (wanted !== service.scheduler.name) {
      service.scheduler = createIpvsScheduler(wanted);
      service.scheduler.changed(service);
    }
    this.#configure(service, spec);
    return null;
  }

  #configure(service: IpvsService, spec: IpvsServiceSpec): void {
    service.persistence = spec.persistence ?? 0;
    service.persistenceMask = spec.persistenceMask ?? -1;
    service.onePacket = spec.onePacket ?? false;
  }

  deleteService(protocol: number, address: Ipv4, port: number, fwmark = 0): IpvsError | null {
    const service = this.findService(protocol, address, port, fwmark);
    if (service === null) return 'ESRCH';
    for (const dest of [...service.destinations]) this.#unlink(service, dest);
    this.#services.splice(this.#services.indexOf(service), 1);
    if (fwmark !== 0) this.#marks.delete(fwmark);
    else {
      const on = this.#index.get((protocol << 16) | port)!;
      on.delete(address);
      if (on.size === 0) this.#index.delete((protocol << 16) | port);
    }
    return null;
  }

  /** ip_vs_add_dest; the newest stands first. */
  addDestination(service: IpvsService, spec: IpvsDestinationSpec): IpvsError | null {
    if (service.find(spec.address, spec.port) !== null) return 'EEXIST';
    const dest = new IpvsDestination(service, spec.address, spec.port, spec.weight ?? 1);
    dest.upper = spec.upper ?? 0;
    dest.lower = spec.lower ?? 0;
    service.destinations.unshift(dest);
    service.scheduler.changed(service);
    return null;
  }

  editDestination(service: IpvsService, spec: IpvsDestinationSpec): IpvsError | null {
    const dest = service.find(spec.address, spec.port);
    if (dest === null) return 'ENOENT';
    dest.weight = spec.weight ?? 1;
    dest.upper = spec.upper ?? 0;
    dest.lower = spec.lower ?? 0;
    dest.checkThresholds();
    service.scheduler.changed(service);
    return null;
  }

  /** ip_vs_del_dest: its connections stay, what becomes of them expire_nodest_conn says. */
  deleteDestination(service: IpvsService, address: Ipv4, port: number): IpvsError | null {
    const dest = service.find(address, port);
    if (dest === null) return 'ENOENT';
    this.#unlink(service, dest);
    return null;
  }

  #unlink(service: IpvsService, dest: IpvsDestination): void {
    service.scheduler.leaving?.(service, dest);
    service.destinations.splice(service.destinations.indexOf(dest), 1);
    dest.available = false;
    service.scheduler.changed(service);
  }

  /** `ipvsadm -C` */
  flush(): void {
    for (const s of [...this.#services]) this.deleteService(s.protocol, s.address, s.port, s.fwmark);
  }

  zero(service: IpvsService | null): void {
    for (const s of service === null ? this.#services : [service]) {
      s.stats.zero();
      for (const dest of s.destinations) dest.stats.zero();
    }
    if (service === null) this.totals.zero();
  }

  /** ip_vs_service_find: by mark, by address and port, by address alone. */
  serviceFor(mark: number, protocol: number, address: Ipv4, port: number): IpvsService | null {
    if (mark !== 0 && this.#marks.size > 0) {
      const marked = this.#marks.get(mark);
      if (marked !== undefined) return marked;
    }
    return this.findService(protocol, address, port) ?? this.findService(protocol, address, 0);
  }
}
