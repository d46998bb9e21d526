// Proves that our conntrack and the kernel's see random TCP conversations alike, sound and broken ones: state, time-out and
// flags of every connection after every segment. Needs root, conntrack, iptables, /dev/net/tun and python3.

import { expect, it } from 'vitest';
import { Rng } from '../../src/base/rng.ts';
import { type Given, kernelRounds, noKernel, Router, segment } from './router.ts';

const missing = noKernel();
if (missing !== '') console.warn(`conntrack against the kernel: skipped, ${missing}`);

const FIN = 1;
const SYN = 2;
const RST = 4;
const PSH = 8;
const ACK = 16;
const URG = 32;
const RULES = '*filter\n-A FORWARD -m conntrack --ctstate INVALID -j ACCEPT\nCOMMIT\n';
const FLOWS = 400;
const ROUNDS = 9;
/** Time-outs so far apart that it does not matter how long the kernel's rounds take; seconds, in the order of the defaults. */
const TIMEOUTS: Readonly<Record<string, number>> = {
  close: 2_000,
  last_ack: 4_000,
  close_wait: 6_000,
  syn_recv: 8_000,
  fin_wait: 10_000,
  syn_sent: 12_000,
  time_wait: 14_000,
  max_retrans: 20_000,
  unacknowledged: 30_000,
  established: 432_000,
};
const sysctl = (name: string): string => `net.netfilter.nf_conntrack_tcp_timeout_${name}`;
/** Rounds that take longer than this are a broken machine's. */
const SLACK = 60;

/** One conversation: where both ends stand, so that most segments are plausible. */
interface Flow {
  readonly port: number;
  readonly next: [number, number];
  readonly rng: Rng;
}

function step(flow: Flow): Given {
  const { rng } = flow;
  const pick = <T>(from: readonly T[]): T => from[rng.below(from.length)]!;
  const from = rng.below(2) as 0 | 1;
  const flags = pick([
    ...[SYN, SYN, SYN, SYN | ACK, SYN | ACK, SYN | ACK, ACK, ACK, ACK, ACK, ACK | PSH, ACK | PSH, FIN | ACK, FIN | ACK],
    ...[FIN | ACK, RST, RST | ACK, FIN, 0, SYN | FIN, ACK | URG, SYN | URG, 0x3f],
  ]);
  const mine = flow.next[from]!;
  const theirs = flow.next[1 - from]!;
  const sequence = (mine + pick([0, 0, 0, 0, 0, 0, -1, -100, 70_000, 900_000, 1])) >>> 0;
  const ack = (flags & ACK) === 0 ? 0 : (theirs + pick([0, 0, 0, 0, 0, 0, 0, 1, -90_000, 50_000])) >>> 0;
  const length = (flags & PSH) !== 0 ? pick([1, 100, 1000]) : 0;
  if (sequence === mine && (flags & RST) === 0) {
    const advance = length + ((flags & (SYN | FIN)) !== 0 ? 1 : 0);
    flow.next[from] = (mine + advance) >>> 0;
  }
  const options =
    (flags & SYN) !== 0
      ? pick([[], [2, 4, 5, 180], [2, 4, 5, 180, 4, 2, 1, 1, 3, 3, 7, 0], [1, 3, 3, 14, 4, 2, 0, 0]])
      : rng.below(10) === 0
        ? [1, 1, 5, 10, ...word(theirs + 2000), ...word(theirs + 3000)]
        : [];
  const a = '10.1.0.2';
  const b = '10.2.0.2';
  return [
    from === 0 ? 'a' : 'b',
    segment({
      source: from === 0 ? a : b,
      destination: from === 0 ? b : a,
      sourcePort: from === 0 ? flow.port : 80,
      destinationPort: from === 0 ? 80 : flow.port,
      flags,
      sequence,
      ack,
      length,
      options,
      window: pick([64_000, 64_000, 500, 0]),
    }),
  ];
}

function word(x: number): number[] {
  return [(x >>> 24) & 255, (x >>> 16) & 255, (x >>> 8) & 255, x & 255];
}

/** A line without its time-out, and the time-out. */
function split(line: string): [string, number] {
  const m = /^(\S+ +\d+ )(\d+) (.*)$/.exec(line)!;
  return [m[1]! + m[3]!, Number(m[2])];
}

it.skipIf(missing !== '')('sees random TCP conversations as the kernel does', { timeout: 120_000 }, () => {
  const rng = new Rng(10, 'conntrack-kernel');
  const flows = Array.from(
    { length: FLOWS },
    (_, i): Flow => ({ port: 2000 + i, next: [rng.u32(), rng.u32()], rng: rng.fork(String(i)) }),
  );
  const rounds = Array.from({ length: ROUNDS }, () => flows.map(step));
  const settings = Object.entries(TIMEOUTS).map(([name, seconds]) => `sysctl -qw ${sysctl(name)}=${seconds}`);
  const kernel = kernelRounds([`iptables-restore <<'E'\n${RULES}E`, ...settings], rounds);
  const router = new Router();
  for (const [name, seconds] of Object.entries(TIMEOUTS)) router.netns.sysctl.set(sysctl(name), String(seconds));
  router.rules(RULES);
  const different: string[] = [];
  rounds.forEach((packets, r) => {
    const ours = router.round(packets);
    const theirs = new Map(kernel[r]!.list.map((l) => split(l)));
    const own = new Map(ours.list.map((l) => split(l)));
    for (const [line, timeout] of theirs) {
      const mine = own.get(line);
      if (mine === undefined || Math.abs(mine - timeout) > SLACK)
        different.push(`round ${r}: kernel ${timeout} ${line}, ours ${mine}`);
    }
    for (const [line, timeout] of own) if (!theirs.has(line)) different.push(`round ${r}: ours ${timeout} ${line}`);
    // Every segment goes on, whatever conntrack makes of it.
    expect(ours.out.length).toBe(kernel[r]!.out.length);
  });
  expect(different.slice(0, 20)).toEqual([]);
});
