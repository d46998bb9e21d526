// What a person at a terminal reads: each step as it ends, with what its command printed and how its expectations came
// out, and a summary. Colours are the caller's business (`paint`).

import { DropReason, type DropReasonName, dropReasonText } from '../base/drop-reason.ts';
import { NS_PER_S } from '../sim/sim.ts';
import type { RunResult, StepResult } from './run.ts';
import type { Scenario } from './scenario.ts';

export type Paint = (style: 'bold' | 'dim' | 'red' | 'green' | 'yellow', text: string) => string;

/** Column at which the text of a step begins: behind the time. */
const MARGIN = ' '.repeat(11);
/** Choice: reasons of drops that the summary names, and interfaces for each. */
const DROPS_SHOWN = 10;
const PLACES_SHOWN = 3;
/** What every cluster drops when it starts (reports of bridges, announcements to ports that are not forwarding): named last. */
const AT_EVERY_START: ReadonlySet<string> = new Set(['IP_MULTICAST_NOT_MEMBER', 'BRIDGE_PORT_STATE']);

export function formatHeader(scenario: Scenario, seed: number, paint: Paint): string {
  const { nodes, pods } = scenario.cluster;
  const size = `${count(nodes.length, 'node')}, ${count(pods.length, 'pod')}, seed ${seed}`;
  const lines = [`${paint('bold', scenario.name)}  ${paint('dim', size)}`];
  if (scenario.description !== null) lines.push(...scenario.description.split('\n').map((l) => `  ${safe(l.trim())}`));
  for (const warning of scenario.warnings) lines.push(`  ${paint('yellow', `warning: ${warning}`)}`);
  return `${lines.join('\n')}\n`;
}

export function formatStep(result: StepResult, paint: Paint): string {
  const { step, judgements } = result;
  // It is told when it ends, and so behind steps that began later.
  const background = step.action.kind === 'run' && step.action.background ? paint('dim', ' (in the background)') : '';
  const time = paint('dim', seconds(result.started).padStart(9));
  const lines = [`${time}  ${paint('bold', safe(step.title))}${background}`];
  if (result.late > 0) lines.push(`${MARGIN}${paint('yellow', `began ${seconds(result.late)} s later than planned`)}`);
  if (result.command !== null) {
    const prompt = step.action.kind === 'run' && step.action.on !== null ? `${step.action.on}# ` : '$ ';
    for (const line of result.command.trimEnd().split('\n'))
      lines.push(`${MARGIN}${paint('dim', prompt + safe(line))}`);
  }
  for (const text of [result.stdout, result.stderr]) {
    if (text === '') continue;
    for (const line of text.replace(/\n$/, '').split('\n')) lines.push(`${MARGIN}${safe(line)}`.trimEnd());
  }
  if (background !== '' && result.exit === null && result.status !== 'not-run')
    lines.push(`${MARGIN}${paint('dim', 'still running when the scenario ended')}`);
  const failed = judgements.filter((j) => !j.passed);
  if (failed.length === 0 && judgements.length > 0) {
    lines.push(`${MARGIN}${paint('green', 'ok')} ${paint('dim', count(judgements.length, 'expectation'))}`);
  }
  for (const j of failed) {
    lines.push(`${MARGIN}${paint('red', 'FAILED')} expected ${safe(j.expected)}`);
    lines.push(`${MARGIN}       came ${safe(j.came)}`);
    // What the command printed stands above already.
    for (const line of j.evidence.filter((l) => !/^std(out|err): (?!\(empty\))/.test(l)))
      lines.push(`${MARGIN}       ${paint('dim', safe(line))}`);
  }
  if (failed.length > 0) {
    const { file, line, column } = step.place;
    lines.push(`${MARGIN}       ${paint('dim', `at ${file}:${line}:${column}`)}`);
  }
  return `${lines.join('\n')}\n`;
}

export function formatSummary(result: RunResult, paint: Paint): string {
  const { steps, capture } = result;
  const judgements = steps.flatMap((s) => s.judgements);
  const failed = judgements.filter((j) => !j.passed).length;
  const notRun = steps.filter((s) => s.status === 'not-run').length;
  const parts = [count(steps.length, 'step'), count(judgements.length, 'expectation')];
  if (failed > 0) parts.push(`${failed} failed`);
  if (notRun > 0) parts.push(`${count(notRun, 'step')} not run`);
  parts.push(`${seconds(result.now)} s of virtual time`);
  const verdict = result.passed ? paint('green', 'passed') : paint('red', 'FAILED');
  const lines = [`${verdict} ${result.scenario.name}: ${parts.join(', ')}`];
  if (result.problem !== null) lines.push(`  ${paint('yellow', result.problem)}`);
  const drops = foldDrops(result.drops);
  for (const drop of drops.slice(0, DROPS_SHOWN)) {
    const shown = drop.where.slice(0, PLACES_SHOWN).join(', ');
    const more = drop.where.length > PLACES_SHOWN ? ` and ${drop.where.length - PLACES_SHOWN} more` : '';
    const text = dropReasonText(DropReason[drop.reason]);
    lines.push(paint('dim', `  dropped: ${drop.count} x ${drop.reason}, ${text}: ${shown}${more}`));
  }
  if (drops.length > DROPS_SHOWN) {
    lines.push(paint('dim', `  dropped: and for ${count(drops.length - DROPS_SHOWN, 'other reason')}`));
  }
  if (capture !== null) {
    const files =
      capture.outputs.length === 1 ? capture.outputs[0]! : `${capture.outputs.length} files, ${capture.outputs[0]} ...`;
    lines.push(`  capture: ${count(capture.recorded, 'frame')} in ${files}`);
    if (capture.problem !== null) lines.push(`  ${paint('yellow', capture.problem)}`);
    else if (capture.limitReached) lines.push(`  ${paint('yellow', 'the capture ended at its size limit')}`);
  }
  return `${lines.join('\n')}\n`;
}

/** One entry for each reason, the most frequent first; `where` keeps its order. */
function foldDrops(drops: RunResult['drops']): { reason: DropReasonName; count: number; where: string[] }[] {
  const folded = new Map<string, { reason: DropReasonName; count: number; where: string[] }>();
  for (const { reason, where, count: n } of drops) {
    const known = folded.get(reason);
    if (known === undefined) folded.set(reason, { reason: reason as DropReasonName, count: n, where: [where] });
    else {
      known.count += n;
      known.where.push(where);
    }
  }
  const late = (reason: string): number => (AT_EVERY_START.has(reason) ? 1 : 0);
  return [...folded.values()].sort((a, b) => late(a.reason) - late(b.reason) || b.count - a.count);
}

function seconds(ns: number): string {
  return (ns / NS_PER_S).toFixed(3);
}

function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? '' : 's'}`;
}

/** No escape sequence of an emulated program reaches the terminal. */
function safe(line: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this function is about
  return line.replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`);
}
