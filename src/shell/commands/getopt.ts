// Short options as getopt(3) of glibc reads them: clustered letters, values attached or in the next word, options and
// operands in any order, `--` ends the options.

export interface GetoptResult {
  /** letters in the order given, with their values ('' for those without) and the place in argv of the word read last */
  readonly options: readonly (readonly [letter: string, value: string, argc: number])[];
  readonly operands: readonly string[];
  /** as getopt prints it, without the program's name; null when all is well */
  readonly error: string | null;
  /** what the error is about: the letter, its place in argv, and whether only its value is missing */
  readonly wrong: { readonly letter: string; readonly argc: number; readonly valueMissing: boolean } | null;
}

/** @param spec letters; a colon behind one that takes a value (`c:i:q`) */
export function getopt(args: readonly string[], spec: string): GetoptResult {
  const options: [string, string, number][] = [];
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
      const wrong = (valueMissing: boolean) => ({ letter, argc: i + 1, valueMissing });
      if (at < 0) return { options, operands, error: `invalid option -- '${letter}'`, wrong: wrong(false) };
      if (spec[at + 1] !== ':') {
        options.push([letter, '', i + 1]);
        continue;
      }
      const attached = word.slice(k + 1);
      if (attached === '' && i + 1 >= args.length) {
        return { options, operands, error: `option requires an argument -- '${letter}'`, wrong: wrong(true) };
      }
      const value = attached !== '' ? attached : args[++i]!;
      options.push([letter, value, i + 1]);
      break;
    }
  }
  return { options, operands, error: null, wrong: null };
}
