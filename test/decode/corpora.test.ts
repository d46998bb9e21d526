// Proves that `podwire decode --json` says what tshark says about every Ethernet capture of the shared corpora, and that
// a sound packet's fields give back the packet's bytes.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { LINKTYPE_ETHERNET, packetRecord } from '../../src/capture/dissection.ts';
import { CaptureReader } from '../../src/capture/reader.ts';
import { encodeLayers } from '../../src/wire/dissect/encode.ts';
import { dissectFrame } from '../../src/wire/dissect.ts';
import { differences } from './agreement.ts';
import { tsharkPackets, tsharkVersion } from './tshark.ts';

const CORPORA = join(import.meta.dirname, '../../../shared/corpora');

/** Files of the corpora that are captures of Ethernet interfaces, or have some. */
function captures(): string[] {
  const found: string[] = [];
  for (const kind of readdirSync(CORPORA, { withFileTypes: true })) {
    if (!kind.isDirectory() || !/^(?:pcap|fuzz)/.test(kind.name)) continue;
    for (const file of readdirSync(join(CORPORA, kind.name), { withFileTypes: true })) {
      if (!file.isFile()) continue;
      const path = join(kind.name, file.name);
      const reader = new CaptureReader(readFileSync(join(CORPORA, path)));
      if (reader.format === 'unknown') continue;
      for (const _ of reader);
      if (reader.interfaces.some((i) => i.linkType === LINKTYPE_ETHERNET)) found.push(path);
    }
  }
  return found;
}

const missing = !existsSync(CORPORA)
  ? 'no ../shared/corpora beside the checkout'
  : tsharkVersion() === null
    ? 'no tshark'
    : null;
if (missing !== null) console.warn(`SKIPPED: decode against tshark (${missing})`);

describe.skipIf(missing !== null)('decode agrees with tshark on the corpora', () => {
  it('on every field of every packet of every Ethernet capture', { timeout: 900_000 }, async () => {
    const files = captures();
    const wrong: string[] = [];
    let packets = 0;
    const one = async (path: string): Promise<void> => {
      // tshark 4.0 counts custom and decryption-secrets blocks as frames; those have no encapsulation.
      const theirs = (await tsharkPackets(join(CORPORA, path))).filter((p) => p.fields.has('frame.encap_type'));
      const reader = new CaptureReader(readFileSync(join(CORPORA, path)));
      let i = 0;
      for (const packet of reader) {
        const tshark = theirs[i++];
        const from = reader.interfaces[packet.interfaceIndex];
        if (from?.linkType !== LINKTYPE_ETHERNET) continue;
        if (tshark === undefined) {
          wrong.push(`${path} packet ${packet.number}: tshark has only ${theirs.length}`);
          return;
        }
        packets++;
        const record = packetRecord(packet, from, dissectFrame(packet.bytes, packet.length));
        // Numbers differ behind a block that tshark counts as a frame.
        record['frame.number'] = tshark.fields.get('frame.number')?.[0] ?? '';
        for (const d of differences(record, tshark)) wrong.push(`${path} packet ${packet.number}: ${d}`);
      }
      if (i !== theirs.length) wrong.push(`${path}: ${i} packets, tshark has ${theirs.length}`);
    };
    const queue = files.values();
    await Promise.all(
      Array.from({ length: availableParallelism() }, async () => {
        for (const path of queue) await one(path);
      }),
    );
    console.log(`${files.length} captures, ${packets} Ethernet packets compared with tshark`);
    expect(wrong).toEqual([]);
    // All Ethernet captures of the corpora were found: a reader that finds nothing must not pass.
    expect(files.length).toBeGreaterThan(600);
  });
});

describe.skipIf(!existsSync(CORPORA))('the fields of a sound packet', () => {
  it('give back its bytes, on every Ethernet capture of the corpora', { timeout: 300_000 }, () => {
    const wrong: string[] = [];
    let packets = 0;
    for (const path of captures()) {
      const reader = new CaptureReader(readFileSync(join(CORPORA, path)));
      for (const packet of reader) {
        if (reader.interfaces[packet.interfaceIndex]?.linkType !== LINKTYPE_ETHERNET) continue;
        const { layers, malformed, truncated } = dissectFrame(packet.bytes, packet.length);
        if (malformed !== null || truncated !== null) continue;
        packets++;
        const back = encodeLayers(layers);
        if (Buffer.compare(back, packet.bytes) !== 0) {
          wrong.push(`${path} packet ${packet.number}: ${Buffer.from(back).toString('hex')}`);
        }
      }
    }
    expect(wrong).toEqual([]);
    expect(packets).toBeGreaterThan(25_000);
  });
});
