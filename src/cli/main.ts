#!/usr/bin/env node
// podwire's command line: the process around the commands.

import { COMMANDS } from './commands.ts';
import { tuneEngine } from './engine.ts';
import { createProgram, ending, runProgram } from './program.ts';
import { tolerateClosedOutput } from './terminal.ts';

// What the emulated `ls -l` and `date` print does not depend on where the host is.
process.env.TZ = 'UTC';
tolerateClosedOutput();
tuneEngine();

// An error that no command awaited (a stream, a callback) ends as every other one does.
for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
  process.on(event, (error: unknown) => {
    process.exit(ending(error, (text) => process.stderr.write(text)));
  });
}

process.exitCode = await runProgram(createProgram(COMMANDS), process.argv);
