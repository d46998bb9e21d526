// A mistake in people's input, with its place: printed as `file:line:col: what`, then what was expected and how to mend
// it, then the line itself with a caret under the column. Columns count UTF-16 units from 1, as editors do.

/** What is wrong and what would be right; the place is added where it is found. */
export interface Complaint {
  /** the mistake, one sentence without a full stop */
  readonly what: string;
  /** what was expected instead */
  readonly expected?: string | undefined;
  /** how to mend it */
  readonly mend?: string | undefined;
}

export interface Problem extends Complaint {
  readonly file: string;
  /** 1.. */
  readonly line: number;
  /** 1.. */
  readonly column: number;
  /** the text of that line, cut to LINE_SHOWN characters around the column */
  readonly source: string;
  /** column of the caret within `source`, 1.. */
  readonly caret: number;
}

/** Choice: a terminal's width less the margin; a longer line is cut around the mistake. */
const LINE_SHOWN = 110;

/** A text that problems point into. */
export class SourceText {
  readonly file: string;
  readonly text: string;
  readonly #starts: number[] = [0];

  constructor(file: string, text: string) {
    this.file = file;
    this.text = text;
    for (let i = text.indexOf('\n'); i >= 0; i = text.indexOf('\n', i + 1)) this.#starts.push(i + 1);
  }

  /** The problem at this offset of the text. */
  at(offset: number, complaint: Complaint): Problem {
    const position = Math.max(0, Math.min(offset, this.text.length));
    let low = 0;
    let high = this.#starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#starts[middle]! <= position) low = middle;
      else high = middle - 1;
    }
    const start = this.#starts[low]!;
    const end = this.#starts[low + 1] ?? this.text.length + 1;
    const line = this.text.slice(start, end - 1).replace(/\r$/, '');
    const column = position - start + 1;
    const from = line.length <= LINE_SHOWN ? 0 : Math.max(0, column - 1 - LINE_SHOWN / 2);
    return {
      ...complaint,
      file: this.file,
      line: low + 1,
      column,
      source: printableLine(line.slice(from, from + LINE_SHOWN)),
      caret: column - from,
    };
  }
}

/** Control characters would move the caret, or the terminal: each becomes one visible character. */
function printableLine(line: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this function is about
  return line.replace(/\t/g, ' ').replace(/[\x00-\x1f\x7f-\x9f]/g, '\u00b7');
}

/** One sentence of a problem: what, what was expected, how to mend it. */
export function problemSentence(p: Complaint): string {
  const expected = p.expected === undefined ? '' : `; expected ${p.expected}`;
  const mend = p.mend === undefined ? '' : ` (${p.mend})`;
  return `${p.what}${expected}${mend}`;
}

/** `file:line:col: sentence`, the line, the caret. */
export function formatProblem(p: Problem): string {
  const number = String(p.line);
  const margin = ' '.repeat(number.length);
  return [
    `${p.file}:${p.line}:${p.column}: ${problemSentence(p)}`,
    `  ${number} | ${p.source}`,
    `  ${margin} | ${' '.repeat(p.caret - 1)}^`,
  ].join('\n');
}

/** All of them, in the order of the file, without repeats. */
export function sortProblems(problems: readonly Problem[]): Problem[] {
  const seen = new Set<string>();
  return [...problems]
    .sort((a, b) => (a.file < b.file ? -1 : a.file > b.file ? 1 : a.line - b.line || a.column - b.column))
    .filter((p) => {
      const key = `${p.file}:${p.line}:${p.column}:${p.what}`;
      if (seen.has(key)) return false;
      seen.add(key);
      return true;
    });
}

/** Carries the problems of an input up to the boundary. */
export class InputError extends Error {
  override readonly name = 'InputError';
  readonly problems: readonly Problem[];
  constructor(problems: readonly Problem[]) {
    super(problems.map(formatProblem).join('\n'));
    this.problems = problems;
  }
}
