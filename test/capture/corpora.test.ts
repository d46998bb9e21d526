// Proves that captures which nobody here made are read as Wireshark reads them: the same packets with the same lengths
// and times, the same number of packets before a defect, and a defect where Wireshark finds one.

import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type CapturedPacket, CaptureReader, openCapture } from '../../src/capture/reader.ts';
import { CORPORA, haveCorpora, haveWireshark, temporary, tsharkFields } from './judge.ts';

const MAGICS = ['0a0d0d0a', 'a1b2c3d4', 'd4c3b2a1', 'a1b23c4d', '4d3cb2a1', 'a1b2cd34', '34cdb2a1'];
/** Link types that Wireshark 4.0 does not know: it refuses the file, we leave that to whoever looks into packets. */
const UNKNOWN_TO_WIRESHARK = /network type \d+ unknown or unsupported|network type reserved field not zero/;
/** LINKTYPE_SUNATM: Wireshark takes the 4-byte pseudo-header off and counts without it. */
const SUNATM = 123;
/** tshark lists custom blocks among the packets, without a link type; capinfos and we do not count them. */
const PACKETS_ONLY = 'frame.encap_type';
const INT32_MAX = 0x7fff_ffff;

function captures(): string[] {
  const files = readdirSync(CORPORA, { recursive: true, encoding: 'utf8' })
    .filter((name) => /^(pcap|fuzz)/.test(name))
    .sort()
    .map((name) => join(CORPORA, name));
  return files.filter((path) => {
    const head = Buffer.alloc(4);
    try {
      const fd = openSync(path, 'r');
      readSync(fd, head);
      closeSync(fd);
    } catch {
      return false;
    }
    return MAGICS.includes(head.toString('hex'));
  });
}

interface Reading {
  rows: string[];
  error: string | null;
  linkTypes: number[];
  packets: CapturedPacket[];
}

function ours(path: string): Reading {
  const reader = openCapture(path);
  const packets = [...reader];
  reader.close();
  const linkTypes = reader.interfaces.map((i) => i.linkType);
  return { rows: packets.map(row), error: reader.error?.message ?? null, linkTypes, packets };
}

/** Wireshark keeps lengths in 31 bits. */
function row(packet: CapturedPacket): string {
  const time = packet.hasTime ? `${packet.timeSeconds}.${String(packet.timeNanos).padStart(9, '0')}` : '';
  return [Math.min(packet.length, INT32_MAX), packet.bytes.length, time].join(' ');
}

function theirs(path: string): string[] {
  const more = ['--disable-protocol', 'eth', '-Y', PACKETS_ONLY];
  const rows = tsharkFields(path, ['frame.len', 'frame.cap_len', 'frame.time_epoch'], more);
  return rows.map((fields) => fields.join(' '));
}

/** Fractions of a second and more: Wireshark prints them as they stand (or wrapped), we carry them over. */
function carries(path: string, reading: Reading): boolean {
  if (reading.linkTypes.length !== 1 || reading.packets.length === 0) return false;
  const bytes = readFileSync(path);
  const little = bytes.readUInt32LE(0) === 0xa1b2c3d4 || bytes.readUInt32LE(0) === 0xa1b23c4d;
  const nanos = [bytes.readUInt32LE(0), bytes.readUInt32BE(0)].includes(0xa1b23c4d);
  let at = 24;
  for (const packet of reading.packets) {
    if (at + 16 > bytes.length) return false;
    const fraction = little ? bytes.readUInt32LE(at + 4) : bytes.readUInt32BE(at + 4);
    if (fraction >= (nanos ? 1e9 : 1e6)) return true;
    at += 16 + packet.bytes.length;
  }
  return false;
}

