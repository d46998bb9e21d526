// Assertions for our own mistakes. A failed assertion is a bug of podwire: it ends the run with exit status 70 and the
// seed that repeats it. Input by people and bytes from a wire never end here (see base/drop-reason.ts and scenario/).

/** A bug of ours: a broken invariant. Carries what the report needs to repeat it once the CLI adds the seed. */
export class InternalError extends Error {
  override readonly name = 'InternalError';
}

/** Throws InternalError unless the condition holds. The message states the invariant that broke. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new InternalError(message);
}
