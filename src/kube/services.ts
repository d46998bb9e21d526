// The Services of a cluster and their EndpointSlices: what the API server stores, what its allocators and the EndpointSlice
// controller fill in, and a way to watch it. kube-proxy of every node and the cluster's DNS read it and listen.
//
// Time: a change is stored and told at once. The real components batch for some milliseconds; kube-proxy's own waiting
// (minSyncPeriod) is emulated where it happens.

import type { Ipv4, Ipv4Prefix } from '../addr/ipv4.ts';
import type { Rng } from '../base/rng.ts';
import type { Sim } from '../sim/sim.ts';
import { ClusterIpAllocator } from './cluster-ip-allocator.ts';
import {
  ENDPOINTS_PER_SLICE,
  type Endpoint,
  type EndpointGroup,
  type EndpointSlice,
  endpointGroups,
  type PodView,
} from './endpoint-slice.ts';
import { NodePortAllocator, type PortRange } from './node-port-allocator.ts';
import {
  type Service,
  type ServiceSpec,
  serviceKey,
  virtualIp,
  wantsHealthCheckNodePort,
  wantsNodePorts,
} from './service.ts';

export interface ServicesOptions {
  readonly sim: Sim;
  /** stream of one purpose */
  readonly rng: (purpose: string) => Rng;
  readonly serviceCIDR: Ipv4Prefix;
  readonly nodePortRange: PortRange;
}

/** Told after a Service or its endpoints changed; `key` is `ns/name`. The Service may be gone. */
export type ServiceListener = (key: string, what: 'service' | 'endpoints') => void;

/** Characters of generated names (apimachinery/pkg/util/rand): no vowels and nothing that looks like one. */
const NAME_LETTERS = 'bcdfghjklmnpqrstvwxz2456789';

export class Services {
  readonly clusterIps: ClusterIpAllocator;
  readonly nodePorts: NodePortAllocator;
  readonly #sim: Sim;
  readonly #names: Rng;
  /** `ns/name` in the order of creation */
  readonly #services = new Map<string, Service>();
  readonly #slices = new Map<string, EndpointSlice[]>();
  /** Services whose slices people wrote */
  readonly #byHand = new Set<string>();
  readonly #listeners: ServiceListener[] = [];
  #pods: readonly PodView[] = [];

  constructor(options: ServicesOptions) {
    this.#sim = options.sim;
    this.#names = options.rng('endpointslice-names');
    this.clusterIps = new ClusterIpAllocator(options.serviceCIDR, options.rng('cluster-ips'));
    this.nodePorts = new NodePortAllocator(options.nodePortRange, options.rng('node-ports'));
  }

  /** Called after each change, in the order of registration. */
  listen(listener: ServiceListener): void {
    this.#listeners.push(listener);
  }

  get(namespace: string, name: string): Service | null {
    return this.#services.get(serviceKey({ namespace, name })) ?? null;
  }

