// The checksum of a whole TCP, UDP or ICMP packet (net/netfilter/utils.c nf_ip_checksum).

import { sumArena } from '../../link/frame.ts';
import { fold, pseudoSum } from '../../wire/checksum.ts';
import { IpProtocol } from '../../wire/ipv4.ts';
import type { Packet } from '../packet.ts';

/** True when the transport checksum is wrong; the packet must not be a fragment. */
export function badTransportChecksum(packet: Packet): boolean {
  const { transport, end, protocol, source, destination } = packet;
  const sum = sumArena(transport, end);
  if (protocol === IpProtocol.ICMP) return sum !== 0xffff;
  return fold(sum + pseudoSum(source, destination, protocol, end - transport)) !== 0xffff;
}
