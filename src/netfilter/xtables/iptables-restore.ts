// iptables-restore (iptables 1.8.9 iptables/xtables-restore.c): sections of `*table`, `:CHAIN POLICY [packets:bytes]`, rules
// and COMMIT. A section is one transaction; a mistake in it leaves the table as it was.

import { RuleError, RuleErrorKind } from './extension-option.ts';
import { type IpTable, TABLE_NAMES, type TableName } from './ip-table.ts';
import type { IpTables } from './ip-tables.ts';
import { isInformation } from './iptables-call.ts';
import { CommandRefused, executeCall, NoSuchChain, setPolicy, TransactionRefused } from './iptables-execute.ts';
import { BadArgument, parseCall } from './iptables-parse.ts';
import { checkChainName } from './rule-names.ts';
import { TableDraft } from './table-draft.ts';

export interface RestoreOptions {
  /** -n: chains that are not named stay as they are */
  readonly noFlush?: boolean;
  /** -c: take over counters */
  readonly counters?: boolean;
  /** -t: look at it and change nothing */
  readonly test?: boolean;
  /** -T: only this table's section */
  readonly table?: TableName;
  /** where the output of -L and the like goes */
  readonly out?: (text: string) => void;
}

export interface RestoreError {
  /** from 1 */
  readonly line: number;
  /** of the word that was read last, from 1; 1 when the whole line is meant */
  readonly column: number;
  /** one sentence */
  readonly message: string;
  /** as iptables-restore prints it, with its newline(s) */
  readonly text: string;
  /** exit status */
  readonly status: number;
}

const TRY = "Try `iptables-restore -h' or 'iptables-restore --help' for more information.\n";
const VERSION = 'iptables-restore v1.8.9 (nf_tables)';

/** A line of a section, read; what it does is done at COMMIT. */
interface Step {
  readonly line: number;
  readonly column: number;
  readonly run: (draft: TableDraft, validate: boolean) => void;
}

interface Section {
  readonly name: TableName;
  readonly steps: Step[];
}

export function restoreTables(tables: IpTables, text: string, options: RestoreOptions): RestoreError | null {
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  return new Restorer(tables, lines, options).run();
}

class Restorer {
  readonly #tables: IpTables;
  readonly #lines: readonly string[];
  readonly #options: RestoreOptions;
  #section: Section | null = null;
  /** in the section of a table other than -T's */
  #skipping = false;

  constructor(tables: IpTables, lines: readonly string[], options: RestoreOptions) {
    this.#tables = tables;
    this.#lines = lines;
    this.#options = options;
  }

  run(): RestoreError | null {
    for (let i = 0; i < this.#lines.length; i++) {
      const column = { at: 1 };
      try {
        const error = this.#read(this.#lines[i]!, i + 1, column);
        if (error !== null) return error;
      } catch (error) {
        return this.#report(error, i + 1, column.at);
      }
    }
    if (this.#section === null) return null;
    const line = this.#lines.length + 1;
    const message = 'COMMIT expected';
    return { line, column: 1, message, text: `iptables-restore: COMMIT expected at line ${line}\n`, status: 1 };
  }

  #report(error: unknown, line: number, column: number): RestoreError {
    if (error instanceof BadArgument) {
      return {
        line,
        column,
        message: error.message,
        status: 2,
        text: `${error.message}\nError occurred at line: ${line}\n${TRY}`,
      };
    }
    if (error instanceof RuleError) {
      const message = error.message.trim();
      if (error.kind !== RuleErrorKind.PARAMETER) {
        return { line, column, message, status: error.kind, text: `${VERSION}: ${error.message}\n` };
      }
      return {
        line,
        column,
        message,
        status: 2,
        text: `${VERSION}: ${error.message}\nError occurred at line: ${line}\n${TRY}`,
      };
    }
    if (error instanceof CommandRefused) {
      const { message } = error;
      const why = message === '' ? '' : `: ${message}.`;
      return { line, column, message, status: 1, text: `iptables-restore: line ${line} failed${why}\n` };
    }
    if (error instanceof TransactionRefused) {
      const { message } = error;
      return { line, column, message, status: 4, text: `${VERSION}: \nline ${line}: ${message}\n` };
    }
    throw error;
  }

  /** One line. @throws what is wrong with it */
  #read(line: string, number: number, column: { at: number }): RestoreError | null {
    if (line === '' || line.startsWith('#')) return null;
    const section = this.#section;
    if (section === null) {
      if (line.startsWith('*')) this.#open(line, number);
      else if (!this.#skipping) throw new CommandRefused('');
      else if (line === 'COMMIT') this.#skipping = false;
    } else if (line === 'COMMIT') {
      this.#section = null;
      return this.#commit(section, number);
    } else {
      const run = line.startsWith(':') ? this.#chain(line, number) : this.#call(line, number, section.name, column);
      if (run !== null) section.steps.push({ line: number, column: column.at, run });
    }
    return null;
  }

