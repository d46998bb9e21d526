// iptables-restore (iptables 1.8.9 iptables/xtables-restore.c): sections of `*table`, `:CHAIN POLICY [packets:bytes]`, rules
// and COMMIT. A section is one transaction; a mistake in it leaves the table as it was.

import { RuleError, RuleErrorKind } from './extension-option.ts';
import { TABLE_NAMES, type TableName } from './ip-table.ts';
import type { IpTables } from './ip-tables.ts';
import { isInformation } from './iptables-call.ts';
import { CommandRefused, executeCall, setPolicy, TransactionRefused } from './iptables-execute.ts';
import { BadArgument, checkChainName, parseCall } from './iptables-parse.ts';
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

interface Section {
  readonly draft: TableDraft;
  readonly firstLine: number;
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

  constructor(tables: IpTables, lines: readonly string[], options: RestoreOptions) {
    this.#tables = tables;
    this.#lines = lines;
    this.#options = options;
  }

  run(): RestoreError | null {
    for (let i = 0; i < this.#lines.length; i++) {
      const error = this.#tryLine(i, false);
      if (error !== null) return error;
    }
    if (this.#section === null) return null;
    const line = this.#lines.length + 1;
    const message = 'COMMIT expected';
    return { line, column: 1, message, text: `iptables-restore: COMMIT expected at line ${line}\n`, status: 1 };
  }

  #tryLine(index: number, validate: boolean): RestoreError | null {
    const column = { at: 1 };
    try {
      this.#line(this.#lines[index]!, index, validate, column);
      return null;
    } catch (error) {
      return this.#report(error, index + 1, column.at);
    }
  }

  #report(error: unknown, line: number, column: number): RestoreError {
    if (error instanceof CommitRefused) return error.cause as RestoreError;
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

  #line(line: string, index: number, validate: boolean, column: { at: number }): void {
    if (line === '' || line.startsWith('#')) return;
    const section = this.#section;
    if (section === null) {
      if (line.startsWith('*')) this.#open(line, index);
      else if (!this.#skipping) throw new CommandRefused('');
      else if (line === 'COMMIT') this.#skipping = false;
      return;
    }
    if (line === 'COMMIT') {
      if (!validate) this.#commit(section, index);
      return;
    }
    if (line.startsWith(':')) this.#chain(section.draft, line, index + 1);
    else this.#rule(section.draft, line, index + 1, validate, column);
  }

  /** in the section of a table other than -T's */
  #skipping = false;

  #open(line: string, index: number): void {
    const name = line.slice(1).split(/[ \t]/)[0]!;
    if (this.#options.table !== undefined && name !== this.#options.table) {
      this.#skipping = true;
      return;
    }
    if (!(TABLE_NAMES as readonly string[]).includes(name)) {
      throw new RuleError(`iptables-restore: line ${index + 1} table name '${name}' invalid`);
    }
    this.#section = { draft: this.#begin(name as TableName), firstLine: index };
  }

  #begin(name: TableName): TableDraft {
    const draft = new TableDraft(this.#tables.ensure(name));
    if (this.#options.noFlush !== true) {
      const chains = draft.chains();
      for (const chain of chains) draft.flush(chain.name);
      for (const chain of chains) if (chain.hook === null) draft.remove(chain.name);
    }
    return draft;
  }

  #commit(section: Section, index: number): void {
    if (section.draft.problem() !== null) throw new CommitRefused(this.#findRefused(section, index));
    this.#section = null;
    if (this.#options.test === true) return;
    section.draft.commit();
    this.#tables.onChange?.();
  }

  /** The section has a mistake that only the whole table shows: again, looking after each rule. */
  #findRefused(section: Section, commitIndex: number): RestoreError {
    this.#section = { ...section, draft: this.#begin(section.draft.table.name) };
    for (let i = section.firstLine + 1; i < commitIndex; i++) {
      const error = this.#tryLine(i, true);
      if (error !== null) return error;
    }
    return this.#report(new CommandRefused(''), commitIndex + 1, 1);
  }

  #chain(draft: TableDraft, line: string, number: number): void {
    const [name = '', policy, ...rest] = line.slice(1).split(/[ \t]+/);
    if (name === '') throw new RuleError(`iptables-restore: line ${number} chain name invalid`);
    checkChainName(name);
    if (policy === undefined || policy === '') {
      throw new RuleError(`iptables-restore: line ${number} policy invalid`);
    }
    const old = draft.chain(name);
    if (old !== null && old.hook !== null) {
      if (policy !== '-') setPolicy(draft, name, policy);
      const chain = draft.write(name);
      chain.counted = true;
      if (this.#options.counters === true) {
        const counts = /^\[(\d+):(\d+)\]$/.exec(rest[0] ?? '');
        if (rest[0] !== undefined && counts === null) {
          throw new RuleError('invalid policy counters for chain '.concat(`'${name}'`));
        }
        chain.packets = Number(counts?.[1] ?? 0);
        chain.bytes = Number(counts?.[2] ?? 0);
      } else if (this.#options.noFlush !== true) {
        chain.packets = 0;
        chain.bytes = 0;
      }
      return;
    }
    if (policy !== '-') throw new CommandRefused('Bad built-in chain name');
    if (old === null) draft.add(name);
    else draft.flush(name);
  }

  #rule(draft: TableDraft, line: string, number: number, validate: boolean, column: { at: number }): void {
    let rest = line;
    let skipped = 0;
    let counts: readonly string[] = [];
    if (line.startsWith('[')) {
      const close = line.indexOf(']');
      if (close < 0) throw new RuleError(`Bad line ${number}: need ]`);
      const colon = line.indexOf(':');
      if (colon < 0 || colon > close) throw new RuleError(`Bad line ${number}: need :`);
      counts = ['--set-counters', line.slice(1, colon), line.slice(colon + 1, close)];
      skipped = close + 1;
      rest = line.slice(skipped);
    }
    const words = splitWords(rest);
    try {
      const argv = words.map((w) => w.text);
      const call = parseCall([...counts, ...argv], {
        restoreTable: draft.table.name,
        hasChain: (_table, chain) => draft.chain(chain) !== null,
      });
      if (isInformation(call)) return;
      executeCall(draft, call, {
        validate,
        counters: this.#options.counters === true,
        restore: true,
        out: this.#options.out ?? (() => {}),
      });
    } catch (error) {
      if (error instanceof RuleError && error.word >= counts.length) {
        column.at = skipped + (words[error.word - counts.length]?.at ?? 0) + 1;
      }
      throw error;
    }
  }
}

/** Carries the report of a refused COMMIT. */
class CommitRefused extends Error {
  constructor(report: RestoreError) {
    super(report.message, { cause: report });
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
  if (at >= 0) words.push({ text, at });
  return words;
}
