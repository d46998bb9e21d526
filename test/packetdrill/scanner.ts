// Characters of a packetdrill script: positions, white space and comments.

import { SyntaxFault } from './syntax.ts';

export class Scanner {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** Where the next character lies. */
  get at(): number {
    return this.#at;
  }

  /** The text from a place to here, without blanks and comments around it. */
  since(at: number): string {
    return this.#text.slice(at, this.#at).trim();
  }

  get line(): number {
    let line = 1;
    for (let i = 0; i < this.#at; i++) if (this.#text[i] === '\n') line++;
    return line;
  }

  fail(what: string): never {
    const rest = this.#text.slice(this.#at, this.#at + 30).split('\n')[0]!;
    throw new SyntaxFault(this.line, `${what} at '${rest}'`);
  }

  /** Skips blanks, line ends and comments of all three sorts. */
  skip(): void {
    const blank = /(?:\s+|\/\/[^\n]*|\/\*[\s\S]*?\*\/|#[^\n]*)*/y;
    blank.lastIndex = this.#at;
    const m = blank.exec(this.#text);
    if (m !== null) this.#at += m[0].length;
  }

  get done(): boolean {
    this.skip();
    return this.#at >= this.#text.length;
  }

  /** True when the pattern (sticky) comes next; nothing is taken. */
  sees(pattern: RegExp): boolean {
    this.skip();
    pattern.lastIndex = this.#at;
    return pattern.test(this.#text);
  }

  /** Takes what the pattern (sticky) matches, or gives null. */
  take(pattern: RegExp): RegExpExecArray | null {
    this.skip();
    pattern.lastIndex = this.#at;
    const m = pattern.exec(this.#text);
    if (m !== null) this.#at += m[0].length;
    return m;
  }

  need(pattern: RegExp, what: string): RegExpExecArray {
    const m = this.take(pattern);
    if (m === null) this.fail(`${what} expected`);
    return m;
  }

  /** Everything up to the closing words, which are taken too. */
  until(end: string): string {
    const i = this.#text.indexOf(end, this.#at);
    if (i < 0) this.fail(`no closing ${end}`);
    const text = this.#text.slice(this.#at, i);
    this.#at = i + end.length;
    return text;
  }
}
