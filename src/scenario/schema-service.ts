// Shape of Services and EndpointSlices in a scenario: Kubernetes manifests, read as the API server reads them (defaults of
// pkg/apis/core/v1/defaults.go). What is unknown in them is passed over, as in Pods.

import { z } from 'zod';
import { parseIpv4 } from '../addr/ipv4.ts';
import { AFFINITY_TIMEOUT_DEFAULT, AFFINITY_TIMEOUT_MAX } from '../kube/service.ts';
import { count, ipv4, ipv4Cidr, NAME_EXPECTED, name } from './quantity.ts';

/** Choice: what one node's tables take in seconds. */
export const SERVICES_MAX = 10_000;
/** Choice, as in a manifest that people write. */
const PORTS_MAX = 250;

const PORT_EXPECTED = 'a port';
const portNumber = count(1, 65_535, PORT_EXPECTED);

/** IANA_SVC_NAME (RFC 6335 s5.1) */
const PORT_NAME = /^(?=.*[a-z])[a-z0-9]([a-z0-9]|-(?!-))*$/;
const PORT_NAME_EXPECTED =
  'a port number, or the name of a container port (lower-case letters, digits, hyphens; at most 15)';

export const protocol = z.enum(['TCP', 'UDP', 'SCTP']);

const address = ipv4.transform((text) => parseIpv4(text)!);

const targetPort = z.union(
  [
    portNumber,
    z
      .string()
      .max(15)
      .regex(PORT_NAME)
      .refine((text) => !text.endsWith('-')),
  ],
  { error: PORT_NAME_EXPECTED },
);

const servicePort = z.looseObject({
  name: z.union([z.literal(''), name], { error: NAME_EXPECTED }).default(''),
  protocol: protocol.default('TCP'),
  port: portNumber,
  targetPort: targetPort.optional().meta({ description: 'By default the port itself.' }),
  nodePort: portNumber.optional(),
  appProtocol: z.string().optional(),
});

const labels = z.record(z.string(), z.string());

const CLUSTER_IP_EXPECTED = 'an IPv4 address, None, or nothing (then one is allocated)';

export const serviceManifest = z.looseObject({
  apiVersion: z.literal('v1'),
  kind: z.literal('Service'),
  metadata: z.looseObject({
    name,
    namespace: name.default('default'),
    labels: labels.optional(),
    annotations: labels.optional(),
  }),
  spec: z.looseObject({
    type: z.enum(['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName']).default('ClusterIP'),
    clusterIP: z
      .union([z.literal('None'), z.literal(''), address], { error: CLUSTER_IP_EXPECTED })
      .optional()
      .meta({ description: 'None: headless. By default one of cluster.serviceCIDR.' }),
    selector: labels.optional(),
    ports: z.array(servicePort).max(PORTS_MAX).default([]),
    externalIPs: z.array(address).max(100).default([]),
    externalName: z.string().max(253).optional(),
    sessionAffinity: z.enum(['None', 'ClientIP']).default('None'),
    sessionAffinityConfig: z
      .looseObject({
        clientIP: z
          .looseObject({ timeoutSeconds: count(1, AFFINITY_TIMEOUT_MAX, 'seconds').default(AFFINITY_TIMEOUT_DEFAULT) })
          .optional(),
      })
      .optional(),
    internalTrafficPolicy: z.enum(['Cluster', 'Local']).default('Cluster'),
    externalTrafficPolicy: z.enum(['Cluster', 'Local']).default('Cluster'),
    publishNotReadyAddresses: z.boolean().default(false),
    loadBalancerSourceRanges: z.array(ipv4Cidr).max(100).default([]),
    allocateLoadBalancerNodePorts: z.boolean().default(true),
    healthCheckNodePort: portNumber.optional(),
    trafficDistribution: z.enum(['PreferClose', 'PreferSameZone', 'PreferSameNode']).optional(),
  }),
  status: z
    .looseObject({
      loadBalancer: z
        .looseObject({
          ingress: z
            .array(z.looseObject({ ip: address, ipMode: z.enum(['VIP', 'Proxy']).default('VIP') }))
            .max(100)
            .default([]),
        })
        .optional(),
    })
    .optional()
    .meta({ description: 'Addresses that a load balancer would have given.' }),
});

const conditions = z
  .looseObject({
    ready: z.boolean().optional(),
    serving: z.boolean().optional(),
    terminating: z.boolean().optional(),
  })
  .default({});

const hinted = z.array(z.looseObject({ name: z.string().min(1).max(253) })).max(100);

export const endpointSliceManifest = z.looseObject({
  apiVersion: z.literal('discovery.k8s.io/v1'),
  kind: z.literal('EndpointSlice'),
  addressType: z.literal('IPv4'),
  metadata: z.looseObject({
    name,
    namespace: name.default('default'),
    labels: labels.meta({ description: 'kubernetes.io/service-name names the Service.' }),
  }),
  ports: z
    .array(z.looseObject({ name: z.string().max(63).default(''), protocol: protocol.default('TCP'), port: portNumber }))
    .max(PORTS_MAX)
    .default([]),
  endpoints: z
    .array(
      z.looseObject({
        addresses: z.array(address).min(1).max(100),
        conditions,
        hostname: name.optional(),
        nodeName: name.optional(),
        zone: z.string().max(253).optional(),
        hints: z.looseObject({ forZones: hinted.optional(), forNodes: hinted.optional() }).optional(),
      }),
    )
    .max(1000),
});

export type ServiceManifest = z.output<typeof serviceManifest>;
export type EndpointSliceManifest = z.output<typeof endpointSliceManifest>;
