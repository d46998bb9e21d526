#!/usr/bin/env node
// podwire's command line: the commands there are, and the process around them.

import { createProgram, ending, type Register, runProgram } from './program.ts';
import { tolerateClosedOutput } from './terminal.ts';

/** In the order in which help lists them. */
const COMMANDS: readonly Register[] = [];

tolerateClosedOutput();

// An error that no command awaited (a stream, a callback) ends as every other one does.
for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
  process.on(event, (error: unknown) => {
    process.exit(ending(error, (text) => process.stderr.write(text)));
  });
}

process.exitCode = await runProgram(createProgram(COMMANDS), process.argv);
