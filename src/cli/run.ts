// podwire run: scenarios, one after the other. All of them are read before the first runs, and every mistake of every file
// is told at once.

import { realpathSync } from 'node:fs';
import { dirname, join, sep } from 'node:path';
import { type Command, Option } from 'commander';
import type { RunResult, Scenario, ScenarioRun } from '../scenario/index.ts';
import { CommandError, ExitStatus, environmentError, setRunPosition, usageError } from './exit.ts';
import { readText, whyNot } from './input.ts';
import { stoppable, stoppedStatus } from './interrupt.ts';
import { Progress } from './progress.ts';
import { refuseToReplace, writeReport } from './report-file.ts';
import { outputClosed, painter } from './terminal.ts';
import { parseCount, parseDuration, parseSeed } from './values.ts';

const HELP = `
A scenario is a YAML file: a cluster, its pods, and steps on the virtual clock with what is expected of them
(\`podwire schema\` prints its JSON Schema; scenarios/ has examples). The capture goes to captures/<name>.pcapng, or to
<name>-2.pcapng and so on when that exists.

Examples:
  podwire run scenarios/pod-to-pod-vxlan.yaml
  podwire run --no-capture --junit report.xml scenarios/*.yaml
  podwire run --seed 7 --out /tmp/run7 my.yaml`;

interface RunCommandOptions {
  readonly seed?: number;
  readonly out: string;
  readonly force?: true;
  readonly maxEvents?: number;
  readonly maxTime?: number;
  readonly capture: boolean;
  readonly json?: true;
  readonly junit?: string;
  readonly annotate?: 'github';
}

export function registerRun(program: Command): void {
  program
    .command('run')
    .description('run scenarios and judge what they expect')
    .argument('<file...>', 'scenario files (YAML)')
    .option('--seed <n>', "seed of everything random, instead of the scenario's", parseSeed)
    .option('-o, --out <dir>', 'directory for captures', 'captures')
    .option('--force', 'replace a capture or a report of the same name')
    .option('--max-events <n>', 'end each run after this many events', parseCount)
    .option('--max-time <time>', 'end each run at this virtual time (1.5s, 10m, 2h)', parseDuration)
    .option('--no-capture', 'write no capture')
    .option('--json', 'print one JSON object about the runs instead of the story')
    .option('--junit <file>', 'write a JUnit report as well')
    .addOption(
      new Option('--annotate <where>', 'print annotations of failures (default: github in GitHub Actions)').choices([
        'github',
      ]),
    )
    .addHelpText('after', HELP)
    .action(run);
}

async function run(files: readonly string[], options: RunCommandOptions): Promise<void> {
  const { annotateResult, formatHeader, formatStep, formatSummary, isJunitReport, jsonReport, junitReport } =
    await import('../scenario/index.ts');
  const { junit } = options;
  if (junit !== undefined && options.force !== true) refuseToReplace(junit, isJunitReport);
  const github = options.annotate === 'github' || process.env.GITHUB_ACTIONS === 'true';
  const scenarios = await loadAll(files, github);
  const paint = painter(process.stdout);
  const progress = new Progress();
  const json = options.json === true;
  const print = (text: string): void => {
    if (json || outputClosed()) return;
    progress.clear();
    process.stdout.write(text);
  };
  const results: RunResult[] = [];
  let told = false;
  for (const scenario of scenarios) {
    print(formatHeader(scenario, options.seed ?? scenario.seed, paint));
    const result = await runOne(scenario, options, {
      onStepEnd: (step) => print(formatStep(step, paint)),
      onProgress: ({ world }) =>
        progress.update(() => `${(world.sim.now / 1e9).toFixed(1)} s of virtual time, ${world.sim.events} events`),
    });
    progress.clear();
    results.push(result);
    print(formatSummary(result, paint));
    const written = result.capture?.outputs[0];
    // Once, behind the first file: the others are opened in the same way.
    if (!told && written !== undefined && process.stdout.isTTY === true) {
      told = true;
      print(paint('dim', openingHint(written)));
    }
    if (github) for (const line of annotateResult(result)) (json ? process.stderr : process.stdout).write(`${line}\n`);
    if (result.end === 'stopped') break;
  }
  const passed = results.filter((r) => r.passed).length;
  if (scenarios.length > 1)
    print(`${passed} passed, ${results.length - passed} failed of ${scenarios.length} scenarios\n`);
  if (json) {
    const report = { passed, failed: results.length - passed, scenarios: results.map(jsonReport) };
    process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
  }
  if (junit !== undefined) writeReport(junit, junitReport(results));
  if (results.some((r) => r.end === 'stopped')) process.exitCode = stoppedStatus();
  else if (results.some((r) => (r.capture?.problem ?? null) !== null)) process.exitCode = ExitStatus.ENVIRONMENT;
  else if (passed < results.length) process.exitCode = ExitStatus.FAILED;
}

