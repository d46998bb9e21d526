// Proves that the hand-written limit does the work it is measured for: the payloads arrive, in order and unchanged, and
// tshark finds every layer of every crossing whole, with right checksums.

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { CaptureTo, type FlowSettings, runHandWritten } from './hand-written.ts';

const PACKETS = 40;
const folder = mkdtempSync(join(tmpdir(), 'podwire-bench-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const hasTshark = spawnSync('tshark', ['--version']).status === 0;
if (!hasTshark) console.warn('hand-written.test: skipped what tshark judges (tshark is not installed)');

const CASES: [string, FlowSettings, number][] = [];
for (const payload of [64, 65, 1400]) {
  for (const [name, acrossNodes, throughSwitch, crossings] of [
    ['on one node', false, false, 4],
    ['across nodes', true, false, 10],
    ['across nodes through a switch', true, true, 12],
  ] as const) {
    const path = join(folder, `${name.replaceAll(' ', '-')}-${payload}.pcapng`);
    CASES.push([
      `${payload} B ${name}`,
      { acrossNodes, throughSwitch, payload, capture: CaptureTo.FILE, path },
      crossings,
    ]);
  }
}

describe.each(CASES)('%s', (_name, settings, crossings) => {
  it('delivers every payload in order and unchanged', () => {
    const got: Uint8Array[] = [];
    const result = runHandWritten({ ...settings, capture: CaptureTo.NOWHERE }, PACKETS, (p) => got.push(p));
    expect(result).toEqual({ delivered: PACKETS, crossings, captureBytes: 0 });
    got.forEach((payload, n) => {
      const expected = Uint8Array.from({ length: settings.payload }, (_, i) => (i * 7 + 3) & 0xff);
      new DataView(expected.buffer).setUint32(0, n, true);
      expect(payload).toEqual(expected);
    });
  });

  it('writes to a file exactly the bytes that it counted', () => {
    const result = runHandWritten(settings, PACKETS);
    expect(result.delivered).toBe(PACKETS);
    expect(statSync(settings.path).size).toBe(result.captureBytes);
  });

  it.skipIf(!hasTshark)('is read by tshark whole and with right checksums at every crossing', () => {
    runHandWritten(settings, PACKETS);
    const fields = [
      'frame.interface_id',
      'ip.ttl',
      'ip.checksum.status',
      'udp.checksum.status',
      'udp.length',
      'vxlan.vni',
    ];
    const text = execFileSync('tshark', [
      ...['-r', settings.path, '-d', 'udp.port==8472,vxlan', '-o', 'ip.check_checksum:TRUE'],
      ...['-o', 'udp.check_checksum:TRUE', '-T', 'fields', ...fields.flatMap((f) => ['-e', f])],
      ...['-e', '_ws.malformed', '-e', '_ws.expert.severity'],
    ]).toString();
    const rows = text
      .split('\n')
      .slice(0, -1)
      .map((line) => line.split('\t'));
    expect(rows.length).toBe(PACKETS * crossings);
    const ttl = (iface: number): string => {
      if (!settings.acrossNodes || iface < 3) return '64';
      if (iface === 4 || iface === 5 || iface > 9) return '64,63';
      return iface === 3 || iface === 6 ? '63' : '62';
    };
    for (const [iface = '', ttls, ip, udp, length, vni, malformed, severity] of rows) {
      const tunnelled = ttl(Number(iface)).includes(',');
      expect(ttls).toBe(ttl(Number(iface)));
      // 1 is good
      expect(ip).toBe(tunnelled ? '1,1' : '1');
      expect(udp).toBe(tunnelled ? '1,1' : '1');
      expect(length?.split(',').at(-1)).toBe(String(settings.payload + 8));
      expect(vni).toBe(tunnelled ? '1' : '');
      expect(malformed).toBe('');
      expect(severity ?? '').not.toContain('8388608');
    }
  });
});
