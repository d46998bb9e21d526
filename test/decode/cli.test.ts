// Proves what `podwire decode` prints and how it ends: for people, for programs, for files that are broken, of another kind
// or not there, from a pipe, into a closed pipe, and for a capture larger than its memory.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { CHECKOUT, PODWIRE_SOURCE, podwire } from '../project/checkout.ts';
import { ARP_REQUEST, ECHO, fromHex, TIME_EXCEEDED, VXLAN_ECHO } from '../wire/golden.ts';
import { pcapFile } from './frames.ts';

const FRAMES = [ARP_REQUEST, ECHO, VXLAN_ECHO, TIME_EXCEEDED].map((text) => {
  const bytes = fromHex(text);
  return { bytes, length: bytes.length };
});
const FILE = pcapFile(FRAMES);

const folder = mkdtempSync(join(tmpdir(), 'podwire-decode-'));
afterAll(() => rmSync(folder, { recursive: true }));

function put(name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

function objects(out: string): Record<string, string | string[]>[] {
  return out
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}

describe('podwire decode', () => {
  const path = put('sound.pcap', FILE);

  it('--json prints one object a line with Wireshark names and tshark forms', () => {
    const { status, out, err } = podwire(['decode', '--json', path]);
    expect([status, err]).toEqual([0, '']);
    const packets = objects(out);
    expect(packets.map((p) => p['frame.number'])).toEqual(['1', '2', '3', '4']);
    expect(packets[2]).toMatchObject({
      'frame.time_epoch': '1700000002.002469134',
      'frame.len': '148',
      'frame.cap_len': '148',
      'eth.dst': ['52:54:00:00:01:02', '5e:00:00:00:00:02'],
      'vxlan.vni': '1',
    });
    expect(packets.some((p) => '_malformed' in p || '_truncated' in p)).toBe(false);
    // A classic pcap file describes no interfaces.
    expect(packets[0]).not.toHaveProperty('frame.interface_id');
  });

  it('prints a line a packet for people', () => {
    const { status, out } = podwire(['decode', path]);
    expect(status).toBe(0);
    expect(out.trimEnd().split('\n')).toEqual([
      '    1    0.000000000 52:54:00:00:01:01 → ff:ff:ff:ff:ff:ff ARP 42 Who has 10.0.1.2? Tell 10.0.1.1',
      '    2    1.001234567 10.244.1.2 → 10.244.2.2 ICMP 98 echo request id 213 seq 1',
      '    3    2.002469134 10.244.1.2 → 10.244.2.2 ICMP 148 VXLAN 10.0.1.1 → 10.0.1.2 VNI 1 | echo request id 213 seq 1',
      '    4    3.003703701 10.244.1.1 → 10.244.1.2 ICMP 126 time exceeded',
    ]);
  });

  it('--verbose adds every field, --count stops', () => {
    const { out } = podwire(['decode', '--verbose', '--count', '1', path]);
    expect(out).toContain('\n    Address Resolution Protocol, Who has 10.0.1.2? Tell 10.0.1.1\n');
    expect(out).toContain('\n        arp.opcode: 1\n');
    expect(out).not.toContain('icmp');
  });

  it('names the layer that broke in _malformed, and the one that was cut in _truncated', () => {
    const lying = fromHex(ECHO);
    lying[14] = 0x44;
    const cut = { bytes: fromHex(ECHO).slice(0, 30), length: 98 };
    const { out } = podwire(['decode', '--json', put('odd.pcap', pcapFile([{ bytes: lying, length: 98 }, cut]))]);
    const [first, second] = objects(out);
    expect(first).toMatchObject({ _malformed: 'ip', 'eth.type': '0x0800' });
    expect(second).toMatchObject({ _truncated: 'ip', 'ip.len': '84', 'frame.cap_len': '30' });
    expect(second).not.toHaveProperty('_malformed');
  });

  it('prints the packets before a defect, then the defect with packet and offset, and ends with 2', () => {
    const { status, out, err } = podwire(['decode', '--json', put('cut.pcap', FILE.slice(0, FILE.length - 5))]);
    expect(status).toBe(2);
    expect(objects(out)).toHaveLength(3);
    expect(err).toMatch(/^podwire: .*cut\.pcap: .*offset \d+.*\n$/);
    expect(err).toContain('packet 4');
  });

  it.for([
    ['is empty', new Uint8Array(0)],
    ['is text', new TextEncoder().encode('apiVersion: v1\nkind: Pod\n')],
    ['is three bytes', Uint8Array.of(0xd4, 0xc3, 0xb2)],
  ] as const)('a file that %s ends with 2 and one line', ([what, bytes]) => {
    const { status, out, err } = podwire(['decode', put(`${what.replaceAll(' ', '-')}.pcap`, bytes)]);
    expect([status, out]).toEqual([2, '']);
    expect(err).toMatch(/^podwire: [^\n]*not a capture file[^\n]*\n$/);
  });

  it('a link type other than Ethernet ends with 2 and says which are supported', () => {
    const wifi = FILE.slice();
    wifi[20] = 105;
    const { status, out, err } = podwire(['decode', put('wifi.pcap', wifi)]);
    expect([status, out]).toEqual([2, '']);
    expect(err).toMatch(/link type 105 not supported; supported: 1 \(Ethernet\)\n$/);
  });

  it.for([
    [[], /missing required argument/],
    [['/no/such/file'], /no such file/],
    [[folder], /is a directory/],
    [['--count', '0', path], /count/i],
    [['--jsn', path], /--json/],
  ] as const)('%j ends with 2 and says what is wrong', ([args, said]) => {
    const { status, out, err } = podwire(['decode', ...args]);
    expect([status, out]).toEqual([2, '']);
    expect(err).toMatch(said);
    expect(err).not.toMatch(/\n {4}at /);
  });

  it('reads standard input', () => {
    const { status, out } = podwire(['decode', '--json', '-'], { input: FILE, stdio: ['pipe', 'pipe', 'pipe'] });
    expect(status).toBe(0);
    expect(objects(out)).toHaveLength(4);
  });

  it('prints no control character of a capture to the terminal', () => {
    // A payload that would clear the screen, shown as octets; names from pcapng pass through the same filter.
    const nasty = fromHex(`${ECHO.slice(0, 24)}88b51b5b324a1b5b48`);
    const { out } = podwire([
      'decode',
      '--verbose',
      put('nasty.pcap', pcapFile([{ bytes: nasty, length: nasty.length }])),
    ]);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this test is about
    expect(out).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f]/);
  });

  it('ends quietly when the reader of its output goes away', { timeout: 60_000 }, async () => {
    const many = put('many.pcap', pcapFile(Array.from({ length: 20_000 }, (_, i) => FRAMES[i % FRAMES.length]!)));
    const child = spawn(process.execPath, [...PODWIRE_SOURCE, 'decode', '--json', many], { cwd: CHECKOUT });
    let err = '';
    child.stderr.on('data', (piece: Buffer) => {
      err += String(piece);
    });
    child.stdout.once('data', () => child.stdout.destroy());
    const status = await new Promise<number | null>((resolve) => child.on('close', resolve));
    expect([status, err]).toEqual([0, '']);
  });

  it('streams a capture larger than the memory it may use', {
    timeout: 60_000,
  }, async () => {
    // 96 MB through a heap of 64 MB.
    const one = FILE.slice(24);
    const child = spawn(process.execPath, ['--max-old-space-size=64', ...PODWIRE_SOURCE, 'decode', '-'], {
      cwd: CHECKOUT,
    });
    let out = 0;
    child.stdout.on('data', (piece: Buffer) => {
      out += piece.length;
    });
    let err = '';
    child.stderr.on('data', (piece: Buffer) => {
      err += String(piece);
    });
    const block = Buffer.concat(Array.from({ length: 1000 }, () => one));
    const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
    child.stdin.on('error', () => {});
    child.stdin.write(FILE);
    for (let sent = 0; sent < 96_000_000; sent += block.length) {
      if (!child.stdin.write(block)) await new Promise((resolve) => child.stdin.once('drain', resolve));
    }
    child.stdin.end();
    expect([await ended, err]).toEqual([0, '']);
    expect(out).toBeGreaterThan(20_000_000);
  });
});
