// Runs a scenario: builds the cluster from it with a seed, lays the steps on the virtual clock, judges their expectations
// as each step ends, and tells what happened. The same scenario and seed give the same result and the same capture.

import { matchesLabel } from '../capture/glob.ts';
import type { CaptureOutput, CaptureSummary, Recorder } from '../capture/recorder.ts';
import { buildCluster, type Cluster } from '../kube/cluster.ts';
import { deletePod, GRACE_PERIOD, setPodReady } from '../kube/pod-lifecycle.ts';
import { DeviceKind, type NetDevice } from '../link/device.ts';
import { MachineShell } from '../shell/machine-shell.ts';
import { Collected, kept, type Streams } from '../shell/output.ts';
import { Killed, type Process } from '../shell/process.ts';
import { DEFAULT_MAX_EVENTS, DEFAULT_MAX_TIME, RunEnd } from '../shell/runner.ts';
import { NS_PER_MS, NS_PER_S, type Ns } from '../sim/sim.ts';
import { Machine } from '../stack/machine.ts';
import { World } from '../stack/world.ts';
import { WORKSTATION } from './check-cluster.ts';
import { SINCE_START } from './check-steps.ts';
import { Faults } from './faults.ts';
import { countDrops, judgeDrops, judgeLatency, judgePackets } from './judge-frames.ts';
import { judgeExit, judgeOutput, type Outcome } from './judge-output.ts';
import { type Judgement, judgement } from './judgement.ts';
import { type Mark, Observation } from './observation.ts';
import { placeholders, substitute, substituteDeep } from './placeholder.ts';
import { placeholderValue } from './placeholder-value.ts';
import { createRecorder, namesOf } from './run-capture.ts';
import type { Scenario, Step } from './scenario.ts';
import type { PodActionInput } from './schema-step.ts';

/**
 * Time from the building of the cluster to the first step. Choice: links have come up, announcements are over, and the
 * first command does not fall on the same instant.
 */
const SETTLE: Ns = 10 * NS_PER_MS;
/** Time after the last step, for frames on their way. Choice. */
const TAIL: Ns = 10 * NS_PER_MS;

export interface RunOptions {
  /** Instead of the scenario's. */
  readonly seed?: number | undefined;
  /** Instead of the scenario's. */
  readonly maxEvents?: number | undefined;
  readonly maxTime?: Ns | undefined;
  /** Where the capture goes; null: none. */
  readonly capture: CaptureOutput | null;
  /** Existing captures are replaced. */
  readonly overwrite: boolean;
  /** What commands print, as they print it. */
  readonly onOutput?: ((step: Step, stream: 'stdout' | 'stderr', text: string) => void) | undefined;
  readonly onStep?: ((step: Step, now: Ns) => void) | undefined;
  readonly onStepEnd?: ((result: StepResult) => void) | undefined;
  readonly onProgress?: ((run: ScenarioRun) => void) | undefined;
}

export type StepStatus = 'passed' | 'failed' | 'not-run';

export interface StepResult {
  readonly step: Step;
  readonly status: StepStatus;
  readonly started: Ns;
  readonly ended: Ns;
  /** virtual time by which it began later than its `at`; 0 when in time */
  readonly late: Ns;
  /** the command with its placeholders filled in, or null */
  readonly command: string | null;
  readonly stdout: string;
  readonly stderr: string;
  /** null: there was no command, or it was still running when the run ended */
  readonly exit: number | null;
  readonly judgements: readonly Judgement[];
}

export interface RunResult {
  readonly scenario: Scenario;
  readonly seed: number;
  readonly passed: boolean;
  readonly end: RunEnd;
  /** why the run ended early, or null */
  readonly problem: string | null;
  readonly steps: readonly StepResult[];
  /** virtual time and events at the end */
  readonly now: Ns;
  readonly events: number;
  readonly capture: CaptureSummary | null;
  /** drops of the whole run, most frequent first */
  readonly drops: readonly { readonly reason: string; readonly where: string; readonly count: number }[];
}

/** A step that runs or has run. */
interface Progressing {
  readonly step: Step;
  readonly since: Mark;
  readonly started: Ns;
  readonly late: Ns;
  readonly command: string | null;
  readonly output: { stdout: string; stderr: string };
  exit: number | null;
}

