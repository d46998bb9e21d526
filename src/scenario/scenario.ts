// A scenario that has been read and checked: a frozen value of names only. Nothing of it exists yet; run.ts builds it.

import type { ClusterSpec } from '../kube/cluster-spec.ts';
import type { CableSpec, CaptureSpec } from './schema-cluster.ts';
import type { ExpectInput, FaultInput, PodActionInput } from './schema-step.ts';

/** Where something stands in the file, for reports. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

export interface Step {
  /** position in the file, 0.. */
  readonly index: number;
  /** the step's own name, or what it does */
  readonly title: string;
  readonly name: string | null;
  readonly place: Place;
  /** virtual ns at which it begins, or null */
  readonly at: number | null;
  /** virtual ns after the step above ended */
  readonly after: number;
  readonly action:
    | { readonly kind: 'run'; readonly command: string; readonly on: string | null; readonly background: boolean }
    | { readonly kind: 'fault'; readonly fault: FaultInput }
    | ({ readonly kind: 'pod' } & PodActionInput)
    | { readonly kind: 'wait'; readonly time: number }
    | { readonly kind: 'expect' };
  readonly expect: ExpectInput | null;
}

export interface Scenario {
  readonly file: string;
  readonly name: string;
  readonly description: string | null;
  readonly seed: number;
  readonly cluster: ClusterSpec;
  readonly switchMtu: number;
  readonly cables: readonly CableSpec[];
  readonly capture: CaptureSpec;
  readonly limits: { readonly maxEvents: number | null; readonly maxTime: number | null };
  readonly steps: readonly Step[];
  /** what the file asks for on purpose and may surprise all the same, one sentence each */
  readonly warnings: readonly string[];
}