  #open(line: string, number: number): void {
    const name = line.slice(1).split(/[ \t]/)[0]!;
    if (this.#options.table !== undefined && name !== this.#options.table) {
      this.#skipping = true;
      return;
    }
    if (!(TABLE_NAMES as readonly string[]).includes(name)) {
      throw new RuleError(`iptables-restore: line ${number} table name '${name}' invalid`);
    }
    this.#section = { name: name as TableName, steps: [] };
  }

  #commit(section: Section, line: number): RestoreError | null {
    const made = this.#tables.table(section.name);
    const table = made ?? this.#tables.unmade(section.name);
    const first = this.#play(table, section, line, false);
    if (!(first instanceof TableDraft)) return first;
    if (first.problem() !== null) {
      // A mistake that only the whole table shows: again, looking after each line.
      const again = this.#play(table, section, line, true);
      return again instanceof TableDraft ? this.#report(new CommandRefused(''), line, 1) : again;
    }
    if (this.#options.test === true || (made === null && !first.changed)) return null;
    if (made === null) this.#tables.add(table);
    first.commit();
    this.#tables.changed();
    return null;
  }

  /** Does what the section says on a draft. */
  #play(table: IpTable, section: Section, commitLine: number, validate: boolean): TableDraft | RestoreError {
    const draft = new TableDraft(table);
    if (this.#options.noFlush !== true) {
      const chains = draft.chains();
      for (const chain of chains) draft.flush(chain.name);
      for (const chain of chains) if (chain.hook === null) draft.remove(chain.name);
    }
    for (const step of section.steps) {
      try {
        step.run(draft, validate);
      } catch (error) {
        if (!(error instanceof NoSuchChain)) return this.#report(error, step.line, step.column);
        // iptables-restore looks at jumps when it reads COMMIT, and says that line; people are told the rule's.
        return { ...this.#report(error, commitLine, 1), line: step.line, column: step.column };
      }
    }
    return draft;
  }

  /** `:CHAIN POLICY [packets:bytes]` */
  #chain(line: string, number: number): Step['run'] {
    const [name = '', policy, counts] = line.slice(1).split(/[ \t]+/);
    if (name === '') throw new RuleError(`iptables-restore: line ${number} chain name invalid`);
    checkChainName(name);
    if (policy === undefined || policy === '') throw new RuleError(`iptables-restore: line ${number} policy invalid`);
    return (draft) => this.#declare(draft, name, policy, counts);
  }

  #declare(draft: TableDraft, name: string, policy: string, counts: string | undefined): void {
    const old = draft.chain(name);
    if (old === null || old.hook === null) {
      if (policy !== '-') throw new CommandRefused('Bad built-in chain name');
      if (old === null) draft.add(name);
      else draft.flush(name);
      return;
    }
    if (policy !== '-') setPolicy(draft, name, policy);
    const chain = draft.write(name);
    chain.counted = true;
    if (this.#options.counters === true) {
      const numbers = /^\[(\d+):(\d+)\]$/.exec(counts ?? '');
      chain.packets = Number(numbers?.[1] ?? 0);
      chain.bytes = Number(numbers?.[2] ?? 0);
    } else if (this.#options.noFlush !== true) {
      chain.packets = 0;
      chain.bytes = 0;
    }
  }

  /** A rule or another command of iptables, counters in front of it or not; null when there is nothing to do. */
  #call(line: string, number: number, table: TableName, column: { at: number }): Step['run'] | null {
    let skipped = 0;
    let counts: readonly string[] = [];
    if (line.startsWith('[')) {
      const close = line.indexOf(']');
      if (close < 0) throw new RuleError(`Bad line ${number}: need ]`);
      const colon = line.indexOf(':');
      if (colon < 0 || colon > close) throw new RuleError(`Bad line ${number}: need :`);
      counts = ['--set-counters', line.slice(1, colon), line.slice(colon + 1, close)];
      skipped = close + 1;
    }
    const words = splitWords(line.slice(skipped));
    try {
      const call = parseCall([...counts, ...words.map((w) => w.text)], { restoreTable: table });
      if (isInformation(call)) return null;
      const options = {
        counters: this.#options.counters === true,
        restore: true,
        made: this.#tables.table(table) !== null,
        out: this.#options.out ?? (() => {}),
      };
      return (draft, validate) => executeCall(draft, call, { ...options, validate });
    } catch (error) {
      if (error instanceof RuleError && error.word >= counts.length) {
        column.at = skipped + (words[error.word - counts.length]?.at ?? 0) + 1;
      }
      throw error;
    }
  }
}

interface Word {
  readonly text: string;
  /** offset in the line */
  readonly at: number;
}

/** Words apart by blanks; double quotes hold one together, a backslash in them takes the next character as it is. */
export function splitWords(line: string): readonly Word[] {
  const words: Word[] = [];
  let text = '';
  let at = -1;
  let quoted = false;
  for (let i = 0; i < line.length; i++) {
    const c = line[i]!;
    if (quoted) {
      if (c === '\\' && i + 1 < line.length) text += line[++i]!;
      else if (c === '"') quoted = false;
      else text += c;
    } else if (c === ' ' || c === '\t') {
      if (at >= 0) words.push({ text, at });
      at = -1;
      text = '';
    } else {
      if (at < 0) at = i;
      if (c === '"') quoted = true;
      else text += c;
    }
  }
  // An open quotation goes on to the end of the line, which is in it.
  if (at >= 0) words.push({ text: quoted ? `${text}\n` : text, at });
  return words;
}
