// nstat(8): the counters of a namespace (iproute2 6.1 misc/nstat.c; /proc/net/snmp, /proc/net/netstat). The names and their
// order are the kernel's (net/ipv4/proc.c); a namespace here counts those that podwire has.

import { SNMP_NAMES } from '../../stack/snmp.ts';
import type { ShellCommand, ShellContext } from '../command.ts';
import { CommandFailure, EXIT_FAILED, notEmulated } from './ip-arguments.ts';
import { guarded } from './ip-call.ts';

/** net/ipv4/proc.c: group and names. */
const GROUPS: readonly (readonly [group: string, names: string])[] = [
  [
    'Ip',
    'InReceives InHdrErrors InAddrErrors ForwDatagrams InUnknownProtos InDiscards InDelivers OutRequests OutDiscards ' +
      'OutNoRoutes ReasmTimeout ReasmReqds ReasmOKs ReasmFails FragOKs FragFails FragCreates OutTransmits',
  ],
  [
    'Icmp',
    'InMsgs InErrors InCsumErrors InDestUnreachs InTimeExcds InParmProbs InSrcQuenchs InRedirects InEchos InEchoReps ' +
      'InTimestamps InTimestampReps InAddrMasks InAddrMaskReps OutMsgs OutErrors OutRateLimitGlobal OutRateLimitHost ' +
      'OutDestUnreachs OutTimeExcds OutParmProbs OutSrcQuenchs OutRedirects OutEchos OutEchoReps OutTimestamps ' +
      'OutTimestampReps OutAddrMasks OutAddrMaskReps',
  ],
  ['IcmpMsg', ''],
  ['Udp', 'InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors IgnoredMulti MemErrors'],
  [
    'IpExt',
    'InNoRoutes InTruncatedPkts InMcastPkts OutMcastPkts InBcastPkts OutBcastPkts InOctets OutOctets InMcastOctets ' +
      'OutMcastOctets InBcastOctets OutBcastOctets InCsumErrors InNoECTPkts InECT1Pkts InECT0Pkts InCEPkts ReasmOverlaps',
  ],
];

/** Every counter of the namespace, in the kernel's order; names that the kernel has not stand last. */
function counters(snmp: ReadonlyMap<string, number>): (readonly [string, number])[] {
  const left = new Map(snmp);
  const out: (readonly [string, number])[] = [];
  const take = (name: string): void => {
    out.push([name, left.get(name) ?? 0]);
    left.delete(name);
  };
  for (const [group, names] of GROUPS) {
    if (group === 'IcmpMsg') {
      // Types appear as they are seen.
      const seen = [...left.keys()].filter((name) => name.startsWith('IcmpMsg'));
      for (const way of ['In', 'Out']) {
        const own = seen.filter((name) => name.startsWith(`IcmpMsg${way}Type`));
        for (const name of own.sort((a, b) => typeOf(a) - typeOf(b))) take(name);
      }
    } else for (const name of names.split(' ')) take(`${group}${name}`);
  }
  return [...out, ...left];
}

function typeOf(name: string): number {
  return Number(/\d+$/.exec(name)?.[0] ?? 0);
}

async function run(args: readonly string[], ctx: ShellContext): Promise<number> {
  return guarded(ctx, () => {
    let zeros = false;
    const patterns: RegExp[] = [];
    for (const arg of args) {
      if (arg === '--zeros') zeros = true;
      else if (arg === '--noupdate' || arg === '--ignore' || arg === '--reset') continue;
      else if (arg === '-V' || arg === '--version') {
        ctx.out('nstat utility, iproute2-6.1.0\n');
        return 0;
      } else if (/^-[aznsr]+$/.test(arg)) zeros ||= arg.includes('z');
      else if (arg.startsWith('-')) throw notEmulated('nstat', `the option ${arg}`);
      else patterns.push(globPattern(arg));
    }
    ctx.out('#kernel\n');
    for (const [name, value] of counters(new Map(SNMP_NAMES.map((name, i) => [name, ctx.netns.snmp[i]!])))) {
      if (value === 0 && !zeros) continue;
      if (patterns.length > 0 && !patterns.some((p) => p.test(name))) continue;
      ctx.out(`${name.padEnd(31)} ${String(value).padEnd(18)} 0.0\n`);
    }
    return 0;
  });
}

function globPattern(glob: string): RegExp {
  if (glob.length > 200) throw new CommandFailure(`nstat: pattern too long`, EXIT_FAILED);
  const source = glob
    .replaceAll(/[.+^${}()|\\[\]]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${source}$`);
}

const nstat: ShellCommand = { name: 'nstat', summary: "show the namespace's packet counters", run };

export const commands: readonly ShellCommand[] = [nstat];
