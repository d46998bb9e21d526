// Proves that conntrack(8) prints and exits as the real one does: the same script on the real kernel, in a namespace of its own,
// and in the emulator. Masked: time-outs, which run, identifiers of ping, and the order of entries (the kernel's is by hash).

import { describe, expect, it } from 'vitest';
import { runShell } from '../rig.ts';
import { kernelMissing, runOnKernel } from './kernel.ts';

const missing = kernelMissing() ?? (runOnKernel(['conntrack -V'])[0]?.status === 0 ? null : 'no conntrack');
if (missing !== null) console.warn(`conntrack against the real one: skipped: ${missing}`);

const SCRIPT = `
ip link set lo up
conntrack -V
conntrack -L
conntrack -C
conntrack -D
conntrack -F
iptables -t raw -A OUTPUT -d 127.0.0.3 -j CT --zone 5
iptables -A INPUT -m conntrack --ctstate INVALID -j DROP
iptables -t nat -A OUTPUT -d 127.0.0.9 -p icmp -j DNAT --to-destination 127.0.0.2
ping -c 1 -W 1 -q 127.0.0.1
ping -c 1 -W 1 -q 127.0.0.2
ping -c 1 -W 1 -q 127.0.0.9
ping -c 1 -W 1 -q 127.0.0.3
conntrack -L
conntrack -L -o extended
conntrack -L -p icmp
conntrack -L -p tcp
conntrack -L -f ipv4
conntrack -L -f ipv6
conntrack -L --orig-dst 127.0.0.2
conntrack -L -d 127.0.0.9
conntrack -L --reply-src 127.0.0.2
conntrack -L -s 127.0.0.0/8
conntrack -L --dst-nat 127.0.0.2
conntrack -L --dst-nat 127.0.0.1
conntrack -L -g
conntrack -L -n
conntrack -L -j
conntrack -L -w 5
conntrack -L --zone 6
conntrack -L -u SEEN_REPLY
conntrack -L -u ASSURED
conntrack -L -m 0
conntrack -L -m 1
conntrack -L -p icmp --icmp-type 8
conntrack -L -p icmp --icmp-type 0
conntrack -L -p icmp --icmp-code 1
conntrack -L expect
conntrack -C
conntrack -U -p icmp -d 127.0.0.1 -m 6
conntrack -L -m 6
conntrack -L -p foo
conntrack -L --bogus
conntrack -L -s 300.1.1.1
conntrack -L --sport 5
conntrack -L --state ESTABLISHED
conntrack -L -p tcp --state FOO
conntrack -L -p tcp --state established
conntrack -D -p icmp -d 127.0.0.2
conntrack -D -p icmp -d 127.0.0.2
conntrack -D --orig-dst 127.0.0.9 --dst-nat 127.0.0.2
conntrack -C
conntrack -F
conntrack -L
conntrack -E -t 1
sysctl net.netfilter.nf_conntrack_count
sysctl net.netfilter.nf_conntrack_tcp_timeout_established net.netfilter.nf_conntrack_udp_timeout_stream
sysctl -w net.netfilter.nf_conntrack_udp_timeout=7
sysctl net.netfilter.nf_conntrack_udp_timeout
`;

/** Without time-outs, entries in order; ping's times. */
function comparable(text: string): string {
  return text
    .replaceAll(/^(ipv4 +2 )?(\S+ +\d+) \d+ /gm, '$1$2 T ')
    .replaceAll(/ id=\d+/g, ' id=N')
    .replaceAll(/time \d+ms|= [\d./]+ ms/g, 'T')
    .split('\n')
    .sort()
    .join('\n');
}

describe.skipIf(missing !== null)('conntrack', () => {
  it('answers as the real one does', { timeout: 60_000 }, async () => {
    const lines = SCRIPT.split('\n').filter((line) => line !== '');
    const real = runOnKernel(lines);
    const mark = '=====7a1d=====';
    const { all } = await runShell(lines.map((line) => `${line} 2>&1; echo "${mark}$?"`).join('\n'));
    const parts = all.split(mark);
    const expected: string[] = [];
    const found: string[] = [];
    for (const [i, line] of lines.entries()) {
      const ours = { out: parts[i]!.replace(/^\d+\n/, ''), status: Number.parseInt(parts[i + 1] ?? '-1', 10) };
      expected.push(`$ ${line} [${real[i]!.status}]\n${comparable(real[i]!.out)}`);
      found.push(`$ ${line} [${ours.status}]\n${comparable(ours.out)}`);
    }
    expect(found).toEqual(expected);
  });
});
