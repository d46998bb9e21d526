// Runs a program that reads and writes files while it runs. The file system answers with promises, and a program below the
// shell waits for events only: so its requests are kept until the process has the token, answered, and it goes on.

import type { FileEntry, Files } from '../../apps/files.ts';
import type { Program } from '../../apps/program.ts';
import type { ShellContext } from '../command.ts';

type Request = () => Promise<void>;

/** @returns the program's exit status */
export async function runWithFiles(ctx: ShellContext, make: (files: Files) => Program): Promise<number> {
  const requests: Request[] = [];
  let wake: (() => void) | null = null;
  const ask = (request: Request): void => {
    requests.push(request);
    wake?.();
  };
  const files: Files = {
    look: (path, done) => ask(async () => done(await look(ctx, path))),
    append: (path, bytes, done) => ask(async () => done(await append(ctx, path, bytes))),
  };
  const program = make(files);
  let status: number | null = null;
  let started = false;
  for (;;) {
    const request = requests.shift();
    if (request !== undefined) {
      await request();
      continue;
    }
    if (status !== null) return status;
    await ctx.process.wait<void>((resume) => {
      wake = () => resume();
      if (!started) {
        started = true;
        program.start((value) => {
          status = value;
          wake?.();
        });
      }
      return (signal) => program.signal(signal);
    });
    wake = null;
  }
}

async function look(ctx: ShellContext, path: string): Promise<FileEntry> {
  try {
    const stat = await ctx.fs.stat(path);
    if (!stat.isDirectory) {
      return { kind: 'file', content: await ctx.fs.readFileBuffer(path), modified: stat.mtime.getTime() };
    }
    const names = await ctx.fs.readdir(path);
    const entries = names.map(async (name) => ({
      name,
      directory: (await ctx.fs.stat(ctx.fs.resolvePath(path, name))).isDirectory,
    }));
    return { kind: 'directory', names: await Promise.all(entries) };
  } catch {
    return { kind: 'missing' };
  }
}

async function append(ctx: ShellContext, path: string, bytes: Uint8Array): Promise<string | null> {
  if (path === '/dev/null') return null;
  try {
    await ctx.fs.appendFile(path, bytes);
    return null;
  } catch {
    return 'No space left on device';
  }
}
