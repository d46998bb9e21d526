// What starting a program costs in virtual time. A real shell is not instantaneous, and commands that follow one another
// must not fall on the same instant. Shell builtins and bundled text tools (echo, grep, ...) cost nothing.

import { NS_PER_MS, type Ns } from '../sim/sim.ts';

/**
 * fork, exec and dynamic linking of a small program. Origin: the golden outputs, where a `date` between two steps takes
 * 1.4 ms at the least and 2.2 ms in the fastest tenth.
 */
export const EXEC_COST: Ns = 2 * NS_PER_MS;

/**
 * A Python interpreter up to the first line of the script. Origin: the golden outputs, where a script that does nothing
 * but send once ends 48 ms after its step began, in the fastest tenth.
 */
export const PYTHON_START_COST: Ns = 40 * NS_PER_MS;

/**
 * Programs whose talk with the kernel takes longer than they do. Origin: golden case 16, where a step with conntrack -L takes
 * 29 ms at the least (it walks the kernel's whole hash table, 262,144 buckets) and one with iptables-restore 45 ms (the
 * nf_tables transaction waits for a grace period); without them a step takes 4 to 8 ms.
 */
const KERNEL_WORK: ReadonlyMap<string, Ns> = new Map([
  ['conntrack', 22 * NS_PER_MS],
  ['iptables-restore', 36 * NS_PER_MS],
]);

/**
 * A script that loads Python's threading needs longer. Origin: golden case 16, both recordings: tcphold.py, started before
 * udpsend.py, sends 2 and 18 ms after it.
 */
const THREADED = 'tcphold.py';
const THREADING_COST: Ns = 6 * NS_PER_MS;

/** Virtual time that passes before the program does anything. */
export function execCost(name: string): Ns {
  const work = KERNEL_WORK.get(name);
  if (work !== undefined) return EXEC_COST + work;
  if (name === THREADED) return EXEC_COST + PYTHON_START_COST + THREADING_COST;
  return name.endsWith('.py') ? EXEC_COST + PYTHON_START_COST : EXEC_COST;
}
