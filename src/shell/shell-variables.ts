// What one shell hands to another that is made from it: plain variables and options.

const INHERITED_OPTIONS = ['errexit', 'nounset', 'pipefail', 'noglob', 'noclobber'];

/** Of $SHELLOPTS what a job or a handler inherits, as `set` takes it. */
export function inheritedOptions(shellOptions: string): string[] {
  return shellOptions
    .split(':')
    .filter((name) => INHERITED_OPTIONS.includes(name))
    .map((name) => `-o ${name}`);
}

/** Plain variables of a shell: no positional or special parameters. */
export function scalars(env: ReadonlyMap<string, string>): Map<string, string> {
  const found = new Map<string, string>();
  for (const [name, value] of env) {
    if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(name) && !RESERVED.has(name)) found.set(name, value);
  }
  return found;
}

/** Set by the shell itself. */
const RESERVED: ReadonlySet<string> = new Set([
  'SHELLOPTS',
  'BASHOPTS',
  'OPTIND',
  'PWD',
  'OLDPWD',
  'IFS',
  'OSTYPE',
  'MACHTYPE',
  'HOSTTYPE',
  'HOSTNAME',
  'BASH_VERSION',
  'BASHPID',
  'PPID',
  'UID',
  'EUID',
  '_',
]);
