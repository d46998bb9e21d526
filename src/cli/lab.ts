// podwire lab: a script of ordinary commands in an emulated machine, or a case directory of golden captures.

import type { Command } from 'commander';
import { ExitStatus, environmentError, setRunPosition, usageError } from './exit.ts';
import { stoppable, stoppedStatus } from './interrupt.ts';
import { Progress } from './progress.ts';
import { outputClosed } from './terminal.ts';
import { parseCount, parseDuration, parseSeed } from './values.ts';

const HELP = `
A script sees an emulated Linux machine with network namespaces, in virtual time and without root: ip, bridge, sysctl,
ping and others over the emulated kernel, and the usual text tools. Nothing of this machine can be read from it but the
script itself, and nothing is written but captures under --out.

Commands: ip, bridge, brctl, arp, sysctl, ethtool, ifconfig, route, netstat, nstat, ss, iptables, ipset, conntrack, ipvsadm,
nft, ping, arping, traceroute, tracepath, nc, socat, curl, wget, iperf3, nginx, python3 -m http.server, dig, nslookup, bash
with its builtins, sleep, timeout, kill, and text tools from awk to xargs; \`help\` in a script lists them all. A command
that is not emulated says so.

A case directory has setup.sh and topology.json; its captures go to <netns>.<ifname>.pcapng.

Examples:
  podwire lab two-pods.sh
  podwire lab two-pods.sh --out captures/two-pods
  podwire lab ../shared/golden/01-same-node-ping --out captures/01`;

interface LabCommandOptions {
  readonly out?: string;
  readonly force?: true;
  readonly seed: number;
  readonly uptime: number;
  readonly maxEvents?: number;
  readonly maxTime?: number;
  readonly json?: true;
}

export function registerLab(program: Command): void {
  program
    .command('lab')
    .description('run a script of network commands in an emulated machine, without a cluster')
    .argument('<path>', 'script, or case directory with setup.sh and topology.json')
    .option('-o, --out <dir>', 'write captures there (a case: captures/<name>/ by default; a script: none)')
    .option('--force', 'replace captures that exist')
    .option('--seed <n>', 'seed of everything random', parseSeed, 1)
    .option('--uptime <time>', 'how long the machine has been up before: the phase of its timers', parseDuration, 0)
    .option('--max-events <n>', 'end the run after this many events', parseCount)
    .option('--max-time <time>', 'end the run at this virtual time (1.5s, 10m, 2h)', parseDuration)
    .option('--json', 'print one JSON object about the run instead of its output')
    .addHelpText('after', HELP)
    .action(lab);
}

async function lab(path: string, options: LabCommandOptions): Promise<void> {
  const { Lab, describeEnd } = await import('../shell/lab.ts');
  const { kept } = await import('../shell/output.ts');
  const { LabInputError } = await import('../shell/lab-files.ts');
  const { DEFAULT_MAX_EVENTS, DEFAULT_MAX_TIME, RunEnd } = await import('../shell/runner.ts');
  const { CaptureOutputError } = await import('../capture/sink.ts');
  const progress = new Progress();
  const limits = { maxEvents: options.maxEvents ?? DEFAULT_MAX_EVENTS, maxTime: options.maxTime ?? DEFAULT_MAX_TIME };
  let stdout = '';
  let stderr = '';
  const emit = (stream: NodeJS.WriteStream, text: string): void => {
    progress.clear();
    if (!outputClosed()) stream.write(text);
  };
  const run = new Lab({
    path,
    out: options.out ?? null,
    overwrite: options.force === true,
    seed: options.seed,
    uptime: options.uptime,
    ...limits,
    streams: {
      out: (text) => {
        if (options.json === true) stdout = kept(stdout, text);
        else emit(process.stdout, text);
      },
      err: (text) => {
        if (options.json === true) stderr = kept(stderr, text);
        else emit(process.stderr, text);
      },
    },
    onProgress: ({ world }) =>
      progress.update(() => `${(world.sim.now / 1e9).toFixed(1)} s of virtual time, ${world.sim.events} events`),
  });
  const { sim } = run.world;
  setRunPosition(() => ({ seed: options.seed, now: sim.now, events: sim.events }));
  const result = await (async () => {
    try {
      return await stoppable(
        () => run.stop(),
        () => run.run(),
      );
    } catch (error) {
      if (error instanceof LabInputError) throw usageError(error.message);
      if (error instanceof CaptureOutputError) throw environmentError(error.message);
      throw error;
    } finally {
      progress.clear();
    }
  })();
  setRunPosition(null);
  const ended = describeEnd(result.end, { ...limits, now: result.now });
  const { captureProblem } = result;
  const problems = [
    ...result.problems,
    ...(captureProblem === null ? [] : [captureProblem]),
    ...(ended === null ? [] : [ended]),
  ];
  if (options.json === true) {
    const { status, end, now, events, captures, frames } = result;
    const report = {
      path,
      seed: options.seed,
      status,
      end,
      virtual_time_ns: now,
      events,
      captures,
      frames,
      problems,
      stdout,
      stderr,
    };
    process.stdout.write(`${JSON.stringify(report)}\n`);
  } else if (result.captures.length > 0) {
    process.stderr.write(`podwire: ${result.frames} frames in ${describeFiles(result.captures)}\n`);
  }
  for (const problem of problems) process.stderr.write(`podwire: ${problem}\n`);
  if (result.end === RunEnd.STOPPED) process.exitCode = stoppedStatus();
  else if (captureProblem !== null) process.exitCode = ExitStatus.ENVIRONMENT;
  else if (ended !== null) process.exitCode = ExitStatus.FAILED;
  else if (result.status !== 0) process.exitCode = result.status;
  else if (problems.length > 0) process.exitCode = ExitStatus.FAILED;
}

function describeFiles(files: readonly string[]): string {
  return files.length === 1 ? files[0]! : `${files.length} files: ${files[0]!} ...`;
}
