// The Python of packetdrill's %{ }%: assertions over the fields of tcp_info. Expressions, assert, print and assignment;
// what lies beyond is said, not guessed.

export type Value = number | string | boolean | null;
/** Says what a name stands for; undefined: unknown. */
export type Names = (name: string) => Value | undefined;

/** An assert that did not hold; the message names the condition. */
export class AssertionFailed extends Error {}
/** Python that this evaluator does not know. */
export class UnknownPython extends Error {}

interface Token {
  readonly kind: 'number' | 'string' | 'name' | 'operator' | 'end';
  readonly text: string;
}

const TOKEN =
  /\s+|#[^\n]*|(\d+\.\d+|0x[0-9a-fA-F]+|\d+)|('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")|([A-Za-z_]\w*)|(\*\*|\/\/|<<|>>|<=|>=|==|!=|[-+*/%<>=()[\],;|&^~])/y;

/** Cuts the code into statements: at line ends and semicolons outside parentheses. */
function statements(code: string): Token[][] {
  const all: Token[][] = [];
  let depth = 0;
  for (const line of code.replace(/\\\s*\n/g, ' ').split('\n')) {
    TOKEN.lastIndex = 0;
    if (depth === 0) all.push([]);
    while (TOKEN.lastIndex < line.length) {
      const at = TOKEN.lastIndex;
      const m = TOKEN.exec(line);
      if (m === null) throw new UnknownPython(`cannot read '${line.slice(at)}'`);
      if (m[1] !== undefined) all.at(-1)!.push({ kind: 'number', text: m[1] });
      else if (m[2] !== undefined) all.at(-1)!.push({ kind: 'string', text: m[2].slice(1, -1) });
      else if (m[3] !== undefined) all.at(-1)!.push({ kind: 'name', text: m[3] });
      else if (m[4] === ';') all.push([]);
      else if (m[4] !== undefined) {
        if (m[4] === '(') depth++;
        if (m[4] === ')') depth--;
        all.at(-1)!.push({ kind: 'operator', text: m[4] });
      }
    }
  }
  return all.filter((s) => s.length > 0);
}

const LEVELS: readonly (readonly string[])[] = [['|'], ['^'], ['&'], ['<<', '>>'], ['+', '-'], ['*', '/', '//', '%']];
const COMPARISONS = ['<', '>', '<=', '>=', '==', '!='];

class Evaluator {
  readonly #tokens: readonly Token[];
  readonly #names: Names;
  #at = 0;

  constructor(tokens: readonly Token[], names: Names) {
    this.#tokens = tokens;
    this.#names = names;
  }

  get next(): Token {
    return this.#tokens[this.#at] ?? { kind: 'end', text: '' };
  }

  takes(text: string): boolean {
    if (this.next.kind === 'string' || this.next.text !== text || this.next.kind === 'end') return false;
    this.#at++;
    return true;
  }

  expression(): Value {
    let left = this.#and();
    while (this.takes('or')) {
      const right = this.#and();
      left = truthy(left) ? left : right;
    }
    return left;
  }

  #and(): Value {
    let left = this.#not();
    while (this.takes('and')) {
      const right = this.#not();
      left = truthy(left) ? right : left;
    }
    return left;
  }

  #not(): Value {
    return this.takes('not') ? !truthy(this.#not()) : this.#comparison();
  }

  /** a < b < c: each with its neighbour. */
  #comparison(): Value {
    let left = this.#binary(0);
    let holds: boolean | null = null;
    while (this.next.kind === 'operator' && COMPARISONS.includes(this.next.text)) {
      const operator = this.next.text;
      this.#at++;
      const right = this.#binary(0);
      holds = (holds ?? true) && compare(operator, left, right);
      left = right;
    }
    return holds ?? left;
  }

  #binary(level: number): Value {
    const operators = LEVELS[level];
    if (operators === undefined) return this.#unary();
    let left = this.#binary(level + 1);
    while (this.next.kind === 'operator' && operators.includes(this.next.text)) {
      const operator = this.next.text;
      this.#at++;
      left = arithmetic(operator, left, this.#binary(level + 1));
    }
    return left;
  }

  #unary(): Value {
    if (this.takes('-')) return -number(this.#unary());
    if (this.takes('~')) return ~number(this.#unary());
    return this.#atom();
  }

  #atom(): Value {
    const token = this.next;
    if (this.takes('(')) {
      const values = this.#arguments();
      return values.length === 1 ? values[0]! : values.map(show).join(', ');
    }
    this.#at++;
    if (token.kind === 'number') return Number(token.text);
    if (token.kind === 'string') return token.text;
    if (token.kind !== 'name') throw new UnknownPython(`'${token.text}' where a value should be`);
    if (token.text === 'True' || token.text === 'False') return token.text === 'True';
    if (token.text === 'None') return null;
    if (this.takes('(')) return call(token.text, this.#arguments());
    const value = this.#names(token.text);
    if (value === undefined) throw new UnknownPython(`no ${token.text} here`);
    return value;
  }

  #arguments(): Value[] {
    const values: Value[] = [];
    while (!this.takes(')')) {
      values.push(this.expression());
      if (!this.takes(',') && this.next.text !== ')') throw new UnknownPython(`'${this.next.text}' in a list`);
    }
    return values;
  }

  get done(): boolean {
    return this.#at >= this.#tokens.length;
  }
}

