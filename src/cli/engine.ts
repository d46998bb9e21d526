// V8's limits for inlining, raised before the emulator is loaded: the packet path is many small functions, and with the
// defaults the last of them stay calls. Worth 15 to 30 % of npm run bench. Speed only: no byte depends on it.

import v8 from 'node:v8';

/** Versions of Node that were seen to know the flags; on another one V8 would complain about a flag that is gone. */
const KNOWN = { FIRST: 20, LAST: 26 } as const;
/** Bytes of bytecode: of all functions inlined into one, and of the longest that is inlined. V8's own: 920 and 460. */
const FLAGS = ['--max-inlined-bytecode-size-cumulative=4000', '--max-inlined-bytecode-size=1500'] as const;

export function tuneEngine(): void {
  const major = Number.parseInt(process.versions.node, 10);
  if (major < KNOWN.FIRST || major > KNOWN.LAST) return;
  for (const flag of FLAGS) v8.setFlagsFromString(flag);
}
