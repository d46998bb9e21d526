// The small programs that the reference stimuli name, with the options of the scripts: udpsend.py, udpecho.py, sendraw.py
// (also under their names without .py). What they do is in apps/.

import { parseIpv4 } from '../../addr/ipv4.ts';
import { traceback } from '../../apps/python-text.ts';
import { SendRaw } from '../../apps/send-raw.ts';
import { UdpEcho } from '../../apps/udp-echo.ts';
import { UdpSend } from '../../apps/udp-send.ts';
import { NS_PER_S } from '../../sim/sim.ts';
import { PathMtuDiscovery } from '../../stack/path-mtu-discovery.ts';
import type { ShellCommand, ShellContext } from '../command.ts';
import { argparse } from './argparse.ts';
import { parseInetAddress } from './inet-address.ts';
import { runProgram } from './run-program.ts';

const PMTU_MODES: Readonly<Record<string, PathMtuDiscovery>> = {
  dont: PathMtuDiscovery.DONT,
  want: PathMtuDiscovery.WANT,
  do: PathMtuDiscovery.DO,
  probe: PathMtuDiscovery.PROBE,
};
const USAGE = `usage: udpsend.py [-h] [--sizes SIZES] [--df DF] [--sport SPORT] [--connect]
                  [--wait WAIT] [--gap GAP] [--noreply] [--burst] [--tos TOS]
                  [--ttl TTL] [--recverr]
                  dst port
`;
/** Longest payload kept; the socket refuses it anyway. */
const SIZE_MAX = 1_000_000;
/** Longest wait that virtual time tells to the nanosecond. */
const WAIT_MAX_S = 1_000_000;

/** int() of Python for decimal text; null when it is none. */
function integer(text: string): number | null {
  return /^\s*[+-]?\d+\s*$/.test(text) ? Number(text) : null;
}

async function udpSend(args: readonly string[], ctx: ShellContext): Promise<number> {
  const usage = (message: string): number => {
    ctx.err(`${USAGE}udpsend.py: error: ${message}\n`);
    return 2;
  };
  if (args.includes('-h') || args.includes('--help')) {
    ctx.out(USAGE);
    return 0;
  }
  const parsed = argparse(args, {
    operands: ['dst', 'port'],
    valued: ['sizes', 'df', 'sport', 'wait', 'gap', 'tos', 'ttl'],
    flags: ['connect', 'noreply', 'burst', 'recverr'],
  });
  if (parsed.error !== null) return usage(parsed.error);
  const { values, flags } = parsed;
  const [dst, portText] = parsed.operands as [string, string];
  const port = integer(portText);
  if (port === null) return usage(`argument port: invalid int value: '${portText}'`);
  const numbers = new Map<string, number>();
  for (const name of ['sport', 'tos', 'ttl', 'wait', 'gap']) {
    const text = values.get(name);
    if (text === undefined) continue;
    const seconds = name === 'wait' || name === 'gap';
    const value = seconds ? (/^\d*\.?\d+$|^\d+\.$/.test(text) ? Number(text) : null) : integer(text);
    if (value === null) return usage(`argument --${name}: invalid ${seconds ? 'float' : 'int'} value: '${text}'`);
    numbers.set(name, seconds ? Math.min(value, WAIT_MAX_S) : value);
  }
  const df = values.get('df');
  const fail = (exception: string): number => {
    ctx.err(traceback(exception));
    return 1;
  };
  if (df !== undefined && PMTU_MODES[df] === undefined) return fail(`KeyError: '${df}'`);
  for (const [name, low, high] of [
    ['tos', 0, 255],
    ['ttl', 1, 255],
  ] as const) {
    const value = numbers.get(name);
    if (value !== undefined && (value < low || value > high)) return fail('OSError: [Errno 22] Invalid argument');
  }
  const sizes: number[] = [];
  for (const text of (values.get('sizes') ?? '1').split(',')) {
    const size = integer(text);
    if (size === null) return fail(`ValueError: invalid literal for int() with base 10: '${text}'`);
    sizes.push(Math.min(Math.max(size, 0), SIZE_MAX));
  }
  const destination = parseInetAddress(dst);
  return runProgram(
    ctx,
    new UdpSend(ctx, {
      destination,
      port,
      sizes,
      pathMtuDiscovery: df === undefined ? null : PMTU_MODES[df]!,
      sourcePort: numbers.get('sport') ?? 0,
      connect: flags.has('connect'),
      wait: Math.round((numbers.get('wait') ?? 1) * NS_PER_S),
      gap: Math.round((numbers.get('gap') ?? 0.1) * NS_PER_S),
      noReply: flags.has('noreply'),
      burst: flags.has('burst'),
      tos: numbers.get('tos') ?? null,
      ttl: numbers.get('ttl') ?? null,
      recvErr: flags.has('recverr'),
    }),
  );
}

async function udpEcho(args: readonly string[], ctx: ShellContext): Promise<number> {
  const [portText, addressText = '0.0.0.0'] = args;
  if (portText === undefined) {
    ctx.err(traceback('IndexError: list index out of range'));
    return 1;
  }
  const port = integer(portText);
  if (port === null) {
    ctx.err(traceback(`ValueError: invalid literal for int() with base 10: '${portText}'`));
    return 1;
  }
  if (port < 0 || port > 65_535) {
    ctx.err(traceback('OverflowError: bind(): port must be 0-65535.'));
    return 1;
  }
  const address = parseIpv4(addressText);
  if (address === null) {
    ctx.err(traceback('socket.gaierror: [Errno -3] Temporary failure in name resolution'));
    return 1;
  }
  return runProgram(ctx, new UdpEcho(ctx, port, address));
}

async function sendRaw(args: readonly string[], ctx: ShellContext): Promise<number> {
  const [device, ...frames] = args;
  if (device === undefined) {
    ctx.err(traceback('IndexError: list index out of range'));
    return 1;
  }
  return runProgram(ctx, new SendRaw(ctx, device, frames));
}

const both = (name: string, summary: string, run: ShellCommand['run']): ShellCommand[] => [
  { name, summary, run },
  { name: `${name}.py`, summary, run },
];

export const commands: readonly ShellCommand[] = [
  ...both('udpsend', 'sends UDP datagrams and prints what comes back', udpSend),
  ...both('udpecho', 'sends every UDP datagram back', udpEcho),
  ...both('sendraw', 'sends Ethernet frames as given', sendRaw),
];
