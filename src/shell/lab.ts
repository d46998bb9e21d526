// A lab: one emulated machine without Kubernetes, and a script that runs in it. A case directory is a lab whose script is
// made of its topology.json, with captures of the interfaces named there.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { makeDirectory } from '../capture/directory.ts';
import { Recorder } from '../capture/recorder.ts';
import { CaptureOutputError } from '../capture/sink.ts';
import { NS_PER_S, type Ns } from '../sim/sim.ts';
import { Machine } from '../stack/machine.ts';
import { World } from '../stack/world.ts';
import { type LabCase, parseTopology, stimulusScript } from './lab-case.ts';
import {
  directoryName,
  fileName,
  isDirectory,
  type LabFile,
  LabInputError,
  parentName,
  readCaseFiles,
  readScript,
} from './lab-files.ts';
import { MachineShell } from './machine-shell.ts';
import type { Streams } from './output.ts';
import type { Process } from './process.ts';
import { RunEnd } from './runner.ts';
import { WALL_EPOCH_S } from './wall-clock.ts';

export interface LabOptions {
  /** Script or case directory, on the host. */
  readonly path: string;
  /** Directory for captures; null: the default for a case, none for a script. */
  readonly out: string | null;
  readonly overwrite: boolean;
  readonly seed: number;
  /** how long the machine has been up when the script begins: where the kernel's timer wheel stands then; default 0 */
  readonly uptime?: Ns;
  readonly maxEvents: number;
  readonly maxTime: Ns;
  readonly streams: Streams;
  /** Called now and then while the simulator runs. */
  readonly onProgress: (lab: Lab) => void;
}

export interface LabResult {
  /** Exit status of the script, or of the setup when that failed. */
  readonly status: number;
  readonly end: RunEnd;
  /** Virtual time at the end. */
  readonly now: Ns;
  readonly events: number;
  /** Capture files that were made. */
  readonly captures: readonly string[];
  readonly frames: number;
  /** What went wrong besides the script itself, one sentence each. */
  readonly problems: readonly string[];
  /** Why a capture is not whole (a full disk), or null. */
  readonly captureProblem: string | null;
}

/** Where labs write their captures by default. */
const DEFAULT_OUT = 'captures';
/** Where a lab's files are in the emulated machine; the small programs of the stimuli are beside a case, in `tools`. */
const LAB_ROOT = '/lab';
const TOOLS = `${LAB_ROOT}/tools`;
/** Name of the machine and label of its initial namespace. */
const MACHINE = 'host';
/** As the golden captures were made: time for the IGMP reports of new interfaces to pass before the captures begin, */
const SETTLE: Ns = 2.6 * NS_PER_S;
/** ... from there to the first stimulus, */
const CAPTURE_LEAD: Ns = 0.4 * NS_PER_S;
/** ... and from the last one to the end. */
const CAPTURE_TAIL: Ns = 0.4 * NS_PER_S;

/** Exit status of a case whose setup.sh failed. */
const SETUP_FAILED = 1;

export class Lab {
  readonly world: World;
  readonly machine: Machine;
  readonly shell: MachineShell;
  readonly #options: LabOptions;
  readonly #problems: string[] = [];
  #recorder: Recorder | null = null;

  constructor(options: LabOptions) {
    this.#options = options;
    this.world = new World(options.seed);
    this.machine = new Machine(this.world, MACHINE);
    this.shell = new MachineShell(this.machine);
    this.shell.addTools(TOOLS);
    this.shell.runner.onSlice = () => options.onProgress(this);
  }

  /** Ends the run at the next opportunity (^C); captures are closed properly. */
  stop(): void {
    this.shell.runner.stop();
  }

  /**
   * Runs it all.
   * @throws LabInputError before anything has run; CaptureOutputError when captures cannot be written
   */
  async run(): Promise<LabResult> {
    const { path } = this.#options;
    const work = isDirectory(path) ? this.#prepareCase(path) : this.#prepareScript(path);
    const { runner } = this.shell;
    const { uptime = 0 } = this.#options;
    const main = runner.spawn('main', null, async (process) => {
      if (uptime > 0) await process.sleep(uptime);
      return work(process);
    })!;
    let end: RunEnd;
    try {
      end = await runner.run(main, { maxEvents: this.#options.maxEvents, maxTime: this.#options.maxTime });
    } finally {
      this.#closeCaptures();
    }
    const status = main.exitStatus ?? 0;
    return {
      status,
      end,
      now: this.world.sim.now,
      events: this.world.sim.events,
      captures: this.#summary.outputs,
      frames: this.#summary.recorded,
      problems: this.#problems,
      captureProblem: this.#summary.problem,
    };
  }

  #summary: { outputs: readonly string[]; recorded: number; problem: string | null } = {
    outputs: [],
    recorded: 0,
    problem: null,
  };

  #prepareScript(path: string): (process: Process) => Promise<number> {
    const source = readScript(path);
    const directory = `${LAB_ROOT}/${parentName(path)}`;
    const argv0 = `${directory}/${fileName(path)}`;
    this.shell.fs.put(argv0, source, 0o755);
    const { out } = this.#options;
    if (out !== null) {
      const name = `${fileName(path).replace(/\.(sh|bash)$/, '')}.pcapng`;
      this.#recorder = this.#openRecorder({ kind: 'file', path: join(out, name) }, out);
      this.shell.runner.beforeEvents = () => this.#captureEverything();
    }
    return (process) => this.#bash(process, source, argv0, directory, []);
  }

