// What no schema can say of cables: nodes that do not exist, two entries for one node, settings that mean nothing alone.

import { MTU_MIN, VXLAN_OVERHEAD } from './check-cluster.ts';
import type { Draft } from './draft.ts';
import { quoted } from './explain.ts';
import { nearestName } from './nearest.ts';
import type { Problem } from './problem.ts';
import type { Path } from './yaml-value.ts';

export function checkCables(draft: Draft, names: readonly string[], problems: Problem[]): void {
  const { tree } = draft;
  const seen = new Map<string, number>();
  draft.cables.forEach((cable, i) => {
    if (cable === null) return;
    if (names.length > 0 && !names.includes(cable.node)) {
      const near = nearestName(cable.node, names);
      problems.push(
        tree.problem(['cables', i, 'node'], {
          what: `there is no node ${quoted(cable.node)}`,
          expected: `one of ${names.join(', ')}`,
          mend: near === null ? undefined : `did you mean ${near}?`,
        }),
      );
    }
    const first = seen.get(cable.node);
    if (first === undefined) seen.set(cable.node, i);
    else {
      problems.push(
        tree.problem(['cables', i, 'node'], {
          what: `the cable of ${cable.node} is described in cables[${first}] already`,
          expected: 'one entry for each node',
        }),
      );
    }
    const overhead = draft.cluster.network.backend === 'vxlan' ? VXLAN_OVERHEAD : 0;
    if (cable.mtu !== undefined && cable.mtu < MTU_MIN + overhead) {
      problems.push(
        tree.problem(['cables', i, 'mtu'], {
          what: `a cable MTU of ${cable.mtu} leaves ${cable.mtu - overhead} bytes for pods`,
          expected: `at least ${MTU_MIN + overhead}`,
        }),
      );
    }
    problems.push(...checkImpairment(draft, ['cables', i], cable));
  });
}

/** Settings of a cable that mean nothing without another. */
export function checkImpairment(
  draft: Draft,
  path: Path,
  settings: {
    latency?: number | undefined;
    jitter?: number | undefined;
    reorder?: number | undefined;
    rate?: number | undefined;
    queue?: number | undefined;
  },
): Problem[] {
  const problems: Problem[] = [];
  const needs = (key: 'jitter' | 'reorder' | 'queue', other: 'latency' | 'rate', why: string): void => {
    if (settings[key] === undefined || settings[other] !== undefined) return;
    problems.push(
      draft.tree.keyProblem([...path, key], {
        what: `${key} without ${other}`,
        expected: `a ${other} as well`,
        mend: why,
      }),
    );
  };
  needs('reorder', 'latency', 'a frame overtakes others by skipping the latency');
  needs('queue', 'rate', 'frames only wait for a rate');
  if (settings.jitter !== undefined && settings.latency !== undefined && settings.jitter > settings.latency) {
    problems.push(
      draft.tree.problem([...path, 'jitter'], {
        what: 'the jitter is greater than the latency',
        expected: 'at most the latency',
      }),
    );
  }
  return problems;
}
