// tcphold.py, the small TCP program of the reference stimuli: its client as far as the connection attempt.

import { traceback } from '../../apps/python-text.ts';
import { TcpHold } from '../../apps/tcp-hold.ts';
import type { ShellCommand, ShellContext } from '../command.ts';
import { argparse } from './argparse.ts';
import { NO_RESOLVER, parseInetAddress } from './inet-address.ts';
import { runProgram } from './run-program.ts';

const USAGE = `usage: tcphold.py [-h] [--sport SPORT] [--size SIZE] [--linger]
                  mode dst port n gap
`;

function integer(text: string): number | null {
  return /^\s*[+-]?\d+\s*$/.test(text) ? Number(text) : null;
}

async function tcpHold(args: readonly string[], ctx: ShellContext): Promise<number> {
  if (args[0] === undefined) {
    ctx.err(traceback('IndexError: list index out of range'));
    return 1;
  }
  if (args[0] === 'server') {
    ctx.err('tcphold: podwire has no TCP server yet: it comes with a later version\n');
    return 1;
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
  const [, dst, portText] = parsed.operands as [string, string, string];
  const port = integer(portText);
  if (port === null) return usage(`argument port: invalid int value: '${portText}'`);
  const sportText = parsed.values.get('sport') ?? '0';
  const sourcePort = integer(sportText);
  if (sourcePort === null) return usage(`argument --sport: invalid int value: '${sportText}'`);
  for (const [call, number] of [
    ['bind', sourcePort],
    ['connect', port],
  ] as const) {
    if (number < 0 || number > 65_535) {
      ctx.err(traceback(`OverflowError: ${call}(): port must be 0-65535.`));
      return 1;
    }
  }
  const destination = parseInetAddress(dst);
  if (destination === null) {
    ctx.out(`0.000 gaierror [Errno -3] ${NO_RESOLVER}\n`);
    return 0;
  }
  return runProgram(ctx, new TcpHold(ctx, { destination, port, sourcePort }));
}

const summary = 'attempts a TCP connection';

export const commands: readonly ShellCommand[] = [
  { name: 'tcphold', summary, run: tcpHold },
  { name: 'tcphold.py', summary, run: tcpHold },
];
