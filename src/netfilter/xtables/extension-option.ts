// Options of matches and targets, as getopt_long and libxtables see them.

export interface ExtensionOption {
  /** long name without its dashes */
  readonly name: string;
  readonly argument: 'none' | 'required' | 'optional';
  /** the option that this is another name of */
  readonly alias?: string;
  /** may stand behind `!` */
  readonly invertible?: boolean;
  /** how many words its argument has, 1 when left out; they are handed over joined by a blank */
  readonly words?: number;
  /** may be given more than once */
  readonly multiple?: boolean;
  /** must be given (XTOPT_MAND) */
  readonly mandatory?: boolean;
  /** names of options that must not be given beside it */
  readonly excludes?: readonly string[];
  /** names of options that must be given too */
  readonly requires?: readonly string[];
}

export interface OptionValue {
  /** the match or target that it belongs to */
  readonly extension: string;
  readonly name: string;
  /** '' when the option takes none */
  readonly value: string;
  readonly inverted: boolean;
}

/** Exit statuses of iptables (include/xtables.h enum xtables_exittype). */
export const RuleErrorKind = { OTHER: 1, PARAMETER: 2, VERSION: 3, RESOURCE: 4 } as const;
export type RuleErrorKind = (typeof RuleErrorKind)[keyof typeof RuleErrorKind];

/** What a person's rule cannot mean; its text is what iptables prints behind its name and version. */
export class RuleError extends Error {
  readonly kind: RuleErrorKind;
  /** index of the word of the command line that was read last, -1 when that says nothing */
  word = -1;

  constructor(message: string, kind: RuleErrorKind = RuleErrorKind.PARAMETER) {
    super(message);
    this.name = 'RuleError';
    this.kind = kind;
  }
}
