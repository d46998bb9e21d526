// What no schema can say of a cluster: names that are used twice, prefixes that overlap, addresses out of their subnet,
// MTUs that do not fit. Pods, cables and Services have their own files.

import { formatIpv4, formatIpv4Prefix, type Ipv4, type Ipv4Prefix, ipv4InPrefix, maskIpv4 } from '../addr/ipv4.ts';
import { formatMac, type Mac } from '../addr/mac.ts';
import { DEFAULT_NAMESPACE } from '../kube/cluster-spec.ts';
import { assignNodeCidrs, CidrSet } from '../kube/node-ipam.ts';
import { UNDERLAY } from '../kube/underlay.ts';
import { checkCables } from './check-cables.ts';
import { checkDns } from './check-dns.ts';
import { checkPodCount, checkPods } from './check-pods.ts';
import { checkServices } from './check-services.ts';
import type { Draft } from './draft.ts';
import { quoted } from './explain.ts';
import type { Problem } from './problem.ts';
import type { Path } from './yaml-value.ts';

/** Outer IPv4, UDP, VXLAN and inner Ethernet headers. */
export const VXLAN_OVERHEAD = 50;
/** IPV4_MIN_MTU, RFC 791 */
export const MTU_MIN = 68;
/** IFNAMSIZ - 1 (include/uapi/linux/if.h) */
const IFNAME_MAX = 15;
/** cidr_set.go clusterSubnetMaxDiff */
const MASK_DIFFERENCE_MAX = 16;
/** Name of the machine beside the cluster, where kubectl runs. */
export const WORKSTATION = 'workstation';
/** Subnet of nodes that name no address, when the file gives none. */
export const DEFAULT_SUBNET: Ipv4Prefix = { address: 0x0a000100, length: 24 };

/** A node as it will be: names and addresses that the file leaves open are filled in. */
export interface PlannedNode {
  readonly name: string;
  readonly address: Ipv4;
  readonly prefixLength: number;
  readonly podCIDR: Ipv4Prefix | null;
  readonly mac: Mac | null;
  readonly zone: string | null;
}

export interface ClusterPlan {
  readonly nodes: readonly PlannedNode[];
  readonly nodeNames: readonly string[];
  readonly podLabels: readonly string[];
  /** `name`, or `ns/name` outside the namespace default; with `kubernetes` when the cluster has Services */
  readonly services: readonly string[];
  readonly problems: readonly Problem[];
  /** what was asked for on purpose and may surprise all the same, one sentence each */
  readonly warnings: readonly string[];
}

export function checkCluster(draft: Draft): ClusterPlan {
  const problems: Problem[] = [];
  const warnings: string[] = [];
  const nodes = planNodes(draft, problems);
  checkNodes(draft, problems);
  checkHosts(draft, nodes, problems);
  checkGateway(draft, nodes, problems);
  checkCidrs(draft, nodes, problems);
  checkMtu(draft, problems, warnings);
  checkDevice(draft, problems);
  checkPodCount(draft, problems);
  const nodeNames = [...new Set([...nodes.map((n) => n.name), ...draft.named.nodes])];
  const ownPods = checkDns(draft, nodes, problems);
  const labels = checkPods(draft, nodes, { problems, before: ownPods.length });
  const podLabels = [...new Set([...ownPods, ...labels, ...draft.named.pods])];
  checkCables(draft, nodeNames, problems);
  const services = checkServices(draft, nodes, { problems, warnings });
  return { nodes, nodeNames, podLabels, services, problems, warnings };
}

function nodePath(i: number, ...rest: string[]): Path {
  return ['cluster', 'nodes', i, ...rest];
}

function planNodes(draft: Draft, problems: Problem[]): PlannedNode[] {
  const { tree } = draft;
  const subnet = draft.cluster.underlay.subnet ?? DEFAULT_SUBNET;
  const list = typeof draft.nodes === 'number' ? new Array(draft.nodes).fill(undefined) : draft.nodes;
  const taken = new Set<Ipv4>();
  for (const node of list) if (node?.address !== undefined) taken.add(node.address.address);
  let next = subnet.address;
  const out: PlannedNode[] = [];
  list.forEach((node, i) => {
    if (node === null) return;
    let address = node?.address?.address as Ipv4 | undefined;
    const prefixLength = (node?.address?.length as number | undefined) ?? subnet.length;
    if (address === undefined) {
      do next = (next + 1) | 0;
      while (taken.has(next));
      if (!ipv4InPrefix(next, subnet) || (next | maskIpv4(subnet.length)) === -1) {
        problems.push(
          tree.problem(typeof draft.nodes === 'number' ? ['cluster', 'nodes'] : nodePath(i), {
            what: `the underlay subnet ${formatIpv4Prefix(subnet)} has no address left for node ${i + 1}`,
            expected: 'a wider underlay.subnet',
          }),
        );
        return;
      }
      address = next;
    }
    out.push({
      name: node?.name ?? `node-${i + 1}`,
      address,
      prefixLength,
      podCIDR: node?.podCIDR ?? null,
      mac: node?.mac ?? null,
      zone: node?.zone ?? null,
    });
  });
  return out;
}