export class ScenarioRun {
  readonly scenario: Scenario;
  readonly seed: number;
  readonly world: World;
  readonly cluster: Cluster;
  readonly #options: RunOptions;
  readonly #shell: MachineShell;
  readonly #recorder: Recorder | null;
  readonly #observation: Observation;
  readonly #faults: Faults;
  readonly #marks = new Map<string, Mark>();
  readonly #start: Mark;
  readonly #results: (StepResult | null)[];
  readonly #background: Progressing[] = [];
  /** the step that runs in the foreground */
  #current: Progressing | null = null;
  /** the last step has ended, or the run was cut short: what still runs is killed */
  #over = false;

  /** Builds everything. @throws CaptureOutputError when the capture cannot be made */
  constructor(scenario: Scenario, options: RunOptions) {
    this.scenario = scenario;
    this.#options = options;
    this.seed = options.seed ?? scenario.seed;
    this.world = new World(this.seed);
    this.#results = scenario.steps.map(() => null);
    this.#recorder = createRecorder(scenario, this.world, this.seed, options);
    const captured = new Set<NetDevice>();
    const recorder = this.#recorder;
    const chosen = scenario.capture.interfaces ?? [];
    // Names that placeholders stand for are known only once the cluster stands: then that is where the capture begins.
    const later = chosen.some((pattern) => placeholders(pattern).length > 0);
    // A probe that stands outside the capture's wrapper sees the frame before it is recorded, one inside after.
    const ahead = later ? 0 : 1;
    const numbered = recorder !== null && scenario.capture.file === 'per-run';
    this.#observation = new Observation(this.world, watchedInterfaces(scenario), (dev) =>
      numbered && captured.has(dev) && !recorder.limitReached ? recorder.recorded + ahead : null,
    );
    this.#start = this.#observation.mark();
    if (recorder !== null) this.world.observer.add(recorder);
    this.world.observer.add(this.#observation);
    const devices: NetDevice[] = [];
    const capture = (dev: NetDevice, patterns: readonly string[]): void => {
      if (recorder === null || dev.kind === DeviceKind.LOOPBACK || !matchesLabel(patterns, dev.label)) return;
      try {
        if (recorder.attach(dev)) captured.add(dev);
      } catch (error) {
        // One of many files cannot be made: those that are there are ended properly.
        recorder.close();
        throw error;
      }
    };
    this.cluster = buildCluster(this.world, scenario.cluster, {
      onDevice: (dev) => {
        devices.push(dev);
        if (!later) capture(dev, chosen);
        this.#observation.attach(dev);
      },
    });
    if (later) for (const dev of devices) capture(dev, substituteDeep([...chosen], this.#value));
    recorder?.addNames(namesOf(this.cluster));
    this.#faults = new Faults(this.cluster, scenario.cables);
    const workstation = new Machine(this.world, WORKSTATION);
    workstation.root.loopback.dev.setUp(true);
    this.#shell = new MachineShell(workstation);
    this.#shell.runner.onSlice = () => options.onProgress?.(this);
  }

  /** Ends the run at the next opportunity (^C); the capture is closed properly. */
  stop(): void {
    this.#shell.runner.stop();
  }

  async run(): Promise<RunResult> {
    const { runner } = this.#shell;
    const { limits } = this.scenario;
    const maxEvents = this.#options.maxEvents ?? limits.maxEvents ?? DEFAULT_MAX_EVENTS;
    const maxTime = this.#options.maxTime ?? limits.maxTime ?? DEFAULT_MAX_TIME;
    const main = runner.spawn('scenario', null, (process) => this.#main(process))!;
    let end: RunEnd;
    let capture: CaptureSummary | null = null;
    try {
      end = await runner.run(main, { maxEvents, maxTime });
    } finally {
      capture = this.#recorder?.close() ?? null;
    }
    const { now, events } = this.world.sim;
    const problem = describeEnd(end, { maxEvents, maxTime, now });
    for (const step of this.#background) this.#finish(step);
    if (this.#current !== null) this.#cutShort(this.#current, problem ?? 'the run ended');
    const steps = this.scenario.steps.map((step, i) => this.#results[i] ?? notRun(step));
    const drops = countDrops(this.#observation.drops);
    this.world.dispose();
    const passed = end === RunEnd.DONE && steps.every((s) => s.status === 'passed');
    return { scenario: this.scenario, seed: this.seed, passed, end, problem, steps, now, events, capture, drops };
  }

  async #main(process: Process): Promise<number> {
    try {
      await process.sleep(SETTLE);
      for (const step of this.scenario.steps) await this.#step(step, process);
      await process.sleep(TAIL);
      return 0;
    } catch (error) {
      // A limit of the run, or ^C: what was in progress stays in #current.
      if (error instanceof Killed) return 128 + error.signal;
      throw error;
    } finally {
      this.#over = true;
    }
  }

  async #step(step: Step, process: Process): Promise<void> {
    const { sim } = this.world;
    if (step.after > 0) await process.sleep(step.after);
    if (step.at !== null && step.at > sim.now) await process.sleep(step.at - sim.now);
    const command = step.action.kind === 'run' ? substitute(step.action.command, this.#value) : null;
    const progressing: Progressing = {
      step,
      since: this.#observation.mark(),
      started: sim.now,
      late: step.at === null ? 0 : sim.now - step.at,
      command,
      output: { stdout: '', stderr: '' },
      exit: null,
    };
    if (step.name !== null) this.#marks.set(step.name, progressing.since);
    this.#current = progressing;
    this.#options.onStep?.(step, sim.now);
    const { action } = step;
    if (action.kind === 'wait') await process.sleep(action.time);
    else if (action.kind === 'fault') this.#faults.inject(action.fault);
    else if (action.kind === 'pod') actOnPod(this.cluster, action);
    else if (action.kind === 'run') {
      const { on } = action;
      const streams = this.#streams(progressing);
      if (action.background) {
        const child = this.#shell.runner.spawn(step.title, process, async (p) => {
          const exit = await this.#execute(p, command!, { on, streams });
          // Killed because the scenario is over: it has not ended by itself.
          if (!this.#over || p.killedBy === null) progressing.exit = exit;
          return exit;
        });
        if (child !== null) this.#background.push(progressing);
        this.#current = null;
        return;
      }
      const exit = await this.#execute(process, command!, { on, streams });
      // A shell that is killed returns; the step has not ended by itself.
      if (process.killedBy !== null) throw new Killed(process.killedBy);
      progressing.exit = exit;
    }
    const states = await this.#judgeStates(step, process);
    this.#current = null;
    this.#finish(progressing, states);
  }

  /** Runs a command line in a bash of its own, on a node or beside the cluster. */
  #execute(process: Process, source: string, how: { on: string | null; streams: Streams }): Promise<number> {
    const node = how.on === null ? null : (this.cluster.node(how.on) ?? this.cluster.hosts.get(how.on) ?? null);
    return this.#shell.runScript(process, {
      source,
      argv0: 'bash',
      args: [],
      env: new Map(),
      cwd: '/root',
      streams: how.streams,
      stdin: '',
      setOptions: [],
      ...(node === null ? {} : { netns: node.netns }),
    });
  }

  /** Keeps what a step prints, and hands it on. */
  #streams({ step, output }: Progressing): Streams {
    const write = (stream: 'stdout' | 'stderr') => (text: string) => {
      output[stream] = kept(output[stream], text);
      this.#options.onOutput?.(step, stream, text);
    };
    return { out: write('stdout'), err: write('stderr') };
  }

  async #judgeStates(step: Step, process: Process): Promise<Judgement[]> {
    const out: Judgement[] = [];
    for (const state of substituteDeep(step.expect?.state ?? [], this.#value)) {
      const { on, run, ...expected } = state;
      const seen = new Collected();
      const exit = await this.#execute(process, run, { on: on ?? null, streams: seen });
      const name = on === undefined ? `\`${run}\`` : `\`${run}\` on ${on}`;
      if (exit !== 0) {
        out.push(judgement(false, `${name} works`, `exit status ${exit}`, () => [seen.stderr.trim()]));
      }
      out.push(...judgeOutput(seen.stdout, name, expected));
    }
    return out;
  }

  #finish(done: Progressing, states: readonly Judgement[] = []): void {
    const { step, output, exit, command } = done;
    const judgements = [...this.#judge(done), ...states];
    const result: StepResult = {
      step,
      status: judgements.every((j) => j.passed) ? 'passed' : 'failed',
      started: done.started,
      ended: this.world.sim.now,
      late: done.late,
      command,
      ...output,
      exit,
      judgements,
    };
    this.#results[step.index] = result;
    this.#options.onStepEnd?.(result);
  }

  /** A step that was running when the run was ended: its expectations cannot be judged. */
  #cutShort(cut: Progressing, why: string): void {
    const { step, started, late, command, output } = cut;
    const judgements = [judgement(false, 'the step to end', why)];
    const result: StepResult = {
      step,
      status: 'failed',
      started,
      ended: this.world.sim.now,
      late,
      command,
      ...output,
      exit: null,
      judgements,
    };
    this.#results[step.index] = result;
    this.#options.onStepEnd?.(result);
  }