/** How the capture is looked at, for who has not read captures/wireshark-profile/README.md. */
export function openingHint(file: string): string {
  const word = /^[\w./@%+=:,-]+$/.test(file) && !file.startsWith('-') ? file : `'${file.replaceAll("'", "'\\''")}'`;
  return `  open it: wireshark -C podwire ${word}  (the profile: captures/wireshark-profile), or: podwire decode ${word}\n`;
}

/** @throws CommandError (2) with all problems of all files */
async function loadAll(files: readonly string[], github: boolean): Promise<Scenario[]> {
  const { annotateProblems, formatProblem, loadScenario } = await import('../scenario/index.ts');
  const scenarios: Scenario[] = [];
  const mistakes: string[] = [];
  let problems = 0;
  for (const file of files) {
    let text: string;
    try {
      text = readText(file);
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      mistakes.push(error.message);
      continue;
    }
    const name = file === '-' ? '<stdin>' : file;
    const result = loadScenario(text, name, { readManifest: (path) => readManifest(file, path) });
    if (result.scenario !== null) scenarios.push(result.scenario);
    else {
      problems += result.problems.length;
      mistakes.push(...result.problems.map(formatProblem));
      if (github) for (const line of annotateProblems(result.problems)) process.stdout.write(`${line}\n`);
    }
  }
  if (mistakes.length === 0) return scenarios;
  if (problems > 0) mistakes.push(`podwire: ${problems} mistake${problems === 1 ? '' : 's'}, nothing was run`);
  throw usageError(mistakes.join('\n'));
}

/** A manifest beside the scenario; a link out of its directory is refused. */
function readManifest(scenario: string, path: string): { text: string } | { error: string } {
  const directory = scenario === '-' ? '.' : dirname(scenario);
  try {
    const root = realpathSync(directory);
    const file = realpathSync(join(directory, path));
    if (!file.startsWith(root.endsWith(sep) ? root : root + sep))
      return { error: 'it lies outside of the directory of the scenario' };
    return { text: readText(file) };
  } catch (error) {
    if (error instanceof CommandError) return { error: error.message.slice(error.message.lastIndexOf(': ') + 2) };
    return { error: whyNot(error) };
  }
}

async function runOne(
  scenario: Scenario,
  options: RunCommandOptions,
  listeners: Pick<ConstructorParameters<typeof ScenarioRun>[1], 'onStepEnd' | 'onProgress'>,
): Promise<RunResult> {
  const { captureOutput, ScenarioRun } = await import('../scenario/index.ts');
  const { CaptureOutputError } = await import('../capture/sink.ts');
  const overwrite = options.force === true;
  setRunPosition(null);
  try {
    const running = new ScenarioRun(scenario, {
      seed: options.seed,
      maxEvents: options.maxEvents,
      maxTime: options.maxTime,
      capture: options.capture ? captureOutput(scenario, options.out, overwrite) : null,
      overwrite,
      ...listeners,
    });
    const { sim } = running.world;
    setRunPosition(() => ({ seed: running.seed, now: sim.now, events: sim.events }));
    return await stoppable(
      () => running.stop(),
      () => running.run(),
    );
  } catch (error) {
    if (error instanceof CaptureOutputError) throw environmentError(error.message);
    throw error;
  }
}