/** Names, addresses and MACs that stand twice, and addresses that cannot be a host's. */
function checkNodes(draft: Draft, problems: Problem[]): void {
  if (typeof draft.nodes === 'number') return;
  const { tree } = draft;
  const names = new Map<string, number>();
  const addresses = new Map<Ipv4, number>();
  const macs = new Map<Mac, number>();
  const again = <K>(seen: Map<K, number>, key: K, i: number, field: string, text: string): void => {
    const first = seen.get(key);
    if (first === undefined) seen.set(key, i);
    else {
      problems.push(
        tree.problem(nodePath(i, field), {
          what: `${text} is the ${field} of cluster.nodes[${first}] too`,
          expected: `one of its own for each node`,
        }),
      );
    }
  };
  const reference = draft.nodes.find((n) => n?.address !== undefined)?.address;
  const declared = draft.cluster.underlay.subnet;
  draft.nodes.forEach((node, i) => {
    if (node === null) return;
    again(names, node.name, i, 'name', quoted(node.name));
    if (node.name === UNDERLAY || node.name === WORKSTATION) {
      problems.push(
        tree.problem(nodePath(i, 'name'), {
          what: `${quoted(node.name)} is the name of ${node.name === UNDERLAY ? 'the switch between the nodes' : 'the machine beside the cluster'}`,
          expected: 'another name',
        }),
      );
    }
    if (node.mac !== undefined) again(macs, node.mac, i, 'mac', formatMac(node.mac));
    const { address } = node;
    if (address === undefined) return;
    again(addresses, address.address, i, 'address', formatIpv4(address.address));
    const host = address.address & ~maskIpv4(address.length);
    if (address.length < 31 && (host === 0 || host === ~maskIpv4(address.length))) {
      problems.push(
        tree.problem(nodePath(i, 'address'), {
          what: `${formatIpv4Prefix(address)} is the ${host === 0 ? 'network' : 'broadcast'} address of its subnet`,
          expected: 'an address of a host',
        }),
      );
      return;
    }
    const subnet = declared ?? { address: reference!.address & maskIpv4(reference!.length), length: reference!.length };
    if (!ipv4InPrefix(address.address, subnet) || address.length !== subnet.length) {
      problems.push(
        tree.problem(nodePath(i, 'address'), {
          what: `${formatIpv4Prefix(address)} is not in the subnet of the underlay`,
          expected: `an address of ${formatIpv4Prefix(subnet)} with /${subnet.length}: all nodes are on one switch`,
        }),
      );
    }
  });
}

/** Machines outside the cluster: names and addresses of their own, on the nodes' subnet. */
function checkHosts(draft: Draft, nodes: readonly PlannedNode[], problems: Problem[]): void {
  const names = new Set<string>([UNDERLAY, WORKSTATION, ...nodes.map((n) => n.name)]);
  for (const p of draft.pods) if (p?.pod.metadata.namespace === DEFAULT_NAMESPACE) names.add(p.pod.metadata.name);
  const addresses = new Set<Ipv4>(nodes.map((n) => n.address));
  const [first] = nodes;
  draft.cluster.hosts.forEach((host, i) => {
    const complain = (field: string, what: string, expected: string): void => {
      problems.push(draft.tree.problem(['cluster', 'hosts', i, field], { what, expected }));
    };
    if (names.has(host.name))
      complain('name', `${quoted(host.name)} is the name of something else`, 'a name of its own');
    names.add(host.name);
    const { address, length } = host.address;
    if (addresses.has(address)) complain('address', `${formatIpv4(address)} is taken`, 'an address of its own');
    addresses.add(address);
    if (first === undefined) return;
    const subnet = { address: first.address & maskIpv4(first.prefixLength), length: first.prefixLength };
    if (!ipv4InPrefix(address, subnet) || length !== subnet.length) {
      complain(
        'address',
        `${formatIpv4Prefix(host.address)} is not in the subnet of the nodes`,
        `an address of ${formatIpv4Prefix(subnet)}`,
      );
    }
  });
}

function checkGateway(draft: Draft, nodes: readonly PlannedNode[], problems: Problem[]): void {
  const { gateway } = draft.cluster.underlay;
  const [first] = nodes;
  if (gateway === undefined || first === undefined) return;
  const subnet = { address: first.address & maskIpv4(first.prefixLength), length: first.prefixLength };
  const taken = nodes.find((n) => n.address === gateway);
  if (ipv4InPrefix(gateway, subnet) && taken === undefined) return;
  problems.push(
    draft.tree.problem(['cluster', 'underlay', 'gateway'], {
      what:
        taken === undefined
          ? `${formatIpv4(gateway)} is not in the subnet of the nodes`
          : `${formatIpv4(gateway)} is the address of ${taken.name}`,
      expected: `another address of ${formatIpv4Prefix(subnet)}`,
    }),
  );
}

export function overlap(a: Ipv4Prefix, b: Ipv4Prefix): boolean {
  return ((a.address ^ b.address) & maskIpv4(Math.min(a.length, b.length))) === 0;
}

