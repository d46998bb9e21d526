// Proves that NAT of ours and of the kernel's rewrites the same packets to the same bytes: addresses, ports, checksums, ICMP
// identifiers, quotes of ICMP errors, fragments; and that it chooses addresses and keeps ports where the kernel does. Needs
// root, conntrack, iptables, /dev/net/tun and python3.

import { describe, expect, it } from 'vitest';
import {
  datagram,
  type Given,
  icmp,
  kernelRounds,
  noKernel,
  packet,
  type RoundResult,
  Router,
  segment,
} from './router.ts';

const missing = noKernel();
if (missing !== '') console.warn(`NAT against the kernel: skipped, ${missing}`);

function both(rules: string, rounds: readonly (readonly Given[])[]): { ours: RoundResult[]; kernel: RoundResult[] } {
  const kernel = kernelRounds([`iptables-restore <<'E'\n${rules}E`], rounds);
  const router = new Router();
  router.rules(rules);
  return { ours: rounds.map((packets) => router.round(packets)), kernel };
}

/** What a router says of its own accord has an identification of its own (and a checksum over it). */
const comparable = (out: RoundResult['out']): string[] =>
  out
    .map(
      ([side, hex]) =>
        `${side} ${hex.startsWith('45c0') ? `${hex.slice(0, 8)}....${hex.slice(12, 20)}....${hex.slice(24)}` : hex}`,
    )
    .sort();

/** Time-outs run on while the kernel is asked. */
const untimed = (list: readonly string[]): string[] => list.map((l) => l.replace(/^(\S+ +\d+) \d+/, '$1')).sort();

function expectSame(rules: string, rounds: readonly (readonly Given[])[]): void {
  const { ours, kernel } = both(rules, rounds);
  rounds.forEach((_, i) => {
    expect(comparable(ours[i]!.out), `packets of round ${i}`).toEqual(comparable(kernel[i]!.out));
    expect(untimed(ours[i]!.list), `entries after round ${i}`).toEqual(untimed(kernel[i]!.list));
  });
}

const A = '10.1.0.2';
const B = '10.2.0.2';
const SERVICE = '10.96.0.10';
const DNAT = `*nat
-A PREROUTING -d ${SERVICE}/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination ${B}:8080
-A PREROUTING -d ${SERVICE}/32 -p udp -m udp --dport 53 -j DNAT --to-destination ${B}:5353
-A PREROUTING -d ${SERVICE}/32 -p icmp -j DNAT --to-destination ${B}
COMMIT
`;
const tcp = (
  source: string,
  sourcePort: number,
  destination: string,
  destinationPort: number,
  flags: number,
  length = 0,
) => segment({ source, sourcePort, destination, destinationPort, flags, sequence: 1000, ack: 2000, length });

