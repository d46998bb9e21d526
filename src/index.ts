// The public API: what the command line can do, a program can.

export { type DropReason, dropReasonName, dropReasons, dropReasonText } from './base/drop-reason.ts';
export { VERSION } from './base/version.ts';
