// Random scripts: a connection, then a peer that sends anything near what is in order and a program that writes, reads and
// closes when it likes. Only the stimuli; what should leave is the real kernel's to say (record-random.ts).

import { Rng } from '../../src/base/rng.ts';

const STEPS_MIN = 8;
const STEPS_SPREAD = 14;
/** Gaps between the steps, ms: short of every timer, or long enough for the delayed ACK and the loss probe. */
const GAPS = [5, 10, 10, 10, 100];
const PIECE = 500;

/** The script of a seed, each event with its absolute time. */
export function randomScript(seed: number): string {
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
      lines.push(`${at} < ${flags} ${from}:${from + length}(${length}) ack ${ack} win ${window}${more}`);
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
        say('.', next, 0, ack, end > hole ? ` <nop,nop,sack ${hole}:${end}>` : '');
      } else say('.', next, 0, ack);
    } else if (kind === 16 && rng.below(2) === 0) say(pick(['R', 'R.']), next + pick([0, 1, 1000, 70_000]), 0, acked);
    else if (kind === 17 && rng.below(2) === 0)
      say(pick(['S', 'S.', 'SF.']), next + pick([-1, 0, 5, 70_000]), 0, acked);
    else say('.', next, 0, acked);
  }
  return `\`sysctl -q net.ipv4.tcp_congestion_control=reno\`\n\n${lines.join('\n')}\n`;
}
