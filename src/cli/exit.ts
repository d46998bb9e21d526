// How podwire ends: exit statuses, the errors that carry one, and the report of an error that is podwire's own.

import { InternalError } from '../base/assert.ts';
import { VERSION } from '../base/version.ts';

/** 70 is EX_SOFTWARE of sysexits.h; the others are podwire's own and documented in README.md. */
export const ExitStatus = {
  /** everything that was asked for came true */
  OK: 0,
  /** the run went through and an expectation failed */
  FAILED: 1,
  /** wrong usage, or an input that cannot be taken */
  USAGE: 2,
  /** the machine does not give what is needed: a permission, a device, room on the disk */
  ENVIRONMENT: 3,
  /** a bug of podwire */
  INTERNAL: 70,
} as const;
export type ExitStatus = (typeof ExitStatus)[keyof typeof ExitStatus];

/** Ends the command with a status of its choice and one line (or several, when several things are wrong at once). */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly status: ExitStatus;

  constructor(status: ExitStatus, message: string) {
    super(message);
    this.status = status;
  }
}

/** Wrong usage or an input that cannot be taken: exit status 2. */
export function usageError(message: string): CommandError {
  return new CommandError(ExitStatus.USAGE, message);
}

/** The machine lacks something: exit status 3. The message says what to do about it. */
export function environmentError(message: string): CommandError {
  return new CommandError(ExitStatus.ENVIRONMENT, message);
}

/** Where a run stands, for the report of an internal error. */
export interface RunPosition {
  readonly seed: number;
  /** virtual nanoseconds since the start of the run */
  readonly now: number;
  /** events handled so far */
  readonly events: number;
}

let position: (() => RunPosition) | null = null;

/** A command that runs a world says here how to ask where it stands; null when the run is over. */
export function setRunPosition(ask: (() => RunPosition) | null): void {
  position = ask;
}

/**
 * What a person needs to report a bug of podwire: the message, what repeats it, and with PODWIRE_DEBUG=1 the stack.
 * @returns lines, without a final newline
 */
export function describeInternalError(error: unknown, env: NodeJS.ProcessEnv = process.env): string {
  const message = error instanceof Error ? error.message : String(error);
  const kind = error instanceof InternalError ? 'a broken invariant' : error instanceof Error ? error.name : 'an error';
  const lines = [`podwire: internal error: ${message}`];
  const facts = [`podwire ${VERSION}`, `Node ${process.versions.node}`, kind];
  const at = whereItStands();
  if (at !== null) {
    facts.push(`seed ${at.seed}`, `virtual time ${(at.now / 1e9).toFixed(9)} s`, `event ${at.events}`);
  }
  lines.push(`  ${facts.join(', ')}`);
  const debug = env.PODWIRE_DEBUG === '1';
  if (debug && error instanceof Error && error.stack !== undefined) lines.push(error.stack);
  const more = debug ? '' : ' PODWIRE_DEBUG=1 adds the stack.';
  lines.push(`  This is a bug of podwire: please report it with these lines and the input that led to it.${more}`);
  return lines.join('\n');
}

function whereItStands(): RunPosition | null {
  try {
    return position === null ? null : position();
  } catch {
    // The broken run cannot even say where it is; the rest of the report still helps.
    return null;
  }
}
