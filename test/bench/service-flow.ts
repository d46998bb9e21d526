// What a Service costs: UDP from a pod to a pod on the other node, once to its own address and once to a cluster address, in a
// cluster with so many Services. The first packet of a flow and those after it apart: the first one is what rules are walked
// for, the others only find their connection.

import {
  buildCluster,
  type ClusterSpec,
  KUBE_PROXY_DEFAULTS,
  NS_PER_S,
  parseIpv4,
  parseIpv4Prefix,
  servicePort,
  serviceSpec,
  UdpSocket,
  World,
} from '../../src/index.ts';
import { median } from './measure.ts';

export type ProxyChoice = 'none' | 'iptables' | 'ipvs';

export interface ServiceCase {
  readonly proxy: ProxyChoice;
  readonly services: number;
}

/** none: pods and nodes alone, no netfilter; its flows are the ground that the others stand on. */
export const SERVICE_CASES: readonly ServiceCase[] = [
  { proxy: 'none', services: 0 },
  ...(['iptables', 'ipvs'] as const).flatMap((proxy) => [10, 1_000, 10_000].map((services) => ({ proxy, services }))),
];

/** ns of processor time for one packet, all interfaces and both nodes; medians over the rounds. */
export interface PacketCost {
  /** a flow of one packet: socket, connection entries and all */
  readonly first: number;
  /** a packet of a flow that goes on */
  readonly established: number;
}

export interface ServiceFigures extends ServiceCase {
  /** ms of processor time for the cluster to stand, the full sync of both nodes' kube-proxy in it */
  readonly setup: number;
  readonly plain: PacketCost;
  /** null: there is nobody to serve it */
  readonly service: PacketCost | null;
}

const PORT = 9000;
const SERVICE_PORT = 53;
const INTERVAL = 1_000;
const PAYLOAD = 64;
/** Source ports of flows of one packet; they wrap. */
const PORTS = { first: 10_000, count: 20_000 } as const;

function spec({ proxy, services }: ServiceCase): ClusterSpec {
  const address = (text: string): number => parseIpv4(text)!;
  const pod = (name: string, nodeName: string) => ({
    ...{ name, namespace: 'default', nodeName, hostNetwork: false, containers: ['main'], labels: {} },
  });
  // The address that the pod on the second node gets.
  const endpoint = address('10.244.1.2');
  const names = Array.from({ length: services }, (_, i) => `s${String(i).padStart(5, '0')}`);
  return {
    podCIDR: parseIpv4Prefix('10.244.0.0/16')!,
    nodeCIDRMaskSize: 24,
    nodes: ['10.0.1.1', '10.0.1.2'].map((a, i) => ({
      ...{ name: `node-${i + 1}`, address: address(a), prefixLength: 24, podCIDR: null, mac: null, mtu: 1500 },
    })),
    network: { backend: 'vxlan', vni: 1, port: 8472, directRouting: false, mtu: null },
    pods: [pod('pod-a', 'node-1'), pod('pod-b', 'node-2')],
    ...(proxy === 'none'
      ? {}
      : {
          services: {
            serviceCIDR: parseIpv4Prefix('10.96.0.0/12')!,
            nodePortRange: { first: 30_000, last: 32_767 },
            kubeProxy: { ...KUBE_PROXY_DEFAULTS, mode: proxy },
            services: names.map((name) =>
              serviceSpec({ name, ports: [servicePort({ port: SERVICE_PORT, protocol: 'UDP', targetPort: PORT })] }),
            ),
            endpointSlices: names.map((name) => ({
              name: `${name}-abcde`,
              namespace: 'default',
              serviceName: name,
              ports: [{ name: '', protocol: 'UDP', port: PORT }],
              endpoints: [
                {
                  ...{ address: endpoint, ready: true, serving: true, terminating: false, hostname: null },
                  ...{ nodeName: 'node-2', zone: null, podName: null, forZones: [], forNodes: [] },
                },
              ],
            })),
          },
        }),
  };
}

/** ns of processor time of this process: what else the machine does counts less than by the clock. */
function cpuTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1000;
}

export function measureServices(which: ServiceCase, quick: boolean): ServiceFigures {
  const began = cpuTime();
  const world = new World(1);
  const cluster = buildCluster(world, spec(which));
  const setup = (cpuTime() - began) / 1e6;
  world.sim.runUntil(NS_PER_S);
  const from = cluster.pod('pod-a')!;
  const to = cluster.pod('pod-b')!;
  // The last by name: the last rule of KUBE-SERVICES that a packet could match.
  const last = cluster.services.list().at(-1);
  const virtual = which.proxy === 'none' || typeof last?.clusterIP !== 'number' ? null : last.clusterIP;

  let delivered = 0;
  const receiver = new UdpSocket(to.netns);
  receiver.bind(0, PORT);
  receiver.onDatagram = () => {
    delivered++;
  };
  const payload = new Uint8Array(PAYLOAD);
  let nextPort = 0;
  /** ns per packet of so many, one every virtual microsecond. */
  const run = (packets: number, send: () => void): number => {
    let left = packets;
    delivered = 0;
    const timer = world.sim.timer(() => {
      send();
      if (--left > 0) timer.arm(INTERVAL);
    });
    timer.arm(INTERVAL);
    const start = cpuTime();
    world.sim.runUntil(world.sim.now + packets * INTERVAL + NS_PER_S / 100);
    const took = cpuTime() - start;
    if (delivered !== packets) throw new Error(`${delivered} of ${packets} packets arrived`);
    // Connections of flows that have ended are forgotten before the next round.
    world.sim.runUntil(world.sim.now + 300 * NS_PER_S);
    return took / packets;
  };
  const cost = (address: number, port: number): PacketCost => {
    const one = (): void => {
      const socket = new UdpSocket(from.netns);
      socket.bind(0, PORTS.first + (nextPort++ % PORTS.count));
      socket.connect(address, port);
      socket.send(payload);
      socket.close();
    };
    const flow = new UdpSocket(from.netns);
    flow.connect(address, port);
    const rounds = quick ? 3 : 7;
    const firsts: number[] = [];
    const established: number[] = [];
    for (let round = -1; round < rounds; round++) {
      const f = run(quick ? 5_000 : 10_000, one);
      const e = run(quick ? 20_000 : 50_000, () => flow.send(payload));
      // The first round warms up.
      if (round < 0) continue;
      firsts.push(f);
      established.push(e);
    }
    flow.close();
    return { first: median(firsts), established: median(established) };
  };
  const plain = cost(to.ip!, PORT);
  const service = virtual === null ? null : cost(virtual, SERVICE_PORT);
  world.dispose();
  return { ...which, setup, plain, service };
}

const COLUMNS = ['Services', 'kube-proxy', 'setup', 'plain 1st', 'plain next', 'Service 1st', 'Service next'];
const WIDTHS = [10, 12, 11, 12, 12, 13, 14];

export function serviceHeader(): string {
  return cells(COLUMNS);
}

export function serviceRow(f: ServiceFigures): string {
  const us = (ns: number | undefined): string => (ns === undefined ? '-' : `${(ns / 1000).toFixed(2)} us`);
  return cells([
    f.services.toLocaleString('en-US'),
    f.proxy,
    `${f.setup.toFixed(0)} ms`,
    us(f.plain.first),
    us(f.plain.established),
    us(f.service?.first),
    us(f.service?.established),
  ]);
}

function cells(texts: readonly string[]): string {
  return texts.map((t, i) => t.padStart(WIDTHS[i]!)).join('');
}
