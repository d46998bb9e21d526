// Proves that captures of both formats, byte orders and time units are read exactly, and that every kind of broken file
// gives the packets before the defect and one sentence with packet number and byte offset.

import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BLOCK_MAX } from '../../src/capture/pcapng-reader.ts';
import { CaptureReader, openCapture } from '../../src/capture/reader.ts';
import { block, bytesOf, Endian, epb, idb, option, pcapFile, shb } from './files.ts';
import { temporary } from './judge.ts';

function read(bytes: Uint8Array): { numbers: number[]; error: string | null; reader: CaptureReader } {
  const reader = new CaptureReader(bytes);
  const numbers = [...reader].map((packet) => packet.number);
  return { numbers, error: reader.error?.message ?? null, reader };
}

const PAYLOAD = Uint8Array.from({ length: 7 }, (_, i) => 0xa0 + i);

describe.each([
  ['little-endian', Endian.LITTLE],
  ['big-endian', Endian.BIG],
] as const)('pcap, %s', (_name, endian) => {
  test('gives lengths, bytes and microseconds', () => {
    const reader = new CaptureReader(
      pcapFile(endian, 0xa1b2c3d4, [{ seconds: 4294967295, fraction: 999999, length: 1500, bytes: PAYLOAD }]),
    );
    const packet = reader.next()!;
    expect(packet).toMatchObject({ number: 1, timeSeconds: 4294967295, timeNanos: 999999000, length: 1500 });
    expect([...packet.bytes]).toEqual([...PAYLOAD]);
    expect(reader.interfaces).toMatchObject([{ linkType: 1, timeDigits: 6 }]);
    expect(reader.next()).toBeNull();
    expect(reader.error).toBeNull();
  });

  test('gives nanoseconds', () => {
    const reader = new CaptureReader(
      pcapFile(endian, 0xa1b23c4d, [{ seconds: 1, fraction: 123456789, length: 7, bytes: PAYLOAD }]),
    );
    expect(reader.next()).toMatchObject({ timeSeconds: 1, timeNanos: 123456789 });
    expect(reader.interfaces[0]!.timeDigits).toBe(9);
  });

  test('cut at every length: packets before the cut, then where it was cut', () => {
    const whole = pcapFile(endian, 0xa1b2c3d4, [
      { seconds: 1, fraction: 0, length: 7, bytes: PAYLOAD },
      { seconds: 2, fraction: 0, length: 7, bytes: PAYLOAD },
    ]);
    for (let cut = 4; cut < whole.length; cut++) {
      const { numbers, error } = read(whole.slice(0, cut));
      if (cut < 24)
        expect(error).toBe(`file header, offset 0: the pcap file header needs 24 bytes, the file has ${cut}`);
      else if (cut === 24 || cut === 47) expect(error).toBeNull();
      else if (cut < 47) expect(error).toMatch(/^packet 1, offset 24: truncated: /);
      else expect(error).toMatch(/^packet 2, offset 47: truncated: /);
      expect(numbers.length).toBe(cut < 47 ? 0 : 1);
    }
  });
});

describe('pcap that cannot be believed', () => {
  const good = { seconds: 1, fraction: 0, length: 7, bytes: PAYLOAD };

  test('a captured length over 256 KiB names packet, offset and limit', () => {
    const file = pcapFile(Endian.LITTLE, 0xa1b2c3d4, [good, { ...good, captured: 262145 }]);
    const { numbers, error } = read(file);
    expect(numbers).toEqual([1]);
    expect(error).toBe('packet 2, offset 47: the captured length 262145 is over the limit of 262144 bytes');
  });

  test('a captured length over the rest of the file names what is left', () => {
    const file = pcapFile(Endian.LITTLE, 0xa1b2c3d4, [{ ...good, captured: 200000 }]);
    expect(read(file).error).toBe('packet 1, offset 24: truncated: 200000 captured bytes are announced, 7 are left');
  });

  test('a version other than 2 is refused', () => {
    const file = pcapFile(Endian.LITTLE, 0xa1b2c3d4, [good]);
    file[4] = 3;
    expect(read(file).error).toBe('file header, offset 0: pcap version 3.4 is not supported; supported: 2.x');
  });

  test.each([0, 0xffffffff])('a snap length of %d means no limit', (snapLength) => {
    const file = pcapFile(Endian.LITTLE, 0xa1b2c3d4, [good], snapLength);
    const { reader, error } = read(file);
    expect(error).toBeNull();
    expect(reader.interfaces[0]!.snapLength).toBe(0);
  });

  test.each([
    [[], 'offset 0: not a capture file: it is empty'],
    [[0xd4, 0xc3], 'offset 0: not a capture file: it has only 2 bytes'],
    [
      [0x7f, 0x45, 0x4c, 0x46],
      'offset 0: not a capture file: it begins with 0x7f454c46, which is neither pcap nor pcapng',
    ],
  ])('unknown beginnings: %j', (bytes, message) => {
    expect(read(Uint8Array.from(bytes)).error).toBe(message);
  });
});

