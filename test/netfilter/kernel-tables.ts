// The same rules and packets on the real kernel, in a network namespace that ends with the run.

import { spawnSync } from 'node:child_process';

/** Why the real kernel cannot be asked here, or null. */
export function kernelTablesMissing(): string | null {
  if (process.getuid?.() !== 0) return 'not root';
  for (const tool of ['iptables-restore', 'ipset', 'python3', 'nft']) {
    if (spawnSync('sh', ['-c', `command -v ${tool}`]).status !== 0) return `${tool} is not installed`;
  }
  const version = spawnSync('iptables', ['-V'], { encoding: 'utf8' }).stdout.trim();
  if (version !== 'iptables v1.8.9 (nf_tables)') return `iptables is ${version}, not 1.8.9 with nf_tables`;
  const probe = spawnSync('unshare', [
    '-n',
    'sh',
    '-c',
    'iptables -A INPUT -m comment --comment x && ipset create x hash:ip',
  ]);
  return probe.status === 0 ? null : 'no network namespaces with iptables and ipset here';
}

const SENDER = `
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
s.setsockopt(socket.IPPROTO_IP, socket.IP_HDRINCL, 1)
for line in sys.stdin:
    p = bytes.fromhex(line.strip())
    try:
        s.sendto(p, (socket.inet_ntoa(p[16:20]), 0))
    except PermissionError:
        pass
`;

/**
 * Loads sets and rules, sends the packets by eth0, in order, and saves with counters.
 * @returns iptables-save -c, without the lines that begin with #
 */
export function countOnKernel(sets: string, rules: string, packets: readonly Uint8Array[]): string {
  const hex = packets.map((p) => Buffer.from(p).toString('hex')).join('\n');
  const script = `set -e
ip link set lo up
ip link add eth0 type veth peer name far
ip link set far up
ip link set eth0 up
ip route add default dev eth0
ipset restore <<'SETS'
${sets}SETS
iptables-restore <<'RULES'
${rules}RULES
python3 -c "$SENDER" <<'PACKETS'
${hex}
PACKETS
iptables-save -c | grep -v '^#'
`;
  const run = spawnSync('unshare', ['-n', 'bash', '-c', script], {
    encoding: 'utf8',
    env: { ...process.env, SENDER },
    maxBuffer: 64 << 20,
  });
  if (run.status !== 0) throw new Error(`the kernel's side failed: ${run.stderr}\n${rules}`);
  return run.stdout;
}
