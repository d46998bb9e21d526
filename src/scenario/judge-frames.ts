// Expectations on what was observed: frames on interfaces, drops, latencies.

import { DropReason, dropReasonName } from '../base/drop-reason.ts';
import { matchesLabel } from '../capture/glob.ts';
import { NS_PER_MS, type Ns } from '../sim/sim.ts';
import { dropLine, formatAmount, frameLine, type Judgement, judgement, someOf, within } from './judgement.ts';
import type { Mark, Observation, ObservedDrop, ObservedFrame } from './observation.ts';
import { compileFilter } from './packet-filter.ts';
import type { DropsExpectation, LatencyExpectation, PacketsExpectation } from './schema-step.ts';

export function judgePackets(observation: Observation, expected: PacketsExpectation, since: Mark): Judgement {
  const filter = compileFilter(expected.filter);
  const here = framesSince(observation, since).filter(
    (f) =>
      matchesLabel([expected.interface], f.label) &&
      (expected.direction === undefined || f.direction === expected.direction),
  );
  const found = here.filter((f) => filter.matches(f));
  const direction = expected.direction === undefined ? '' : ` (${expected.direction})`;
  const what = `${formatAmount(expected.count)} frames on ${expected.interface}${direction} with ${filter.text}`;
  if (observation.framesBeyond > 0) return beyond(what, observation);
  return judgement(within(found.length, expected.count), what, String(found.length), () =>
    found.length > 0
      ? someOf(found, frameLine)
      : [
          ...someOf(here, frameLine).map((line) => `other: ${line}`),
          ...(here.length === 0 ? [`nothing passed ${expected.interface}`] : []),
          ...someOf(dropsSince(observation, since), dropLine),
        ],
  );
}

export function judgeDrops(observation: Observation, expected: DropsExpectation, since: Mark): Judgement {
  const all = dropsSince(observation, since);
  const found = all.filter(
    (d) =>
      (expected.reason === undefined || d.reason === DropReason[expected.reason]) &&
      (expected.where === undefined || placeMatches(expected.where, d.where)),
  );
  const reason = expected.reason === undefined ? '' : ` for ${expected.reason}`;
  const where = expected.where === undefined ? '' : ` at ${expected.where}`;
  const what = `${formatAmount(expected.count)} drops${reason}${where}`;
  if (observation.dropsBeyond > 0) return judgement(false, what, `${all.length} and more drops: too many to tell`);
  return judgement(within(found.length, expected.count), what, String(found.length), () => {
    const shown = found.length > 0 ? found : all;
    return shown.length === 0 ? ['nothing was dropped'] : someOf(shown, dropLine);
  });
}

/** A pattern without a slash is a node or pod as well as an interface name. */
function placeMatches(pattern: string, where: string): boolean {
  if (matchesLabel([pattern], where)) return true;
  if (pattern.includes('/')) return false;
  const slash = where.lastIndexOf('/');
  return matchesLabel([pattern], slash < 0 ? where : where.slice(0, slash).replaceAll('/', ':'));
}

/** @param stdout of the step's command, for `of: ping` */
export function judgeLatency(
  observation: Observation,
  expected: LatencyExpectation,
  since: Mark,
  stdout: string,
): Judgement {
  const bounds = [
    ...(expected.min === undefined ? [] : [`at least ${formatMs(expected.min)}`]),
    ...(expected.max === undefined ? [] : [`at most ${formatMs(expected.max)}`]),
  ].join(' and ');
  if (expected.of === 'ping') {
    const times = [...stdout.matchAll(/time=([\d.]+) ms/g)].map((m) => Number(m[1]) * NS_PER_MS);
    const what = `round-trip times of ping ${bounds}`;
    if (times.length === 0)
      return judgement(false, what, 'ping printed none', () =>
        stdout.trim() === ''
          ? ['stdout: (empty)']
          : stdout
              .trimEnd()
              .split('\n')
              .map((line) => `stdout: ${line}`),
      );
    const wrong = times.filter((t) => !inside(t, expected));
    return judgement(wrong.length === 0, what, `${formatRange(times)} in ${times.length} answers`);
  }
  const filter = compileFilter(expected.filter);
  const frames = framesSince(observation, since);
  const what = `${bounds} from ${expected.from} to ${expected.to} for ${filter.text}`;
  if (observation.framesBeyond > 0) return beyond(what, observation);
  const begun = frames.filter((f) => matchesLabel([expected.from!], f.label) && filter.matches(f));
  const pairs: { from: ObservedFrame; took: Ns }[] = [];
  const arrived = new Map<number, ObservedFrame[]>();
  for (const f of frames) {
    if (!matchesLabel([expected.to!], f.label)) continue;
    const same = arrived.get(f.packetId);
    if (same === undefined) arrived.set(f.packetId, [f]);
    else same.push(f);
  }
  for (const from of begun) {
    const to = arrived.get(from.packetId)?.find((f) => f.time >= from.time);
    if (to !== undefined) pairs.push({ from, took: to.time - from.time });
  }
  if (pairs.length === 0) {
    return judgement(false, what, 'no frame was seen at both', () => [
      ...someOf(begun, frameLine),
      ...someOf(dropsSince(observation, since), dropLine),
    ]);
  }
  const wrong = pairs.filter((p) => !inside(p.took, expected));
  return judgement(
    wrong.length === 0,
    what,
    `${formatRange(pairs.map((p) => p.took))} for ${pairs.length} frames`,
    () => someOf(wrong, (p) => `${formatMs(p.took)}: ${frameLine(p.from)}`),
  );
}

function inside(time: Ns, bounds: { min?: number | undefined; max?: number | undefined }): boolean {
  return time >= (bounds.min ?? 0) && time <= (bounds.max ?? Number.POSITIVE_INFINITY);
}

function formatMs(time: Ns): string {
  return `${Number((time / NS_PER_MS).toFixed(6))} ms`;
}

function formatRange(times: readonly Ns[]): string {
  const least = times.reduce((a, b) => Math.min(a, b));
  const most = times.reduce((a, b) => Math.max(a, b));
  return least === most ? formatMs(least) : `${formatMs(least)} to ${formatMs(most)}`;
}

function framesSince(observation: Observation, since: Mark): ObservedFrame[] {
  return observation.frames.slice(since.frames);
}

export function dropsSince(observation: Observation, since: Mark): ObservedDrop[] {
  return observation.drops.slice(since.drops);
}

function beyond(what: string, observation: Observation): Judgement {
  const came = `more frames than are kept for expectations (${observation.frames.length}): too many to tell`;
  return judgement(false, what, came);
}

/** Drops by reason, most frequent first, for summaries. */
export function countDrops(drops: readonly ObservedDrop[]): { reason: string; where: string; count: number }[] {
  const counts = new Map<string, { reason: string; where: string; count: number }>();
  for (const drop of drops) {
    const reason = dropReasonName(drop.reason);
    const key = `${reason} ${drop.where}`;
    const known = counts.get(key);
    if (known === undefined) counts.set(key, { reason, where: drop.where, count: 1 });
    else known.count++;
  }
  return [...counts.values()].sort((a, b) => b.count - a.count || (a.where < b.where ? -1 : 1));
}
