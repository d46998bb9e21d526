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

/** Virtual time that passes before the program does anything. */
export function execCost(name: string): Ns {
  return name.endsWith('.py') ? EXEC_COST + PYTHON_START_COST : EXEC_COST;
}
