// Words of nftables' language: split at blanks, with braces, commas, semicolons, colons and the comparison signs as words of
// their own. A colon inside an address with a port (10.0.0.1:80) and a dot inside a number belong to their word.

export interface NftToken {
  readonly text: string;
  readonly line: number;
  readonly column: number;
  /** it stood in quotes */
  readonly quoted: boolean;
}

/** The end of a statement: a semicolon or a line's end. */
export const END_OF_STATEMENT = '\n';

/** Names of chains and sets may hold slashes, dots and colons; what separates words is listed here. */
const SEPARATE = new Set(['{', '}', ',', ';', '(', ')']);
const SIGNS = ['==', '!=', '<=', '>='];

export class NftError extends Error {
  readonly line: number;
  readonly column: number;

  constructor(message: string, at: { readonly line: number; readonly column: number } | null) {
    super(message);
    this.line = at?.line ?? 0;
    this.column = at?.column ?? 0;
  }
}

export function nftTokens(text: string): NftToken[] {
  const tokens: NftToken[] = [];
  let line = 1;
  let lineStart = 0;
  let i = 0;
  const push = (word: string, at: number, quoted = false): void => {
    tokens.push({ text: word, line, column: at - lineStart + 1, quoted });
  };
  while (i < text.length) {
    const c = text[i]!;
    if (c === '\n') {
      push(END_OF_STATEMENT, i);
      i++;
      line++;
      lineStart = i;
    } else if (c === '\\' && text[i + 1] === '\n') {
      i += 2;
      line++;
      lineStart = i;
    } else if (c === ' ' || c === '\t' || c === '\r') i++;
    else if (c === '#') while (i < text.length && text[i] !== '\n') i++;
    else if (c === '"') {
      const end = text.indexOf('"', i + 1);
      if (end < 0 || text.slice(i, end).includes('\n')) {
        throw new NftError('syntax error, unexpected end of a string', { line, column: i - lineStart + 1 });
      }
      push(text.slice(i + 1, end), i, true);
      i = end + 1;
    } else if (SEPARATE.has(c)) {
      push(c === ';' ? END_OF_STATEMENT : c, i);
      i++;
    } else if (SIGNS.includes(text.slice(i, i + 2))) {
      push(text.slice(i, i + 2), i);
      i += 2;
    } else {
      const start = i;
      while (i < text.length && !/[\s{},;()#"]/.test(text[i]!) && !SIGNS.includes(text.slice(i, i + 2))) i++;
      push(text.slice(start, i), start);
    }
  }
  push(END_OF_STATEMENT, i);
  return tokens;
}

/** Reads words one after the other. */
export class NftReader {
  readonly #tokens: readonly NftToken[];
  #at = 0;

  constructor(tokens: readonly NftToken[]) {
    this.#tokens = tokens;
  }

  get token(): NftToken {
    return this.#tokens[Math.min(this.#at, this.#tokens.length - 1)]!;
  }

  get done(): boolean {
    return this.#at >= this.#tokens.length;
  }

  /** The word at hand; '' behind the last. */
  get word(): string {
    return this.done ? '' : this.token.text;
  }

  ahead(n: number): string {
    return this.#tokens[this.#at + n]?.text ?? '';
  }

  next(): string {
    const { word } = this;
    this.#at++;
    return word;
  }

  is(word: string): boolean {
    return this.word === word && !this.token.quoted;
  }

  /** Takes the word when it is this one. */
  take(word: string): boolean {
    if (!this.is(word)) return false;
    this.#at++;
    return true;
  }

  expect(word: string): void {
    if (!this.take(word)) this.fail(`expecting ${word === END_OF_STATEMENT ? 'the end of the line' : word}`);
  }

  name(what: string): string {
    if (this.word === '' || this.is(END_OF_STATEMENT) || this.is('{') || this.is('}')) this.fail(`expecting ${what}`);
    return this.next();
  }

  skipEnds(): void {
    while (!this.done && this.is(END_OF_STATEMENT)) this.#at++;
  }

  fail(what: string): never {
    const unexpected = this.done || this.is(END_OF_STATEMENT) ? 'newline' : this.word;
    throw new NftError(`syntax error, unexpected ${unexpected}, ${what}`, this.token);
  }
}