  #judge(done: Progressing): Judgement[] {
    const expect = substituteDeep(done.step.expect ?? {}, this.#value);
    const out: Judgement[] = [];
    if (done.command !== null) {
      const outcome: Outcome = { command: done.command, ...done.output, exit: done.exit };
      // A command that is expected to fail says so; one in the background may be cut short by the end of the run.
      const background = done.step.action.kind === 'run' && done.step.action.background;
      if (expect.exit !== undefined || !background) out.push(judgeExit(outcome, expect.exit ?? 0));
      if (expect.stdout !== undefined) out.push(...judgeOutput(outcome.stdout, 'stdout', expect.stdout));
      if (expect.stderr !== undefined) out.push(...judgeOutput(outcome.stderr, 'stderr', expect.stderr));
    }
    const observation = this.#observation;
    const since = (name: string | undefined): Mark => this.#since(done, name);
    for (const e of expect.packets ?? []) out.push(judgePackets(observation, e, since(e.since)));
    for (const e of expect.drops ?? []) out.push(judgeDrops(observation, e, since(e.since)));
    for (const e of expect.latency ?? []) {
      out.push(judgeLatency(observation, e, since(e.since), done.output.stdout));
    }
    return out;
  }

  /** A step without an action looks back to the start, any other to its own beginning, unless it says otherwise. */
  #since(done: Progressing, name: string | undefined): Mark {
    if (name === SINCE_START) return this.#start;
    if (name !== undefined) return this.#marks.get(name) ?? this.#start;
    return done.step.action.kind === 'expect' ? this.#start : done.since;
  }

  readonly #value = (subject: string, field: string): string | null => placeholderValue(this.cluster, subject, field);
}

