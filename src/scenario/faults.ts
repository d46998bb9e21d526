// Faults and impairments of a scenario, set on the cables of the cluster (link/cable.ts): the cable between a node and the
// underlay's switch, or between a pod and its bridge.

import type { Cluster } from '../kube/cluster.ts';
import { Partition } from '../kube/partition.ts';
import { Cable } from '../link/cable.ts';
import type { Impairment } from '../link/impairment.ts';
import type { CableSpec, ImpairmentSpec } from './schema-cluster.ts';
import type { FaultInput } from './schema-step.ts';

export class Faults {
  readonly #cluster: Cluster;
  /** What `cables` of the scenario says, by node: healing goes back to it. */
  readonly #own = new Map<string, Partial<Impairment>>();
  readonly #podCables = new Map<string, Cable>();
  #partition: Partition | null = null;

  constructor(cluster: Cluster, cables: readonly CableSpec[]) {
    this.#cluster = cluster;
    for (const spec of cables) {
      const settings = impairmentOf(spec);
      this.#own.set(spec.node, settings);
      this.#apply(spec.node, settings);
    }
  }

  /** Does it, now. */
  inject(fault: FaultInput): void {
    if (fault.partition !== undefined) this.#separate(fault.partition);
    if (fault.heal !== undefined) this.#heal(fault.heal);
    if (fault.link === undefined) return;
    this.#apply(fault.link, impairmentOf(fault));
    if (fault.action !== undefined) this.#cable(fault.link)?.setPlugged(fault.action === 'up');
  }

  #apply(name: string, settings: Partial<Impairment>): void {
    if (Object.keys(settings).length > 0) this.#cable(name)?.change(settings);
  }

  #separate(groups: readonly (readonly string[])[]): void {
    this.#partition?.heal();
    this.#partition = new Partition(
      groups.map((group) =>
        group.flatMap((name) => {
          const cable = this.#cluster.underlay.cables.get(name);
          return cable === undefined ? [] : [{ eth0: cable.a, port: cable.b }];
        }),
      ),
    );
  }

  #heal(what: string): void {
    if (what === 'all') {
      this.#partition?.heal();
      this.#partition = null;
      for (const name of [...this.#cluster.underlay.cables.keys(), ...this.#podCables.keys()]) this.#heal(name);
      return;
    }
    const cable = this.#cable(what);
    if (cable === null) return;
    cable.clean();
    cable.setPlugged(true);
    const own = this.#own.get(what);
    if (own !== undefined) this.#apply(what, own);
  }

  /** Of a node or of a pod; null for a pod that has no cable (hostNetwork). */
  #cable(name: string): Cable | null {
    const node = this.#cluster.underlay.cables.get(name);
    if (node !== undefined) return node;
    const known = this.#podCables.get(name);
    if (known !== undefined) return known;
    const pod = this.#cluster.pods.get(name);
    if (pod?.eth0 == null || pod.hostVeth === null) return null;
    const cable = new Cable(pod.eth0);
    this.#podCables.set(name, cable);
    return cable;
  }
}

/** Settings of the file in the words of the link floor; only those that are given. */
function impairmentOf(spec: ImpairmentSpec): Partial<Impairment> {
  const { latency, jitter, rate, queue, loss, duplicate, reorder, corrupt } = spec;
  return {
    ...(latency === undefined ? {} : { latency }),
    ...(jitter === undefined ? {} : { jitter }),
    ...(rate === undefined ? {} : { rate }),
    ...(queue === undefined ? {} : { queuePackets: queue }),
    ...(loss === undefined ? {} : { loss: loss === 0 ? null : { kind: 'random' as const, probability: loss } }),
    ...(duplicate === undefined ? {} : { duplicate }),
    ...(reorder === undefined ? {} : { reorder }),
    ...(corrupt === undefined ? {} : { corrupt }),
  };
}
