// The file system of the emulated machine: in memory, with virtual modification times, and with terminal devices. A
// device is a path under /dev/podwire whose writes go to a function: that is how a shell's output gets out while it runs,
// in the order in which it is written (see shell/rewrite.ts for who redirects there). Unlike Linux, writing a file makes the
// directories above it: just-bash has no way to refuse a redirection at that point.

import { InMemoryFs } from 'just-bash';

type Options = Parameters<InMemoryFs['writeFile']>[2];
type Content = string | Uint8Array;

const DEVICES = '/dev/podwire';
/** Choice: what a script may keep in files. just-bash charges every write against it. */
const MAX_FILE_BYTES = 256 * 1024 * 1024;
/** Writes to devices between two looks at the host's signals: a loop of `echo` would keep ^C out for ever. Choice. */
const WRITES_PER_BREATH = 256;

export class EmulatedFs extends InMemoryFs {
  readonly #devices = new Map<string, (text: string) => void>();
  readonly #wallClockMs: () => number;
  #nextDevice = 1;
  #deviceWrites = 0;

  /** @param wallClockMs milliseconds since 1970 on the virtual clock */
  constructor(wallClockMs: () => number) {
    super({}, { maxTotalBytes: MAX_FILE_BYTES });
    this.#wallClockMs = wallClockMs;
    for (const dir of [
      '/tmp',
      '/var/tmp',
      '/var/run',
      '/run/netns',
      '/root',
      '/etc/netns',
      '/usr/bin',
      '/bin',
      DEVICES,
    ])
      this.mkdirSync(dir, { recursive: true });
  }

  /** Makes a device that hands what is written to it to `write`, and returns its path. */
  addDevice(write: (text: string) => void): string {
    const path = `${DEVICES}/${this.#nextDevice++}`;
    this.writeFileSync(path, '');
    this.#devices.set(path, write);
    return path;
  }

  removeDevice(path: string): void {
    this.#devices.delete(path);
    void super.rm(path, { force: true });
  }

  /** Puts a file there with its mode (0o644, 0o755); parents are made. */
  put(path: string, content: Content, mode = 0o644): void {
    this.writeFileSync(path, content, undefined, { mode, mtime: new Date(this.#wallClockMs()) });
  }

  override async writeFile(path: string, content: Content, options?: Options): Promise<void> {
    if (this.#toDevice(path, content, options)) return this.#breathe();
    await super.writeFile(path, content, options);
    await this.#touch(path);
  }

  override async appendFile(path: string, content: Content, options?: Options): Promise<void> {
    if (this.#toDevice(path, content, options)) return this.#breathe();
    await super.appendFile(path, content, options);
    await this.#touch(path);
  }

  override async mkdir(path: string, options?: Parameters<InMemoryFs['mkdir']>[1]): Promise<void> {
    await super.mkdir(path, options);
    await this.#touch(path);
  }

  async #touch(path: string): Promise<void> {
    const date = new Date(this.#wallClockMs());
    await this.utimes(path, date, date);
  }

  /** Lets the host deliver what waits; the program that writes keeps its turn, so the order of nothing changes. */
  async #breathe(): Promise<void> {
    if (++this.#deviceWrites % WRITES_PER_BREATH === 0) await new Promise<void>((resolve) => setImmediate(resolve));
  }

  #toDevice(path: string, content: Content, options: Options): boolean {
    const write = this.#devices.get(path);
    if (write === undefined) return false;
    if (content.length > 0) write(text(content, options));
    return true;
  }
}

/** Bytes, or a string of bytes ("binary"), as UTF-8 text. */
function text(content: Content, options: Options): string {
  if (typeof content !== 'string') return Buffer.from(content).toString('utf8');
  const encoding = typeof options === 'string' ? options : options?.encoding;
  return encoding === 'binary' || encoding === 'latin1' ? Buffer.from(content, 'latin1').toString('utf8') : content;
}
