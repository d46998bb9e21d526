// Expectations on what a command did: exit status and output.

import { type Judgement, judgement } from './judgement.ts';
import type { OutputExpectation } from './schema-step.ts';

/** What a command printed and how it ended. */
export interface Outcome {
  readonly command: string;
  readonly stdout: string;
  readonly stderr: string;
  /** null: it was still running when it was looked at, or never began */
  readonly exit: number | null;
}

/** Choice: lines of output that a report shows. */
const LINES_SHOWN = 12;

export function judgeExit(outcome: Outcome, expected: number): Judgement {
  const came = outcome.exit === null ? 'it was still running when the scenario ended' : `exit status ${outcome.exit}`;
  return judgement(outcome.exit === expected, `exit status ${expected}`, came, () => [
    ...shown('stdout', outcome.stdout),
    ...shown('stderr', outcome.stderr),
  ]);
}

/** @param name what reports call the text: stdout, stderr, or a command */
export function judgeOutput(text: string, name: string, expected: OutputExpectation): Judgement[] {
  const out: Judgement[] = [];
  const judge = (passed: boolean, what: string, came = passed ? 'it does' : 'it does not'): void => {
    out.push(judgement(passed, `${name} ${what}`, came, () => shown(name, text)));
  };
  for (const part of list(expected.contains)) judge(text.includes(part), `contains ${JSON.stringify(part)}`);
  for (const pattern of list(expected.matches)) judge(new RegExp(pattern, 'm').test(text), `matches /${pattern}/`);
  for (const part of list(expected.excludes)) {
    const there = text.includes(part);
    judge(!there, `does not contain ${JSON.stringify(part)}`, there ? 'it does' : 'it does not');
  }
  if (expected.equals !== undefined) {
    const wanted = normal(expected.equals);
    const came = normal(text);
    judge(came === wanted, `is ${JSON.stringify(wanted)}`, `it is ${JSON.stringify(came)}`);
  }
  if (expected.empty !== undefined) {
    const empty = text.trim() === '';
    judge(empty === expected.empty, expected.empty ? 'is empty' : 'is not empty', empty ? 'it is empty' : 'it is not');
  }
  return out;
}

function list(value: string | readonly string[] | undefined): readonly string[] {
  return value === undefined ? [] : typeof value === 'string' ? [value] : value;
}

/** iproute2 ends its lines with a blank; neither that nor the last newline is what people mean. */
function normal(text: string): string {
  return text
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n')
    .replace(/\n+$/, '');
}

function shown(name: string, text: string): string[] {
  if (text.trim() === '') return [`${name}: (empty)`];
  const lines = text.replace(/\n$/, '').split('\n');
  const cut = lines.slice(0, LINES_SHOWN).map((line) => `${name}: ${line}`);
  if (lines.length > LINES_SHOWN) cut.push(`${name}: ... ${lines.length - LINES_SHOWN} more lines`);
  return cut;
}
