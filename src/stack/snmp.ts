// Packet counters of a namespace under their /proc/net/snmp names (net/ipv4/proc.c), as `nstat` prints them. An index into
// a typed array each, because the packet path counts every packet.

export const SNMP_NAMES = [
  'IpReasmReqds',
  'IpReasmOKs',
  'IpReasmFails',
  'IpReasmTimeout',
  'IcmpInMsgs',
  'IcmpInCsumErrors',
  'IcmpInDestUnreachs',
  'IcmpInTimeExcds',
  'IcmpInEchos',
  'IcmpInEchoReps',
  'IcmpOutErrors',
  'IcmpOutRateLimitHost',
  'IcmpOutDestUnreachs',
  'IcmpOutTimeExcds',
  'IcmpOutEchos',
  'UdpInDatagrams',
  'UdpNoPorts',
  'UdpInErrors',
  'UdpOutDatagrams',
  'UdpRcvbufErrors',
  'UdpInCsumErrors',
] as const;
export type SnmpName = (typeof SNMP_NAMES)[number];

/** Index of each counter. */
export const Snmp = Object.freeze(Object.fromEntries(SNMP_NAMES.map((n, i) => [n, i]))) as Readonly<
  Record<SnmpName, number>
>;
