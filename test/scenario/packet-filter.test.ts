// Proves comparisons of frames by Wireshark's field names: every name exists in what the dissectors give or in tshark's own
// list, repeated layers, operators, protocols.

import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { compileFilter, FILTER_NAMES, filterMistake } from '../../src/scenario/packet-filter.ts';
import { dissectFrame } from '../../src/wire/dissect.ts';

/** ARP request of 10.244.1.2 for 10.244.1.1. */
const ARP = 'ffffffffffff0a580af4010208060001080006040001 0a580af401020af40102 0000000000000af40101';
/** Ethernet, IPv4 10.0.1.1 > 10.0.1.2, UDP 40000 > 8472, VXLAN 1, Ethernet, IPv4 10.244.1.2 > 10.244.2.2, ICMP echo request. */
const VXLAN =
  '525400000102525400000101 0800 4500004e000000004011623f0a0001010a000102 9c402118003a0000 0800000000000100' +
  '5e0000000002 5e0000000001 0800 4500001c0000400 03f0124f50af401020af40202'.replace(' ', '') +
  '0800f7fd00010001';

function frame(hex: string): { length: number; dissection: ReturnType<typeof dissectFrame> } {
  const bytes = Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
  return { length: bytes.length, dissection: dissectFrame(bytes) };
}

const matches = (hex: string, filter: Record<string, string | number | boolean>): boolean =>
  compileFilter(filter).matches(frame(hex));

describe('a filter', () => {
  it('compares fields by value, numbers in any notation', () => {
    expect(matches(ARP, { 'arp.opcode': 1 })).toBe(true);
    expect(matches(ARP, { 'arp.opcode': 2 })).toBe(false);
    expect(matches(ARP, { 'eth.type': '0x0806' })).toBe(true);
    expect(matches(ARP, { 'eth.type': 2054 })).toBe(true);
    expect(matches(ARP, { 'eth.dst': 'FF:FF:FF:FF:FF:FF' })).toBe(true);
    expect(matches(ARP, { 'arp.src.proto_ipv4': '10.244.1.2', 'arp.dst.proto_ipv4': '10.244.1.1' })).toBe(true);
  });

  it('holds for any of the layers of a kind, or for the one that is numbered', () => {
    expect(matches(VXLAN, { 'ip.src': '10.244.1.2' })).toBe(true);
    expect(matches(VXLAN, { 'ip.src': '10.0.1.1' })).toBe(true);
    expect(matches(VXLAN, { 'ip.src#1': '10.0.1.1', 'ip.src#2': '10.244.1.2' })).toBe(true);
    expect(matches(VXLAN, { 'ip.src#1': '10.244.1.2' })).toBe(false);
    expect(matches(VXLAN, { 'ip.src#3': '10.244.1.2' })).toBe(false);
  });

  it('knows either end, protocols that are there or not, and the length', () => {
    expect(matches(VXLAN, { 'udp.port': 8472, vxlan: true, arp: false })).toBe(true);
    expect(matches(VXLAN, { 'udp.port': 40000 })).toBe(true);
    expect(matches(VXLAN, { 'ip.addr': '10.244.2.2' })).toBe(true);
    expect(matches(VXLAN, { 'ip.addr': '10.244.2.3' })).toBe(false);
    expect(matches(ARP, { vxlan: true })).toBe(false);
    expect(matches(ARP, { 'frame.len': 42 })).toBe(true);
  });

  it('has operators', () => {
    for (const [text, holds] of [
      ['> 41', true],
      ['>42', false],
      ['>= 42', true],
      ['< 43', true],
      ['<= 41', false],
      ['!= 42', false],
      ['== 42', true],
    ] as const) {
      expect(matches(ARP, { 'frame.len': text }), text).toBe(holds);
    }
  });

  it('of nothing holds for any frame, and says so', () => {
    expect(matches(ARP, {})).toBe(true);
    expect(compileFilter({}).text).toBe('any frame');
    expect(compileFilter({ arp: true, 'frame.len': '> 1' }).text).toBe('arp && frame.len > 1');
  });

  it('refuses names that nobody fills and values of the wrong kind', () => {
    expect(filterMistake('udp.dport', 1)).toBe('name');
    expect(filterMistake('__proto__', 1)).toBe('name');
    expect(filterMistake('arp', 'yes')).toBe('layer');
    expect(filterMistake('ip.ttl', true)).toBe('layer');
    expect(filterMistake('ip.ttl', '>=')).toBe('value');
    expect(filterMistake('ip.ttl#2', '>= 3')).toBeNull();
  });
});

const tshark = spawnSync('tshark', ['-G', 'fields'], { encoding: 'utf8', maxBuffer: 1 << 28 });
const haveTshark = tshark.status === 0;
if (!haveTshark) console.warn('skipped in test/scenario/packet-filter: tshark is not installed');

it.skipIf(!haveTshark)("has no name that is not Wireshark's", () => {
  const known = new Set(tshark.stdout.split('\n').map((line) => line.split('\t')[2]));
  expect(FILTER_NAMES.filter((name) => !known.has(name))).toEqual([]);
});
