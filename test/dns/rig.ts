// For the tests of this folder: objects of a small cluster, and a handler asked without a network.

import { formatIpv4, parseIpv4 } from '../../src/addr/ipv4.ts';
import type { ZoneEndpoints, ZoneObjects, ZoneService } from '../../src/dns/kubernetes-zone.ts';
import { type DnsHandler, type DnsProtocol, serveDns } from '../../src/dns/server.ts';
import { DnsClass, dnsRcodeName, dnsTypeName, parseDnsType } from '../../src/wire/dns.ts';
import { type DnsMessage, dnsQuery, isDnsFault, parseDnsBytes, rcodeOf, writeDns } from '../../src/wire/dns-message.ts';
import type { DnsRecord } from '../../src/wire/dns-record.ts';
import { dataText } from '../../src/wire/dns-text.ts';

export const ip = (text: string): number => parseIpv4(text)!;

const tcp = (name: string, port: number) => ({ name, protocol: 'TCP', port });

export const SERVICES: readonly ZoneService[] = [
  {
    name: 'kubernetes',
    namespace: 'default',
    clusterIP: ip('10.96.0.1'),
    externalName: null,
    ports: [tcp('https', 443)],
  },
  {
    name: 'kube-dns',
    namespace: 'kube-system',
    clusterIP: ip('10.96.0.10'),
    externalName: null,
    ports: [{ name: 'dns', protocol: 'UDP', port: 53 }, tcp('dns-tcp', 53)],
  },
  {
    name: 'web',
    namespace: 'shop',
    clusterIP: ip('10.96.7.7'),
    externalName: null,
    ports: [tcp('http', 80), tcp('', 81)],
  },
  { name: 'db', namespace: 'shop', clusterIP: 'None', externalName: null, ports: [tcp('pg', 5432)] },
  { name: 'bare', namespace: 'shop', clusterIP: 'None', externalName: null, ports: [] },
  { name: 'empty', namespace: 'shop', clusterIP: 'None', externalName: null, ports: [tcp('x', 1)] },
  { name: 'out', namespace: 'shop', clusterIP: null, externalName: 'www.example.com', ports: [] },
  { name: 'in', namespace: 'shop', clusterIP: null, externalName: 'web.shop.svc.cluster.local', ports: [] },
  { name: 'addr', namespace: 'shop', clusterIP: null, externalName: '192.0.2.1', ports: [] },
];

const ENDPOINTS: Readonly<Record<string, readonly ZoneEndpoints[]>> = {
  'shop/db': [
    {
      ports: [tcp('pg', 5432)],
      addresses: [
        { ip: ip('10.244.1.5'), hostname: 'db-0' },
        { ip: ip('10.244.2.5'), hostname: null },
        { ip: ip('10.244.2.6'), hostname: null },
      ],
    },
  ],
  'shop/bare': [{ ports: [], addresses: [{ ip: ip('10.244.1.9'), hostname: null }] }],
  'shop/web': [{ ports: [tcp('http', 8080)], addresses: [{ ip: ip('10.244.1.7'), hostname: null }] }],
  'kube-system/kube-dns': [{ ports: [tcp('dns-tcp', 53)], addresses: [{ ip: ip('10.244.1.2'), hostname: null }] }],
};

export function objects(synced = true): ZoneObjects {
  return {
    synced,
    serial: 1_767_225_600,
    hasNamespace: (name) => ['default', 'kube-system', 'shop'].includes(name),
    service: (namespace, name) => SERVICES.find((s) => s.namespace === namespace && s.name === name) ?? null,
    endpoints: (namespace, name) => ENDPOINTS[`${namespace}/${name}`] ?? [],
    serviceAt: (address) => SERVICES.find((s) => s.clusterIP === address) ?? null,
    endpointsAt: (address) =>
      Object.entries(ENDPOINTS).flatMap(([key, slices]) => {
        const [namespace, service] = key.split('/') as [string, string];
        return slices.flatMap((s) =>
          s.addresses.filter((a) => a.ip === address).map((a) => ({ service, namespace, hostname: a.hostname })),
        );
      }),
    hasPod: (namespace, address) => namespace === 'shop' && formatIpv4(address) === '10.244.1.5',
  };
}

/** The reply's message; what is not answered at once is a mistake of the test. */
export function ask(
  handler: DnsHandler,
  name: string,
  type: string,
  options: {
    readonly protocol?: DnsProtocol;
    readonly additionals?: readonly DnsRecord[];
    readonly flags?: number;
  } = {},
): DnsMessage {
  const query = dnsQuery(0x1234, { name, type: parseDnsType(type)!, cls: DnsClass.IN }, options.additionals);
  const bytes = writeDns({ ...query, flags: query.flags | (options.flags ?? 0) }, false)!;
  let reply: Uint8Array | null = null;
  serveDns(bytes, options.protocol ?? 'udp', handler, (r) => {
    reply = r;
  });
  if (reply === null) throw new Error(`no reply to ${name} ${type}`);
  const message = parseDnsBytes(reply);
  if (isDnsFault(message)) throw new Error(message.reason);
  return message;
}

export function recordText(r: DnsRecord): string {
  return `${r.name} ${r.ttl} ${dnsTypeName(r.type)} ${dataText(r.data)}`;
}

/** "NOERROR: answers; ..." in one text. */
export function told(message: DnsMessage): string {
  return [dnsRcodeName(rcodeOf(message.flags)), ...message.answers.map(recordText)].join(' | ');
}
