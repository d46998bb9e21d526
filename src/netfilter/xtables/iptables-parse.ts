// The command line of iptables and of the lines of iptables-restore (iptables 1.8.9 iptables/xshared.c do_parse, and
// getopt_long under it).

import { type ExtensionOption, RuleError, RuleErrorKind } from './extension-option.ts';
import { extensionTypes, otherExtensions } from './extensions.ts';
import { type CommandLetter, type ParsedCall, STANDARD_TARGETS } from './iptables-call.ts';
import { BASE_OPTIONS, type BaseOption, CHECKED, COMMANDS, ILLEGAL, ILLEGAL_BY_NUMBER } from './iptables-options.ts';
import { type AddressMask, notEmulated, parseAddresses } from './option-text.ts';
import { protocolName } from './protocol-names.ts';
import { Rule } from './rule.ts';
import { checkChainName, NAME_MAX, parseInterface, parseProtocol, parseRuleNumber } from './rule-names.ts';
import { ExtensionInUse, findLong } from './rule-options.ts';

const ANYWHERE: readonly AddressMask[] = [{ address: 0, mask: 0 }];

export interface ParseOptions {
  /** iptables-restore: the table of its section; -t is refused */
  readonly restoreTable: string | null;
}

/** Reads argv (without the program's name). @throws RuleError */
export function parseCall(argv: readonly string[], options: ParseOptions): ParsedCall {
  const parser = new CallParser(argv, options);
  try {
    return parser.parse();
  } catch (error) {
    if (error instanceof RuleError) error.word = parser.word;
    throw error;
  }
}

class CallParser {
  readonly #argv: readonly string[];
  readonly #options: ParseOptions;
  #at = 0;
  /** letters behind a cluster's first, still to be read: `-nvL` */
  #cluster = '';
  #inverted = false;
  #command: CommandLetter | '' = '';
  #table = 'filter';
  #chain = '';
  #number = 0;
  #policy = '';
  #newName = '';
  #verbose = 0;
  #zero = false;
  #warning = '';
  readonly #given = new Set<string>();
  readonly #rule = new Rule();
  // Addresses are looked up when the whole line has been read: a mistake further on is reported first.
  #sources = '';
  #destinations = '';
  readonly #extensions: ExtensionInUse[] = [];
  #protocolLoaded = false;
  #taken = false;

  constructor(argv: readonly string[], options: ParseOptions) {
    this.#argv = argv;
    this.#options = options;
    if (options.restoreTable !== null) this.#table = options.restoreTable;
  }

  parse(): ParsedCall {
    return this.#read() ?? this.#finish();
  }

  /** Index of the word that was read last. */
  get word(): number {
    return this.#at - 1;
  }

  #read(): ParsedCall | null {
    while (this.#cluster !== '' || this.#at < this.#argv.length) {
      if (this.#cluster !== '') {
        const special = this.#short();
        if (special !== null) return special;
        continue;
      }
      const word = this.#argv[this.#at++]!;
      if (word.startsWith('--') && word.length > 2) {
        const special = this.#long(word.slice(2));
        if (special !== null) return special;
      } else if (word.startsWith('-') && word.length > 1) this.#cluster = word.slice(1);
      else if (word === '!') {
        if (this.#inverted) throw new RuleError('multiple consecutive ! not allowed');
        this.#inverted = true;
      } else throw new BadArgument(word);
    }
    return null;
  }