  #prepareCase(path: string): (process: Process) => Promise<number> {
    // Before all that is in the directory is read: any directory may be named by mistake.
    for (const name of ['setup.sh', 'topology.json']) {
      if (!existsSync(join(path, name))) {
        throw new LabInputError(
          `${path}: no ${name} in this directory: a case has setup.sh and topology.json; a script is named itself`,
        );
      }
    }
    const files = readCaseFiles(path);
    const read = (name: string): string => {
      const file = files.find((f) => f.path === name);
      if (file === undefined)
        throw new LabInputError(`${join(path, name)}: no such file (a case has setup.sh and topology.json)`);
      return new TextDecoder().decode(file.content);
    };
    const setup = read('setup.sh');
    const labCase = parseTopology(read('topology.json'), join(path, 'topology.json'));
    const name = directoryName(path);
    const directory = `${LAB_ROOT}/${name}`;
    this.#copy(files, directory);
    const out = this.#options.out ?? join(DEFAULT_OUT, name);
    this.#recorder = this.#openRecorder({ kind: 'directory', path: out }, out);
    this.#refuseToReplace(labCase, out);
    return async (process) => {
      const built = await this.#bash(process, setup, `${directory}/setup.sh`, directory, ['-e']);
      if (built !== 0) {
        this.#problems.push(`setup.sh ended with exit status ${built}; the stimuli were not run`);
        return SETUP_FAILED;
      }
      await process.sleep(SETTLE);
      this.#captureCase(labCase);
      await process.sleep(CAPTURE_LEAD);
      // A command that fails is part of the story: the outcome of a case is its captures.
      await this.#bash(process, stimulusScript(labCase.stimuli), `${directory}/stimulus.sh`, directory, []);
      await process.sleep(CAPTURE_TAIL);
      return 0;
    };
  }

  #copy(files: readonly LabFile[], directory: string): void {
    for (const file of files)
      this.shell.fs.put(`${directory}/${file.path}`, file.content, file.executable ? 0o755 : 0o644);
  }

  #bash(process: Process, source: string, argv0: string, cwd: string, setOptions: readonly string[]): Promise<number> {
    return this.shell.runScript(process, {
      source,
      argv0,
      args: [],
      env: new Map([
        ['HERE', cwd],
        ['TOOLS', TOOLS],
      ]),
      cwd,
      streams: this.#options.streams,
      stdin: '',
      setOptions,
    });
  }

  #openRecorder(output: { kind: 'file' | 'directory'; path: string }, directory: string): Recorder {
    makeDirectory(directory);
    const recorder = new Recorder({
      host: this.world,
      output,
      format: 'pcapng',
      comments: [`seed ${this.#options.seed}`],
      epochSeconds: WALL_EPOCH_S,
      snapLength: 0,
      sizeLimit: 0,
      interfaces: [],
      overwrite: this.#options.overwrite,
      overwriteFlag: '--force',
    });
    this.world.observer.add(recorder);
    return recorder;
  }

  /** Known before anything runs, rather than after the setup. */
  #refuseToReplace(labCase: LabCase, out: string): void {
    if (this.#options.overwrite) return;
    for (const { netns, ifname } of labCase.captures) {
      const path = join(out, `${netns}.${ifname}.pcapng`);
      if (existsSync(path))
        throw new CaptureOutputError(`${path}: exists already; give --force to replace it, or another directory`);
    }
  }

  #captureCase(labCase: LabCase): void {
    for (const { netns, ifname } of labCase.captures) {
      const dev = this.machine.namespace(netns)?.device(ifname) ?? null;
      if (dev === null)
        this.#problems.push(`${netns}.${ifname}: no such interface after setup.sh; nothing to capture there`);
      else this.#recorder!.attach(dev);
    }
  }

  /** Every interface that is up, from the first moment at which virtual time passes. */
  #captureEverything(): void {
    for (const netns of [this.machine.root, ...this.machine.namespaces.values()])
      for (const dev of netns.devices()) if (dev.up && dev.kind !== 'loopback') this.#recorder!.attach(dev);
  }

  #closeCaptures(): void {
    if (this.#recorder === null) return;
    const summary = this.#recorder.close();
    this.world.observer.remove(this.#recorder);
    this.#summary = summary;
  }
}

/** What a person should know about how the run ended, or null when its script ended by itself. */
export function describeEnd(end: RunEnd, options: { maxEvents: number; maxTime: Ns; now: Ns }): string | null {
  switch (end) {
    case RunEnd.DONE:
      return null;
    case RunEnd.EVENTS:
      return `stopped after ${options.maxEvents} events (--max-events) at ${options.now / NS_PER_S} s of virtual time`;
    case RunEnd.TIME:
      return `stopped at ${options.maxTime / NS_PER_S} s of virtual time (--max-time)`;
    case RunEnd.STUCK:
      return `stopped at ${options.now / NS_PER_S} s of virtual time: every program waits and nothing can happen any more`;
    case RunEnd.STOPPED:
      return `interrupted at ${options.now / NS_PER_S} s of virtual time`;
  }
  return null;
}
