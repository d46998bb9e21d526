// What no schema can say of pods: names that stand twice, nodes that do not exist, nodes that are full.

import { DEFAULT_NAMESPACE, podLabel } from '../kube/cluster-spec.ts';
import { HostLocal } from '../kube/host-local.ts';
import { scheduleNode } from '../kube/scheduler.ts';
import { UNDERLAY } from '../kube/underlay.ts';
import type { PlannedNode } from './check-cluster.ts';
import type { Draft } from './draft.ts';
import { quoted } from './explain.ts';
import { nearestName } from './nearest.ts';
import type { Problem } from './problem.ts';
import { PODS_MAX } from './schema-cluster.ts';

/** Those of the file and of its manifests together. */
export function checkPodCount(draft: Draft, problems: Problem[]): void {
  const others = draft.pods.some((p) => p !== null && p.tree !== draft.tree);
  if (draft.pods.length <= PODS_MAX || !others) return;
  problems.push(
    draft.tree.problem(['manifests'], {
      what: `${draft.pods.length} pods with those of the manifests`,
      expected: `at most ${PODS_MAX}`,
      mend: 'a run of this size would not fit into one process',
    }),
  );
}

/** @param how `before`: pods that are scheduled before those of the file */
export function checkPods(
  draft: Draft,
  nodes: readonly PlannedNode[],
  how: { readonly problems: Problem[]; readonly before: number },
): string[] {
  const { problems, before } = how;
  const names = nodes.map((n) => n.name);
  const labels = new Map<string, number>();
  const counts = nodes.map(() => 0);
  for (let i = 0; i < before && nodes.length > 0; i++) counts[scheduleNode(counts)]!++;
  const capacity = (i: number): number =>
    HostLocal.capacity(nodes[i]!.podCIDR?.length ?? draft.cluster.nodeCIDRMaskSize);
  draft.pods.forEach((draftPod, i) => {
    if (draftPod === null) return;
    const { tree, path, pod } = draftPod;
    const { name, namespace } = pod.metadata;
    const label = podLabel({ name, namespace });
    const first = labels.get(label);
    if (first !== undefined) {
      problems.push(
        tree.problem([...path, 'metadata', 'name'], {
          what: `a second pod ${quoted(name)} in the namespace ${namespace}`,
          expected: 'each name once in a namespace',
        }),
      );
    } else labels.set(label, i);
    if (namespace === DEFAULT_NAMESPACE && (names.includes(name) || name === UNDERLAY)) {
      problems.push(
        tree.problem([...path, 'metadata', 'name'], {
          what: `${quoted(name)} is the name of ${name === UNDERLAY ? 'the switch' : 'a node'} too`,
          expected: 'different names, because captures and placeholders go by them',
        }),
      );
    }
    const { nodeName, hostNetwork } = pod.spec;
    const at = nodeName === undefined ? scheduleNode(counts) : names.indexOf(nodeName);
    if (at < 0) {
      // Without any node the mistake is told where the nodes are.
      if (nodeName !== undefined && names.length > 0 && !draft.named.nodes.includes(nodeName)) {
        const near = nearestName(nodeName, names);
        problems.push(
          tree.problem([...path, 'spec', 'nodeName'], {
            what: `there is no node ${quoted(nodeName)}`,
            expected: `one of ${names.join(', ')}`,
            mend: near === null ? undefined : `did you mean ${near}?`,
          }),
        );
      }
      return;
    }
    if (hostNetwork === true) return;
    counts[at]!++;
    if (counts[at] === capacity(at) + 1) {
      problems.push(
        tree.problem(path, {
          what: `node ${names[at]} has no address left for pod ${quoted(name)}`,
          expected: `at most ${capacity(at)} pods on a node with a /${nodes[at]!.podCIDR?.length ?? draft.cluster.nodeCIDRMaskSize}`,
        }),
      );
    }
  });
  return [...labels.keys()];
}
