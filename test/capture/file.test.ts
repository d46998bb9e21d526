// Proves that a capture file can be read at every moment at which it can be seen: killed with SIGKILL, on a full disk,
// with the reader of a pipe gone; that nothing existing is overwritten unasked; and what people are told.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Rng } from '../../src/base/rng.ts';
import { CaptureReader, openCapture } from '../../src/capture/reader.ts';
import { type CaptureSink, FileSink, MemorySink, openFileSink } from '../../src/capture/sink.ts';
import { allocFrame, frameEnd, frameStart, freeFrame, u8 } from '../../src/link/frame.ts';
import { capinfos, haveWireshark, isRoot, temporary } from './judge.ts';
import { writer } from './recording.ts';

const FLOOD = join(import.meta.dirname, 'flood.ts');
const FLAG = { overwrite: false, overwriteFlag: '--force' };
const HEADER = Uint8Array.of(1, 2, 3, 4);
/** Runs TypeScript in a process of its own. */
const NODE = ['--import', 'tsx'];

function flood(path: string, seed: number, count: number, longest: number, flushEvery: number): string[] {
  return [...NODE, FLOOD, path, String(seed), String(count), String(longest), String(flushEvery)];
}

describe('opening', () => {
  test('an existing file stays as it is, and the message names the flag', () => {
    const path = temporary('there.pcapng');
    writeFileSync(path, 'precious');
    expect(() => openFileSink(path, HEADER, FLAG)).toThrow(
      /there\.pcapng: exists already; give --force to replace it, or another name$/,
    );
    expect(readFileSync(path, 'utf8')).toBe('precious');
    const sink = openFileSink(path, HEADER, { ...FLAG, overwrite: true });
    sink.close();
    expect([...readFileSync(path)]).toEqual([1, 2, 3, 4]);
  });

  test('a dangling symbolic link is not followed', () => {
    const path = temporary('link.pcapng');
    symlinkSync(temporary('target'), path);
    expect(() => openFileSink(path, HEADER, FLAG)).toThrow(/exists already/);
    expect(existsSync(temporary('target'))).toBe(false);
  });

  test('the file appears with its header in it, and no other file stays beside it', () => {
    const path = temporary('fresh/x.pcapng');
    mkdirSync(dirname(path));
    openFileSink(path, HEADER, FLAG).close();
    expect(readdirSync(dirname(path))).toEqual(['x.pcapng']);
    expect(statSync(path).size).toBe(4);
  });

  test('a missing directory, a directory in its place, a file as directory: one line each', () => {
    expect(() => openFileSink(temporary('no/x.pcapng'), HEADER, FLAG)).toThrow(
      /no\/x\.pcapng: the directory .*no does not exist; make it first$/,
    );
    mkdirSync(temporary('folder'));
    expect(() => openFileSink(temporary('folder'), HEADER, FLAG)).toThrow(
      /folder: is a directory; give the name of a file$/,
    );
    writeFileSync(temporary('plain'), '');
    expect(() => openFileSink(temporary('plain/x'), HEADER, FLAG)).toThrow(/plain is not a directory$/);
    expect(() => openFileSink(temporary('n'.repeat(300)), HEADER, FLAG)).toThrow(/the name is too long$/);
  });

  test('no right to write in the directory', () => {
    // sysfs refuses new files to root too.
    const directory = isRoot ? '/sys' : temporary('locked');
    if (!isRoot) mkdirSync(directory, 0o500);
    const message = new RegExp(`no permission to write in ${directory}$`);
    expect(() => openFileSink(join(directory, 'x'), HEADER, FLAG)).toThrow(message);
  });
});

/** Takes `room` bytes in all, then fails as a full disk does, in the middle of a block. */
class FullSink implements CaptureSink {
  readonly name = 'disk';
  problem: string | null = null;
  readonly #memory = new MemorySink();
  readonly #room: number;
  constructor(room: number) {
    this.#room = room;
  }
  get bytes(): Uint8Array {
    return this.#memory.bytes;
  }
  write(bytes: Uint8Array, from: number, to: number): number {
    const left = this.#room - this.bytes.length;
    if (to - from <= left) return this.#memory.write(bytes, from, to);
    this.problem = 'disk: no space left on the device';
    return this.#memory.write(bytes, from, from + left);
  }
  truncate(length: number): void {
    this.#memory.truncate(length);
  }
  close(): void {}
}

