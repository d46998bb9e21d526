// How a script can end beside passing, as exceptions: they leave the interpreter from any depth.

/** The emulated kernel did not do what the script expects. */
export class ScriptFailed extends Error {}

/** The script needs what these tests do not play, or what the emulated kernel does not have and does not claim. */
export class NotApplicable extends Error {}
