// One case, both sides in turn in one process: round by round, so that a machine whose speed drifts drifts for both.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CaptureTo, type FlowResult, type FlowSettings, runHandWritten } from './hand-written.ts';
import { openPodwireFlow } from './podwire-flow.ts';
import type { FlowCase } from './targets.ts';

export interface SideFigures {
  /** packets/s delivered, the median round */
  readonly packetsPerSecond: number;
  /** ns for one interface crossed by one packet, the median round */
  readonly nsPerHop: number;
  /** interfaces crossed by one packet */
  readonly crossings: number;
  /** the slowest and the fastest round, packets/s */
  readonly range: readonly [number, number];
}

export interface CaseFigures extends FlowCase {
  readonly packets: number;
  readonly rounds: number;
  readonly handWritten: SideFigures;
  readonly podwire: SideFigures;
  /** podwire / hand-written: the median over the rounds of the ratio within a round */
  readonly share: number;
}

/** Packets of one round: some tenths of a second for either side. */
function packetsOf(flow: FlowCase, quick: boolean): number {
  const full =
    flow.capture === CaptureTo.NOWHERE ? 200_000 : flow.payload < 1000 ? 50_000 : flow.acrossNodes ? 10_000 : 20_000;
  return quick ? full / 4 : full;
}

export function measure(flow: FlowCase, quick: boolean): CaseFigures {
  const rounds = quick ? 3 : 9;
  const packets = packetsOf(flow, quick);
  const folder = mkdtempSync(join(tmpdir(), 'podwire-bench-'));
  try {
    const settings: FlowSettings = { ...flow, throughSwitch: false, path: join(folder, 'hand-written.pcapng') };
    const podwire = openPodwireFlow({ ...settings, path: join(folder, 'podwire.pcapng') });
    // Both sides cross the same interfaces.
    const limit = { ...settings, throughSwitch: podwire.throughSwitch };
    const hand: number[] = [];
    const ours: number[] = [];
    const shares: number[] = [];
    let handCrossings = 0;
    let ourCrossings = 0;
    // Warm-up: one round that is not counted.
    for (let round = -1; round < rounds; round++) {
      const h = timed(() => runHandWritten(limit, packets), packets);
      const p = timed(() => podwire.run(packets), packets);
      if (round < 0) continue;
      hand.push(h.rate);
      handCrossings = h.result.crossings;
      ours.push(p.rate);
      ourCrossings = p.result.crossings;
      if (ourCrossings !== handCrossings) throw new Error(`crossings: ${ourCrossings} and ${handCrossings} by hand`);
      shares.push(p.rate / h.rate);
    }
    podwire.close();
    return {
      ...flow,
      packets,
      rounds,
      handWritten: figures(hand, handCrossings),
      podwire: figures(ours, ourCrossings),
      share: median(shares),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function timed(run: () => FlowResult, packets: number): { rate: number; result: FlowResult } {
  const began = process.hrtime.bigint();
  const result = run();
  const seconds = Number(process.hrtime.bigint() - began) / 1e9;
  if (result.delivered !== packets) throw new Error(`${result.delivered} of ${packets} packets arrived`);
  return { rate: packets / seconds, result };
}

function figures(rates: readonly number[], crossings: number): SideFigures {
  const rate = median(rates);
  return {
    packetsPerSecond: rate,
    nsPerHop: 1e9 / rate / crossings,
    crossings,
    range: [Math.min(...rates), Math.max(...rates)],
  };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}
