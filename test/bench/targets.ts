// What a case is to reach, as a share of the hand-written limit in the same run.

import { CaptureTo, type FlowSettings } from './hand-written.ts';

export type FlowCase = Pick<FlowSettings, 'acrossNodes' | 'payload' | 'capture'>;

/** Every case, in the order of the table. */
export const FLOW_CASES: readonly FlowCase[] = [false, true].flatMap((acrossNodes) =>
  [64, 1400].flatMap((payload) => Object.values(CaptureTo).map((capture) => ({ acrossNodes, payload, capture }))),
);

/** 60 %, but 90 % where the file system is what limits both: big packets, every interface, to a file. */
export function targetShare(flow: FlowCase): number {
  return flow.capture === CaptureTo.FILE && flow.payload > 1000 ? 0.9 : 0.6;
}

/** Packets/s that others reached on a machine of the kind this is built on, measured once. */
export interface Others {
  /** optimised build; across nodes it routes without VXLAN */
  readonly ns3: number;
  /** Linux 6.18: sockets, veth, bridge, vxlan */
  readonly kernel: number;
  /** an earlier hand-written limit, less tuned than the one here; its work had a conntrack look-up too */
  readonly earlierLimit: number;
}

export function othersReach(flow: FlowCase): Others | null {
  const big = flow.payload > 1000;
  if (flow.capture === CaptureTo.NOWHERE) {
    if (!flow.acrossNodes) {
      return big
        ? { ns3: 30_000, kernel: 123_000, earlierLimit: 1_420_000 }
        : { ns3: 68_000, kernel: 129_000, earlierLimit: 2_180_000 };
    }
    return big
      ? { ns3: 18_000, kernel: 70_000, earlierLimit: 795_000 }
      : { ns3: 43_000, kernel: 69_000, earlierLimit: 1_370_000 };
  }
  if (flow.capture === CaptureTo.FILE && flow.acrossNodes) {
    return big
      ? { ns3: 12_000, kernel: 44_000, earlierLimit: 76_000 }
      : { ns3: 33_000, kernel: 50_000, earlierLimit: 447_000 };
  }
  return null;
}
