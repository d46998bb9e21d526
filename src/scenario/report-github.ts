// Annotations of GitHub Actions (workflow commands): a mistake or a failed expectation at its line of the scenario file.

import { type Problem, problemSentence } from './problem.ts';
import type { RunResult } from './run.ts';

export function annotateProblems(problems: readonly Problem[]): string[] {
  return problems.map((p) =>
    command({ file: p.file, line: p.line, column: p.column, title: 'podwire: scenario' }, problemSentence(p)),
  );
}

export function annotateResult(result: RunResult): string[] {
  const out = result.steps.flatMap((s) =>
    s.judgements
      .filter((j) => !j.passed)
      .map((j) =>
        command(
          { ...s.step.place, title: `${result.scenario.name}: ${s.step.title}` },
          [`expected ${j.expected}`, `came ${j.came}`, ...j.evidence].join('\n'),
        ),
      ),
  );
  if (result.problem !== null) {
    out.push(command({ file: result.scenario.file, line: 1, column: 1, title: result.scenario.name }, result.problem));
  }
  return out;
}

function command(
  at: { readonly file: string; readonly line: number; readonly column: number; readonly title: string },
  message: string,
): string {
  const properties = `file=${property(at.file)},line=${at.line},col=${at.column},title=${property(at.title)}`;
  return `::error ${properties}::${data(message)}`;
}

/** Escapes of the runner's toolkit: % first, then line ends. */
function data(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}

function property(text: string): string {
  return data(text).replaceAll(':', '%3A').replaceAll(',', '%2C');
}
