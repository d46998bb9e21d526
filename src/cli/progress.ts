// The progress line of a long run: one line on standard error, rewritten in place, on a terminal only. The wall clock is
// asked here and nowhere below: a run whose progress is shown has the same bytes as one whose progress is not.

/** Not more often than this many milliseconds: a person reads no faster, and writing costs. */
const INTERVAL_MS = 100;

export interface ProgressStream {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  write(text: string): unknown;
}

export class Progress {
  readonly #stream: ProgressStream;
  readonly #clock: () => number;
  #shown = false;
  #last = Number.NEGATIVE_INFINITY;
  readonly enabled: boolean;

  /** @param clock wall-clock milliseconds; given by tests */
  constructor(stream: ProgressStream = process.stderr, clock: () => number = () => performance.now()) {
    this.#stream = stream;
    this.#clock = clock;
    this.enabled = stream.isTTY === true;
  }

  /** Shows the text unless one was shown just now; it is only made when it is shown. */
  update(text: () => string): void {
    if (!this.enabled) return;
    const now = this.#clock();
    if (now - this.#last < INTERVAL_MS) return;
    this.#last = now;
    const width = Math.max(20, (this.#stream.columns ?? 80) - 1);
    const line = text();
    this.#stream.write(`\r\x1b[K${line.length > width ? `${line.slice(0, width - 1)}…` : line}`);
    this.#shown = true;
  }

  /** Removes the line: before anything else is printed, and at the end. */
  clear(): void {
    if (!this.#shown) return;
    this.#stream.write('\r\x1b[K');
    this.#shown = false;
  }
}