  #long(text: string): ParsedCall | null {
    const equals = text.indexOf('=');
    const name = equals < 0 ? text : text.slice(0, equals);
    const attached = equals < 0 ? null : text.slice(equals + 1);
    const all = [...BASE_OPTIONS, ...this.#extensions.flatMap((e) => e.options)];
    let option: ExtensionOption | null = findLong(name, all);
    if (option === null && this.#loadProtocolMatch()) option = findLong(name, this.#extensions.at(-1)!.options);
    if (option === null) throw new RuleError(`unknown option "--${text}"`);
    const letter = (option as Partial<BaseOption>).letter;
    if (letter !== undefined) return this.#base(letter, option, attached, `--${name}`);
    // The extension that was loaded last has the option, should two have it (getopt merges them in front).
    const owner = this.#extensions.findLast((e) => e.options.includes(option))!;
    const value = this.#argument(option, attached, `--${name}`);
    owner.take(option, value ?? '', this.#takeInversion());
    return null;
  }

  #short(): ParsedCall | null {
    const letter = this.#cluster[0]!;
    this.#cluster = this.#cluster.slice(1);
    const option = /[0]/.test(letter) ? undefined : BASE_OPTIONS.find((o) => o.letter === letter);
    if (option === undefined) throw new RuleError(`unknown option "-${letter}"`);
    let attached: string | null = null;
    if (option.argument !== 'none' && this.#cluster !== '') {
      attached = this.#cluster;
      this.#cluster = '';
    }
    return this.#base(letter, option, attached, `-${letter}`);
  }

  /** The option's argument: attached, or the next word; null when an optional one is not there. */
  #argument(option: ExtensionOption, attached: string | null, shown: string): string | null {
    if (option.argument === 'none') return null;
    if (attached !== null) return attached;
    if (option.argument === 'optional') return null;
    if (this.#at >= this.#argv.length) throw new RuleError(`option "${shown}" requires an argument`);
    const words = option.words ?? 1;
    if (this.#at + words > this.#argv.length) throw new RuleError(`--${option.name} requires two args.`);
    const value = this.#argv.slice(this.#at, this.#at + words).join(' ');
    this.#at += words;
    return value;
  }

  /** The next word when it is no option (xs_has_arg). */
  #nextPlain(): string | null {
    const word = this.#argv[this.#at];
    if (word === undefined || word.startsWith('-') || word.startsWith('!')) return null;
    this.#at++;
    return word;
  }

  #takeInversion(): boolean {
    const inverted = this.#inverted;
    this.#inverted = false;
    return inverted;
  }

