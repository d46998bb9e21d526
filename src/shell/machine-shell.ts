// The programs of one emulated machine: its file system, its processes, its commands. Scripts run here.

import type { Sim } from '../sim/sim.ts';
import type { Machine } from '../stack/machine.ts';
import type { NetNamespace } from '../stack/netns.ts';
import { bashCommands } from './bash-command.ts';
import type { ShellCommand } from './command.ts';
import { EmulatedFs } from './emulated-fs.ts';
import { helpCommands } from './help-command.ts';
import { hostHider } from './host-hidden.ts';
import { jobCommands } from './jobs.ts';
import { missingCommands } from './not-yet.ts';
import { OpenFiles, type Streams } from './output.ts';
import type { Process } from './process.ts';
import { processCommands } from './process-commands.ts';
import { commandNames, hasCommand, loadCommand } from './registry.ts';
import type { JobBody } from './rewrite.ts';
import { Runner } from './runner.ts';
import { Session } from './session.ts';
import { systemCommands } from './system-commands.ts';
import { timeCommands } from './time-commands.ts';
import { wallClockNs } from './wall-clock.ts';

/** What every program of the machine finds in its environment. */
const ENVIRONMENT: ReadonlyMap<string, string> = new Map([
  ['PATH', '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
  ['HOME', '/root'],
  ['USER', 'root'],
  ['LOGNAME', 'root'],
  ['SHELL', '/bin/bash'],
  ['LANG', 'C.UTF-8'],
  ['TERM', 'dumb'],
]);

/** As Debian's installer leaves it, IPv6 lines included. */
const HOSTS = `127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
`;

export interface ScriptOptions {
  readonly source: string;
  /** $0 */
  readonly argv0: string;
  readonly args: readonly string[];
  /** On top of the machine's environment. */
  readonly env: ReadonlyMap<string, string>;
  readonly cwd: string;
  readonly streams: Streams;
  readonly stdin: string;
  /** Options as `set` takes them. */
  readonly setOptions: readonly string[];
  /** Default: the machine's initial namespace. */
  readonly netns?: NetNamespace;
}

export class MachineShell {
  readonly machine: Machine;
  readonly sim: Sim;
  readonly runner: Runner;
  readonly fs: EmulatedFs;
  readonly openFiles: OpenFiles;
  readonly #builtins: ReadonlyMap<string, ShellCommand>;
  readonly #jobBodies: JobBody[] = [];
  readonly #names: readonly string[];

  constructor(machine: Machine, extraCommands: readonly ShellCommand[] = []) {
    this.machine = machine;
    this.sim = machine.world.sim;
    this.runner = new Runner(this.sim);
    const wallClockMs = (): number => Number(wallClockNs(this.sim.now) / 1_000_000n);
    this.fs = new EmulatedFs(wallClockMs);
    this.runner.hideHost = hostHider(wallClockMs, machine.world.rng(`shell/${machine.name}/host`));
    this.openFiles = new OpenFiles(this.fs);
    this.runner.beforeTurn = () => this.openFiles.flush();
    const own = [
      ...bashCommands,
      ...jobCommands,
      ...processCommands,
      ...timeCommands,
      ...systemCommands,
      ...helpCommands,
      ...extraCommands,
    ];
    const missing = missingCommands((name) => hasCommand(name) || own.some((c) => c.name === name));
    this.#builtins = new Map([...own, ...missing].map((c) => [c.name, c]));
    this.#names = [...new Set([...this.#builtins.keys(), ...commandNames()])];
    this.fs.put('/etc/hostname', `${machine.name}\n`);
    this.fs.put('/etc/hosts', HOSTS);
    this.fs.put('/etc/nsswitch.conf', 'hosts:          files dns\n');
  }

  /** Names that our own commands answer to. */
  commandNames(): readonly string[] {
    return this.#names;
  }

  isCommand(name: string): boolean {
    return this.#builtins.has(name) || hasCommand(name);
  }

  /** Part of the shell: no program is started for it. */
  isBuiltin(name: string): boolean {
    return name.startsWith('__') || SHELL_BUILTINS.has(name);
  }

  async command(name: string): Promise<ShellCommand | null> {
    return this.#builtins.get(name) ?? (await loadCommand(name));
  }

  /** Makes the directory in which a script looks for the small programs of the stimuli ($TOOLS). */
  addTools(directory: string): void {
    for (const name of this.#names) {
      if (name.endsWith('.py')) this.fs.put(`${directory}/${name}`, `#!/bin/bash\n${name} "$@"\n`, 0o755);
    }
  }

  /** Runs a script in this process, to its end; its exit status. */
  runScript(process: Process, options: ScriptOptions): Promise<number> {
    const session = new Session(this, {
      process,
      netns: options.netns ?? this.machine.root,
      streams: options.streams,
      merged: false,
      argv0: options.argv0,
      args: options.args,
      env: new Map([...ENVIRONMENT, ...options.env]),
      setOptions: options.setOptions,
      cwd: options.cwd,
      stdin: options.stdin,
      parent: null,
    });
    return session.run(options.source);
  }

  /** @internal */
  addJobBody(body: JobBody): number {
    return this.#jobBodies.push(body) - 1;
  }

  /** @internal */
  jobBody(number: number): JobBody | null {
    return this.#jobBodies[number] ?? null;
  }
}

const SHELL_BUILTINS: ReadonlySet<string> = new Set(['kill', 'jobs']);