function actOnPod(cluster: Cluster, { name, action, gracePeriod }: PodActionInput): void {
  const pod = cluster.pods.get(name);
  // Deleted by a step above.
  if (pod === undefined) return;
  if (action === 'delete') deletePod(cluster, pod, gracePeriod ?? GRACE_PERIOD);
  else setPodReady(cluster, pod, action === 'ready');
}

/** Before the cluster stands every placeholder in an interface name is anything. */
function anyValue(): string {
  return '*';
}

function watchedInterfaces(scenario: Scenario): string[] {
  const patterns = new Set<string>();
  for (const { expect } of scenario.steps) {
    for (const packets of expect?.packets ?? []) patterns.add(substitute(packets.interface, anyValue));
    for (const { from, to } of expect?.latency ?? []) {
      for (const end of [from, to]) if (end !== undefined) patterns.add(substitute(end, anyValue));
    }
  }
  return [...patterns];
}

function notRun(step: Step): StepResult {
  return {
    step,
    status: 'not-run',
    started: 0,
    ended: 0,
    late: 0,
    command: null,
    stdout: '',
    stderr: '',
    exit: null,
    judgements: [],
  };
}

function describeEnd(end: RunEnd, at: { maxEvents: number; maxTime: Ns; now: Ns }): string | null {
  const when = `${at.now / NS_PER_S} s of virtual time`;
  switch (end) {
    case RunEnd.EVENTS:
      return `stopped after ${at.maxEvents} events (limits.maxEvents, --max-events) at ${when}`;
    case RunEnd.TIME:
      return `stopped at ${at.maxTime / NS_PER_S} s of virtual time (limits.maxTime, --max-time)`;
    case RunEnd.STUCK:
      return `stopped at ${when}: a command waits for something that can no longer happen`;
    case RunEnd.STOPPED:
      return `interrupted at ${when}`;
    default:
      return null;
  }
}

/** Builds and runs a scenario. @throws CaptureOutputError when the capture cannot be made */
export function runScenario(scenario: Scenario, options: RunOptions): Promise<RunResult> {
  return new ScenarioRun(scenario, options).run();
}
