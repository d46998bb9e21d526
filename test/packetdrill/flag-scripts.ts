// One odd segment in each state of a connection: scripts for every combination of flags, and the file that holds what the
// real kernel answered to each (flag-answers.json, written by record-flags.ts).

/** How a connection is brought to a state, then the numbers of the segment that is next in order there. */
export const STATES: Readonly<Record<string, readonly [script: string, sequence: number, ack: number]>> = (() => {
  const listen = `0.000 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
0.000 bind(3, ..., ...) = 0
0.000 listen(3, 1) = 0
`;
  const synReceived = `${listen}0.006 < S 0:0(0) win 32792 <mss 1000>
0.006 > S. 0:0(0) ack 1 <...>
`;
  const established = `${synReceived}0.010 < . 1:1(0) ack 1 win 32792
0.014 accept(3, ..., ...) = 4
`;
  const finWait1 = `${established}0.018 shutdown(4, SHUT_WR) = 0
0.018 > F. 1:1(0) ack 1
`;
  const closeWait = `${established}0.018 < F. 1:1(0) ack 1 win 32792
0.018 > . 1:1(0) ack 2
`;
  return {
    CLOSED: ['', 1, 1],
    LISTEN: [listen, 1, 1],
    SYN_SENT: [
      `0.000 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
0.000 fcntl(3, F_SETFL, O_RDWR|O_NONBLOCK) = 0
0.000 connect(3, ..., ...) = -1 EINPROGRESS
0.000 > S 0:0(0) <...>
`,
      0,
      1,
    ],
    SYN_RECV: [synReceived, 1, 1],
    ESTABLISHED: [established, 1, 1],
    FIN_WAIT1: [finWait1, 1, 1],
    FIN_WAIT2: [`${finWait1}0.022 < . 1:1(0) ack 2 win 32792\n`, 1, 2],
    CLOSING: [`${finWait1}0.022 < F. 1:1(0) ack 1 win 32792\n0.022 > . 2:2(0) ack 2\n`, 2, 1],
    CLOSE_WAIT: [closeWait, 2, 1],
    LAST_ACK: [`${closeWait}0.022 close(4) = 0\n0.022 > F. 1:1(0) ack 2\n`, 2, 1],
    TIME_WAIT: [`${finWait1}0.022 < F. 1:1(0) ack 2 win 32792\n0.022 > . 2:2(0) ack 2\n`, 2, 2],
  };
})();

/** Every combination of FIN, SYN, RST, PSH, URG and ACK. */
export const FLAGS: readonly string[] = Array.from({ length: 64 }, (_, bits) => {
  const letters = [...'FSRPU.'].filter((_letter, i) => (bits & (1 << i)) !== 0).join('');
  return letters === '' ? '-' : letters;
});
export const LENGTHS = [0, 10] as const;

/** The odd segment, and then one in order that shows what became of the connection. */
export function probes(state: string, flags: string, length: number): [odd: string, after: string] {
  const [, sequence, ack] = STATES[state]!;
  const acks = flags.includes('.') ? ` ack ${ack}` : '';
  return [
    `0.030 < ${flags} ${sequence}:${sequence + length}(${length})${acks} win 32792`,
    `0.036 < P. ${sequence}:${sequence + 5}(5) ack ${ack} win 32792`,
  ];
}

/** `STATE/flags/length` to what left: after the odd segment, and after the one that shows what became of it. */
export type Answers = Record<string, readonly [odd: readonly string[], after: readonly string[]]>;
