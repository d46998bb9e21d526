// The extensions of one rule while its options are read: which option belongs to which match or target, what may stand
// beside what (libxtables/xtoptions.c xtables_option_parse, xtables_option_fcheck2).

import { type ExtensionOption, type OptionValue, RuleError } from './extension-option.ts';

/** The long option that these letters name: exact, or the only one that they begin (getopt_long). */
export function findLong<T extends { readonly name: string }>(name: string, options: readonly T[]): T | null {
  const exact = options.find((o) => o.name === name);
  if (exact !== undefined) return exact;
  const begun = options.filter((o) => o.name.startsWith(name));
  return begun.length === 1 ? begun[0]! : null;
}

/** One match or target of the rule that is being read. */
export class ExtensionInUse {
  readonly name: string;
  readonly options: readonly ExtensionOption[];
  readonly #parse: (value: OptionValue) => void;
  readonly #seen: string[] = [];

  constructor(name: string, options: readonly ExtensionOption[], parse: (value: OptionValue) => void) {
    this.name = name;
    this.options = options;
    this.#parse = parse;
  }

  take(option: ExtensionOption, value: string, inverted: boolean): void {
    const name = option.alias ?? option.name;
    if (this.#seen.includes(name) && option.multiple !== true) {
      throw new RuleError(`${this.name}: option "--${name}" can only be used once.\n`);
    }
    if (inverted && option.invertible !== true) {
      throw new RuleError(`${this.name}: option "--${name}" cannot be inverted.\n`);
    }
    this.#seen.push(name);
    this.#parse({ extension: this.name, name, value, inverted });
  }

  /** What can only be said when all options are there. */
  finish(): void {
    for (const option of this.options) {
      const seen = this.#seen.includes(option.name);
      if (option.mandatory === true && !seen) {
        throw new RuleError(`${this.name}: option "--${option.name}" must be specified\n`);
      }
      if (!seen) continue;
      for (const other of option.requires ?? []) {
        if (!this.#seen.includes(other)) {
          throw new RuleError(`${this.name}: option "--${option.name}" also requires "--${other}".\n`);
        }
      }
      for (const other of option.excludes ?? []) {
        if (this.#seen.includes(other)) {
          throw new RuleError(`${this.name}: option "--${option.name}" cannot be used together with "--${other}".\n`);
        }
      }
    }
  }
}
