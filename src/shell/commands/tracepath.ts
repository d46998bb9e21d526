// tracepath (iputils 20221126): options; the rest is apps/tracepath.ts.

import { Tracepath } from '../../apps/tracepath.ts';
import type { ShellCommand, ShellContext } from '../command.ts';
import { getopt } from './getopt.ts';
import { parseInteger } from './iputils-number.ts';
import { lookupTarget } from './lookup-target.ts';
import { runProgram } from './run-program.ts';

const SPEC = '46nbh?l:m:p:V';
const USAGE = `
Usage
  tracepath [options] <destination>

Options:
  -4             use IPv4
  -b             print both name and IP
  -l <length>    use packet <length>
  -m <hops>      use maximum <hops>
  -n             no reverse DNS name resolution
  -p <port>      use destination <port>
  -V             print version and exit
  <destination>  an IPv4 address

`;
/** DEFAULT_BASEPORT, MAX_HOPS_DEFAULT, and the longest IPv4 packet. */
const BASE_PORT = 44_444;
const MAX_HOPS = 30;
const LENGTH = 65_535;
const MIN_LENGTH = 28;

async function run(args: readonly string[], ctx: ShellContext): Promise<number> {
  const parsed = getopt(args, SPEC);
  const numbers = { l: LENGTH, m: MAX_HOPS, p: BASE_PORT };
  const limits = { l: [MIN_LENGTH, LENGTH], m: [0, 255], p: [0, 65_535] } as const;
  for (const [letter, value] of parsed.options) {
    switch (letter) {
      case 'n':
      case 'b':
      case '4':
        break;
      case 'l':
      case 'm':
      case 'p': {
        const n = parseInteger(value, limits[letter][0], limits[letter][1]);
        if ('error' in n) {
          ctx.err(`tracepath: ${n.error}\n`);
          return 1;
        }
        numbers[letter] = n.value;
        break;
      }
      case 'V':
        ctx.out('tracepath from iputils 20221126\n');
        return 0;
      case '6':
        ctx.err("tracepath: podwire's tracepath does not do IPv6 (-6)\n");
        return 2;
      default:
        ctx.err(USAGE);
        return 2;
    }
  }
  const [target, port] = (parsed.operands[0] ?? '').split('/');
  if (parsed.error !== null || parsed.operands.length !== 1 || target === undefined) {
    ctx.err(`${parsed.error === null ? '' : `tracepath: ${parsed.error}\n`}${USAGE}`);
    return 2;
  }
  if (port !== undefined && /^\d{1,5}$/.test(port)) numbers.p = Number(port);
  const found = await lookupTarget(ctx, target);
  if ('error' in found) {
    ctx.err(`tracepath: ${target}: ${found.error}\n`);
    return 1;
  }
  const destination = found.address;
  const { l: length, m: maxHops, p } = numbers;
  return runProgram(ctx, new Tracepath(ctx, { target, destination, port: p, maxHops, length }));
}

const tracepath: ShellCommand = { name: 'tracepath', summary: 'shows the way to a host and its path MTU', run };

export const commands: readonly ShellCommand[] = [tracepath];
