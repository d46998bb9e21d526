// Random scripts: a connection, then a peer that sends anything near what is in order and a program that writes, reads and
// closes when it likes. Only the stimuli; what should leave is the real kernel's to say (record-random.ts).

import { Rng } from '../../src/base/rng.ts';

const STEPS_MIN = 8;
const STEPS_SPREAD = 14;
/** Gaps between the steps, ms: short of every timer, or long enough for the delayed ACK and the loss probe. */
const GAPS = [5, 10, 10, 10, 100];
const PIECE = 500;

/** Seeds from here on are of the second kind. */
const LOSSES_FROM = 1000;
/** Seeds from here on are of the first kind again, but we connect, with time stamps as a rule. */
const ACTIVE_FROM = 5000;
/** The peer's distance, ms: so far that the pacing rate makes two segments of each super-segment, however exact the clock. */
const RTT = 50;
/** Between two ACKs of a flight, ms. */
const STEP = 4;
const MSS = 1000;

/** The script of a seed, each event with its absolute time. */
export function randomScript(seed: number): string {
  if (seed >= ACTIVE_FROM) return anything(seed, true);
  return seed < LOSSES_FROM ? anything(seed, false) : losses(seed);
}

/**
 * A program that writes a few flights, and a peer that loses, reorders, repeats and forgets: it acknowledges each segment that
 * arrives, with SACK and time stamps where they were agreed on.
 */
function losses(seed: number): string {
  const rng = new Rng(seed, 'packetdrill/losses');
  const pick = <T>(items: readonly T[]): T => items[rng.below(items.length)]!;
  const sack = rng.below(4) !== 0;
  const stamps = rng.below(3) === 0;
  const options = [
    `mss ${MSS + (stamps ? 12 : 0)}`,
    ...(sack ? ['sackOK'] : []),
    ...(stamps ? ['TS val 1000 ecr 0'] : sack ? ['nop', 'nop'] : []),
    ...(stamps && !sack ? ['nop', 'nop'] : []),
    'nop',
    'wscale 7',
  ];
  const lines = [
    '0.000 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3',
    '0.000 bind(3, ..., ...) = 0',
    '0.000 listen(3, 1) = 0',
    `0.010 < S 0:0(0) win 32000 <${options.join(',')}>`,
  ];
  let ms = 10;
  const say = (ack: number, blocks: readonly (readonly [number, number])[], window = 500): void => {
    const parts: string[] = [];
    // What our time stamps said a round trip ago; the first one was sent at 10 ms and counts as 0.
    if (stamps) parts.push('nop', 'nop', `TS val ${1000 + ms} ecr ${Math.max(1, ms - RTT - 10)}`);
    const shown = blocks.slice(0, stamps ? 3 : 4).map(([a, b]) => `${a}:${b}`);
    if (sack && shown.length > 0) parts.push('nop', 'nop', `sack ${shown.join(' ')}`);
    const more = parts.length > 0 ? ` <${parts.join(',')}>` : '';
    lines.push(`${(ms / 1000).toFixed(3)} < . 1:1(0) ack ${ack} win ${window}${more}`);
  };
  ms += RTT;
  say(1, []);
  lines.push('0.070 accept(3, ..., ...) = 4', '0.070 fcntl(4, F_SETFL, O_RDWR|O_NONBLOCK) = 0');
  if (rng.below(4) === 0) lines.push('0.070 setsockopt(4, SOL_TCP, TCP_NODELAY, [1], 4) = 0');
  ms = 80;
  let una = 1;
  const flights = 1 + rng.below(3);
  for (let flight = 0; flight < flights; flight++) {
    const segments = 1 + rng.below(10);
    const odd = rng.below(3) === 0 ? rng.below(MSS) : 0;
    lines.push(`${(ms / 1000).toFixed(3)} write(4, ..., ${segments * MSS + odd}) = ...`);
    const end = una + segments * MSS + odd;
    const pieces: [number, number][] = [];
    for (let at = una; at < end; at += MSS) pieces.push([at, Math.min(at + MSS, end)]);
    const rate = pick([0, 0.1, 0.3, 0.6, 0.9]);
    const arrived = pieces.filter(() => rng.unit() >= rate);
    // Two that change places.
    if (arrived.length > 2 && rng.below(3) === 0) {
      const i = rng.below(arrived.length - 1);
      [arrived[i], arrived[i + 1]] = [arrived[i + 1]!, arrived[i]!];
    }
    ms += RTT;
    const have: [number, number][] = [];
    let ack = una;
    for (const piece of arrived) {
      ack = take(have, piece, ack);
      if (rng.below(6) !== 0) say(ack, have);
      // The same again: a D-SACK (RFC 2883).
      if (rng.below(12) === 0) say(ack, [piece, ...have]);
      ms += STEP;
    }
    // What is sent again arrives a round trip later, or only some of it.
    for (let round = 0; round < 3 && ack < end; round++) {
      ms += RTT + pick([0, 20, 200, 450]);
      const missing = pieces.filter(([a, b]) => b > ack && !have.some(([x, y]) => x <= a && b <= y));
      const some = missing.slice(0, 1 + rng.below(missing.length));
      for (const piece of some) ack = take(have, piece, ack);
      say(ack, have);
      if (rng.below(5) === 0) say(ack, have, 1000);
    }
    ms += 30;
    if (ack < end) say(end, []);
    una = end;
    ms += pick([10, 30, 400]);
  }
  if (rng.below(2) === 0) {
    lines.push(`${(ms / 1000).toFixed(3)} close(4) = 0`);
    ms += RTT;
    say(una + 1, []);
  }
  return `\`sysctl -q net.ipv4.tcp_congestion_control=reno\`\n\n${lines.join('\n')}\n`;
}

