// How Python prints what went wrong: the small programs of the reference stimuli are Python scripts, and their output is
// part of what a run shows.

import { ERRNO_NUMBER, ERRNO_TEXT, type Errno } from '../stack/errno.ts';

/** str() of an OSError. */
export function osErrorText(errno: Errno): string {
  return `[Errno ${ERRNO_NUMBER[errno]}] ${ERRNO_TEXT[errno]}`;
}

/** An exception that nobody caught, as it ends on standard error; there are no source lines to show. */
export function traceback(exception: string): string {
  return `Traceback (most recent call last):\n${exception}\n`;
}

export function osErrorTraceback(errno: Errno): string {
  return traceback(`${errno === 'ECONNREFUSED' ? 'ConnectionRefusedError' : className(errno)}: ${osErrorText(errno)}`);
}

function className(errno: Errno): string {
  return errno === 'EACCES' || errno === 'EPERM' ? 'PermissionError' : 'OSError';
}