function truthy(v: Value): boolean {
  return v !== null && v !== false && v !== 0 && v !== '';
}

function number(v: Value): number {
  if (typeof v === 'boolean') return v ? 1 : 0;
  if (typeof v !== 'number') throw new UnknownPython(`${show(v)} is no number`);
  return v;
}

function compare(operator: string, left: Value, right: Value): boolean {
  if (operator === '==') return left === right;
  if (operator === '!=') return left !== right;
  const [a, b] = [number(left), number(right)];
  if (operator === '<') return a < b;
  if (operator === '>') return a > b;
  return operator === '<=' ? a <= b : a >= b;
}

function arithmetic(operator: string, left: Value, right: Value): Value {
  if (operator === '%' && typeof left === 'string') return left.replace(/%[-0-9.]*[a-z]/, show(right));
  if (operator === '+' && typeof left === 'string') return left + show(right);
  const [a, b] = [number(left), number(right)];
  switch (operator) {
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
    case '/':
      return a / b;
    case '//':
      return Math.floor(a / b);
    case '%':
      return a - b * Math.floor(a / b);
    case '<<':
      return a * 2 ** b;
    case '>>':
      return Math.floor(a / 2 ** b);
    case '&':
      return Number(BigInt(a) & BigInt(b));
    case '|':
      return Number(BigInt(a) | BigInt(b));
    default:
      return Number(BigInt(a) ^ BigInt(b));
  }
}

function call(name: string, args: readonly Value[]): Value {
  switch (name) {
    case 'abs':
      return Math.abs(number(args[0]!));
    case 'min':
      return Math.min(...args.map(number));
    case 'max':
      return Math.max(...args.map(number));
    case 'int':
      return Math.trunc(number(args[0]!));
    case 'float':
      return number(args[0]!);
    case 'round':
      return Math.round(number(args[0]!));
    case 'str':
      return show(args[0]!);
    case 'print':
      return null;
    default:
      throw new UnknownPython(`no function ${name} here`);
  }
}

function show(v: Value): string {
  return v === null ? 'None' : v === true ? 'True' : v === false ? 'False' : String(v);
}

/**
 * Runs the code of one %{ }%.
 * @throws AssertionFailed, UnknownPython
 */
export function runPython(code: string, names: Names): void {
  const variables = new Map<string, Value>();
  const lookup: Names = (name) => variables.get(name) ?? names(name);
  for (const tokens of statements(code)) {
    const words = tokens.map((t) => t.text).join(' ');
    if (tokens[0]!.text === 'assert') {
      const e = new Evaluator(tokens.slice(1), lookup);
      const holds = truthy(e.expression());
      const message = e.takes(',') ? show(e.expression()) : '';
      if (!e.done) throw new UnknownPython(words);
      if (!holds) throw new AssertionFailed(`${words}${message === '' ? '' : `: ${message}`}`);
    } else if (tokens[0]!.kind === 'name' && tokens[1]?.text === '=') {
      variables.set(tokens[0]!.text, new Evaluator(tokens.slice(2), lookup).expression());
    } else if (tokens[0]!.text === 'import') {
      // Nothing of a module is known here: a use of it will say so.
    } else if (tokens[0]!.text === 'print') {
      // What a script prints is no verdict.
    } else {
      throw new UnknownPython(words);
    }
  }
}
