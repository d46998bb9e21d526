// What the placeholders of a scenario stand for in the cluster that was built from it.

import { formatIpv4, formatIpv4Prefix } from '../addr/ipv4.ts';
import { formatMac } from '../addr/mac.ts';
import type { Cluster, ClusterNode, Pod } from '../kube/cluster.ts';
import { DEFAULT_NAMESPACE } from '../kube/cluster-spec.ts';
import { virtualIp } from '../kube/service.ts';
import { SERVICE_PREFIX } from './placeholder.ts';

/** The value of ${subject.field}, or null when there is none (a pod without an address, a node without flannel.N). */
export function placeholderValue(cluster: Cluster, subject: string, field: string): string | null {
  const pod = cluster.pods.get(subject) ?? cluster.gonePods.get(subject);
  if (pod !== undefined) return ofPod(pod, field);
  if (subject.startsWith(SERVICE_PREFIX)) return ofService(cluster, subject.slice(SERVICE_PREFIX.length), field);
  const host = cluster.hosts.get(subject);
  if (host !== undefined) return field === 'mac' ? formatMac(host.eth0.mac) : formatIpv4(host.spec.address);
  const node = cluster.nodes.get(subject);
  return node === undefined ? null : ofNode(node, field);
}

function ofPod(pod: Pod, field: string): string | null {
  switch (field) {
    case 'ip':
      return pod.ip === null ? null : formatIpv4(pod.ip);
    case 'mac':
      return pod.eth0 === null ? null : formatMac(pod.eth0.mac);
    case 'node':
      return pod.node.name;
    case 'namespace':
      return pod.spec.namespace;
    case 'veth':
      return pod.hostVeth?.name ?? null;
    default:
      return null;
  }
}

function ofService(cluster: Cluster, label: string, field: string): string | null {
  const slash = label.indexOf('/');
  const namespace = slash < 0 ? DEFAULT_NAMESPACE : label.slice(0, slash);
  const service = cluster.services.get(namespace, label.slice(slash + 1));
  if (service === null) return null;
  const address = virtualIp(service);
  const [first] = service.ports;
  if (field === 'ip') return address === null ? null : formatIpv4(address);
  if (field === 'port') return first === undefined ? null : String(first.port);
  return field === 'nodePort' && first?.nodePort != null ? String(first.nodePort) : null;
}

function ofNode(node: ClusterNode, field: string): string | null {
  const vtep = node.flannel?.vtep ?? null;
  switch (field) {
    case 'ip':
      return formatIpv4(node.spec.address);
    case 'mac':
      return formatMac(node.eth0.mac);
    case 'podCIDR':
      return node.podCIDR === null ? null : formatIpv4Prefix(node.podCIDR);
    case 'gateway':
      return node.ipam === null ? null : formatIpv4(node.ipam.gateway);
    case 'vtepMac':
      return vtep === null ? null : formatMac(vtep.dev.mac);
    default:
      return null;
  }
}
