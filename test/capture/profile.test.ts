// Proves that the Wireshark profile in captures/ loads without a complaint and shows interface, direction, packet id,
// names and comments, with VXLAN on port 8472 taken apart.

import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseIpv4 } from '../../src/addr/ipv4.ts';
import { DropReason } from '../../src/base/drop-reason.ts';
import { MemorySink } from '../../src/capture/sink.ts';
import { NS_PER_S } from '../../src/sim/sim.ts';
import { send, TestWorld } from '../link/world.ts';
import { haveWireshark, temporary, written } from './judge.ts';
import { podToPod, podToPodVxlan } from './packets.ts';
import { recorder } from './recording.ts';

const PROFILE = join(import.meta.dirname, '../../captures/wireshark-profile');

function capture(): string {
  const world = new TestWorld();
  const [left, right] = world.veth('pod-a/eth0', 'node-1/vetha');
  const sink = new MemorySink();
  const r = recorder(world, { output: { kind: 'sink', sink } });
  world.drop = (frame, reason, where, dev) => r.drop(frame, reason, where, dev);
  r.addNames([
    { address: parseIpv4('10.244.1.2')!, names: ['pod-a.default'] },
    { address: parseIpv4('10.244.2.3')!, names: ['pod-b.default'] },
  ]);
  r.attach(left);
  r.attach(right);
  right.setUpper({ input: (frame, dev) => dev.end(frame, DropReason.VXLAN_NO_REMOTE) });
  send(left, podToPod());
  send(left, podToPodVxlan());
  world.sim.runUntil(NS_PER_S);
  r.close();
  return written('profile.pcapng', sink.bytes);
}

describe.runIf(haveWireshark)('tshark -C podwire', () => {
  const run = (...more: string[]): { lines: string[]; complaint: string } => {
    const config = temporary('config');
    mkdirSync(join(config, 'profiles'), { recursive: true });
    cpSync(PROFILE, join(config, 'profiles/podwire'), { recursive: true });
    const result = spawnSync('tshark', ['-C', 'podwire', '-r', capture(), ...more], {
      encoding: 'utf8',
      env: { ...process.env, WIRESHARK_CONFIG_DIR: config, LC_ALL: 'C.UTF-8' },
    });
    const complaint = result.stderr.split('\n').filter((line) => line !== '' && !line.includes('Running as user'));
    return { lines: result.stdout.split('\n').filter(Boolean), complaint: complaint.join('\n') };
  };

  test('shows its columns, with names from the capture', () => {
    const { lines, complaint } = run();
    expect(complaint).toBe('');
    expect(lines.length).toBe(4);
    expect(lines[0]).toMatch(/pod-a\/eth0 Outbound 1 +pod-a\.default → pod-b\.default +UDP 46/);
    const dropped =
      /node-1\/vetha Inbound 1 .* dropped at node-1\/vetha: VXLAN_NO_REMOTE: no FDB entry says which VTEP/;
    expect(lines[2]).toMatch(dropped);
  });

  test('takes VXLAN on port 8472 apart: pods, not nodes, are shown', () => {
    const { lines } = run('-Y', 'vxlan');
    expect(lines.length).toBe(2);
    expect(lines[0]).toMatch(/Outbound 2 +pod-a\.default → pod-b\.default +UDP 96/);
  });

  test('its colour filters are valid', () => {
    // One filter per coloured frame is named by frame.coloring_rule.name.
    const { lines, complaint } = run('--color', '-T', 'fields', '-e', 'frame.coloring_rule.name');
    expect(complaint).toBe('');
    expect(lines).toEqual(['UDP', 'VXLAN', 'Dropped here', 'Dropped here']);
  });

  test('verifies checksums', () => {
    const { lines } = run('-T', 'fields', '-e', 'ip.checksum.status');
    expect(lines).toEqual(['1', '1,1', '1', '1,1']);
  });
});
