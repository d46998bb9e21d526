// Shape of cluster.kubeProxy: the fields of KubeProxyConfiguration (kubeproxy.config.k8s.io/v1alpha1) that mean something
// here. Times carry their unit as everywhere in a scenario.

import { z } from 'zod';
import { KUBE_PROXY_DEFAULTS, PROXY_BUGS } from '../kube/kube-proxy-spec.ts';
import { IPVS_SCHEDULERS, type IpvsSchedulerName } from '../netfilter/ipvs/scheduler.ts';
import { count, ipv4Cidr, time } from './quantity.ts';

const MODES = ['iptables', 'ipvs', 'nftables', 'none'] as const;

const { conntrack } = KUBE_PROXY_DEFAULTS;

export const kubeProxy = z.strictObject({
  mode: z.enum(MODES).default('iptables').meta({ description: 'none: nobody makes Services reachable.' }),
  clusterCIDR: ipv4Cidr.optional().meta({ description: 'Sources that count as pods; by default cluster.podCIDR.' }),
  nodePortAddresses: z.array(ipv4Cidr).max(100).default([]).meta({
    description: 'Prefixes of node addresses at which node ports answer; by default all.',
  }),
  iptables: z
    .strictObject({
      masqueradeAll: z.boolean().default(false),
      localhostNodePorts: z.boolean().default(true),
      minSyncPeriod: time.prefault('1s'),
    })
    .prefault({}),
  ipvs: z
    .strictObject({
      scheduler: z.enum(IPVS_SCHEDULERS as [IpvsSchedulerName, ...IpvsSchedulerName[]]).default('rr'),
      strictARP: z.boolean().default(false),
    })
    .prefault({}),
  conntrack: z
    .strictObject({
      maxPerCore: count(0, 1_000_000, 'entries').default(conntrack.maxPerCore),
      min: count(0, 1_048_576, 'entries').default(conntrack.min),
      tcpEstablishedTimeout: time.prefault('24h'),
      tcpCloseWaitTimeout: time.prefault('1h'),
      udpTimeout: time.optional(),
      udpStreamTimeout: time.optional(),
      tcpBeLiberal: z.boolean().default(false),
    })
    .prefault({}),
  bugs: z.array(z.enum(PROXY_BUGS)).default([]).meta({
    description:
      'Mistakes of old releases, to play them again. stale-udp-conntrack: UDP flows to endpoints that are gone are not forgotten (kubernetes#48370). forward-invalid: INVALID packets are forwarded (kubernetes#74839). keep-masquerade-mark: VXLAN packets around masqueraded ones are masqueraded too (kubernetes#88986).',
  }),
});

export type KubeProxyInput = z.output<typeof kubeProxy>;
