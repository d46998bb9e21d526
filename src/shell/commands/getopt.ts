// Short options as getopt(3) of glibc reads them: clustered letters, values attached or in the next word, options and
// operands in any order, `--` ends the options.

export interface GetoptResult {
  /** letters in the order given, with their values ('' for those without) */
  readonly options: readonly (readonly [letter: string, value: string])[];
  readonly operands: readonly string[];
  /** as getopt prints it, without the program's name; null when all is well */
  readonly error: string | null;
}

/** @param spec letters; a colon behind one that takes a value (`c:i:q`) */
export function getopt(args: readonly string[], spec: string): GetoptResult {
  const options: [string, string][] = [];
  const operands: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const word = args[i]!;
    if (word === '--') {
      operands.push(...args.slice(i + 1));
      break;
    }
    if (word.length < 2 || word[0] !== '-') {
      operands.push(word);
      continue;
    }
    for (let k = 1; k < word.length; k++) {
      const letter = word[k]!;
      const at = letter === ':' ? -1 : spec.indexOf(letter);
      if (at < 0) return { options, operands, error: `invalid option -- '${letter}'` };
      if (spec[at + 1] !== ':') {
        options.push([letter, '']);
        continue;
      }
      const attached = word.slice(k + 1);
      if (attached === '' && i + 1 >= args.length) {
        return { options, operands, error: `option requires an argument -- '${letter}'` };
      }
      options.push([letter, attached !== '' ? attached : args[++i]!]);
      break;
    }
  }
  return { options, operands, error: null };
}
