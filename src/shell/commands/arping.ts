// arping (iputils 20221126): options; the rest is apps/arping.ts.

import { parseIpv4 } from '../../addr/ipv4.ts';
import { Arping, type ArpingOptions } from '../../apps/arping.ts';
import type { ShellCommand, ShellContext } from '../command.ts';
import { getopt } from './getopt.ts';
import { NO_RESOLVER, parseInetAddress } from './inet-address.ts';
import { parseInteger } from './iputils-number.ts';
import { runProgram } from './run-program.ts';

const SPEC = 'h?bfDUAqc:w:i:s:I:V';
const INT_MAX = 0x7fffffff;

const USAGE = `
Usage:
  arping [options] <destination>

Options:
  -f            quit on first reply
  -q            be quiet
  -b            keep on broadcasting, do not unicast
  -D            duplicate address detection mode
  -U            unsolicited ARP mode, update your neighbours
  -A            ARP answer mode, update your neighbours
  -V            print version and exit
  -c <count>    how many packets to send
  -w <timeout>  how long to wait for a reply
  -i <interval> set interval between packets (default: 1 second)
  -I <device>   which ethernet device to use
  -s <source>   source ip address
  <destination> ip address

`;

async function run(args: readonly string[], ctx: ShellContext): Promise<number> {
  const parsed = getopt(args, SPEC);
  const o: { -readonly [K in keyof ArpingOptions]: ArpingOptions[K] } = {
    target: 0,
    device: null,
    source: 0,
    count: 0,
    deadlineS: 0,
    intervalS: 1,
    quiet: false,
    quitOnReply: false,
    broadcastOnly: false,
    duplicateDetection: false,
    unsolicited: false,
    answer: false,
  };
  for (const [letter, value] of parsed.options) {
    const whole = (min: number): number | null => {
      const n = parseInteger(value, min, INT_MAX);
      if ('error' in n) {
        ctx.err(`arping: ${n.error}\n`);
        return null;
      }
      return n.value;
    };
    switch (letter) {
      case 'b':
        o.broadcastOnly = true;
        break;
      case 'f':
        o.quitOnReply = true;
        break;
      case 'D':
        o.duplicateDetection = true;
        o.quitOnReply = true;
        break;
      case 'U':
        o.unsolicited = true;
        break;
      case 'A':
        o.unsolicited = true;
        o.answer = true;
        break;
      case 'q':
        o.quiet = true;
        break;
      case 'c':
      case 'w':
      case 'i': {
        const n = whole(letter === 'w' ? 0 : 1);
        if (n === null) return 1;
        if (letter === 'c') o.count = n;
        else if (letter === 'w') o.deadlineS = n;
        else o.intervalS = n;
        break;
      }
      case 's': {
        const address = parseIpv4(value);
        if (address === null) {
          ctx.err(`arping: invalid source ${value}\n`);
          return 2;
        }
        o.source = address;
        break;
      }
      case 'I':
        o.device = value;
        break;
      case 'V':
        ctx.out(
          'arping from iputils 20221126\nlibcap: yes, IDN: yes, NLS: no, error.h: yes, getrandom(): yes, __fpending(): yes\n',
        );
        return 0;
      default:
        ctx.err(USAGE);
        return 2;
    }
  }
  if (parsed.error !== null || parsed.operands.length !== 1) {
    ctx.err(`${parsed.error === null ? '' : `arping: ${parsed.error}\n`}${USAGE}`);
    return 2;
  }
  const target = parseInetAddress(parsed.operands[0]!);
  if (target === null) {
    ctx.err(`arping: ${parsed.operands[0]!}: ${NO_RESOLVER}\n`);
    return 2;
  }
  o.target = target;
  return runProgram(ctx, new Arping(ctx, o));
}

const arping: ShellCommand = { name: 'arping', summary: 'sends ARP requests or announcements', run };

export const commands: readonly ShellCommand[] = [arping];
