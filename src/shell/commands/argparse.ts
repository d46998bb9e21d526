// Options of a Python script as argparse reads them: long options with a value behind a space or `=`, flags, operands in
// any order, `-1` as a value.

export interface ArgparseResult {
  readonly values: ReadonlyMap<string, string>;
  readonly flags: ReadonlySet<string>;
  readonly operands: readonly string[];
  /** what argparse says; null when all is well */
  readonly error: string | null;
}

export interface ArgparseSpec {
  /** names of the operands, all needed */
  readonly operands: readonly string[];
  /** options with a value, without their dashes */
  readonly valued: readonly string[];
  readonly flags: readonly string[];
}

export function argparse(args: readonly string[], spec: ArgparseSpec): ArgparseResult {
  const values = new Map<string, string>();
  const flags = new Set<string>();
  const operands: string[] = [];
  const fail = (error: string): ArgparseResult => ({ values, flags, operands, error });
  for (let i = 0; i < args.length; i++) {
    const word = args[i]!;
    if (!word.startsWith('--') || word === '--') {
      if (word.startsWith('-') && !/^-[\d.]*$/.test(word)) return fail(`unrecognized arguments: ${word}`);
      if (word !== '--') operands.push(word);
      continue;
    }
    const equals = word.indexOf('=');
    const name = word.slice(2, equals < 0 ? undefined : equals);
    if (spec.flags.includes(name) && equals < 0) flags.add(name);
    else if (!spec.valued.includes(name)) return fail(`unrecognized arguments: ${word}`);
    else if (equals >= 0) values.set(name, word.slice(equals + 1));
    else if (i + 1 < args.length) values.set(name, args[++i]!);
    else return fail(`argument --${name}: expected one argument`);
  }
  const missing = spec.operands.slice(operands.length);
  if (missing.length > 0) return fail(`the following arguments are required: ${missing.join(', ')}`);
  if (operands.length > spec.operands.length) {
    return fail(`unrecognized arguments: ${operands.slice(spec.operands.length).join(' ')}`);
  }
  return { values, flags, operands, error: null };
}
