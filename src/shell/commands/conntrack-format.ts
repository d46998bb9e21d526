// How conntrack(8) 1.4.7 writes an entry: one line, the parts in the order of libnetfilter_conntrack's default output.

import { formatIpv4, type Ipv4 } from '../../addr/ipv4.ts';
import { CtMessage } from '../../netfilter/conntrack/conntrack-event.ts';
import { DCCP, GRE, hasPorts, SCTP, UDPLITE } from '../../netfilter/conntrack/conntrack-protocol.ts';
import { TCP_STATE_NAMES } from '../../netfilter/conntrack/conntrack-tcp-state.ts';
import { CtStatus, type NfConn } from '../../netfilter/conntrack/nf-conn.ts';
import { NS_PER_S } from '../../sim/sim.ts';
import { IpProtocol } from '../../wire/ipv4.ts';

/** Protocols by the names that -p takes. */
export const PROTOCOLS: ReadonlyMap<string, number> = new Map([
  ['tcp', IpProtocol.TCP],
  ['udp', IpProtocol.UDP],
  ['udplite', UDPLITE],
  ['sctp', SCTP],
  ['dccp', DCCP],
  ['icmp', IpProtocol.ICMP],
  ['gre', GRE],
]);
const NAMES: ReadonlyMap<number, string> = new Map([...PROTOCOLS].map(([name, number]) => [number, name]));
/** Width of the name, and of the message of an event. */
const NAME_WIDTH = 8;
const MESSAGE_WIDTH = 9;

export interface EntryFormat {
  readonly id: boolean;
  readonly extended: boolean;
  /** an event: no mark and no use, and no time-out when it has ended by it */
  readonly event: CtMessage | null;
}

interface Tuple {
  readonly source: Ipv4;
  readonly destination: Ipv4;
  readonly sourcePort: number;
  readonly destinationPort: number;
}

export function entryText(ct: NfConn, format: EntryFormat): string {
  const { conntrack } = ct;
  const name = (NAMES.get(ct.proto) ?? 'unknown').padEnd(NAME_WIDTH);
  const expires = conntrack.expiresIn(ct);
  let text = format.extended ? 'ipv4     2 ' : '';
  text += `${name} ${ct.proto} `;
  if (format.event !== CtMessage.DESTROY || expires > 0) text += `${expires} `;
  if (ct.tcp !== null) text += `${TCP_STATE_NAMES[ct.tcp.state]} `;
  const original = { source: ct.oSrc, destination: ct.oDst, sourcePort: ct.oSport, destinationPort: ct.oDport };
  const reply = { source: ct.rSrc, destination: ct.rDst, sourcePort: ct.rSport, destinationPort: ct.rDport };
  text += tupleText(ct.proto, original);
  text += zoneText(ct.oZone, ct.rZone !== ct.oZone, 'zone-orig');
  text += countersText(ct, ct.oPackets, ct.oBytes);
  if ((ct.status & CtStatus.SEEN_REPLY) === 0) text += '[UNREPLIED] ';
  text += tupleText(ct.proto, reply);
  text += zoneText(ct.rZone, ct.rZone !== ct.oZone, 'zone-reply');
  text += countersText(ct, ct.rPackets, ct.rBytes);
  if ((ct.status & CtStatus.ASSURED) !== 0) text += '[ASSURED] ';
  if (format.event === null) text += `mark=${ct.mark >>> 0} `;
  else if (ct.mark !== 0) text += `mark=${ct.mark >>> 0} `;
  if (ct.oZone === ct.rZone && ct.oZone !== 0) text += `zone=${ct.oZone} `;
  if (ct.startedAt >= 0) {
    text += `delta-time=${Math.floor((conntrack.host.sim.now - ct.startedAt) / NS_PER_S)} `;
  }
  if (format.event === null) text += 'use=1 ';
  if (format.id) text += `id=${ct.id} `;
  return text.trimEnd();
}

/** [NEW], [UPDATE], [DESTROY] as they stand in front of an event. */
export function messageText(message: CtMessage): string {
  return `${`[${message}]`.padStart(MESSAGE_WIDTH)} `;
}

function tupleText(proto: number, t: Tuple): string {
  const addresses = `src=${formatIpv4(t.source)} dst=${formatIpv4(t.destination)} `;
  if (proto === IpProtocol.ICMP) {
    return `${addresses}type=${t.destinationPort >>> 8} code=${t.destinationPort & 0xff} id=${t.sourcePort} `;
  }
  if (proto === GRE)
    return `${addresses}srckey=0x${t.sourcePort.toString(16)} dstkey=0x${t.destinationPort.toString(16)} `;
  return hasPorts(proto) ? `${addresses}sport=${t.sourcePort} dport=${t.destinationPort} ` : addresses;
}

function zoneText(zone: number, differ: boolean, name: string): string {
  return differ && zone !== 0 ? `${name}=${zone} ` : '';
}

function countersText(ct: NfConn, packets: number, bytes: number): string {
  return ct.accounted ? `packets=${packets} bytes=${bytes} ` : '';
}
