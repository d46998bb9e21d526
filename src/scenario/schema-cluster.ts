// Shape of a scenario's cluster: nodes, pod network, underlay and the cables of the nodes.

import { z } from 'zod';
import { parseIpv4 } from '../addr/ipv4.ts';
import { KERNEL_BUGS } from '../stack/kernel-bug.ts';
import {
  count,
  ipv4,
  ipv4Cidr,
  ipv4Interface,
  mac,
  mtu,
  name,
  port,
  portRange,
  probability,
  rate,
  size,
  time,
  vni,
} from './quantity.ts';
import { dns } from './schema-dns.ts';
import { kubeProxy } from './schema-proxy.ts';

/** Choices: what one process simulates in seconds; see README for how the world grows with them. */
export const NODES_MAX = 200;
export const PODS_MAX = 5_000;

/** What a cable does to the frames that cross it, both directions alike. */
export const impairments = z.strictObject({
  latency: time.optional().meta({ description: 'Time every frame takes.' }),
  jitter: time.optional().meta({ description: 'Each frame takes latency plus or minus up to this; order is kept.' }),
  rate: rate.optional(),
  queue: count(1, 1_000_000, 'a queue length in frames')
    .optional()
    .meta({ description: 'Frames that may wait for the rate; more are dropped.' }),
  loss: probability.optional(),
  duplicate: probability.optional(),
  reorder: probability.optional().meta({ description: 'Frames that overtake the latency; needs a latency.' }),
  corrupt: probability.optional().meta({ description: 'Frames in which one bit is turned.' }),
});

const node = z.strictObject({
  name,
  address: ipv4Interface
    .optional()
    .meta({ description: 'Address of eth0; by default the next one of underlay.subnet.' }),
  podCIDR: ipv4Cidr.optional().meta({ description: 'By default the next free block of cluster.podCIDR.' }),
  mac: mac.optional().meta({ description: 'MAC of eth0; by default drawn from the seed.' }),
  zone: name.optional().meta({ description: 'Its label topology.kubernetes.io/zone.' }),
});

const host = z.strictObject({
  name,
  address: ipv4Interface.meta({ description: 'Address of eth0, in the subnet of the nodes.' }),
  mac: mac.optional(),
});

const network = z.strictObject({
  plugin: z.enum(['flannel']).default('flannel'),
  backend: z.enum(['vxlan', 'host-gw']).default('vxlan'),
  vni: vni.default(1),
  port: port.default(8472),
  directRouting: z.boolean().default(false),
  mtu: mtu.optional().meta({
    description: 'MTU of the pods; by default what the backend leaves of the underlay (vxlan: 50 bytes less).',
  }),
  allowOversizedMTU: z.boolean().default(false).meta({
    description: 'Takes an mtu that the underlay cannot carry, to play that mistake: a warning instead of an error.',
  }),
});

const underlay = z.strictObject({
  subnet: ipv4Cidr
    .optional()
    .meta({ description: 'Where nodes without an address get theirs; by default 10.0.1.0/24.' }),
  mtu: mtu.default(1500),
  gateway: ipv4
    .transform((text) => parseIpv4(text)!)
    .optional()
    .meta({
      description:
        "The nodes' default route. By default none, and the last address of the subnet in a cluster with Services, whose addresses need a route as well (a host may have it; else nobody answers there).",
    }),
});

export const cluster = z.strictObject({
  podCIDR: ipv4Cidr.prefault('10.244.0.0/16'),
  nodeCIDRMaskSize: count(8, 30, 'a prefix length').default(24),
  nodes: z
    .union([z.array(node).min(1).max(NODES_MAX), count(1, NODES_MAX, 'a number of nodes')], {
      error: `a list of nodes, or their number (1 to ${NODES_MAX})`,
    })
    .meta({ description: 'The nodes, or how many (then named node-1, node-2, ...).' }),
  hosts: z
    .array(host)
    .max(NODES_MAX)
    .default([])
    .meta({ description: 'Machines on the switch that are no nodes: clients from outside.' }),
  network: network.prefault({}),
  underlay: underlay.prefault({}),
  serviceCIDR: ipv4Cidr
    .prefault('10.96.0.0/12')
    .meta({ description: 'Where cluster addresses of Services come from.' }),
  nodePortRange: portRange.prefault('30000-32767'),
  dns: dns.optional(),
  packetTime: time.prefault('0s').meta({
    description:
      'How long a packet takes on a node from PREROUTING on, while other CPUs handle others: time for two packets of one flow to race.',
  }),
  kernelBugs: z.array(z.enum(KERNEL_BUGS)).default([]).meta({
    description:
      'Mistakes of old kernels that the nodes have. nat-tunnel-udp-checksum: masqueraded VXLAN packets get a wrong checksum (kubernetes#88986). conntrack-clash: of two packets that race to confirm their flow one is dropped (kubernetes#56903). conntrack-delayed: TCP segments that come too late are INVALID (kubernetes#74839).',
  }),
  kubeProxy: kubeProxy.optional().meta({
    description:
      'Who makes Services reachable. By default kube-proxy in iptables mode when there are Services, else nobody.',
  }),
});

export const cable = z.strictObject({
  node: name.meta({ description: 'The node whose cable to the underlay switch this is.' }),
  ...impairments.shape,
  mtu: mtu.optional().meta({ description: 'MTU of both ends of this cable.' }),
});

export const capture = z.strictObject({
  file: z.enum(['per-run', 'per-interface']).default('per-run'),
  format: z.enum(['pcapng', 'pcap']).default('pcapng'),
  interfaces: z
    .array(z.string().min(1).max(200))
    .optional()
    .meta({ description: 'Globs over node/interface and pod/interface names, such as node-*/eth0; by default all.' }),
  snaplen: count(64, 262_144, 'a snap length in bytes').optional(),
  maxSize: size.optional().meta({ description: 'The capture ends before it grows over this.' }),
});

export const limits = z.strictObject({
  maxEvents: count(1, Number.MAX_SAFE_INTEGER, 'a number of events').optional(),
  maxTime: time.optional(),
});

export type ImpairmentSpec = z.output<typeof impairments>;
export type ClusterInput = z.output<typeof cluster>;
export type CableSpec = z.output<typeof cable>;
export type CaptureSpec = z.output<typeof capture>;
