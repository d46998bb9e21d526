// ICMP errors in the words of ping (iputils ping.c pr_icmph).

import { formatIpv4 } from '../addr/ipv4.ts';
import { IcmpType, IcmpUnreach } from '../wire/icmp.ts';

const UNREACH: Readonly<Record<number, string>> = {
  [IcmpUnreach.NET]: 'Destination Net Unreachable',
  [IcmpUnreach.HOST]: 'Destination Host Unreachable',
  [IcmpUnreach.PROTOCOL]: 'Destination Protocol Unreachable',
  [IcmpUnreach.PORT]: 'Destination Port Unreachable',
  [IcmpUnreach.SOURCE_ROUTE]: 'Source Route Failed',
  [IcmpUnreach.NET_UNKNOWN]: 'Destination Net Unknown',
  [IcmpUnreach.HOST_UNKNOWN]: 'Destination Host Unknown',
  [IcmpUnreach.HOST_ISOLATED]: 'Source Host Isolated',
  [IcmpUnreach.NET_PROHIBITED]: 'Destination Net Prohibited',
  [IcmpUnreach.HOST_PROHIBITED]: 'Destination Host Prohibited',
  [IcmpUnreach.NET_TOS]: 'Destination Net Unreachable for Type of Service',
  [IcmpUnreach.HOST_TOS]: 'Destination Host Unreachable for Type of Service',
  [IcmpUnreach.FILTERED]: 'Packet filtered',
  [IcmpUnreach.PRECEDENCE]: 'Precedence Violation',
  [IcmpUnreach.PRECEDENCE_CUTOFF]: 'Precedence Cutoff',
};

const REDIRECT = [
  'Redirect Network',
  'Redirect Host',
  'Redirect Type of Service and Network',
  'Redirect Type of Service and Host',
] as const;

/** @param info MTU, gateway or pointer, as the type has it */
export function icmpErrorText(type: number, code: number, info: number): string {
  switch (type) {
    case IcmpType.DEST_UNREACH:
      if (code === IcmpUnreach.FRAG_NEEDED) return `Frag needed and DF set (mtu = ${info})`;
      return UNREACH[code] ?? `Dest Unreachable, Bad Code: ${code}`;
    case IcmpType.SOURCE_QUENCH:
      return 'Source Quench';
    case IcmpType.REDIRECT:
      return `${REDIRECT[code] ?? `Redirect, Bad Code: ${code}`}(New nexthop: ${formatIpv4(info)})`;
    case IcmpType.TIME_EXCEEDED:
      if (code === 0) return 'Time to live exceeded';
      return code === 1 ? 'Frag reassembly time exceeded' : `Time exceeded, Bad Code: ${code}`;
    case IcmpType.PARAMETER_PROBLEM:
      return `Parameter problem: pointer = ${info}`;
    default:
      return `Bad ICMP type: ${type}`;
  }
}
