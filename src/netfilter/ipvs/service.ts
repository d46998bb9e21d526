// Virtual services of IPVS and their real servers (net/netfilter/ipvs/ip_vs_ctl.c, include/net/ip_vs.h).

import type { Ipv4 } from '../../addr/ipv4.ts';
import type { Ns } from '../../sim/sim.ts';
import type { IpvsScheduler } from './scheduler.ts';

/** Counters of a service or a destination (struct ip_vs_kstats). */
export class IpvsStats {
  connections = 0;
  inPackets = 0;
  outPackets = 0;
  inBytes = 0;
  outBytes = 0;

  /** A packet of a client (`inward`) or of a real server. */
  count(bytes: number, inward: boolean): void {
    if (inward) {
      this.inPackets++;
      this.inBytes += bytes;
    } else {
      this.outPackets++;
      this.outBytes += bytes;
    }
  }

  zero(): void {
    this.connections = 0;
    this.inPackets = 0;
    this.outPackets = 0;
    this.inBytes = 0;
    this.outBytes = 0;
  }
}

/** A real server (struct ip_vs_dest). */
export class IpvsDestination {
  readonly service: IpvsService;
  readonly address: Ipv4;
  readonly port: number;
  weight: number;
  /** IP_VS_DEST_F_AVAILABLE: still a destination of its service; connections may outlive it */
  available = true;
  /** IP_VS_DEST_F_OVERLOAD: over the upper threshold */
  overloaded = false;
  /** connections above which no new ones come, 0: none; below `lower` they come again */
  upper = 0;
  lower = 0;
  activeConnections = 0;
  inactiveConnections = 0;
  persistentConnections = 0;
  readonly stats = new IpvsStats();

  constructor(service: IpvsService, address: Ipv4, port: number, weight: number) {
    this.service = service;
    this.address = address;
    this.port = port;
    this.weight = weight;
  }

  /** Takes new connections. */
  get usable(): boolean {
    return this.weight > 0 && !this.overloaded;
  }

  /** ip_vs_dest_totalconns */
  get connections(): number {
    return this.activeConnections + this.inactiveConnections;
  }

  /** ip_vs_bind_dest, ip_vs_unbind_dest: where the thresholds switch. */
  checkThresholds(): void {
    if (this.upper !== 0 && this.connections >= this.upper) this.overloaded = true;
    else if (this.upper === 0) this.overloaded = false;
    else if (this.lower !== 0 ? this.connections < this.lower : this.connections * 4 < this.upper * 3) {
      this.overloaded = false;
    }
  }
}

/** struct ip_vs_service: an address and port, or a firewall mark, that stands for its real servers. */
export class IpvsService {
  /** IPPROTO_*; 0 for a service by firewall mark */
  readonly protocol: number;
  readonly address: Ipv4;
  readonly port: number;
  /** 0: by address */
  readonly fwmark: number;
  scheduler: IpvsScheduler;
  /** persistent clients: for so long they keep their real server; 0: not persistent */
  persistence: Ns = 0;
  /** clients of one such network are one client */
  persistenceMask: Ipv4 = -1;
  /** -o: every datagram is scheduled on its own (IP_VS_SVC_F_ONEPACKET) */
  onePacket = false;
  /** Real servers, the newest first: ip_vs_add_dest puts each at the head of the list, and schedulers walk it from there. */
  readonly destinations: IpvsDestination[] = [];
  readonly stats = new IpvsStats();

  constructor(protocol: number, address: Ipv4, port: number, fwmark: number, scheduler: IpvsScheduler) {
    this.protocol = protocol;
    this.address = address;
    this.port = port;
    this.fwmark = fwmark;
    this.scheduler = scheduler;
  }

  find(address: Ipv4, port: number): IpvsDestination | null {
    return this.destinations.find((d) => d.address === address && d.port === port) ?? null;
  }
}
