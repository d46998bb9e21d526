// One way out for text and JSON, as iproute2's print_*() have it (lib/json_print.c, json_writer.c): a value is given with
// its key and with its text; which of the two is printed depends on -j.

/** A number whose digits are given (0.00). */
export class Digits {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

export class Printer {
  readonly isJson: boolean;
  readonly #pretty: boolean;
  readonly #oneLine: boolean;
  readonly #out: (text: string) => void;
  #text = '';
  #depth = 0;
  #separator = '';

  constructor(options: { json: boolean; pretty: boolean; oneLine: boolean; out: (text: string) => void }) {
    this.isJson = options.json;
    this.#pretty = options.pretty;
    this.#oneLine = options.oneLine;
    this.#out = options.out;
  }

  /** Line end within one object: a backslash with -o (_SL_). */
  get lineBreak(): string {
    return this.#oneLine ? '\\' : '\n';
  }

  /** A value: `text` in text form, `key: value` in JSON form. */
  put(key: string, value: unknown, text: string): void {
    if (this.isJson) this.json(key, value);
    else this.#text += text;
  }

  /** Text form only. */
  text(text: string): void {
    if (!this.isJson) this.#text += text;
  }

  /** JSON form only. */
  json(key: string | null, value: unknown): void {
    if (!this.isJson) return;
    this.#name(key);
    this.#text += value instanceof Digits ? value.text : JSON.stringify(value);
    this.#separator = ',';
  }

  object(key: string | null, body: () => void): void {
    this.#open(key, '{');
    body();
    this.#close('}');
  }

  array(key: string | null, body: () => void): void {
    this.#open(key, '[');
    if (this.isJson && this.#pretty) this.#text += ' ';
    body();
    if (this.isJson && this.#pretty && this.#separator !== '') this.#text += ' ';
    this.#separator = '';
    this.#close(']');
  }

  /** Hands everything to the output. */
  flush(): void {
    if (this.#text !== '') this.#out(this.#text);
    this.#text = '';
  }

  /** The list of all objects of a command. */
  list(body: () => void): void {
    this.array(null, body);
    if (this.isJson) this.#text += '\n';
    this.flush();
  }

  #open(key: string | null, bracket: string): void {
    if (!this.isJson) return;
    this.#name(key);
    this.#text += bracket;
    this.#depth++;
    this.#separator = '';
  }

  #close(bracket: string): void {
    if (!this.isJson) return;
    this.#depth--;
    if (this.#separator !== '') this.#newLine();
    this.#text += bracket;
    this.#separator = ',';
  }

  #name(key: string | null): void {
    this.#text += this.#separator;
    this.#separator = '';
    if (key === null) return;
    this.#newLine();
    this.#text += `${JSON.stringify(key)}:${this.#pretty ? ' ' : ''}`;
  }

  #newLine(): void {
    if (this.#pretty) this.#text += `\n${'    '.repeat(this.#depth)}`;
  }
}
