// Shape of cluster.dns and of what a pod says about DNS. `dns: {}` is a cluster as kubeadm makes it.

import { z } from 'zod';
import { parseIpv4 } from '../addr/ipv4.ts';
import { parseDnsName } from '../wire/dns-name.ts';
import { count, ipv4, time } from './quantity.ts';

/** Choices, as in a file that people write. */
const RECORDS_MAX = 10_000;
const REPLICAS_MAX = 10;

const NAME_EXPECTED = 'a domain name such as example.com';
const domainName = z
  .string({ error: NAME_EXPECTED })
  .refine((text) => parseDnsName(text) !== null && /^[!-~]+$/.test(text), { error: NAME_EXPECTED, abort: true });

const address = ipv4.transform((text) => parseIpv4(text)!);

const record = z
  .strictObject({
    name: domainName,
    addresses: z.array(address).max(1000).optional(),
    alias: domainName.optional().meta({ description: 'The name that this one stands for (CNAME).' }),
    ttl: time.prefault('300s'),
  })
  .refine((r) => (r.addresses === undefined) !== (r.alias === undefined), { error: 'either addresses or an alias' });

export const dns = z
  .strictObject({
    domain: domainName.default('cluster.local'),
    address: address.optional().meta({ description: 'ClusterIP of kube-dns; by default the tenth of serviceCIDR.' }),
    replicas: count(1, REPLICAS_MAX, 'a number of CoreDNS pods').default(2),
    pods: z.enum(['disabled', 'insecure', 'verified']).default('insecure').meta({
      description: 'Names of pods by their addresses, as the Corefile option `pods` has it.',
    }),
    ttl: time.prefault('30s').meta({ description: 'TTL of the records of the cluster.' }),
    cache: time.prefault('30s').meta({ description: 'How long CoreDNS keeps what upstream said.' }),
    upstream: z
      .strictObject({
        address: address.optional().meta({
          description: 'Where the resolver of the outside world is; by default the last address of the underlay.',
        }),
        records: z.array(record).max(RECORDS_MAX).default([]),
      })
      .prefault({})
      .meta({ description: 'The resolver that the nodes use and CoreDNS forwards to: `resolver` in captures.' }),
  })
  .meta({ description: 'CoreDNS in pods of kube-system, behind the Service kube-dns. By default there is no DNS.' });

export const dnsPolicy = z.enum(['ClusterFirst', 'ClusterFirstWithHostNet', 'Default', 'None']);

export const dnsConfig = z.looseObject({
  nameservers: z.array(address).max(3).default([]),
  searches: z.array(domainName).max(32).default([]),
  options: z
    .array(
      z.looseObject({
        name: z.string().regex(/^[a-z0-9-]{1,63}$/),
        value: z
          .string()
          .regex(/^[!-~]{1,63}$/)
          .optional(),
      }),
    )
    .max(32)
    .default([]),
});

export const hostAliases = z
  .array(z.looseObject({ ip: address, hostnames: z.array(domainName).max(100).default([]) }))
  .max(100);

export type DnsInput = z.output<typeof dns>;