describe.each([
  ['little-endian', Endian.LITTLE],
  ['big-endian', Endian.BIG],
] as const)('pcapng, %s', (_name, endian) => {
  const NS = option(endian, 9, Uint8Array.of(9));

  test('gives interface, direction, packet id, comments and exact nanoseconds', () => {
    const ticks = 1_700_000_000_123_456_789n;
    const file = bytesOf(
      shb(endian),
      idb(endian, 1, 0, option(endian, 2, 'node1/cni0'), option(endian, 3, 'a bridge'), NS),
      epb(
        endian,
        { id: 0, ticks, length: 99, bytes: PAYLOAD },
        option(endian, 1, 'first'),
        option(endian, 1, 'second'),
        option(endian, 2, endian.u32(2)),
        option(endian, 5, endian.u64(77n)),
        option(endian, 0x8001, 'local use'),
        endian.u32(0),
      ),
    );
    const { reader, error } = read(file);
    expect(error).toBeNull();
    expect(reader.interfaces).toMatchObject([{ name: 'node1/cni0', description: 'a bridge', timeDigits: 9 }]);
    const packet = new CaptureReader(file).next()!;
    expect(packet).toMatchObject({
      timeSeconds: 1_700_000_000,
      timeNanos: 123_456_789,
      length: 99,
      direction: 2,
      packetId: 77,
      comments: ['first', 'second'],
    });
    expect([...packet.bytes]).toEqual([...PAYLOAD]);
  });

  test.each([
    [0, 5n, 5, 0],
    [6, 1_500_000n, 1, 500_000_000],
    [12, 1_999_999_999_999n, 1, 999_999_999],
    [0x80 | 10, 1536n, 1, 500_000_000],
    [0x80 | 63, 1n << 63n, 1, 0],
    [0x80, 7n, 7, 0],
  ])('if_tsresol 0x%s: units as seconds and nanoseconds', (tsresol, ticks, seconds, nanos) => {
    const file = bytesOf(
      shb(endian),
      idb(endian, 1, 0, option(endian, 9, Uint8Array.of(tsresol)), option(endian, 14, endian.u64(100n))),
      epb(endian, { id: 0, ticks, length: 7, bytes: PAYLOAD }),
    );
    expect(new CaptureReader(file).next()).toMatchObject({ timeSeconds: seconds + 100, timeNanos: nanos });
  });

  test('skips unknown and custom blocks, and reads options without an end', () => {
    const file = bytesOf(
      shb(endian),
      block(endian, 0x80001234, Uint8Array.of(1, 2, 3, 4)),
      idb(endian, 1, 0, option(endian, 2, 'eth0')),
      block(endian, 0xbad, new Uint8Array(64)),
      epb(endian, { id: 0, ticks: 0n, length: 7, bytes: PAYLOAD }, option(endian, 1, 'no end')),
    );
    expect([...new CaptureReader(file)].map((packet) => packet.comments)).toEqual([['no end']]);
  });

  test('each kind of defect has its own sentence with the offset of the block', () => {
    const head = bytesOf(shb(endian), idb(endian, 1, 0));
    const good = epb(endian, { id: 0, ticks: 0n, length: 7, bytes: PAYLOAD });
    const start = head.length + good.length;
    const at = `packet 2, block at offset ${start}: `;
    const broken = (change: (view: DataView) => void): Uint8Array => {
      const bytes = bytesOf(head, good, good);
      change(new DataView(bytes.buffer, start));
      return bytes;
    };
    const put = (offset: number, value: number) => broken((view) => view.setUint32(offset, value, endian.little));
    const cases: [Uint8Array, string][] = [
      [put(4, good.length + 2), `block length ${good.length + 2} is not a multiple of 4`],
      [put(4, 8), 'block length 8 is under the smallest, 12'],
      [put(4, 0), 'block length 0 is under the smallest, 12'],
      [put(4, good.length + 8), `truncated: block length ${good.length + 8}, ${good.length} bytes are left`],
      [put(4, BLOCK_MAX + 4), `block length ${BLOCK_MAX + 4} is over the limit of ${BLOCK_MAX} bytes`],
      [put(good.length - 4, 0), `block length ${good.length} in front, 0 behind`],
      [put(8, 1), 'interface 1 is not described; the section describes 1'],
      [put(20, 9), 'the captured length 9 is over the 8 bytes that the block holds'],
      [put(20, 0xffffffff), 'the captured length 4294967295 is over the limit of 262144 bytes'],
    ];
    for (const [bytes, sentence] of cases) {
      const { numbers, error } = read(bytes);
      expect(error).toBe(at + sentence);
      expect(numbers).toEqual([1]);
    }
  });

  test('a packet before any interface, and a file without a section, are refused', () => {
    const packet = epb(endian, { id: 0, ticks: 0n, length: 7, bytes: PAYLOAD });
    expect(read(bytesOf(shb(endian), packet)).error).toBe(
      'packet 1, block at offset 28: interface 0 is not described; the section describes 0',
    );
    expect(read(packet).error).toMatch(/^offset 0: not a capture file/);
  });

  test('an option that does not fit its block, and a time unit finer than 64 bits, are refused', () => {
    const bad = option(endian, 2, 'name');
    new DataView(bad.buffer).setUint16(2, 5, endian.little);
    expect(read(bytesOf(shb(endian), idb(endian, 1, 0, bad))).error).toMatch(
      /option 2 of 5 bytes does not fit its block$/,
    );
    const fine = idb(endian, 1, 0, option(endian, 9, Uint8Array.of(20)));
    expect(read(bytesOf(shb(endian), fine)).error).toMatch(/if_tsresol 0x14 is too fine$/);
  });
});

