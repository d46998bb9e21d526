// The flow of the benchmark in podwire's own world.

import type { FlowResult, FlowSettings } from './hand-written.ts';

export interface PodwireFlow {
  /** True when the nodes of this world are joined by a switch: then the hand-written side gets one too. */
  readonly throughSwitch: boolean;
  /** Sends as many datagrams from pod A to pod B, one every virtual microsecond, and returns when all have arrived. */
  run(packets: number): FlowResult;
  close(): void;
}

/** A world with this flow in it, its neighbours resolved; null while podwire has no public way to build one. */
export function openPodwireFlow(_settings: FlowSettings): PodwireFlow | null {
  return null;
}