function checkCidrs(draft: Draft, planned: readonly PlannedNode[], problems: Problem[]): void {
  const { tree } = draft;
  const { podCIDR, nodeCIDRMaskSize } = draft.cluster;
  const first = planned[0];
  if (first !== undefined) {
    const underlay = draft.cluster.underlay.subnet ?? {
      address: first.address & maskIpv4(first.prefixLength),
      length: first.prefixLength,
    };
    if (overlap(underlay, podCIDR)) {
      problems.push(
        tree.problem(['cluster', 'podCIDR'], {
          what: `the pod CIDR ${formatIpv4Prefix(podCIDR)} overlaps the underlay ${formatIpv4Prefix(underlay)}`,
          expected: 'two prefixes that have no address in common',
        }),
      );
    }
  }
  if (nodeCIDRMaskSize < podCIDR.length || nodeCIDRMaskSize - podCIDR.length > MASK_DIFFERENCE_MAX) {
    problems.push(
      tree.problem(['cluster', 'nodeCIDRMaskSize'], {
        what: `a node mask of /${nodeCIDRMaskSize} does not fit the pod CIDR ${formatIpv4Prefix(podCIDR)}`,
        expected: `/${podCIDR.length} to /${Math.min(30, podCIDR.length + MASK_DIFFERENCE_MAX)}`,
      }),
    );
    return;
  }
  let sound = true;
  const list = typeof draft.nodes === 'number' ? [] : draft.nodes;
  list.forEach((node, i) => {
    const cidr = node?.podCIDR;
    if (cidr === undefined) return;
    const complain = (what: string, expected: string): void => {
      sound = false;
      problems.push(tree.problem(nodePath(i, 'podCIDR'), { what, expected }));
    };
    if (!ipv4InPrefix(cidr.address, podCIDR) || cidr.length < podCIDR.length) {
      complain(
        `${formatIpv4Prefix(cidr)} is not in the pod CIDR of the cluster`,
        `a prefix of ${formatIpv4Prefix(podCIDR)}`,
      );
      return;
    }
    const other = list.findIndex((n, j) => j < i && n?.podCIDR !== undefined && overlap(n.podCIDR, cidr));
    if (other >= 0) {
      const theirs = formatIpv4Prefix(list[other]!.podCIDR!);
      complain(
        `${formatIpv4Prefix(cidr)} overlaps ${theirs} of cluster.nodes[${other}]`,
        'a prefix of its own for each node',
      );
    }
  });
  if (!sound) return;
  assignNodeCidrs(new CidrSet(podCIDR, nodeCIDRMaskSize), planned).forEach((given, i) => {
    if ('error' in given) {
      problems.push(
        tree.problem(typeof draft.nodes === 'number' ? ['cluster', 'nodes'] : nodePath(i), {
          what: `no pod CIDR for node ${planned[i]!.name}: ${given.error}`,
          expected: `at most ${2 ** (nodeCIDRMaskSize - podCIDR.length)} nodes`,
          mend: 'widen cluster.podCIDR or raise nodeCIDRMaskSize',
        }),
      );
    }
  });
}

/** flannel calls its device flannel.<VNI>, which a VNI of eight digits makes too long for the kernel. */
function checkDevice(draft: Draft, problems: Problem[]): void {
  const { backend, vni } = draft.cluster.network;
  const name = `flannel.${vni}`;
  if (backend !== 'vxlan' || name.length <= IFNAME_MAX) return;
  problems.push(
    draft.tree.problem(['cluster', 'network', 'vni'], {
      what: `flannel's device would be called ${name}: ${name.length} characters, and the kernel takes ${IFNAME_MAX}`,
      expected: 'a VNI below 10000000',
    }),
  );
}

function checkMtu(draft: Draft, problems: Problem[], warnings: string[]): void {
  const { network, underlay } = draft.cluster;
  const overhead = network.backend === 'vxlan' ? VXLAN_OVERHEAD : 0;
  const room = underlay.mtu - overhead;
  if (room < MTU_MIN) {
    problems.push(
      draft.tree.problem(['cluster', 'underlay', 'mtu'], {
        what: `an underlay MTU of ${underlay.mtu} leaves ${room} bytes for pods`,
        expected: `at least ${MTU_MIN + overhead}`,
      }),
    );
  }
  if (network.mtu === undefined || network.mtu <= room) return;
  if (network.allowOversizedMTU) {
    const taken = overhead > 0 ? `, of which VXLAN takes ${overhead}` : '';
    warnings.push(
      `pods have an MTU of ${network.mtu} and the underlay carries ${underlay.mtu}${taken}: packets between nodes of ` +
        `${room + 1} to ${network.mtu} bytes are fragmented, or refused when they may not be`,
    );
  } else {
    problems.push(
      draft.tree.problem(['cluster', 'network', 'mtu'], {
        what: `pods with an MTU of ${network.mtu} do not fit the underlay's ${underlay.mtu}`,
        expected: `at most ${room}${overhead > 0 ? `: VXLAN takes ${overhead} bytes` : ''}`,
        mend: 'to play this mistake, add allowOversizedMTU: true to cluster.network',
      }),
    );
  }
}
