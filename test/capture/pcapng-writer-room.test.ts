// Proves that the short look for room gives the file that looking anew at each packet gives, with and without a size limit.

import { describe, expect, it } from 'vitest';
import { UNIT_SMALL } from '../../src/capture/block-buffer.ts';
import { Direction, NO_RECORD } from '../../src/capture/packet-writer.ts';
import { sectionHeader } from '../../src/capture/pcapng-blocks.ts';
import { PcapngWriter } from '../../src/capture/pcapng-writer.ts';
import { MemorySink } from '../../src/capture/sink.ts';
import { allocFrame, freeFrame } from '../../src/link/frame.ts';

/** Records frames of varying length; `anew` writes out after each, so that nothing known of the room outlives a packet. */
function record(sizeLimit: number, packets: number, anew: boolean): { bytes: Uint8Array; taken: number } {
  const sink = new MemorySink();
  const header = sectionHeader('test', []);
  sink.write(header, 0, header.length);
  const options = { sink, written: header.length, epochSeconds: 0, snapLength: 0, sizeLimit, unit: UNIT_SMALL };
  const writer = new PcapngWriter(options);
  const describe = (name: string) => ({ name, description: '', mac: null, speed: 0 });
  const ids = [writer.addInterface(describe('a/eth0')), writer.addInterface(describe('b/eth0'))];
  let taken = 0;
  for (let i = 0; i < packets; i++) {
    const frame = allocFrame(60 + ((i * 131) % 1455));
    const id = ids[i % ids.length]!;
    if (writer.record(id, i * 1000, frame, Direction.IN, i + 1) !== NO_RECORD) taken++;
    freeFrame(frame);
    if (anew) writer.flush();
    if (i === packets >> 1) ids.push(writer.addInterface(describe('late/eth0')));
  }
  writer.close();
  return { bytes: sink.bytes, taken };
}

describe('room for a packet', () => {
  for (const sizeLimit of [0, 20_000, 131_072, 300_000, 1_000_001]) {
    it(`is found alike with a size limit of ${sizeLimit}`, () => {
      const short = record(sizeLimit, 3_000, false);
      const plain = record(sizeLimit, 3_000, true);
      expect(short.taken).toBe(plain.taken);
      expect(sizeLimit === 0 ? short.taken === 3_000 : short.taken < 3_000).toBe(true);
      expect(Buffer.compare(short.bytes, plain.bytes)).toBe(0);
      if (sizeLimit > 0) expect(short.bytes.length).toBeLessThanOrEqual(sizeLimit);
    });
  }
});
