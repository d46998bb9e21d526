// CoreDNS's kubernetes plugin (plugin/kubernetes/handler.go, kubernetes.go, parse.go, reverse.go, ns.go; backend_lookup.go of
// plugin/): what the cluster's zone says about a name, from the objects of the API server as they are at that moment.
//
//   SERVICE.NS.svc.ZONE                 ClusterIP, or the ready endpoints of a headless Service
//   HOST.SERVICE.NS.svc.ZONE            one endpoint: its hostname, or its address with dashes
//   _PORT._PROTO.SERVICE.NS.svc.ZONE    SRV
//   A-B-C-D.NS.pod.ZONE                 a pod by its address

import { formatIpv4, type Ipv4, parseIpv4 } from '../addr/ipv4.ts';
import { DnsClass, DnsFlag, DnsRcode, DnsType } from '../wire/dns.ts';
import type { DnsMessage } from '../wire/dns-message.ts';
import { type DnsName, foldName, isWithin, nameLabels, parseDnsName } from '../wire/dns-name.ts';
import type { DnsRecord } from '../wire/dns-record.ts';
import { type DnsHandler, type DnsRequest, replyTo } from './server.ts';

export interface ZonePort {
  /** '' when it has none */
  readonly name: string;
  readonly protocol: string;
  readonly port: number;
}

export interface ZoneService {
  readonly name: string;
  readonly namespace: string;
  /** null: ExternalName */
  readonly clusterIP: Ipv4 | 'None' | null;
  readonly externalName: string | null;
  readonly ports: readonly ZonePort[];
}

/** Ready endpoints with the same ports: one EndpointSlice. */
export interface ZoneEndpoints {
  readonly ports: readonly ZonePort[];
  readonly addresses: readonly { readonly ip: Ipv4; readonly hostname: string | null }[];
}

/** What the plugin watches; every call tells of now. */
export interface ZoneObjects {
  /** false until the first lists are in */
  readonly synced: boolean;
  /** Unix time of the last change, seconds */
  readonly serial: number;
  hasNamespace(name: string): boolean;
  service(namespace: string, name: string): ZoneService | null;
  endpoints(namespace: string, name: string): readonly ZoneEndpoints[];
  serviceAt(clusterIP: Ipv4): ZoneService | null;
  /** every Service with a ready endpoint of this address, and that endpoint's hostname */
  endpointsAt(
    address: Ipv4,
  ): readonly { readonly service: string; readonly namespace: string; readonly hostname: string | null }[];
  hasPod(namespace: string, address: Ipv4): boolean;
}

export interface KubernetesZoneOptions {
  /** "cluster.local." */
  readonly zone: DnsName;
  /** seconds */
  readonly ttl: number;
  readonly pods: 'disabled' | 'insecure' | 'verified';
  /** the server's own addresses: whom NS records lead to */
  readonly localAddresses: readonly Ipv4[];
}

/** SOA numbers of the plugin framework (plugin/backend_lookup.go), seconds. */
const SOA_REFRESH = 7200;
const SOA_RETRY = 1800;
const SOA_EXPIRE = 86_400;
/** TTL of the schema's version, seconds. */
const VERSION_TTL = 28_800;
const SCHEMA_VERSION = '1.1.0';
/** CNAMEs that one answer follows. */
const CNAMES_MAX = 8;
/** Weights of SRV records of one priority add up to it. */
const SRV_WEIGHT = 100;

const REVERSE_ZONES = ['in-addr.arpa.', 'ip6.arpa.'] as const;

/** One thing that a name stands for (msg.Service). */
interface Item {
  /** an address, or a name (ExternalName) */
  readonly host: Ipv4 | DnsName;
  /** -1: no port is declared */
  readonly port: number;
  /** the name that an SRV record gives for it */
  readonly owner: DnsName;
}

/** NXDOMAIN, as the plugin's errors say. */
const NO_ITEMS = 'no-items';
type Items = readonly Item[] | typeof NO_ITEMS;

export class KubernetesZone implements DnsHandler {
  readonly #objects: ZoneObjects;
  readonly #options: KubernetesZoneOptions;
  readonly #zone: DnsName;
  /** plugins behind this one: reverse zones fall through to them, and CNAMEs out of the zone are looked up there */
  readonly #next: DnsHandler;

  constructor(objects: ZoneObjects, options: KubernetesZoneOptions, next: DnsHandler) {
    this.#objects = objects;
    this.#options = options;
    this.#zone = foldName(options.zone);
    this.#next = next;
  }