  #base(letter: string, option: ExtensionOption, attached: string | null, shown: string): ParsedCall | null {
    const given = this.#argument(option, attached, shown);
    const value = given ?? '';
    if (COMMANDS.includes(letter)) {
      this.#setCommand(letter as CommandLetter, given);
      return null;
    }
    const inverted = this.#takeInversion();
    const rule = this.#rule;
    switch (letter) {
      case 's':
        this.#once('s', inverted, true);
        rule.sourceInverted = inverted;
        this.#sources = value;
        break;
      case 'd':
        this.#once('d', inverted, true);
        rule.destinationInverted = inverted;
        this.#destinations = value;
        break;
      case 'p':
        this.#once('p', inverted, true);
        rule.protocol = parseProtocol(value);
        rule.protocolInverted = inverted;
        if (rule.protocol === 0 && inverted) throw new RuleError('rule would never match protocol');
        break;
      case 'i':
        this.#once('i', inverted, true);
        rule.inInterface = parseInterface(value, inverted);
        rule.inInverted = inverted;
        break;
      case 'o':
        this.#once('o', inverted, true);
        rule.outInterface = parseInterface(value, inverted);
        rule.outInverted = inverted;
        break;
      case 'f':
        this.#once('f', inverted, true);
        rule.fragment = true;
        rule.fragmentInverted = inverted;
        break;
      case 'j':
        this.#once('j', inverted, false);
        this.#jump(value);
        break;
      case 'g':
        this.#once('j', inverted, false);
        rule.jump = value;
        rule.goto = true;
        break;
      case 'm':
        if (inverted) throw new RuleError('unexpected ! flag before --match');
        this.#match(value);
        break;
      case 'n':
      case 'x':
      case '0':
        this.#once(letter, inverted, false);
        break;
      case 'v':
        this.#given.add('v');
        this.#verbose++;
        break;
      case 't':
        if (inverted) throw new RuleError('unexpected ! flag before --table');
        if (this.#options.restoreTable !== null) {
          throw new RuleError('The -t option cannot be used in iptables-restore.\n');
        }
        this.#table = value;
        break;
      case 'c':
        this.#counters(value);
        break;
      case 'w':
      case 'W':
        // The lock is the kernel's affair with nf_tables: both are accepted and mean nothing.
        if (given === null) this.#nextNumber();
        if (letter === 'W') this.#warning = 'Ignoring deprecated --wait-interval option.\n';
        break;
      case 'M':
      case '4':
        break;
      case '6':
        throw new RuleError('', RuleErrorKind.PARAMETER);
      case 'V':
        return { command: 'version' };
      case 'h':
        return { command: 'help' };
    }
    return null;
  }

  #nextNumber(): void {
    const word = this.#argv[this.#at];
    if (word !== undefined && /^[0-9]/.test(word)) this.#at++;
  }

  #once(letter: string, inverted: boolean, invertible: boolean): void {
    if (this.#given.has(letter)) throw new RuleError(`multiple -${letter} flags not allowed`);
    if (inverted && !invertible) throw new RuleError(`cannot have ! before -${letter}`);
    this.#given.add(letter);
  }

  #setCommand(letter: CommandLetter, given: string | null): void {
    if (this.#inverted) throw new RuleError(`unexpected '!' flag before -${letter}`);
    const deleteByNumber = (): void => {
      const word = this.#nextPlain();
      if (word !== null) this.#number = parseRuleNumber(word);
    };
    // -Z may stand beside -L or -S.
    const withZero = (letter === 'Z' && /[LS]/.test(this.#command)) || (this.#command === 'Z' && /[LS]/.test(letter));
    if (this.#command !== '' && !withZero) throw new RuleError(`Cannot use -${letter} with -${this.#command}`);
    this.#zero = withZero;
    if (this.#command === '' || this.#command === 'Z') this.#command = letter;
    let chain = given;
    if (chain === null && 'LSFZX'.includes(letter)) chain = this.#nextPlain();
    if (chain !== null) this.#chain = chain;
    switch (letter) {
      case 'D':
        deleteByNumber();
        break;
      case 'I':
        deleteByNumber();
        if (this.#number === 0) this.#number = 1;
        break;
      case 'R': {
        const word = this.#nextPlain();
        if (word === null) throw new RuleError('-R requires a rule number');
        this.#number = parseRuleNumber(word);
        break;
      }
      case 'L':
      case 'S':
      case 'Z':
        if (chain !== null) deleteByNumber();
        break;
      case 'N':
        checkChainName(this.#chain);
        break;
      case 'E': {
        const word = this.#nextPlain();
        if (word === null) throw new RuleError('-E requires old-chain-name and new-chain-name');
        this.#newName = word;
        break;
      }
      case 'P': {
        const word = this.#nextPlain();
        if (word === null) throw new RuleError('-P requires a chain and a policy');
        this.#policy = word;
        break;
      }
    }
  }

  #counters(value: string): void {
    this.#once('c', false, false);
    const comma = value.indexOf(',');
    const packets = comma < 0 ? value : value.slice(0, comma);
    const bytes = comma < 0 ? this.#nextPlain() : value.slice(comma + 1);
    if (bytes === null) throw new RuleError('-c requires packet and byte counter');
    if (!/^\d+$/.test(packets)) throw new RuleError('-c packet counter not numeric');
    if (!/^\d+$/.test(bytes)) throw new RuleError('-c byte counter not numeric');
    this.#rule.packets = Number(packets);
    this.#rule.bytes = Number(bytes);
  }

  #match(name: string): void {
    const type = extensionTypes.match(name);
    if (type === null && otherExtensions.isMatch(name)) throw notEmulated(`the match ${name}`);
    if (type === null) throw new RuleError(`Couldn't load match \`${name}':No such file or directory\n`);
    const match = type.create();
    this.#rule.matches.push(match);
    if (type.usesConntrack === true) this.#rule.usesConntrack = true;
    this.#extensions.push(new ExtensionInUse(name, type.options, (value) => match.parse(value, this.#rule)));
  }

  /** load_proto: `-p tcp --dport` means `-p tcp -m tcp --dport`, once. */
  #loadProtocolMatch(): boolean {
    if (this.#protocolLoaded || this.#rule.protocol === 0) return false;
    this.#protocolLoaded = true;
    const name = protocolName(this.#rule.protocol);
    if (name === null || extensionTypes.match(name) === null || this.#rule.matches.some((m) => m.name === name)) {
      return false;
    }
    this.#match(name);
    return true;
  }

  #jump(name: string): void {
    if (name === '') throw new RuleError('Invalid target name (too short)');
    if (name.length >= NAME_MAX) throw new RuleError(`Invalid target name \`${name}' (28 chars max)`);
    if (/\s/.test(name)) throw new RuleError(`Invalid target name \`${name}'`);
    this.#rule.jump = name;
    if (STANDARD_TARGETS.includes(name)) return;
    const type = extensionTypes.target(name);
    if (type === null && otherExtensions.isTarget(name)) throw notEmulated(`the target ${name}`);
    if (type === null) return;
    const target = type.create();
    this.#rule.target = target;
    if (type.usesConntrack === true) this.#rule.usesConntrack = true;
    this.#extensions.push(new ExtensionInUse(name, type.options, (value) => target.parse(value, this.#rule)));
  }

  #finish(): ParsedCall {
    if (this.#inverted) throw new RuleError('nothing appropriate following !');
    const command = this.#command;
    if (command === '') throw new RuleError('no command specified');
    const rule = this.#rule;
    // Each extension's own words come before the general ones.
    for (const match of rule.matches) match.finish(rule);
    rule.target?.finish(rule);
    for (const e of this.#extensions) e.finish();
    const sources = this.#sources === '' ? ANYWHERE : parseAddresses(this.#sources);
    const destinations = this.#destinations === '' ? ANYWHERE : parseAddresses(this.#destinations);
    if ((rule.sourceInverted && sources.length > 1) || (rule.destinationInverted && destinations.length > 1)) {
      throw new RuleError('! not allowed with multiple source or destination IP addresses');
    }
    const illegal = command === 'D' && this.#number !== 0 ? ILLEGAL_BY_NUMBER : ILLEGAL[command];
    for (const letter of CHECKED) {
      if (this.#given.has(letter) && illegal.includes(letter)) {
        throw new RuleError(`Illegal option \`-${letter}' with this command`);
      }
    }
    if (this.#chain.length >= NAME_MAX) {
      throw new RuleError(`chain name \`${this.#chain}' too long (must be under ${NAME_MAX} chars)`);
    }
    let rules: Rule[] = [];
    if ('ADCIR'.includes(command) && !(command === 'D' && this.#number !== 0)) {
      this.#checkRule();
      if (command === 'R' && sources.length * destinations.length > 1) {
        throw new RuleError('Replacement rule does not specify a unique address');
      }
      rules = sources.flatMap((s) => destinations.map((d) => this.#ruleFor(s, d)));
    }
    return {
      command,
      table: this.#table,
      chain: this.#chain,
      number: this.#number,
      rules,
      policy: this.#policy,
      newName: this.#newName,
      zero: this.#zero,
      verbose: this.#verbose,
      numeric: this.#given.has('n'),
      exact: this.#given.has('x'),
      lineNumbers: this.#given.has('0'),
      warning: this.#warning,
    };
  }

  /** The rule with these addresses; a second one is read anew, because its matches have their own state. */
  #ruleFor(source: AddressMask, destination: AddressMask): Rule {
    const rule = this.#taken ? new CallParser(this.#argv, this.#options).#readRule() : this.#rule;
    this.#taken = true;
    rule.source = source.address;
    rule.sourceMask = source.mask;
    rule.destination = destination.address;
    rule.destinationMask = destination.mask;
    return rule;
  }

  #readRule(): Rule {
    this.#read();
    const rule = this.#rule;
    for (const match of rule.matches) match.finish(rule);
    rule.target?.finish(rule);
    return rule;
  }

  #checkRule(): void {
    const rule = this.#rule;
    if ((this.#chain === 'PREROUTING' || this.#chain === 'INPUT') && rule.outInterface !== '') {
      throw new RuleError(`Can't use -o with ${this.#chain}\n`);
    }
    if ((this.#chain === 'POSTROUTING' || this.#chain === 'OUTPUT') && rule.inInterface !== '') {
      throw new RuleError(`Can't use -i with ${this.#chain}\n`);
    }
    if (this.#table === 'nat' && rule.jump === 'DROP') {
      throw new RuleError(
        '\nThe "nat" table is not intended for filtering, the use of DROP is therefore inhibited.\n\n',
      );
    }
  }
}

/** iptables says this one without its name and version in front. */
export class BadArgument extends RuleError {
  constructor(word: string) {
    super(`Bad argument \`${word}'`);
  }
}