describe.skipIf(missing !== '')('NAT against the kernel', () => {
  it('DNATs TCP, UDP and ICMP and turns the answers back', { timeout: 60_000 }, () => {
    const noChecksum = datagram(A, 4002, SERVICE, 53);
    noChecksum[26] = 0;
    noChecksum[27] = 0;
    const ping = (source: string, destination: string, type: number) =>
      icmp(source, destination, type, 0, 0x1234_0001, new Uint8Array([1, 2, 3, 4, 5]));
    expectSame(DNAT, [
      [
        ['a', tcp(A, 4000, SERVICE, 80, 2)],
        ['a', datagram(A, 4001, SERVICE, 53, 33)],
        ['a', noChecksum],
        ['a', ping(A, SERVICE, 8)],
        ['a', tcp(A, 4000, SERVICE, 81, 2)],
      ],
      [
        ['b', tcp(B, 8080, A, 4000, 18)],
        ['b', datagram(B, 5353, A, 4001, 7)],
        ['b', datagram(B, 5353, A, 4002, 0)],
        ['b', ping(B, A, 0)],
      ],
      [['a', tcp(A, 4000, SERVICE, 80, 16, 100)]],
      [['b', tcp(B, 8080, A, 4000, 17, 1)]],
    ]);
  });

  it('rewrites the quotes of ICMP errors both ways', { timeout: 60_000 }, () => {
    const udp = datagram(A, 4001, SERVICE, 53, 33);
    const syn = tcp(A, 4000, SERVICE, 80, 2);
    // What B got: as it is quoted, in full and with eight bytes of TCP only.
    const got = datagram(A, 4001, B, 5353, 33);
    const gotSyn = tcp(A, 4000, B, 8080, 2);
    const answer = datagram(SERVICE, 53, A, 4001, 9);
    expectSame(`${DNAT}`, [
      [['a', udp]],
      [['a', syn]],
      [
        ['b', icmp(B, A, 3, 3, 0, got)],
        ['b', icmp('10.2.0.3', A, 11, 0, 0, got)],
        ['b', icmp(B, A, 3, 4, 1400, gotSyn.subarray(0, 28))],
        ['b', icmp(B, A, 3, 1, 0, gotSyn)],
        // About nothing that is known, too short, and a redirect.
        ['b', icmp(B, A, 3, 3, 0, datagram(A, 9999, B, 5353, 1))],
        ['b', icmp(B, A, 3, 3, 0, got.subarray(0, 24))],
        ['b', icmp(B, A, 5, 1, 0x0a020003, got)],
      ],
      [['b', datagram(B, 5353, A, 4001, 9)]],
      [['a', icmp(A, SERVICE, 3, 3, 0, answer)]],
    ]);
  });

  it('SNAT and MASQUERADE keep ports that are free, and identifiers', { timeout: 60_000 }, () => {
    const echo = (source: string, id: number) => icmp(source, B, 8, 0, (id << 16) | 1, new Uint8Array(8));
    const rules = '*nat\n-A POSTROUTING -o b -j MASQUERADE\nCOMMIT\n';
    expectSame(rules, [
      [
        ['a', tcp(A, 4000, B, 80, 2)],
        ['a', datagram(A, 4000, B, 53)],
        ['a', echo(A, 7)],
        ['a', tcp('10.1.0.3', 4001, B, 80, 2)],
        // Another destination: the same port again.
        ['a', tcp('10.1.0.3', 4000, '10.2.0.3', 80, 2)],
      ],
      [
        ['b', tcp(B, 80, '10.2.0.1', 4000, 18)],
        ['b', datagram(B, 53, '10.2.0.1', 4000)],
        ['b', icmp(B, '10.2.0.1', 0, 0, (7 << 16) | 1, new Uint8Array(8))],
        ['b', icmp('10.2.0.9', '10.2.0.1', 3, 3, 0, datagram('10.2.0.1', 4000, B, 53))],
      ],
    ]);
  });

  it('changes a taken port within its class', { timeout: 60_000 }, () => {
    const rules = '*nat\n-A POSTROUTING -o b -j SNAT --to-source 10.2.0.77\nCOMMIT\n';
    const sources = [2, 3, 4, 5].map((n) => `10.1.0.${n}`);
    const ports = [80, 511, 512, 700, 1023, 1024, 40_000];
    const rounds = [ports.flatMap((port) => sources.map((source): Given => ['a', datagram(source, port, B, 53)]))];
    const { ours, kernel } = both(rules, rounds);
    const classOf = (port: number): string =>
      port < 512 ? '1-511' : port < 600 ? '512-599' : port < 1024 ? '600-1023' : '1024-';
    const shape = (list: readonly string[]): string[] =>
      list
        .map((line) => {
          const m = /src=(\S+) dst=\S+ sport=(\d+) .*UNREPLIED.* dport=(\d+)/.exec(line)!;
          return `${m[1]} ${m[2]} -> ${m[2] === m[3] ? 'kept' : classOf(Number(m[3]))}`;
        })
        .sort();
    expect(shape(ours[0]!.list)).toEqual(shape(kernel[0]!.list));
    expect(new Set(ours[0]!.list.map((l) => /dport=(\d+) mark/.exec(l)![1])).size).toBe(ports.length * sources.length);
  });

  it('chooses the address of a range as the kernel does', { timeout: 60_000 }, () => {
    const range = '10.2.0.50-10.2.0.90';
    const flows = [2, 3, 4, 5].flatMap((n) =>
      [2, 3, 4, 5, 6].map((far, i): Given => ['a', datagram(`10.1.0.${n}`, 3000 + i, `10.2.0.${far}`, 53)]),
    );
    for (const flags of ['', ' --persistent']) {
      expectSame(`*nat\n-A POSTROUTING -o b -j SNAT --to-source ${range}${flags}\nCOMMIT\n`, [flows]);
      expectSame(`*nat\n-A PREROUTING -d ${SERVICE}/32 -j DNAT --to-destination 10.2.0.2-10.2.0.7${flags}\nCOMMIT\n`, [
        [2, 3, 4, 5, 6, 7].map((n): Given => ['a', datagram(`10.1.0.${n}`, 3000, SERVICE, 53)]),
      ]);
    }
    // One source keeps its mapping towards others.
    expectSame(`*nat\n-A POSTROUTING -o b -j SNAT --to-source ${range}\nCOMMIT\n`, [
      [2, 3, 4, 5, 6, 7].map((far): Given => ['a', datagram(A, 3000, `10.2.0.${far}`, 53)]),
    ]);
  });

  it('maps into a range of ports', { timeout: 60_000 }, () => {
    expectSame(
      `*nat
-A PREROUTING -d ${SERVICE}/32 -p udp -m udp --dport 1000:1099 -j DNAT --to-destination ${B}:2000-2099/1000
-A PREROUTING -d ${SERVICE}/32 -p udp -m udp --dport 7 -j DNAT --to-destination ${B}:7
COMMIT
`,
      [
        [
          ['a', datagram(A, 4000, SERVICE, 1000)],
          ['a', datagram(A, 4000, SERVICE, 1042)],
          ['a', datagram(A, 4000, SERVICE, 7)],
          ['a', datagram(A, 4000, SERVICE, 8)],
        ],
      ],
    );
  });

  it('puts fragments together, NATs them, and cuts them as they came', { timeout: 60_000 }, () => {
    const whole = datagram(A, 4001, SERVICE, 53, 3000, { id: 0x4242 }).subarray(20);
    const pieces = (size: number, df: number): Given[] => {
      const out: Given[] = [];
      for (let at = 0; at < whole.length; at += size) {
        const data = whole.subarray(at, at + size);
        const fragment = df | (at + size < whole.length ? 0x2000 : 0) | (at / 8);
        out.push(['a', packet({ source: A, destination: SERVICE, protocol: 17, fragment, id: 0x4242 }, data)]);
      }
      return out;
    };
    expectSame(DNAT, [pieces(1480, 0), pieces(800, 0), [...pieces(1480, 0)].reverse(), pieces(1480, 0x4000)]);
  });

  it('drops what conntrack finds invalid only where a rule says so', { timeout: 60_000 }, () => {
    const bad = datagram(A, 4001, SERVICE, 53);
    bad[27]! ^= 1;
    const short = tcp(A, 4000, SERVICE, 80, 2).subarray(0, 32);
    new DataView(short.buffer, short.byteOffset).setUint16(2, 32);
    for (const rule of ['', '*filter\n-A FORWARD -m conntrack --ctstate INVALID -j DROP\nCOMMIT\n']) {
      expectSame(rule + DNAT, [
        [
          ['a', bad],
          ['a', tcp(A, 4000, B, 80, 16)],
          ['a', tcp(A, 4000, SERVICE, 80, 18)],
          ['a', icmp(A, B, 9, 0, 0, new Uint8Array(8))],
          ['a', packet({ source: A, destination: B, protocol: 200 }, new Uint8Array(4))],
        ],
      ]);
    }
  });
});
