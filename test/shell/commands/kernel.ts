// Runs command lines on the real kernel, in fresh network and mount namespaces of their own that end with the run.

import { spawnSync } from 'node:child_process';
import type { Answer } from './emulated.ts';

/** Why the real kernel cannot be asked here, or null. */
export function kernelMissing(): string | null {
  if (process.getuid?.() !== 0) return 'not root';
  for (const tool of ['ip', 'bridge', 'brctl', 'arp', 'sysctl']) {
    if (spawnSync('sh', ['-c', `command -v ${tool}`]).status !== 0) return `${tool} is not installed`;
  }
  const probe = spawnSync('unshare', [
    '-m',
    '-n',
    'sh',
    '-c',
    'ip link add x0 type veth peer name x1 && ip link add x2 type bridge',
  ]);
  return probe.status === 0 ? null : 'no network namespaces here';
}

const MARK = '=====8f2c=====';

/** The answers, one for each line. A line `sleep N` waits in real time. */
export function runOnKernel(lines: readonly string[]): Answer[] {
  const script = [
    'mount -t tmpfs tmpfs /run/netns 2>/dev/null || { mkdir -p /run/netns && mount -t tmpfs tmpfs /run/netns; }',
    'mount -t sysfs sysfs /sys 2>/dev/null',
    'sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1',
    ...lines.map((line) => `${line} 2>&1; echo "${MARK}$?"${withoutIpv6(line)}${untilSettled(line)}`),
  ].join('\n');
  const run = spawnSync('unshare', ['-m', '-n', 'bash', '-c', script], { encoding: 'utf8', maxBuffer: 64 << 20 });
  const parts = run.stdout.split(MARK);
  return lines.map((_, i) => {
    const out = i === 0 ? parts[0]! : parts[i]!.replace(/^\d+\n/, '');
    return { out, status: Number.parseInt(parts[i + 1] ?? '-1', 10) };
  });
}

/** Operational states are set by a work queue (net/core/link_watch.c), which a busy host runs late. */
function untilSettled(line: string): string {
  return /\b(up|down|master)\b/.test(line) ? '; sleep 0.03' : '';
}

/** IPv6 is off in every namespace, as in the golden captures. */
function withoutIpv6(line: string): string {
  const name = /^ip netns add (\S+)$/.exec(line)?.[1];
  if (name === undefined) return '';
  return `; ip netns exec ${name} sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1 2>/dev/null`;
}