  /** In the order of creation. */
  list(): Service[] {
    return [...this.#services.values()];
  }

  /** All slices of a Service, in the order of creation. */
  slices(service: { readonly namespace: string; readonly name: string }): readonly EndpointSlice[] {
    return this.#slices.get(serviceKey(service)) ?? [];
  }

  /** Slices of all Services, also of those that do not exist (yet). */
  allSlices(): EndpointSlice[] {
    return [...this.#slices.values()].flat();
  }

  /** Creates a Service; the error is the API server's cause. */
  create(spec: ServiceSpec): { readonly service: Service } | { readonly error: string } {
    const key = serviceKey(spec);
    if (this.#services.has(key)) return { error: `services "${spec.name}" already exists` };
    const address = this.#address(spec);
    if (typeof address === 'object' && address !== null) return address;
    const held: number[] = [];
    const undo = (error: string): { error: string } => {
      for (const port of held) this.nodePorts.release(port);
      if (typeof address === 'number') this.clusterIps.release(address);
      return { error };
    };
    const ports: ServiceSpec['ports'][number][] = [];
    for (const port of spec.ports) {
      if (!wantsNodePorts(spec) && port.nodePort === null) {
        ports.push(port);
        continue;
      }
      // One number for two protocols of the same port of one Service is one allocation.
      const shared = port.nodePort !== null && held.includes(port.nodePort);
      const given = shared
        ? { port: port.nodePort! }
        : port.nodePort === null
          ? this.nodePorts.next()
          : this.nodePorts.take(port.nodePort);
      if ('error' in given) return undo(given.error);
      if (!shared) held.push(given.port);
      ports.push({ ...port, nodePort: given.port });
    }
    let { healthCheckNodePort } = spec;
    if (wantsHealthCheckNodePort(spec)) {
      const given = healthCheckNodePort === null ? this.nodePorts.next() : this.nodePorts.take(healthCheckNodePort);
      if ('error' in given) return undo(given.error);
      healthCheckNodePort = given.port;
    } else healthCheckNodePort = null;
    const service: Service = { ...spec, clusterIP: address, ports, healthCheckNodePort, created: this.#sim.now };
    this.#services.set(key, service);
    this.#tell(key, 'service');
    this.#reconcile(service);
    return { service };
  }

  #address(spec: ServiceSpec): Ipv4 | 'None' | null | { readonly error: string } {
    if (spec.type === 'ExternalName') return null;
    if (spec.clusterIP === 'None') return 'None';
    const given = spec.clusterIP === null ? this.clusterIps.next() : this.clusterIps.take(spec.clusterIP);
    return 'error' in given ? given : given.address;
  }

  /** Deletes it with the slices that the controller made; false when there is none. */
  delete(namespace: string, name: string): boolean {
    const key = serviceKey({ namespace, name });
    const service = this.#services.get(key);
    if (service === undefined) return false;
    this.#services.delete(key);
    const address = virtualIp(service);
    if (address !== null) this.clusterIps.release(address);
    for (const { nodePort } of service.ports) if (nodePort !== null) this.nodePorts.release(nodePort);
    if (service.healthCheckNodePort !== null) this.nodePorts.release(service.healthCheckNodePort);
    this.#tell(key, 'service');
    if (!this.#byHand.has(key) && this.#slices.delete(key)) this.#tell(key, 'endpoints');
    return true;
  }

  /** Slices that people wrote, for a Service without a selector; they replace those of before. */
  setSlices(namespace: string, serviceName: string, slices: readonly Omit<EndpointSlice, 'created'>[]): void {
    const key = serviceKey({ namespace, name: serviceName });
    this.#byHand.add(key);
    this.#slices.set(
      key,
      slices.map((s) => ({ ...s, created: this.#sim.now })),
    );
    this.#tell(key, 'endpoints');
  }

  /** The pods as they are now: endpoints of every Service with a selector follow. */
  setPods(pods: readonly PodView[]): void {
    this.#pods = pods;
    for (const service of this.#services.values()) this.#reconcile(service);
  }

  /** The EndpointSlice controller's reconcile for one Service. */
  #reconcile(service: Service): void {
    const key = serviceKey(service);
    if (service.selector === null || this.#byHand.has(key)) return;
    const before = this.#slices.get(key) ?? [];
    const groups = endpointGroups(service, this.#pods);
    // A Service without endpoints keeps one empty slice (placeholder).
    if (groups.length === 0) groups.push({ ports: [], endpoints: [] });
    const after = this.#spread(service, groups, before);
    if (sameSlices(before, after)) return;
    this.#slices.set(key, after);
    this.#tell(key, 'endpoints');
  }

  /** Slices of at most 100; those that are there keep their names and their places. */
  #spread(service: Service, groups: readonly EndpointGroup[], before: readonly EndpointSlice[]): EndpointSlice[] {
    const left = [...before];
    const out: EndpointSlice[] = [];
    for (const group of groups) {
      const pieces = Math.max(1, Math.ceil(group.endpoints.length / ENDPOINTS_PER_SLICE));
      for (let i = 0; i < pieces; i++) {
        const endpoints = group.endpoints.slice(i * ENDPOINTS_PER_SLICE, (i + 1) * ENDPOINTS_PER_SLICE);
        const at = left.findIndex((s) => s.ports.length === 0 || samePorts(s, group));
        const kept = at < 0 ? null : left.splice(at, 1)[0]!;
        out.push({
          name: kept?.name ?? this.#generateName(service),
          namespace: service.namespace,
          serviceName: service.name,
          ports: group.ports,
          endpoints,
          created: kept?.created ?? this.#sim.now,
        });
      }
    }
    return out;
  }

  /** `<service>-<five letters>` */
  #generateName(service: Service): string {
    let tail = '';
    for (let i = 0; i < 5; i++) tail += NAME_LETTERS[this.#names.below(NAME_LETTERS.length)]!;
    return `${service.name}-${tail}`;
  }

  #tell(key: string, what: 'service' | 'endpoints'): void {
    for (const listener of this.#listeners) listener(key, what);
  }
}

function samePorts(a: EndpointGroup, b: EndpointGroup): boolean {
  return (
    a.ports.length === b.ports.length &&
    a.ports.every((p, i) => {
      const q = b.ports[i]!;
      return p.name === q.name && p.protocol === q.protocol && p.port === q.port;
    })
  );
}

function sameEndpoint(a: Endpoint, b: Endpoint): boolean {
  return (
    a.address === b.address &&
    a.ready === b.ready &&
    a.serving === b.serving &&
    a.terminating === b.terminating &&
    a.hostname === b.hostname &&
    a.nodeName === b.nodeName &&
    a.zone === b.zone &&
    a.podName === b.podName
  );
}

function sameSlices(a: readonly EndpointSlice[], b: readonly EndpointSlice[]): boolean {
  return (
    a.length === b.length &&
    a.every((slice, i) => {
      const other = b[i]!;
      return (
        slice.name === other.name &&
        samePorts(slice, other) &&
        slice.endpoints.length === other.endpoints.length &&
        slice.endpoints.every((e, n) => sameEndpoint(e, other.endpoints[n]!))
      );
    })
  );
}
