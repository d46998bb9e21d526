// A program of its own for the tests that kill it: records frames of mixed lengths into a file, without end or to a
// count, until somebody stops it. Arguments: file, seed, frames (0: for ever), longest frame, flush every N frames (0: never).

import { writeSync } from 'node:fs';
import { Rng } from '../../src/base/rng.ts';
import { sectionHeader } from '../../src/capture/pcapng-blocks.ts';
import { PcapngWriter } from '../../src/capture/pcapng-writer.ts';
import { openFileSink } from '../../src/capture/sink.ts';
import { allocFrame, frameEnd, frameStart, u8 } from '../../src/link/frame.ts';

const [path, seed, count, longest, flushEvery] = process.argv.slice(2);
const rng = new Rng(Number(seed), 'flood');
const header = sectionHeader('podwire test', []);
const sink = openFileSink(path!, header, { overwrite: true, overwriteFlag: '--force' });
const writer = new PcapngWriter({
  sink,
  written: header.length,
  epochSeconds: 1_704_067_200,
  snapLength: 0,
  sizeLimit: 0,
  unit: 1 << 20,
});
const id = writer.addInterface({ name: 'node1/eth0', description: 'flood', mac: null, speed: 0 });
writer.flush();
const frames = Array.from({ length: 64 }, () => {
  const frame = allocFrame(60 + rng.below(Number(longest) - 59));
  for (let i = frameStart[frame]!; i < frameEnd[frame]!; i++) u8[i] = rng.below(256);
  return frame;
});
// Synchronous: the parent learns of it at once, and kills.
if (path !== '-') writeSync(1, 'recording\n');
const end = Number(count) > 0 ? Number(count) : Number.POSITIVE_INFINITY;
for (let i = 0; i < end && writer.problem === null; i++) {
  const packetId = i + 1;
  const ordinal = writer.record(id, i * 1000, frames[rng.below(64)]!, 1, packetId);
  if (rng.chance(0.01)) writer.comment(ordinal, packetId, `remark on packet ${packetId}`);
  if (Number(flushEvery) > 0 && i % Number(flushEvery) === 0) writer.flush();
  // Endless, but not beyond what a disk likes: starts over at 400 MB.
  if (i % 400_000 === 399_999 && end === Number.POSITIVE_INFINITY) break;
}
writer.close();
writeSync(2, `${JSON.stringify({ problem: writer.problem })}\n`);
