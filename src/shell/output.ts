// Where a program's output goes while it runs.

import type { EmulatedFs } from './emulated-fs.ts';

/** Standard output and standard error of a program. */
export interface Streams {
  out(text: string): void;
  err(text: string): void;
}

/** Keeps what is written, for just-bash to hand on when the command ends. */
export class Collected implements Streams {
  stdout = '';
  stderr = '';
  out(text: string): void {
    this.stdout += text;
  }
  err(text: string): void {
    this.stderr += text;
  }
}

/** Characters of a program's output that are kept to be judged or reported, each stream. Choice: a person reads less. */
export const KEPT_MAX = 16 * 1024 * 1024;
const CUT = `\n[more than ${KEPT_MAX} characters: the rest is not kept]\n`;

/** What is kept of an output so far, with what comes now; cut, and said so, at KEPT_MAX. */
export function kept(before: string, text: string): string {
  if (before.length + text.length <= KEPT_MAX) return before + text;
  if (before.length > KEPT_MAX) return before;
  return before + text.slice(0, KEPT_MAX - before.length) + CUT;
}

/** Both streams into one, in the order in which they are written (2>&1). */
export function merged(streams: Streams): Streams {
  return { out: (text) => streams.out(text), err: (text) => streams.out(text) };
}

/** Files that running commands are writing. They are brought up to date before any other program runs. */
export class OpenFiles {
  readonly #fs: EmulatedFs;
  readonly #dirty = new Map<string, string>();

  constructor(fs: EmulatedFs) {
    this.#fs = fs;
  }

  /** Streams that also go to the file, from now on (it is truncated). */
  tee(path: string, streams: Streams): Streams {
    let content = '';
    this.#dirty.set(path, content);
    return {
      out: (text) => {
        content += text;
        this.#dirty.set(path, content);
        streams.out(text);
      },
      err: (text) => streams.err(text),
    };
  }

  /** Forgets a file: its command has ended and just-bash writes it. */
  close(path: string): void {
    this.#dirty.delete(path);
  }

  async flush(): Promise<void> {
    if (this.#dirty.size === 0) return;
    const files = [...this.#dirty];
    this.#dirty.clear();
    for (const [path, content] of files) {
      try {
        await this.#fs.writeFile(path, content);
      } catch {
        // No such directory, or the file system is full: just-bash says so when it writes the file itself.
      }
    }
  }
}
