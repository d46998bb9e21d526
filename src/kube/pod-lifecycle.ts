// What happens to a pod after its start: it becomes ready or not, it is deleted and goes on for its grace period, its sandbox
// is taken down. Endpoints follow at once (endpoint-slice.ts); who runs programs in the pod is told when they end.

import { NS_PER_S, type Ns } from '../sim/sim.ts';
import { deleteLink, deleteNamespace } from '../stack/link-control.ts';
import type { Cluster, Pod } from './cluster.ts';
import type { PodView } from './endpoint-slice.ts';

/** spec.terminationGracePeriodSeconds, by default */
export const GRACE_PERIOD: Ns = 30 * NS_PER_S;

/** The pod as the EndpointSlice controller sees it. */
export function podView(pod: Pod): PodView {
  const { spec, node } = pod;
  return {
    name: spec.name,
    namespace: spec.namespace,
    labels: spec.labels,
    ip: pod.ip,
    nodeName: node.name,
    zone: node.spec.zone ?? null,
    ready: pod.ready && pod.ip !== null,
    terminating: pod.deleted !== null,
    hostname: spec.hostname ?? null,
    subdomain: spec.subdomain ?? null,
    ports: spec.ports ?? [],
  };
}

/** The readiness probe of its container answers, or no longer does. */
export function setPodReady(cluster: Cluster, pod: Pod, ready: boolean): void {
  if (pod.ready === ready) return;
  pod.ready = ready;
  cluster.podsChanged();
}

/**
 * `kubectl delete pod`: endpoints are marked terminating, programs go on for the grace period (as those do whose container
 * waits in a preStop hook), then the sandbox is gone. Deleting twice changes nothing but a shorter period.
 */
export function deletePod(cluster: Cluster, pod: Pod, grace: Ns): void {
  if (pod.deleted === null) {
    pod.deleted = cluster.world.sim.now;
    cluster.podsChanged();
  }
  if (grace === 0) removePod(cluster, pod);
  else cluster.world.sim.after(grace, () => removePod(cluster, pod));
}

/** Programs end, CNI DEL takes the veth pair and the address back, the namespace goes, the object is gone. */
function removePod(cluster: Cluster, pod: Pod): void {
  if (cluster.pods.get(pod.label) !== pod) return;
  for (const stop of [...pod.programs]) stop();
  cluster.pods.delete(pod.label);
  cluster.gonePods.set(pod.label, pod);
  if (!pod.spec.hostNetwork) {
    if (pod.eth0 !== null) deleteLink(pod.eth0);
    if (pod.sandboxId !== null) pod.node.ipam?.release(pod.sandboxId, 'eth0');
    const { machine } = pod.node;
    const name = machine.nameOf(pod.netns);
    if (name !== null) deleteNamespace(machine, name);
  }
  cluster.podsChanged();
}
