// The scenario file, version podwire.dev/v1: what may stand in it, as zod schemas, and the JSON Schema that editors use
// (`podwire schema`). What no schema can say (references, overlaps) is in check.ts.

import { z } from 'zod';
import { count, name } from './quantity.ts';
import { cable, capture, cluster, limits, PODS_MAX } from './schema-cluster.ts';
import { dnsConfig, dnsPolicy, hostAliases } from './schema-dns.ts';
import { endpointSliceManifest, protocol, SERVICES_MAX, serviceManifest } from './schema-service.ts';
import { STEPS_MAX, step } from './schema-step.ts';

export const API_VERSION = 'podwire.dev/v1';
export const KIND = 'Scenario';

const containerPort = z.looseObject({
  name: z.string().max(15).optional(),
  containerPort: count(1, 65_535, 'a port'),
  protocol: protocol.optional(),
});

export const podManifest = z.looseObject({
  apiVersion: z.literal('v1'),
  kind: z.literal('Pod'),
  metadata: z.looseObject({
    name,
    namespace: name.default('default'),
    labels: z.record(z.string(), z.string()).optional(),
    annotations: z.record(z.string(), z.string()).optional(),
  }),
  spec: z
    .looseObject({
      nodeName: name.optional().meta({ description: 'By default the node with the fewest pods, the first of them.' }),
      hostNetwork: z.boolean().optional(),
      hostname: name.optional(),
      subdomain: name.optional(),
      dnsPolicy: dnsPolicy.optional(),
      dnsConfig: dnsConfig.optional(),
      hostAliases: hostAliases.optional(),
      containers: z
        .array(
          z.looseObject({
            name,
            image: z.string().max(1_000).optional().meta({
              description:
                'What runs in it: nginx, agnhost, http-echo, podwire/tcp-echo, podwire/udp-echo; any other runs nothing.',
            }),
            command: z.array(z.string().max(10_000)).max(100).optional(),
            args: z.array(z.string().max(10_000)).max(100).optional(),
            ports: z.array(containerPort).max(100).optional(),
          }),
        )
        .min(1)
        .max(100)
        .optional(),
    })
    .default({}),
  status: z
    .looseObject({
      conditions: z
        .array(z.looseObject({ type: z.string(), status: z.enum(['True', 'False', 'Unknown']) }))
        .max(20)
        .optional(),
    })
    .optional()
    .meta({ description: 'A condition Ready that is False: the pod begins unready.' }),
});

export const scenario = z.strictObject({
  apiVersion: z.literal(API_VERSION),
  kind: z.literal(KIND),
  metadata: z.strictObject({
    name: name.meta({ description: 'Names the capture and the report.' }),
    description: z.string().max(10_000).optional(),
  }),
  seed: count(0, Number.MAX_SAFE_INTEGER, 'a seed')
    .default(1)
    .meta({ description: 'The same seed gives the same bytes.' }),
  cluster,
  pods: z.array(podManifest).max(PODS_MAX).default([]).meta({ description: 'Kubernetes Pod manifests.' }),
  services: z
    .array(serviceManifest)
    .max(SERVICES_MAX)
    .default([])
    .meta({ description: 'Kubernetes Service manifests.' }),
  endpointSlices: z
    .array(endpointSliceManifest)
    .max(SERVICES_MAX)
    .default([])
    .meta({ description: 'EndpointSlices of Services without a selector.' }),
  manifests: z.array(z.string().min(1).max(1000)).max(100).default([]).meta({
    description:
      'Files with manifests of Pods, Services and EndpointSlices, relative to this file, in its directory or below.',
  }),
  cables: z.array(cable).max(1000).default([]),
  capture: capture.prefault({}),
  limits: limits.default({}),
  steps: z.array(step).min(1).max(STEPS_MAX),
});

export type PodManifest = z.output<typeof podManifest>;
export type ScenarioInput = z.output<typeof scenario>;

/** JSON Schema (2020-12) of the scenario file. */
export function scenarioJsonSchema(): Record<string, unknown> {
  const schema = z.toJSONSchema(scenario, { io: 'input', unrepresentable: 'throw' });
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    $id: 'https://podwire.dev/v1/scenario.schema.json',
    title: 'podwire scenario',
    ...schema,
  };
}
