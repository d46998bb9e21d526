// The capture of a run: the recorder as the scenario wants it, and the names of addresses for whoever reads the file.

import type { Ipv4 } from '../addr/ipv4.ts';
import { type CaptureOutput, Recorder } from '../capture/recorder.ts';
import type { Cluster } from '../kube/cluster.ts';
import { DEFAULT_NAMESPACE } from '../kube/cluster-spec.ts';
import { WALL_EPOCH_S } from '../shell/wall-clock.ts';
import type { World } from '../stack/world.ts';
import type { Scenario } from './scenario.ts';

/** Null when nothing is to be captured. @throws CaptureOutputError when the file cannot be made */
export function createRecorder(
  scenario: Scenario,
  world: World,
  seed: number,
  options: { readonly capture: CaptureOutput | null; readonly overwrite: boolean },
): Recorder | null {
  if (options.capture === null) return null;
  const { name, capture } = scenario;
  return new Recorder({
    host: world,
    output: options.capture,
    format: capture.format,
    comments: [`scenario ${name}`, `seed ${seed}`],
    epochSeconds: WALL_EPOCH_S,
    snapLength: capture.snaplen ?? 0,
    sizeLimit: capture.maxSize ?? 0,
    // The run attaches what the scenario chooses, once it knows what placeholders stand for.
    interfaces: [],
    overwrite: options.overwrite,
    overwriteFlag: '--force',
  });
}

/** Names for the capture: nodes, pods as cluster DNS calls them, and the addresses of the overlay. */
export function namesOf(cluster: Cluster): { address: Ipv4; names: string[] }[] {
  const out: { address: Ipv4; names: string[] }[] = [];
  for (const node of cluster.nodes.values()) {
    out.push({ address: node.spec.address, names: [node.name] });
    if (node.ipam !== null) out.push({ address: node.ipam.gateway, names: [`cni0.${node.name}`] });
    const vtep = node.flannel?.vtep ?? null;
    if (vtep !== null && node.podCIDR !== null) {
      out.push({ address: node.podCIDR.address, names: [`${vtep.dev.name}.${node.name}`] });
    }
  }
  for (const host of cluster.hosts.values()) out.push({ address: host.spec.address, names: [host.name] });
  for (const pod of cluster.pods.values()) {
    if (pod.ip === null || pod.spec.hostNetwork) continue;
    const { name, namespace } = pod.spec;
    out.push({ address: pod.ip, names: [namespace === DEFAULT_NAMESPACE ? name : `${name}.${namespace}`] });
  }
  return out;
}