test('sections of different byte order follow each other, each with its own interfaces', () => {
  const file = bytesOf(
    shb(Endian.BIG),
    idb(Endian.BIG, 1, 0, option(Endian.BIG, 2, 'first')),
    epb(Endian.BIG, { id: 0, ticks: 1n, length: 7, bytes: PAYLOAD }),
    shb(Endian.LITTLE),
    idb(Endian.LITTLE, 113, 0, option(Endian.LITTLE, 2, 'second')),
    epb(Endian.LITTLE, { id: 0, ticks: 2n, length: 7, bytes: PAYLOAD }),
  );
  const reader = new CaptureReader(file);
  const seen = [...reader].map((packet) => reader.interfaces[packet.interfaceIndex]!.name);
  expect(seen).toEqual(['first', 'second']);
  expect(reader.error).toBeNull();
});

test('a file is read through a window: bytes outlive the next packet', () => {
  const path = temporary('large.pcap');
  const fd = openSync(path, 'w');
  const payload = new Uint8Array(60_000);
  writeSync(fd, pcapFile(Endian.LITTLE, 0xa1b23c4d, []));
  for (let i = 0; i < 60; i++) {
    payload.fill(i);
    writeSync(
      fd,
      pcapFile(Endian.LITTLE, 0xa1b23c4d, [{ seconds: i, fraction: 0, length: 60_000, bytes: payload }]),
      24,
    );
  }
  closeSync(fd);
  const reader = openCapture(path);
  const packets = [...reader];
  reader.close();
  expect(packets.length).toBe(60);
  for (const [i, packet] of packets.entries()) {
    expect(packet.bytes.length).toBe(60_000);
    expect(packet.bytes.every((byte) => byte === i)).toBe(true);
  }
});

test('what cannot be opened is said in one line', () => {
  expect(() => openCapture(temporary('absent.pcap'))).toThrow(/absent\.pcap: no such file$/);
  mkdirSync(temporary('folder'));
  expect(() => openCapture(temporary('folder'))).toThrow(/folder: is a directory, not a capture file$/);
  writeFileSync(temporary('plain'), 'x');
  expect(() => openCapture(temporary('plain/x.pcap'))).toThrow(/a part of the path is not a directory$/);
});

test('no bytes make the reader throw or run on: mutated captures of both formats', () => {
  const pcapng = bytesOf(
    shb(Endian.LITTLE),
    idb(Endian.LITTLE, 1, 0, option(Endian.LITTLE, 2, 'eth0')),
    epb(Endian.LITTLE, { id: 0, ticks: 1n, length: 7, bytes: PAYLOAD }, option(Endian.LITTLE, 1, 'c')),
    block(Endian.LITTLE, 3, bytesOf(Endian.LITTLE.u32(7), PAYLOAD, new Uint8Array(1))),
    block(
      Endian.LITTLE,
      4,
      bytesOf(Endian.LITTLE.u16(1), Endian.LITTLE.u16(6), Uint8Array.of(1, 2, 3, 4, 97, 0, 0, 0)),
    ),
    block(Endian.LITTLE, 5, new Uint8Array(12)),
  );
  const pcap = pcapFile(Endian.BIG, 0xa1b2c3d4, [{ seconds: 1, fraction: 0, length: 7, bytes: PAYLOAD }]);
  for (const whole of [pcapng, pcap]) {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { maxLength: 8 }),
        fc.nat(whole.length),
        (changes, cut) => {
          const bytes = whole.slice(0, cut);
          for (const [at, value] of changes) if (at < cut) bytes[at] = value;
          const reader = new CaptureReader(bytes);
          // A record has at least 12 bytes: more packets than that would be a loop.
          expect([...reader].length).toBeLessThanOrEqual(bytes.length / 12);
        },
      ),
      { seed: 20_260, numRuns: 3_000 },
    );
  }
});