/** A piece arrives behind `ack`: what is in order is acknowledged, the rest stands in `have`, newest first. */
function take(have: [number, number][], piece: readonly [number, number], ack: number): number {
  let [from, to] = piece;
  for (let i = have.length - 1; i >= 0; i--) {
    const [a, b] = have[i]!;
    if (b < from || a > to) continue;
    from = Math.min(a, from);
    to = Math.max(b, to);
    have.splice(i, 1);
  }
  if (from <= ack) return Math.max(ack, to);
  have.unshift([from, to]);
  return ack;
}

function anything(seed: number, active: boolean): string {
  const rng = new Rng(seed, 'packetdrill');
  const pick = <T>(items: readonly T[]): T => items[rng.below(items.length)]!;
  const sack = rng.below(3) !== 0;
  const options = pick([
    `mss 1000${sack ? ',nop,nop,sackOK' : ''}`,
    `mss 1000${sack ? ',sackOK,nop,nop' : ''},nop,wscale 7`,
    `mss 500${sack ? ',nop,nop,sackOK' : ''},nop,wscale 0`,
  ]);
  const lines = [
    '0.000 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3',
    '0.000 bind(3, ..., ...) = 0',
    '0.000 listen(3, 1) = 0',
    `0.010 < S 0:0(0) win 20000 <${options}>`,
    '0.020 < . 1:1(0) ack 1 win 20000',
    '0.030 accept(3, ..., ...) = 4',
    '0.030 fcntl(4, F_SETFL, O_RDWR|O_NONBLOCK) = 0',
  ];
  const stamps = active && rng.below(4) !== 0;
  if (active) {
    const mss = pick([536, 1000, 1400]);
    const agreed = `mss ${mss}${stamps ? `,${sack ? 'sackOK' : 'nop,nop'},TS val 1000 ecr 0` : sack ? ',nop,nop,sackOK' : ''}`;
    const window = pick(['', ',nop,wscale 0', ',nop,wscale 5']);
    lines.splice(
      0,
      lines.length,
      '0.000 socket(..., SOCK_STREAM, IPPROTO_TCP) = 4',
      '0.000 fcntl(4, F_SETFL, O_RDWR|O_NONBLOCK) = 0',
      '0.000 connect(4, ..., ...) = -1 EINPROGRESS',
      `0.020 < S. 0:0(0) ack 1 win 20000 <${agreed}${window}>`,
    );
  }
  let ms = 30;
  // What the peer believes: its next sequence number; what it has seen of ours, at most.
  let next = 1;
  let written = 0;
  let acked = 1;
  let closed = false;
  const steps = STEPS_MIN + rng.below(STEPS_SPREAD);
  for (let i = 0; i < steps; i++) {
    ms += pick(GAPS);
    const at = (ms / 1000).toFixed(3);
    const window = pick([20_000, 20_000, 20_000, 2000, 100, 0, 65_535]);
    const say = (flags: string, from: number, length: number, ack: number, more = ''): void => {
      const value = 1000 + ms + (rng.below(12) === 0 ? pick([-500, 1, 100_000]) : 0);
      const stamp = stamps && rng.below(20) !== 0 ? `nop,nop,TS val ${value} ecr 0` : '';
      const options = [stamp, more].filter((o) => o !== '').join(',');
      const shown = options === '' ? '' : ` <${options}>`;
      lines.push(`${at} < ${flags} ${from}:${from + length}(${length}) ack ${ack} win ${window}${shown}`);
    };
    const kind = rng.below(20);
    if (kind < 4 && !closed) {
      const n = pick([1, 10, PIECE, 1000, 1500, 4000, 12_000]);
      lines.push(`${at} write(4, ..., ${n}) = ...`);
      written += n;
    } else if (kind < 6 && !closed) lines.push(`${at} read(4, ..., ${pick([10, 500, 5000])}) = ...`);
    else if (kind === 6 && !closed && rng.below(3) === 0) {
      lines.push(`${at} ${pick(['close(4)', 'shutdown(4, SHUT_WR)'])} = ...`);
      closed = true;
    } else if (kind < 11) {
      // In order, again, beyond a hole, or across what is there already.
      const from = Math.max(1, next + pick([0, 0, 0, -PIECE, PIECE, 2 * PIECE, 4 * PIECE, -100, 1]));
      const length = pick([1, 100, PIECE, PIECE, 1000]);
      const flags = pick(['.', 'P.', 'P.', ...(rng.below(8) === 0 ? ['FP.', 'F.'] : [])]);
      say(flags, from, length, acked);
      if (from <= next && from + length > next) next = from + length;
    } else if (kind < 16) {
      // Acknowledges some, all, nothing anew, or too much.
      const out = written + 1 - acked;
      const step = pick([0, 0, Math.min(out, PIECE), Math.min(out, 1000), Math.min(out, 2000), out]);
      acked += step;
      const ack = rng.below(25) === 0 ? acked + pick([1, 5000, 100_000]) : acked;
      const left = written + 1 - acked;
      if (sack && left > 1000 && rng.below(2) === 0) {
        const hole = acked + pick([500, 1000]);
        const end = Math.min(written + 1, hole + pick([500, 1000, 2000]));
        say('.', next, 0, ack, end > hole ? `nop,nop,sack ${hole}:${end}` : '');
      } else say('.', next, 0, ack);
    } else if (kind === 16 && rng.below(2) === 0) say(pick(['R', 'R.']), next + pick([0, 1, 1000, 70_000]), 0, acked);
    else if (kind === 17 && rng.below(2) === 0)
      say(pick(['S', 'S.', 'SF.']), next + pick([-1, 0, 5, 70_000]), 0, acked);
    else say('.', next, 0, acked);
  }
  return `\`sysctl -q net.ipv4.tcp_congestion_control=reno\`\n\n${lines.join('\n')}\n`;
}