  serve(request: DnsRequest, done: (reply: DnsMessage | (typeof DnsRcode)[keyof typeof DnsRcode]) => void): void {
    const { name } = request;
    const zone = [this.#zone, ...REVERSE_ZONES].find((z) => isWithin(name, z));
    if (zone === undefined) {
      this.#next.serve(request, done);
      return;
    }
    const noName = (): void => {
      if (zone !== this.#zone) this.#next.serve(request, done);
      else done(this.#negative(request, zone, this.#objects.synced ? DnsRcode.NXDOMAIN : DnsRcode.SERVFAIL));
    };
    const answer = (records: readonly DnsRecord[] | typeof NO_ITEMS, extra: readonly DnsRecord[] = []): void => {
      if (records === NO_ITEMS) noName();
      else if (records.length === 0) done(this.#negative(request, zone, DnsRcode.NOERROR));
      else done(replyTo(request, { flags: DnsFlag.AA, answers: records, additionals: extra }));
    };
    const { type } = request.question;
    switch (type) {
      case DnsType.A:
      case DnsType.AAAA:
        this.#addresses(request, [], answer);
        return;
      case DnsType.TXT:
        answer(this.#txt(request, zone));
        return;
      case DnsType.CNAME:
        answer(this.#cname(request, zone));
        return;
      case DnsType.PTR:
        answer(this.#ptr(request, zone));
        return;
      case DnsType.SRV:
        this.#srv(request, zone, answer);
        return;
      case DnsType.SOA:
        if (name !== zone) break;
        answer([this.#soa(zone)]);
        return;
      case DnsType.NS:
        if (name !== zone) break;
        this.#ns(request, zone, answer);
        return;
      case DnsType.AXFR:
      case DnsType.IXFR:
        done(DnsRcode.REFUSED);
        return;
      default:
    }
    // A made-up A lookup tells an existing name from an unknown one.
    answer(this.#items(name, zone) === NO_ITEMS ? NO_ITEMS : []);
  }

  #record(name: DnsName, type: number, data: DnsRecord['data'], ttl = this.#options.ttl): DnsRecord {
    return { name, type, cls: DnsClass.IN, ttl, data };
  }

  #soa(zone: DnsName): DnsRecord {
    const minimum = this.#options.ttl;
    return this.#record(zone, DnsType.SOA, {
      kind: 'soa',
      mname: `ns.dns.${zone}`,
      rname: `hostmaster.${zone}`,
      serial: this.#objects.serial,
      refresh: SOA_REFRESH,
      retry: SOA_RETRY,
      expire: SOA_EXPIRE,
      minimum,
    });
  }

  #negative(request: DnsRequest, zone: DnsName, rcode: number): DnsMessage {
    return replyTo(request, { rcode, flags: DnsFlag.AA, authorities: [this.#soa(zone)] });
  }

  /** A and AAAA (no namespace has IPv6: AAAA of an existing name is NODATA), along CNAMEs. */
  #addresses(
    request: DnsRequest,
    before: readonly DnsRecord[],
    done: (records: readonly DnsRecord[] | typeof NO_ITEMS) => void,
  ): void {
    const { type, name } = request.question;
    const zone = [this.#zone, ...REVERSE_ZONES].find((z) => isWithin(request.name, z))!;
    const items = this.#items(request.name, zone);
    if (items === NO_ITEMS) {
      done(NO_ITEMS);
      return;
    }
    const records: DnsRecord[] = [];
    const seen = new Set<number>();
    const alias = items.find((i) => typeof i.host === 'string');
    for (const { host } of items) {
      if (typeof host !== 'number' || type !== DnsType.A || seen.has(host)) continue;
      seen.add(host);
      records.push(this.#record(name, DnsType.A, { kind: 'a', address: host }));
    }
    if (alias === undefined) {
      done(records);
      return;
    }
    const target = alias.host as DnsName;
    const cname = this.#record(name, DnsType.CNAME, { kind: 'name', name: target });
    const loops = before.length >= CNAMES_MAX || before.some((r) => foldName(r.name) === foldName(name));
    if (foldName(target) === request.name || loops) {
      done(records);
      return;
    }
    const question = { ...request.question, name: target };
    const followed = {
      ...request,
      question,
      name: foldName(target),
      message: { ...request.message, questions: [question] },
    };
    if (isWithin(foldName(target), this.#zone)) {
      this.#addresses(followed, [...before, cname], (rest) => {
        done(rest === NO_ITEMS || rest.length === 0 ? records : [...records, cname, ...rest]);
      });
      return;
    }
    this.#next.serve(followed, (reply) => {
      if (typeof reply === 'number') done(records);
      else done([...records, cname, ...reply.answers]);
    });
  }

  #cname(request: DnsRequest, zone: DnsName): readonly DnsRecord[] | typeof NO_ITEMS {
    const items = this.#items(request.name, zone);
    if (items === NO_ITEMS) return NO_ITEMS;
    const alias = items.find((i) => typeof i.host === 'string');
    if (alias === undefined) return [];
    return [this.#record(request.question.name, DnsType.CNAME, { kind: 'name', name: alias.host as DnsName })];
  }

  #txt(request: DnsRequest, zone: DnsName): readonly DnsRecord[] | typeof NO_ITEMS {
    if (request.name === `dns-version.${zone}`) {
      const strings = [new TextEncoder().encode(SCHEMA_VERSION)];
      return [this.#record(request.question.name, DnsType.TXT, { kind: 'txt', strings }, VERSION_TTL)];
    }
    const items = this.#items(request.name, zone);
    return items === NO_ITEMS || items.length === 0 ? NO_ITEMS : [];
  }

  #srv(
    request: DnsRequest,
    zone: DnsName,
    answer: (records: readonly DnsRecord[] | typeof NO_ITEMS, extra?: readonly DnsRecord[]) => void,
  ): void {
    const items = this.#items(request.name, zone);
    if (items === NO_ITEMS) {
      answer(NO_ITEMS);
      return;
    }
    const internal = items.filter((i) => typeof i.host === 'number');
    const weight = Math.max(1, Math.floor(SRV_WEIGHT / internal.length));
    const records = new Map<string, DnsRecord>();
    const extra = new Map<string, DnsRecord>();
    for (const { host, port, owner } of internal) {
      if (port < 0) continue;
      const data = { kind: 'srv', priority: 0, weight, port, target: owner } as const;
      const key = `${owner} ${port}`;
      if (!records.has(key)) records.set(key, this.#record(request.question.name, DnsType.SRV, data));
      const address = `${owner} ${host}`;
      if (!extra.has(address)) extra.set(address, this.#record(owner, DnsType.A, { kind: 'a', address: host as Ipv4 }));
    }
    answer([...records.values()], [...extra.values()]);
  }

  #ptr(request: DnsRequest, zone: DnsName): readonly DnsRecord[] | typeof NO_ITEMS {
    const address = reverseAddress(request.name);
    if (address === null) return this.#items(request.name, zone) === NO_ITEMS ? NO_ITEMS : [];
    const service = this.#objects.serviceAt(address);
    const names =
      service !== null
        ? [`${service.name}.${service.namespace}.svc.${this.#zone}`]
        : this.#objects
            .endpointsAt(address)
            .map((e) => `${e.hostname ?? dashed(address)}.${e.service}.${e.namespace}.svc.${this.#zone}`);
    if (names.length === 0) return NO_ITEMS;
    return names.map((name) => this.#record(request.question.name, DnsType.PTR, { kind: 'name', name }));
  }

  #ns(
    request: DnsRequest,
    zone: DnsName,
    answer: (records: readonly DnsRecord[] | typeof NO_ITEMS, extra?: readonly DnsRecord[]) => void,
  ): void {
    const servers = this.#nameServers(zone);
    const names = [...new Set(servers.map((s) => s.owner))];
    answer(
      names.map((name) => this.#record(request.question.name, DnsType.NS, { kind: 'name', name })),
      servers.map((s) => this.#record(s.owner, DnsType.A, { kind: 'a', address: s.host as Ipv4 })),
    );
  }

  /** The Services in front of this server, or its own addresses under ns.dns.ZONE. */
  #nameServers(zone: DnsName): readonly Item[] {
    const { localAddresses } = this.#options;
    const found = localAddresses.flatMap((local) =>
      this.#objects.endpointsAt(local).flatMap(({ service, namespace }): Item[] => {
        const owner = `${service}.${namespace}.svc.${zone}`;
        const known = this.#objects.service(namespace, service);
        if (known === null || known.clusterIP === null) return [];
        if (known.clusterIP !== 'None') return [{ host: known.clusterIP, port: -1, owner }];
        const addresses = this.#objects.endpoints(namespace, service).flatMap((e) => e.addresses);
        return addresses.map((a) => ({ host: a.ip, port: -1, owner: `${a.hostname ?? dashed(a.ip)}.${owner}` }));
      }),
    );
    if (found.length > 0) return found;
    return localAddresses.map((host) => ({ host, port: -1, owner: `ns.dns.${zone}` }));
  }

  /** Records(): what the name stands for; an empty list is a name without records. */
  #items(name: DnsName, zone: DnsName): Items {
    if (name === `ns.dns.${zone}`) return this.#nameServers(zone).map((s) => ({ ...s, owner: name }));
    const labels = nameLabels(name === zone ? '.' : name.slice(0, name.length - zone.length));
    const kind = labels.pop();
    // The apex, ZONE itself, and svc.ZONE and pod.ZONE exist and have nothing.
    if (kind === undefined) return [];
    if (kind !== 'svc' && kind !== 'pod') return NO_ITEMS;
    if (zone !== this.#zone) return NO_ITEMS;
    const namespace = labels.pop();
    if (namespace === undefined) return [];
    if (labels.length > 3) return NO_ITEMS;
    if (!this.#objects.hasNamespace(namespace)) return NO_ITEMS;
    const service = labels.pop();
    if (kind === 'pod') return this.#pod(namespace, service);
    if (service === undefined) return [];
    // What is left is an endpoint (one label) or a port and a protocol (two).
    const [first, second] = labels;
    const endpoint = labels.length === 1 ? first! : null;
    const port = labels.length === 2 ? first!.replace(/^_/, '') : '';
    const protocol = labels.length === 2 ? second!.replace(/^_/, '') : '';
    return this.#service(namespace, service, { endpoint, port, protocol });
  }

  #service(
    namespace: string,
    name: string,
    wanted: { readonly endpoint: string | null; readonly port: string; readonly protocol: string },
  ): Items {
    const service = this.#objects.service(namespace, name);
    if (service === null) return NO_ITEMS;
    const owner = `${service.name}.${service.namespace}.svc.${this.#zone}`;
    const { endpoint, port, protocol } = wanted;
    const fits = (p: ZonePort): boolean =>
      (port === '' || port === p.name.toLowerCase()) && (protocol === '' || protocol === p.protocol.toLowerCase());
    if (service.clusterIP === null) {
      if (endpoint !== null || port !== '' || protocol !== '') return NO_ITEMS;
      const target = service.externalName === null ? null : externalTarget(service.externalName);
      return target === null ? NO_ITEMS : [{ host: target, port: -1, owner }];
    }
    const items: Item[] = [];
    if (service.clusterIP === 'None' || endpoint !== null) {
      for (const { ports, addresses } of this.#objects.endpoints(namespace, name)) {
        for (const { ip, hostname } of addresses) {
          const label = hostname ?? dashed(ip);
          if (endpoint !== null && endpoint !== label.toLowerCase()) continue;
          for (const p of portsOrNone(ports).filter(fits))
            items.push({ host: ip, port: p.port, owner: `${label}.${owner}` });
        }
      }
    } else {
      for (const p of portsOrNone(service.ports).filter(fits))
        items.push({ host: service.clusterIP, port: p.port, owner });
    }
    return items.length > 0 ? items : NO_ITEMS;
  }

  /** Labels in front of the pod's would be an endpoint or a port; pods have none, and the plugin passes them over. */
  #pod(namespace: string, name: string | undefined): Items {
    const { pods } = this.#options;
    if (pods === 'disabled') return NO_ITEMS;
    if (name === undefined) return [];
    const address = /^\d+-\d+-\d+-\d+$/.test(name) ? parseIpv4(name.replaceAll('-', '.')) : null;
    if (address === null) return NO_ITEMS;
    if (pods === 'verified' && !this.#objects.hasPod(namespace, address)) return NO_ITEMS;
    return [{ host: address, port: -1, owner: `${name}.${namespace}.pod.${this.#zone}` }];
  }
}

/** A Service or slice without ports still has a name: a sentinel stands for them. */
function portsOrNone(ports: readonly ZonePort[]): readonly ZonePort[] {
  return ports.length > 0 ? ports : [{ name: '', protocol: '', port: -1 }];
}

/** An ExternalName that is an address makes no record (msg.HostType). */
function externalTarget(name: string): DnsName | null {
  return parseIpv4(name) === null ? parseDnsName(name) : null;
}

/** "10-244-1-2" */
export function dashed(address: Ipv4): string {
  return formatIpv4(address).replaceAll('.', '-');
}

/** The address of a whole in-addr.arpa name, or null. */
export function reverseAddress(name: DnsName): Ipv4 | null {
  const match = /^(\d+)\.(\d+)\.(\d+)\.(\d+)\.in-addr\.arpa\.$/.exec(name);
  return match === null ? null : parseIpv4(`${match[4]}.${match[3]}.${match[2]}.${match[1]}`);
}

/** "1.0.96.10.in-addr.arpa." */
export function reverseName(address: Ipv4): DnsName {
  return `${formatIpv4(address).split('.').reverse().join('.')}.in-addr.arpa.`;
}
