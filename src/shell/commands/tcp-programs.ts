// The small TCP programs that the reference stimuli name: tcphold.py, httpd.py (also under their names without .py).

import { Httpd } from '../../apps/http/httpd.ts';
import { traceback } from '../../apps/python-text.ts';
import { TcpEcho } from '../../apps/tcp-echo.ts';
import { TcpHold } from '../../apps/tcp-hold.ts';
import { NS_PER_S } from '../../sim/sim.ts';
import type { ShellCommand, ShellContext } from '../command.ts';
import { argparse } from './argparse.ts';
import { NO_RESOLVER, parseInetAddress } from './inet-address.ts';
import { runProgram } from './run-program.ts';

const USAGE = `usage: tcphold.py [-h] [--sport SPORT] [--size SIZE] [--linger]
                  mode dst port n gap
`;
const PORT_MAX = 65_535;
/** listen() of tcphold.py */
const HOLD_BACKLOG = 16;
/** Longest message that is kept. */
const SIZE_MAX = 100_000_000;
/** Longest wait that virtual time tells to the nanosecond. */
const GAP_MAX_S = 1_000_000;

function integer(text: string): number | null {
  return /^\s*[+-]?\d+\s*$/.test(text) ? Number(text) : null;
}

function float(text: string): number | null {
  return /^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$/.test(text) ? Number(text) : null;
}

/** int(sys.argv[i]) as a port to listen on; null when the script would have died, which it has told then. */
function portArgument(text: string | undefined, ctx: ShellContext): number | null {
  const fail = (exception: string): null => {
    ctx.err(traceback(exception));
    return null;
  };
  if (text === undefined) return fail('IndexError: list index out of range');
  const port = integer(text);
  if (port === null) return fail(`ValueError: invalid literal for int() with base 10: '${text}'`);
  if (port < 0 || port > PORT_MAX) return fail('OverflowError: bind(): port must be 0-65535.');
  return port;
}

async function tcpHold(args: readonly string[], ctx: ShellContext): Promise<number> {
  if (args[0] === undefined) {
    ctx.err(traceback('IndexError: list index out of range'));
    return 1;
  }
  if (args[0] === 'server') {
    const port = portArgument(args[1], ctx);
    if (port === null) return 1;
    return runProgram(ctx, new TcpEcho(ctx, { address: 0, port, backlog: HOLD_BACKLOG }));
  }
  const usage = (message: string): number => {
    ctx.err(`${USAGE}tcphold.py: error: ${message}\n`);
    return 2;
  };
  const parsed = argparse(args, {
    operands: ['mode', 'dst', 'port', 'n', 'gap'],
    valued: ['sport', 'size'],
    flags: ['linger'],
  });
  if (parsed.error !== null) return usage(parsed.error);
  const [, dst, portText, countText, gapText] = parsed.operands as [string, string, string, string, string];
  const port = integer(portText);
  if (port === null) return usage(`argument port: invalid int value: '${portText}'`);
  const count = integer(countText);
  if (count === null) return usage(`argument n: invalid int value: '${countText}'`);
  const gap = float(gapText);
  if (gap === null) return usage(`argument gap: invalid float value: '${gapText}'`);
  const numbers = { sport: 0, size: 10 };
  for (const name of ['sport', 'size'] as const) {
    const text = parsed.values.get(name);
    const value = text === undefined ? numbers[name] : integer(text);
    if (value === null) return usage(`argument --${name}: invalid int value: '${text}'`);
    numbers[name] = value;
  }
  const sourcePort = numbers.sport;
  for (const [call, number] of [
    ['bind', sourcePort],
    ['connect', port],
  ] as const) {
    if (number < 0 || number > PORT_MAX) {
      ctx.err(traceback(`OverflowError: ${call}(): port must be 0-65535.`));
      return 1;
    }
  }
  const destination = parseInetAddress(dst);
  if (destination === null) {
    ctx.out(`0.000 gaierror [Errno -3] ${NO_RESOLVER}\n`);
    return 0;
  }
  return runProgram(
    ctx,
    new TcpHold(ctx, {
      destination,
      port,
      sourcePort,
      count,
      gap: Math.round(Math.min(Math.max(gap, 0), GAP_MAX_S) * NS_PER_S),
      size: Math.min(Math.max(numbers.size, 0), SIZE_MAX),
      linger: parsed.flags.has('linger'),
    }),
  );
}

async function httpd(args: readonly string[], ctx: ShellContext): Promise<number> {
  const port = portArgument(args[0], ctx);
  if (port === null) return 1;
  const name = args[1];
  if (name === undefined) {
    ctx.err(traceback('IndexError: list index out of range'));
    return 1;
  }
  return runProgram(ctx, new Httpd(ctx, { port, body: new TextEncoder().encode(`${name}\n`) }));
}

const both = (name: string, summary: string, run: ShellCommand['run']): ShellCommand[] => [
  { name, summary, run },
  { name: `${name}.py`, summary, run },
];

export const commands: readonly ShellCommand[] = [
  ...both('tcphold', 'holds a TCP connection and echoes', tcpHold),
  ...both('httpd', 'answers HTTP requests with a name', httpd),
];
