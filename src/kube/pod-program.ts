// A program that the cluster itself runs in a pod or on a node: the container's process, as apps/ know it. What it prints is
// its log.

import type { Program, ProgramHost } from '../apps/program.ts';
import { wallClockNs } from '../sim/wall-clock.ts';
import type { NetNamespace } from '../stack/netns.ts';
import type { Pod } from './cluster.ts';

/** Lines that a log keeps; a choice: the kubelet rotates at 10 MiB. */
const LOG_LINES_MAX = 1000;

export interface RunningProgram {
  /** what it printed, oldest first */
  readonly log: readonly string[];
  /** exit status; null while it runs */
  readonly status: number | null;
  stop(): void;
}

/** SIGTERM (signal(7)) */
const SIGTERM = 15;

/** Process id of a container's first process, as it sees itself. */
const CONTAINER_PID = 1;

/** Starts a program in a namespace, from now on. */
export function runProgramIn(netns: NetNamespace, create: (host: ProgramHost) => Program): RunningProgram {
  const { sim } = netns.machine.world;
  const log: string[] = [];
  const write = (text: string): void => {
    log.push(...text.split('\n').filter((line) => line !== ''));
    if (log.length > LOG_LINES_MAX) log.splice(0, log.length - LOG_LINES_MAX);
  };
  const host: ProgramHost = {
    sim,
    netns,
    pid: CONTAINER_PID,
    out: write,
    err: write,
    wallClock: () => wallClockNs(sim.now),
  };
  const program = create(host);
  const running = {
    log,
    status: null as number | null,
    stop: () => program.signal(SIGTERM),
  };
  program.start((status) => {
    running.status = status;
  });
  return running;
}

/** The same in a pod: it ends with the pod's sandbox. */
export function runProgramInPod(pod: Pod, create: (host: ProgramHost) => Program): RunningProgram {
  const running = runProgramIn(pod.netns, create);
  pod.programs.add(running.stop);
  return running;
}