describe.runIf(haveCorpora && haveWireshark)('the corpora', () => {
  const files = haveCorpora ? captures() : [];

  test('there are hundreds of them', () => {
    expect(files.length).toBeGreaterThan(700);
  });

  test('the same number of packets as capinfos, and a defect exactly where it complains', () => {
    const run = spawnSync('capinfos', ['-T', '-r', '-M', '-c', ...files], { encoding: 'utf8', maxBuffer: 1 << 26 });
    const counts = new Map<string, number>();
    for (const line of run.stdout.split('\n')) {
      const [path, count] = line.split('\t');
      if (count !== undefined) counts.set(path!, Number(count));
    }
    const complaints = new Map<string, string>();
    let about = '';
    for (const line of run.stderr.split('\n')) {
      about = /"(\/[^"]+)"/.exec(line)?.[1] ?? about;
      if (line.startsWith('(will') || line.includes('Running as')) continue;
      complaints.set(about, `${complaints.get(about) ?? ''}${line}\n`);
      const before = /after reading (\d+) packets/.exec(line);
      if (before !== null) counts.set(about, Number(before[1]));
    }
    const differences: string[] = [];
    let defects = 0;
    for (const path of files) {
      const complaint = complaints.get(path) ?? '';
      if (UNKNOWN_TO_WIRESHARK.test(complaint)) continue;
      const reading = ours(path);
      if (reading.error !== null) defects++;
      if (reading.rows.length !== (counts.get(path) ?? 0) || (reading.error !== null) !== (complaint !== '')) {
        differences.push(
          `${path}: ours ${reading.rows.length} ${reading.error}, theirs ${counts.get(path)} ${complaint}`,
        );
      }
    }
    console.log(`corpora: ${files.length} captures, ${defects} with a defect that capinfos finds too`);
    expect(differences).toEqual([]);
    expect(defects).toBeGreaterThan(10);
  });

  test('the same lengths and times as tshark, packet by packet', () => {
    // mergecap gives simple packet blocks a time: those files have their own test below.
    const one = files.filter((path) => !path.includes('pcapng-gen'));
    const sound = one.filter((path) => {
      const reading = ours(path);
      // Wireshark does not open link types that it does not know: those it says itself.
      return reading.error === null && !reading.linkTypes.includes(SUNATM) && !carries(path, reading);
    });
    const known = sound.filter((path) => {
      const run = spawnSync('capinfos', ['-T', '-r', '-M', '-c', path], { encoding: 'utf8' });
      return !UNKNOWN_TO_WIRESHARK.test(run.stderr);
    });
    let packets = 0;
    const differences: string[] = [];
    for (let i = 0; i < known.length; i += 300) {
      const batch = known.slice(i, i + 300);
      const merged = temporary('merged.pcapng');
      // One behind the other: one start of tshark for 300 files.
      execFileSync('mergecap', ['-a', '-I', 'none', '-F', 'pcapng', '-w', merged, ...batch], { stdio: 'ignore' });
      const expected = theirs(merged);
      let at = 0;
      for (const path of batch) {
        const { rows } = ours(path);
        for (const [n, text] of rows.entries()) {
          if (text !== expected[at + n]) {
            differences.push(`${path} packet ${n + 1}: ours ${text}, theirs ${expected[at + n]}`);
            break;
          }
        }
        at += rows.length;
      }
      expect(expected.length).toBe(at);
      packets += at;
    }
    console.log(`corpora: ${packets} packets of ${known.length} captures as tshark reads them`);
    expect(differences).toEqual([]);
  });

  test('the pcapng conformance files: interfaces, names, comments as tshark and their descriptions say', () => {
    const directory = join(CORPORA, 'pcapng-gen');
    const names = readdirSync(directory)
      .filter((name) => name.endsWith('.pcapng'))
      .sort();
    expect(names.length).toBeGreaterThan(20);
    for (const name of names) {
      const path = join(directory, name);
      const reader = openCapture(path);
      const packets = [...reader];
      const got = packets.map((packet) => {
        const source = reader.interfaces[packet.interfaceIndex]!;
        if (reader.sections.length > 1) return row(packet);
        return [row(packet), source.name ?? '', source.description ?? '', packet.comments.join('|')].join(' # ');
      });
      reader.close();
      expect(reader.error, name).toBeNull();
      const fields = ['frame.len', 'frame.cap_len', 'frame.time_epoch'];
      const more = ['frame.interface_name', 'frame.interface_description', 'frame.comment'];
      const expected = tsharkFields(path, [...fields, ...more], ['-Y', PACKETS_ONLY]).map((r) => {
        const [length, captured, time, ifName, description, comment] = [...r, '', '', ''];
        // tshark says "unknown" for an interface without a name.
        const known = ifName === 'unknown' ? '' : ifName!.replaceAll('\\r', '\r').replaceAll('\\n', '\n');
        // tshark 4.0 looks interfaces of later sections up in the first one.
        if (reader.sections.length > 1) return `${length} ${captured} ${time}`;
        return [`${length} ${captured} ${time}`, known, description, comment].join(' # ');
      });
      expect(got, name).toEqual(expected);
    }
  });

  test('cut anywhere, no capture makes the reader throw, and whole packets before the cut are the same', () => {
    // A tenth of the files, each cut at 20 places.
    for (const path of files.filter((_, i) => i % 10 === 0)) {
      const whole = ours(path).rows;
      const bytes = readFileSync(path);
      for (let k = 0; k < 20; k++) {
        const reader = new CaptureReader(bytes.subarray(0, Math.floor((bytes.length * k) / 20)));
        const rows = [...reader].map(row);
        expect(rows).toEqual(whole.slice(0, rows.length));
      }
    }
  });
});
