// iperf3: the command around apps/iperf-client.ts and apps/iperf-server.ts. TCP only.

import { parseIpv4 } from '../../addr/ipv4.ts';
import { IperfClient } from '../../apps/iperf-client.ts';
import { BLOCK_DEFAULT, BLOCK_MAX, IPERF_PORT, STREAMS_MAX } from '../../apps/iperf-protocol.ts';
import { IperfServer } from '../../apps/iperf-server.ts';
import type { IperfFormat } from '../../apps/iperf-text.ts';
import { NS_PER_S } from '../../sim/sim.ts';
import type { ShellCommand, ShellContext } from '../command.ts';
import { getopt } from './getopt.ts';
import { runProgram } from './run-program.ts';

const SPEC = 'c:sp:t:n:b:P:Ri:l:f:J1w:M:C:N4B:uVD';
const LONG: Readonly<Record<string, string>> = {
  client: 'c',
  server: 's',
  port: 'p',
  time: 't',
  bytes: 'n',
  bitrate: 'b',
  bandwidth: 'b',
  parallel: 'P',
  reverse: 'R',
  interval: 'i',
  length: 'l',
  format: 'f',
  json: 'J',
  'one-off': '1',
  window: 'w',
  'set-mss': 'M',
  congestion: 'C',
  'no-delay': 'N',
  version4: '4',
  bind: 'B',
  udp: 'u',
};
const USAGE = `Usage: iperf3 [-s|-c host] [options]
       iperf3 [-h|--help] [-v|--version]
`;
const DURATION = 10;
const PORT_MAX = 65_535;
const SECONDS_MAX = 1_000_000;
const MSS_MAX = 9 * 1024;

/** unit_atof and unit_atof_rate: K, M, G, T; of bytes by 1024, of rates by 1000. */
function amount(text: string, base: number): number | null {
  const match = /^(\d+(?:\.\d+)?)([kmgt]?)$/i.exec(text);
  if (match === null) return null;
  const power = match[2] === '' ? 0 : 'kmgt'.indexOf(match[2]!.toLowerCase()) + 1;
  return Number(match[1]) * base ** power;
}

async function run(args: readonly string[], ctx: ShellContext): Promise<number> {
  if (args.includes('-v') || args.includes('--version')) {
    ctx.out('iperf 3.12 (podwire)\n');
    return 0;
  }
  if (args.includes('-h') || args.includes('--help')) {
    ctx.out(USAGE);
    return 0;
  }
  const fail = (text: string): number => {
    ctx.err(`iperf3: parameter error - ${text}\n\n${USAGE}`);
    return 1;
  };
  const words = args.map((word) => {
    const match = /^--([a-z0-9-]+)(=(.*))?$/s.exec(word);
    const letter = match === null ? undefined : LONG[match[1]!];
    return letter === undefined ? word : `-${letter}${match![3] ?? ''}`;
  });
  const parsed = getopt(words, SPEC);
  if (parsed.error !== null || parsed.operands.length > 0)
    return fail(parsed.error ?? `unknown argument ${parsed.operands[0]}`);
  const given = new Map(parsed.options.map(([letter, value]) => [letter, value] as const));
  if (given.has('u')) return fail("podwire's iperf3 measures over TCP only");
  if (given.has('s') === given.has('c'))
    return fail(given.has('s') ? 'cannot be both server and client' : 'must either be a client (-c) or server (-s)');
  const numbers = { p: IPERF_PORT, t: DURATION, n: 0, b: 0, P: 1, i: 1, l: BLOCK_DEFAULT, w: 0, M: 0 };
  for (const letter of Object.keys(numbers) as (keyof typeof numbers)[]) {
    const text = given.get(letter);
    if (text === undefined) continue;
    const value = amount(text, letter === 'b' ? 1000 : 1024);
    if (value === null) return fail(`bad value for -${letter}: ${text}`);
    numbers[letter] = value;
  }
  const { p: port, t: time, n: num, b: bandwidth, P: parallel, i, l: len, w: window, M: maxSegment } = numbers;
  if (port < 1 || port > PORT_MAX || !Number.isInteger(port))
    return fail('port number must be between 1 and 65535 inclusive');
  if (parallel < 1 || parallel > STREAMS_MAX)
    return fail(`number of parallel streams too large (maximum = ${STREAMS_MAX})`);
  if (len < 1 || len > BLOCK_MAX) return fail(`block size too large (maximum = ${BLOCK_MAX} bytes)`);
  if (maxSegment > MSS_MAX) return fail(`MSS too large (maximum = ${MSS_MAX} bytes)`);
  if (time > SECONDS_MAX) return fail('test duration too long');
  const format = given.get('f') ?? 'a';
  if (!/^[akmgtKMGT]$/.test(format)) return fail(`bad format specifier (valid formats are in the set [kmgtKMGT])`);
  const address = parseIpv4(given.get('B') ?? '0.0.0.0');
  if (address === null) return fail(`bad address for -B: ${given.get('B')}`);
  const interval = Math.round(Math.min(i, SECONDS_MAX) * NS_PER_S);
  const common = { port, interval, format: format as IperfFormat };
  if (given.has('s')) return runProgram(ctx, new IperfServer(ctx, { ...common, address, oneOff: given.has('1') }));
  return runProgram(
    ctx,
    new IperfClient(ctx, {
      ...common,
      host: given.get('c')!,
      parameters: {
        tcp: true,
        time: num > 0 ? 0 : time,
        num: Math.floor(num),
        parallel: Math.floor(parallel),
        reverse: given.has('R'),
        len: Math.floor(len),
        bandwidth,
      },
      json: given.has('J'),
      maxSegment: Math.floor(maxSegment),
      window: Math.floor(window),
      congestion: given.get('C') ?? '',
      noDelay: given.has('N'),
      source: address,
    }),
  );
}

export const commands: readonly ShellCommand[] = [{ name: 'iperf3', summary: 'measures throughput over TCP', run }];
