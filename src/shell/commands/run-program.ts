// Runs a program of apps/ as the work of a command: the process waits until it ends, and passes signals on.

import type { Program } from '../../apps/program.ts';
import type { ShellContext } from '../command.ts';

/** @returns the program's exit status */
export function runProgram(ctx: ShellContext, program: Program): Promise<number> {
  return ctx.process.wait<number>((resume) => {
    program.start(resume);
    return (signal) => program.signal(signal);
  });
}
