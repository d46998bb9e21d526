// The scenario floor for programs: read a scenario, run it, report on it.

export { captureOutput } from './capture-path.ts';
export type { Judgement } from './judgement.ts';
export { type LoadOptions, type LoadResult, loadScenario } from './load.ts';
export type { ReadManifest } from './manifest.ts';
export { formatProblem, InputError, type Problem } from './problem.ts';
export { annotateProblems, annotateResult } from './report-github.ts';
export { jsonReport } from './report-json.ts';
export { isJunitReport, junitReport } from './report-junit.ts';
export { formatHeader, formatStep, formatSummary } from './report-terminal.ts';
export { type RunOptions, type RunResult, runScenario, ScenarioRun, type StepResult } from './run.ts';
export type { Scenario, Step } from './scenario.ts';
export { scenarioJsonSchema } from './schema.ts';