test('a disk that is full at any byte leaves whole blocks, and recording stops with one sentence', () => {
  const frames = [60, 61, 1500, 700].map((length) => allocFrame(length));
  for (let room = 200; room < 9_000; room += 37) {
    const sink = new FullSink(room);
    const w = writer(sink);
    for (let i = 0; i < 40; i++) {
      w.record(0, i, frames[i % 4]!, 1, i + 1);
      if (i % 5 === 0) w.flush();
    }
    w.close();
    expect(w.problem).toBe('disk: no space left on the device');
    const reader = new CaptureReader(sink.bytes);
    const got = [...reader].map((packet) => packet.packetId);
    expect(reader.error).toBeNull();
    expect(got).toEqual(got.map((_, i) => i + 1));
    expect(sink.bytes.length).toBeGreaterThan(Math.min(room, 9_000) - 1_600);
  }
  frames.forEach(freeFrame);
});

test('blocks up to 1 KiB never lie across a page, and none across a MiB: what a killed write leaves is whole', () => {
  const sink = new MemorySink();
  const w = writer(sink);
  const rng = new Rng(7, 'pages');
  const frames = Array.from({ length: 40 }, () => allocFrame(20 + rng.below(1_600)));
  for (let i = 0; i < 12_000; i++) {
    const ordinal = w.record(0, i, frames[rng.below(40)]!, 2, i + 1);
    if (rng.chance(0.1))
      expect(w.comment(ordinal - rng.below(3), i + 1 - rng.below(1), 'x'.repeat(rng.below(90)))).toBeDefined();
  }
  w.close();
  frames.forEach(freeFrame);
  const view = new DataView(sink.bytes.buffer, sink.bytes.byteOffset, sink.bytes.length);
  let largest = 0;
  for (let at = 0; at < sink.bytes.length; ) {
    const length = view.getUint32(at + 4, true);
    const last = at + length - 1;
    if (length <= 1024) expect(at >> 12, `block at ${at}`).toBe(last >> 12);
    expect(at >> 20, `block at ${at}`).toBe(last >> 20);
    expect(view.getUint32(last - 3, true)).toBe(length);
    largest = Math.max(largest, length);
    at += length;
  }
  expect(largest).toBeGreaterThan(1_024);
  expect(sink.bytes.length).toBeGreaterThan(5 << 20);
});

test('a file that is flushed in between has the same bytes as one that is not', () => {
  const run = (flushEvery: number): Uint8Array => {
    const sink = new MemorySink();
    const w = writer(sink);
    const frame = allocFrame(333);
    u8.fill(9, frameStart[frame]!, frameEnd[frame]!);
    for (let i = 0; i < 9_000; i++) {
      w.record(0, i, frame, 1, i + 1);
      if (i % flushEvery === 0) w.flush();
    }
    w.close();
    freeFrame(frame);
    return sink.bytes.slice();
  };
  expect(Buffer.compare(run(17), run(1_000_000))).toBe(0);
});

