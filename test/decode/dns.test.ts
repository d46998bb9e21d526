// Proves that decode agrees with tshark on DNS messages nobody recorded: every type that we take apart, compressed and not,
// over UDP and over TCP with one message or two in a segment; and that a sound frame's fields give back its bytes.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { packetRecord } from '../../src/capture/dissection.ts';
import { CaptureReader } from '../../src/capture/reader.ts';
import { framed } from '../../src/dns/glibc-send.ts';
import { finish, sum } from '../../src/wire/checksum.ts';
import { encodeLayers } from '../../src/wire/dissect/encode.ts';
import { dissectFrame } from '../../src/wire/dissect.ts';
import { DnsFlag } from '../../src/wire/dns.ts';
import { writeDns } from '../../src/wire/dns-message.ts';
import { message } from '../wire/dns-messages.ts';
import { differences } from './agreement.ts';
import { type GeneratedFrame, pcapFile } from './frames.ts';
import { tsharkPackets, tsharkVersion } from './tshark.ts';

const MESSAGES = 1500;
const SEED = 20_260_102;

/** Ethernet and IPv4 around a UDP datagram or a TCP segment, checksums right. */
function frame(payload: Uint8Array, protocol: 6 | 17, response: boolean, port: number): GeneratedFrame {
  const header = protocol === 17 ? 8 : 20;
  const bytes = new Uint8Array(14 + 20 + header + payload.length);
  const view = new DataView(bytes.buffer);
  bytes.set([2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45], 0);
  view.setUint16(16, bytes.length - 14);
  bytes.set([64, protocol], 22);
  bytes.set([10, 0, 0, 1, 10, 0, 0, 2], 26);
  view.setUint16(24, finish(sum(view, 14, 34)));
  view.setUint16(34, response ? 53 : port);
  view.setUint16(36, response ? port : 53);
  if (protocol === 17) view.setUint16(38, 8 + payload.length);
  else {
    view.setUint32(38, 1);
    view.setUint32(42, 1);
    bytes.set([0x50, 0x18, 0xff, 0xff], 46);
  }
  bytes.set(payload, 34 + header);
  const pseudo = sum(view, 26, 34) + protocol + header + payload.length;
  view.setUint16(protocol === 17 ? 40 : 50, finish(pseudo + sum(view, 34, bytes.length)));
  return { bytes, length: bytes.length };
}

const frames: readonly GeneratedFrame[] = fc
  .sample(fc.tuple(message, fc.boolean(), fc.constantFrom(0, 0, 1, 2)), { seed: SEED, numRuns: MESSAGES })
  .map(([m, compress, streams], i) => {
    const bytes = writeDns(m, compress)!;
    const response = (m.flags & DnsFlag.QR) !== 0;
    if (streams === 0) return frame(bytes, 17, response, 40_000 + i);
    return frame(framed(streams === 1 ? [bytes] : [bytes, bytes]), 6, response, 40_000 + i);
  });

const missing = tsharkVersion() === null;
if (missing) console.warn('SKIPPED: generated DNS messages against tshark (no tshark)');

describe('generated DNS messages', () => {
  it.skipIf(missing)('read as tshark reads them', { timeout: 300_000 }, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'podwire-dns-'));
    try {
      const path = join(folder, 'dns.pcap');
      const file = pcapFile(frames);
      writeFileSync(path, file);
      const theirs = await tsharkPackets(path);
      expect(theirs.length).toBe(MESSAGES);
      const reader = new CaptureReader(file);
      const wrong: string[] = [];
      for (const packet of reader) {
        const record = packetRecord(packet, reader.interfaces[0], dissectFrame(packet.bytes, packet.length));
        for (const d of differences(record, theirs[packet.number - 1]!)) wrong.push(`frame ${packet.number}: ${d}`);
      }
      expect(wrong).toEqual([]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('give back their bytes', () => {
    for (const [i, { bytes, length }] of frames.entries()) {
      const { layers, malformed } = dissectFrame(bytes, length);
      expect(malformed, `frame ${i + 1}`).toBe(null);
      expect(Buffer.from(encodeLayers(layers)).toString('hex')).toBe(Buffer.from(bytes).toString('hex'));
    }
  });
});
