// Proves that no bytes make the reader or the dissector throw, hang or grow: generated frames and every file of the shared
// corpora, whole, cut and with bytes changed.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Rng } from '../../src/base/rng.ts';
import { packetDetails, packetLine, packetRecord } from '../../src/capture/dissection.ts';
import { CaptureReader } from '../../src/capture/reader.ts';
import { dissectFrame, LAYERS_MAX } from '../../src/wire/dissect.ts';
import { generateFrame, pcapFile } from './frames.ts';

const CORPORA = join(import.meta.dirname, '../../../shared/corpora');

/**
 * Characters of JSON that a captured byte may cost: three of hex and colon, and for every header fields of about twenty
 * times its length; the constant is an empty record.
 */
const LIMIT = (bytes: number): number => 4_000 + 60 * bytes;

/** Dissects one frame and checks that what comes out is bounded by what went in. */
function frame(bytes: Uint8Array, length: number): void {
  const dissection = dissectFrame(bytes, length);
  expect(dissection.layers.length).toBeLessThanOrEqual(LAYERS_MAX);
  for (const layer of dissection.layers) {
    expect(layer.at).toBeLessThanOrEqual(bytes.length);
    for (const field of layer.fields) expect(field.value.length).toBeLessThanOrEqual(3 * bytes.length + 20);
  }
  const text = dissection.layers.flatMap((l) => l.fields.map((f) => f.name + f.value)).join('');
  expect(text.length).toBeLessThanOrEqual(LIMIT(bytes.length));
  packetDetails(dissection);
}

/** Reads a file's bytes through reader and dissector; returns its packets. */
function file(bytes: Uint8Array): number {
  const reader = new CaptureReader(bytes);
  let packets = 0;
  for (const packet of reader) {
    packets++;
    expect(packet.bytes.length).toBeLessThanOrEqual(bytes.length);
    const dissection = dissectFrame(packet.bytes, packet.length);
    expect(dissection.layers.length).toBeLessThanOrEqual(LAYERS_MAX);
    const from = reader.interfaces[packet.interfaceIndex];
    JSON.stringify(packetRecord(packet, from, dissection));
    packetLine(packet, from, dissection, '');
  }
  // Every record costs at least its header: a reader that does not advance would exceed this.
  expect(packets).toBeLessThanOrEqual(bytes.length / 12);
  return packets;
}

/** Seeded harm: some bytes changed, with a liking for the values that break length fields. */
function mutate(rng: Rng, bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice();
  for (let n = 1 + rng.below(8); n > 0; n--) {
    copy[rng.below(copy.length)] = rng.chance(0.5) ? [0, 1, 4, 0x7f, 0x80, 0xff][rng.below(6)]! : rng.below(256);
  }
  return copy;
}

describe('hostile bytes', () => {
  it('as frames: cut at every length', () => {
    const rng = new Rng(1, 'cut');
    for (let i = 0; i < 60; i++) {
      const { bytes } = generateFrame(rng);
      for (let end = 0; end <= bytes.length; end++) {
        frame(bytes.subarray(0, end), end);
        frame(bytes.subarray(0, end), bytes.length);
      }
    }
  });

  it('as frames: with bytes changed, and as noise', () => {
    const rng = new Rng(2, 'changed');
    for (let i = 0; i < 4000; i++) {
      const { bytes, length } = generateFrame(rng);
      if (bytes.length > 0) frame(mutate(rng, bytes), length);
      const noise = Uint8Array.from({ length: rng.below(200) }, () => rng.below(256));
      frame(noise, noise.length);
    }
  });

  it('as tunnels inside tunnels: 50 VXLAN headers give "too many layers" after 4', () => {
    // Each level is a whole frame inside the UDP payload of the one outside.
    let bytes: Uint8Array = new Uint8Array(60);
    for (let i = 0; i < 50; i++) bytes = vxlanAround(bytes);
    const dissection = dissectFrame(bytes);
    expect(dissection.layers.filter((l) => l.name === 'vxlan')).toHaveLength(5);
    expect(dissection.malformed).toEqual({ layer: 'vxlan', message: 'too many layers (limit 4 tunnels)' });
  });

  it('as 20 stacked tags: refused after 8', () => {
    const bytes = new Uint8Array(14 + 20 * 4 + 40);
    const view = new DataView(bytes.buffer);
    for (let i = 0; i < 20; i++) view.setUint16(12 + 4 * i, 0x8100);
    const dissection = dissectFrame(bytes);
    expect(dissection.layers.filter((l) => l.name === 'vlan')).toHaveLength(9);
    expect(dissection.malformed).toEqual({ layer: 'vlan', message: 'too many tags (limit 8)' });
  });

  it('as files: generated captures cut and changed', () => {
    const rng = new Rng(3, 'files');
    const whole = pcapFile(Array.from({ length: 20 }, () => generateFrame(rng)));
    expect(file(whole)).toBe(20);
    for (let i = 0; i < 300; i++) {
      file(whole.slice(0, rng.below(whole.length)));
      file(mutate(rng, whole));
    }
  });
});

if (!existsSync(CORPORA))
  console.warn('SKIPPED: hostile files of the corpora (no ../shared/corpora beside the checkout)');

describe.skipIf(!existsSync(CORPORA))('every file of the corpora', () => {
  it('whole, cut at three places and changed three times', { timeout: 600_000 }, () => {
    let files = 0;
    let packets = 0;
    for (const entry of readdirSync(CORPORA, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const bytes = new Uint8Array(readFileSync(join(entry.parentPath, entry.name)));
      files++;
      packets += file(bytes);
      if (bytes.length === 0) continue;
      const rng = new Rng(4, entry.name);
      for (let i = 0; i < 3; i++) {
        file(bytes.slice(0, rng.below(bytes.length)));
        file(mutate(rng, bytes));
      }
      // The bytes of any file are a frame too.
      const head = bytes.subarray(0, 2000);
      dissectFrame(head, head.length);
    }
    expect(files).toBeGreaterThan(1000);
    expect(packets).toBeGreaterThan(30_000);
  });
});

function vxlanAround(inner: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(50 + inner.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(12, 0x0800);
  view.setUint8(14, 0x45);
  view.setUint16(16, 36 + inner.length);
  view.setUint8(23, 17);
  view.setUint16(24, 0);
  view.setUint16(36, 4789);
  view.setUint16(38, 16 + inner.length);
  view.setUint8(42, 8);
  bytes.set(inner, 50);
  let sum = 0;
  for (let i = 14; i < 34; i += 2) sum += view.getUint16(i);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  view.setUint16(24, ~sum & 0xffff);
  return bytes;
}
