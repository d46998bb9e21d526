// A run as one JSON value, for programs. Names stay as they are; new ones may come.

import type { RunResult } from './run.ts';

export function jsonReport(result: RunResult): Record<string, unknown> {
  const { scenario, capture } = result;
  return {
    file: scenario.file,
    name: scenario.name,
    seed: result.seed,
    passed: result.passed,
    end: result.end,
    problem: result.problem,
    warnings: scenario.warnings,
    virtual_time_ns: result.now,
    events: result.events,
    capture:
      capture === null
        ? null
        : {
            files: capture.outputs,
            frames: capture.recorded,
            complete: capture.missed === 0,
            problem: capture.problem,
          },
    drops: result.drops,
    steps: result.steps.map((s) => ({
      title: s.step.title,
      line: s.step.place.line,
      column: s.step.place.column,
      status: s.status,
      started_ns: s.started,
      ended_ns: s.ended,
      late_ns: s.late,
      command: s.command,
      exit: s.exit,
      stdout: s.stdout,
      stderr: s.stderr,
      expectations: s.judgements,
    })),
  };
}