describe.runIf(haveWireshark)('killed with SIGKILL', () => {
  /** Starts the flood, kills it `delay` ms after it says that it records; resolves when it is gone. */
  async function killed(path: string, seed: number, delay: number, longest: number, flushEvery: number): Promise<void> {
    const child: ChildProcess = spawn(process.execPath, flood(path, seed, 0, longest, flushEvery), {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    await new Promise((resolve) => child.stdout!.once('data', resolve));
    await new Promise((resolve) => setTimeout(resolve, delay));
    child.kill('SIGKILL');
    await new Promise((resolve) =>
      (child.exitCode ?? child.signalCode) === null ? child.once('exit', resolve) : resolve(0),
    );
  }

  test('at 20 seeded moments: capinfos accepts the file each time', async () => {
    const rng = new Rng(2026, 'moments');
    const packets: number[] = [];
    for (let i = 0; i < 20; i++) {
      const path = temporary(`killed-${i}.pcapng`);
      // Frames whose blocks are kept whole (up to 1 KiB) for any file system; large ones rely on large folios.
      await killed(path, i, rng.below(60), 900, i % 4 === 0 ? 50 : 0);
      const verdict = capinfos(path);
      expect(verdict, path).toMatchObject({ status: 0, complaint: '' });
      const reader = openCapture(path);
      let n = 0;
      for (const packet of reader) expect(packet.packetId).toBe(++n);
      reader.close();
      expect(reader.error).toBeNull();
      expect(verdict.packets).toBe(n);
      packets.push(n);
    }
    console.log(`killed 20 times; packets in the files: ${packets.join(' ')}`);
    expect(Math.max(...packets)).toBeGreaterThan(1_000);
  });
});

describe.runIf(isRoot && haveWireshark)('a real full disk', () => {
  test('the file ends with a whole block, one message says why, and the process goes on', () => {
    // A file system of 3 MiB in a mount namespace of its own; the file is copied out before the namespace ends.
    const mount = temporary('small');
    mkdirSync(mount);
    const out = temporary('full.pcapng');
    const command = [process.execPath, ...flood(`${mount}/x.pcapng`, 1, 60_000, 1_500, 0)]
      .map((a) => `'${a}'`)
      .join(' ');
    const run = spawnSync(
      'unshare',
      ['-m', 'sh', '-c', `mount -t tmpfs -o size=3m none '${mount}' && ${command}; cp '${mount}/x.pcapng' '${out}'`],
      { encoding: 'utf8' },
    );
    if (/Operation not permitted|must be superuser/.test(run.stderr)) {
      console.warn('skipped in test/capture: no right to mount here');
      return;
    }
    expect(JSON.parse(run.stderr.trim().split('\n').at(-1)!).problem).toMatch(
      /x\.pcapng: no space left on the device$/,
    );
    const verdict = capinfos(out);
    expect(verdict).toMatchObject({ status: 0, complaint: '' });
    expect(verdict.packets).toBeGreaterThan(1_000);
    expect(statSync(out).size).toBeGreaterThan(2 << 20);
  });

  test('a disk that is full from the beginning: nothing is left under the name', () => {
    const mount = temporary('none');
    mkdirSync(mount);
    const fill = `dd if=/dev/zero of='${mount}/fill' bs=4096 2>/dev/null`;
    const command = [process.execPath, ...flood(`${mount}/x.pcapng`, 1, 10, 100, 0)].map((a) => `'${a}'`).join(' ');
    const run = spawnSync(
      'unshare',
      ['-m', 'sh', '-c', `mount -t tmpfs -o size=64k none '${mount}' && ${fill}; ${command}; ls -a '${mount}'`],
      { encoding: 'utf8' },
    );
    expect(run.stderr).toMatch(/no space left on the device/);
    expect(run.stdout.trim().split('\n')).toEqual(['.', '..', 'fill']);
  });
});

test('standard output: a reader that goes away ends the recording with a message, not with a crash', () => {
  const command = [process.execPath, ...flood('-', 3, 200_000, 900, 0)].map((a) => `'${a}'`).join(' ');
  const run = spawnSync('sh', ['-c', `${command} | head -c 5000 | wc -c`], { encoding: 'utf8' });
  expect(run.stdout.trim()).toBe('5000');
  expect(JSON.parse(run.stderr.trim().split('\n').at(-1)!).problem).toBe('standard output: the reader has gone away');
});

test('standard output: what comes through a pipe is the same file', () => {
  const run = spawnSync(process.execPath, flood('-', 3, 20_000, 900, 0), { maxBuffer: 1 << 28 });
  const path = temporary('same.pcapng');
  spawnSync(process.execPath, flood(path, 3, 20_000, 900, 0));
  expect(Buffer.compare(run.stdout, readFileSync(path))).toBe(0);
});

test('a closed descriptor is a problem, not an exception', () => {
  const sink = new FileSink(1_000_000, 'gone');
  expect(sink.write(HEADER, 0, 4)).toBe(0);
  expect(sink.problem).toMatch(/^gone: /);
});
