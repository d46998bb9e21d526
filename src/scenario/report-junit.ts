// JUnit XML, in the form that GitLab, Jenkins and GitHub's reporters read: a suite for each scenario, a case for each step.
// Times are virtual seconds.

import { NS_PER_S } from '../sim/sim.ts';
import type { RunResult, StepResult } from './run.ts';

/** How every report begins. */
const HEAD = '<?xml version="1.0" encoding="UTF-8"?>';
const ROOT = '<testsuites name="podwire"';

/** Whether a text is such a report, by its beginning. */
export function isJunitReport(head: string): boolean {
  return head.startsWith(`${HEAD}\n${ROOT} `);
}

export function junitReport(results: readonly RunResult[]): string {
  const cases = results.flatMap((r) => r.steps);
  const lines = [HEAD];
  lines.push(`${ROOT} ${totals(cases)}>`);
  for (const result of results) {
    const { scenario, steps } = result;
    const time = attribute('time', (result.now / NS_PER_S).toFixed(6));
    lines.push(
      `  <testsuite ${attribute('name', scenario.name)} ${attribute('file', scenario.file)} ${totals(steps)} ${time}>`,
    );
    lines.push('    <properties>');
    lines.push(`      <property name="seed" ${attribute('value', String(result.seed))}/>`);
    for (const file of result.capture?.outputs ?? [])
      lines.push(`      <property name="capture" ${attribute('value', file)}/>`);
    lines.push('    </properties>');
    for (const step of steps) lines.push(...testCase(result, step));
    lines.push('  </testsuite>');
  }
  lines.push('</testsuites>');
  return `${lines.join('\n')}\n`;
}

function totals(steps: readonly StepResult[]): string {
  const failures = steps.filter((s) => s.status === 'failed').length;
  const skipped = steps.filter((s) => s.status === 'not-run').length;
  return `tests="${steps.length}" failures="${failures}" errors="0" skipped="${skipped}"`;
}

function testCase(result: RunResult, step: StepResult): string[] {
  const { scenario } = result;
  const time = ((step.ended - step.started) / NS_PER_S).toFixed(6);
  const head = [
    attribute('name', step.step.title),
    attribute('classname', scenario.name),
    attribute('file', step.step.place.file),
    attribute('line', String(step.step.place.line)),
    attribute('time', time),
  ].join(' ');
  const inner: string[] = [];
  if (step.status === 'not-run') inner.push(`      <skipped ${attribute('message', result.problem ?? 'not run')}/>`);
  for (const j of step.judgements) {
    if (j.passed) continue;
    const text = [`expected ${j.expected}`, `came ${j.came}`, ...j.evidence].join('\n');
    inner.push(
      `      <failure ${attribute('message', `expected ${j.expected}, came ${j.came}`)}>${escapeXml(text)}</failure>`,
    );
  }
  if (step.stdout !== '') inner.push(`      <system-out>${escapeXml(step.stdout)}</system-out>`);
  if (step.stderr !== '') inner.push(`      <system-err>${escapeXml(step.stderr)}</system-err>`);
  if (inner.length === 0) return [`    <testcase ${head}/>`];
  return [`    <testcase ${head}>`, ...inner, '    </testcase>'];
}

function attribute(name: string, value: string): string {
  return `${name}="${escapeXml(value).replaceAll('\n', '&#10;')}"`;
}

/** Characters that XML 1.0 (section 2.2) does not allow at all, lone surrogates among them. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this expression is about
const NOT_XML = /[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|\p{Surrogate}/gu;

function escapeXml(text: string): string {
  return text
    .replace(NOT_XML, '\ufffd')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
