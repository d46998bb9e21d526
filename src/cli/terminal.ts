// What goes to the terminal: colours where they are wanted, and a standard output that may be closed by its reader.
//
// Colours: on a terminal only; NO_COLOR (any value but the empty one) turns them off, FORCE_COLOR turns them on (0 or
// false: off). The two variables are conventions of no-color.org and of Node's own tty.getColorDepth().

const STYLES = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  blue: [34, 39],
  magenta: [35, 39],
  cyan: [36, 39],
} as const;
export type Style = keyof typeof STYLES;

export interface MaybeTerminal {
  readonly isTTY?: boolean | undefined;
}

/** Whether text for this stream may hold colour escapes. */
export function wantsColour(stream: MaybeTerminal, env: NodeJS.ProcessEnv = process.env): boolean {
  const force = env.FORCE_COLOR;
  if (force !== undefined) return force !== '0' && force !== 'false';
  if (env.NO_COLOR !== undefined && env.NO_COLOR !== '') return false;
  return stream.isTTY === true && env.TERM !== 'dumb';
}

export type Paint = (style: Style, text: string) => string;

/** A function that colours text for this stream, or leaves it alone. */
export function painter(stream: MaybeTerminal, env: NodeJS.ProcessEnv = process.env): Paint {
  if (!wantsColour(stream, env)) return (_style, text) => text;
  return (style, text) => `\x1b[${STYLES[style][0]}m${text}\x1b[${STYLES[style][1]}m`;
}

/**
 * Text of others (names, payloads, messages from a wire) made safe to print: control characters, DEL and the C1 range
 * become \xNN, so that no escape sequence of a packet ever reaches a terminal. Newlines too: one thing, one line.
 */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this function is about
  return text.replace(/[\x00-\x1f\x7f-\x9f]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

let closed = false;

/** True once the reader of standard output has gone away (EPIPE): whoever only prints may stop then. */
export function outputClosed(): boolean {
  return closed;
}

/**
 * A reader that goes away (`podwire decode FILE | head`) is no error: what is printed from then on is thrown away, and
 * the verdict of a run stays what it is. Other errors of standard output are the machine's and are thrown.
 */
export function tolerateClosedOutput(streams: readonly NodeJS.WriteStream[] = [process.stdout, process.stderr]): void {
  for (const stream of streams) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
      if (stream === process.stdout) closed = true;
      stream.write = () => true;
    });
  }
}
